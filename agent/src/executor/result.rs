//! From the end of a step to its record. Pure.

use fleetwright_documents::flow::{ProcessEnd, StepOutcome};
use fleetwright_documents::{PlannedStep, Platform};
use fleetwright_proto::clock::Timestamp;

use super::decide;
use super::queue::StoppedBy;
use crate::journal::{Ended, StepRecord, StreamTotals};
use crate::spool;
use crate::steps::{How, StepEnd};

/// A step that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) step: u32,
    pub(super) name: String,
    pub(super) action: String,
    pub(super) started: Timestamp,
}

impl Begun {
    pub(super) fn now(step: u32, planned: &PlannedStep, now: Timestamp) -> Self {
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
        How::Lost(problem) | How::StartFailed(problem) | How::Unsupported(problem) => {
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
    }
}

pub(super) fn totals(totals: spool::StreamTotals) -> StreamTotals {
    StreamTotals { bytes: totals.printed_bytes, dropped_bytes: totals.dropped_bytes }
}
