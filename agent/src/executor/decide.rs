//! What to do next with a command. Pure: everything is decided from the journal's state, so the answer after a
//! restart of the agent or the host is the one that would have been given without it.
//!
//! ```text
//! queued ──► too late / cancelled / refused ───────────────────────────────► Finish
//!    └─► Run(0) ─► result ─► Run(1) ─► … ─► Done ──────────────────────────► Finish
//!           │         └─ asked for a reboot ─► Reboot ─(new boot)─► Run again
//!           ├─ the agent died meanwhile ─► Interrupt ──────────────────────► Finish
//!           └─ … between two steps of a document in it ─► Run again, which goes on there
//! ```

use std::collections::BTreeMap;

use fleetwright_documents::flow::{self, Next, StepOutcome, StepStatus, Verdict};
use fleetwright_documents::{Action, Plan};
use fleetwright_platform::ProcessIdentity;
use fleetwright_proto::clock::Timestamp;

use super::result::Begun;
use crate::journal::{Command, FinalReport, FinalStatus, Reason, StepProgress, StepRecord, StepState};
use crate::steps::keeps_its_place;

/// How often one command may reboot its host (reference, section 3.8).
pub(super) const REBOOT_LIMIT: u32 = 15;

/// One move.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Todo {
    Run(usize),
    /// Record the step with this state, without running it.
    Record {
        step: usize,
        state: StepState,
        detail: String,
    },
    /// The step was running when the agent or the host stopped: end what is left of it, never run it again.
    Interrupt {
        step: Begun,
        processes: Vec<ProcessIdentity>,
    },
    Reboot {
        step: usize,
        count: u32,
    },
    Finish(FinalReport),
    /// The command has its final report.
    Nothing,
}

/// What is known beside the journal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) now: Timestamp,
    pub(super) boot_id: &'a str,
}

/// `plan` is the document's plan or, in one line, why there is none.
pub(super) fn decide(command: &Command, plan: Result<&Plan, &str>, moment: Moment<'_>) -> Todo {
    if command.finished.is_some() {
        return Todo::Nothing;
    }
    if let Some((step, StepProgress::Started { name, action, at, .. })) = command.running_step() {
        if plan.is_ok() && is_between_inner_steps(command, step, &[]) {
            return go_on(command, step);
        }
        let begun = Begun { step, name: name.clone(), action: action.clone(), started: *at };
        return Todo::Interrupt { step: begun, processes: command.processes(step) };
    }
    let Some(work) = &command.work else {
        let detail = "its record in this host's journal was damaged".to_owned();
        return Todo::Finish(report(command, FinalStatus::Failed, Reason::Interrupted, detail));
    };
    if command.steps.is_empty() {
        if command.cancel_requested {
            return Todo::Finish(cancelled_before_start());
        }
        if moment.now >= work.start_deadline {
            let detail = "no worker was free on the host in time".to_owned();
            return Todo::Finish(report(command, FinalStatus::TimedOut, Reason::StartDeadlinePassed, detail));
        }
    }
    let plan = match plan {
        Ok(plan) => plan,
        Err(problem) => {
            let detail = problem.to_owned();
            return Todo::Finish(report(command, FinalStatus::Failed, Reason::DocumentRefused, detail));
        }
    };
    follow(command, plan, moment)
}

/// Whether nothing ran in the step when the agent ended: it runs steps of its own, and each that had begun had ended.
/// One that had asked for a reboot counts as running: whether the reboot has been cannot be told from here.
fn is_between_inner_steps(command: &Command, step: u32, way: &[u32]) -> bool {
    let progress = match way {
        [] => command.steps.get(&step),
        _ => command.inner.get(&(step, way.to_vec())),
    };
    match progress {
        Some(StepProgress::Finished(result)) => result.state != StepState::SuccessAndReboot,
        Some(StepProgress::Started { action, process: None, .. }) => {
            Action::from_name(action).is_some_and(keeps_its_place)
                && command.inner_steps(step, way).all(|(index, _)| {
                    let below: Vec<u32> = way.iter().copied().chain([index]).collect();
                    is_between_inner_steps(command, step, &below)
                })
        }
        Some(StepProgress::Started { .. }) | None => false,
    }
}

fn go_on(command: &Command, step: u32) -> Todo {
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    if command.cancel_requested {
        let detail = "the command was cancelled while the agent was stopped inside the step".to_owned();
        return Todo::Record { step, state: StepState::Cancelled, detail };
    }
    Todo::Run(step)
}

fn follow(command: &Command, plan: &Plan, moment: Moment<'_>) -> Todo {
    let results: BTreeMap<u32, &StepRecord> = command.results(moment.boot_id).collect();
    let outcomes: Vec<Option<StepOutcome>> = (0_u32..)
        .zip(&plan.steps)
        .map(|(index, _)| results.get(&index).map(|result| outcome(result)))
        .collect();
    let cancel = |step| Todo::Record {
        step,
        state: StepState::Cancelled,
        detail: "the command was cancelled before the step began".to_owned(),
    };
    match flow::next(plan, &outcomes) {
        Next::Run(step) | Next::RebootThen(step) if command.cancel_requested => cancel(step),
        Next::Run(step) => Todo::Run(step),
        Next::Skip(step, reason) => Todo::Record {
            step,
            state: step_state(StepOutcome::skipped(&reason).status),
            detail: reason.to_string(),
        },
        Next::Fail(step, reason) => {
            Todo::Record { step, state: StepState::Failed, detail: reason.to_string() }
        }
        Next::RebootThen(step) => reboot(command, step, moment),
        Next::Done(verdict) => Todo::Finish(finish(command, verdict)),
    }
}

fn reboot(command: &Command, step: usize, moment: Moment<'_>) -> Todo {
    let count = match &command.reboot {
        // The agent alone was restarted between the request and its fulfilment: that is the same reboot.
        Some(reboot) if !reboot.is_past && reboot.boot_id == moment.boot_id => reboot.count,
        Some(reboot) => reboot.count + 1,
        None => 1,
    };
    if count > REBOOT_LIMIT {
        let detail = format!("it asked for a reboot after {REBOOT_LIMIT} reboots, which is the limit");
        return Todo::Record { step, state: StepState::Failed, detail };
    }
    Todo::Reboot { step, count }
}

fn finish(command: &Command, verdict: Verdict) -> FinalReport {
    let (status, reason, of) = match verdict {
        Verdict::Success => (FinalStatus::Success, Reason::AllStepsDone, None),
        Verdict::Failed => (FinalStatus::Failed, Reason::StepFailed, Some(StepState::Failed)),
        Verdict::TimedOut => (FinalStatus::TimedOut, Reason::StepTimedOut, Some(StepState::TimedOut)),
        Verdict::Cancelled => (FinalStatus::Cancelled, Reason::CancelledOnNode, Some(StepState::Cancelled)),
        Verdict::Interrupted => (FinalStatus::Failed, Reason::Interrupted, Some(StepState::Interrupted)),
    };
    let mut report = report(command, status, reason, String::new());
    let cause = report.steps.iter().find(|step| Some(step.state) == of);
    if let Some((name, detail)) = cause.map(|step| (step.name.clone(), step.detail.clone())) {
        report.reason_step = name;
        report.reason_detail = detail;
    }
    report
}

/// For a command of which nothing has begun.
pub(super) fn cancelled_before_start() -> FinalReport {
    FinalReport {
        status: FinalStatus::Cancelled,
        reason: Reason::CancelledOnNode,
        reason_step: String::new(),
        reason_detail: "it was cancelled before it began".to_owned(),
        steps: Vec::new(),
    }
}

/// For a command that this agent cannot even queue.
pub(super) fn refused(detail: String) -> FinalReport {
    FinalReport {
        status: FinalStatus::Failed,
        reason: Reason::DocumentRefused,
        reason_step: String::new(),
        reason_detail: detail,
        steps: Vec::new(),
    }
}

/// For a command at which the agent itself failed.
pub(super) fn broken_off(command: &Command) -> FinalReport {
    let detail = "an error in the agent itself ended the command; the agent's log has the details".to_owned();
    report(command, FinalStatus::Failed, Reason::Interrupted, detail)
}

fn report(command: &Command, status: FinalStatus, reason: Reason, reason_detail: String) -> FinalReport {
    let steps = command.steps.values().filter_map(|progress| match progress {
        StepProgress::Finished(result) => Some(result.clone()),
        StepProgress::Started { .. } => None,
    });
    FinalReport { status, reason, reason_step: String::new(), reason_detail, steps: steps.collect() }
}

pub(crate) fn outcome(result: &StepRecord) -> StepOutcome {
    let status = match result.state {
        StepState::Success => StepStatus::Success,
        StepState::SuccessAndReboot => StepStatus::SuccessAndReboot,
        StepState::Failed => StepStatus::Failed,
        StepState::TimedOut => StepStatus::TimedOut,
        StepState::Cancelled => StepStatus::Cancelled,
        StepState::Skipped => StepStatus::Skipped,
        StepState::Interrupted => StepStatus::Interrupted,
    };
    StepOutcome { status, code: result.code }
}

pub(super) fn step_state(status: StepStatus) -> StepState {
    match status {
        StepStatus::Success => StepState::Success,
        StepStatus::SuccessAndReboot => StepState::SuccessAndReboot,
        StepStatus::Failed => StepState::Failed,
        StepStatus::TimedOut => StepState::TimedOut,
        StepStatus::Cancelled => StepState::Cancelled,
        StepStatus::Skipped => StepState::Skipped,
        StepStatus::Interrupted => StepState::Interrupted,
    }
}

#[cfg(test)]
mod tests;
