//! One file on its way in: beside its name until it is whole.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use md5::Md5;
use sha2::{Digest, Sha256};

use super::{DownloadError, ensure_folder};
use crate::steps::Task;

/// Dropped before it is finished, nothing of it is left.
pub(in crate::steps) struct Incoming {
    path: PathBuf,
    aside: PathBuf,
    file: Option<File>,
    sum: Sha256,
    old_sum: Md5,
    bytes: u64,
    max_bytes: u64,
}

/// What a file must have, in hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::steps) struct Sums {
    pub(in crate::steps) sha256: Option<String>,
    /// As old stores give it.
    pub(in crate::steps) md5: Option<String>,
}

impl Sums {
    pub(in crate::steps) fn sha256(sum: Option<&str>) -> Self {
        Self { sha256: sum.map(str::to_owned), md5: None }
    }
}

const PIECE_BYTES: usize = 64 * 1024;

/// Whether a file that lies here already has a checksum.
pub(super) fn check(path: &Path, sha256: Option<&str>) -> Result<(), DownloadError> {
    let failed = |error: std::io::Error| DownloadError::Source(error.to_string());
    let mut file = File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(DownloadError::Source("it is no file".to_owned()));
    }
    let Some(wanted) = sha256 else { return Ok(()) };
    let (mut sum, mut piece) = (Sha256::new(), vec![0; PIECE_BYTES]);
    loop {
        match file.read(&mut piece).map_err(failed)? {
            0 => break,
            length => sum.update(&piece[..length]),
        }
    }
    compare(path, &hex::encode(sum.finalize()), Some(wanted))
}

fn compare(path: &Path, found: &str, wanted: Option<&str>) -> Result<(), DownloadError> {
    match wanted {
        Some(wanted) if !wanted.eq_ignore_ascii_case(found) => Err(DownloadError::Checksum {
            name: path.display().to_string(),
            found: found.to_owned(),
            wanted: wanted.to_owned(),
        }),
        _ => Ok(()),
    }
}

impl Incoming {
    pub(in crate::steps) fn create(path: &Path, task: &Task<'_>) -> Result<Self, DownloadError> {
        if path.is_dir() {
            return Err(DownloadError::File { path: path.to_owned(), problem: "it is a folder".to_owned() });
        }
        let max_bytes = task.tools.downloads.room()?;
        if let Some(folder) = path.parent() {
            ensure_folder(folder)?;
        }
        let ending = format!("{}.part", uuid::Uuid::new_v4().simple());
        let aside = path.with_added_extension(ending);
        let file = task.tools.platform.create_script_file(&aside).map_err(|error| DownloadError::File {
            path: path.to_owned(),
            problem: crate::explain::explain(&error),
        })?;
        Ok(Self {
            path: path.to_owned(),
            aside,
            file: Some(file),
            sum: Sha256::new(),
            old_sum: Md5::new(),
            bytes: 0,
            max_bytes,
        })
    }

    pub(in crate::steps) fn write(&mut self, data: &[u8]) -> Result<(), DownloadError> {
        self.bytes += data.len() as u64;
        if self.bytes > self.max_bytes {
            return Err(DownloadError::TooLarge(self.max_bytes));
        }
        self.sum.update(data);
        self.old_sum.update(data);
        let failed = |error: std::io::Error| DownloadError::File {
            path: self.path.clone(),
            problem: error.to_string(),
        };
        match &mut self.file {
            Some(file) => file.write_all(data).map_err(failed),
            None => Ok(()),
        }
    }

    pub(in crate::steps) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Shows the file under its name, in place of what was there.
    pub(in crate::steps) fn finish(mut self, wanted: &Sums) -> Result<u64, DownloadError> {
        compare(&self.path, &hex::encode(self.sum.clone().finalize()), wanted.sha256.as_deref())?;
        compare(&self.path, &hex::encode(self.old_sum.clone().finalize()), wanted.md5.as_deref())?;
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
