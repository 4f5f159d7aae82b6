//! Associations, their executions and runs, as printed.

use std::collections::BTreeMap;

use fleetwright_proto::control;
use serde::Serialize;

use super::Moment;
use super::command::Target;

#[derive(Debug, Serialize)]
pub(crate) struct Association {
    pub(crate) association_id: String,
    pub(crate) version: u64,
    #[serde(flatten)]
    pub(crate) content: Content,
    pub(crate) created_at: Option<Moment>,
    pub(crate) created_by: String,
    pub(crate) updated_at: Option<Moment>,
    pub(crate) status: String,
    pub(crate) status_details: String,
    pub(crate) counts: Counts,
    pub(crate) last_run_at: Option<Moment>,
    pub(crate) next_run_at: Option<Moment>,
    pub(crate) applied_document_version: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Content {
    pub(crate) name: String,
    pub(crate) document_name: String,
    pub(crate) document_version: String,
    pub(crate) parameters: BTreeMap<String, Vec<String>>,
    pub(crate) targets: Vec<Target>,
    pub(crate) schedule_expression: String,
    pub(crate) schedule_timezone: String,
    pub(crate) schedule_offset_days: u32,
    pub(crate) apply_only_at_schedule: bool,
    pub(crate) compliance_severity: String,
    pub(crate) sync_compliance: String,
    pub(crate) max_concurrency: String,
    pub(crate) max_errors: String,
    pub(crate) calendar_names: Vec<String>,
    pub(crate) duration_hours: u32,
}

#[derive(Debug, Serialize)]
pub(crate) struct Counts {
    pub(crate) targets: u32,
    pub(crate) pending: u32,
    pub(crate) in_progress: u32,
    pub(crate) success: u32,
    pub(crate) failed: u32,
    pub(crate) timed_out: u32,
    pub(crate) cancelled: u32,
}

#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) node_id: String,
    pub(crate) node_name: String,
    pub(crate) status: String,
    pub(crate) status_details: String,
    pub(crate) compliant: bool,
    pub(crate) run_id: String,
    pub(crate) execution_id: String,
    pub(crate) version: u64,
    pub(crate) cause: String,
    pub(crate) due_at: Option<Moment>,
    pub(crate) started_at: Option<Moment>,
    pub(crate) finished_at: Option<Moment>,
    pub(crate) changed: Vec<String>,
    pub(crate) different: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Execution {
    pub(crate) execution_id: String,
    pub(crate) version: u64,
    pub(crate) cause: String,
    pub(crate) due_at: Option<Moment>,
    pub(crate) status: String,
    pub(crate) counts: Counts,
    pub(crate) last_at: Option<Moment>,
    pub(crate) changed: u32,
    pub(crate) different: u32,
}

impl From<control::Association> for Association {
    fn from(wire: control::Association) -> Self {
        Self {
            association_id: wire.association_id,
            version: wire.version,
            content: wire.content.unwrap_or_default().into(),
            created_at: Moment::of_wire(wire.created_ms),
            created_by: wire.created_by,
            updated_at: Moment::of_wire(wire.updated_ms),
            status: wire.status,
            status_details: wire.status_details,
            counts: wire.counts.unwrap_or_default().into(),
            last_run_at: Moment::of_wire(wire.last_run_ms),
            next_run_at: Moment::of_wire(wire.next_run_ms),
            applied_document_version: wire.applied_document_version,
        }
    }
}

impl From<control::AssociationContent> for Content {
    fn from(wire: control::AssociationContent) -> Self {
        Self {
            name: wire.name,
            document_name: wire.document_name,
            document_version: wire.document_version,
            parameters: wire.parameters.into_iter().map(|(name, values)| (name, values.values)).collect(),
            targets: wire.targets.into_iter().map(Target::from).collect(),
            schedule_expression: wire.schedule_expression,
            schedule_timezone: wire.schedule_timezone,
            schedule_offset_days: wire.schedule_offset_days,
            apply_only_at_schedule: wire.apply_only_at_schedule,
            compliance_severity: wire.compliance_severity,
            sync_compliance: wire.sync_compliance,
            max_concurrency: wire.max_concurrency,
            max_errors: wire.max_errors,
            calendar_names: wire.calendar_names,
            duration_hours: wire.duration_hours,
        }
    }
}

impl From<control::AssociationCounts> for Counts {
    fn from(wire: control::AssociationCounts) -> Self {
        Self {
            targets: wire.targets,
            pending: wire.pending,
            in_progress: wire.in_progress,
            success: wire.success,
            failed: wire.failed,
            timed_out: wire.timed_out,
            cancelled: wire.cancelled,
        }
    }
}

impl From<control::AssociationNodeRun> for Run {
    fn from(wire: control::AssociationNodeRun) -> Self {
        Self {
            node_id: wire.node_id,
            node_name: wire.node_name,
            status: wire.status,
            status_details: wire.status_details,
            compliant: wire.compliant,
            run_id: wire.run_id,
            execution_id: wire.execution_id,
            version: wire.version,
            cause: wire.cause,
            due_at: Moment::of_wire(wire.due_ms),
            started_at: Moment::of_wire(wire.started_ms),
            finished_at: Moment::of_wire(wire.finished_ms),
            changed: wire.changed,
            different: wire.different,
        }
    }
}

impl From<control::AssociationExecution> for Execution {
    fn from(wire: control::AssociationExecution) -> Self {
        Self {
            execution_id: wire.execution_id,
            version: wire.version,
            cause: wire.cause,
            due_at: Moment::of_wire(wire.due_ms),
            status: wire.status,
            counts: wire.counts.unwrap_or_default().into(),
            last_at: Moment::of_wire(wire.last_ms),
            changed: wire.changed,
            different: wire.different,
        }
    }
}
