//! An invocation and its steps, as printed.

use fleetwright_proto::control::{self, InvocationState};
use serde::Serialize;

use super::Moment;
use super::command::Reason;
use super::output::Output;

#[derive(Debug, Serialize)]
pub(crate) struct Invocation {
    pub(crate) command_id: String,
    pub(crate) node_id: String,
    pub(crate) node_name: String,
    pub(crate) state: &'static str,
    pub(crate) status_details: String,
    pub(crate) reason: Option<Reason>,
    pub(crate) requested_at: Option<Moment>,
    pub(crate) started_at: Option<Moment>,
    pub(crate) finished_at: Option<Moment>,
    /// None in a final state.
    pub(crate) deadline_at: Option<Moment>,
    pub(crate) steps: Vec<Step>,
    /// Only where output was asked for.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Output>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) action: String,
    pub(crate) status: String,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<u32>,
    pub(crate) started_at: Option<Moment>,
    pub(crate) finished_at: Option<Moment>,
    pub(crate) detail: String,
    pub(crate) stdout_bytes: u64,
    pub(crate) stderr_bytes: u64,
    pub(crate) stdout_dropped_bytes: u64,
    pub(crate) stderr_dropped_bytes: u64,
    /// Only where the step ran a document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) inner: Vec<Step>,
}

impl From<control::Invocation> for Invocation {
    fn from(wire: control::Invocation) -> Self {
        Self {
            state: state(wire.state()),
            command_id: wire.command_id,
            node_id: wire.node_id,
            node_name: wire.node_name,
            status_details: wire.status_details,
            reason: wire.reason.map(Reason::from),
            requested_at: Moment::of_wire(wire.requested_ms),
            started_at: Moment::of_wire(wire.started_ms),
            finished_at: Moment::of_wire(wire.finished_ms),
            deadline_at: Moment::of_wire(wire.deadline_ms),
            steps: wire.steps.into_iter().map(Step::from).collect(),
            output: None,
        }
    }
}

impl From<control::Step> for Step {
    fn from(wire: control::Step) -> Self {
        Self {
            name: wire.name,
            action: wire.action,
            status: wire.status,
            exit_code: wire.exit_code,
            signal: wire.signal,
            started_at: Moment::of_wire(wire.started_ms),
            finished_at: Moment::of_wire(wire.finished_ms),
            detail: wire.detail,
            stdout_bytes: wire.stdout_bytes,
            stderr_bytes: wire.stderr_bytes,
            stdout_dropped_bytes: wire.stdout_dropped_bytes,
            stderr_dropped_bytes: wire.stderr_dropped_bytes,
            inner: wire.inner.into_iter().map(Step::from).collect(),
        }
    }
}

fn state(state: InvocationState) -> &'static str {
    match state {
        InvocationState::Pending => "Pending",
        InvocationState::Delayed => "Delayed",
        InvocationState::InProgress => "InProgress",
        InvocationState::Cancelling => "Cancelling",
        InvocationState::Success => "Success",
        InvocationState::Failed => "Failed",
        InvocationState::TimedOut => "TimedOut",
        InvocationState::Cancelled => "Cancelled",
        InvocationState::Unspecified => "Unknown",
    }
}
