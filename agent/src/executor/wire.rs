//! Between the wire and the journal's types. Transport types stop here.

use fleetwright_proto::agent::{
    self, AssociationRun, InvocationStatus, ReasonCode, Report, RunDocument, StepResult, StepStatus,
    association_run, step_result,
};
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::CommandId;

use crate::journal::{
    Cause, Command, Ended, FinalReport, FinalStatus, Reason, Run, StepProgress, StepRecord, StepState, Work,
};

/// A welcome travels and waits: a smaller difference says nothing of the clocks, and a report that is sent again is to
/// tell the same times.
const SMALLEST_OFFSET_MILLIS: i64 = 1_000;

/// How far the controller's clock is ahead of this host's, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ClockOffset(i64);

impl ClockOffset {
    pub(crate) fn between(host: Timestamp, controller: Timestamp) -> Self {
        let ahead = controller.millis().saturating_sub(host.millis());
        Self(if ahead.abs() < SMALLEST_OFFSET_MILLIS { 0 } else { ahead })
    }

    pub(crate) fn controller_millis(self, host: Timestamp) -> i64 {
        host.millis().saturating_add(self.0)
    }

    pub(crate) fn controller_time(self, host: Timestamp) -> Timestamp {
        Timestamp::from_millis(self.controller_millis(host))
    }
}

/// The document to run. `now` is this host's time.
///
/// # Errors
/// In one line, what makes it impossible to run.
pub(super) fn work(run: RunDocument, now: Timestamp) -> Result<Work, &'static str> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let content = text(&run.content).ok_or("the document is not UTF-8 text")?;
    let parameters = text(&run.parameters).ok_or("the parameters are not UTF-8 text")?;
    let start_deadline = now.plus(std::time::Duration::from_millis(run.start_within_ms));
    let document = (run.document_name, run.document_version);
    Ok(Work::delivered(document, content, parameters, (now, start_deadline)))
}

/// The command's state as the controller is told, without output.
pub(crate) fn report(id: &CommandId, command: &Command, offset: ClockOffset) -> Report {
    let mut report = Report { command_id: id.to_string(), seq: command.report_seq, ..Report::default() };
    match &command.finished {
        Some(finish) => fill_final(&mut report, &finish.report, offset),
        None => fill_progress(&mut report, command, offset),
    }
    report.association = command.run.as_ref().map(|run| association(run, command, offset));
    report
}

/// That the run of an association exists, before anything that it printed is sent. Its number is below all others.
pub(crate) fn first_word(id: &CommandId, command: &Command, offset: ClockOffset) -> Report {
    let mut report = Report { command_id: id.to_string(), seq: 0, ..Report::default() };
    report.set_status(InvocationStatus::InProgress);
    report.set_reason(ReasonCode::QueuedOnNode);
    report.association = command.run.as_ref().map(|run| association(run, command, offset));
    report
}

fn association(run: &Run, command: &Command, offset: ClockOffset) -> AssociationRun {
    let drift = command.finished.as_ref().map(|finish| finish.report.drift.clone()).unwrap_or_default();
    let cause = match run.cause {
        Cause::Changed => association_run::Cause::Changed,
        Cause::Schedule => association_run::Cause::Schedule,
        Cause::Asked => association_run::Cause::Asked,
        Cause::Refreshed => association_run::Cause::Refreshed,
    };
    AssociationRun {
        association_id: run.association.to_string(),
        version: run.version,
        execution_id: run.execution.to_string(),
        cause: cause.into(),
        // Of a schedule on all nodes, or the controller's own: no clock of this host is in it.
        due_ms: run.due.millis(),
        started_ms: offset.controller_millis(run.started),
        changed: drift.changed,
        different: drift.different,
        document_name: run.document_name.clone(),
        document_version: run.document_version.clone(),
    }
}

fn fill_final(report: &mut Report, end: &FinalReport, offset: ClockOffset) {
    report.set_status(match end.status {
        FinalStatus::Success => InvocationStatus::Success,
        FinalStatus::Failed => InvocationStatus::Failed,
        FinalStatus::TimedOut => InvocationStatus::TimedOut,
        FinalStatus::Cancelled => InvocationStatus::Cancelled,
    });
    report.set_reason(match end.reason {
        Reason::AllStepsDone => ReasonCode::AllStepsDone,
        Reason::StepFailed => ReasonCode::StepFailed,
        Reason::StepTimedOut => ReasonCode::StepTimedOut,
        Reason::CancelledOnNode => ReasonCode::CancelledOnNode,
        Reason::StartDeadlinePassed => ReasonCode::StartDeadlinePassed,
        Reason::Interrupted => ReasonCode::Interrupted,
        Reason::DocumentRefused => ReasonCode::DocumentRefused,
    });
    report.reason_step.clone_from(&end.reason_step);
    report.reason_detail.clone_from(&end.reason_detail);
    report.steps = end.steps.iter().map(|step| finished_step(step, offset)).collect();
}

fn fill_progress(report: &mut Report, command: &Command, offset: ClockOffset) {
    report.set_status(InvocationStatus::InProgress);
    report.set_reason(ReasonCode::QueuedOnNode);
    for (index, progress) in &command.steps {
        match progress {
            StepProgress::Finished(result) => {
                report.set_reason(match result.state {
                    StepState::SuccessAndReboot => ReasonCode::Rebooting,
                    _ => ReasonCode::RunningStep,
                });
                report.reason_step.clone_from(&result.name);
                report.steps.push(finished_step(result, offset));
            }
            StepProgress::Started { name, action, at, .. } => {
                report.set_reason(ReasonCode::RunningStep);
                report.reason_step.clone_from(name);
                report.steps.push(StepResult {
                    name: name.clone(),
                    action: action.clone(),
                    status: StepStatus::StepInProgress.into(),
                    started_ms: offset.controller_millis(*at),
                    inner: inner_progress(command, *index, &[], offset),
                    ..StepResult::default()
                });
            }
        }
    }
}

/// The steps of documents in a step that is running.
fn inner_progress(command: &Command, step: u32, way: &[u32], offset: ClockOffset) -> Vec<StepResult> {
    let steps = command.inner_steps(step, way);
    let results = steps.map(|(index, progress)| match progress {
        StepProgress::Finished(result) => finished_step(result, offset),
        StepProgress::Started { name, action, at, .. } => {
            let below: Vec<u32> = way.iter().copied().chain([index]).collect();
            StepResult {
                name: name.clone(),
                action: action.clone(),
                status: StepStatus::StepInProgress.into(),
                started_ms: offset.controller_millis(*at),
                inner: inner_progress(command, step, &below, offset),
                ..StepResult::default()
            }
        }
    });
    results.collect()
}

fn finished_step(step: &StepRecord, offset: ClockOffset) -> StepResult {
    let status = match step.state {
        StepState::Success => StepStatus::StepSuccess,
        // It is not over: it runs again after the reboot.
        StepState::SuccessAndReboot => StepStatus::StepInProgress,
        StepState::Failed => StepStatus::StepFailedStatus,
        StepState::TimedOut => StepStatus::StepTimedOutStatus,
        StepState::Cancelled => StepStatus::StepCancelled,
        StepState::Skipped => StepStatus::StepSkipped,
        StepState::Interrupted => StepStatus::StepInterrupted,
    };
    StepResult {
        name: step.name.clone(),
        action: step.action.clone(),
        status: status.into(),
        started_ms: offset.controller_millis(step.started),
        finished_ms: offset.controller_millis(step.finished),
        detail: step.detail.clone(),
        stdout_bytes: step.stdout.bytes,
        stderr_bytes: step.stderr.bytes,
        stdout_dropped_bytes: step.stdout.dropped_bytes,
        stderr_dropped_bytes: step.stderr.dropped_bytes,
        inner: step.inner.iter().map(|step| finished_step(step, offset)).collect(),
        ended: step.ended.map(|ended| match ended {
            Ended::ExitCode(code) => step_result::Ended::ExitCode(code),
            Ended::Signal(signal) => step_result::Ended::Signal(signal),
        }),
    }
}

/// An offset names a stream of this host, or nothing that this host ever sent.
pub(crate) fn stream_id(ack: &agent::OutputAck) -> Option<crate::spool::StreamId> {
    Some(crate::spool::StreamId {
        command: ack.command_id.parse().ok()?,
        step: ack.step,
        stream: crate::spool::Stream::from_wire(ack.stream())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clocks_that_differ_are_corrected() {
        let at = Timestamp::from_millis;
        for (host, controller, wanted) in
            [(10_000, 10_999, 7), (10_000, 11_000, 1_007), (10_000, 5_000, -4_993)]
        {
            let offset = ClockOffset::between(at(host), at(controller));
            assert_eq!(offset.controller_millis(at(7)), wanted, "{host} against {controller}");
        }
    }
}
