//! What is on one node, now or at a moment, and what changed between two.

use std::collections::BTreeMap;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use fleetwright_proto::inventory::Attributes;

use super::content::Content;
use super::history::{self, Moment};
use super::items;
use super::schema::{self, TAGS};
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::records::NodeRecord;
use crate::tables::INVENTORY_NODE;

/// A type of a node with its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeView {
    pub type_name: String,
    pub schema: String,
    /// Since when it is so.
    pub since: Timestamp,
    pub items: Vec<Attributes>,
}

/// Which types a node has now, without their items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeSummary {
    pub type_name: String,
    pub schema: String,
    pub since: Timestamp,
    pub items: u32,
}

/// What is on a node, without the items.
pub async fn summary(house: &House, node: &NodeId, record: &NodeRecord) -> Result<Vec<TypeSummary>, Refusal> {
    let known = INVENTORY_NODE.get(&*house.store, node).await?;
    let types = known.map(|row| row.value.types).unwrap_or_default();
    let mut found: Vec<_> = types
        .into_iter()
        .map(|(type_name, state)| TypeSummary {
            type_name,
            schema: state.schema,
            since: state.since,
            items: state.items,
        })
        .collect();
    let tags = tags(record);
    let items = u32::try_from(tags.items.len()).unwrap_or(u32::MAX);
    found.push(TypeSummary { type_name: tags.type_name, schema: tags.schema, since: tags.since, items });
    found.sort_by(|one, other| one.type_name.cmp(&other.type_name));
    Ok(found)
}

/// One type of a node; None when the node has not told it, or had not at that moment.
pub async fn read(
    house: &House,
    (node, record): (&NodeId, &NodeRecord),
    type_name: &str,
    at: Option<Timestamp>,
) -> Result<Option<TypeView>, Refusal> {
    schema::check_type_name(type_name)?;
    if type_name == TAGS {
        return Ok(Some(tags(record)));
    }
    let moment = history::at(house, node, type_name, at.unwrap_or(Timestamp::from_millis(i64::MAX))).await?;
    match moment {
        Some(moment) => view(house, type_name, moment).await.map(Some),
        None => Ok(None),
    }
}

/// Every type of a node, now or at a moment.
pub async fn all(
    house: &House,
    node: (&NodeId, &NodeRecord),
    at: Option<Timestamp>,
) -> Result<Vec<TypeView>, Refusal> {
    let mut found = Vec::new();
    for type_name in history::types(house, node.0).await? {
        // A type of a later release is shown by that release.
        if schema::check_type_name(&type_name).is_ok() {
            found.extend(read(house, node, &type_name, at).await?);
        }
    }
    if at.is_none() {
        found.push(tags(node.1));
    }
    found.sort_by(|one, other| one.type_name.cmp(&other.type_name));
    Ok(found)
}

async fn view(house: &House, type_name: &str, moment: Moment) -> Result<TypeView, Refusal> {
    let Moment { since, schema, content } = moment;
    let items = items_of(house, type_name, &content).await?;
    Ok(TypeView { type_name: type_name.to_owned(), schema, since, items })
}

/// The items of a content, sorted.
pub(super) async fn items_of(
    house: &House,
    type_name: &str,
    content: &Content,
) -> Result<Vec<Attributes>, Refusal> {
    let mut items = match content {
        Content::Shared(ids) => {
            let known = items::load(house, type_name, ids.iter().copied()).await?;
            if known.len() < ids.len() {
                tracing::error!(type_name, "items of a list are not in the store and are left out");
            }
            known.into_values().map(|item| item.attributes.clone()).collect()
        }
        own => Content::unpacked(house, own).await?,
    };
    items.sort_by(|one: &Attributes, other| order(one).cmp(&order(other)));
    Ok(items)
}

/// By name first, whatever attributes stand before it in the alphabet.
fn order(item: &Attributes) -> (Option<&String>, &Attributes) {
    (item.get("Name"), item)
}

/// The tags of a node as a type of inventory. They are the controller's own, and have no history.
fn tags(record: &NodeRecord) -> TypeView {
    let item = |(key, value): (&String, &String)| {
        Attributes::from([("Key".to_owned(), key.clone()), ("Value".to_owned(), value.clone())])
    };
    TypeView {
        type_name: TAGS.to_owned(),
        schema: "1.0".to_owned(),
        since: record.registered,
        items: record.tags.iter().map(item).collect(),
    }
}

/// What became of an item between two moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    Added(Attributes),
    Removed(Attributes),
    /// The same thing with other attributes: before and after.
    Changed(Attributes, Attributes),
}

/// A type that is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeDifference {
    pub type_name: String,
    pub differences: Vec<Difference>,
}

/// What changed on a node between two moments.
pub async fn diff(
    house: &House,
    node: (&NodeId, &NodeRecord),
    type_name: Option<&str>,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<TypeDifference>, Refusal> {
    if from > to {
        return Err(Refusal::invalid("`from` is later than `to`: name the earlier moment first"));
    }
    let names = match type_name {
        Some(name) => {
            schema::check_type_name(name)?;
            vec![name.to_owned()]
        }
        None => history::types(house, node.0).await?,
    };
    let mut found = Vec::new();
    for name in names.into_iter().filter(|name| name != TAGS) {
        let before = read(house, node, &name, Some(from)).await?.map(|view| view.items).unwrap_or_default();
        let after = read(house, node, &name, Some(to)).await?.map(|view| view.items).unwrap_or_default();
        let differences = differences(&before, &after);
        if !differences.is_empty() {
            found.push(TypeDifference { type_name: name, differences });
        }
    }
    Ok(found)
}

/// Attributes that say which thing an item is; the first that an item has.
const IDENTITIES: [&[&str]; 5] =
    [&["KeyPath", "ValueName"], &["InstalledDir", "Name"], &["Name"], &["HotFixId"], &["Id"]];

fn identity(item: &Attributes) -> Option<Vec<&str>> {
    let known = IDENTITIES.iter().find(|names| names.iter().all(|name| item.contains_key(*name)))?;
    let mut identity: Vec<&str> = known.iter().map(|name| item[*name].as_str()).collect();
    // Packages of two architectures are two things.
    identity.extend(item.get("Architecture").map(String::as_str));
    Some(identity)
}

/// Pairs what is the same thing, if there is one of it on each side.
fn differences(before: &[Attributes], after: &[Attributes]) -> Vec<Difference> {
    let is_in = |item: &Attributes, list: &[Attributes]| list.contains(item);
    let gone: Vec<_> = {
        let after: std::collections::BTreeSet<_> = after.iter().collect();
        before.iter().filter(|item| !after.contains(item)).cloned().collect()
    };
    let new: Vec<_> = {
        let before: std::collections::BTreeSet<_> = before.iter().collect();
        after.iter().filter(|item| !before.contains(item)).cloned().collect()
    };
    let mut by_identity: BTreeMap<Vec<&str>, (Vec<&Attributes>, Vec<&Attributes>)> = BTreeMap::new();
    for item in &gone {
        if let Some(identity) = identity(item) {
            by_identity.entry(identity).or_default().0.push(item);
        }
    }
    for item in &new {
        if let Some(identity) = identity(item) {
            by_identity.entry(identity).or_default().1.push(item);
        }
    }
    let pairs: Vec<_> = by_identity
        .into_values()
        .filter_map(|(gone, new)| match (gone.as_slice(), new.as_slice()) {
            ([gone], [new]) => Some(((*gone).clone(), (*new).clone())),
            _ => None,
        })
        .collect();
    let (paired_gone, paired_new): (Vec<_>, Vec<_>) = pairs.iter().cloned().unzip();
    let removed = gone.into_iter().filter(|item| !is_in(item, &paired_gone)).map(Difference::Removed);
    let added = new.into_iter().filter(|item| !is_in(item, &paired_new)).map(Difference::Added);
    let changed = pairs.into_iter().map(|(before, after)| Difference::Changed(before, after));
    changed.chain(removed).chain(added).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, architecture: &str) -> Attributes {
        [("Name", name), ("Version", version), ("Architecture", architecture)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn the_same_thing_with_another_version_has_changed() {
        let before =
            vec![package("a", "1", "x86_64"), package("b", "1", "x86_64"), package("c", "1", "i386")];
        let after = vec![package("a", "2", "x86_64"), package("b", "1", "x86_64"), package("d", "1", "i386")];
        let expected = [
            Difference::Changed(package("a", "1", "x86_64"), package("a", "2", "x86_64")),
            Difference::Removed(package("c", "1", "i386")),
            Difference::Added(package("d", "1", "i386")),
        ];
        assert_eq!(differences(&before, &after), expected);
    }

    #[test]
    fn two_of_a_name_are_not_taken_for_one() {
        let before = vec![package("linux-image", "1", "x86_64"), package("linux-image", "2", "x86_64")];
        let after = vec![
            package("linux-image", "2", "x86_64"),
            package("linux-image", "3", "x86_64"),
            package("linux-image", "4", "x86_64"),
        ];
        let expected = [
            Difference::Removed(package("linux-image", "1", "x86_64")),
            Difference::Added(package("linux-image", "3", "x86_64")),
            Difference::Added(package("linux-image", "4", "x86_64")),
        ];
        assert_eq!(differences(&before, &after), expected);
        let nameless = |value: &str| Attributes::from([("Rack".to_owned(), value.to_owned())]);
        assert_eq!(differences(&[nameless("1")], &[nameless("2")]).len(), 2);
    }
}
