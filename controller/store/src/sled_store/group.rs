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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::batch::Condition;

    /// Decides batches over an engine that holds `a`, written at 3, as its last commit. Answers as `revision` or
    /// `key!` for a conflict.
    fn check(batches: &[(&[Condition], &[Write])], wanted: &[&str]) -> Plan {
        let found = |key: &[u8]| Ok::<_, Infallible>((key == b"a").then_some(Revision(3)));
        let mut planner = Planner::new(Revision(3), found);
        for (conditions, writes) in batches {
            let mut batch = Batch::new();
            for condition in *conditions {
                batch.require(condition.clone());
            }
            for write in *writes {
                match write {
                    Write::Put(key, value) => batch.put(key.clone(), value.clone()),
                    Write::Delete(key) => batch.delete(key.clone()),
                };
            }
            let Ok(()) = planner.add(batch);
        }
        let plan = planner.finish();
        let answers = plan.answers.iter().map(|answer| match answer {
            Ok(revision) => revision.to_string(),
            Err(CommitError::Conflict { key }) => format!("{}!", key.escape_ascii()),
            Err(other) => panic!("{other}"),
        });
        assert_eq!(answers.collect::<Vec<_>>(), wanted);
        plan
    }

    fn put(key: &'static str) -> Write {
        Write::Put(key.into(), "x".into())
    }

    fn delete(key: &'static str) -> Write {
        Write::Delete(key.into())
    }

    fn at(key: &'static str, revision: u64) -> Condition {
        Condition::At(key.into(), Revision(revision))
    }

    #[test]
    fn a_batch_meets_what_the_group_wrote_before_it() {
        let absent = Condition::Absent("b".into());
        let absent = [absent];
        check(
            &[
                (&[at("a", 3)], &[put("a")]),
                (&[at("a", 3)], &[put("a")]),
                (&[at("a", 4)], &[delete("a")]),
                (&[Condition::Exists("a".into())], &[put("b")]),
                (&absent, &[put("b")]),
                (&absent, &[put("b")]),
            ],
            &["4", "a!", "5", "a!", "6", "b!"],
        );
    }

    #[test]
    fn a_refused_batch_leaves_no_trace() {
        let plan = check(
            &[(&[at("a", 3), at("b", 1)], &[put("a"), put("c")]), (&[at("a", 3)], &[put("b")])],
            &["b!", "4"],
        );
        assert_eq!(plan.changes, [Change { revision: Revision(4), writes: [put("b")].into() }]);
    }

    #[test]
    fn a_barrier_has_the_place_of_the_commit_before_it() {
        let plan = check(&[(&[], &[]), (&[], &[put("b")]), (&[at("b", 4)], &[])], &["3", "4", "4"]);
        assert_eq!(plan.changes.len(), 1);
    }
}
