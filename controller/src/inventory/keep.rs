//! Takes in what a node tells, in one commit, and refuses what does not fit what is here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use fleetwright_proto::inventory::{Attributes, InventoryDigest, ItemHash, item_hash, type_digest};
use fleetwright_store::{Batch, CommitError, Row};

use super::catalogue::Wrote;
use super::content::Content;
use super::history;
use super::items;
use super::records::{NodeInventory, Teller, TypeState};
use super::schema;
use crate::error::Refusal;
use crate::house::House;
use crate::records::COMMIT_ATTEMPTS;
use crate::tables::{INVENTORY_CONTENT, INVENTORY_ITEM, INVENTORY_NODE, NODE};

/// Types of one node.
pub const TYPES_MAX: usize = 60;

/// What a node tells, put together from its pieces.
#[derive(Debug, Clone)]
pub struct Told {
    pub captured: Timestamp,
    /// The digest of everything that the node holds.
    pub holds: Vec<u8>,
    pub types: Vec<ToldType>,
    pub extent: Extent,
}

/// Whether that is all that the node holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    These,
    All,
}

/// The change of one type.
#[derive(Debug, Clone, Default)]
pub struct ToldType {
    pub type_name: String,
    pub schema: String,
    /// The digest before; empty: `added` is everything.
    pub base: Vec<u8>,
    pub digest: Vec<u8>,
    pub added: Vec<Attributes>,
    pub removed: Vec<ItemHash>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Durable, and the same on both sides.
    Confirmed,
    /// The two sides do not have the same before.
    SendWhole,
}

/// A type as it is to be.
struct Next {
    state: TypeState,
    content: Content,
    /// Shared items that may not have been in the list before.
    added: Vec<u32>,
}

/// What a change comes to.
enum Decided {
    Nothing,
    SendWhole,
    Write(BTreeMap<String, Option<Next>>),
}

/// Takes in what a node tells. Durable when this says that it is confirmed.
pub async fn told(house: &House, node: &NodeId, told: Told) -> Result<Kept, Refusal> {
    check(&told)?;
    for _ in 0..COMMIT_ATTEMPTS {
        let row = INVENTORY_NODE.get(&*house.store, node).await?;
        let known = row.as_ref().map(|row| &row.value);
        let (mut batch, mut wrote) = (Batch::new(), Wrote::Nothing);
        match decide(house, node, &told, known).await? {
            Decided::SendWhole => return Ok(Kept::SendWhole),
            // Answered without a write: what was read must be durable.
            Decided::Nothing => match &row {
                Some(row) => drop(batch.require(INVENTORY_NODE.unchanged(row))),
                None => drop(batch.require(INVENTORY_NODE.absent(node))),
            },
            Decided::Write(next) => {
                wrote = Wrote::Lists;
                write(house, &mut batch, node, row, next, told.captured).await?;
            }
        }
        match house.store.commit(batch).await {
            Ok(revision) => {
                house.catalogue.looked(node, told.captured);
                house.catalogue.expect(revision, wrote);
                return Ok(Kept::Confirmed);
            }
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::unavailable(format!("the inventory of {node} changes too often at this moment")))
}

/// Puts whole types that the node itself does not tell. Durable when this returns.
pub async fn put(house: &House, node: &NodeId, types: Vec<(ToldType, Timestamp)>) -> Result<(), Refusal> {
    for (told, _) in &types {
        check_type(told)?;
    }
    for _ in 0..COMMIT_ATTEMPTS {
        let row = INVENTORY_NODE.get(&*house.store, node).await?;
        let mut next = BTreeMap::new();
        let mut latest = Timestamp::default();
        for (told, captured) in &types {
            let before = row.as_ref().and_then(|row| row.value.types.get(&told.type_name));
            if before.is_some_and(|before| before.teller == Teller::Node) {
                return Err(Refusal::conflict(format!(
                    "{} of {node} is told by the node itself: it cannot be put",
                    told.type_name
                )));
            }
            let made = make(house, told, told.added.clone(), *captured, Teller::Caller).await?;
            latest = latest.max(*captured);
            if before.is_none_or(|before| before.digest != made.state.digest) {
                next.insert(told.type_name.clone(), Some(made));
            }
        }
        if next.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        write(house, &mut batch, node, row, next, latest).await?;
        match house.store.commit(batch).await {
            Ok(revision) => {
                house.catalogue.expect(revision, Wrote::Lists);
                return Ok(());
            }
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::unavailable(format!("the inventory of {node} changes too often at this moment")))
}

/// Takes types away. What they were stays in the history. Returns how many items there were.
pub async fn drop_types(
    house: &House,
    node: &NodeId,
    is_gone: impl Fn(&str, &TypeState) -> bool,
) -> Result<u64, Refusal> {
    for _ in 0..COMMIT_ATTEMPTS {
        let Some(row) = INVENTORY_NODE.get(&*house.store, node).await? else { return Ok(0) };
        let gone = row.value.types.iter().filter(|(name, state)| is_gone(name, state));
        let gone: Vec<_> = gone.map(|(name, state)| (name.clone(), u64::from(state.items))).collect();
        if gone.is_empty() {
            return Ok(0);
        }
        let next = gone.iter().map(|(name, _)| (name.clone(), None)).collect();
        let mut batch = Batch::new();
        write(house, &mut batch, node, Some(row), next, house.clock.now()).await?;
        match house.store.commit(batch).await {
            Ok(revision) => {
                house.catalogue.expect(revision, Wrote::Lists);
                return Ok(gone.iter().map(|(_, items)| items).sum());
            }
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::unavailable(format!("the inventory of {node} changes too often at this moment")))
}

fn check(told: &Told) -> Result<(), Refusal> {
    let mut names = BTreeSet::new();
    for one in &told.types {
        check_type(one)?;
        if !names.insert(&one.type_name) {
            return Err(Refusal::invalid(format!("{} is told twice at once", one.type_name)));
        }
    }
    Ok(())
}

fn check_type(told: &ToldType) -> Result<(), Refusal> {
    schema::check_type_name(&told.type_name)?;
    schema::check_schema_version(&told.type_name, &told.schema)?;
    schema::check_items(&told.type_name, &told.added)
}

async fn decide(
    house: &House,
    node: &NodeId,
    told: &Told,
    known: Option<&NodeInventory>,
) -> Result<Decided, Refusal> {
    let empty = NodeInventory::default();
    let known = known.unwrap_or(&empty);
    let mut after = known.clone();
    let mut next = BTreeMap::new();
    for one in &told.types {
        let before = known.types.get(&one.type_name).filter(|state| state.teller == Teller::Node);
        if before.is_some_and(|before| before.digest == hex::encode(&one.digest)) {
            continue;
        }
        let made = if one.base.is_empty() {
            make(house, one, one.added.clone(), told.captured, Teller::Node).await?
        } else if before.is_some_and(|before| before.digest == hex::encode(&one.base)) {
            match changed(house, node, one, told.captured).await? {
                Some(made) => made,
                None => return Ok(Decided::SendWhole),
            }
        } else {
            return Ok(Decided::SendWhole);
        };
        if made.state.digest != hex::encode(&one.digest) {
            return Ok(Decided::SendWhole);
        }
        after.types.insert(one.type_name.clone(), made.state.clone());
        next.insert(one.type_name.clone(), Some(made));
    }
    if told.extent == Extent::All {
        let named: BTreeSet<_> = told.types.iter().map(|one| one.type_name.as_str()).collect();
        let is_gone = |name: &str, state: &TypeState| state.teller == Teller::Node && !named.contains(name);
        let gone: Vec<_> = after
            .types
            .iter()
            .filter(|(name, state)| is_gone(name, state))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            after.types.remove(&name);
            next.insert(name, None);
        }
    }
    let is_same = after.held().is_some_and(|held| held.as_slice() == told.holds);
    Ok(match (is_same, next.is_empty()) {
        (false, _) => Decided::SendWhole,
        (true, true) => Decided::Nothing,
        (true, false) => Decided::Write(next),
    })
}

/// A type as it is after a change of what is here. None when what is here cannot be read: then the node is to say
/// everything.
async fn changed(
    house: &House,
    node: &NodeId,
    told: &ToldType,
    since: Timestamp,
) -> Result<Option<Next>, Refusal> {
    let row = INVENTORY_CONTENT.get(&*house.store, &(told.type_name.clone(), node.clone())).await?;
    let Some(Row { value: content, .. }) = row else { return Ok(None) };
    let removed: BTreeSet<_> = told.removed.iter().copied().collect();
    let Content::Shared(ids) = content else {
        let items = Content::unpacked(house, &content).await?;
        let kept = items.into_iter().filter(|item| !removed.contains(&item_hash(item)));
        let items = kept.chain(told.added.iter().cloned()).collect();
        return make(house, told, items, since, Teller::Node).await.map(Some);
    };
    let known = items::load(house, &told.type_name, ids.iter().copied()).await?;
    if known.len() < ids.len() {
        return Ok(None);
    }
    let kept: Vec<_> = known.into_iter().filter(|(_, item)| !removed.contains(&item.hash)).collect();
    let all = kept.iter().map(|(_, item)| &item.attributes).chain(&told.added);
    if !items::are_shared(&told.type_name, all.collect::<Vec<_>>().into_iter()) {
        let items =
            kept.into_iter().map(|(_, item)| item.attributes.clone()).chain(told.added.iter().cloned());
        return make(house, told, items.collect(), since, Teller::Node).await.map(Some);
    }
    // What stays keeps its numbers: only what is new is looked up.
    let new: Vec<_> = told.added.iter().cloned().map(without_empty).collect();
    let mut hashes: Vec<_> =
        kept.iter().map(|(_, item)| item.hash).chain(new.iter().map(item_hash)).collect();
    hashes.sort_unstable();
    hashes.dedup();
    let added = items::numbers(house, &told.type_name, &new).await?;
    let mut now: Vec<_> = kept.into_iter().map(|(id, _)| id).chain(added.iter().copied()).collect();
    now.sort_unstable();
    now.dedup();
    let state = state(told, &hashes, since, Teller::Node);
    Ok(Some(Next { state, content: Content::Shared(now), added }))
}

fn state(told: &ToldType, hashes: &[ItemHash], since: Timestamp, teller: Teller) -> TypeState {
    let digest: InventoryDigest = type_digest(&told.type_name, &told.schema, hashes);
    TypeState {
        schema: told.schema.clone(),
        digest: hex::encode(digest),
        since,
        items: u32::try_from(hashes.len()).unwrap_or(u32::MAX),
        teller,
    }
}

/// A type with these items, each of them once.
async fn make(
    house: &House,
    told: &ToldType,
    items: Vec<Attributes>,
    since: Timestamp,
    teller: Teller,
) -> Result<Next, Refusal> {
    let items: BTreeMap<ItemHash, Attributes> =
        items.into_iter().map(|item| (item_hash(&item), without_empty(item))).collect();
    let hashes: Vec<_> = items.keys().copied().collect();
    let state = state(told, &hashes, since, teller);
    let items: Vec<_> = items.into_values().collect();
    schema::check_size(&told.type_name, &items)?;
    if !items::are_shared(&told.type_name, items.iter()) {
        return Ok(Next { state, content: Content::own(house, &items).await?, added: Vec::new() });
    }
    let mut ids = items::numbers(house, &told.type_name, &items).await?;
    ids.sort_unstable();
    Ok(Next { state, content: Content::Shared(ids.clone()), added: ids })
}

fn without_empty(item: Attributes) -> Attributes {
    item.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// Everything that a change of a node's inventory is, as one commit.
async fn write(
    house: &House,
    batch: &mut Batch,
    node: &NodeId,
    row: Option<Row<NodeId, NodeInventory>>,
    next: BTreeMap<String, Option<Next>>,
    captured: Timestamp,
) -> Result<(), Refusal> {
    // A node that leaves takes its inventory with it, and gets no new one.
    batch.require(NODE.exists(node));
    let mut types: BTreeMap<String, TypeState> =
        row.as_ref().map(|row| row.value.types.clone()).unwrap_or_default();
    let mut contents: HashMap<&str, Content> = HashMap::new();
    for name in next.keys().filter(|name| types.contains_key(*name)) {
        let key = (name.clone(), node.clone());
        if let Some(row) = INVENTORY_CONTENT.get(&*house.store, &key).await? {
            contents.insert(name, row.value);
        }
    }
    for (name, made) in &next {
        let key = (name.clone(), node.clone());
        let after = made.as_ref().map(|made| &made.content);
        if let Some((state, content)) = types.get(name).zip(contents.get(name.as_str())) {
            // Two changes of one millisecond: the later is the one that is remembered.
            let until = captured.max(state.since.plus(std::time::Duration::from_millis(1)));
            history::remember(batch, node, name, (state, content), after, until)?;
        }
        match made {
            Some(made) => {
                let since = types.get(name).map_or(made.state.since, |before| {
                    made.state.since.max(before.since.plus(std::time::Duration::from_millis(1)))
                });
                types.insert(name.clone(), TypeState { since, ..made.state.clone() });
                INVENTORY_CONTENT.put(batch, &key, &made.content)?;
                for id in &made.added {
                    batch.require(INVENTORY_ITEM.exists(&(name.clone(), *id)));
                }
            }
            None => {
                types.remove(name);
                INVENTORY_CONTENT.delete(batch, &key);
            }
        }
    }
    if types.len() > TYPES_MAX {
        return Err(Refusal::exhausted(format!(
            "{node} tells {} types of inventory: {TYPES_MAX} at most",
            types.len()
        )));
    }
    let inventory = NodeInventory { types };
    match row {
        Some(mut row) => {
            row.value = inventory;
            INVENTORY_NODE.replace(batch, &row)?;
        }
        None => INVENTORY_NODE.insert(batch, node, &inventory)?,
    }
    Ok(())
}
