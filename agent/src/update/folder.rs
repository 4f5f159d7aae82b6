//! Where builds and the journal of updates lie.
//!
//! ```text
//! <state>/update/state.json   see `state`; replaced whole and durable
//! <state>/update/lock         held by whoever brings a build in
//! <state>/update/reached      made by a build on trial when it has reached the controller
//! <state>/update/a/, b/       the slots, each with one program
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use fleetwright_platform::{HostError, SharedPlatform};
use sha2::{Digest, Sha256};

use super::state::{Build, Slot, UpdateState};
use crate::replace::{self, ReplaceError};

/// Why builds cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is not a journal of updates", path.display())]
    Unreadable { path: PathBuf, source: serde_json::Error },
    #[error("another update of this host's agent is on its way; wait for it")]
    Busy,
}

/// The folder of one agent's builds.
#[derive(Debug, Clone)]
pub struct UpdateFolder {
    root: PathBuf,
    platform: SharedPlatform,
}

/// The right to bring a build in; given back when it is dropped.
#[derive(Debug)]
pub(super) struct UpdateLock {
    _file: File,
}

impl UpdateFolder {
    #[must_use]
    pub fn in_state_folder(state: &Path, platform: SharedPlatform) -> Self {
        Self { root: state.join("update"), platform }
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    #[must_use]
    pub fn platform(&self) -> &SharedPlatform {
        &self.platform
    }

    /// What was written last; None when there never was an update.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(&self) -> Result<Option<UpdateState>, UpdateError> {
        let path = self.state_file();
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|source| UpdateError::Unreadable { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(UpdateError::Read { path, source }),
        }
    }

    /// Durable on return.
    ///
    /// # Errors
    /// When the disk does not take it; what was there before is untouched.
    pub fn write(&self, state: &UpdateState) -> Result<(), UpdateError> {
        self.platform.ensure_private_folder(&self.root)?;
        let text = serde_json::to_vec_pretty(state).expect("a state has no map with keys that are not text");
        Ok(replace::durably(&*self.platform, &self.state_file(), &text)?)
    }

    /// The program in a slot.
    #[must_use]
    pub fn program(&self, slot: Slot) -> PathBuf {
        let folder = match slot {
            Slot::A => "a",
            Slot::B => "b",
        };
        self.root.join(folder).join(format!("fleetwright-agent{}", std::env::consts::EXE_SUFFIX))
    }

    /// What a build on trial makes when it has reached the controller.
    #[must_use]
    pub fn reached_marker(&self) -> PathBuf {
        self.root.join("reached")
    }

    /// Whether a build's file is as it was written.
    #[must_use]
    pub fn is_whole(&self, build: &Build) -> bool {
        digest(&self.program(build.slot)).is_ok_and(|digest| digest == build.sha256)
    }

    /// What a program is, for comparison with what it was: empty when it cannot be read.
    #[must_use]
    pub fn mark_of(program: &Path) -> String {
        digest(program).unwrap_or_default()
    }

    pub(super) fn lock(&self) -> Result<UpdateLock, UpdateError> {
        self.platform.ensure_private_folder(&self.root)?;
        let path = self.root.join("lock");
        let failed = |source| UpdateError::Read { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).read(true).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(UpdateLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(UpdateError::Busy),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    fn state_file(&self) -> PathBuf {
        self.root.join("state.json")
    }
}

/// In hexadecimal digits.
pub(super) fn digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            read => hasher.update(&piece[..read]),
        }
    }
}
