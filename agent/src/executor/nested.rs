//! What a document in a step has of the executor: the rules by which results are read and made, and the journal.

use std::io;
use std::sync::Arc;

use fleetwright_documents::PlannedStep;
use fleetwright_documents::SkipReason;
use fleetwright_documents::flow::{StepOutcome, StepStatus};
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::CommandId;

use super::drive::{Left, Patience, persist};
use super::queue::{Stop, StoppedBy};
use super::{Shared, result};
use crate::journal::{Record, StepProgress, StepRecord, StepState};
use crate::secrets::Secrets;
use crate::steps::{InnerJournal, InnerStart, Recorded, StepEnd, Task};

pub(crate) use super::decide::outcome;
pub(crate) use super::result::Begun;

/// The state of a step that is skipped for this reason.
pub(crate) fn skipped(reason: &SkipReason) -> StepState {
    match StepOutcome::skipped(reason).status {
        StepStatus::Cancelled => StepState::Cancelled,
        _ => StepState::Skipped,
    }
}

/// The result of an inner step.
pub(crate) fn of_end(
    begun: Begun,
    planned: &PlannedStep,
    end: StepEnd,
    secrets: &Secrets,
    task: &Task<'_>,
    now: Timestamp,
) -> StepRecord {
    let stopped_by = if task.context.journal.is_stopping() { StoppedBy::Agent } else { StoppedBy::Operator };
    let mut record = result::of_end(begun, planned, end, stopped_by, (task.tools.host, now));
    record.detail = secrets.cover(&record.detail);
    record
}

/// The result of an inner step that does not run.
pub(crate) fn without_run(begun: Begun, state: StepState, detail: String, now: Timestamp) -> StepRecord {
    let code = i32::from(state != StepState::Skipped);
    result::unseen(begun, (state, code), detail, now)
}

/// The journal of one command, as its steps use it.
#[derive(Debug)]
pub(super) struct CommandJournal {
    pub(super) shared: Arc<Shared>,
    pub(super) command: CommandId,
    pub(super) step: u32,
    pub(super) stop: Stop,
}

impl CommandJournal {
    fn write(&self, record: Record, patience: Patience) -> Recorded {
        let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
        Box::pin(async move {
            persist(&shared, &stop, record, patience).await.map_err(|left| {
                io::Error::other(match left {
                    Left::Closed | Left::Stopping => "the agent stopped before the step began",
                    Left::GaveUp => "the command was cancelled before the step began",
                })
            })
        })
    }
}

impl InnerJournal for CommandJournal {
    fn started(&self, start: InnerStart) -> Recorded {
        let (command, step) = (self.command.clone(), self.step);
        let InnerStart { inner, name, action, at, process } = start;
        let record = Record::InnerStarted { command, step, inner, name, action, at, process };
        self.write(record, Patience::UntilCancelled)
    }

    fn finished(&self, inner: Vec<u32>, result: StepRecord) -> Recorded {
        let (command, step) = (self.command.clone(), self.step);
        self.write(Record::InnerFinished { command, step, inner, result }, Patience::UntilStopped)
    }

    fn results(&self, inner: &[u32]) -> Vec<(u32, StepRecord)> {
        self.shared.place.ledger.read(|state| {
            let Some(command) = state.command(&self.command) else { return Vec::new() };
            let steps = command.inner_steps(self.step, inner);
            let over = steps.filter_map(|(step, progress)| match progress {
                StepProgress::Finished(result) if result.state != StepState::SuccessAndReboot => {
                    Some((step, result.clone()))
                }
                _ => None,
            });
            over.collect()
        })
    }

    fn is_stopping(&self) -> bool {
        self.stop.is_interruption()
    }

    fn begins_nothing_more(&self) -> bool {
        self.shared.queue().is_closed()
    }
}
