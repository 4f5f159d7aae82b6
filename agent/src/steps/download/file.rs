//! One file on its way in: beside its name until it is whole.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{DownloadError, MAX_BYTES, ensure_folder};
use crate::steps::Task;

/// Dropped before it is finished, nothing of it is left.
pub(super) struct Incoming {
    path: PathBuf,
    aside: PathBuf,
    file: Option<File>,
    sum: Sha256,
    bytes: u64,
}

impl Incoming {
    pub(super) fn create(path: &Path, task: &Task<'_>) -> Result<Self, DownloadError> {
        if path.is_dir() {
            return Err(DownloadError::File { path: path.to_owned(), problem: "it is a folder".to_owned() });
        }
        if let Some(folder) = path.parent() {
            ensure_folder(folder)?;
        }
        let ending = format!("{}.part", uuid::Uuid::new_v4().simple());
        let aside = path.with_added_extension(ending);
        let file = task.tools.platform.create_script_file(&aside).map_err(|error| DownloadError::File {
            path: path.to_owned(),
            problem: crate::explain::explain(&error),
        })?;
        Ok(Self { path: path.to_owned(), aside, file: Some(file), sum: Sha256::new(), bytes: 0 })
    }

    pub(super) fn write(&mut self, data: &[u8]) -> Result<(), DownloadError> {
        self.bytes += data.len() as u64;
        if self.bytes > MAX_BYTES {
            return Err(DownloadError::TooLarge);
        }
        self.sum.update(data);
        let failed = |error: std::io::Error| DownloadError::File {
            path: self.path.clone(),
            problem: error.to_string(),
        };
        match &mut self.file {
            Some(file) => file.write_all(data).map_err(failed),
            None => Ok(()),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Shows the file under its name, in place of what was there.
    pub(super) fn finish(mut self, wanted_sha256: Option<&str>) -> Result<u64, DownloadError> {
        let found = hex::encode(self.sum.clone().finalize());
        if let Some(wanted) = wanted_sha256.filter(|wanted| !wanted.eq_ignore_ascii_case(&found)) {
            let name = self.path.display().to_string();
            return Err(DownloadError::Checksum { name, found, wanted: wanted.to_owned() });
        }
        let failed = |error: std::io::Error| DownloadError::File {
            path: self.path.clone(),
            problem: error.to_string(),
        };
        if let Some(file) = self.file.take() {
            file.sync_all().map_err(failed)?;
        }
        fs::rename(&self.aside, &self.path).map_err(failed)?;
        Ok(self.bytes)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.file = None;
        // After a finish there is nothing under this name.
        let _gone = fs::remove_file(&self.aside);
    }
}
