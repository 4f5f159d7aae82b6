//! A command, as printed.

use std::collections::BTreeMap;

use fleetwright_proto::control::{self, CommandStatus};
use serde::Serialize;

use super::Moment;

#[derive(Debug, Serialize)]
pub(crate) struct Command {
    pub(crate) command_id: String,
    pub(crate) document_name: String,
    pub(crate) document_version: String,
    pub(crate) parameters: serde_json::Value,
    pub(crate) targets: Vec<Target>,
    pub(crate) max_concurrency: String,
    pub(crate) max_errors: String,
    pub(crate) delivery_timeout_ms: u64,
    pub(crate) comment: String,
    pub(crate) requested_by: String,
    pub(crate) requested_at: Option<Moment>,
    pub(crate) finished_at: Option<Moment>,
    pub(crate) expires_at: Option<Moment>,
    pub(crate) status: &'static str,
    pub(crate) status_details: String,
    pub(crate) reason: Option<Reason>,
    pub(crate) counts: Counts,
}

#[derive(Debug, Serialize)]
pub(crate) struct Target {
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Reason {
    pub(crate) code: String,
    pub(crate) text: String,
    pub(crate) values: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Counts {
    pub(crate) targets: u32,
    pub(crate) pending: u32,
    pub(crate) delayed: u32,
    pub(crate) in_progress: u32,
    pub(crate) success: u32,
    pub(crate) failed: u32,
    pub(crate) timed_out: u32,
    pub(crate) cancelled: u32,
    pub(crate) errors: u32,
}

impl From<control::Command> for Command {
    fn from(wire: control::Command) -> Self {
        Self {
            status: status(wire.status()),
            command_id: wire.command_id,
            document_name: wire.document_name,
            document_version: wire.document_version,
            parameters: parameters(wire.parameters),
            targets: wire.targets.into_iter().map(Target::from).collect(),
            max_concurrency: wire.max_concurrency,
            max_errors: wire.max_errors,
            delivery_timeout_ms: wire.delivery_timeout_ms,
            comment: wire.comment,
            requested_by: wire.requested_by,
            requested_at: Moment::of_wire(wire.requested_ms),
            finished_at: Moment::of_wire(wire.finished_ms),
            expires_at: Moment::of_wire(wire.expires_ms),
            status_details: wire.status_details,
            reason: wire.reason.map(Reason::from),
            counts: wire.counts.unwrap_or_default().into(),
        }
    }
}

impl From<control::Target> for Target {
    fn from(wire: control::Target) -> Self {
        Self { key: wire.key, values: wire.values }
    }
}

/// Targets in one line.
pub(crate) fn targets_text(targets: &[Target]) -> String {
    let texts = targets.iter().map(|target| match target.values.as_slice() {
        [] => target.key.clone(),
        values => format!("{}={}", target.key, values.join(",")),
    });
    texts.collect::<Vec<_>>().join(" and ")
}

/// The wire has JSON in a text; what is not JSON stays a text rather than being lost.
fn parameters(text: String) -> serde_json::Value {
    if text.is_empty() {
        return serde_json::Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))
}

impl From<control::Reason> for Reason {
    fn from(wire: control::Reason) -> Self {
        Self { code: wire.code, text: wire.text, values: wire.values.into_iter().collect() }
    }
}

impl From<control::Counts> for Counts {
    fn from(wire: control::Counts) -> Self {
        Self {
            targets: wire.targets,
            pending: wire.pending,
            delayed: wire.delayed,
            in_progress: wire.in_progress,
            success: wire.success,
            failed: wire.failed,
            timed_out: wire.timed_out,
            cancelled: wire.cancelled,
            errors: wire.errors,
        }
    }
}

fn status(status: CommandStatus) -> &'static str {
    match status {
        CommandStatus::CommandPending => "Pending",
        CommandStatus::CommandInProgress => "InProgress",
        CommandStatus::CommandCancelling => "Cancelling",
        CommandStatus::CommandSuccess => "Success",
        CommandStatus::CommandFailed => "Failed",
        CommandStatus::CommandTimedOut => "TimedOut",
        CommandStatus::CommandCancelled => "Cancelled",
        CommandStatus::Unspecified => "Unknown",
    }
}
