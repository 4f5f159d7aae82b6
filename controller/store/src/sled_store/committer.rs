//! The committer: one thread that makes groups of batches durable, one group after the other.
//!
//! ```text
//!            a group fails
//! working ─────────────────► failed ──opened again──► working
//!                               └─ the disk did not confirm a write: stays so until the process ends
//! ```

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::engine::{Engine, EngineError};
use super::group::{Plan, Planner};
use super::{EngineState, Shared};
use crate::batch::Batch;
use crate::contract::{CommitError, Revision, StoreError};

/// A group takes no further batch beyond these: latency stays bounded, and so does what lies between two syncs
/// (see `engine`).
const GROUP_COMMITS: usize = 1024;
const GROUP_BYTES: usize = 256 * 1024;
/// A store that could not be opened again is not tried more often than this.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

type Answer = oneshot::Sender<Result<Revision, CommitError>>;

/// What a handle asks of the committer.
#[derive(Debug)]
pub(super) enum Request {
    Commit {
        batch: Batch,
        answer: Answer,
    },
    /// Somebody met the failed engine.
    Reopen,
}

pub(super) struct Committer {
    shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    /// The last revision given, to acknowledged commits or not: none is given twice.
    last: Revision,
    reopened: Option<Instant>,
}

/// Batches and who waits for them.
#[derive(Default)]
struct Group {
    batches: Vec<Batch>,
    answers: Vec<Answer>,
    bytes: usize,
}

impl Committer {
    pub(super) fn new(shared: Arc<Shared>, requests: mpsc::Receiver<Request>, last: Revision) -> Self {
        Self { shared, requests, last, reopened: None }
    }

    pub(super) fn run(mut self) {
        while let Some(first) = self.requests.blocking_recv() {
            let group = self.gather(first);
            let Group { batches, answers, .. } = group;
            let writes = batches.iter().map(|batch| batch.writes().len()).sum();
            let (began, asked) = (Instant::now(), answers.len());
            let result = self.commit(batches);
            self.count(&result, asked, began.elapsed());
            match result {
                Ok(results) => {
                    for (answer, result) in answers.into_iter().zip(results) {
                        // Whoever dropped the receiver does not want to know.
                        let _ = answer.send(result);
                    }
                }
                Err(error) => {
                    for answer in answers {
                        let _ = answer.send(Err(CommitError::Store(error.clone())));
                    }
                }
            }
            Engine::collect_garbage(writes);
        }
    }

    fn count(
        &self,
        result: &Result<Vec<Result<Revision, CommitError>>, StoreError>,
        asked: usize,
        took: Duration,
    ) {
        let (mut commits, mut conflicts, mut failures) = (0, 0, 0);
        match result {
            _ if asked == 0 => return,
            Ok(answers) => answers.iter().for_each(|answer| match answer {
                Ok(_) => commits += 1,
                Err(CommitError::Store(_)) => failures += 1,
                Err(_) => conflicts += 1,
            }),
            Err(_) => failures = asked as u64,
        }
        self.shared.work.note_group(commits, conflicts, failures, took);
    }

    fn gather(&mut self, first: Request) -> Group {
        let mut group = Group::default();
        group.add(first);
        while group.batches.len() < GROUP_COMMITS
            && group.bytes < GROUP_BYTES
            && let Ok(request) = self.requests.try_recv()
        {
            group.add(request);
        }
        group
    }

    fn commit(&mut self, batches: Vec<Batch>) -> Result<Vec<Result<Revision, CommitError>>, StoreError> {
        self.ensure_open()?;
        match self.try_commit(batches) {
            Ok(plan) => {
                self.shared.feed.publish(plan.changes);
                Ok(plan.answers)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    fn try_commit(&mut self, batches: Vec<Batch>) -> Result<Plan, EngineError> {
        let state = self.shared.engine.read().unwrap_or_else(PoisonError::into_inner);
        let EngineState::Open(engine) = &*state else { return Ok(Plan::default()) };
        let full = (!self.shared.has_room()).then(|| StoreError::Full { folder: self.shared.folder.name() });
        let mut planner = Planner::new(self.last, |key: &[u8]| engine.written_at(key));
        for batch in batches {
            if let Some(full) = full.as_ref().filter(|_| !batch.writes().is_empty()) {
                planner.refuse(full.clone());
                continue;
            }
            match planner.add(batch) {
                // One damaged value is no reason to stop the others.
                Err(EngineError::Damaged { key, why }) => planner.refuse(StoreError::Damaged { key, why }),
                other => other?,
            }
        }
        let plan = planner.finish();
        if let Some(change) = plan.changes.last() {
            self.last = change.revision;
            engine.apply(&plan.changes)?;
            engine.sync()?;
        }
        Ok(plan)
    }

    /// Nothing of the group is acknowledged. The engine is given up: what it holds in memory may differ from what
    /// the disk has.
    fn fail(&mut self, error: EngineError) -> StoreError {
        let folder = self.shared.folder.name();
        let mut state = self.shared.engine.write().unwrap_or_else(PoisonError::into_inner);
        let unconfirmed = match &*state {
            EngineState::Open(engine) => engine.sync().err(),
            EngineState::Failed(_) => None,
        };
        let error = unconfirmed.unwrap_or(error).into_store_error(folder.clone());
        tracing::error!(%folder, error = &error as &dyn std::error::Error, "the store failed; commits are refused");
        *state = EngineState::Failed(error.clone());
        error
    }

    /// Opens a failed engine again, if that can help and is not tried too often.
    fn ensure_open(&mut self) -> Result<(), StoreError> {
        let failed = match &*self.shared.engine.read().unwrap_or_else(PoisonError::into_inner) {
            EngineState::Open(_) => return Ok(()),
            EngineState::Failed(error) => error.clone(),
        };
        let too_soon = self.reopened.is_some_and(|tried| tried.elapsed() < REOPEN_EVERY);
        if too_soon || matches!(failed, StoreError::Unconfirmed { .. }) {
            return Err(failed);
        }
        self.reopened = Some(Instant::now());
        let folder = &self.shared.folder;
        let reopened = Engine::open(folder, self.shared.settings.cache_bytes);
        let engine = reopened.map_err(|error| {
            tracing::warn!(folder = %folder.name(), error = &error as &dyn std::error::Error, "the store is still down");
            failed.clone()
        })?;
        let found = engine.last_revision().map_err(|error| error.into_store_error(folder.name()))?;
        self.last = self.last.max(found);
        let mut state = self.shared.engine.write().unwrap_or_else(PoisonError::into_inner);
        *state = EngineState::Open(engine);
        // Before any reader gets at the engine: watches must not miss what it found on the disk.
        self.shared.feed.restart_at(self.last);
        tracing::info!(folder = %folder.name(), revision = %self.last, "the store works again");
        Ok(())
    }
}

impl Group {
    fn add(&mut self, request: Request) {
        if let Request::Commit { batch, answer } = request {
            self.bytes += batch.size_bytes();
            self.batches.push(batch);
            self.answers.push(answer);
        }
    }
}
