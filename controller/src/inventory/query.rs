//! Which nodes have something: a query over the whole fleet, now or at a moment.
//!
//! ```text
//! lists in memory ──► each different item is asked once ──► each different list is looked through once ──► nodes
//! ```
//!
//! Types that are not shared, and all types at a moment of the past, are read from their rows, a node at a time.

pub mod evaluate;
pub mod parse;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use fleetwright_proto::inventory::Attributes;

use super::content::Content;
use super::history;
use super::items::{self, SharedItem};
use super::read;
use super::schema::TAGS;
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::operations::matching;
use crate::nodes::records::NodeRecord;
use crate::nodes::targets::Selector;
use crate::records::Pages;
use crate::tables::{INVENTORY_CONTENT, NODE};
pub use parse::{Query, parse};

/// A node that a query finds, and what of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub node: NodeId,
    pub name: String,
    pub items: Vec<Attributes>,
}

/// How many nodes have something in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    pub value: String,
    pub nodes: u64,
    pub items: u64,
}

/// By what nodes are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// An attribute of what was found.
    Attribute(String),
    /// Linux or Windows.
    Platform,
    /// The value of a tag.
    Tag(String),
    /// These groups; a node may be in several.
    Groups(Vec<String>),
}

/// Which nodes are asked, and of what time.
#[derive(Debug, Clone)]
pub struct Scope {
    pub targets: Vec<Selector>,
    pub at: Option<Timestamp>,
}

impl Default for Scope {
    fn default() -> Self {
        Self { targets: vec![Selector::All], at: None }
    }
}

/// Every node in scope that has an item of the kind, by id. `matched` are those items.
pub async fn run(house: &House, query: &Query, scope: &Scope) -> Result<Vec<Found>, Refusal> {
    let nodes = in_scope(house, scope).await?;
    let mut found = Vec::new();
    for (node, items) in matches(house, query, scope.at, &nodes).await? {
        let name = nodes[&node].name().to_owned();
        let items = items.iter().map(|item| item.attributes.clone()).collect();
        found.push(Found { node, name, items });
    }
    Ok(found)
}

/// Every node in scope that has no such item.
pub async fn missing(house: &House, query: &Query, scope: &Scope) -> Result<Vec<Found>, Refusal> {
    let nodes = in_scope(house, scope).await?;
    let have: HashSet<_> = matches(house, query, scope.at, &nodes).await?.into_keys().collect();
    let without = nodes.iter().filter(|(node, _)| !have.contains(*node));
    let found = |(node, record): (&NodeId, &NodeRecord)| Found {
        node: node.clone(),
        name: record.name().to_owned(),
        items: Vec::new(),
    };
    Ok(without.map(found).collect())
}

/// The ids of the nodes that a query finds, of all.
pub async fn node_ids(house: &House, query: &Query) -> Result<std::collections::BTreeSet<NodeId>, Refusal> {
    // Not by targets: it is targets that ask for this.
    let mut nodes = BTreeMap::new();
    let mut pages = Pages::of(&NODE, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        nodes.extend(rows.into_iter().map(|row| (row.key, row.value)));
    }
    Ok(matches(house, query, None, &nodes).await?.into_keys().collect())
}

/// How many nodes a query finds, by something; most first.
pub async fn count(house: &House, query: &Query, scope: &Scope, by: &By) -> Result<Vec<Counted>, Refusal> {
    let nodes = in_scope(house, scope).await?;
    let groups = match by {
        By::Groups(names) => members(house, names).await?,
        _ => BTreeMap::new(),
    };
    let mut counted: BTreeMap<String, (u64, u64)> =
        groups.keys().map(|name| (name.clone(), (0, 0))).collect();
    for (node, items) in matches(house, query, scope.at, &nodes).await? {
        let record = &nodes[&node];
        let mut values: BTreeMap<String, u64> = BTreeMap::new();
        let all = items.len() as u64;
        match by {
            By::Attribute(name) => {
                for item in &items {
                    *values.entry(item.attributes.get(name).cloned().unwrap_or_default()).or_default() += 1;
                }
            }
            By::Platform => drop(values.insert(record.facts.platform_type.clone(), all)),
            By::Tag(key) => drop(values.insert(record.tags.get(key).cloned().unwrap_or_default(), all)),
            By::Groups(_) => {
                values.extend(
                    groups
                        .iter()
                        .filter(|(_, nodes)| nodes.contains(&node))
                        .map(|(name, _)| (name.clone(), all)),
                );
            }
        }
        for (value, items) in values {
            let count = counted.entry(value).or_default();
            *count = (count.0 + 1, count.1 + items);
        }
    }
    let mut counted: Vec<_> =
        counted.into_iter().map(|(value, (nodes, items))| Counted { value, nodes, items }).collect();
    counted.sort_by(|one, other| other.nodes.cmp(&one.nodes).then_with(|| one.value.cmp(&other.value)));
    Ok(counted)
}

async fn members(house: &House, groups: &[String]) -> Result<BTreeMap<String, HashSet<NodeId>>, Refusal> {
    let mut found = BTreeMap::new();
    for name in groups {
        let nodes = matching(house, &[Selector::Group(vec![name.clone()])]).await?;
        found.insert(name.clone(), nodes.into_iter().map(|(node, _)| node).collect());
    }
    Ok(found)
}

async fn in_scope(house: &House, scope: &Scope) -> Result<BTreeMap<NodeId, NodeRecord>, Refusal> {
    Ok(matching(house, &scope.targets).await?.into_iter().collect())
}

type Matches = BTreeMap<NodeId, Vec<Arc<SharedItem>>>;

async fn matches(
    house: &House,
    query: &Query,
    at: Option<Timestamp>,
    nodes: &BTreeMap<NodeId, NodeRecord>,
) -> Result<Matches, Refusal> {
    if query.type_name == TAGS {
        return tags(house, query, nodes).await;
    }
    match at {
        Some(moment) => past(house, query, moment, nodes).await,
        None => {
            let mut found = shared(house, query, nodes).await?;
            found.extend(own(house, query, nodes).await?);
            Ok(found)
        }
    }
}

fn is_wanted(query: &Query, item: &Attributes) -> bool {
    query.condition.as_ref().is_none_or(|condition| evaluate::holds(condition, item))
}

/// Asks each different item once, and each different list.
async fn shared(
    house: &House,
    query: &Query,
    nodes: &BTreeMap<NodeId, NodeRecord>,
) -> Result<Matches, Refusal> {
    house.catalogue.until_followed(house).await?;
    let lists = house.catalogue.lists(&query.type_name);
    let different: HashMap<usize, &Arc<[u32]>> =
        lists.iter().map(|(_, list)| (list.as_ptr().addr(), list)).collect();
    let mut seen = Bits::default();
    let ids: Vec<u32> =
        different.values().flat_map(|list| list.iter().copied()).filter(|id| seen.insert(*id)).collect();
    let items = items::load(house, &query.type_name, ids).await?;
    let mut wanted = Bits::default();
    for (id, item) in &items {
        if is_wanted(query, &item.attributes) {
            wanted.insert(*id);
        }
    }
    let of_list = |list: &Arc<[u32]>| -> Vec<Arc<SharedItem>> {
        list.iter().filter(|id| wanted.contains(**id)).filter_map(|id| items.get(id).cloned()).collect()
    };
    let answers: HashMap<usize, Vec<Arc<SharedItem>>> =
        different.into_iter().map(|(at, list)| (at, of_list(list))).collect();
    let found = lists.iter().filter(|(node, _)| nodes.contains_key(node)).filter_map(|(node, list)| {
        let items = answers.get(&list.as_ptr().addr()).filter(|items| !items.is_empty())?;
        Some((node.clone(), items.clone()))
    });
    Ok(found.collect())
}

/// Numbers that were put in.
#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    /// Whether it was new.
    fn insert(&mut self, id: u32) -> bool {
        let (word, bit) = (id as usize / 64, 1_u64 << (id % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    fn contains(&self, id: u32) -> bool {
        self.0.get(id as usize / 64).is_some_and(|word| word & (1 << (id % 64)) != 0)
    }
}

async fn own(house: &House, query: &Query, nodes: &BTreeMap<NodeId, NodeRecord>) -> Result<Matches, Refusal> {
    let mut found = Matches::new();
    let mut pages = Pages::of(&INVENTORY_CONTENT, query.type_name.clone());
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in rows.into_iter().filter(|row| nodes.contains_key(&row.key.1)) {
            if matches!(row.value, Content::Shared(_)) {
                continue;
            }
            let items = Content::unpacked(house, &row.value).await?;
            add(&mut found, row.key.1, query, items);
        }
    }
    Ok(found)
}

async fn past(
    house: &House,
    query: &Query,
    moment: Timestamp,
    nodes: &BTreeMap<NodeId, NodeRecord>,
) -> Result<Matches, Refusal> {
    let mut found = Matches::new();
    for node in nodes.keys() {
        if let Some(then) = history::at(house, node, &query.type_name, moment).await? {
            let items = read::items_of(house, &query.type_name, &then.content).await?;
            add(&mut found, node.clone(), query, items);
        }
    }
    Ok(found)
}

async fn tags(
    house: &House,
    query: &Query,
    nodes: &BTreeMap<NodeId, NodeRecord>,
) -> Result<Matches, Refusal> {
    let mut found = Matches::new();
    for (node, record) in nodes {
        let view = read::read(house, (node, record), TAGS, None).await?;
        add(&mut found, node.clone(), query, view.map(|view| view.items).unwrap_or_default());
    }
    Ok(found)
}

fn add(found: &mut Matches, node: NodeId, query: &Query, items: Vec<Attributes>) {
    let wanted: Vec<_> = items
        .into_iter()
        .filter(|item| is_wanted(query, item))
        .map(|attributes| Arc::new(SharedItem { hash: 0, attributes }))
        .collect();
    if !wanted.is_empty() {
        found.insert(node, wanted);
    }
}
