//! What may be asked about named keys.

use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_store::{Batch, CommitError, Row};

use super::names::KeyName;
use super::records::{KeyRecord, KeyState};
use super::ring::{KeyError, Maker};
use crate::error::Refusal;
use crate::house::House;
use crate::mirror::Held;
use crate::records::{COMMIT_ATTEMPTS, rfc3339};
use crate::tables::{KEY, KEY_VERSION};

/// Named keys of a fleet: all of them are wrapped anew in one commit.
pub const KEYS_MAX: usize = 300;
const DESCRIPTION_MAX_CHARS: usize = 1024;
/// Days until a key that is to be deleted is gone.
pub const DELETION_DAYS: std::ops::RangeInclusive<u32> = 7..=30;

/// A key as a caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyView {
    pub name: String,
    pub description: String,
    pub state: KeyState,
    pub version: u32,
    pub rotating: bool,
    pub created: Timestamp,
    pub created_by: String,
    pub rotated: Option<Timestamp>,
}

pub(super) fn view(name: &KeyName, record: &KeyRecord) -> KeyView {
    KeyView {
        name: name.to_string(),
        description: record.description.clone(),
        state: record.state,
        version: record.version,
        rotating: record.rotating,
        created: record.created,
        created_by: record.created_by.clone(),
        rotated: record.rotated,
    }
}

/// Makes a key.
pub async fn create(house: &House, name: &str, description: &str, by: &str) -> Result<KeyView, KeyError> {
    let name = KeyName::parse(name)?;
    if description.chars().count() > DESCRIPTION_MAX_CHARS || description.chars().any(char::is_control) {
        return Err(Refusal::invalid(format!(
            "the description is not good: at most {DESCRIPTION_MAX_CHARS} printable characters"
        ))
        .into());
    }
    let (there, count) =
        house.keys.keys.look(&*house.store, |rows| (rows.contains_key(&name), rows.len())).await?;
    if there {
        return Err(Refusal::already_exists(format!("there is a key {name} already")).into());
    }
    if count >= KEYS_MAX {
        return Err(Refusal::exhausted(format!("there are {count} keys, the most that there may be")).into());
    }
    house.keys.make(&*house.store, &name, description, &Maker { name: by, now: house.clock.now() }).await?;
    Ok(view(&name, &find(house, &name).await?.value))
}

/// Every key, by name.
pub async fn list(house: &House) -> Result<Vec<KeyView>, KeyError> {
    let keys = house.keys.keys.look(&*house.store, |rows| {
        let views = rows.iter().filter_map(|(name, held)| match held {
            Held::Here(row) => Some(view(name, &row.value)),
            Held::Away => None,
        });
        views.collect()
    });
    Ok(keys.await?)
}

/// Allows or forbids the use of a key.
pub async fn set_enabled(house: &House, name: &str, wanted: Use) -> Result<KeyView, KeyError> {
    change(house, name, |name, record| {
        if let KeyState::PendingDeletion { .. } = record.state {
            return Err(Refusal::conflict(format!(
                "the key {name} is to be deleted: `key cancel-deletion {name}` comes first"
            )));
        }
        record.state = match wanted {
            Use::Allowed => KeyState::Enabled,
            Use::Forbidden => KeyState::Disabled,
        };
        Ok(())
    })
    .await
}

/// Whether a key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Allowed,
    Forbidden,
}

/// Puts a key out of use now, and deletes it with everything that it sealed in so many days.
pub async fn schedule_deletion(house: &House, name: &str, days: u32) -> Result<KeyView, KeyError> {
    if !DELETION_DAYS.contains(&days) {
        return Err(Refusal::invalid(format!(
            "{days} days are out of range: {} to {}",
            DELETION_DAYS.start(),
            DELETION_DAYS.end()
        ))
        .into());
    }
    let at = house.clock.now().plus(Duration::from_secs(u64::from(days) * 24 * 3600));
    change(house, name, |_, record| {
        record.state = KeyState::PendingDeletion { at };
        Ok(())
    })
    .await
}

/// Keeps a key that was to be deleted. It is disabled afterwards.
pub async fn cancel_deletion(house: &House, name: &str) -> Result<KeyView, KeyError> {
    change(house, name, |name, record| match record.state {
        KeyState::PendingDeletion { .. } => {
            record.state = KeyState::Disabled;
            Ok(())
        }
        _ => Err(Refusal::conflict(format!("the key {name} is not to be deleted"))),
    })
    .await
}

async fn change(
    house: &House,
    name: &str,
    change: impl Fn(&KeyName, &mut KeyRecord) -> Result<(), Refusal>,
) -> Result<KeyView, KeyError> {
    let name = KeyName::parse(name)?;
    if name.is_own() {
        return Err(Refusal::conflict(format!(
            "the key {name} is the controller's own: it can be rotated, and nothing else"
        ))
        .into());
    }
    for _ in 0..COMMIT_ATTEMPTS {
        let mut row = find(house, &name).await?;
        change(&name, &mut row.value)?;
        let mut batch = Batch::new();
        KEY.replace(&mut batch, &row)?;
        match house.store.commit(batch).await {
            Ok(_) => return Ok(view(&name, &row.value)),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::conflict(format!("others change key {name} all the time: try again")).into())
}

pub(super) async fn find(house: &House, name: &KeyName) -> Result<Row<KeyName, KeyRecord>, KeyError> {
    let found = house.keys.keys.get(&*house.store, name).await?;
    let found = found.ok_or_else(|| Refusal::not_found(format!("there is no key {name}: `key list`")))?;
    Ok(Row::clone(&found))
}

pub(super) fn refuse_unless_enabled(name: &KeyName, record: &KeyRecord) -> Result<(), KeyError> {
    match record.state {
        KeyState::Enabled => Ok(()),
        KeyState::Disabled => {
            Err(Refusal::conflict(format!("the key {name} is disabled: `key enable {name}` first")).into())
        }
        KeyState::PendingDeletion { at } => Err(Refusal::conflict(format!(
            "the key {name} is to be deleted at {}: `key cancel-deletion {name}` first",
            rfc3339(at)
        ))
        .into()),
    }
}

/// Deletes a key as it was read; what somebody changes meanwhile is looked at again the next time.
pub(super) async fn remove(house: &House, name: &KeyName) -> Result<(), KeyError> {
    let row = find(house, name).await?;
    let KeyState::PendingDeletion { .. } = row.value.state else { return Ok(()) };
    let mut batch = Batch::new();
    KEY.delete_at(&mut batch, name, row.revision);
    for version in row.value.oldest..=row.value.version {
        KEY_VERSION.delete(&mut batch, &(row.value.id.clone(), version));
    }
    match house.store.commit(batch).await {
        Ok(_) => {
            house.keys.forget(&row.value.id, u32::MAX);
            tracing::info!(key = %name, "a key was deleted, as was asked");
            Ok(())
        }
        Err(CommitError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
