//! What is held, on the disk: one file, sealed to the key of this host, replaced whole.
//!
//! ```text
//! <state>/parameters    "FWPARAM1", nonce, AES-256-GCM of the JSON text; the node's id is part of the seal
//! ```
//!
//! The key is derived from the key of the host's identity, so a copy of the file is of no use without that, and a host
//! that became another node cannot read it either. A file that does not open is as good as none.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use fleetwright_platform::SharedPlatform;
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use super::cache::Kept;
use crate::identity::Identity;
use crate::replace::{self, ReplaceError};

const MAGIC: &[u8] = b"FWPARAM1";
const PURPOSE: &str = "fleetwright parameters held on this host";
/// Larger ones were not written by an agent.
const FILE_MAX_BYTES: u64 = 256 << 20;

/// Where and how it is written.
pub(super) struct SealedFile {
    path: PathBuf,
    platform: SharedPlatform,
    key: LessSafeKey,
    node: NodeId,
}

impl fmt::Debug for SealedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What is in the file.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    /// By the clock of leases.
    pub(super) at_ms: Timestamp,
    pub(super) entries: Vec<Kept>,
}

/// Why it cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum SealedFileError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` was not sealed with the key of this host, or is damaged", path.display())]
    Sealed { path: PathBuf },
    #[error("`{}` is in a form that this agent does not know", path.display())]
    Form { path: PathBuf, source: serde_json::Error },
    #[error("the system gives no random bytes")]
    NoChance,
    #[error(transparent)]
    Replace(#[from] ReplaceError),
}

impl SealedFile {
    pub(super) fn of(identity: &Identity, path: PathBuf, platform: SharedPlatform) -> Self {
        let key = LessSafeKey::new(identity.key.sealing_key(PURPOSE));
        Self { path, platform, key, node: identity.node_id.clone() }
    }

    /// None when there is none.
    pub(super) fn read(&self) -> Result<Option<Written>, SealedFileError> {
        let path = || self.path.clone();
        match fs::metadata(&self.path) {
            Ok(found) if found.len() <= FILE_MAX_BYTES => {}
            Ok(_) => return Err(SealedFileError::Sealed { path: path() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SealedFileError::Read { path: path(), source }),
        }
        let mut bytes =
            fs::read(&self.path).map_err(|source| SealedFileError::Read { path: path(), source })?;
        let text = self.open(&mut bytes).ok_or_else(|| SealedFileError::Sealed { path: path() })?;
        serde_json::from_slice(text)
            .map(Some)
            .map_err(|source| SealedFileError::Form { path: path(), source })
    }

    /// Durable on return.
    pub(super) fn write(&self, written: &Written) -> Result<(), SealedFileError> {
        let text = serde_json::to_vec(written).expect("a list of texts and numbers is JSON");
        let bytes = self.seal(text).ok_or(SealedFileError::NoChance)?;
        Ok(replace::durably(&*self.platform, &self.path, &bytes)?)
    }

    fn seal(&self, mut text: Vec<u8>) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let unique = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(unique, self.about(), &mut text).ok()?;
        Some([MAGIC, &nonce, &text].concat())
    }

    fn open<'a>(&self, bytes: &'a mut [u8]) -> Option<&'a [u8]> {
        let (magic, rest) = bytes.split_at_mut_checked(MAGIC.len())?;
        let (nonce, sealed) = rest.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.key.open_in_place(nonce, self.about(), sealed).ok()?;
        (*magic == *MAGIC).then_some(opened)
    }

    fn about(&self) -> Aad<Vec<u8>> {
        Aad::from([MAGIC, self.node.as_str().as_bytes()].concat())
    }
}
