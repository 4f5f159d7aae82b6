//! The identity on disk. See the parent module for the layout.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fleetwright_platform::{HostError, SharedPlatform};
use fleetwright_proto::ids::NodeId;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use super::{ControllerAddress, HostKey, Identity, KeyError};
use crate::replace;

const KEY_FILE: &str = "key.pem";
const IDENTITY_FILE: &str = "identity.json";

/// Where an identity is kept.
#[derive(Debug, Clone)]
pub struct IdentityFiles {
    folder: PathBuf,
    platform: SharedPlatform,
}

/// Why an identity cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum IdentityFilesError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is damaged: {problem}; enrol this host again with --force", path.display())]
    Damaged { path: PathBuf, problem: String },
    #[error("cannot use the key in `{}`", path.display())]
    Key { path: PathBuf, source: KeyError },
    #[error("cannot make a key for this host")]
    MakeKey(#[source] KeyError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("the agent stopped before it was written")]
    Stopped,
    #[error(transparent)]
    Replace(#[from] replace::ReplaceError),
}

/// The text form. Certificates are hexadecimal DER, which needs no second parser.
#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    node_id: NodeId,
    controller: ControllerAddress,
    certificate: String,
    authority: String,
}

const FORMAT: u32 = 1;

impl IdentityFiles {
    #[must_use]
    pub fn in_state_folder(state: &Path, platform: SharedPlatform) -> Self {
        Self { folder: state.join("identity"), platform }
    }

    /// The identity of an enrolled host; `None` before the enrolment.
    ///
    /// # Errors
    /// When the files are there and cannot be used.
    pub fn load(&self) -> Result<Option<Identity>, IdentityFilesError> {
        let path = self.folder.join(IDENTITY_FILE);
        let Some(text) = read_if_there(&path)? else { return Ok(None) };
        let damaged = |problem: String| IdentityFilesError::Damaged { path: path.clone(), problem };
        let stored: Stored = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if stored.format != FORMAT {
            return Err(damaged(format!("its format is {}, this agent knows {FORMAT}", stored.format)));
        }
        let der = |text: &str| {
            hex::decode(text).map(CertificateDer::from).map_err(|error| damaged(error.to_string()))
        };
        let key = self.load_key()?.ok_or_else(|| damaged(format!("{KEY_FILE} is missing beside it")))?;
        Ok(Some(Identity {
            node_id: stored.node_id,
            controller: stored.controller,
            key,
            certificate: der(&stored.certificate)?,
            authority: der(&stored.authority)?,
        }))
    }

    /// The key of this host, made and durable before it is returned. An enrolment that is tried again uses it again.
    ///
    /// # Errors
    /// When the key can be neither read nor made.
    pub fn ensure_key(&self) -> Result<HostKey, IdentityFilesError> {
        if let Some(key) = self.load_key()? {
            return Ok(key);
        }
        let key = HostKey::generate().map_err(IdentityFilesError::MakeKey)?;
        self.keep_key(&key)?;
        Ok(key)
    }

    /// A key for a host that is to become another node. The key before is gone for good.
    ///
    /// # Errors
    /// When the key cannot be made or kept.
    pub fn replace_key(&self) -> Result<HostKey, IdentityFilesError> {
        let key = HostKey::generate().map_err(IdentityFilesError::MakeKey)?;
        self.keep_key(&key)?;
        Ok(key)
    }

    /// Durable on return; either the old identity is there or the new one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn store(&self, identity: &Identity) -> Result<(), IdentityFilesError> {
        let stored = Stored {
            format: FORMAT,
            node_id: identity.node_id.clone(),
            controller: identity.controller.clone(),
            certificate: hex::encode(&identity.certificate),
            authority: hex::encode(&identity.authority),
        };
        let text =
            serde_json::to_vec_pretty(&stored).expect("an identity has no map with keys that are not text");
        self.replace(IDENTITY_FILE, &text)
    }

    fn load_key(&self) -> Result<Option<HostKey>, IdentityFilesError> {
        let path = self.folder.join(KEY_FILE);
        let Some(pem) = read_if_there(&path)? else { return Ok(None) };
        HostKey::from_pem(&pem).map(Some).map_err(|source| IdentityFilesError::Key { path, source })
    }

    fn keep_key(&self, key: &HostKey) -> Result<(), IdentityFilesError> {
        self.replace(KEY_FILE, key.to_pem().as_bytes())
    }

    fn replace(&self, name: &str, content: &[u8]) -> Result<(), IdentityFilesError> {
        self.platform.ensure_private_folder(&self.folder)?;
        replace::durably(&*self.platform, &self.folder.join(name), content)?;
        Ok(())
    }
}

fn read_if_there(path: &Path) -> Result<Option<String>, IdentityFilesError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IdentityFilesError::Read { path: path.to_owned(), source }),
    }
}
