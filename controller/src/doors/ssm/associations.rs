//! Associations: what State Manager knows, in the API's shapes.

use std::collections::BTreeMap;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{AssociationId, ExecutionId, NodeId};
use fleetwright_store::Reverse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Call, WantedMoment, answer, done};
use super::fault::Fault;
use crate::associations::check::AssociationWish;
use crate::associations::fault::{AssociationError, Fault as AssociationFault};
use crate::associations::find::{self, Filter, View};
use crate::associations::history::{self, Execution};
use crate::associations::records::StatusNote;
use crate::associations::write;
use crate::nodes::targets::Selector;

mod shapes;
mod views;

pub(super) use shapes::{
    CREATE, CREATE_BATCH, EFFECTIVE, EXECUTION_TARGETS, EXECUTIONS, INSTANCE_STATUS, LIST, START_ONCE,
    UPDATE, UPDATE_STATUS, VERSIONS, WHICH,
};

/// What CreateAssociation and UpdateAssociation take.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wanted {
    #[serde(default)]
    name: String,
    association_id: Option<String>,
    association_version: Option<String>,
    instance_id: Option<String>,
    #[serde(default)]
    document_version: String,
    #[serde(default)]
    parameters: BTreeMap<String, Vec<String>>,
    targets: Option<Vec<Target>>,
    #[serde(default)]
    schedule_expression: String,
    #[serde(default)]
    schedule_offset: u32,
    #[serde(default)]
    apply_only_at_cron_interval: bool,
    #[serde(default)]
    association_name: String,
    #[serde(default)]
    compliance_severity: String,
    #[serde(default)]
    sync_compliance: String,
    #[serde(default)]
    max_concurrency: String,
    #[serde(default)]
    max_errors: String,
    #[serde(default)]
    calendar_names: Vec<String>,
    #[serde(default)]
    duration: u32,
    tags: Option<Value>,
    target_maps: Option<Value>,
    target_locations: Option<Value>,
    alarm_configuration: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Target {
    #[serde(default)]
    key: String,
    #[serde(default)]
    values: Vec<String>,
}

impl Wanted {
    fn wish(self) -> Result<AssociationWish, Fault> {
        for (member, said) in [
            ("Tags", &self.tags),
            ("TargetMaps", &self.target_maps),
            ("TargetLocations", &self.target_locations),
            ("AlarmConfiguration", &self.alarm_configuration),
        ] {
            let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
            if said.as_ref().is_some_and(|value| !is_empty(value)) {
                return Err(Fault::validation(format!(
                    "{member} of an association is not known to this controller: leave it out"
                )));
            }
        }
        let targets = match (self.targets, self.instance_id) {
            (Some(_), Some(_)) => {
                return Err(Fault::validation("InstanceId and Targets cannot be used at once: use Targets"));
            }
            (None, Some(id)) => vec![("InstanceIds".to_owned(), vec![id])],
            (targets, None) => {
                targets.unwrap_or_default().into_iter().map(|target| (target.key, target.values)).collect()
            }
        };
        Ok(AssociationWish {
            name: self.association_name,
            document: self.name,
            document_version: self.document_version,
            parameters: self.parameters,
            targets,
            schedule_expression: self.schedule_expression,
            schedule_zone: String::new(),
            schedule_offset_days: self.schedule_offset,
            only_at_schedule: self.apply_only_at_cron_interval,
            severity: self.compliance_severity,
            sync: self.sync_compliance,
            max_concurrency: self.max_concurrency,
            max_errors: self.max_errors,
            calendars: self.calendar_names,
            duration_hours: self.duration,
        })
    }
}

async fn make(call: &Call<'_>, wanted: Wanted) -> Result<Value, Fault> {
    let (id, _) = write::create(call.house, wanted.wish()?, &call.by()).await?;
    Ok(views::description(&find::get(call.house, id.as_str()).await?))
}

pub(super) async fn create(call: Call<'_>, input: Value) -> Answer {
    let made = make(&call, Call::read(input)?).await?;
    answer(&json!({"AssociationDescription": made}))
}

/// Each entry for itself: what is wrong with one is told with it.
pub(super) async fn create_batch(call: Call<'_>, mut input: Value) -> Answer {
    let entries: Vec<Value> = Call::read(input["Entries"].take())?;
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        match make(&call, Call::read(entry.clone())?).await {
            Ok(made) => successful.push(made),
            Err(fault) if fault.status >= 500 => {
                failed.push(json!({"Entry": entry, "Message": fault.message, "Fault": "Server"}));
            }
            Err(fault) => failed.push(json!({"Entry": entry, "Message": fault.message, "Fault": "Client"})),
        }
    }
    answer(&json!({"Successful": successful, "Failed": failed}))
}

/// What is not given is cleared, as SSM does, but for the document and the targets, without which it would be nothing.
pub(super) async fn update(call: Call<'_>, input: Value) -> Answer {
    let mut wanted: Wanted = Call::read(input)?;
    let id = wanted.association_id.take().unwrap_or_default();
    let known = find::get(call.house, &id).await?;
    let expected = version(wanted.association_version.as_deref())?;
    let content = known.record.content;
    let keeps_targets = wanted.targets.as_ref().is_none_or(Vec::is_empty);
    if wanted.name.is_empty() {
        wanted.name = content.document;
    }
    let mut wish = wanted.wish()?;
    if keeps_targets {
        let kept = content.targets.iter().map(Selector::parts);
        wish.targets = kept.map(|(key, values)| (key, values.to_vec())).collect();
    }
    // The API has no time zones: one that was set elsewhere stays with its schedule.
    if let Some(words) = content.schedule.filter(|words| words.expression == wish.schedule_expression) {
        wish.schedule_zone = words.zone;
    }
    write::update(call.house, &id, wish, expected, &call.by()).await?;
    answer(&json!({"AssociationDescription": views::description(&find::get(call.house, &id).await?)}))
}

/// None: whichever is the latest.
fn version(text: Option<&str>) -> Result<Option<u64>, AssociationError> {
    match text {
        None | Some("$LATEST") => Ok(None),
        Some(number) => number.parse().map(Some).map_err(|_| {
            AssociationFault::InvalidAssociationVersion.because(format!("there is no version {number}"))
        }),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Which {
    name: Option<String>,
    instance_id: Option<String>,
    association_id: Option<String>,
    association_version: Option<String>,
}

/// The association by its id, or in the old way by document and node.
async fn which(call: &Call<'_>, which: &Which) -> Result<View, Fault> {
    if let Some(id) = &which.association_id {
        return match version(which.association_version.as_deref())? {
            Some(version) => Ok(find::get_version(call.house, id, version).await?),
            None => Ok(find::get(call.house, id).await?),
        };
    }
    let (Some(name), Some(instance)) = (&which.name, &which.instance_id) else {
        return Err(Fault::validation("name the association by AssociationId, or by Name and InstanceId"));
    };
    let filter = Filter { document: Some(name.clone()), ..Filter::default() };
    let (found, _) = find::list(call.house, &filter, None, write::ASSOCIATIONS_MAX).await?;
    let is_it = |view: &View| matches!(view.record.content.targets.as_slice(), [Selector::Nodes(ids)] if ids.as_slice() == std::slice::from_ref(instance));
    found.into_iter().find(is_it).ok_or_else(|| {
        AssociationFault::AssociationDoesNotExist
            .because(format!("no association applies {name} to {instance} alone"))
            .into()
    })
}

pub(super) async fn describe(call: Call<'_>, input: Value) -> Answer {
    let view = which(&call, &Call::read(input)?).await?;
    answer(&json!({"AssociationDescription": views::description(&view)}))
}

pub(super) async fn delete(call: Call<'_>, input: Value) -> Answer {
    let view = which(&call, &Call::read(input)?).await?;
    write::delete(call.house, view.id.as_str()).await?;
    done()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NewStatus {
    name: String,
    instance_id: String,
    association_status: Status,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    date: WantedMoment,
    name: String,
    message: String,
    #[serde(default)]
    additional_info: String,
}

pub(super) async fn update_status(call: Call<'_>, input: Value) -> Answer {
    let NewStatus { name, instance_id, association_status: said } = Call::read(input)?;
    let wanted = Which {
        name: Some(name),
        instance_id: Some(instance_id),
        association_id: None,
        association_version: None,
    };
    let id = which(&call, &wanted).await?.id;
    let note = StatusNote {
        date: said.date.timestamp(),
        name: said.name,
        message: said.message,
        additional: said.additional_info,
    };
    write::note(call.house, id.as_str(), note).await?;
    let view = find::get(call.house, id.as_str()).await?;
    answer(&json!({"AssociationDescription": views::description(&view)}))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    #[serde(default)]
    association_filter_list: Vec<ListFilter>,
}

#[derive(Debug, Deserialize)]
struct ListFilter {
    key: String,
    value: String,
}

pub(super) async fn list(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let List { association_filter_list: filters } = Call::read(input)?;
    let mut filter = Filter::default();
    for ListFilter { key, value } in filters {
        match key.as_str() {
            "InstanceId" => filter.node = Some(value),
            "Name" => filter.document = Some(value),
            "AssociationId" => filter.id = Some(association_id(&value)?),
            "AssociationStatusName" => filter.status = Some(value),
            "AssociationName" => filter.name = Some(value),
            "LastExecutedBefore" => filter.last_run_before = Some(moment(&value)?),
            "LastExecutedAfter" => filter.last_run_after = Some(moment(&value)?),
            other => {
                return Err(Fault::validation(format!("associations are not filtered by {other} here")));
            }
        }
    }
    let (found, next) = find::list(call.house, &filter, page.after()?, page.size).await?;
    let shown: Vec<_> = found.iter().map(views::listed).collect();
    answer(&with_token(json!({"Associations": shown}), page.token(next)))
}

fn with_token(mut shown: Value, token: Option<String>) -> Value {
    if let Some(token) = token {
        shown["NextToken"] = json!(token);
    }
    shown
}

fn association_id(text: &str) -> Result<AssociationId, AssociationError> {
    text.parse().map_err(|error| AssociationFault::AssociationDoesNotExist.because(format!("{error}")))
}

fn moment(text: &str) -> Result<Timestamp, Fault> {
    let parsed = chrono::DateTime::parse_from_rfc3339(text);
    parsed.map(|moment| Timestamp::from_millis(moment.timestamp_millis())).map_err(|_| {
        Fault::validation(format!(
            "`{}` is not a moment: write it as 2026-11-25T16:00:00Z",
            crate::documents::names::shown(text)
        ))
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Of {
    association_id: String,
    execution_id: Option<String>,
    #[serde(default)]
    filters: Vec<HistoryFilter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HistoryFilter {
    key: String,
    value: String,
    r#type: Option<String>,
}

pub(super) async fn versions(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let Of { association_id, .. } = Call::read(input)?;
    let (id, found, next) = find::versions(call.house, &association_id, page.after()?, page.size).await?;
    let mut shown = Vec::with_capacity(found.len());
    for (number, record) in &found {
        let parameters = history::covered(call.house, &record.content).await;
        shown.push(views::version(&id, *number, record, &parameters));
    }
    answer(&with_token(json!({"AssociationVersions": shown}), page.token(next)))
}

pub(super) async fn executions(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let Of { association_id: id, filters, .. } = Call::read(input)?;
    let after: Option<(String, u64, String)> = page.after()?;
    let after = match after {
        Some((id, due, execution)) => Some((association_id(&id)?, Reverse(due), execution_id(&execution)?)),
        None => None,
    };
    let (id, found, next) = history::executions(call.house, &id, after, page.size).await?;
    let mut shown = Vec::with_capacity(found.len());
    for execution in &found {
        let mut taken = true;
        for filter in &filters {
            taken &= takes_execution(filter, execution)?;
        }
        if taken {
            shown.push(views::execution(&id, execution));
        }
    }
    let next = next.map(|(id, due, execution)| (String::from(id), due.0, String::from(execution)));
    answer(&with_token(json!({"AssociationExecutions": shown}), page.token(next)))
}

fn execution_id(text: &str) -> Result<ExecutionId, AssociationError> {
    text.parse()
        .map_err(|error| AssociationFault::AssociationExecutionDoesNotExist.because(format!("{error}")))
}

fn takes_execution(filter: &HistoryFilter, execution: &Execution) -> Result<bool, Fault> {
    let order = match filter.key.as_str() {
        "CreatedTime" => execution.record.heard.cmp(&moment(&filter.value)?),
        "Status" => format!("{:?}", execution.status()).as_str().cmp(&filter.value),
        _ => execution.id.as_str().cmp(&filter.value),
    };
    Ok(match filter.r#type.as_deref() {
        Some("LESS_THAN") => order.is_lt(),
        Some("GREATER_THAN") => order.is_gt(),
        _ => order.is_eq(),
    })
}

pub(super) async fn execution_targets(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let Of { association_id, execution_id: execution, filters } = Call::read(input)?;
    let execution = execution_id(&execution.unwrap_or_default())?;
    let (id, found, next) =
        history::targets(call.house, &association_id, &execution, page.after::<NodeId>()?, page.size).await?;
    let takes = |node: &NodeId, status: &str| {
        filters.iter().all(|filter| match filter.key.as_str() {
            "Status" => filter.value == status,
            "ResourceType" => filter.value == "ManagedInstance",
            _ => filter.value == node.as_str(),
        })
    };
    let shown: Vec<_> = found
        .iter()
        .filter(|(node, run)| takes(node, &format!("{:?}", run.state)))
        .map(|(node, run)| views::execution_target(&id, node, run))
        .collect();
    answer(&with_token(json!({"AssociationExecutionTargets": shown}), page.token(next)))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    instance_id: String,
}

pub(super) async fn effective(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 5);
    let Instance { instance_id } = Call::read(input)?;
    let (node, known) = find::of_node(call.house, &instance_id).await?;
    let after: Option<AssociationId> = page.after()?;
    let mut rest = known.iter().filter(|known| after.as_ref().is_none_or(|after| known.id > *after));
    let shown: Vec<_> = rest.by_ref().take(page.size).collect();
    let next = rest.next().and_then(|_| shown.last().map(|known| known.id.clone()));
    let shown: Vec<_> = shown.into_iter().map(|known| views::effective(&node, known)).collect();
    answer(&with_token(json!({"Associations": shown}), page.token(next)))
}

pub(super) async fn instance_status(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let Instance { instance_id } = Call::read(input)?;
    let (node, known) = find::of_node(call.house, &instance_id).await?;
    let after: Option<AssociationId> = page.after()?;
    let mut rest = known.iter().filter(|known| after.as_ref().is_none_or(|after| known.id > *after));
    let taken: Vec<_> = rest.by_ref().take(page.size).collect();
    let next = rest.next().and_then(|_| taken.last().map(|known| known.id.clone()));
    let mut shown = Vec::with_capacity(taken.len());
    for known in taken {
        let run = history::status(call.house, &known.id, &node).await?;
        let run = run.filter(|run| run.version == known.record.version);
        shown.push(views::instance_status(&node, known, run.as_ref()));
    }
    answer(&with_token(json!({"InstanceAssociationStatusInfos": shown}), page.token(next)))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Once {
    association_ids: Vec<String>,
}

/// All of them have to exist before any is wanted.
pub(super) async fn start_once(call: Call<'_>, input: Value) -> Answer {
    let Once { association_ids } = Call::read(input)?;
    for id in &association_ids {
        find::get(call.house, id).await?;
    }
    for id in &association_ids {
        write::run_now(call.house, id).await?;
    }
    done()
}
