//! A file from a URL, with no login, Basic or Digest.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fleetwright_documents::inputs::HttpLogin;
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};

use super::fetch::{Answer, Get};
use super::file::{Incoming, Sums};
use super::{DownloadError, Place, plain};
use crate::steps::Task;

/// A line of progress each time that so much more has come.
const PROGRESS_BYTES: u64 = 64 << 20;

pub(super) async fn download(
    (url, login, allow_insecure): (&str, &HttpLogin, bool),
    sha256: Option<&str>,
    place: &Place,
    task: &Task<'_>,
) -> Result<PathBuf, DownloadError> {
    let get = Get::new(url, allow_insecure)?;
    let name = get.url.path().rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("download");
    let path = place.file(name)?;
    let answer = logged_in(&get, login, task).await?;
    keep(answer, &path, &Sums::sha256(sha256), task).await?;
    Ok(path)
}

/// Writes a body to its place. Returns how much it was.
pub(in crate::steps) async fn keep(
    mut answer: Answer,
    path: &Path,
    wanted: &Sums,
    task: &Task<'_>,
) -> Result<u64, DownloadError> {
    let mut file = Incoming::create(path, task)?;
    let length = answer.length();
    let mut told = 0;
    while let Some(data) = answer.next(task).await? {
        file.write(&data)?;
        if file.bytes() - told >= PROGRESS_BYTES {
            told = file.bytes();
            let of = length.map(|length| format!(" of {length}")).unwrap_or_default();
            task.say(&format!("{told}{of} bytes of {}", path.display())).await;
        }
    }
    if let Some(length) = length.filter(|length| *length != file.bytes()) {
        return Err(DownloadError::Source(format!(
            "{} bytes came, and {length} were announced",
            file.bytes()
        )));
    }
    file.finish(wanted)
}

async fn logged_in(get: &Get, login: &HttpLogin, task: &Task<'_>) -> Result<Answer, DownloadError> {
    match login {
        HttpLogin::None => get.send_for_success(task).await,
        HttpLogin::Basic { user, password } => {
            let pair = STANDARD.encode(format!("{}:{}", plain(user)?, plain(password)?));
            get.clone().with(AUTHORIZATION, &format!("Basic {pair}"))?.send_for_success(task).await
        }
        HttpLogin::Digest { user, password } => {
            let first = get.send(task).await?;
            if first.status != StatusCode::UNAUTHORIZED {
                return if first.status.is_success() { Ok(first) } else { Err(get.refused(first.status)) };
            }
            let challenge = challenge(&first.headers)
                .ok_or_else(|| DownloadError::Source("the server asks for no Digest login".to_owned()))?;
            let path = get.url.path_and_query().map_or("/", |path| path.as_str());
            let chance = uuid::Uuid::new_v4().simple().to_string();
            let answer = challenge.answer((plain(user)?, plain(password)?), path, &chance)?;
            get.clone().with(AUTHORIZATION, &answer)?.send_for_success(task).await
        }
    }
}

/// What a server asks of a Digest login (RFC 7616).
#[derive(Debug, Default, PartialEq, Eq)]
struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Option<String>,
    has_auth: bool,
}

fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let mut digests = texts.filter_map(|text| {
        let (scheme, rest) = text.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("Digest").then(|| read(rest))
    });
    digests.next()
}

fn read(mut text: &str) -> Challenge {
    let mut challenge = Challenge::default();
    while let Some((name, rest)) = text.split_once('=') {
        let (value, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(',').unwrap_or((rest, "")),
        };
        text = after.trim_start_matches([',', ' ']);
        match name.trim().to_ascii_lowercase().as_str() {
            "realm" => value.clone_into(&mut challenge.realm),
            "nonce" => value.clone_into(&mut challenge.nonce),
            "opaque" => challenge.opaque = Some(value.to_owned()),
            "algorithm" => challenge.algorithm = Some(value.trim().to_owned()),
            "qop" => challenge.has_auth = value.split(',').any(|one| one.trim() == "auth"),
            _ => {}
        }
    }
    challenge
}

impl Challenge {
    fn answer(
        &self,
        (user, password): (&str, &str),
        path: &str,
        chance: &str,
    ) -> Result<String, DownloadError> {
        use md5::Digest as _;
        let algorithm = self.algorithm.as_deref().unwrap_or("MD5");
        let sum = |text: &str| match algorithm {
            "SHA-256" => Ok(hex::encode(sha2::Sha256::digest(text))),
            "MD5" => Ok(hex::encode(md5::Md5::digest(text))),
            other => Err(DownloadError::Source(format!(
                "the server asks for Digest with {other}, which is unknown"
            ))),
        };
        let who = sum(&format!("{user}:{}:{password}", self.realm))?;
        let what = sum(&format!("GET:{path}"))?;
        let (nonce, quality) = (&self.nonce, "auth");
        let response = if self.has_auth {
            sum(&format!("{who}:{nonce}:00000001:{chance}:{quality}:{what}"))?
        } else {
            sum(&format!("{who}:{nonce}:{what}"))?
        };
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut header = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{nonce}\", uri=\"{path}\", algorithm={algorithm}, response=\"{response}\"",
            quoted(user),
            quoted(&self.realm)
        );
        if self.has_auth {
            header.push_str(&format!(", qop={quality}, nc=00000001, cnonce=\"{chance}\""));
        }
        if let Some(opaque) = &self.opaque {
            header.push_str(&format!(", opaque=\"{opaque}\""));
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_is_answered_as_it_says() {
        // RFC 7616, section 3.9.1.
        let asked = |algorithm: &str| {
            read(&format!(
                "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            ))
        };
        for (algorithm, wanted) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let login = ("Mufasa", "Circle of Life");
            let chance = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let answer = asked(algorithm).answer(login, "/dir/index.html", chance).unwrap();
            assert!(answer.contains(&format!("response=\"{wanted}\"")), "{answer}");
            assert!(!answer.contains("Circle"));
        }
    }
}
