//! From the end of a step to its record. Pure.

use fleetwright_documents::flow::{ProcessEnd, StepOutcome};
use fleetwright_documents::{PlannedStep, Platform};
use fleetwright_proto::clock::Timestamp;

use super::decide;
use super::queue::StoppedBy;
use crate::journal::{Command, Ended, StepProgress, StepRecord, StepState, StreamTotals};
use crate::spool;
use crate::steps::{How, StepEnd};

/// A step that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) step: u32,
    pub(crate) name: String,
    pub(crate) action: String,
    pub(crate) started: Timestamp,
}

impl Begun {
    pub(crate) fn now(step: u32, planned: &PlannedStep, now: Timestamp) -> Self {
        Self { step, name: planned.name.clone(), action: planned.action.name().to_owned(), started: now }
    }
}

/// `host` is the platform by whose exit codes the end is read, and the moment.
pub(super) fn of_end(
    begun: Begun,
    planned: &PlannedStep,
    end: StepEnd,
    stopped_by: StoppedBy,
    (platform, now): (Platform, Timestamp),
) -> StepRecord {
    let (process_end, ended, detail) = match end.how {
        How::Exited(code) => {
            let detail = if code == 0 { String::new() } else { format!("exit code {code}") };
            (ProcessEnd::Exited(code), Some(Ended::ExitCode(code)), detail)
        }
        How::Signalled(signal) => (
            ProcessEnd::Killed { signal },
            Some(Ended::Signal(signal.unsigned_abs())),
            format!("ended by signal {signal}, which the agent did not send"),
        ),
        How::TimedOut => {
            let seconds = planned.timeout.as_secs();
            (ProcessEnd::TimedOut, None, format!("stopped after its time-out of {seconds} s"))
        }
        How::Cancelled => match stopped_by {
            StoppedBy::Agent => {
                (ProcessEnd::Interrupted, None, "stopped because the agent was stopped".to_owned())
            }
            StoppedBy::Operator => {
                (ProcessEnd::Cancelled, None, "stopped because the command was cancelled".to_owned())
            }
        },
        How::Suspended => (ProcessEnd::Interrupted, None, "stopped because the agent was stopped".to_owned()),
        How::Done => (ProcessEnd::Exited(0), None, String::new()),
        How::WantsReboot => (ProcessEnd::Exited(reboot_code(platform)), None, String::new()),
        How::Failed(problem) | How::Lost(problem) | How::StartFailed(problem) | How::Unsupported(problem) => {
            (ProcessEnd::NotStarted, None, problem)
        }
    };
    let outcome = StepOutcome::of_process(process_end, platform, planned.flow);
    StepRecord {
        name: begun.name,
        action: begun.action,
        state: decide::step_state(outcome.status),
        code: outcome.code,
        ended,
        started: begun.started,
        finished: now,
        detail,
        stdout: totals(end.stdout),
        stderr: totals(end.stderr),
        inner: end.inner,
    }
}

/// By which exit code a process of that system asks for a reboot (reference, section 2.3).
fn reboot_code(platform: Platform) -> i32 {
    if platform == Platform::Windows { 3010 } else { 194 }
}

/// The result of a step that nobody saw run.
pub(super) fn unseen(
    begun: Begun,
    (state, code): (StepState, i32),
    detail: String,
    now: Timestamp,
) -> StepRecord {
    StepRecord {
        name: begun.name,
        action: begun.action,
        state,
        code,
        ended: None,
        started: begun.started,
        finished: now,
        detail,
        stdout: StreamTotals::default(),
        stderr: StreamTotals::default(),
        inner: Vec::new(),
    }
}

/// The steps of documents in a step that nobody saw end: what was running is interrupted.
pub(super) fn interrupted_inner(
    command: &Command,
    step: u32,
    way: &[u32],
    now: Timestamp,
) -> Vec<StepRecord> {
    let steps = command.inner_steps(step, way);
    let records = steps.map(|(index, progress)| match progress {
        StepProgress::Finished(result) => result.clone(),
        StepProgress::Started { name, action, at, .. } => {
            let begun = Begun { step: index, name: name.clone(), action: action.clone(), started: *at };
            let detail = "the agent or the host stopped in the middle of the step".to_owned();
            let below: Vec<u32> = way.iter().copied().chain([index]).collect();
            let inner = interrupted_inner(command, step, &below, now);
            StepRecord { inner, ..unseen(begun, (StepState::Interrupted, -1), detail, now) }
        }
    });
    records.collect()
}

pub(super) fn totals(totals: spool::StreamTotals) -> StreamTotals {
    StreamTotals { bytes: totals.printed_bytes, dropped_bytes: totals.dropped_bytes }
}
