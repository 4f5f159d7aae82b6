//! Tags of nodes, documents, parameters and maintenance windows.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Answer, Call, Tag, answer, done};
use super::fault::Fault;
use super::shape::{ANY_TEXT, Pattern, Shape, list as shape_list, structure};
use crate::documents::fault::{DocumentError, Fault as DocumentFault};
use crate::documents::names::Reference;
use crate::documents::{find, write};
use crate::error::{Kind, Refusal};
use crate::nodes::operations;
use crate::nodes::records::Tags;
use crate::parameters::tags as parameters;
use crate::windows::fault::WindowError;
use crate::windows::ids::{IdError, WindowId};
use crate::windows::operations as windows;

static TAG_TEXT: Pattern = Pattern::new(r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$");
const KEY: Shape = Shape::Text { least: 1, most: 128, pattern: Some(&TAG_TEXT) };
const VALUE: Shape = Shape::Text { least: 0, most: 256, pattern: Some(&TAG_TEXT) };
const TAG: Shape = structure! { "Key" ! KEY, "Value" ! VALUE };
/// Tags as every operation takes them.
pub(super) const TAGS: Shape = shape_list(&TAG, 0, 1000);
/// What is none of the API's words is refused with what has no tags here, under the API's own name for that.
const RESOURCE_TYPE: Shape = ANY_TEXT;

pub(super) static ADD: Shape =
    structure! { "ResourceType" ! RESOURCE_TYPE, "ResourceId" ! ANY_TEXT, "Tags" ! TAGS };
pub(super) static REMOVE: Shape = structure! {
    "ResourceType" ! RESOURCE_TYPE, "ResourceId" ! ANY_TEXT, "TagKeys" ! shape_list(&KEY, 0, usize::MAX)
};
pub(super) static LIST: Shape = structure! { "ResourceType" ! RESOURCE_TYPE, "ResourceId" ! ANY_TEXT };

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    resource_type: String,
    resource_id: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

pub(super) async fn add(call: Call<'_>, input: Value) -> Answer {
    let Resource { resource_type, resource_id, tags, .. } = Call::read(input)?;
    change(&call, &resource_type, &resource_id, set(tags)?, &[]).await
}

pub(super) async fn remove(call: Call<'_>, input: Value) -> Answer {
    let Resource { resource_type, resource_id, tag_keys, .. } = Call::read(input)?;
    change(&call, &resource_type, &resource_id, Tags::new(), &tag_keys).await
}

async fn change(call: &Call<'_>, kind: &str, id: &str, set: Tags, remove: &[String]) -> Answer {
    match kind {
        "ManagedInstance" => {
            node_id(id)?;
            operations::change_tags(call.house, id, set, remove).await.map_err(of_node)?;
        }
        "Document" => {
            write::change_tags(call.house, id, set, remove).await.map_err(of_document)?;
        }
        "Parameter" => {
            parameters::change(call.house, id, &set, remove, Some(&call.caller)).await?;
            call.told();
        }
        "MaintenanceWindow" => {
            let id = window_id(id)?;
            windows::change_tags(call.house, &id, &set, remove).await.map_err(of_window)?;
        }
        _ => return Err(no_tags(kind)),
    }
    done()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagList {
    tag_list: Vec<Tag>,
}

pub(super) async fn list(call: Call<'_>, input: Value) -> Answer {
    let Resource { resource_type, resource_id, .. } = Call::read(input)?;
    let tags = match resource_type.as_str() {
        "ManagedInstance" => {
            node_id(&resource_id)?;
            operations::view(call.house, &resource_id).await.map_err(of_node)?.record.tags
        }
        "Document" => {
            let reference = Reference::parse(&resource_id, "").map_err(of_document)?;
            find::get(call.house, &reference).await.map_err(of_document)?.view.tags
        }
        "Parameter" => parameters::list(call.house, &resource_id).await?,
        "MaintenanceWindow" => {
            let id = window_id(&resource_id)?;
            windows::get(call.house, &id).await.map_err(of_window)?.tags
        }
        kind => return Err(no_tags(kind)),
    };
    answer(&TagList { tag_list: shown(tags) })
}

/// Tags as the rooms keep them; a key stands there once.
pub(super) fn set(tags: Vec<Tag>) -> Result<Tags, Fault> {
    let mut set = Tags::new();
    for Tag { key, value } in tags {
        if set.contains_key(&key) {
            return Err(Fault::validation(format!("the tag key `{key}` is given twice: name each once")));
        }
        set.insert(key, value);
    }
    Ok(set)
}

pub(super) fn shown(tags: Tags) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag { key, value }).collect()
}

/// The API goes by ids, not by names that may change.
fn node_id(id: &str) -> Result<(), Fault> {
    match id.parse::<fleetwright_proto::ids::NodeId>() {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::new("InvalidResourceId", error.to_string())),
    }
}

/// A window's id; it has one form.
fn window_id(id: &str) -> Result<WindowId, Fault> {
    id.parse().map_err(|error: IdError| Fault::new("InvalidResourceId", error.to_string()))
}

fn of_window(error: WindowError) -> Fault {
    Fault::named(
        Refusal::from(error),
        &[(Kind::NotFound, "InvalidResourceId"), (Kind::Exhausted, "TooManyTagsError")],
    )
}

fn of_node(refusal: Refusal) -> Fault {
    Fault::named(refusal, &[(Kind::NotFound, "InvalidResourceId"), (Kind::Exhausted, "TooManyTagsError")])
}

fn of_document(error: DocumentError) -> Fault {
    match error.fault {
        DocumentFault::InvalidDocument
        | DocumentFault::InvalidDocumentOperation
        | DocumentFault::InvalidDocumentVersion
        | DocumentFault::Validation => Fault::new("InvalidResourceId", error.message),
        _ => error.into(),
    }
}

fn no_tags(kind: &str) -> Fault {
    Fault::new(
        "InvalidResourceType",
        format!(
            "this controller keeps no tags of `{}`: Document, MaintenanceWindow, ManagedInstance or Parameter",
            kind.chars().take(60).collect::<String>().escape_debug()
        ),
    )
}
