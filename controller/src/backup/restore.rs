//! Restoring into a new data folder.
//!
//! ```text
//! read to the end, nothing written ──► <folder>.restoring ──► rows, blobs, files, synced ──► renamed to <folder>
//! ```
//!
//! The file is read twice: once to prove it whole, once to write it. Until the rename there is no data folder, so a
//! restore that was stopped leaves nothing that a controller would start with.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::{Component, Path, PathBuf};

use bytes::{Bytes, BytesMut};
use fleetwright_proto::clock::Timestamp;
use fleetwright_store::{
    BATCH_MAX_BYTES, Batch, BlobError, Blobs, CommitError, OpenError, SledSettings, SledStore, Store,
};

use super::container::{self, ContainerError, Frames, Header, Opener, SealedWith};
use super::entry::{Counts, Entry, NoEntry};
use crate::authority::new_private_folder;
use crate::keys::root::RootKey;
use crate::keys::root::{RootKeyError, write_private};

/// Changes of one commit.
const BATCH_ITEMS: usize = 1024;

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("cannot read {path}")]
    Open { path: PathBuf, source: std::io::Error },
    #[error("{path} cannot be restored, and nothing was written")]
    Container {
        path: PathBuf,
        #[source]
        source: ContainerError,
    },
    #[error("{path} cannot be restored, and nothing was written: {why}")]
    Contents { path: PathBuf, why: &'static str },
    #[error("{0} is there already: restore into a new folder, or move that one away")]
    Exists(PathBuf),
    #[error("{0} is left from a restore that was stopped: delete it, and try again")]
    LeftOver(PathBuf),
    #[error(
        "there is another root key in {0}: move it away, or name another place for the root key of the backup"
    )]
    OtherRootKey(PathBuf),
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    #[error("cannot write the store")]
    Store(#[from] OpenError),
    #[error("cannot write the store")]
    Commit(#[from] CommitError),
    #[error("cannot write the blobs")]
    Blobs(#[from] BlobError),
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    pub taken: Timestamp,
    pub counts: Counts,
    /// Where the root key of the backup was written; None when it was there already, or is kept elsewhere.
    pub root_key: Option<PathBuf>,
}

/// What a backup is sealed with, unproved: to ask for the right thing.
pub fn sealed_with(path: &Path) -> Result<SealedWith, RestoreError> {
    let failed = |source| RestoreError::Container { path: path.to_owned(), source };
    Ok(container::header(&mut open(path)?).map_err(failed)?.0.sealed_with)
}

/// Proves a backup whole, then writes it as a new data folder.
pub async fn restore(
    path: &Path,
    opener: &Opener<'_>,
    data_dir: &Path,
    root_key_file: &Path,
) -> Result<Restored, RestoreError> {
    if data_dir.exists() && data_dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(RestoreError::Exists(data_dir.to_owned()));
    }
    let restoring = beside(data_dir, ".restoring");
    if restoring.exists() {
        return Err(RestoreError::LeftOver(restoring));
    }
    let (header, counts, root) = prove(path, opener)?;
    let root_key = match root {
        Some(root) => root_key_to_write(&root, root_key_file)?.then(|| (root, root_key_file.to_owned())),
        None => None,
    };
    let written = write(path, opener, &restoring, counts).await;
    if let Err(error) = written {
        // What was written is no data folder; that it cannot be deleted either is said when it is found.
        drop(std::fs::remove_dir_all(&restoring));
        return Err(error);
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| RestoreError::Write { path, source }
    };
    if let Some((root, file)) = &root_key {
        write_private(file, &root.text()).map_err(failed(file))?;
    }
    if data_dir.exists() {
        std::fs::remove_dir(data_dir).map_err(failed(data_dir))?;
    }
    std::fs::rename(&restoring, data_dir).map_err(failed(data_dir))?;
    sync(data_dir.parent().unwrap_or(Path::new("."))).map_err(failed(data_dir))?;
    Ok(Restored { taken: header.taken, counts, root_key: root_key.map(|(_, file)| file) })
}

/// True when the key of the backup has to be written there.
fn root_key_to_write(root: &RootKey, file: &Path) -> Result<bool, RestoreError> {
    match std::fs::read_to_string(file) {
        Ok(text) => match RootKey::from_text(&text, &file.display().to_string()) {
            Ok(found) if found.mark() == root.mark() => Ok(false),
            _ => Err(RestoreError::OtherRootKey(file.to_owned())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(RestoreError::Open { path: file.to_owned(), source }),
    }
}

fn open(path: &Path) -> Result<BufReader<File>, RestoreError> {
    let file = File::open(path).map_err(|source| RestoreError::Open { path: path.to_owned(), source })?;
    Ok(BufReader::with_capacity(256 * 1024, file))
}

/// Entries of a backup, one after the other.
struct Entries {
    path: PathBuf,
    frames: Frames<BufReader<File>>,
    buffer: BytesMut,
}

impl Entries {
    fn open(path: &Path, opener: &Opener<'_>) -> Result<(Header, Self), RestoreError> {
        let failed = |source| RestoreError::Container { path: path.to_owned(), source };
        let (header, frames) = Frames::open(open(path)?, opener).map_err(failed)?;
        Ok((header, Self { path: path.to_owned(), frames, buffer: BytesMut::new() }))
    }

    fn next(&mut self) -> Result<Option<Entry>, RestoreError> {
        loop {
            let taken = Entry::take(&mut self.buffer);
            if let Some(entry) = taken.map_err(|NoEntry| self.wrong("what is in it is not a backup"))? {
                return Ok(Some(entry));
            }
            let failed = |source| RestoreError::Container { path: self.path.clone(), source };
            match self.frames.next_frame().map_err(failed)? {
                Some(frame) => self.buffer.extend_from_slice(&frame),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(self.wrong("its last entry is torn")),
            }
        }
    }

    fn wrong(&self, why: &'static str) -> RestoreError {
        RestoreError::Contents { path: self.path.clone(), why }
    }
}

/// Reads everything and writes nothing.
fn prove(path: &Path, opener: &Opener<'_>) -> Result<(Header, Counts, Option<RootKey>), RestoreError> {
    let (header, mut entries) = Entries::open(path, opener)?;
    let (mut counts, mut end, mut root) = (Counts::default(), None, None);
    while let Some(entry) = entries.next()? {
        if end.is_some() {
            return Err(entries.wrong("entries follow its end"));
        }
        counts.note(&entry);
        match entry {
            Entry::End(said) => end = Some(said),
            Entry::Blob { path, .. } => drop(path.parse::<fleetwright_store::BlobPath>()?),
            Entry::File { path, .. } if !stays_inside(&path) => {
                return Err(entries.wrong("it names a file outside the data folder"));
            }
            Entry::RootKey { text } => {
                let text = std::str::from_utf8(&text).map_err(|_| entries.wrong("its root key is no key"))?;
                root = Some(RootKey::from_text(text, "the backup")?);
            }
            Entry::Put { .. } | Entry::Delete { .. } | Entry::File { .. } => {}
        }
    }
    match end {
        Some(said) if said == counts => Ok((header, counts, root)),
        Some(_) => Err(entries.wrong("it does not hold what it says at its end")),
        None => Err(entries.wrong("it has no end")),
    }
}

fn stays_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

async fn write(path: &Path, opener: &Opener<'_>, folder: &Path, proved: Counts) -> Result<(), RestoreError> {
    let failed = |source| RestoreError::Write { path: folder.to_owned(), source };
    for part in ["", "store", "blobs"] {
        new_private_folder(&folder.join(part)).map_err(failed)?;
    }
    let store = SledStore::open(folder.join("store"), SledSettings::default())?;
    let blobs = Blobs::open_folder(folder.join("blobs"))?;
    let (_, mut entries) = Entries::open(path, opener)?;
    let (mut counts, mut rows) = (Counts::default(), Rows::default());
    while let Some(entry) = entries.next()? {
        counts.note(&entry);
        match entry {
            Entry::Put { key, value } => rows.add(&store, key, Some(value)).await?,
            Entry::Delete { key } => rows.add(&store, key, None).await?,
            Entry::Blob { path, data } => blobs.put(&path.parse()?, data).await?,
            Entry::File { path, data } => write_file(&folder.join(&path), &data)?,
            Entry::RootKey { .. } | Entry::End(_) => {}
        }
    }
    rows.commit(&store).await?;
    // Somebody changed the file between its two readings.
    if counts != proved {
        return Err(entries.wrong("it was changed while it was read"));
    }
    Ok(())
}

/// Changes on their way into commits. One key stands in a commit once.
#[derive(Default)]
struct Rows {
    batch: Batch,
    keys: HashSet<Bytes>,
}

impl Rows {
    async fn add(&mut self, store: &SledStore, key: Bytes, value: Option<Bytes>) -> Result<(), CommitError> {
        let bytes = key.len() + value.as_ref().map_or(0, Bytes::len);
        let full = self.batch.items() == BATCH_ITEMS || self.batch.size_bytes() + bytes > BATCH_MAX_BYTES;
        if full || self.keys.contains(&key) {
            self.commit(store).await?;
        }
        self.keys.insert(key.clone());
        match value {
            Some(value) => self.batch.put(key, value),
            None => self.batch.delete(key),
        };
        Ok(())
    }

    async fn commit(&mut self, store: &SledStore) -> Result<(), CommitError> {
        self.keys.clear();
        let batch = std::mem::take(&mut self.batch);
        if !batch.is_empty() {
            store.commit(batch).await?;
        }
        Ok(())
    }
}

fn write_file(path: &Path, data: &[u8]) -> Result<(), RestoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let failed = |source| RestoreError::Write { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.exists() {
        new_private_folder(folder).map_err(failed)?;
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(data).and_then(|()| file.sync_all()).map_err(failed)?;
    sync(folder).map_err(failed)
}

fn sync(folder: &Path) -> std::io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
