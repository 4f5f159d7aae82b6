//! The log as it is written: events from commits and from memory, joined to the chain a handful at a time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_store::{Batch, CommitError, RecordError, Revision, Row};
use tokio::sync::{Notify, oneshot};

use super::chain::{Event, Head};
use super::records::{Block, HeadRecord, PendingRecord};
use super::repeats::Repeats;
use crate::error::Refusal;
use crate::house::House;
use crate::tables::{AUDIT, AUDIT_HEAD, AUDIT_PENDING};

/// Events in memory that are not in the chain yet; with more the log is taken for broken.
pub const QUEUE_MAX: usize = 20_000;
/// Events joined in one commit.
const JOIN_MAX: usize = 256;
/// Bytes of texts of one commit, before JSON makes up to six of each, and before hashes.
const TAKE_BYTES: usize = 24 * 1024;
/// Bytes of lines in one row.
const BLOCK_BYTES: usize = 16 * 1024;
/// Bytes of lines in one commit.
const JOIN_BYTES: usize = 160 * 1024;
/// After a failure, and as often as pending events of another controller that stopped are looked for.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Names in one line, so that it is not cut.
const LINE_BYTES: usize = 500;
/// The only key of the table of heads.
pub(super) const HEAD: &str = "head";

/// What waits to be joined.
#[derive(Debug, Default)]
pub struct Audit {
    queue: Mutex<VecDeque<Waiting>>,
    work: Notify,
    closed: AtomicBool,
    /// Of the head that this process wrote last: it need not be checked again.
    own_head: Mutex<Option<Revision>>,
    pub(crate) repeats: Repeats,
}

#[derive(Debug)]
struct Waiting {
    event: Event,
    /// Told when the event is durable.
    told: Option<oneshot::Sender<()>>,
}

impl Audit {
    /// Writes the event in the commit of what it tells of. Call [`Audit::added`] after the commit.
    pub fn add(&self, batch: &mut Batch, event: Event) -> Result<(), RecordError> {
        // In the order of their moments; two of the same one need no order.
        let key = format!("{:016x}-{}", event.at.millis(), uuid::Uuid::new_v4().simple());
        AUDIT_PENDING.put(batch, &key, &PendingRecord { event: event.trimmed() })
    }

    /// A commit with an event in it was made.
    pub fn added(&self) {
        self.work.notify_one();
    }

    /// Notes an event that is in no commit. It is in the chain within moments; a controller that is killed before that
    /// forgets it.
    pub fn note(&self, event: Event) -> Result<(), Refusal> {
        self.push(Waiting { event, told: None })
    }

    /// Notes an event, and waits until it is durable.
    pub async fn note_durably(&self, event: Event) -> Result<(), Refusal> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(unavailable());
        }
        let (told, heard) = oneshot::channel();
        self.push(Waiting { event, told: Some(told) })?;
        heard.await.map_err(|_| unavailable())
    }

    /// As [`Audit::note_durably`], for several at once.
    pub async fn note_all_durably(&self, mut events: Vec<Event>) -> Result<(), Refusal> {
        // They are joined in their order: when the last one is durable, all are.
        let Some(last) = events.pop() else { return Ok(()) };
        events.into_iter().try_for_each(|event| self.note(event))?;
        self.note_durably(last).await
    }

    fn push(&self, waiting: Waiting) -> Result<(), Refusal> {
        let mut queue = self.lock();
        if queue.len() >= QUEUE_MAX {
            return Err(unavailable());
        }
        queue.push_back(Waiting { event: waiting.event.trimmed(), ..waiting });
        drop(queue);
        self.work.notify_one();
        Ok(())
    }

    /// What goes into one commit, of the oldest.
    fn take(&self) -> Vec<Waiting> {
        let mut queue = self.lock();
        let mut bytes = 0;
        let fits = |waiting: &&Waiting| {
            bytes += waiting.event.bytes();
            bytes <= TAKE_BYTES
        };
        // One always fits: its texts are trimmed.
        let count = queue.iter().take(JOIN_MAX).take_while(fits).count().max(1).min(queue.len());
        queue.drain(..count).collect()
    }

    /// Nobody joins any more: whoever waits hears it, and so does whoever comes.
    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        for waiting in self.lock().iter_mut() {
            waiting.told = None;
        }
    }

    fn own_head(&self) -> std::sync::MutexGuard<'_, Option<Revision>> {
        self.own_head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Waiting>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many events wait in memory.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().len()
    }
}

/// Names for as many lines as it takes to tell all of them, each once in a line.
#[must_use]
pub fn lines_of<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for name in names {
        match lines.last_mut() {
            Some(line) if line.split(", ").any(|known| known == name) => {}
            Some(line) if line.len() + name.len() < LINE_BYTES => {
                line.push_str(", ");
                line.push_str(name);
            }
            _ => lines.push(name.to_owned()),
        }
    }
    lines
}

fn unavailable() -> Refusal {
    Refusal::unavailable("the audit log cannot be written now, and nothing is done that would not be in it")
}

/// Joins events to the chain for ever.
pub async fn run(house: Arc<House>) {
    let _closing = Closing(&house.audit);
    loop {
        match join(&house).await {
            // A full turn: there may be more.
            Ok(true) => {}
            Ok(false) => {
                tokio::select! {
                    () = house.audit.work.notified() => {}
                    () = house.clock.sleep(LOOK_AGAIN_AFTER) => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the audit log cannot be written; tried again soon");
                house.clock.sleep(AGAIN_AFTER).await;
            }
        }
    }
}

/// However [`run`] ends, by a stop or a kill.
struct Closing<'a>(&'a Audit);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Joins what waits, as much as goes into one commit; whether there may be more.
pub async fn join(house: &House) -> Result<bool, Refusal> {
    let mut taken = house.audit.take();
    let joined = join_these(house, &taken).await;
    match joined {
        Ok(pending) => {
            let more = house.audit.waiting() > 0 || pending >= JOIN_MAX;
            for waiting in taken {
                // Whoever waited may have gone away.
                let _ = waiting.told.map(|told| told.send(()));
            }
            Ok(more)
        }
        Err(error) => {
            let mut queue = house.audit.lock();
            // Whoever waits hears that it is not durable now; the event itself is tried again.
            while let Some(waiting) = taken.pop() {
                queue.push_front(Waiting { told: None, ..waiting });
            }
            Err(error)
        }
    }
}

/// How many pending rows were joined along.
async fn join_these(house: &House, taken: &[Waiting]) -> Result<usize, Refusal> {
    loop {
        let pending = AUDIT_PENDING.scan(&*house.store, &(), None, JOIN_MAX).await?;
        crate::records::note_unreadable("audit-pending", &pending.unreadable);
        if taken.is_empty() && pending.rows.is_empty() {
            return Ok(0);
        }
        let kept = AUDIT_HEAD.get(&*house.store, &HEAD.to_owned()).await?;
        if let Some(kept) = &kept
            && *house.audit.own_head() != Some(kept.revision)
        {
            refuse_forged(house, kept)?;
        }
        let (batch, joined) = plan(house, kept, taken, &pending.rows)?;
        match house.store.commit(batch).await {
            Ok(revision) => {
                *house.audit.own_head() = Some(revision);
                return Ok(joined);
            }
            // Another controller joined its own: read again.
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A head that we did not sign is never signed over: what was done to the log must stay visible.
fn refuse_forged(house: &House, kept: &Row<String, HeadRecord>) -> Result<(), Refusal> {
    let HeadRecord { head, signature } = &kept.value;
    if house.authority.signed(head.message().as_bytes(), signature) {
        return Ok(());
    }
    Err(Refusal::internal(
        "the head of the audit log was not signed by this fleet: somebody altered the store",
    ))
}

fn plan(
    house: &House,
    kept: Option<Row<String, HeadRecord>>,
    taken: &[Waiting],
    pending: &[Row<String, PendingRecord>],
) -> Result<(Batch, usize), Refusal> {
    let mut head = kept.as_ref().map_or_else(Head::new, |row| row.value.head.clone());
    let mut batch = Batch::new();
    let mut lines = Lines::default();
    let append = |head: &mut Head, lines: &mut Lines, event: &Event| -> Result<(), Refusal> {
        let seq = head.next_seq;
        let line = head.append(event).map_err(|error| Refusal::internal(format!("{error}")))?;
        lines.push(seq, line);
        Ok(())
    };
    for waiting in taken {
        append(&mut head, &mut lines, &waiting.event)?;
    }
    let mut joined = 0;
    for row in pending {
        if lines.bytes > JOIN_BYTES {
            break;
        }
        append(&mut head, &mut lines, &row.value.event)?;
        AUDIT_PENDING.delete_at(&mut batch, &row.key, row.revision);
        joined += 1;
    }
    for (last, block) in lines.into_blocks() {
        AUDIT.insert(&mut batch, &last, &block)?;
    }
    let signature = house.authority.sign_text(head.message().as_bytes())?;
    let record = HeadRecord { head, signature };
    match kept {
        Some(mut row) => {
            row.value = record;
            AUDIT_HEAD.replace(&mut batch, &row)?;
        }
        None => AUDIT_HEAD.insert(&mut batch, &HEAD.to_owned(), &record)?,
    }
    Ok((batch, joined))
}

/// Lines on their way into rows, each under the number of its last line.
#[derive(Default)]
struct Lines {
    blocks: Vec<(u64, Block)>,
    block_bytes: usize,
    bytes: usize,
}

impl Lines {
    fn push(&mut self, seq: u64, line: String) {
        let bytes = line.len() + 1;
        self.bytes += bytes;
        match self.blocks.last_mut() {
            Some((last, block)) if self.block_bytes + bytes <= BLOCK_BYTES => {
                *last = seq;
                block.0.push(line);
                self.block_bytes += bytes;
            }
            _ => {
                self.blocks.push((seq, Block(vec![line])));
                self.block_bytes = bytes;
            }
        }
    }

    fn into_blocks(self) -> Vec<(u64, Block)> {
        self.blocks
    }
}

/// Writes down how often something was repeated that was noted once; see [`Repeats`].
pub fn note_repeats(house: &House, now: Timestamp) -> Result<(), Refusal> {
    for event in house.audit.repeats.due(now) {
        house.audit.note(event)?;
    }
    Ok(())
}
