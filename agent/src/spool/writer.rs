//! Putting bytes into a stream: at once while there is room, after a wait when room can be made, else not at all.
//!
//! ```text
//! append ──► room? ── yes ──► file
//!              │ no
//!              ├── link up, nobody in a hurry, patience left: wait for room, try again
//!              └── else: this writer keeps nothing more, and counts
//! ```

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::capture::Phase;
use super::{LinkState, Shared, StreamId};
use crate::secrets::{Masker, Secrets};

/// A disk that was full is looked at again this often: others free it, and they do not tell.
const DISK_RETRY: Duration = Duration::from_secs(1);

/// The writing end of a stream. Dropped, it is closed.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    id: StreamId,
    /// The segment that was written to last, with its position.
    file: Option<(u64, File)>,
    last_byte: Option<u8>,
    /// Once something was dropped, all that follows is: what is kept has no holes.
    dropping: bool,
    /// Covers what must not be kept.
    masker: Option<Masker>,
}

/// What is done when there is no room.
#[derive(Debug)]
pub enum WhenFull<'p> {
    /// Wait for it, unless the process is past waiting or room cannot be made.
    Wait(&'p mut watch::Receiver<Phase>),
    Drop,
}

/// What came of an attempt to write.
enum Wrote {
    Bytes(usize),
    Full,
    Failed(io::Error),
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, id: StreamId) -> Self {
        Self { shared, id, file: None, last_byte: None, dropping: false, masker: None }
    }

    /// The last byte that was printed through this writer.
    #[must_use]
    pub fn last_byte(&self) -> Option<u8> {
        self.last_byte
    }

    /// From now on secret values are covered before they are kept. [`Writer::finish`] ends it.
    #[must_use]
    pub fn covering(mut self, secrets: &Secrets) -> Self {
        self.masker = secrets.masker();
        self
    }

    /// Keeps `data`, or what of it there is room for, and counts the rest.
    pub async fn append(&mut self, data: &[u8], when_full: WhenFull<'_>) {
        match &mut self.masker {
            None => self.keep(data, when_full).await,
            Some(masker) => {
                let shown = masker.push(data);
                self.keep(&shown, when_full).await;
            }
        }
    }

    /// Keeps what was held back because it could have become a secret. To be called when nothing more comes.
    pub async fn finish(&mut self, when_full: WhenFull<'_>) {
        if let Some(rest) = self.masker.as_mut().map(Masker::finish) {
            self.keep(&rest, when_full).await;
        }
    }

    async fn keep(&mut self, mut data: &[u8], mut when_full: WhenFull<'_>) {
        self.last_byte = data.last().copied().or(self.last_byte);
        let mut give_up = None;
        while !data.is_empty() && !self.dropping {
            let shared = Arc::clone(&self.shared);
            // Registered before the attempt, so that room made in between is not missed.
            let room = shared.room.notified();
            match self.write_some(data) {
                Wrote::Bytes(written) => {
                    data = &data[written..];
                    give_up = None;
                }
                Wrote::Full => {
                    let now = shared.clock.now();
                    let give_up = *give_up.get_or_insert(now.plus(shared.limits.patience));
                    let retry = give_up.min(now.plus(DISK_RETRY));
                    match &mut when_full {
                        WhenFull::Wait(phase) if now < give_up && self.may_wait(phase) => {
                            tokio::select! {
                                () = room => {}
                                () = shared.clock.sleep_until(retry) => {}
                                _ = phase.wait_for(|phase| *phase == Phase::Hurried) => {}
                            }
                        }
                        _ => self.dropping = true,
                    }
                }
                Wrote::Failed(error) => {
                    tracing::warn!(%error, command = %self.id.command, step = self.id.step, "output cannot be kept");
                    self.dropping = true;
                }
            }
        }
        if !data.is_empty() {
            self.count_dropped(data.len() as u64);
        }
    }

    /// A phase that nobody can change any more leaves no one who would wait for the rest.
    fn may_wait(&self, phase: &watch::Receiver<Phase>) -> bool {
        phase.has_changed().is_ok()
            && *phase.borrow() != Phase::Hurried
            && self.shared.lock().link == LinkState::Up
    }

    /// Writes what fits into the present segment, the stream, the spool and the disk.
    fn write_some(&mut self, data: &[u8]) -> Wrote {
        if self.shared.disk_is_short(data.len() as u64) {
            return Wrote::Full;
        }
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        let spool_room = shared.limits.spool_bytes.saturating_sub(state.held);
        let stream = state.stream(&self.id);
        let room = spool_room.min(shared.limits.stream_bytes.saturating_sub(stream.held()));
        if room == 0 {
            return Wrote::Full;
        }
        let (segment, fits) = stream.place(shared.files.segment_bytes());
        let length = data.len().min(usize::try_from(room.min(fits)).unwrap_or(usize::MAX));
        match self.write_to(segment.base, &data[..length]) {
            Ok(written) => {
                stream.appended(written as u64);
                state.held += written as u64;
                drop(state);
                shared.unsent.notify_one();
                Wrote::Bytes(written)
            }
            Err(error) if is_full(&error) => Wrote::Full,
            Err(error) => Wrote::Failed(error),
        }
    }

    fn write_to(&mut self, base: u64, data: &[u8]) -> io::Result<usize> {
        if self.file.as_ref().is_none_or(|(open, _)| *open != base) {
            self.file = Some((base, self.shared.files.open(&self.id, base)?));
        }
        match &mut self.file {
            Some((_, file)) => match file.write(data)? {
                0 => Err(ErrorKind::WriteZero.into()),
                written => Ok(written),
            },
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn count_dropped(&self, bytes: u64) {
        self.shared.lock().stream(&self.id).add_dropped(bytes);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let Some(stream) = state.streams.get_mut(&self.id) else { return };
        stream.writers = stream.writers.saturating_sub(1);
        let dropped = stream.totals().dropped_bytes;
        drop(state);
        // The figure outlives a restart where the disk has room for it; the step's result has it as well.
        if self.dropping
            && let Err(error) = self.shared.files.write_dropped(&self.id, dropped)
        {
            tracing::warn!(%error, command = %self.id.command, "the number of dropped bytes cannot be kept");
        }
    }
}

/// Out of space, out of quota, or past the largest size of a file.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}
