//! The journal and the state that it folds to, kept in step: a record is in the state exactly when it is in the
//! journal, and in the same order.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fleetwright_proto::clock::SharedClock;
use tokio::sync::Notify;

use super::{Durability, Journal, JournalError, Record, State};
use crate::explain::explain;

/// A journal is not rewritten below this size.
const SMALLEST_REWRITE_BYTES: u64 = 256 * 1024;

/// Shared by the executor, which writes, and the link, which reads and learns of changes.
pub struct Ledger {
    /// Taken for the time of an append, so that records reach journal and state in one order.
    order: tokio::sync::Mutex<()>,
    journal: Arc<Mutex<Option<Box<dyn Journal>>>>,
    state: Mutex<State>,
    /// As of the latest append; the journal itself is locked while it waits for its disk.
    size_bytes: AtomicU64,
    rewrite_above_bytes: AtomicU64,
    changed: Notify,
    clock: SharedClock,
}

impl Ledger {
    #[must_use]
    pub fn new(journal: Box<dyn Journal>, records: &[Record], clock: SharedClock) -> Self {
        let mut state = State::replay(records);
        state.forget_expired(clock.now());
        let size = journal.size_bytes();
        Self {
            order: tokio::sync::Mutex::new(()),
            journal: Arc::new(Mutex::new(Some(journal))),
            state: Mutex::new(state),
            size_bytes: AtomicU64::new(size),
            rewrite_above_bytes: AtomicU64::new(size.max(SMALLEST_REWRITE_BYTES)),
            changed: Notify::new(),
            clock,
        }
    }

    /// Keeps the records, then makes them count. On return with [`Durability::Synced`] they survive a power cut.
    ///
    /// # Errors
    /// When they are not kept; nothing changed then.
    pub async fn record(&self, records: Vec<Record>, durability: Durability) -> Result<(), JournalError> {
        let _order = self.order.lock().await;
        let records = Arc::new(records);
        let appended = Arc::clone(&records);
        self.with_journal(move |journal| journal.append(&appended, durability)).await?;
        {
            let mut state = self.lock_state();
            records.iter().for_each(|record| state.apply(record));
        }
        self.changed.notify_one();
        self.rewrite_when_large().await;
        Ok(())
    }

    /// Looks at the state. The closure must be quick and must not come back here.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock_state())
    }

    /// Completes when something was recorded since the last time that it completed. For one listener.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Wakes the listener although nothing was recorded, because something else that it reports has changed.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes.load(Ordering::Relaxed)
    }

    /// Waits for an append that is under way and takes no more: afterwards the files belong to somebody else.
    pub fn close(&self) {
        *lock(&self.journal) = None;
    }

    async fn rewrite_when_large(&self) {
        if self.size_bytes() <= self.rewrite_above_bytes.load(Ordering::Relaxed) {
            return;
        }
        let records = {
            let mut state = self.lock_state();
            state.forget_expired(self.clock.now());
            state.snapshot(self.clock.now())
        };
        let rewritten = self.with_journal(move |journal| journal.rewrite(&records)).await;
        if let Err(error) = rewritten {
            // The records are all there, only not compact; it is tried again after as much growth.
            tracing::warn!("the journal was not compacted: {}", explain(&error));
        }
        let size = self.size_bytes();
        // Twice as large, and sooner where that would be above the limit.
        let next = (2 * size).min(super::MAX_BYTES).max(size + SMALLEST_REWRITE_BYTES);
        self.rewrite_above_bytes.store(next, Ordering::Relaxed);
    }

    async fn with_journal<T: Send + 'static>(
        &self,
        action: impl FnOnce(&mut dyn Journal) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let journal = Arc::clone(&self.journal);
        let waits_for_disk = lock(&journal).as_ref().is_some_and(|journal| journal.waits_for_disk());
        let call = move || match lock(&journal).as_mut() {
            Some(journal) => action(&mut **journal).map(|done| (done, journal.size_bytes())),
            None => Err(JournalError::Closed),
        };
        let (done, size) = if waits_for_disk {
            tokio::task::spawn_blocking(call).await.unwrap_or(Err(JournalError::Closed))?
        } else {
            call()?
        };
        self.size_bytes.store(size, Ordering::Relaxed);
        Ok(done)
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("journal", &self.journal).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
