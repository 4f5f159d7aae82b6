//! What lies on the disk of the packages of a host.
//!
//! ```text
//! <state>/packages/<package>/record.json       the stage, and the versions that it is about
//! <state>/packages/<package>/<version>/files/  what came with a version: its archive unpacked, or its one file
//! ```
//!
//! The folder of a version appears under its name when it is whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fleetwright_platform::SharedPlatform;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::stage::{Record, Version};
use crate::bounds;
use crate::explain::explain;
use crate::replace;

const RECORD: &str = "record.json";
const FILES: &str = "files";
/// Of all packages together.
pub const PACKAGES_MAX_BYTES: u64 = 20 << 30;
/// Digits of a file's digest in the name of its folder.
const SHOWN_DIGITS: usize = 12;

/// The packages of one host. Clones are of the same host: one of them at a time changes something, as the host's own
/// package programs would ask of each other.
#[derive(Debug, Clone)]
pub struct Packages {
    folder: PathBuf,
    turn: Arc<Mutex<()>>,
}

impl Packages {
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder, turn: Arc::default() }
    }

    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// Whether something of a size may be brought in.
    pub(super) fn check_room(&self, bytes: u64) -> Result<(), String> {
        let used = bounds::bytes_below(&self.folder);
        if used.saturating_add(bytes) <= PACKAGES_MAX_BYTES {
            return Ok(());
        }
        let folder = self.folder.display();
        Err(format!(
            "the packages in `{folder}` have {used} bytes; with {bytes} more they exceed the limit of {PACKAGES_MAX_BYTES}"
        ))
    }

    pub(super) fn shelf(&self, package: &str, platform: &SharedPlatform) -> Shelf {
        let folder = self.folder.join(super::super::folder_name(package));
        Shelf { folder, platform: Arc::clone(platform) }
    }
}

/// The place of one package. Its errors are one line for people.
pub(super) struct Shelf {
    folder: PathBuf,
    platform: SharedPlatform,
}

impl Shelf {
    /// What is known of the package. A record that cannot be read is as good as none; the files that it was about go
    /// with the next installation.
    pub(super) fn record(&self) -> Result<Option<Record>, String> {
        let path = self.folder.join(RECORD);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(problem("read", &path, &error)),
        };
        match serde_json::from_slice(&bytes) {
            Ok(record) => Ok(Some(record)),
            Err(error) => {
                tracing::error!(
                    "`{}` cannot be read, its package counts as not installed: {error}",
                    path.display()
                );
                Ok(None)
            }
        }
    }

    /// Durable on return.
    pub(super) fn keep(&self, record: &Record) -> Result<(), String> {
        self.platform.ensure_private_folder(&self.folder).map_err(|error| explain(&error))?;
        let bytes = serde_json::to_vec_pretty(record).map_err(|error| error.to_string())?;
        replace::durably(&*self.platform, &self.folder.join(RECORD), &bytes).map_err(|error| explain(&error))
    }

    /// Forgets the package with everything that lies here.
    pub(super) fn clear(&self) -> Result<(), String> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(problem("remove", &self.folder, &error))
            }
            _ => Ok(()),
        }
    }

    /// Removes the files of all versions but the one that is kept. What cannot be removed now is tried next time.
    pub(super) fn tidy(&self, record: &Record) {
        let kept = folder_of(&record.version);
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if !path.is_dir() || entry.file_name().to_str() == Some(kept.as_str()) {
                continue;
            }
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!("{}", problem("remove", &path, &error));
            }
        }
    }

    pub(super) fn has(&self, version: &Version) -> bool {
        self.files(version).is_dir()
    }

    /// What came with a version.
    pub(super) fn files(&self, version: &Version) -> PathBuf {
        self.folder.join(folder_of(version)).join(FILES)
    }

    /// An empty folder in which a version is put together.
    pub(super) fn workbench(&self) -> Result<Workbench, String> {
        let folder = self.folder.join("incoming");
        if let Err(error) = fs::remove_dir_all(&folder)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(problem("empty", &folder, &error));
        }
        let files = folder.join(FILES);
        self.platform.ensure_private_folder(&files).map_err(|error| explain(&error))?;
        Ok(Workbench { folder, files })
    }

    /// The files of a version are there from now on.
    pub(super) fn place(&self, made: &Workbench, version: &Version) -> Result<(), String> {
        let place = self.folder.join(folder_of(version));
        if place.is_dir() {
            fs::remove_dir_all(&place).map_err(|error| problem("replace", &place, &error))?;
        }
        fs::rename(&made.folder, &place).map_err(|error| problem("place", &place, &error))?;
        self.platform.sync_folder(&self.folder).map_err(|error| explain(&error))
    }
}

/// A version on its way in.
pub(super) struct Workbench {
    pub(super) folder: PathBuf,
    pub(super) files: PathBuf,
}

fn folder_of(version: &Version) -> String {
    let digits: String = version.sha256.chars().take(SHOWN_DIGITS).collect();
    super::super::folder_name(&format!("{}-{digits}", version.version))
}

fn problem(verb: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {verb} `{}`: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_have_a_limit_together() {
        let folder = tempfile::tempdir().unwrap();
        let packages = Packages::in_folder(folder.path().to_owned());
        packages.check_room(PACKAGES_MAX_BYTES).unwrap();
        // It takes no room on the disk.
        fs::File::create(folder.path().join("large")).unwrap().set_len(PACKAGES_MAX_BYTES).unwrap();
        let told = packages.check_room(1).unwrap_err();
        assert!(told.contains("21474836480 bytes; with 1 more"), "{told}");
    }
}
