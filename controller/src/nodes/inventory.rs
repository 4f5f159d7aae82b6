//! What is on a node, as it last told.

use std::collections::BTreeMap;

use fleetwright_proto::agent;
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use fleetwright_store::{Batch, VALUE_MAX_BYTES};

use super::records::InventoryRecord;
use crate::error::Refusal;
use crate::house::House;
use crate::tables::INVENTORY;

/// Longest name of an inventory type, characters (reference, section 5.2).
const TYPE_NAME_MAX_CHARS: usize = 100;

/// Keeps one inventory type of a node. Nothing is written when nothing but the time of capture changed.
pub async fn put(house: &House, node: &NodeId, told: agent::Inventory) -> Result<(), Refusal> {
    let agent::Inventory { type_name, schema_version, captured_ms, items } = told;
    if !is_type_name(&type_name) {
        return Err(Refusal::invalid(format!(
            "`{}` is not the name of an inventory type",
            type_name.escape_debug()
        )));
    }
    let items: Vec<BTreeMap<_, _>> =
        items.into_iter().map(|item| item.attributes.into_iter().collect()).collect();
    let record = InventoryRecord { schema_version, captured: Timestamp::from_millis(captured_ms), items };
    let key = (node.clone(), type_name);
    let known = INVENTORY.get(&*house.store, &key).await?;
    if known.is_some_and(|row| {
        row.value.items == record.items && row.value.schema_version == record.schema_version
    }) {
        return Ok(());
    }
    let mut batch = Batch::new();
    INVENTORY.put(&mut batch, &key, &record)?;
    match house.store.commit(batch).await {
        Err(fleetwright_store::CommitError::TooLarge { .. }) => {
            Err(Refusal::exhausted(format!("the items of {} do not fit {VALUE_MAX_BYTES} bytes", key.1)))
        }
        other => other.map(drop).map_err(Refusal::from),
    }
}

fn is_type_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    text.chars().count() <= TYPE_NAME_MAX_CHARS
        && text.split_once(':').is_some_and(|(space, name)| {
            matches!(space, "AWS" | "Custom") && !name.is_empty() && name.chars().all(plain)
        })
}
