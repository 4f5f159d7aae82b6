//! Associations and their runs, as the wire has them.

use std::collections::BTreeMap;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::control::{
    Association, AssociationContent, AssociationCounts, AssociationExecution, AssociationNodeRun,
    OutputChunk, ParameterValues, Target,
};
use fleetwright_proto::ids::NodeId;
use fleetwright_store::Reverse;

use crate::associations::find::{Overview, View};
use crate::associations::history::{Execution, ExecutionKey};
use crate::associations::records::{Content, RunRecord};
use crate::commands::output::{self, Channel, OutputKey};
use crate::commands::records::OutputRow;
use crate::doors::grpc::commands::wire_step;
use crate::error::Refusal;
use crate::house::House;

pub(super) fn association(view: View) -> Association {
    let View { id, record, overview, document_version, shown_parameters, next_run } = view;
    Association {
        association_id: id.into(),
        version: record.version,
        content: Some(content(record.content, shown_parameters)),
        created_ms: record.created.millis(),
        created_by: record.created_by,
        updated_ms: record.updated.millis(),
        status: overview.status().name().to_owned(),
        status_details: overview.details(),
        last_run_ms: overview.last_run.map_or(0, Timestamp::millis),
        next_run_ms: next_run.map_or(0, Timestamp::millis),
        applied_document_version: document_version,
        counts: Some(counts(&overview)),
    }
}

pub(super) fn content(content: Content, parameters: BTreeMap<String, Vec<String>>) -> AssociationContent {
    let schedule = content.schedule;
    let limit = |limit: Option<crate::commands::limits::Limit>| limit.map(|limit| limit.to_string());
    AssociationContent {
        name: content.name.unwrap_or_default(),
        document_name: content.document,
        document_version: content.document_version,
        parameters: parameters.into_iter().map(|(name, values)| (name, ParameterValues { values })).collect(),
        targets: content
            .targets
            .iter()
            .map(|selector| {
                let (key, values) = selector.parts();
                Target { key, values: values.to_vec() }
            })
            .collect(),
        schedule_expression: schedule.as_ref().map(|words| words.expression.clone()).unwrap_or_default(),
        schedule_timezone: schedule.as_ref().map(|words| words.zone.clone()).unwrap_or_default(),
        schedule_offset_days: schedule.map_or(0, |words| words.offset_days),
        apply_only_at_schedule: content.only_at_schedule,
        compliance_severity: content.severity.name().to_owned(),
        sync_compliance: content.sync.name().to_owned(),
        max_concurrency: limit(content.max_concurrency).unwrap_or_default(),
        max_errors: limit(content.max_errors).unwrap_or_default(),
        calendar_names: content.calendars,
        duration_hours: content.duration_hours,
    }
}

fn counts(overview: &Overview) -> AssociationCounts {
    AssociationCounts {
        targets: overview.targets,
        pending: overview.pending,
        in_progress: overview.in_progress,
        success: overview.success,
        failed: overview.failed,
        timed_out: overview.timed_out,
        cancelled: overview.cancelled,
        compliant: overview.success,
        non_compliant: overview.failed + overview.timed_out + overview.cancelled,
    }
}

pub(super) fn execution(execution: Execution) -> AssociationExecution {
    AssociationExecution {
        status: format!("{:?}", execution.status()),
        execution_id: execution.id.into(),
        version: execution.record.version,
        cause: execution.record.cause.name().to_owned(),
        due_ms: execution.due.millis(),
        counts: Some(counts(&execution.counts)),
        last_ms: execution.last.millis(),
        changed: execution.changed,
        different: execution.different,
    }
}

pub(super) fn execution_key((id, due, execution): (String, u64, String)) -> Result<ExecutionKey, Refusal> {
    let wrong = |_| Refusal::invalid("the page token is not one that this controller gave out");
    Ok((id.parse().map_err(wrong)?, Reverse(due), execution.parse().map_err(wrong)?))
}

pub(super) fn run(node: &NodeId, name: &str, run: Option<RunRecord>) -> AssociationNodeRun {
    let about = AssociationNodeRun {
        node_id: node.to_string(),
        node_name: name.to_owned(),
        ..AssociationNodeRun::default()
    };
    let Some(run) = run else {
        let status_details = "not applied yet".to_owned();
        return AssociationNodeRun { status: "Pending".to_owned(), status_details, ..about };
    };
    AssociationNodeRun {
        status: format!("{:?}", run.state),
        status_details: run.reason.text(),
        compliant: run.is_compliant(),
        run_id: run.run.into(),
        execution_id: run.execution.into(),
        version: run.version,
        cause: run.cause.name().to_owned(),
        due_ms: run.due.millis(),
        started_ms: run.started.millis(),
        finished_ms: run.finished.map_or(0, Timestamp::millis),
        changed: run.changed,
        different: run.different,
        steps: run.steps.iter().map(wire_step).collect(),
        ..about
    }
}

pub(super) async fn chunk(
    house: &House,
    key: &OutputKey,
    row: &OutputRow,
) -> Result<Option<OutputChunk>, Refusal> {
    let Some((stream, offset)) = output::place(key) else { return Ok(None) };
    let data = output::bytes_of(house, &stream, offset, row).await?;
    let (node_id, stderr) = (stream.node.to_string(), stream.channel == Channel::Stderr);
    Ok(Some(OutputChunk { node_id, step: stream.step, stderr, offset, data }))
}
