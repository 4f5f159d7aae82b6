//! What agents say, in the house's own words. Nothing that an agent sends is trusted to be in range.

use fleetwright_proto::agent::{self, InvocationStatus, ReasonCode, association_run, step_result};
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{CommandId, NodeId};

use crate::associations::records::Cause;
use crate::associations::report::RunTold;
use crate::commands::output::{Channel, Piece, StreamKey};
use crate::commands::records::{StepRecord, StepStatus};
use crate::commands::state::{Reason, Report, State};
use crate::error::Refusal;

/// Most steps of a report: a document of 64 KiB cannot have more.
const STEPS_MAX: usize = 1000;
/// Texts of a report are cut to this many characters, so that an invocation fits its row.
const TEXT_MAX_CHARS: usize = 500;
/// Lines of what a run changed or found different.
const DRIFT_LINES_MAX: usize = 20;

/// A command id from the wire.
pub(super) fn command(text: &str) -> Result<CommandId, Refusal> {
    text.parse().map_err(|error| Refusal::invalid(format!("{error}")))
}

/// A piece of output from the wire.
pub(super) fn piece(node: &NodeId, output: agent::Output) -> Result<Piece, Refusal> {
    let channel = match output.stream() {
        agent::Stream::Stdout => Channel::Stdout,
        agent::Stream::Stderr => Channel::Stderr,
        agent::Stream::Unspecified => return Err(Refusal::invalid("output of no stream")),
    };
    if usize::try_from(output.step).is_ok_and(|step| step >= STEPS_MAX) {
        return Err(Refusal::invalid(format!("output of step {}, which no document has", output.step)));
    }
    let agent::Output { command_id, step, stream: _, offset, data } = output;
    let stream = StreamKey { command: command(&command_id)?, node: node.clone(), step, channel };
    Ok(Piece { stream, offset, data })
}

/// A report from the wire, without the output that rides on it.
pub(super) fn report(report: &agent::Report) -> Result<Report, Refusal> {
    if report.steps.len() > STEPS_MAX {
        return Err(Refusal::invalid(format!("a report of {} steps", report.steps.len())));
    }
    Ok(Report {
        seq: report.seq,
        state: state(report.status())?,
        reason: reason(report)?,
        steps: report.steps.iter().map(step).collect(),
    })
}

/// Which run of which association, from the wire.
pub(super) fn association_run(told: Option<agent::AssociationRun>) -> Result<RunTold, Refusal> {
    let told = told.ok_or_else(|| Refusal::invalid("a run of no association"))?;
    let cause = match told.cause() {
        association_run::Cause::Changed => Cause::Changed,
        association_run::Cause::Schedule => Cause::Schedule,
        association_run::Cause::Asked => Cause::Asked,
        association_run::Cause::Refreshed => Cause::Refreshed,
        association_run::Cause::Unspecified => return Err(Refusal::invalid("a run without a cause")),
    };
    let lines = |lines: &[String]| lines.iter().take(DRIFT_LINES_MAX).map(|line| cut(line)).collect();
    Ok(RunTold {
        association: told.association_id.parse().map_err(|error| Refusal::invalid(format!("{error}")))?,
        execution: told.execution_id.parse().map_err(|error| Refusal::invalid(format!("{error}")))?,
        version: told.version,
        document: cut(&told.document_name),
        document_version: cut(&told.document_version),
        cause,
        due: Timestamp::from_millis(told.due_ms),
        started: Timestamp::from_millis(told.started_ms),
        changed: lines(&told.changed),
        different: lines(&told.different),
    })
}

fn state(status: InvocationStatus) -> Result<State, Refusal> {
    Ok(match status {
        InvocationStatus::InProgress => State::InProgress,
        InvocationStatus::Success => State::Success,
        InvocationStatus::Failed => State::Failed,
        InvocationStatus::TimedOut => State::TimedOut,
        InvocationStatus::Cancelled => State::Cancelled,
        InvocationStatus::Unspecified => return Err(Refusal::invalid("a report without a status")),
    })
}

fn reason(report: &agent::Report) -> Result<Reason, Refusal> {
    let (step, detail) = (cut(&report.reason_step), cut(&report.reason_detail));
    Ok(match report.reason() {
        ReasonCode::QueuedOnNode => Reason::QueuedOnNode {},
        ReasonCode::RunningStep => Reason::RunningStep { step },
        ReasonCode::AllStepsDone => Reason::AllStepsDone {},
        ReasonCode::StepFailed => Reason::StepFailed { step, detail },
        ReasonCode::StepTimedOut => Reason::StepTimedOut { step, detail },
        ReasonCode::CancelledOnNode => Reason::CancelledOnNode { by: "the node".to_owned() },
        ReasonCode::StartDeadlinePassed => Reason::NotStartedInTime {},
        ReasonCode::Interrupted => Reason::Interrupted { step, detail },
        ReasonCode::DocumentRefused => Reason::DocumentRefused { detail },
        ReasonCode::Rebooting => Reason::Rebooting { step },
        ReasonCode::Unspecified => return Err(Refusal::invalid("a report without a reason")),
    })
}

fn step(result: &agent::StepResult) -> StepRecord {
    let (exit_code, signal) = match result.ended {
        Some(step_result::Ended::ExitCode(code)) => (Some(code), None),
        Some(step_result::Ended::Signal(signal)) => (None, Some(signal)),
        None => (None, None),
    };
    StepRecord {
        name: cut(&result.name),
        action: cut(&result.action),
        status: step_status(result.status()),
        exit_code,
        signal,
        started_ms: result.started_ms,
        finished_ms: result.finished_ms,
        detail: cut(&result.detail),
        stdout_bytes: result.stdout_bytes,
        stderr_bytes: result.stderr_bytes,
        stdout_dropped_bytes: result.stdout_dropped_bytes,
        stderr_dropped_bytes: result.stderr_dropped_bytes,
        inner: result.inner.iter().map(step).collect(),
    }
}

fn step_status(status: agent::StepStatus) -> StepStatus {
    match status {
        agent::StepStatus::StepPending | agent::StepStatus::Unspecified => StepStatus::Pending,
        agent::StepStatus::StepInProgress => StepStatus::InProgress,
        agent::StepStatus::StepSuccess => StepStatus::Success,
        agent::StepStatus::StepFailedStatus => StepStatus::Failed,
        agent::StepStatus::StepTimedOutStatus => StepStatus::TimedOut,
        agent::StepStatus::StepCancelled => StepStatus::Cancelled,
        agent::StepStatus::StepSkipped => StepStatus::Skipped,
        agent::StepStatus::StepInterrupted => StepStatus::Interrupted,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_MAX_CHARS).collect()
}
