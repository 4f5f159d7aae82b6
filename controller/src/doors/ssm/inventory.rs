//! Inventory: put, read, deleted; filters and aggregators.

mod select;
mod shapes;

use std::collections::BTreeMap;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use fleetwright_proto::inventory::Attributes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Answer, Call, Seconds, answer};
use super::fault::Fault;
use crate::error::{Kind, Refusal};
use crate::house::House;
use crate::inventory::deletions::{self, DeletionRecord};
use crate::inventory::keep::{self, ToldType};
use crate::inventory::read::{self, TypeView};
use crate::inventory::schema::{SCHEMAS, Schema};
use crate::nodes::operations::{matching, resolve};
use crate::nodes::records::NodeRecord;
use crate::nodes::targets::Selector;
use select::{Aggregator, Conditions, WantedFilter};
pub(super) use shapes::{DELETE, DELETIONS, ENTRIES, GET, PUT, SCHEMA};

const INSTANCE: &str = "AWS:InstanceInformation";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    instance_id: String,
    items: Vec<PutItem>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutItem {
    type_name: String,
    schema_version: String,
    capture_time: String,
    content: Option<Vec<Attributes>>,
}

pub(super) async fn put(call: Call<'_>, input: Value) -> Answer {
    let Put { instance_id, items } = Call::read(input)?;
    let (node, _) = instance(call.house, &instance_id).await?;
    let now = call.house.clock.now();
    let mut types = Vec::with_capacity(items.len());
    for item in items {
        // Only a hash: whoever sent it is asked for the content.
        let Some(content) = item.content else {
            return Err(Fault::new(
                "ItemContentMismatchException",
                format!("the content of {} is not known by its hash: send it", item.type_name),
            ));
        };
        let captured = captured(&item.capture_time).unwrap_or(now).min(now);
        let told = ToldType {
            type_name: item.type_name,
            schema: item.schema_version,
            added: content,
            ..ToldType::default()
        };
        types.push((told, captured));
    }
    keep::put(call.house, &node, types).await.map_err(|refusal| {
        let invalid = if refusal.message.contains("inventory type") {
            "InvalidTypeNameException"
        } else {
            "InvalidItemContentException"
        };
        let names = [
            (Kind::Invalid, invalid),
            (Kind::Conflict, "InvalidItemContentException"),
            (Kind::Exhausted, "ItemSizeLimitExceededException"),
        ];
        Fault::named(refusal, &names)
    })?;
    answer(&serde_json::json!({ "Message": "the inventory is kept" }))
}

fn captured(text: &str) -> Option<Timestamp> {
    chrono::DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|moment| Timestamp::from_millis(moment.timestamp_millis()))
}

async fn instance(house: &House, id: &str) -> Result<(NodeId, NodeRecord), Fault> {
    if id.parse::<NodeId>().is_err() {
        return Err(Fault::new("InvalidInstanceId", format!("there is no node `{id}`")));
    }
    resolve(house, id)
        .await
        .map_err(|refusal| Fault::named(refusal, &[(Kind::NotFound, "InvalidInstanceId")]))
}

/// A refusal of a type name.
fn of_type(refusal: Refusal) -> Fault {
    Fault::named(refusal, &[(Kind::Invalid, "InvalidTypeNameException")])
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entries {
    instance_id: String,
    type_name: String,
    #[serde(default)]
    filters: Vec<WantedFilter>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownEntries {
    type_name: String,
    instance_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture_time: Option<String>,
    entries: Vec<Attributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) async fn entries(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let Entries { instance_id, type_name, filters } = Call::read(input)?;
    let (node, record) = instance(call.house, &instance_id).await?;
    let conditions = Conditions::of_type(&type_name, filters)?;
    let after: usize = page.after()?.unwrap_or(0);
    let view = read::read(call.house, (&node, &record), &type_name, None).await.map_err(of_type)?;
    let (schema, since, items) = match view {
        Some(TypeView { schema, since, items, .. }) => (Some(schema), Some(since), items),
        None => (None, None, Vec::new()),
    };
    let wanted: Vec<_> = items.into_iter().filter(|item| conditions.hold(&type_name, item)).collect();
    let next = after.saturating_add(page.size);
    let is_more = wanted.len() > next;
    answer(&ShownEntries {
        type_name,
        instance_id,
        schema_version: schema,
        capture_time: since.map(capture_time),
        entries: wanted.into_iter().skip(after).take(page.size).collect(),
        next_token: page.token(is_more.then_some(next)),
    })
}

fn capture_time(moment: Timestamp) -> String {
    crate::records::rfc3339(moment)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Get {
    #[serde(default)]
    filters: Vec<WantedFilter>,
    #[serde(default)]
    aggregators: Vec<Aggregator>,
    #[serde(default)]
    result_attributes: Vec<ResultAttribute>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ResultAttribute {
    type_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entity {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    data: BTreeMap<String, ShownType>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownType {
    type_name: String,
    schema_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture_time: Option<String>,
    content: Vec<Attributes>,
}

impl From<TypeView> for ShownType {
    fn from(view: TypeView) -> Self {
        Self {
            type_name: view.type_name,
            schema_version: view.schema,
            capture_time: Some(capture_time(view.since)),
            content: view.items,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entities {
    entities: Vec<Entity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) async fn get(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let Get { filters, aggregators, result_attributes } = Call::read(input)?;
    let conditions = Conditions::read(filters)?;
    let nodes = wanted_nodes(call.house, &conditions).await?;
    if !aggregators.is_empty() {
        let mut content = Vec::new();
        let type_name = aggregators[0].type_name()?;
        for aggregator in &aggregators {
            content.extend(aggregator.count(call.house, &nodes).await?);
        }
        let shown = ShownType {
            type_name: type_name.clone(),
            schema_version: "1.0".to_owned(),
            capture_time: None,
            content,
        };
        let data = BTreeMap::from([(type_name, shown)]);
        return answer(&Entities { entities: vec![Entity { id: None, data }], next_token: None });
    }
    let after: Option<NodeId> = page.after()?;
    let mut rest: Vec<_> = nodes
        .into_iter()
        .filter(|(node, _)| after.as_ref().is_none_or(|after| node > after))
        .take(page.size + 1)
        .collect();
    let is_more = rest.len() > page.size;
    rest.truncate(page.size);
    let next = rest.last().filter(|_| is_more).map(|(node, _)| node.clone());
    let mut entities = Vec::with_capacity(rest.len());
    for (node, record) in rest {
        let mut data = BTreeMap::new();
        let wanted = result_attributes.iter().map(|wanted| wanted.type_name.as_str());
        for type_name in std::iter::once(INSTANCE).chain(wanted) {
            let view = read::read(call.house, (&node, &record), type_name, None).await.map_err(of_type)?;
            let Some(mut view) = view else { continue };
            view.items.retain(|item| conditions.hold(type_name, item));
            data.insert(type_name.to_owned(), ShownType::from(view));
        }
        entities.push(Entity { id: Some(node.to_string()), data });
    }
    answer(&Entities { entities, next_token: page.token(next) })
}

/// The nodes that have, for each type that is filtered, an item that all its filters take; by id.
async fn wanted_nodes(house: &House, conditions: &Conditions) -> Result<Vec<(NodeId, NodeRecord)>, Fault> {
    let mut nodes: BTreeMap<_, _> = matching(house, &[Selector::All]).await?.into_iter().collect();
    for query in conditions.queries()? {
        let have = crate::inventory::query::node_ids(house, &query).await?;
        nodes.retain(|node, _| have.contains(node));
    }
    Ok(nodes.into_iter().collect())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetSchema {
    #[serde(default)]
    type_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownSchema {
    type_name: &'static str,
    version: &'static str,
    attributes: Vec<ShownAttribute>,
    display_name: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownAttribute {
    name: &'static str,
    data_type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Schemas {
    schemas: Vec<ShownSchema>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// The types that are known; those that people made up have the attributes that their items have.
pub(super) async fn schema(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let GetSchema { type_name } = Call::read(input)?;
    let after: usize = page.after()?.unwrap_or(0);
    let wanted: Vec<_> = SCHEMAS.iter().filter(|schema| schema.type_name.starts_with(&type_name)).collect();
    if wanted.is_empty() && !type_name.is_empty() && !type_name.starts_with("Custom:") {
        return Err(Fault::new(
            "InvalidTypeNameException",
            format!("there is no inventory type `{type_name}`"),
        ));
    }
    let next = after.saturating_add(page.size);
    let is_more = wanted.len() > next;
    let shown = wanted.into_iter().skip(after).take(page.size).map(|schema| ShownSchema {
        type_name: schema.type_name,
        version: schema.version,
        display_name: schema.type_name.trim_start_matches("AWS:"),
        attributes: schema
            .attributes
            .iter()
            .map(|name| ShownAttribute { name, data_type: Schema::data_type(name).name() })
            .collect(),
    });
    answer(&Schemas { schemas: shown.collect(), next_token: page.token(is_more.then_some(next)) })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Delete {
    type_name: String,
    schema_delete_option: Option<String>,
    #[serde(default)]
    dry_run: bool,
    client_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Deleted {
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_id: Option<String>,
    type_name: String,
    deletion_summary: DeletionSummary,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeletionSummary {
    total_count: u64,
    remaining_count: u64,
    summary_items: Vec<DeletionSummaryItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeletionSummaryItem {
    version: String,
    count: u64,
    remaining_count: u64,
}

impl DeletionSummary {
    fn of(versions: &BTreeMap<String, u64>, is_done: bool) -> Self {
        let remaining = |count: u64| if is_done { 0 } else { count };
        let total: u64 = versions.values().sum();
        let items = versions.iter().map(|(version, count)| DeletionSummaryItem {
            version: version.clone(),
            count: *count,
            remaining_count: remaining(*count),
        });
        Self { total_count: total, remaining_count: remaining(total), summary_items: items.collect() }
    }
}

pub(super) async fn delete(call: Call<'_>, input: Value) -> Answer {
    let Delete { type_name, schema_delete_option, dry_run, client_token } = Call::read(input)?;
    if schema_delete_option.as_deref() == Some("DisableSchema") {
        return Err(Fault::new(
            "InvalidOptionException",
            "this controller disables no schema: DeleteSchema deletes what there is, and a node that still has the type \
             tells it anew",
        ));
    }
    let of_delete = |refusal| {
        let names =
            [(Kind::Invalid, "InvalidTypeNameException"), (Kind::NotFound, "InvalidTypeNameException")];
        Fault::named(refusal, &names)
    };
    if dry_run {
        let versions = deletions::preview(call.house, &type_name).await.map_err(of_delete)?;
        let deletion_summary = DeletionSummary::of(&versions, false);
        return answer(&Deleted { deletion_id: None, type_name, deletion_summary });
    }
    let (id, record) = deletions::delete(call.house, &type_name, client_token).await.map_err(of_delete)?;
    let deletion_summary = DeletionSummary::of(&record.versions, record.finished);
    answer(&Deleted { deletion_id: Some(id), type_name, deletion_summary })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WantedDeletions {
    deletion_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownDeletion {
    deletion_id: String,
    type_name: String,
    deletion_start_time: Seconds,
    last_status: &'static str,
    last_status_message: &'static str,
    deletion_summary: DeletionSummary,
    last_status_update_time: Seconds,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownDeletions {
    inventory_deletions: Vec<ShownDeletion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) async fn describe_deletions(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let WantedDeletions { deletion_id } = Call::read(input)?;
    let after: Option<(u64, String)> = page.after()?;
    let after = after.map(|(started, id)| (fleetwright_store::Reverse(started), id));
    let size = if deletion_id.is_some() { 1_000 } else { page.size };
    let (found, next) = deletions::list(call.house, after, size).await?;
    let is_wanted = |id: &str| deletion_id.as_deref().is_none_or(|wanted| wanted == id);
    let shown: Vec<_> = found
        .into_iter()
        .filter(|((_, id), _)| is_wanted(id))
        .map(|((_, id), record)| shown(id, record))
        .collect();
    if let Some(id) = deletion_id.filter(|_| shown.is_empty()) {
        return Err(Fault::new("InvalidDeletionIdException", format!("there is no deletion `{id}`")));
    }
    let next = next.map(|(started, id)| (started.0, id));
    answer(&ShownDeletions { inventory_deletions: shown, next_token: page.token(next) })
}

fn shown(deletion_id: String, record: DeletionRecord) -> ShownDeletion {
    let (last_status, last_status_message) = if record.finished {
        ("Complete", "everything is deleted")
    } else {
        ("InProgress", "it is being deleted")
    };
    ShownDeletion {
        deletion_id,
        deletion_summary: DeletionSummary::of(&record.versions, record.finished),
        type_name: record.type_name,
        deletion_start_time: Seconds(record.started),
        last_status,
        last_status_message,
        last_status_update_time: Seconds(record.updated),
    }
}
