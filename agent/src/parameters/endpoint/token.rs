//! The token that applications show on the loopback address: a file that only they can read.
//!
//! It stays the same for as long as its file does, so that an application that has read it goes on after a restart of
//! the agent. A file that somebody else made is taken as well, when it holds enough.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetwright_platform::local::{self, Audience};
use fleetwright_platform::{HostError, SharedPlatform};
use ring::rand::{SecureRandom, SystemRandom};

const TOKEN_BYTES: usize = 32;
/// Shorter ones could be guessed.
const SHORTEST_CHARS: usize = 16;
const LONGEST_BYTES: u64 = 4096;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("cannot use the token file `{}`", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(
        "`{}` holds no token: {SHORTEST_CHARS} to {LONGEST_BYTES} printable ASCII characters on one line", path.display()
    )]
    NoToken { path: PathBuf },
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("the system gives no random bytes")]
    NoChance,
}

/// The token in the file, which is made when it is not there.
pub(super) fn ensure(
    path: &Path,
    audience: &Audience,
    platform: &SharedPlatform,
) -> Result<String, TokenError> {
    let failed = |source| TokenError::File { path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(found) if found.len() > LONGEST_BYTES => Err(TokenError::NoToken { path: path.to_owned() }),
        Ok(_) => {
            let text = fs::read_to_string(path).map_err(failed)?;
            let token = text.trim();
            let is_token = token.len() >= SHORTEST_CHARS && token.bytes().all(|byte| byte.is_ascii_graphic());
            if is_token { Ok(token.to_owned()) } else { Err(TokenError::NoToken { path: path.to_owned() }) }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut bytes = [0; TOKEN_BYTES];
            SystemRandom::new().fill(&mut bytes).map_err(|_| TokenError::NoChance)?;
            let token = URL_SAFE_NO_PAD.encode(bytes);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(failed)?;
            }
            // Whole before anybody sees it.
            let aside = path.with_added_extension("new");
            drop(fs::remove_file(&aside));
            let mut file = platform.create_private_file(&aside)?;
            file.write_all(token.as_bytes()).map_err(failed)?;
            drop(file);
            local::open_to(&aside, audience)?;
            fs::rename(&aside, path).map_err(failed)?;
            Ok(token)
        }
        Err(source) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fleetwright_platform::fake::FakePlatform;
    use fleetwright_proto::clock::SystemClock;

    use super::*;

    #[test]
    fn a_token_is_made_once_and_a_bad_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let platform: SharedPlatform = Arc::new(FakePlatform::numbered(1, Arc::new(SystemClock)));
        let path = folder.path().join("run/token");
        let token = ensure(&path, &Audience::Nobody, &platform).unwrap();
        assert_eq!(token.len(), 43);
        assert_eq!(ensure(&path, &Audience::Nobody, &platform).unwrap(), token);
        fs::write(&path, "a token of somebody else's\n").unwrap();
        let error = ensure(&path, &Audience::Nobody, &platform).unwrap_err();
        assert!(error.to_string().contains("holds no token"), "{error}");
        fs::write(&path, "somebody-elses-token\n").unwrap();
        assert_eq!(ensure(&path, &Audience::Nobody, &platform).unwrap(), "somebody-elses-token");
        fs::write(&path, "short").unwrap();
        assert!(ensure(&path, &Audience::Nobody, &platform).is_err());
    }
}
