//! Commands, invocations and output as the wire shows them.

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::control::watch_command_response::Event as WireEvent;
use fleetwright_proto::control::{
    Command, CommandStatus, Counts as WireCounts, ExplainResponse, Fact, GetOutputRequest, GetOutputResponse,
    Invocation, InvocationState, OutputChunk, OutputSelection, Reason as WireReason, Step, Target,
    WatchCommandResponse,
};
use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::Reverse;
use futures::{Stream, StreamExt, TryStreamExt};
use tonic::Status as RpcStatus;

use crate::commands::explain::Explanation;
use crate::commands::history::TimeKey;
use crate::commands::operations::{self, Status, seen_state};
use crate::commands::output::{Channel, OutputKey, bytes_of, place};
use crate::commands::payload;
use crate::commands::records::{CommandRecord, InvocationRecord, OutputRow, StepRecord};
use crate::commands::state::{Reason, State, status_details};
use crate::commands::tally::Counts;
use crate::commands::watch::Event;
use crate::error::Refusal;
use crate::house::House;
use crate::tables::NODE;

pub(super) async fn command(
    house: &House,
    id: &CommandId,
    record: &CommandRecord,
    counts: &Counts,
) -> Result<Command, Refusal> {
    let status = operations::status(record, counts);
    let outcome = record.outcome.as_ref();
    let reason = outcome.map(|outcome| WireReason {
        code: outcome.verdict.code().to_owned(),
        text: outcome.verdict.text(),
        values: Default::default(),
    });
    Ok(Command {
        command_id: id.to_string(),
        document_name: record.document.name.clone(),
        document_version: record.document.version.clone(),
        parameters: redacted_parameters(house, id, record).await?,
        targets: record.targets.iter().map(target).collect(),
        max_concurrency: record.max_concurrency.to_string(),
        max_errors: record.max_errors.to_string(),
        delivery_timeout_ms: record.delivery_timeout_ms,
        comment: record.comment.clone(),
        requested_by: record.requested_by.clone(),
        requested_ms: record.requested.millis(),
        finished_ms: outcome.map_or(0, |outcome| outcome.finished.millis()),
        status: wire_status(status).into(),
        status_details: operations::status_details(record, status).to_owned(),
        reason,
        counts: Some(wire_counts(record, counts)),
        expires_ms: record.answer_by().millis(),
    })
}

/// What the parameters hide is for the document to say.
async fn redacted_parameters(
    house: &House,
    id: &CommandId,
    record: &CommandRecord,
) -> Result<String, Refusal> {
    let content = payload::document_text(house, id, record).await?;
    let parameters = payload::parameters(house, id, record).await?;
    let shown = fleetwright_documents::parse(&content)
        .ok()
        .and_then(|checked| checked.document.bound_from_json(&parameters).ok())
        .map(|bound| bound.redacted_json());
    Ok(shown.unwrap_or_else(|| "{}".to_owned()))
}

fn target(selector: &crate::nodes::targets::Selector) -> Target {
    let (key, values) = selector.parts();
    Target { key, values: values.to_vec() }
}

fn wire_counts(record: &CommandRecord, counts: &Counts) -> WireCounts {
    WireCounts {
        targets: record.target_count,
        pending: counts.pending,
        delayed: counts.delayed,
        in_progress: counts.in_progress + counts.cancelling,
        success: counts.success,
        failed: counts.failed,
        timed_out: counts.timed_out,
        cancelled: counts.cancelled,
        errors: counts.errors,
    }
}

fn wire_status(status: Status) -> CommandStatus {
    match status {
        Status::Pending => CommandStatus::CommandPending,
        Status::InProgress => CommandStatus::CommandInProgress,
        Status::Cancelling => CommandStatus::CommandCancelling,
        Status::Success => CommandStatus::CommandSuccess,
        Status::Failed => CommandStatus::CommandFailed,
        Status::TimedOut => CommandStatus::CommandTimedOut,
        Status::Cancelled => CommandStatus::CommandCancelled,
    }
}

pub(super) fn wanted_status(number: i32) -> Result<Status, Refusal> {
    Ok(match CommandStatus::try_from(number) {
        Ok(CommandStatus::CommandPending) => Status::Pending,
        Ok(CommandStatus::CommandInProgress) => Status::InProgress,
        Ok(CommandStatus::CommandCancelling) => Status::Cancelling,
        Ok(CommandStatus::CommandSuccess) => Status::Success,
        Ok(CommandStatus::CommandFailed) => Status::Failed,
        Ok(CommandStatus::CommandTimedOut) => Status::TimedOut,
        Ok(CommandStatus::CommandCancelled) => Status::Cancelled,
        Ok(CommandStatus::Unspecified) | Err(_) => {
            return Err(Refusal::invalid(format!("{number} is not a command status")));
        }
    })
}

pub(super) fn wanted_state(number: i32) -> Result<State, Refusal> {
    Ok(match InvocationState::try_from(number) {
        Ok(InvocationState::Pending) => State::Pending,
        Ok(InvocationState::Delayed) => State::Delayed,
        Ok(InvocationState::InProgress) => State::InProgress,
        Ok(InvocationState::Cancelling) => State::Cancelling,
        Ok(InvocationState::Success) => State::Success,
        Ok(InvocationState::Failed) => State::Failed,
        Ok(InvocationState::TimedOut) => State::TimedOut,
        Ok(InvocationState::Cancelled) => State::Cancelled,
        Ok(InvocationState::Unspecified) | Err(_) => {
            return Err(Refusal::invalid(format!("{number} is not a state of an invocation")));
        }
    })
}

pub(super) fn time_key((time, id): (u64, CommandId)) -> TimeKey {
    (Reverse(time), id)
}

pub(super) async fn invocation(
    house: &House,
    id: &CommandId,
    command: &CommandRecord,
    node: &NodeId,
    record: &InvocationRecord,
) -> Result<Invocation, Refusal> {
    let (state, reason) = seen_state(house, node, record);
    let name = NODE.get(&*house.store, node).await?.map(|row| row.value.name().to_owned());
    Ok(Invocation {
        command_id: id.to_string(),
        node_id: node.to_string(),
        node_name: name.unwrap_or_default(),
        state: wire_state(state).into(),
        status_details: status_details(state, &reason).to_owned(),
        reason: Some(wire_reason(&reason)),
        requested_ms: command.requested.millis(),
        started_ms: record.started.map_or(0, Timestamp::millis),
        finished_ms: record.finished.map_or(0, Timestamp::millis),
        deadline_ms: if state.is_final() { 0 } else { record.deadline.millis() },
        steps: record.steps.iter().map(step).collect(),
    })
}

fn wire_state(state: State) -> InvocationState {
    match state {
        State::Pending => InvocationState::Pending,
        State::Delayed => InvocationState::Delayed,
        State::InProgress => InvocationState::InProgress,
        State::Cancelling => InvocationState::Cancelling,
        State::Success => InvocationState::Success,
        State::Failed => InvocationState::Failed,
        State::TimedOut => InvocationState::TimedOut,
        State::Cancelled => InvocationState::Cancelled,
    }
}

fn wire_reason(reason: &Reason) -> WireReason {
    WireReason { code: reason.code(), text: reason.text(), values: reason.values().into_iter().collect() }
}

pub(in crate::doors::grpc) fn step(step: &StepRecord) -> Step {
    Step {
        name: step.name.clone(),
        action: step.action.clone(),
        status: format!("{:?}", step.status),
        exit_code: step.exit_code,
        signal: step.signal,
        started_ms: step.started_ms,
        finished_ms: step.finished_ms,
        detail: step.detail.clone(),
        stdout_bytes: step.stdout_bytes,
        stderr_bytes: step.stderr_bytes,
        stdout_dropped_bytes: step.stdout_dropped_bytes,
        stderr_dropped_bytes: step.stderr_dropped_bytes,
        inner: step.inner.iter().map(self::step).collect(),
    }
}

pub(super) async fn event(
    house: &House,
    id: &CommandId,
    sent: &CommandRecord,
    event: Event,
) -> Result<WatchCommandResponse, Refusal> {
    let event = match event {
        Event::Command(record, counts) => WireEvent::Command(command(house, id, &record, &counts).await?),
        Event::Invocation(node, record) => {
            WireEvent::Invocation(invocation(house, id, sent, &node, &record).await?)
        }
        Event::Output { stream, offset, data } => WireEvent::Output(OutputChunk {
            node_id: stream.node.to_string(),
            step: stream.step,
            stderr: stream.channel == Channel::Stderr,
            offset,
            data,
        }),
    };
    Ok(WatchCommandResponse { event: Some(event) })
}

/// Which part of an invocation's output is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Selection {
    step: Option<u32>,
    channel: Option<Channel>,
}

impl Selection {
    pub(super) fn new(request: &GetOutputRequest, invocation: &InvocationRecord) -> Result<Self, Refusal> {
        let channel = match request.selection() {
            OutputSelection::Both => None,
            OutputSelection::StdoutOnly => Some(Channel::Stdout),
            OutputSelection::StderrOnly => Some(Channel::Stderr),
        };
        if request.step.is_empty() {
            return Ok(Self { step: None, channel });
        }
        let at = invocation.steps.iter().position(|step| step.name == request.step);
        let step = at.and_then(|at| u32::try_from(at).ok()).ok_or_else(|| {
            let names: Vec<_> = invocation.steps.iter().map(|step| step.name.as_str()).collect();
            Refusal::not_found(format!(
                "there is no step `{}`: it has {}",
                request.step.escape_debug(),
                if names.is_empty() { "reported none yet".to_owned() } else { names.join(", ") }
            ))
        })?;
        Ok(Self { step: Some(step), channel })
    }

    pub(super) async fn chunk(
        &self,
        house: &House,
        key: &OutputKey,
        row: &OutputRow,
    ) -> Result<Option<GetOutputResponse>, Refusal> {
        let Some((stream, offset)) = place(key) else { return Ok(None) };
        let other_step = self.step.is_some_and(|step| step != stream.step);
        if other_step || self.channel.is_some_and(|channel| channel != stream.channel) {
            return Ok(None);
        }
        let data = bytes_of(house, &stream, offset, row).await?;
        let chunk = OutputChunk {
            node_id: stream.node.to_string(),
            step: stream.step,
            stderr: stream.channel == Channel::Stderr,
            offset,
            data,
        };
        Ok(Some(GetOutputResponse { chunk: Some(chunk) }))
    }
}

/// Pages of chunks as single chunks.
pub(super) fn flatten<T: Send + 'static>(
    pages: impl Stream<Item = Result<Vec<T>, RpcStatus>> + Send + 'static,
) -> impl Stream<Item = Result<T, RpcStatus>> + Send {
    pages.map_ok(|page| futures::stream::iter(page.into_iter().map(Ok))).try_flatten().boxed()
}

pub(super) fn explanation(explanation: Explanation) -> ExplainResponse {
    let Explanation { code, text, values, facts } = explanation;
    let facts =
        facts.into_iter().map(|fact| Fact { name: fact.name.to_owned(), value: fact.value }).collect();
    let reason = WireReason { code, text, values: values.into_iter().collect() };
    ExplainResponse { facts, reason: Some(reason) }
}
