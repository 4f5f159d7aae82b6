//! The only place that calls sled.
//!
//! A stored value is a header and the caller's bytes:
//!
//! ```text
//! 01 │ revision, 8 bytes big-endian │ value        under the caller's key
//! 01 │ revision                                    under the empty key: the last commit, in the same sled batch
//! ```
//!
//! What sled 0.34 needs from its user, read in its source:
//!
//! - Its flush ends in `sync_file_range`, which neither empties the disk's own cache nor writes the file's length:
//!   [`Engine::sync`] adds the `fdatasync`.
//! - A page that does not fit a quarter of a segment goes to a side file that is never synced, and a leaf is split by
//!   its number of entries, not by its bytes. [`SEGMENT_BYTES`] is chosen so that a leaf full of the longest values
//!   and an index full of the longest keys fit.
//! - It syncs no folder: [`Engine::open`] does.
//! - Its garbage is collected a little at a time, at calls that we seldom make: [`Engine::collect_garbage`] does.
//! - It trusts `sync_file_range` when it reuses a segment, after two later ones were written. A group of commits
//!   (`committer`) is far smaller than that, so an `fdatasync` always lies between.
//! - A snapshot whose writing was cut short is read as a whole one: it is removed before sled looks.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::folder::{Folder, OpenError, sync_folder};
use crate::batch::{Write, end_of};
use crate::contract::{Entry, Revision, StoreError, printable};
use crate::feed::Change;

/// Fixed for ever: sled refuses a database whose segments have another size.
const SEGMENT_BYTES: usize = 4 * 1024 * 1024;
const VALUE_FORMAT: u8 = 1;
const HEADER_BYTES: usize = 1 + size_of::<u64>();
/// No caller's key is empty.
const LAST_REVISION: &[u8] = b"";

/// Why the engine could not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum EngineError {
    #[error("sled reported an error")]
    Sled(#[from] sled::Error),
    #[error("the database file could not be synced")]
    Sync(#[source] std::io::Error),
    #[error("sled panicked: {0}")]
    Panicked(String),
    #[error("the stored value of key {key} is damaged: {why}")]
    Damaged { key: String, why: &'static str },
}

/// sled panics when the sync at its end fails. By then everything acknowledged has been synced by us.
#[derive(Debug)]
struct Database(Option<sled::Db>);

impl std::ops::Deref for Database {
    type Target = sled::Db;

    fn deref(&self) -> &sled::Db {
        self.0.as_ref().expect("a database is open until it is dropped")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let db = self.0.take();
        if let Err(error) = guarded(|| drop(db)) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the database did not close cleanly");
        }
    }
}

#[derive(Debug)]
pub(super) struct Engine {
    db: Database,
    /// A second handle of sled's file: an error of the disk is reported once to each handle, and sled's own
    /// handle may have swallowed its copy.
    file: File,
    folder: String,
}

impl Engine {
    /// Opens the database and makes durable what opening it changed.
    pub(super) fn open(folder: &Folder, cache_bytes: u64) -> Result<Self, OpenError> {
        Self::open_at(&folder.database(), folder.name(), cache_bytes).map_err(|error| folder.unopened(error))
    }

    /// Makes an empty database, durable before it is closed again.
    pub(super) fn create_at(path: &Path, name: String) -> Result<(), EngineError> {
        Self::open_at(path, name, SEGMENT_BYTES as u64).map(drop)
    }

    fn open_at(path: &Path, folder: String, cache_bytes: u64) -> Result<Self, EngineError> {
        remove_unfinished_snapshots(path).map_err(sled::Error::Io)?;
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(cache_bytes)
            .segment_size(SEGMENT_BYTES)
            .mode(sled::Mode::HighThroughput)
            .use_compression(false)
            .flush_every_ms(None);
        let db = Database(Some(open_when_unlocked(&config)?));
        let file = File::options().read(true).write(true).open(path.join("db")).map_err(sled::Error::Io)?;
        let engine = Self { db, file, folder };
        engine.sync()?;
        File::open(path.join("conf")).and_then(|conf| conf.sync_all()).map_err(EngineError::Sync)?;
        sync_folder(&path.join("blobs")).map_err(EngineError::Sync)?;
        sync_folder(path).map_err(EngineError::Sync)?;
        Ok(engine)
    }

    pub(super) fn last_revision(&self) -> Result<Revision, EngineError> {
        let stored = self.db.get(LAST_REVISION)?;
        stored.map_or(Ok(Revision::ZERO), |stored| Ok(parse(LAST_REVISION, &stored)?.0))
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        if key.is_empty() {
            return Ok(None);
        }
        let stored = self.db.get(key).map_err(|error| self.failed(error.into()))?;
        stored.map(|stored| self.entry(key, &stored)).transpose()
    }

    pub(super) fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        // The empty key is ours, so a scan of everything starts behind it.
        let first = after.filter(|after| *after >= prefix).unwrap_or(LAST_REVISION);
        let start = if first.is_empty() && !prefix.is_empty() { Included(prefix) } else { Excluded(first) };
        let end = end_of(prefix);
        if end.as_deref().is_some_and(|end| first >= end) {
            return Ok(Vec::new());
        }
        let end = end.as_deref().map_or(Unbounded, Excluded);
        self.db
            .range::<&[u8], _>((start, end))
            .take(limit)
            .map(|row| {
                let (key, stored) = row.map_err(|error| self.failed(error.into()))?;
                self.entry(&key, &stored)
            })
            .collect()
    }

    /// The commit that last wrote a key.
    pub(super) fn written_at(&self, key: &[u8]) -> Result<Option<Revision>, EngineError> {
        let stored = if key.is_empty() { None } else { self.db.get(key)? };
        stored.map(|stored| Ok(parse(key, &stored)?.0)).transpose()
    }

    /// Applies commits as one: after a crash all of them are there, or none. Not yet durable.
    pub(super) fn apply(&self, changes: &[Change]) -> Result<(), EngineError> {
        let Some(last) = changes.last() else { return Ok(()) };
        let mut batch = sled::Batch::default();
        for change in changes {
            for write in change.writes.iter() {
                match write {
                    Write::Put(key, value) => batch.insert(&key[..], stored(change.revision, value)),
                    Write::Delete(key) => batch.remove(&key[..]),
                }
            }
        }
        batch.insert(LAST_REVISION, stored(last.revision, b""));
        guarded(|| self.db.apply_batch(batch))??;
        guarded(|| self.db.flush())??;
        Ok(())
    }

    /// Frees what `writes` writes have replaced in memory. sled leaves that to an epoch collector which works a
    /// little at every 128th call; our calls are few and large, so without this garbage grows past every limit
    /// (measured: 830 MB with a cache of 64 MB).
    pub(super) fn collect_garbage(writes: usize) {
        const WRITES_A_ROUND: usize = 64;
        for _ in 0..2 + writes / WRITES_A_ROUND {
            sled::pin().flush();
        }
    }

    /// Returns when everything applied so far is durable.
    pub(super) fn sync(&self) -> Result<(), EngineError> {
        self.file.sync_data().map_err(EngineError::Sync)
    }

    pub(super) fn disk_bytes(&self) -> Result<u64, StoreError> {
        self.db.size_on_disk().map_err(|error| self.failed(error.into()))
    }

    fn entry(&self, key: &[u8], stored: &[u8]) -> Result<Entry, StoreError> {
        let (revision, value) = parse(key, stored).map_err(|error| self.failed(error))?;
        Ok(Entry { key: Bytes::copy_from_slice(key), value: Bytes::copy_from_slice(value), revision })
    }

    fn failed(&self, error: EngineError) -> StoreError {
        error.into_store_error(self.folder.clone())
    }
}

impl EngineError {
    pub(super) fn into_store_error(self, folder: String) -> StoreError {
        match self {
            Self::Sync(source) => StoreError::Unconfirmed { folder, source: source.into() },
            Self::Damaged { key, why } => StoreError::Damaged { key, why },
            Self::Sled(sled::Error::Io(source)) if is_full(&source) => StoreError::Full { folder },
            other => StoreError::Failed { folder, source: std::sync::Arc::new(other) },
        }
    }
}

pub(super) fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

fn stored(revision: Revision, value: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(HEADER_BYTES + value.len());
    stored.push(VALUE_FORMAT);
    stored.extend_from_slice(&revision.as_u64().to_be_bytes());
    stored.extend_from_slice(value);
    stored
}

fn parse<'a>(key: &[u8], stored: &'a [u8]) -> Result<(Revision, &'a [u8]), EngineError> {
    let damaged = |why| EngineError::Damaged { key: printable(key), why };
    let (format, rest) = stored.split_first().ok_or_else(|| damaged("it is empty"))?;
    if *format != VALUE_FORMAT {
        return Err(damaged("its format is unknown"));
    }
    let (revision, value) = rest.split_first_chunk().ok_or_else(|| damaged("it is too short"))?;
    Ok((Revision(u64::from_be_bytes(*revision)), value))
}

/// Threads of a database that was just closed in this process may still hold sled's own lock for a moment; the
/// folder's lock has shown already that no other process has it open.
#[expect(clippy::disallowed_methods, reason = "sled gives no sign when its threads have let go")]
fn open_when_unlocked(config: &sled::Config) -> Result<sled::Db, EngineError> {
    const WAIT: Duration = Duration::from_secs(10);
    let began = Instant::now();
    loop {
        match guarded(|| config.open())? {
            Err(sled::Error::Io(error)) if is_lock(&error) && began.elapsed() < WAIT => {
                // Its last reference may lie in the garbage.
                Engine::collect_garbage(0);
                std::thread::sleep(Duration::from_millis(2));
            }
            opened => return Ok(opened?),
        }
    }
}

fn is_lock(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::Other && error.to_string().starts_with("could not acquire lock")
}

/// sled panics where it finds its own invariants broken; that must not end the committer.
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, EngineError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        EngineError::Panicked(text.to_owned())
    })
}

/// A snapshot is only a short cut of recovery; without one sled reads its whole log.
fn remove_unfinished_snapshots(path: &Path) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
