//! What of the inventory goes by itself: history that is too old or too long, items that no list names, and blobs that
//! no row names.
//!
//! An item or blob may have been written a moment before the row that is to name it: only who is without one at the
//! next run, too, was left. A list that takes up an item in between is committed on the condition that it is there.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use fleetwright_proto::ids::NodeId;
use fleetwright_store::{Batch, CommitError, Reverse};

use super::content::{self, Content};
use super::items::stored_name;
use super::records::Was;
use crate::error::Refusal;
use crate::house::House;
use crate::records::Pages;
use crate::tables::{INVENTORY_CONTENT, INVENTORY_ITEM, INVENTORY_ITEM_ID, INVENTORY_NODE, INVENTORY_PAST};

/// How often [`Sweep::run_once`] is due.
pub const INTERVAL: Duration = Duration::from_secs(6 * 3600);
/// Past states of one type of one node that are kept at most, newest first.
pub const PAST_MAX: usize = 500;
/// Rows that are deleted in one commit.
const DELETED_AT_ONCE: usize = 1_000;

/// What one run remembers for the next.
#[derive(Debug, Default)]
pub struct Sweep {
    items: HashSet<(String, u32)>,
    blobs: BTreeSet<String>,
}

/// What rows name.
#[derive(Debug, Default)]
struct Named {
    items: HashSet<(String, u32)>,
    blobs: BTreeSet<String>,
}

impl Named {
    fn add(&mut self, type_name: &str, content: Content) {
        match content {
            Content::Shared(ids) => self.items.extend(ids.into_iter().map(|id| (type_name.to_owned(), id))),
            Content::Blob(name) => drop(self.blobs.insert(name)),
            Content::Own(_) => {}
        }
    }
}

impl Sweep {
    pub async fn run_once(&mut self, house: &House) -> Result<(), Refusal> {
        super::deletions::finish_all(house).await?;
        delete_old(house).await?;
        // Listed before the rows are read: what is written meanwhile is not looked at.
        let blobs = blobs(house).await?;
        let named = named(house).await?;
        let mut items = HashSet::new();
        let mut pages = Pages::of(&INVENTORY_ITEM, ());
        while let Some(rows) = pages.next(&*house.store).await? {
            for row in rows.into_iter().filter(|row| !named.items.contains(&row.key)) {
                if !self.items.contains(&row.key) {
                    items.insert(row.key);
                    continue;
                }
                let mut batch = Batch::new();
                INVENTORY_ITEM.delete_at(&mut batch, &row.key, row.revision);
                INVENTORY_ITEM_ID.delete(&mut batch, &(row.key.0.clone(), stored_name(&row.value)));
                house.store.commit(batch).await?;
            }
        }
        self.items = items;
        let mut without_row = BTreeSet::new();
        for name in blobs.into_iter().filter(|name| !named.blobs.contains(name)) {
            if self.blobs.contains(&name) {
                house.blobs.delete_prefix(&content::blob(&name)?).await?;
            } else {
                without_row.insert(name);
            }
        }
        self.blobs = without_row;
        house.catalogue.prune();
        Ok(())
    }
}

async fn blobs(house: &House) -> Result<BTreeSet<String>, Refusal> {
    let listed = house.blobs.list(Some(&content::FOLDER.parse()?)).await?;
    Ok(listed.iter().filter_map(|blob| blob.path.to_string().split('/').nth(1).map(str::to_owned)).collect())
}

async fn named(house: &House) -> Result<Named, Refusal> {
    let mut named = Named::default();
    // The past after the present: what moves from one to the other meanwhile is seen in one of them.
    let mut contents = Pages::of(&INVENTORY_CONTENT, ());
    while let Some(rows) = contents.next(&*house.store).await? {
        for row in rows {
            named.add(&row.key.0, row.value);
        }
    }
    let mut past = Pages::of(&INVENTORY_PAST, ());
    while let Some(rows) = past.next(&*house.store).await? {
        for row in rows {
            let type_name = row.key.1;
            match row.value.was {
                Was::Undo { put, drop: _ } => {
                    named.items.extend(put.into_iter().map(|id| (type_name.clone(), id)));
                }
                Was::Whole(text) => named.add(&type_name, Content::of_text(&text)?),
            }
        }
    }
    Ok(named)
}

/// Past states that are older than the history is kept, and those beyond its length.
async fn delete_old(house: &House) -> Result<(), Refusal> {
    let now = house.clock.now();
    let keep = u64::try_from(house.limits.keep_inventory.as_millis()).unwrap_or(u64::MAX);
    let oldest = super::history::millis(now).saturating_sub(keep);
    let mut counted: Option<((NodeId, String), usize)> = None;
    let mut batch = Batch::new();
    let mut pages = Pages::of(&INVENTORY_PAST, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in rows {
            let (node, type_name, Reverse(until)) = &row.key;
            let of = (node.clone(), type_name.clone());
            let number = match &counted {
                Some((before, number)) if *before == of => number + 1,
                _ => 0,
            };
            counted = Some((of, number));
            if *until < oldest || number >= PAST_MAX {
                INVENTORY_PAST.delete(&mut batch, &row.key);
            }
            if batch.items() >= DELETED_AT_ONCE {
                house.store.commit(std::mem::take(&mut batch)).await?;
            }
        }
    }
    if !batch.is_empty() {
        house.store.commit(batch).await?;
    }
    Ok(())
}

/// Everything of a node that has left.
pub async fn forget(house: &House, node: &NodeId) -> Result<(), Refusal> {
    house.catalogue.forget(node);
    if let Some(row) = INVENTORY_NODE.get(&*house.store, node).await? {
        let mut batch = Batch::new();
        for type_name in row.value.types.keys() {
            INVENTORY_CONTENT.delete(&mut batch, &(type_name.clone(), node.clone()));
        }
        INVENTORY_NODE.delete_at(&mut batch, node, row.revision);
        match house.store.commit(batch).await {
            Ok(revision) => house.catalogue.expect(revision, super::catalogue::Wrote::Lists),
            Err(CommitError::Conflict { .. }) => {
                return Err(Refusal::conflict("the inventory changed just now"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut pages = Pages::of(&INVENTORY_PAST, node.clone());
    while let Some(rows) = pages.next(&*house.store).await? {
        let mut batch = Batch::new();
        for row in rows {
            INVENTORY_PAST.delete(&mut batch, &row.key);
        }
        house.store.commit(batch).await?;
    }
    Ok(())
}

/// How many past states there are of a node, by type: for tests and a status.
pub async fn past_states(house: &House, node: &NodeId) -> Result<BTreeMap<String, usize>, Refusal> {
    let mut counted = BTreeMap::new();
    let mut pages = Pages::of(&INVENTORY_PAST, node.clone());
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in rows {
            *counted.entry(row.key.1).or_default() += 1;
        }
    }
    Ok(counted)
}
