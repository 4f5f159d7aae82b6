//! Items that nodes share: each is kept once, under a number.
//!
//! ```text
//! inventory-item-id   type, SHA-256 of the content ──► number
//! inventory-item      type, number ──► content          inventory-next   type ──► the number that is given next
//! ```
//!
//! Numbers are given in commits that insist on what they read, so that two processes never give one twice. A list that
//! names an item is committed with the condition that the item is there: who sweeps items cannot win against it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fleetwright_proto::inventory::{Attributes, ItemHash, item_hash};
use fleetwright_store::{Batch, CommitError};
use sha2::{Digest, Sha256};

use super::records::{ItemNumber, ItemRecord};
use crate::error::Refusal;
use crate::house::House;
use crate::records::COMMIT_ATTEMPTS;
use crate::tables::{INVENTORY_ITEM, INVENTORY_ITEM_ID, INVENTORY_NEXT};

/// Longest list that is kept as numbers: its conditions fit one commit.
pub(super) const SHARED_MAX: usize = 3_000;
/// Longest item that nodes share, bytes of its JSON.
const ITEM_MAX_BYTES: usize = 16 * 1024;
/// New items of one commit, as many as surely fit.
const NEW_AT_ONCE_BYTES: usize = 96 * 1024;

/// Types of which much is the same on every node.
const SHARED_TYPES: [&str; 5] =
    ["AWS:Application", "AWS:AWSComponent", "AWS:Service", "AWS:WindowsRole", "AWS:WindowsUpdate"];

/// A shared item in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedItem {
    pub hash: ItemHash,
    pub attributes: Attributes,
}

/// Items by number.
pub type Items = HashMap<u32, Arc<SharedItem>>;

/// Whether a list of this type is kept as numbers.
pub(super) fn are_shared<'a>(
    type_name: &str,
    mut items: impl ExactSizeIterator<Item = &'a Attributes>,
) -> bool {
    let is_short = |item: &Attributes| {
        item.iter().map(|(name, value)| name.len() + value.len() + 8).sum::<usize>() <= ITEM_MAX_BYTES
    };
    SHARED_TYPES.contains(&type_name) && items.len() <= SHARED_MAX && items.all(is_short)
}

/// The numbers of items, which are given to those that have none yet. Durable when this returns.
pub(super) async fn numbers(
    house: &House,
    type_name: &str,
    items: &[Attributes],
) -> Result<Vec<u32>, Refusal> {
    let mut known = BTreeMap::new();
    let mut missing = Vec::new();
    for item in items {
        let name = content_name(item);
        if known.contains_key(&name) || missing.iter().any(|(other, _)| *other == name) {
            continue;
        }
        match INVENTORY_ITEM_ID.get(&*house.store, &(type_name.to_owned(), name.clone())).await? {
            Some(row) => drop(known.insert(name, row.value.id)),
            None => missing.push((name, item)),
        }
    }
    let mut rest = missing.as_slice();
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |(_, item): &&(String, &Attributes)| {
            bytes += item.iter().map(|(name, value)| name.len() + value.len() + 8).sum::<usize>() + 256;
            bytes <= NEW_AT_ONCE_BYTES
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (now, later) = rest.split_at(count);
        known.extend(insert(house, type_name, now).await?);
        rest = later;
    }
    Ok(known.into_values().collect())
}

/// Gives numbers to items that had none a moment ago.
async fn insert(
    house: &House,
    type_name: &str,
    items: &[(String, &Attributes)],
) -> Result<Vec<(String, u32)>, Refusal> {
    for _ in 0..COMMIT_ATTEMPTS {
        let next = INVENTORY_NEXT.get(&*house.store, &type_name.to_owned()).await?;
        let first = next.as_ref().map_or(0, |row| row.value.id);
        let (mut batch, mut given, mut id) = (Batch::new(), Vec::with_capacity(items.len()), first);
        for (name, item) in items {
            let key = (type_name.to_owned(), name.clone());
            // Another process may have been quicker.
            if let Some(row) = INVENTORY_ITEM_ID.get(&*house.store, &key).await? {
                given.push((name.clone(), row.value.id));
                continue;
            }
            INVENTORY_ITEM_ID.insert(&mut batch, &key, &ItemNumber { id })?;
            let record = ItemRecord { attributes: (*item).clone() };
            INVENTORY_ITEM.put(&mut batch, &(type_name.to_owned(), id), &record)?;
            given.push((name.clone(), id));
            id = id.checked_add(1).ok_or_else(|| {
                Refusal::exhausted(format!("{type_name} has had more different items than can be numbered"))
            })?;
        }
        match next {
            Some(mut row) => {
                row.value.id = id;
                INVENTORY_NEXT.replace(&mut batch, &row)?;
            }
            None => INVENTORY_NEXT.insert(&mut batch, &type_name.to_owned(), &ItemNumber { id })?,
        }
        match house.store.commit(batch).await {
            Ok(_) => return Ok(given),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict { key: INVENTORY_NEXT.key_bytes(&type_name.to_owned()) }.into())
}

/// Items by their numbers, from memory as far as they are there. One that is not in the store is left out.
pub(super) async fn load(
    house: &House,
    type_name: &str,
    ids: impl IntoIterator<Item = u32>,
) -> Result<Items, Refusal> {
    let mut found = house.catalogue.known_items(type_name, ids);
    for id in std::mem::take(&mut found.missing) {
        if let Some(row) = INVENTORY_ITEM.get(&*house.store, &(type_name.to_owned(), id)).await? {
            let attributes = row.value.attributes;
            let item = Arc::new(SharedItem { hash: item_hash(&attributes), attributes });
            house.catalogue.remember(type_name, id, &item);
            found.items.insert(id, item);
        }
    }
    Ok(found.items)
}

/// Names an item among all of the fleet: nobody can make another one with the same name.
fn content_name(item: &Attributes) -> String {
    let text = serde_json::to_vec(item).unwrap_or_default();
    hex::encode(Sha256::digest(text))
}

/// The name of a stored item, for who deletes it.
pub(super) fn stored_name(item: &ItemRecord) -> String {
    content_name(&item.attributes)
}
