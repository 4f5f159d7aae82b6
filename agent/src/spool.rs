//! What steps printed and the controller does not have yet, on disk and never in memory.
//!
//! ```text
//! pipe ── capture ──► Writer ──► segments on disk ──► read_at ──► the link
//!                       │ waits or drops when full         ◄── acknowledge: frees segments
//! ```
//!
//! A stream is one of a step's two outputs, a row of bytes with positions from 0. It is kept in segment files, so
//! that what was acknowledged can be freed while the step goes on. The first bytes are kept and the rest is dropped
//! and counted: what is kept has no holes while a step runs. The spool knows nothing of the network; it is told
//! whether the link is up, because only then is waiting for room of any use.
//!
//! Invariants: positions only grow; `acknowledged <= sent <= end`; the bytes of a stream never exceed its limit and
//! those of all streams never exceed the spool's; a file's name says its position, so a restart needs no index.

mod capture;
mod files;
mod stream;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleetwright_platform::SharedPlatform;
use fleetwright_proto::agent;
use fleetwright_proto::clock::SharedClock;
use fleetwright_proto::ids::CommandId;
use tokio::sync::Notify;

pub use capture::{Phase, capture};
pub use writer::{WhenFull, Writer};

use files::SegmentFiles;
use stream::StreamState;

/// One of the two outputs of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl From<Stream> for agent::Stream {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Stdout => agent::Stream::Stdout,
            Stream::Stderr => agent::Stream::Stderr,
        }
    }
}

impl Stream {
    /// None for a value that names no stream.
    #[must_use]
    pub fn from_wire(stream: agent::Stream) -> Option<Self> {
        match stream {
            agent::Stream::Stdout => Some(Stream::Stdout),
            agent::Stream::Stderr => Some(Stream::Stderr),
            agent::Stream::Unspecified => None,
        }
    }
}

/// Names a stream on this host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    pub command: CommandId,
    /// Index of the step in the document.
    pub step: u32,
    pub stream: Stream,
}

/// How much is kept, and for how long a full spool makes a process wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolLimits {
    pub stream_bytes: u64,
    pub spool_bytes: u64,
    /// Disk space that is left to others, the journal among them.
    pub spare_disk_bytes: u64,
    /// How long a process is held up for room before its output is dropped.
    pub patience: Duration,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self {
            stream_bytes: 256 << 20,
            spool_bytes: 1 << 30,
            spare_disk_bytes: 8 << 20,
            patience: Duration::from_secs(60),
        }
    }
}

/// Whether the controller can be reached, which is what makes room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    Up,
    Down,
}

/// A piece of a stream that was not sent on the present link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    pub stream: StreamId,
    pub from: u64,
    pub to: u64,
}

/// What a stream amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamTotals {
    /// Everything that was printed, what was dropped included.
    pub printed_bytes: u64,
    pub dropped_bytes: u64,
}

/// Why the spool's folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the spool folder `{}`", folder.display())]
pub struct SpoolError {
    folder: PathBuf,
    source: io::Error,
}

/// Why bytes of a stream cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the spool holds no byte at {offset} of step {}'s {:?}", stream.step, stream.stream)]
    NotHeld { stream: StreamId, offset: u64 },
    #[error("cannot read `{}`", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// A handle to the spool; all handles are of one spool.
#[derive(Debug, Clone)]
pub struct Spool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    files: SegmentFiles,
    limits: SpoolLimits,
    platform: SharedPlatform,
    clock: SharedClock,
    state: Mutex<State>,
    /// There is something to send.
    unsent: Notify,
    /// Room was made, or hope for it was lost.
    room: Notify,
}

#[derive(Debug)]
struct State {
    streams: BTreeMap<StreamId, StreamState>,
    /// Bytes on disk, of all streams.
    held: u64,
    /// Streams seen so far; orders them.
    seen: u64,
    link: LinkState,
}

impl Spool {
    /// Takes up what an earlier agent left in `folder`. All of it counts as unsent; the controller's acknowledgements
    /// tell what it had.
    pub fn open(
        folder: PathBuf,
        limits: SpoolLimits,
        platform: SharedPlatform,
        clock: SharedClock,
    ) -> Result<Self, SpoolError> {
        let made = platform.ensure_private_folder(&folder).map_err(io::Error::other);
        let files = SegmentFiles::below(folder, limits.stream_bytes);
        let found = made.and_then(|()| files.scan());
        let found = found.map_err(|source| SpoolError { folder: files.folder().to_owned(), source })?;
        let mut state = State { streams: BTreeMap::new(), held: 0, seen: 0, link: LinkState::Down };
        for (id, found) in found {
            let stream = StreamState::found(found, state.seen);
            state.held += stream.held();
            state.seen += 1;
            state.streams.insert(id, stream);
        }
        let (unsent, room) = (Notify::new(), Notify::new());
        Ok(Self {
            shared: Arc::new(Shared {
                files,
                limits,
                platform,
                clock,
                state: Mutex::new(state),
                unsent,
                room,
            }),
        })
    }

    /// Opens a stream to be written, at the end of what it holds. A stream has one writer at a time.
    #[must_use]
    pub fn writer(&self, id: StreamId) -> Writer {
        self.shared.lock().stream(&id).writers += 1;
        Writer::new(Arc::clone(&self.shared), id)
    }

    /// Completes when there may be something to send that was not there before. For one waiter.
    pub async fn changed(&self) {
        self.shared.unsent.notified().await;
    }

    /// What is to be sent, the oldest stream first.
    #[must_use]
    pub fn unsent(&self) -> Vec<Unsent> {
        let state = self.shared.lock();
        let mut found: Vec<(u64, Unsent)> = state
            .streams
            .iter()
            .filter(|(_, stream)| stream.sent() < stream.end())
            .map(|(id, stream)| {
                (stream.order(), Unsent { stream: id.clone(), from: stream.sent(), to: stream.end() })
            })
            .collect();
        found.sort_unstable_by_key(|(order, _)| *order);
        found.into_iter().map(|(_, unsent)| unsent).collect()
    }

    /// Bytes from `offset` on: at least one, at most `max`, fewer where a segment ends.
    pub fn read_at(&self, id: &StreamId, offset: u64, max: usize) -> Result<Vec<u8>, ReadError> {
        let piece = self.shared.lock().streams.get(id).and_then(|stream| stream.piece_at(offset));
        let piece = piece.ok_or_else(|| ReadError::NotHeld { stream: id.clone(), offset })?;
        let length = piece.length.min(max as u64);
        self.shared.files.read(id, piece.base, piece.skip, length)
    }

    /// Remembers that everything below `offset` was handed to the present link.
    pub fn mark_sent(&self, id: &StreamId, offset: u64) {
        if let Some(stream) = self.shared.lock().streams.get_mut(id) {
            stream.mark_sent(offset);
        }
    }

    /// Frees what lies below `offset`, which the controller has made durable. An offset past the end is what the
    /// controller knows better than a spool that lost its last bytes with the power: the stream goes on from there.
    pub fn acknowledge(&self, id: &StreamId, offset: u64) {
        let mut state = self.shared.lock();
        let short_of_room = state.held >= self.shared.limits.spool_bytes / 2;
        let Some(stream) = state.streams.get_mut(id) else { return };
        stream.acknowledge(offset);
        let freeing = stream.freeable(self.shared.files.segment_bytes(), short_of_room);
        // A disk that has no room for an empty file keeps the old one until the next acknowledgement.
        let freed = if self.shared.files.free(id, &freeing).is_ok() { stream.free(&freeing) } else { 0 };
        state.held = state.held.saturating_sub(freed);
        drop(state);
        if freed > 0 {
            self.shared.room.notify_waiters();
        }
    }

    /// The link has come or gone. With either, everything that is not acknowledged is to be sent again.
    pub fn set_link(&self, link: LinkState) {
        let mut state = self.shared.lock();
        state.link = link;
        for stream in state.streams.values_mut() {
            stream.rewind();
        }
        drop(state);
        self.shared.room.notify_waiters();
        self.shared.unsent.notify_one();
    }

    #[must_use]
    pub fn totals(&self, id: &StreamId) -> StreamTotals {
        self.shared.lock().streams.get(id).map(StreamState::totals).unwrap_or_default()
    }

    /// Bytes on disk now, of all streams.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.shared.lock().held
    }

    /// The commands that have something here, so that what belongs to none of the journal's can be forgotten.
    #[must_use]
    pub fn commands(&self) -> Vec<CommandId> {
        let mut found: Vec<CommandId> =
            self.shared.lock().streams.keys().map(|id| id.command.clone()).collect();
        found.dedup();
        found
    }

    /// Removes all that a command printed: its result is acknowledged. Safe to repeat.
    pub fn forget(&self, command: &CommandId) {
        let mut state = self.shared.lock();
        let mut freed = 0;
        state.streams.retain(|id, stream| {
            let keep = id.command != *command;
            freed += if keep { 0 } else { stream.held() };
            keep
        });
        state.held = state.held.saturating_sub(freed);
        drop(state);
        self.shared.files.remove_command(command);
        self.shared.room.notify_waiters();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the disk has so few bytes left that they are for others. A disk that does not say is not full.
    fn disk_is_short(&self, wanted: u64) -> bool {
        let spare = self.limits.spare_disk_bytes.saturating_add(wanted);
        self.platform.free_bytes(self.files.folder()).is_ok_and(|free| free < spare)
    }
}

impl State {
    fn stream(&mut self, id: &StreamId) -> &mut StreamState {
        let seen = &mut self.seen;
        self.streams.entry(id.clone()).or_insert_with(|| {
            *seen += 1;
            StreamState::fresh(*seen - 1)
        })
    }
}

#[cfg(test)]
mod tests;
