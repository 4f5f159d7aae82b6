//! Commands and invocations as the API shows them.

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::CommandId;
use serde_json::{Map, Value, json};

use super::STATUSES;
use crate::commands::across::Found;
use crate::commands::operations::{self as operations, seen_state};
use crate::commands::payload;
use crate::commands::records::CommandRecord;
use crate::commands::ssm_view::{self, Plugin};
use crate::commands::state::status_details;
use crate::doors::ssm::call::{Call, Seconds};
use crate::doors::ssm::fault::Fault;
use crate::error::{Kind, Refusal};
use crate::nodes::targets::Selector;
use crate::tables::NODE;

/// Where output would be at AWS: it is here, and whole.
const NO_URL: &str = "";
/// Not started, or nothing is known of it.
const UNKNOWN_CODE: i32 = -1;

/// A command. Of its parameters those that were given, where that is known, and else those that differ from their
/// defaults.
pub(super) async fn command(
    call: &Call<'_>,
    id: &CommandId,
    record: &CommandRecord,
    given: Option<&[String]>,
) -> Result<Value, Fault> {
    let counts = operations::counts(call.house, id, record).await?;
    let status = operations::status(record, &counts);
    let (ids, targets) = targets(&record.targets);
    let word = STATUSES.iter().find(|(_, known)| *known == status).map_or("InProgress", |(word, _)| *word);
    let mut shown = json!({
        "CommandId": id.as_str(),
        "DocumentName": record.document.name,
        "DocumentVersion": record.document.version,
        "Comment": record.comment,
        "ExpiresAfter": Seconds(record.answer_by()),
        "Parameters": parameters(call, id, record, given).await?,
        "InstanceIds": ids,
        "Targets": targets,
        "RequestedDateTime": Seconds(record.requested),
        "Status": word,
        "StatusDetails": operations::status_details(record, status),
        "MaxConcurrency": record.max_concurrency.to_string(),
        "MaxErrors": record.max_errors.to_string(),
        "TargetCount": record.target_count,
        "CompletedCount": counts.total() - counts.open(),
        "ErrorCount": counts.errors,
        "DeliveryTimedOutCount": counts.timed_out - counts.execution_timed_out,
        "CloudWatchOutputConfig": no_cloud_watch(),
        "TimeoutSeconds": record.delivery_timeout_ms / 1000,
    });
    if let Some(notification) = notification(record) {
        shown["NotificationConfig"] = notification;
    }
    Ok(shown)
}

fn no_cloud_watch() -> Value {
    json!({ "CloudWatchOutputEnabled": false })
}

fn notification(record: &CommandRecord) -> Option<Value> {
    let notify = record.notify.as_ref()?;
    let events: Vec<_> = notify.events.iter().map(|event| event.word()).collect();
    Some(json!({
        "NotificationArn": notify.url,
        "NotificationEvents": events,
        "NotificationType": notify.about.word(),
    }))
}

/// Nodes that were named by id, and every other target.
fn targets(selectors: &[Selector]) -> (Vec<String>, Vec<Value>) {
    let (mut ids, mut targets) = (Vec::new(), Vec::new());
    for selector in selectors {
        match selector {
            Selector::Nodes(nodes) if selectors.len() == 1 => ids.extend(nodes.iter().cloned()),
            Selector::All => targets.push(json!({ "Key": "InstanceIds", "Values": ["*"] })),
            other => {
                let (key, values) = other.parts();
                targets.push(json!({ "Key": key, "Values": values }));
            }
        }
    }
    (ids, targets)
}

/// The API writes every parameter as a list of texts.
async fn parameters(
    call: &Call<'_>,
    id: &CommandId,
    record: &CommandRecord,
    given: Option<&[String]>,
) -> Result<Map<String, Value>, Refusal> {
    let content = payload::document_text(call.house, id, record).await?;
    let bound = payload::parameters(call.house, id, record).await?;
    let Ok(checked) = fleetwright_documents::parse(&content) else { return Ok(Map::new()) };
    let document = checked.document;
    let Ok(bound) = document.bound_from_json(&bound) else { return Ok(Map::new()) };
    let mut shown = Map::new();
    for (name, value) in bound.iter() {
        let default = document.parameter(name).and_then(|parameter| parameter.default.as_ref());
        let wanted = match given {
            Some(given) => given.iter().any(|given| given == name),
            None => default != Some(value),
        };
        if wanted {
            let texts = if bound.is_secret(name) { json!(["****"]) } else { texts(value) };
            shown.insert(name.to_owned(), texts);
        }
    }
    Ok(shown)
}

fn texts(value: &Value) -> Value {
    let text = |value: &Value| match value {
        Value::String(text) => Value::from(text.as_str()),
        other => Value::from(other.to_string()),
    };
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        other => json!([text(other)]),
    }
}

/// An invocation with its command.
pub(super) struct Invocation<'a>(pub(super) &'a Found);

impl Invocation<'_> {
    /// As ListCommandInvocations shows it.
    pub(super) async fn in_list(&self, call: &Call<'_>, details: bool) -> Result<Value, Fault> {
        let Found { id, command, node, invocation } = self.0;
        let (state, reason) = seen_state(call.house, node, invocation);
        let name = NODE.get(&*call.house.store, node).await.map_err(Refusal::from)?;
        let mut plugins = Vec::new();
        if details {
            for step in &invocation.steps {
                let loaded = ssm_view::load(call.house, id, node, invocation, Some(&step.name)).await?;
                plugins.extend(loaded.as_ref().map(in_list));
            }
        }
        let trace = if details || plugins.is_empty() { String::new() } else { reason.text() };
        let mut shown = json!({
            "CommandId": id.as_str(),
            "InstanceId": node.as_str(),
            "InstanceName": name.map(|row| row.value.name().to_owned()).unwrap_or_default(),
            "Comment": command.comment,
            "DocumentName": command.document.name,
            "DocumentVersion": command.document.version,
            "RequestedDateTime": Seconds(command.requested),
            "Status": format!("{state:?}"),
            "StatusDetails": status_details(state, &reason),
            "TraceOutput": trace,
            "StandardOutputUrl": NO_URL,
            "StandardErrorUrl": NO_URL,
            "CommandPlugins": plugins,
            "CloudWatchOutputConfig": no_cloud_watch(),
        });
        if let Some(notification) = notification(command) {
            shown["NotificationConfig"] = notification;
        }
        Ok(shown)
    }

    /// As GetCommandInvocation shows it.
    pub(super) async fn whole(&self, call: &Call<'_>, plugin: Option<&str>) -> Result<Value, Fault> {
        let Found { id, command, node, invocation } = self.0;
        let (state, reason) = seen_state(call.house, node, invocation);
        let unnamed = |refusal| {
            Fault::named(
                refusal,
                &[(Kind::Invalid, "InvalidPluginName"), (Kind::NotFound, "InvalidPluginName")],
            )
        };
        // Before the node reported its steps no name is wrong.
        let loaded = match invocation.steps.is_empty() {
            true => None,
            false => ssm_view::load(call.house, id, node, invocation, plugin).await.map_err(unnamed)?,
        };
        let named = loaded.as_ref().map(|loaded| loaded.name.clone()).or(plugin.map(str::to_owned));
        let name = match named {
            Some(name) => Some(name),
            None => only_step(call, id, command).await?,
        };
        let started = loaded.as_ref().and_then(|plugin| plugin.started);
        let finished = loaded.as_ref().and_then(|plugin| plugin.finished);
        let elapsed = started.zip(finished).map(|(started, finished)| elapsed(started, finished));
        let mut shown = json!({
            "CommandId": id.as_str(),
            "InstanceId": node.as_str(),
            "Comment": command.comment,
            "DocumentName": command.document.name,
            "DocumentVersion": command.document.version,
            "ResponseCode": loaded.as_ref().map_or(UNKNOWN_CODE, |plugin| plugin.response_code),
            "ExecutionStartDateTime": started.map(iso).unwrap_or_default(),
            "ExecutionElapsedTime": elapsed.unwrap_or_default(),
            "ExecutionEndDateTime": finished.map(iso).unwrap_or_default(),
            "Status": format!("{state:?}"),
            "StatusDetails": status_details(state, &reason),
            "StandardOutputContent": loaded.as_ref().map_or("", |plugin| plugin.standard_output.as_str()),
            "StandardOutputUrl": NO_URL,
            "StandardErrorContent": loaded.as_ref().map_or("", |plugin| plugin.standard_error.as_str()),
            "StandardErrorUrl": NO_URL,
            "CloudWatchOutputConfig": no_cloud_watch(),
        });
        if let Some(name) = name {
            shown["PluginName"] = name.into();
        }
        Ok(shown)
    }
}

/// What a document of one step will report, before its node has reported anything.
async fn only_step(
    call: &Call<'_>,
    id: &CommandId,
    command: &CommandRecord,
) -> Result<Option<String>, Refusal> {
    let content = payload::document_text(call.house, id, command).await?;
    let Ok(checked) = fleetwright_documents::parse(&content) else { return Ok(None) };
    Ok(match checked.document.steps() {
        [only] => Some(only.name.clone()),
        _ => None,
    })
}

fn in_list(plugin: &Plugin) -> Value {
    let mut shown = json!({
        "Name": plugin.name,
        "Status": plugin.status.word(),
        "StatusDetails": plugin.status.word(),
        "ResponseCode": plugin.response_code,
        "Output": plugin.output,
        "StandardOutputUrl": NO_URL,
        "StandardErrorUrl": NO_URL,
    });
    for (member, moment) in
        [("ResponseStartDateTime", plugin.started), ("ResponseFinishDateTime", plugin.finished)]
    {
        if let Some(moment) = moment {
            shown[member] = json!(Seconds(moment));
        }
    }
    shown
}

/// ISO 8601 in UTC, to the millisecond.
fn iso(moment: Timestamp) -> String {
    let moment = chrono::DateTime::from_timestamp_millis(moment.millis()).unwrap_or_default();
    moment.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// An ISO 8601 duration, as `PT1M2.5S`.
fn elapsed(started: Timestamp, finished: Timestamp) -> String {
    let span = started.until(finished);
    let (hours, minutes) = (span.as_secs() / 3600, span.as_secs() / 60 % 60);
    let seconds = (span.as_millis() % 60_000) as f64 / 1000.0;
    let part =
        |number: u64, letter: &str| if number > 0 { format!("{number}{letter}") } else { String::new() };
    format!("PT{}{}{seconds}S", part(hours, "H"), part(minutes, "M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_spans_are_written_as_the_api_does() {
        let at = Timestamp::from_millis;
        assert_eq!(iso(at(1_790_000_000_123)), "2026-09-21T14:13:20.123Z");
        for (millis, text) in [
            (0, "PT0S"),
            (4, "PT0.004S"),
            (62_500, "PT1M2.5S"),
            (3_600_000, "PT1H0S"),
            (90_061_001, "PT25H1M1.001S"),
        ] {
            assert_eq!(elapsed(at(1000), at(1000 + millis)), text);
        }
    }

    #[test]
    fn every_value_is_a_list_of_texts() {
        for (value, shown) in [
            (json!("a"), json!(["a"])),
            (json!(["a", "b"]), json!(["a", "b"])),
            (json!(true), json!(["true"])),
            (json!({"a": 1}), json!([r#"{"a":1}"#])),
            (json!([{"a": 1}]), json!([r#"{"a":1}"#])),
        ] {
            assert_eq!(texts(&value), shown);
        }
    }
}
