//! The signature of a notice, as the Standard Webhooks specification has it: three headers, of which the last is an
//! HMAC-SHA256 over id, moment and body. A receiver that checks it knows the sender, and can refuse what is old.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fleetwright_proto::clock::Timestamp;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// What stands before the secret's base64.
const PREFIX: &str = "whsec_";
const SECRET_BYTES: usize = 32;
/// The specification's least and most bytes of a secret.
const GOOD_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Why there is no secret. The secret itself is never told.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("cannot use the secret of notifications in {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{path} holds no secret of notifications: it is {PREFIX} and the base64 of 24 to 64 bytes")]
    Format { path: PathBuf },
    #[error("the system gives no random numbers")]
    Random,
}

/// The key that notices are signed with.
pub struct Secret(hmac::Key);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Reads the secret, or makes one where there is none, for its owner alone.
    pub fn open(path: &Path) -> Result<Self, SecretError> {
        let failed = |source| SecretError::File { path: path.to_owned(), source };
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(text.trim()).ok_or_else(|| SecretError::Format { path: path.to_owned() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut bytes = [0u8; SECRET_BYTES];
                SystemRandom::new().fill(&mut bytes).map_err(|_| SecretError::Random)?;
                write_private(path, &format!("{PREFIX}{}\n", STANDARD.encode(bytes))).map_err(failed)?;
                Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Reads a secret as receivers are given it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        GOOD_BYTES.contains(&bytes.len()).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The three headers of a notice.
    #[must_use]
    pub fn headers(&self, id: &str, moment: Timestamp, body: &str) -> [(&'static str, String); 3] {
        let seconds = moment.millis().div_euclid(1000);
        let tag = hmac::sign(&self.0, format!("{id}.{seconds}.{body}").as_bytes());
        [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", format!("v1,{}", STANDARD.encode(tag))),
        ]
    }
}

/// A file that is whole or not there, and that only its owner reads.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values were computed with another implementation of HMAC-SHA256.
    #[test]
    fn headers_are_those_that_receivers_check() {
        let secret = Secret::parse(&format!("whsec_{}", STANDARD.encode([7u8; 32]))).unwrap();
        let headers = secret.headers("msg_1", Timestamp::from_millis(1_790_000_000_999), r#"{"a":1}"#);
        assert_eq!(headers[0], ("webhook-id", "msg_1".to_owned()));
        assert_eq!(headers[1], ("webhook-timestamp", "1790000000".to_owned()));
        assert_eq!(
            headers[2],
            ("webhook-signature", "v1,MhmkydF/1pU1X972jicuqVYPIIJ4wCth64bVbMDG8Zw=".to_owned())
        );
    }

    #[test]
    fn a_secret_is_made_once_and_for_its_owner() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let first = Secret::open(&path).unwrap();
        let again = Secret::open(&path).unwrap();
        let sign = |secret: &Secret| secret.headers("a", Timestamp::default(), "b");
        assert_eq!(sign(&first), sign(&again));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!format!("{first:?}").contains(text.trim()));
        for wrong in ["", "whsec_", "whsec_!!", "whsec_c2hvcnQ="] {
            std::fs::write(&path, wrong).unwrap();
            assert!(matches!(Secret::open(&path), Err(SecretError::Format { .. })), "{wrong}");
        }
    }
}
