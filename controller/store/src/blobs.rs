//! Blobs: bulk bytes outside the store, under paths that the store's records name. A local folder today; the
//! `object_store` crate beneath speaks to S3-compatible services as well.
//!
//! What [`Blobs::put`] has answered is durable. A record that names a blob is committed after the blob was put, so
//! a crash leaves at most a blob that no record names.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::contract::{Unit, Usage};

/// Where a blob is: parts of letters, digits, `-`, `_`, `.` joined by `/`. No part is empty or begins with a dot,
/// so no path leaves the folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobPath(ObjectPath);

impl fmt::Display for BlobPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BlobPath {
    type Err = BlobError;

    fn from_str(text: &str) -> Result<Self, BlobError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let good = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain);
        if text.split('/').all(good) {
            Ok(Self(ObjectPath::from(text)))
        } else {
            Err(BlobError::BadPath { path: text.chars().take(80).collect() })
        }
    }
}

/// One blob of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobInfo {
    pub path: BlobPath,
    pub bytes: u64,
}

/// Why a blob could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("`{path}` is not a blob path: letters, digits, - _ . and / between parts")]
    BadPath { path: String },
    #[error("there is no blob {path}")]
    NotFound { path: String },
    #[error("range {}..{} is not within blob {path}", range.start, range.end)]
    OutOfRange { path: String, range: Range<u64> },
    #[error("no room left on the disk for blob {path}")]
    Full { path: String },
    #[error("the blobs cannot be used in {folder}")]
    Open {
        folder: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("blob {path} failed")]
    Failed {
        path: String,
        #[source]
        source: object_store::Error,
    },
}

/// The blobs of one place; clones share it.
#[derive(Debug, Clone)]
pub struct Blobs {
    objects: Arc<dyn ObjectStore>,
    folder: Arc<Path>,
}

impl Blobs {
    /// Blobs in a folder of the local disk, which is made when it does not exist. Files and folders are synced.
    pub fn open_folder(folder: impl AsRef<Path>) -> Result<Self, BlobError> {
        let folder = folder.as_ref();
        let failed = |source| BlobError::Open { folder: folder.display().to_string(), source };
        std::fs::create_dir_all(folder).map_err(|error| failed(error.into()))?;
        let local = LocalFileSystem::new_with_prefix(folder).map_err(|error| failed(error.into()))?;
        let objects = Arc::new(local.with_fsync(true).with_automatic_cleanup(true));
        Ok(Self { objects, folder: folder.into() })
    }

    /// Whether blobs can be written: the folder is there and this process may write in it. Writes nothing.
    pub fn check(&self) -> Result<(), BlobError> {
        use rustix::fs::{Access, access};
        access(&*self.folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| BlobError::Open {
            folder: self.folder.display().to_string(),
            source: std::io::Error::from(error).into(),
        })
    }

    /// Writes a whole blob, in place of one that was there. Durable when answered.
    pub async fn put(&self, path: &BlobPath, bytes: Bytes) -> Result<(), BlobError> {
        self.objects.put(&path.0, bytes.into()).await.map_err(|error| failed(path, error))?;
        Ok(())
    }

    pub async fn get(&self, path: &BlobPath) -> Result<Bytes, BlobError> {
        let found = self.objects.get(&path.0).await.map_err(|error| failed(path, error))?;
        found.bytes().await.map_err(|error| failed(path, error))
    }

    /// The bytes of `range`, cut at the end of the blob; a range that begins behind the end is refused.
    pub async fn get_range(&self, path: &BlobPath, range: Range<u64>) -> Result<Bytes, BlobError> {
        let whole = self.objects.head(&path.0).await.map_err(|error| failed(path, error))?.size;
        if range.start > whole || range.start > range.end {
            return Err(BlobError::OutOfRange { path: path.to_string(), range });
        }
        let range = range.start..range.end.min(whole);
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        self.objects.get_range(&path.0, range).await.map_err(|error| failed(path, error))
    }

    /// Every blob below a path, in the order of paths; `None` for all. Whole parts count: `a` does not match `ab/c`.
    pub async fn list(&self, below: Option<&BlobPath>) -> Result<Vec<BlobInfo>, BlobError> {
        let listed = self.objects.list(below.map(|path| &path.0)).try_collect::<Vec<_>>().await;
        let listed = listed.map_err(|error| failed_at(below, error))?;
        let info = |object: object_store::ObjectMeta| BlobInfo {
            path: BlobPath(object.location),
            bytes: object.size,
        };
        let mut blobs: Vec<BlobInfo> = listed.into_iter().map(info).collect();
        blobs.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(blobs)
    }

    /// Deletes every blob below a path and the blob at it; none is no error. Returns how many there were.
    pub async fn delete_prefix(&self, path: &BlobPath) -> Result<usize, BlobError> {
        let mut deleted = 0;
        let below = self.list(Some(path)).await?.into_iter().map(|blob| blob.path);
        for blob in below.chain([path.clone()]) {
            match self.objects.delete(&blob.0).await {
                Ok(()) => deleted += 1,
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(&blob, error)),
            }
        }
        Ok(deleted)
    }

    /// Counts by listing: for a status command, not for a hot path.
    pub async fn usage(&self) -> Result<Usage, BlobError> {
        let used = self.list(None).await?.iter().map(|blob| blob.bytes).sum();
        Ok(Usage { name: "blobs", used: Some(used), limit: None, unit: Unit::Bytes })
    }
}

fn failed_at(below: Option<&BlobPath>, error: object_store::Error) -> BlobError {
    let everything = || BlobPath(ObjectPath::default());
    failed(&below.cloned().unwrap_or_else(everything), error)
}

fn failed(path: &BlobPath, error: object_store::Error) -> BlobError {
    let path = path.to_string();
    match error {
        object_store::Error::NotFound { .. } => BlobError::NotFound { path },
        error if is_full(&error) => BlobError::Full { path },
        source => BlobError::Failed { path, source },
    }
}

/// The crate wraps the operating system's error; it is somewhere below.
fn is_full(error: &object_store::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return matches!(io.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        }
        cause = error.source();
    }
    false
}
