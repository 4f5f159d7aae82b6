//! Associations as the API shows them.

use std::collections::BTreeMap;

use fleetwright_proto::ids::{AssociationId, NodeId};
use serde_json::{Map, Value, json};

use crate::associations::find::{Overview, View};
use crate::associations::history::Execution;
use crate::associations::records::{Content, RunRecord, VersionRecord};
use crate::associations::wanted::Known;
use crate::commands::state::status_details;
use crate::doors::ssm::call::Seconds;
use crate::nodes::targets::Selector;

/// What all views say of what is wanted. Members without a value are left out.
fn content(content: &Content) -> Map<String, Value> {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
    put("Name", json!(content.document));
    if !content.document_version.is_empty() {
        put("DocumentVersion", json!(content.document_version));
    }
    put("Targets", content.targets.iter().map(target).collect());
    if let [Selector::Nodes(ids)] = content.targets.as_slice()
        && let [id] = ids.as_slice()
    {
        put("InstanceId", json!(id));
    }
    if let Some(words) = &content.schedule {
        put("ScheduleExpression", json!(words.expression));
        if words.offset_days > 0 {
            put("ScheduleOffset", json!(words.offset_days));
        }
    }
    if let Some(name) = &content.name {
        put("AssociationName", json!(name));
    }
    if content.duration_hours > 0 {
        put("Duration", json!(content.duration_hours));
    }
    shown
}

/// What only descriptions say of it.
fn details(content: &Content, shown: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
    put("ComplianceSeverity", json!(content.severity.name()));
    put("SyncCompliance", json!(content.sync.name()));
    put("ApplyOnlyAtCronInterval", json!(content.only_at_schedule));
    put("CalendarNames", json!(content.calendars));
    if let Some(limit) = content.max_concurrency {
        put("MaxConcurrency", json!(limit.to_string()));
    }
    if let Some(limit) = content.max_errors {
        put("MaxErrors", json!(limit.to_string()));
    }
}

fn target(selector: &Selector) -> Value {
    match selector {
        Selector::All => json!({"Key": "InstanceIds", "Values": ["*"]}),
        other => {
            let (key, values) = other.parts();
            json!({"Key": key, "Values": values})
        }
    }
}

fn overview(overview: &Overview) -> Value {
    json!({
        "Status": overview.status().name(),
        "DetailedStatus": overview.details(),
        "AssociationStatusAggregatedCount": overview.by_status(),
    })
}

/// An AssociationDescription.
pub(super) fn description(view: &View) -> Value {
    let mut shown = content(&view.record.content);
    details(&view.record.content, &mut shown);
    shown.insert("Parameters".to_owned(), json!(view.shown_parameters));
    shown.insert("Date".to_owned(), json!(Seconds(view.record.created)));
    shown.insert("LastUpdateAssociationDate".to_owned(), json!(Seconds(view.record.updated)));
    if let Some(note) = &view.record.note {
        let note = json!({
            "Date": Seconds(note.date), "Name": note.name, "Message": note.message,
            "AdditionalInfo": note.additional,
        });
        shown.insert("Status".to_owned(), note);
    }
    with_state(view, shown)
}

/// An Association of a list.
pub(super) fn listed(view: &View) -> Value {
    with_state(view, content(&view.record.content))
}

fn with_state(view: &View, mut shown: Map<String, Value>) -> Value {
    shown.insert("AssociationId".to_owned(), json!(view.id.as_str()));
    shown.insert("AssociationVersion".to_owned(), json!(view.record.version.to_string()));
    shown.insert("Overview".to_owned(), overview(&view.overview));
    if let Some(last) = view.overview.last_run {
        shown.insert("LastExecutionDate".to_owned(), json!(Seconds(last)));
    }
    Value::Object(shown)
}

pub(super) fn version(
    id: &AssociationId,
    number: u64,
    record: &VersionRecord,
    parameters: &BTreeMap<String, Vec<String>>,
) -> Value {
    let mut shown = content(&record.content);
    details(&record.content, &mut shown);
    shown.remove("InstanceId");
    shown.insert("Parameters".to_owned(), json!(parameters));
    shown.insert("AssociationId".to_owned(), json!(id.as_str()));
    shown.insert("AssociationVersion".to_owned(), json!(number.to_string()));
    shown.insert("CreatedDate".to_owned(), json!(Seconds(record.created)));
    Value::Object(shown)
}

pub(super) fn execution(id: &AssociationId, execution: &Execution) -> Value {
    let status = format!("{:?}", execution.status());
    let counts = execution.counts.by_status();
    let counts: Vec<_> = counts.iter().map(|(status, count)| format!("{status}={count}")).collect();
    json!({
        "AssociationId": id.as_str(),
        "AssociationVersion": execution.record.version.to_string(),
        "ExecutionId": execution.id.as_str(),
        "Status": status,
        "DetailedStatus": status,
        "CreatedTime": Seconds(execution.record.heard),
        "LastExecutionDate": Seconds(execution.last),
        "ResourceCountByStatus": format!("{{{}}}", counts.join(", ")),
    })
}

pub(super) fn execution_target(id: &AssociationId, node: &NodeId, run: &RunRecord) -> Value {
    json!({
        "AssociationId": id.as_str(),
        "AssociationVersion": run.version.to_string(),
        "ExecutionId": run.execution.as_str(),
        "ResourceId": node.as_str(),
        "ResourceType": "ManagedInstance",
        "Status": format!("{:?}", run.state),
        "DetailedStatus": status_details(run.state, &run.reason),
        "LastExecutionDate": Seconds(run.finished.unwrap_or(run.started)),
        "OutputSource": {"OutputSourceId": run.run.as_str(), "OutputSourceType": "RunCommand"},
    })
}

/// What a node is to apply, with the text that it runs.
pub(super) fn effective(node: &NodeId, known: &Known) -> Value {
    let mut shown = json!({
        "AssociationId": known.id.as_str(),
        "InstanceId": node.as_str(),
        "AssociationVersion": known.record.version.to_string(),
    });
    if let Ok(prepared) = &known.prepared {
        shown["Content"] = json!(String::from_utf8_lossy(&prepared.text));
    }
    shown
}

/// How a node stands to what it is to apply.
pub(super) fn instance_status(node: &NodeId, known: &Known, run: Option<&RunRecord>) -> Value {
    let content = &known.record.content;
    let mut shown = json!({
        "AssociationId": known.id.as_str(),
        "AssociationVersion": known.record.version.to_string(),
        "Name": content.document,
        "InstanceId": node.as_str(),
        "Status": "Pending",
        "DetailedStatus": "Pending",
    });
    if let Some(name) = &content.name {
        shown["AssociationName"] = json!(name);
    }
    if let Ok(prepared) = &known.prepared {
        shown["DocumentVersion"] = json!(prepared.document_version);
    }
    if let Some(run) = run {
        shown["Status"] = json!(format!("{:?}", run.state));
        shown["DetailedStatus"] = json!(status_details(run.state, &run.reason));
        shown["ExecutionDate"] = json!(Seconds(run.finished.unwrap_or(run.started)));
        shown["ExecutionSummary"] = json!(run.reason.text());
        if run.state.is_final() && !run.is_compliant() {
            shown["ErrorCode"] = json!("ExecutionError");
        }
    }
    shown
}
