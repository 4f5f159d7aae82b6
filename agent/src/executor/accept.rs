//! Deliveries: what is taken, what is known already, and what cannot be taken now.

use std::sync::Arc;

use fleetwright_proto::agent::accepted::Outcome;
use fleetwright_proto::agent::delivery;
use fleetwright_proto::agent::{CancelCommand, RunDocument};
use fleetwright_proto::ids::CommandId;

use super::queue::Found;
use super::{Executor, decide};
use crate::executor::wire;
use crate::explain::explain;
use crate::journal::{Durability, FinalReport, Record};

/// The answer to a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    /// For a refusal: one line for people.
    pub(crate) detail: String,
}

/// How long the id of a command is kept that was cancelled before it arrived: as long as any delivery may take
/// (reference, section 3.3: two days).
const LONGEST_DELIVERY: std::time::Duration = std::time::Duration::from_secs(48 * 3600);

impl Answer {
    fn journaled() -> Self {
        Self { outcome: Outcome::Journaled, detail: String::new() }
    }

    fn duplicate() -> Self {
        Self { outcome: Outcome::Duplicate, detail: String::new() }
    }

    fn refused(detail: impl Into<String>) -> Self {
        Self { outcome: Outcome::Refused, detail: detail.into() }
    }
}

impl Executor {
    /// What is accepted is in the journal, and on the disk, when this returns.
    pub(crate) async fn accept(&self, work: Option<delivery::Work>) -> Answer {
        let answer = match work {
            Some(delivery::Work::Run(run)) => self.accept_run(run).await,
            Some(delivery::Work::Cancel(cancel)) => self.accept_cancel(&cancel).await,
            None => Answer::refused("this agent does not know this kind of work; a newer agent may"),
        };
        if answer.outcome == Outcome::Refused {
            tracing::warn!("a delivery was refused: {}", answer.detail);
        }
        answer
    }

    async fn accept_run(&self, run: RunDocument) -> Answer {
        let command: CommandId = match run.command_id.parse() {
            Ok(command) => command,
            Err(error) => return Answer::refused(format!("{error}")),
        };
        let place = &self.shared.place;
        if place.ledger.read(|state| state.knows(&command)) {
            return Answer::duplicate();
        }
        let size = (run.content.len() + run.parameters.len()) as u64;
        if let Err(problem) = self.check_room(size) {
            return Answer::refused(problem);
        }
        let now = self.shared.now();
        let deadline = now.plus(std::time::Duration::from_millis(run.start_within_ms));
        let work = match wire::work(run, now) {
            Ok(work) => work,
            Err(problem) => {
                return self.finish_unqueued(command, decide::refused(problem.to_owned()), deadline).await;
            }
        };
        let name = work.document_name.clone();
        let accepted = Record::Accepted { command: command.clone(), work: Arc::new(work) };
        if let Err(error) = place.ledger.record(vec![accepted], Durability::Synced).await {
            return Answer::refused(explain(&error));
        }
        tracing::info!("command {command} accepted: {name}");
        self.enqueue(command);
        Answer::journaled()
    }

    /// Before the journal is tried: room is kept for the results of what was accepted already.
    pub(super) fn check_room(&self, size: u64) -> Result<(), String> {
        let place = &self.shared.place;
        let limits = place.limits;
        if self.shared.queue().is_closed() {
            return Err("this agent is stopping".to_owned());
        }
        let (open, bytes) = place.ledger.read(|state| (state.open_count(), state.work_bytes()));
        if open >= limits.open_commands {
            return Err(format!("{open} commands are open on this host, which is the limit"));
        }
        if bytes + size > limits.work_bytes && open > 0 {
            return Err(format!(
                "the commands that wait on this host take {bytes} bytes; with {size} more they exceed the limit of {}",
                limits.work_bytes
            ));
        }
        let journal = place.ledger.size_bytes();
        if journal.saturating_add(size) > limits.journal_bytes {
            return Err(format!(
                "the journal has {journal} bytes, and its limit is {}",
                limits.journal_bytes
            ));
        }
        match place.platform.free_bytes(&place.orchestration) {
            Ok(free) if free < limits.spare_disk_bytes => Err(format!(
                "the disk of `{}` has {free} bytes free; {} are needed",
                place.orchestration.display(),
                limits.spare_disk_bytes
            )),
            // A disk that does not say is tried.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn accept_cancel(&self, cancel: &CancelCommand) -> Answer {
        let command: CommandId = match cancel.command_id.parse() {
            Ok(command) => command,
            Err(error) => return Answer::refused(format!("{error}")),
        };
        let place = &self.shared.place;
        let (known, open, asked) = place.ledger.read(|state| {
            let open = state.command(&command).filter(|command| command.finished.is_none());
            (state.knows(&command), open.is_some(), open.is_some_and(|command| command.cancel_requested))
        });
        if !known {
            // Its delivery was refused or is still to come: it ends here and is a duplicate when it comes.
            let deadline = self.shared.now().plus(LONGEST_DELIVERY);
            return self.finish_unqueued(command, decide::cancelled_before_start(), deadline).await;
        }
        if !open || asked {
            return Answer::duplicate();
        }
        tracing::info!("command {command} is cancelled");
        self.cancel_open(command).await
    }

    pub(super) async fn cancel_open(&self, command: CommandId) -> Answer {
        let found = self.shared.queue().take_waiting(&command);
        let request = Record::CancelRequested { command: command.clone() };
        if let Err(error) = self.shared.place.ledger.record(vec![request], Durability::Synced).await {
            if found == Found::Waiting {
                self.shared.queue().push_front(command);
                self.begin_what_can_begin();
            }
            return Answer::refused(explain(&error));
        }
        match found {
            // A worker writes the end: with the wish in the journal it runs nothing, and it needs no free place.
            Found::Waiting => self.end_cancelled(command),
            Found::Running | Found::Nowhere => self.shared.queue().cancel(&command),
        }
        Answer::journaled()
    }

    /// Records the end of a command that never was in the queue.
    async fn finish_unqueued(
        &self,
        command: CommandId,
        report: FinalReport,
        start_deadline: fleetwright_proto::clock::Timestamp,
    ) -> Answer {
        let finished = Record::Finished { command, report, start_deadline };
        match self.shared.place.ledger.record(vec![finished], Durability::Synced).await {
            Ok(()) => Answer::journaled(),
            Err(error) => Answer::refused(explain(&error)),
        }
    }
}
