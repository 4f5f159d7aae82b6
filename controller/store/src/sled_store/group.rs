//! What a group of batches does, decided without touching the engine: each batch in turn is checked against the
//! engine's state and the batches of the group that were accepted before it.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::batch::{Batch, Write};
use crate::contract::{CommitError, Revision, StoreError};
use crate::feed::Change;

/// The decided group.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// One for each batch, in their order.
    pub(super) answers: Vec<Result<Revision, CommitError>>,
    /// The accepted commits that write, in order.
    pub(super) changes: Vec<Change>,
}

/// Decides batch after batch.
pub(super) struct Planner<F> {
    last: Revision,
    found: F,
    /// What the accepted batches have done to their keys: last written at, or deleted.
    overlay: HashMap<Bytes, Option<Revision>>,
    plan: Plan,
}

impl<F> Planner<F> {
    /// `found` tells the commit that last wrote a key, as the engine has it.
    pub(super) fn new(last: Revision, found: F) -> Self {
        Self { last, found, overlay: HashMap::new(), plan: Plan::default() }
    }

    /// An error is that of `found`; the batch then counts as not added.
    pub(super) fn add<E>(&mut self, batch: Batch) -> Result<(), E>
    where
        F: FnMut(&[u8]) -> Result<Option<Revision>, E>,
    {
        for condition in batch.conditions() {
            let found = match self.overlay.get(condition.key()) {
                Some(written) => *written,
                None => (self.found)(condition.key())?,
            };
            if !condition.holds(found) {
                self.plan.answers.push(Err(CommitError::Conflict { key: condition.key().clone() }));
                return Ok(());
            }
        }
        if !batch.writes().is_empty() {
            self.last = self.last.next();
            self.accept(batch);
        }
        self.plan.answers.push(Ok(self.last));
        Ok(())
    }

    /// Answers the next batch without looking at it.
    pub(super) fn refuse(&mut self, error: StoreError) {
        self.plan.answers.push(Err(error.into()));
    }

    pub(super) fn finish(self) -> Plan {
        self.plan
    }

    fn accept(&mut self, batch: Batch) {
        let writes: Arc<[Write]> = batch.into_writes().into();
        for write in writes.iter() {
            let written = matches!(write, Write::Put(..)).then_some(self.last);
            self.overlay.insert(write.key().clone(), written);
        }
        self.plan.changes.push(Change { revision: self.last, writes });
    }
}
