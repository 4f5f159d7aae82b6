//! The folder of one agent, and the lock that keeps a second agent out of it.
//!
//! ```text
//! <state>/lock            held for as long as an agent runs
//! <state>/identity/       see `identity`
//! <state>/journal         see `journal`
//! <state>/spool/          see `spool`
//! <state>/orchestration/  one folder for each command that runs
//! <state>/packages/       one folder for each package that was installed
//! <state>/inventory/      what the controller confirmed, and `custom/` for the host's own inventory files
//! <state>/parameters      see `parameters`; parameters.sock and parameters.token beside it
//! <state>/status.json     see `status`
//! <state>/update/         see `update`
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use fleetwright_platform::{HostError, SharedPlatform};

use crate::update::UpdateFolder;

/// Where everything of an agent lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFolder {
    root: PathBuf,
    replacing: Replacing,
}

/// Whether the agent that runs here can be replaced by another build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replacing {
    /// A launcher started it, and starts the next one.
    ByLauncher,
    Impossible,
}

/// The right to write in a state folder; given back when it is dropped.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFolderError {
    #[error("another agent runs with the state folder `{}`; stop it, or name another folder with --state-dir", root.display())]
    InUse { root: PathBuf },
    #[error("cannot use the state folder `{}`", root.display())]
    Unusable { root: PathBuf, source: HostError },
    #[error("cannot lock the state folder `{}`", root.display())]
    Lock { root: PathBuf, source: io::Error },
}

impl StateFolder {
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), replacing: Replacing::Impossible }
    }

    /// The agent here was started by a launcher, which starts the build that counts when this one ends.
    #[must_use]
    pub fn launched(self) -> Self {
        Self { replacing: Replacing::ByLauncher, ..self }
    }

    /// Where other builds come, if this one can be replaced.
    #[must_use]
    pub fn updates(&self, platform: &SharedPlatform) -> Option<UpdateFolder> {
        let folder = UpdateFolder::in_state_folder(&self.root, platform.clone());
        (self.replacing == Replacing::ByLauncher).then_some(folder)
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    #[must_use]
    pub fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }

    #[must_use]
    pub fn orchestration(&self) -> PathBuf {
        self.root.join("orchestration")
    }

    #[must_use]
    pub fn packages(&self) -> PathBuf {
        self.root.join("packages")
    }

    pub fn inventory(&self) -> PathBuf {
        self.root.join("inventory")
    }

    #[must_use]
    pub fn parameters(&self) -> PathBuf {
        self.root.join("parameters")
    }

    #[must_use]
    pub fn status(&self) -> PathBuf {
        self.root.join("status.json")
    }

    /// Makes the folder if it is not there and takes it for this process.
    ///
    /// # Errors
    /// When another agent has it, or it cannot be made or written.
    pub fn lock(&self, platform: &SharedPlatform) -> Result<StateLock, StateFolderError> {
        platform
            .ensure_private_folder(&self.root)
            .map_err(|source| StateFolderError::Unusable { root: self.root.clone(), source })?;
        let failed = |source| StateFolderError::Lock { root: self.root.clone(), source };
        let file = self.lock_file(OpenOptions::new().create(true).truncate(false)).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(StateLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StateFolderError::InUse { root: self.root.clone() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Whether an agent runs here. A folder that cannot be looked into is taken for one without.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        let lock = self.lock_file(&mut OpenOptions::new());
        lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    fn lock_file(&self, options: &mut OpenOptions) -> io::Result<File> {
        options.read(true).write(true).open(self.root.join("lock"))
    }
}
