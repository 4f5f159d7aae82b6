//! A store that dies with its controller, at a chosen commit.
//!
//! What was committed lies in a [`MemoryStore`] that outlives it. A dead store answers nothing, as a dead process
//! does not: whoever waits for it waits for ever, and acknowledges nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fleetwright_proto::clock::{Clock, SystemClock};
use fleetwright_store::{
    Batch, CommitError, Entry, Health, MemoryStore, Revision, Space, Store, StoreError, Usage, Watch, Work,
};
use tokio::sync::watch;

use crate::witness::Witness;

/// Where in a commit its controller dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// The commit is lost.
    BeforeCommit,
    /// The commit is durable, and nobody was told.
    AfterCommit,
}

/// How full the disk of a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Disk {
    #[default]
    Roomy,
    /// Less than the reserve is free.
    Low,
    /// Nothing can be written.
    Full,
}

impl Disk {
    fn space(self) -> Space {
        let free_bytes = match self {
            Self::Roomy => 1 << 40,
            Self::Low => 100 << 20,
            Self::Full => 0,
        };
        Space { free_bytes, total_bytes: 1 << 41 }
    }
}

/// The store of one life of the controller.
#[derive(Debug)]
pub struct MortalStore {
    contents: Arc<MemoryStore>,
    witness: Arc<Witness>,
    /// How many commits are answered before the one at which the controller dies.
    death: Mutex<Option<(usize, Death)>>,
    is_dead: watch::Sender<bool>,
    disk: Mutex<Disk>,
    slower_by: Mutex<Duration>,
    /// Commits and what the witness sees of them are in one order.
    turn: tokio::sync::Mutex<()>,
}

impl MortalStore {
    pub(crate) fn over(contents: Arc<MemoryStore>, witness: Arc<Witness>) -> Self {
        Self {
            contents,
            witness,
            death: Mutex::default(),
            is_dead: watch::Sender::new(false),
            disk: Mutex::default(),
            slower_by: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Answers `commits` more commits and dies at the next.
    pub fn die_after(&self, commits: usize, death: Death) {
        *self.death.lock().unwrap_or_else(PoisonError::into_inner) = Some((commits, death));
    }

    /// Takes the order back; false when it was carried out already.
    pub fn live_on(&self) -> bool {
        self.death.lock().unwrap_or_else(PoisonError::into_inner).take();
        !*self.is_dead.borrow()
    }

    /// From now on its disk is so full.
    pub fn fill(&self, disk: Disk) {
        *self.disk.lock().unwrap_or_else(PoisonError::into_inner) = disk;
    }

    fn disk(&self) -> Disk {
        *self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusal(&self) -> Option<StoreError> {
        (self.disk() == Disk::Full).then(|| StoreError::Full { folder: "data/store".to_owned() })
    }

    /// From now on every commit takes so much longer.
    pub fn slow_down(&self, by: Duration) {
        *self.slower_by.lock().unwrap_or_else(PoisonError::into_inner) = by;
    }

    /// Dies now.
    pub fn die(&self) {
        self.is_dead.send_replace(true);
    }

    /// Completes when it is dead.
    pub async fn dead(&self) {
        let mut is_dead = self.is_dead.subscribe();
        // The sender lives as long as `self`.
        let _dead = is_dead.wait_for(|dead| *dead).await;
    }

    /// Never returns once the store is dead.
    async fn breathe(&self) {
        if *self.is_dead.borrow() {
            std::future::pending::<()>().await;
        }
    }

    fn death_at_this_commit(&self) -> Option<Death> {
        let mut death = self.death.lock().unwrap_or_else(PoisonError::into_inner);
        match death.take() {
            Some((0, how)) => Some(how),
            Some((commits, how)) => {
                *death = Some((commits - 1, how));
                None
            }
            None => None,
        }
    }
}

#[async_trait]
impl Store for MortalStore {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.breathe().await;
        self.contents.get(key).await
    }

    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.breathe().await;
        self.contents.scan(prefix, after, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Revision, CommitError> {
        let _turn = self.turn.lock().await;
        let slower_by = *self.slower_by.lock().unwrap_or_else(PoisonError::into_inner);
        if !slower_by.is_zero() {
            SystemClock.sleep(slower_by).await;
        }
        if let Some(full) = self.refusal().filter(|_| !batch.writes().is_empty()) {
            return Err(full.into());
        }
        self.breathe().await;
        let death = self.death_at_this_commit();
        if death == Some(Death::BeforeCommit) {
            self.die();
            self.breathe().await;
        }
        let writes = batch.writes().to_vec();
        let committed = self.contents.commit(batch).await;
        if let Ok(revision) = &committed {
            self.witness.saw(*revision, &writes);
        }
        if death == Some(Death::AfterCommit) {
            self.die();
        }
        self.breathe().await;
        committed
    }

    fn watch(&self, prefix: &[u8], from: Revision) -> Watch {
        self.contents.watch(prefix, from)
    }

    fn revision(&self) -> Revision {
        self.contents.revision()
    }

    fn usage(&self) -> Vec<Usage> {
        self.contents.usage()
    }

    fn health(&self) -> Health {
        Health { refuses: self.refusal(), space: Some(self.disk().space()) }
    }

    fn work(&self) -> Work {
        self.contents.work()
    }
}
