//! The store in memory: for tests and for what may be lost. Durable means applied.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::batch::{Batch, Write, end_of};
use crate::contract::{CommitError, Entry, Revision, Store, StoreError, Unit, Usage};
use crate::feed::{Change, Feed, FeedLimits, Watch};
use crate::work::{Health, Work, WorkCounters};

/// A store that ends with the process.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<Contents>,
    feed: Feed,
    limits: FeedLimits,
    work: WorkCounters,
}

#[derive(Debug, Default)]
struct Contents {
    entries: BTreeMap<Bytes, (Bytes, Revision)>,
    last: Revision,
    bytes: usize,
}

impl MemoryStore {
    #[must_use]
    pub fn new() -> Self {
        Self::with_feed(FeedLimits::default())
    }

    #[must_use]
    pub fn with_feed(limits: FeedLimits) -> Self {
        let feed = Feed::starting_at(Revision::ZERO, limits);
        Self { state: Mutex::default(), feed, limits, work: WorkCounters::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.feed.close();
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        Ok(self.lock().entries.get_key_value(key).map(entry))
    }

    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let state = self.lock();
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let end = end_of(prefix);
        if end.as_deref().is_some_and(|end| after.is_some_and(|after| after >= end)) {
            return Ok(Vec::new());
        }
        let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        Ok(state.entries.range::<[u8], _>((start, end)).take(limit).map(entry).collect())
    }

    async fn commit(&self, batch: Batch) -> Result<Revision, CommitError> {
        batch.check()?;
        let mut state = self.lock();
        for condition in batch.conditions() {
            let found = state.entries.get(condition.key()).map(|(_, revision)| *revision);
            if !condition.holds(found) {
                return Err(CommitError::Conflict { key: condition.key().clone() });
            }
        }
        if batch.writes().is_empty() {
            return Ok(state.last);
        }
        let revision = state.last.next();
        state.last = revision;
        let writes = batch.into_writes();
        for write in &writes {
            state.apply(write, revision);
        }
        // Published under the lock, so that watchers see commits in order.
        self.feed.publish([Change { revision, writes: writes.into() }]);
        self.work.note_group(1, 0, 0, Duration::ZERO);
        Ok(revision)
    }

    fn watch(&self, prefix: &[u8], from: Revision) -> Watch {
        self.feed.watch(prefix, from)
    }

    fn revision(&self) -> Revision {
        self.feed.revision()
    }

    fn usage(&self) -> Vec<Usage> {
        let used = self.lock().bytes as u64;
        let mut usage = vec![Usage { name: "memory", used: Some(used), limit: None, unit: Unit::Bytes }];
        usage.extend(self.feed.usage().against(self.limits));
        usage
    }

    fn health(&self) -> Health {
        Health::default()
    }

    fn work(&self) -> Work {
        self.work.read()
    }
}

impl Contents {
    fn apply(&mut self, write: &Write, revision: Revision) {
        let (key, old) = match write {
            Write::Put(key, value) => {
                self.bytes += key.len() + value.len();
                (key, self.entries.insert(key.clone(), (value.clone(), revision)))
            }
            Write::Delete(key) => (key, self.entries.remove(key)),
        };
        if let Some((value, _)) = old {
            self.bytes -= key.len() + value.len();
        }
    }
}

fn entry((key, (value, revision)): (&Bytes, &(Bytes, Revision))) -> Entry {
    Entry { key: key.clone(), value: value.clone(), revision: *revision }
}
