//! The way back: what a type of a node was before.
//!
//! ```text
//! now ──undo──► before ──undo──► before that ──whole──► when it was there last time
//! ```
//!
//! A past state says from when until when it was so. Of shared items only the difference to what came next is kept.
//! How far back it goes is bounded by age and by number (see [`super::sweep`]).

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use fleetwright_store::{Batch, Reverse};

use super::content::Content;
use super::records::{PastRecord, TypeState, Was};
use crate::error::Refusal;
use crate::house::House;
use crate::records::Pages;
use crate::tables::{INVENTORY_CONTENT, INVENTORY_NODE, INVENTORY_PAST};

/// A type of a node at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    pub since: Timestamp,
    pub schema: String,
    pub content: Content,
}

/// Writes down what a type was, in the commit that changes it. `after` is what it becomes, if it stays.
pub(super) fn remember(
    batch: &mut Batch,
    node: &NodeId,
    type_name: &str,
    before: (&TypeState, &Content),
    after: Option<&Content>,
    until: Timestamp,
) -> Result<(), Refusal> {
    let (state, content) = before;
    let was = match (content, after) {
        (Content::Shared(before), Some(Content::Shared(after))) => {
            Was::Undo { put: not_in(before, after), drop: not_in(after, before) }
        }
        (content, _) => Was::Whole(content.to_text()),
    };
    let record = PastRecord { since: state.since, schema: state.schema.clone(), items: state.items, was };
    let key = (node.clone(), type_name.to_owned(), Reverse(millis(until)));
    Ok(INVENTORY_PAST.put(batch, &key, &record)?)
}

/// Of two ascending lists, what only the first has.
fn not_in(these: &[u32], those: &[u32]) -> Vec<u32> {
    these.iter().copied().filter(|id| those.binary_search(id).is_err()).collect()
}

pub(super) fn millis(moment: Timestamp) -> u64 {
    u64::try_from(moment.millis()).unwrap_or(0)
}

/// How a type of a node was at a moment; None when the node had not told it then, or that is too long ago.
pub async fn at(
    house: &House,
    node: &NodeId,
    type_name: &str,
    moment: Timestamp,
) -> Result<Option<Moment>, Refusal> {
    let mut found = current(house, node, type_name).await?;
    if found.as_ref().is_some_and(|found| found.since <= moment) {
        return Ok(found);
    }
    let mut pages = Pages::of(&INVENTORY_PAST, (node.clone(), type_name.to_owned()));
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in rows {
            let until = Timestamp::from_millis(i64::try_from(row.key.2.0).unwrap_or(i64::MAX));
            if until <= moment {
                return Ok(None);
            }
            found = Some(back(found, row.value)?);
            if found.as_ref().is_some_and(|found| found.since <= moment) {
                return Ok(found);
            }
        }
    }
    Ok(None)
}

/// Every type that a node has told, now or before.
pub async fn types(house: &House, node: &NodeId) -> Result<Vec<String>, Refusal> {
    let now = INVENTORY_NODE.get(&*house.store, node).await?;
    let mut found: std::collections::BTreeSet<String> =
        now.into_iter().flat_map(|row| row.value.types.into_keys()).collect();
    let mut pages = Pages::of(&INVENTORY_PAST, node.clone());
    while let Some(rows) = pages.next(&*house.store).await? {
        found.extend(rows.into_iter().map(|row| row.key.1));
    }
    Ok(found.into_iter().collect())
}

async fn current(house: &House, node: &NodeId, type_name: &str) -> Result<Option<Moment>, Refusal> {
    let Some(row) = INVENTORY_NODE.get(&*house.store, node).await? else { return Ok(None) };
    let Some(state) = row.value.types.get(type_name) else { return Ok(None) };
    let content = INVENTORY_CONTENT.get(&*house.store, &(type_name.to_owned(), node.clone())).await?;
    Ok(content.map(|row| Moment { since: state.since, schema: state.schema.clone(), content: row.value }))
}

/// One step back.
fn back(next: Option<Moment>, past: PastRecord) -> Result<Moment, Refusal> {
    let content = match past.was {
        Was::Whole(text) => Content::of_text(&text)?,
        Was::Undo { put, drop } => {
            let Some(Moment { content: Content::Shared(next), .. }) = next else {
                return Err(Refusal::internal("the history of a node's inventory has a hole"));
            };
            let mut ids: Vec<u32> = next.into_iter().filter(|id| !drop.contains(id)).chain(put).collect();
            ids.sort_unstable();
            Content::Shared(ids)
        }
    };
    Ok(Moment { since: past.since, schema: past.schema, content })
}
