//! Taking a backup while everything goes on.
//!
//! A scan is no snapshot. So the watch is opened first and every change that it tells of is written down behind the rows
//! that were read; the backup ends at a revision that no row in it is behind of. Applied in order, rows and changes are
//! the store as it was at that revision, whatever was written meanwhile. Blobs are durable before the rows that name
//! them, and are copied after the rows: none that a row names is missing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use fleetwright_store::{BlobError, Revision, Watch, WatchError, Write};
use tokio::sync::mpsc;

use super::container::{ContainerError, Opener, Writer};
use super::entry::{Counts, Entry, PART_MAX_BYTES};
use crate::error::{Refusal, chain};
use crate::house::House;

/// Rows read at once.
const PAGE_ROWS: usize = 512;
/// Bytes of one piece.
const PIECE_BYTES: usize = 256 * 1024;
/// Folders of the data folder that are read as rows and blobs.
const NOT_FILES: [&str; 2] = ["store", "blobs"];

/// What a backup is to be sealed with.
#[derive(Clone, PartialEq, Eq)]
pub enum SealWish {
    RootKey,
    Passphrase(zeroize::Zeroizing<String>),
}

impl std::fmt::Debug for SealWish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::RootKey => "SealWish::RootKey",
            Self::Passphrase(_) => "SealWish::Passphrase(…)",
        })
    }
}

/// Where the pieces of the file go.
pub type Pieces = mpsc::Sender<Result<Bytes, Refusal>>;

/// Takes a backup and sends its pieces. What goes wrong is the last thing that is sent.
pub async fn take(house: Arc<House>, wish: SealWish, pieces: Pieces) {
    if let Err(error) = taken(&house, wish, &pieces).await {
        tracing::warn!(error = error.message, "a backup was not taken");
        // Whoever has gone does not want to know.
        drop(pieces.send(Err(error)).await);
    }
}

async fn taken(house: &House, wish: SealWish, pieces: &Pieces) -> Result<(), Refusal> {
    let (root, now) = (house.keys.root(), house.clock.now());
    let with_root = wish != SealWish::RootKey;
    let key = root.clone();
    // Deriving a key from a passphrase is work.
    let made = tokio::task::spawn_blocking(move || match &wish {
        SealWish::RootKey => Writer::new(&Opener::RootKey(&key), now),
        SealWish::Passphrase(text) => Writer::new(&Opener::Passphrase(text), now),
    });
    let (writer, beginning) =
        made.await.map_err(|_| Refusal::internal("the writer of a backup stopped"))?.map_err(refusal)?;
    let mut out = Output { writer, pieces, counts: Counts::default() };
    out.send(beginning).await?;
    if with_root {
        out.add(Entry::RootKey { text: Bytes::copy_from_slice(root.text().as_bytes()) }).await?;
    }
    rows(house, &mut out).await?;
    blobs(house, &mut out).await?;
    let found = files(&house.data_dir).map_err(|error| unreadable(&house.data_dir, &error))?;
    for (path, bytes) in found {
        if bytes > PART_MAX_BYTES as u64 {
            return Err(too_long(&house.data_dir.join(&path), bytes));
        }
        let data = tokio::task::spawn_blocking({
            let path = house.data_dir.join(&path);
            move || std::fs::read(path)
        });
        let data = data.await.map_err(|_| Refusal::internal("the reader of a backup stopped"))?;
        let data = data.map_err(|error| unreadable(&house.data_dir.join(&path), &error))?;
        out.add(Entry::File { path: path.display().to_string(), data: data.into() }).await?;
    }
    out.finish().await
}

/// Nothing is left out unseen.
fn too_long(path: &Path, bytes: u64) -> Refusal {
    Refusal::invalid(format!(
        "{} has {} MiB, and a backup takes {} MiB in one piece: if it is not the controller's own, move it out of the \
         data folder",
        path.display(),
        bytes >> 20,
        PART_MAX_BYTES >> 20
    ))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Refusal {
    Refusal::internal(format!("cannot read {} for the backup: {error}", path.display()))
}

fn refusal(error: ContainerError) -> Refusal {
    match error {
        ContainerError::ShortPassphrase => Refusal::invalid(error.to_string()),
        other => Refusal::internal(chain(&other)),
    }
}

struct Output<'a> {
    writer: Writer,
    pieces: &'a Pieces,
    counts: Counts,
}

impl Output<'_> {
    async fn add(&mut self, entry: Entry) -> Result<(), Refusal> {
        self.counts.note(&entry);
        let sealed = self.writer.add(&entry).map_err(refusal)?;
        self.send(sealed).await
    }

    async fn send(&self, sealed: Vec<u8>) -> Result<(), Refusal> {
        for piece in sealed.chunks(PIECE_BYTES) {
            let sent = self.pieces.send(Ok(Bytes::copy_from_slice(piece))).await;
            sent.map_err(|_| Refusal::unavailable("whoever asked for the backup has gone"))?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), Refusal> {
        self.add(Entry::End(self.counts)).await?;
        let Self { writer, pieces, .. } = self;
        for piece in writer.finish().map_err(refusal)?.chunks(PIECE_BYTES) {
            let sent = pieces.send(Ok(Bytes::copy_from_slice(piece))).await;
            sent.map_err(|_| Refusal::unavailable("whoever asked for the backup has gone"))?;
        }
        Ok(())
    }
}

async fn rows(house: &House, out: &mut Output<'_>) -> Result<(), Refusal> {
    let from = house.store.revision();
    let mut changes = Changes { watch: house.store.watch(b"", from), reached: from };
    let (mut after, mut newest): (Option<Bytes>, _) = (None, from);
    loop {
        let entries = house.store.scan(b"", after.as_deref(), PAGE_ROWS).await?;
        let ended = entries.len() < PAGE_ROWS;
        after = entries.last().map(|entry| entry.key.clone());
        for entry in entries {
            newest = newest.max(entry.revision);
            out.add(Entry::Put { key: entry.key, value: entry.value }).await?;
        }
        while let Some(change) = changes.watch.try_next() {
            changes.write(change, out).await?;
        }
        if ended {
            break;
        }
    }
    let end = newest.max(house.store.revision());
    while changes.reached < end {
        let change = changes.watch.next().await;
        changes.write(change, out).await?;
    }
    Ok(())
}

struct Changes {
    watch: Watch,
    reached: Revision,
}

impl Changes {
    async fn write(
        &mut self,
        change: Result<fleetwright_store::Change, WatchError>,
        out: &mut Output<'_>,
    ) -> Result<(), Refusal> {
        let change = change.map_err(|_| {
            Refusal::unavailable("more was written than a backup can follow: take it when less is going on")
        })?;
        for write in change.writes.iter() {
            out.add(match write {
                Write::Put(key, value) => Entry::Put { key: key.clone(), value: value.clone() },
                Write::Delete(key) => Entry::Delete { key: key.clone() },
            })
            .await?;
        }
        self.reached = change.revision;
        Ok(())
    }
}

async fn blobs(house: &House, out: &mut Output<'_>) -> Result<(), Refusal> {
    for blob in house.blobs.list(None).await? {
        // Deleted since it was listed: then no row names it any more.
        match house.blobs.get(&blob.path).await {
            Ok(data) if data.len() > PART_MAX_BYTES => {
                let path = house.data_dir.join("blobs").join(blob.path.to_string());
                return Err(too_long(&path, data.len() as u64));
            }
            Ok(data) => out.add(Entry::Blob { path: blob.path.to_string(), data }).await?,
            Err(BlobError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Everything in the data folder that is neither rows nor blobs nor a root key: its path in it, and how long it is.
fn files(data_dir: &Path) -> std::io::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(data_dir.join(&folder))? {
            let entry = entry?;
            let (name, path) = (entry.file_name(), folder.join(entry.file_name()));
            let metadata = entry.metadata()?;
            let is_root = name.to_string_lossy().starts_with("root-key");
            if metadata.is_dir()
                && !(folder.as_os_str().is_empty() && NOT_FILES.iter().any(|not| name == *not))
            {
                folders.push(path);
            } else if metadata.is_file() && !is_root {
                found.push((path, metadata.len()));
            }
        }
    }
    found.sort();
    Ok(found)
}
