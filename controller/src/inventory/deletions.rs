//! A custom type is taken from all nodes: what is there now goes, what was stays in the history. A node whose own file
//! says it still tells it anew.
//!
//! The record is durable before anything goes, and a deletion that was stopped in the middle is gone on with.

use std::collections::BTreeMap;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use fleetwright_store::{Batch, Reverse};
use serde::{Deserialize, Serialize};

use super::history::millis;
use super::keep;
use super::schema;
use crate::error::Refusal;
use crate::house::House;
use crate::records::{Pages, json_record, next_key};
use crate::tables::{INVENTORY_CONTENT, INVENTORY_DELETION, INVENTORY_NODE};

/// Deletions that are remembered, newest first.
const REMEMBERED: usize = 1_000;

/// What is kept of a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletionRecord {
    pub type_name: String,
    pub started: Timestamp,
    pub updated: Timestamp,
    pub finished: bool,
    pub client_token: Option<String>,
    /// How many items there were, by schema version.
    pub versions: BTreeMap<String, u64>,
}
json_record!(DeletionRecord, 1);

/// Where a deletion stands among all, newest first.
pub type Place = (Reverse<u64>, String);

/// How many items of a custom type there are, by schema version.
pub async fn preview(house: &House, type_name: &str) -> Result<BTreeMap<String, u64>, Refusal> {
    if !schema::is_custom(type_name) {
        return Err(Refusal::invalid(format!(
            "{type_name} cannot be deleted: only custom types can, as Custom:Rack"
        )));
    }
    schema::check_type_name(type_name)?;
    let mut versions = BTreeMap::new();
    for node in nodes_with(house, type_name).await? {
        let state = INVENTORY_NODE.get(&*house.store, &node).await?;
        let state = state.and_then(|row| row.value.types.get(type_name).cloned());
        if let Some(state) = state {
            *versions.entry(state.schema).or_default() += u64::from(state.items);
        }
    }
    Ok(versions)
}

/// Deletes a custom type. The same client token names the same deletion. Everything is gone when this returns.
pub async fn delete(
    house: &House,
    type_name: &str,
    client_token: Option<String>,
) -> Result<(String, DeletionRecord), Refusal> {
    let versions = preview(house, type_name).await?;
    let known = INVENTORY_DELETION.scan(&*house.store, &(), None, REMEMBERED).await?;
    let same = known.rows.iter().find(|row| client_token.is_some() && row.value.client_token == client_token);
    if let Some(row) = same {
        return Ok((row.key.1.clone(), row.value.clone()));
    }
    if versions.is_empty() {
        return Err(Refusal::not_found(format!("no node has told {type_name}")));
    }
    let (now, id) = (house.clock.now(), uuid::Uuid::new_v4().to_string());
    let record = DeletionRecord {
        type_name: type_name.to_owned(),
        started: now,
        updated: now,
        finished: false,
        client_token,
        versions,
    };
    let key = (Reverse(millis(now)), id.clone());
    let mut batch = Batch::new();
    INVENTORY_DELETION.insert(&mut batch, &key, &record)?;
    // The oldest makes room.
    if let Some(oldest) = known.rows.last().filter(|_| known.rows.len() >= REMEMBERED) {
        INVENTORY_DELETION.delete(&mut batch, &oldest.key);
    }
    house.store.commit(batch).await?;
    let record = finish(house, &key, record).await?;
    Ok((id, record))
}

/// Brings deletions to their end that were left in the middle.
pub async fn finish_all(house: &House) -> Result<(), Refusal> {
    let known = INVENTORY_DELETION.scan(&*house.store, &(), None, REMEMBERED).await?;
    for row in known.rows.into_iter().filter(|row| !row.value.finished) {
        finish(house, &row.key, row.value).await?;
    }
    Ok(())
}

async fn finish(house: &House, key: &Place, record: DeletionRecord) -> Result<DeletionRecord, Refusal> {
    for node in nodes_with(house, &record.type_name).await? {
        keep::drop_types(house, &node, |name, _| name == record.type_name).await?;
    }
    let record = DeletionRecord { finished: true, updated: house.clock.now(), ..record };
    let mut batch = Batch::new();
    INVENTORY_DELETION.put(&mut batch, key, &record)?;
    house.store.commit(batch).await?;
    Ok(record)
}

async fn nodes_with(house: &House, type_name: &str) -> Result<Vec<NodeId>, Refusal> {
    let mut nodes = Vec::new();
    let mut pages = Pages::of(&INVENTORY_CONTENT, type_name.to_owned());
    while let Some(rows) = pages.next(&*house.store).await? {
        nodes.extend(rows.into_iter().map(|row| row.key.1));
    }
    Ok(nodes)
}

/// Deletions after `after`, newest first, and where the next page starts.
pub async fn list(
    house: &House,
    after: Option<Place>,
    limit: usize,
) -> Result<(Vec<(Place, DeletionRecord)>, Option<Place>), Refusal> {
    let page = INVENTORY_DELETION.scan(&*house.store, &(), after.as_ref(), limit).await?;
    crate::records::note_unreadable(INVENTORY_DELETION.name(), &page.unreadable);
    let next = next_key(&page, limit);
    Ok((page.rows.into_iter().map(|row| (row.key, row.value)).collect(), next))
}
