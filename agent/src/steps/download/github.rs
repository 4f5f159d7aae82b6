//! A file or a folder of a repository, through GitHub's REST interface.

use std::collections::VecDeque;
use std::path::PathBuf;

use fleetwright_documents::inputs::{Revision, Source};
use http::header::{ACCEPT, AUTHORIZATION};
use serde::Deserialize;

use super::fetch::Get;
use super::file::Sums;
use super::http::keep;
use super::{DownloadError, Place, inside, plain};
use crate::steps::Task;

/// Names another interface, for example that of GitHub Enterprise: `https://github.example.com/api/v3`.
const API_VARIABLE: &str = "GITHUB_API_URL";
const API: &str = "https://api.github.com";
const JSON: &str = "application/vnd.github+json";
const RAW: &str = "application/vnd.github.raw+json";
/// More files than this are no folder that a step wants.
const MAX_FILES: usize = 10_000;

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    path: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Contents {
    Folder(Vec<Entry>),
    One(Entry),
}

pub(super) async fn download(
    source: &Source,
    sha256: Option<&str>,
    place: &Place,
    task: &Task<'_>,
) -> Result<PathBuf, DownloadError> {
    let api = std::env::var(API_VARIABLE).unwrap_or_else(|_| API.to_owned());
    from(&api, source, sha256, place, task).await
}

pub(super) async fn from(
    api: &str,
    source: &Source,
    sha256: Option<&str>,
    place: &Place,
    task: &Task<'_>,
) -> Result<PathBuf, DownloadError> {
    let Source::GitHub { owner, repository, path, revision, token } = source else {
        unreachable!("the table gives this source only")
    };
    let reference = match revision {
        Revision::Default => String::new(),
        Revision::Branch(name) | Revision::Commit(name) => format!("?ref={}", encoded(name)),
    };
    let token = token.as_ref().map(plain).transpose()?;
    let root = path.trim_matches('/');
    let get = |path: &str, accept: &str| {
        let url = format!(
            "{}/repos/{}/{}/contents/{}{reference}",
            api.trim_end_matches('/'),
            encoded(owner),
            encoded(repository),
            path.split('/').map(encoded).collect::<Vec<_>>().join("/")
        );
        // Whoever names another interface has chosen its scheme.
        let get = Get::new(&url, api.starts_with("http://"))?.with(ACCEPT, accept)?;
        match token {
            Some(token) => get.with(AUTHORIZATION, &format!("Bearer {token}")),
            None => Ok(get),
        }
    };
    let mut folders = VecDeque::from([root.to_owned()]);
    let (mut files, mut bytes) = (0, 0);
    let max_bytes = task.tools.downloads.room()?;
    while let Some(folder) = folders.pop_front() {
        let text = get(&folder, JSON)?.send_for_success(task).await?.text(task).await?;
        let contents: Contents = serde_json::from_str(&text)
            .map_err(|error| DownloadError::Source(format!("GitHub's answer is not understood: {error}")))?;
        let entries = match contents {
            Contents::One(entry) if folder == root => {
                let path = place.file(&entry.name)?;
                keep(
                    get(&entry.path, RAW)?.send_for_success(task).await?,
                    &path,
                    &Sums::sha256(sha256),
                    task,
                )
                .await?;
                return Ok(path);
            }
            Contents::One(entry) => vec![entry],
            Contents::Folder(_) if sha256.is_some() => return Err(DownloadError::ChecksumOfFolder),
            Contents::Folder(entries) => entries,
        };
        for entry in entries {
            match entry.kind.as_str() {
                "dir" => folders.push_back(entry.path),
                "file" => {
                    let relative =
                        entry.path.strip_prefix(root).unwrap_or(&entry.path).trim_start_matches('/');
                    let path = inside(&place.path, relative)?;
                    bytes += keep(
                        get(&entry.path, RAW)?.send_for_success(task).await?,
                        &path,
                        &Sums::default(),
                        task,
                    )
                    .await?;
                    files += 1;
                }
                kind => task.say(&format!("{} is left out: it is a {kind}", entry.path)).await,
            }
            if files > MAX_FILES || bytes > max_bytes {
                return Err(DownloadError::TooLarge(max_bytes));
            }
        }
    }
    Ok(place.path.clone())
}

/// One segment of a path, or a value of a query.
pub(super) fn encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
