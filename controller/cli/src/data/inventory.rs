//! Inventory, as printed.

use std::collections::BTreeMap;

use fleetwright_proto::control;
use serde::Serialize;

use super::Moment;

/// Attributes by name.
pub(crate) type Item = BTreeMap<String, String>;

pub(crate) fn item(wire: control::InventoryEntry) -> Item {
    wire.attributes.into_iter().collect()
}

#[derive(Debug, Serialize)]
pub(crate) struct Type {
    pub(crate) type_name: String,
    pub(crate) schema_version: String,
    pub(crate) since: Option<Moment>,
    pub(crate) item_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) items: Option<Vec<Item>>,
}

impl Type {
    pub(crate) fn of(wire: control::InventoryTypeView, with_items: bool) -> Self {
        Self {
            type_name: wire.type_name,
            schema_version: wire.schema_version,
            since: Moment::of_wire(wire.since_ms),
            item_count: wire.item_count,
            items: with_items.then(|| wire.items.into_iter().map(item).collect()),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct NodeInventory {
    pub(crate) node_id: String,
    pub(crate) node_name: String,
    pub(crate) looked_at: Option<Moment>,
    pub(crate) types: Vec<Type>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Match {
    pub(crate) node_id: String,
    pub(crate) node_name: String,
    pub(crate) items: Vec<Item>,
}

impl From<control::InventoryMatch> for Match {
    fn from(wire: control::InventoryMatch) -> Self {
        Self {
            node_id: wire.node_id,
            node_name: wire.node_name,
            items: wire.items.into_iter().map(item).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Difference {
    pub(crate) type_name: String,
    /// `added`, `removed` or `changed`.
    pub(crate) change: &'static str,
    pub(crate) before: Option<Item>,
    pub(crate) after: Option<Item>,
}

impl From<control::InventoryDifference> for Difference {
    fn from(wire: control::InventoryDifference) -> Self {
        let (before, after) = (wire.before.map(item), wire.after.map(item));
        let change = match (&before, &after) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        };
        Self { type_name: wire.type_name, change, before, after }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Count {
    pub(crate) value: String,
    pub(crate) nodes: u64,
    pub(crate) items: u64,
}
