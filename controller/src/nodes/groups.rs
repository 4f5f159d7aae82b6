//! Groups: targets under a name. Who is in a group is asked when it is used, so a node that gets the tag is in it.
//!
//! A group is made of nodes, tags, platforms and queries of inventory, never of groups: nothing can name itself, on no
//! way round.

use std::collections::BTreeMap;

use fleetwright_proto::clock::Timestamp;
use fleetwright_store::{Batch, CommitError};
use serde::{Deserialize, Serialize};

use super::targets::{Groups, Selector, TARGETS_MAX};
use crate::error::Refusal;
use crate::house::House;
use crate::inventory::query;
use crate::records::json_record;
use crate::tables::GROUP;

/// Longest name of a group, characters.
pub const NAME_MAX_CHARS: usize = 128;
/// Longest description, characters.
pub const DESCRIPTION_MAX_CHARS: usize = 256;

/// What is kept of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    pub description: String,
    pub targets: Vec<Selector>,
    pub created: Timestamp,
    pub created_by: String,
}
json_record!(GroupRecord, 1);

/// A group that is to be made.
#[derive(Debug, Clone)]
pub struct NewGroup {
    pub name: String,
    pub description: String,
    pub targets: Vec<(String, Vec<String>)>,
    pub created_by: String,
}

/// Makes a group. Durable when this returns.
pub async fn create(house: &House, wish: NewGroup) -> Result<GroupRecord, Refusal> {
    let targets = check(&wish)?;
    let record = GroupRecord {
        description: wish.description,
        targets,
        created: house.clock.now(),
        created_by: wish.created_by,
    };
    let mut batch = Batch::new();
    GROUP.insert(&mut batch, &wish.name, &record)?;
    match house.store.commit(batch).await {
        Ok(_) => Ok(record),
        Err(CommitError::Conflict { .. }) => Err(Refusal::already_exists(format!(
            "there is a group `{}` already: delete it first, or take another name",
            wish.name
        ))),
        Err(error) => Err(error.into()),
    }
}

/// A group.
pub async fn get(house: &House, name: &str) -> Result<GroupRecord, Refusal> {
    let row = GROUP.get(&*house.store, &name.to_owned()).await?;
    row.map(|row| row.value).ok_or_else(|| unknown(name))
}

/// The groups after `after` in the order of their names.
pub async fn list(
    house: &House,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<(String, GroupRecord)>, Refusal> {
    let page = GROUP.scan(&*house.store, &(), after.as_ref(), limit).await?;
    crate::records::note_unreadable("group", &page.unreadable);
    Ok(page.rows.into_iter().map(|row| (row.key, row.value)).collect())
}

/// Deletes a group. Its nodes, and the commands that were sent to it, stay.
pub async fn delete(house: &House, name: &str) -> Result<(), Refusal> {
    let row = GROUP.get(&*house.store, &name.to_owned()).await?.ok_or_else(|| unknown(name))?;
    let mut batch = Batch::new();
    GROUP.delete_at(&mut batch, &row.key, row.revision);
    house.store.commit(batch).await?;
    Ok(())
}

/// The targets of every group that these selectors name, and whom queries among them find; a group that does not exist
/// is told by name.
pub async fn named(house: &House, selectors: &[Selector]) -> Result<Groups, Refusal> {
    let mut targets = BTreeMap::new();
    for selector in selectors {
        let Selector::Group(names) = selector else { continue };
        for name in names {
            targets.insert(name.clone(), get(house, name).await?.targets);
        }
    }
    let mut found = BTreeMap::new();
    for selector in selectors.iter().chain(targets.values().flatten()) {
        let Selector::Inventory(queries) = selector else { continue };
        for text in queries {
            let query = query::parse(text)?;
            found.insert(text.clone(), query::node_ids(house, &query).await?);
        }
    }
    Ok(Groups { targets, found })
}

fn unknown(name: &str) -> Refusal {
    let shown: String = name.chars().take(NAME_MAX_CHARS).collect();
    Refusal::not_found(format!(
        "there is no group `{}`: `group list` shows those that exist",
        shown.escape_debug()
    ))
}

fn check(wish: &NewGroup) -> Result<Vec<Selector>, Refusal> {
    let good = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if wish.name.is_empty() || wish.name.len() > NAME_MAX_CHARS || !wish.name.chars().all(good) {
        return Err(Refusal::invalid(format!(
            "`{}` is not a name of a group: 1 to {NAME_MAX_CHARS} letters, digits, and - _ .",
            wish.name.chars().take(NAME_MAX_CHARS).collect::<String>().escape_debug()
        )));
    }
    if wish.description.chars().count() > DESCRIPTION_MAX_CHARS {
        return Err(Refusal::invalid(format!(
            "the description is longer than {DESCRIPTION_MAX_CHARS} characters"
        )));
    }
    if wish.targets.is_empty() || wish.targets.len() > TARGETS_MAX {
        return Err(Refusal::invalid(format!(
            "a group of {} targets cannot be made: 1 to {TARGETS_MAX}",
            wish.targets.len()
        )));
    }
    let targets: Vec<_> = wish
        .targets
        .iter()
        .map(|(key, values)| Selector::parse(key, values.clone()))
        .collect::<Result<_, _>>()?;
    match targets.iter().find(|target| matches!(target, Selector::Group(_))) {
        None => Ok(targets),
        Some(_) => Err(Refusal::invalid(format!(
            "group {} cannot be made of groups: name nodes, tags, platforms or queries of inventory",
            wish.name
        ))),
    }
}
