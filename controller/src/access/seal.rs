//! The seal around secrets at rest: AES-256-GCM under a key in a file outside the store. What a secret belongs to is
//! bound into its seal, so that a sealed secret cannot be moved to another row.
//!
//! ```text
//! nonce (12 bytes, random) · ciphertext · tag (16 bytes)      as base64
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use crate::authority::{new_private_folder, write_private};
use crate::error::Refusal;

const KEY_BYTES: usize = 32;

/// Why there is no key for seals. The key itself is never told.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("cannot use the key of access keys in {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{0} can be read by others: chmod 600 it, and think about who may have read it")]
    Exposed(PathBuf),
    #[error("{0} does not hold what we wrote there, 64 hex digits: restore it from a backup")]
    Damaged(PathBuf),
    #[error("the system gives no random numbers")]
    Random,
}

/// Seals and opens.
pub struct Seal(LessSafeKey);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

impl Seal {
    /// Reads the key file, or makes one where there is none, for its owner alone.
    pub fn open_file(path: &Path) -> Result<Self, SealError> {
        let failed = |source| SealError::File { path: path.to_owned(), source };
        match std::fs::read_to_string(path) {
            Ok(text) => {
                refuse_exposed(path)?;
                let bytes = hex::decode(text.trim()).map_err(|_| SealError::Damaged(path.to_owned()))?;
                Self::of(&bytes).ok_or_else(|| SealError::Damaged(path.to_owned()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut bytes = [0u8; KEY_BYTES];
                SystemRandom::new().fill(&mut bytes).map_err(|_| SealError::Random)?;
                new_private_folder(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
                write_private(path, format!("{}\n", hex::encode(bytes)).as_bytes()).map_err(failed)?;
                Self::of(&bytes).ok_or_else(|| SealError::Damaged(path.to_owned()))
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn of(key: &[u8]) -> Option<Self> {
        UnboundKey::new(&AES_256_GCM, key).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    /// `about` names the row that the secret belongs to.
    pub fn seal(&self, about: &str, secret: &str) -> Result<String, Refusal> {
        let mut nonce = [0u8; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| Refusal::internal("the system gives no random numbers"))?;
        let mut sealed = secret.as_bytes().to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(about.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| Refusal::internal("a secret could not be sealed"))?;
        Ok(STANDARD.encode([&nonce[..], &sealed[..]].concat()))
    }

    /// None when it was sealed with another key, for another row, or altered since.
    #[must_use]
    pub fn open(&self, about: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut ciphertext = ciphertext.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.open_in_place(nonce, Aad::from(about.as_bytes()), &mut ciphertext).ok()?;
        Some(opened.to_vec())
    }
}

fn refuse_exposed(path: &Path) -> Result<(), SealError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path);
    let mode =
        metadata.map_err(|source| SealError::File { path: path.to_owned(), source })?.permissions().mode();
    if mode & 0o077 == 0 { Ok(()) } else { Err(SealError::Exposed(path.to_owned())) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_seal_opens_for_its_row_and_its_key_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let seal = Seal::open_file(&folder.path().join("access/seal.key")).unwrap();
        let again = Seal::open_file(&folder.path().join("access/seal.key")).unwrap();
        let other = Seal::open_file(&folder.path().join("access/other.key")).unwrap();
        let sealed = seal.seal("AKIA1", "the secret").unwrap();
        assert!(!sealed.contains("secret"));
        assert_ne!(seal.seal("AKIA1", "the secret").unwrap(), sealed);
        assert_eq!(again.open("AKIA1", &sealed).as_deref(), Some(&b"the secret"[..]));
        assert_eq!(seal.open("AKIA2", &sealed), None);
        assert_eq!(other.open("AKIA1", &sealed), None);
        let mut altered = STANDARD.decode(&sealed).unwrap();
        altered[NONCE_LEN] ^= 1;
        for broken in [STANDARD.encode(&altered), String::new(), "!".to_owned(), "AAAA".to_owned()] {
            assert_eq!(seal.open("AKIA1", &broken), None, "{broken}");
        }
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_damaged_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        Seal::open_file(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Seal::open_file(&path), Err(SealError::Exposed(_))));
        for wrong in ["", "00", "no hex"] {
            std::fs::write(&path, wrong).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(Seal::open_file(&path), Err(SealError::Damaged(_))), "{wrong}");
        }
    }
}
