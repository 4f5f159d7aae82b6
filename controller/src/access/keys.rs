//! Access keys: made, listed, disabled, deleted. Whether one lets somebody in is answered by [`super::known`].

use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_store::{Batch, CommitError};

use super::key_id::{AccessKeyId, Secret};
use super::operators::{self, check_text, may_touch};
use super::policy::Action;
use super::records::{AccessKeyRecord, Standing};
use super::{Principal, known};
use crate::audit::Event;
use crate::error::Refusal;
use crate::house::House;
use crate::keys::names::KeyName;
use crate::keys::ring::Maker;
use crate::records::{COMMIT_ATTEMPTS, next_key, note_unreadable};
use crate::tables::{ACCESS_KEY, ACCESS_OPERATOR, KEY_USE};

/// How many access keys one operator may have.
pub const KEYS_OF_OPERATOR_MAX: usize = 100;

/// An access key that is to be made.
#[derive(Debug, Clone)]
pub struct NewAccessKey {
    pub operator: String,
    pub description: String,
    /// None: never.
    pub expires_in: Option<Duration>,
}

/// A new access key with its secret, which is not shown again.
#[derive(Debug)]
pub struct CreatedAccessKey {
    pub key: AccessKeyView,
    pub secret: Secret,
}

/// An access key as it may be shown.
#[derive(Debug, Clone)]
pub struct AccessKeyView {
    pub id: AccessKeyId,
    pub record: AccessKeyRecord,
    pub last_used: Option<Timestamp>,
}

/// Makes an access key. Durable, and good for use, when this returns.
pub async fn create(house: &House, by: &Principal, wish: NewAccessKey) -> Result<CreatedAccessKey, Refusal> {
    check_text(&wish.description)?;
    if wish.expires_in == Some(Duration::ZERO) {
        return Err(Refusal::invalid("an access key that expires at once admits nobody: give it some time"));
    }
    let operator = ACCESS_OPERATOR.get(&*house.store, &wish.operator).await?;
    let operator = operator.ok_or_else(|| operators::unknown(&wish.operator))?;
    may_touch(house, by, &wish.operator, &operator.value)?;
    if house.access.known().keys_of(&wish.operator) >= KEYS_OF_OPERATOR_MAX {
        return Err(Refusal::exhausted(format!(
            "operator {} has {KEYS_OF_OPERATOR_MAX} access keys already: delete one that is not used",
            wish.operator
        )));
    }
    let now = house.clock.now();
    let (id, secret) = (AccessKeyId::random()?, Secret::random()?);
    let record = write(house, by, &wish, (&id, &secret), operator.value.created, now).await?;
    known::reread(house).await?;
    Ok(CreatedAccessKey { key: AccessKeyView { id, record, last_used: None }, secret })
}

/// Seals and commits. The sealing key may be rotated at the same moment: then once more.
async fn write(
    house: &House,
    by: &Principal,
    wish: &NewAccessKey,
    (id, secret): (&AccessKeyId, &Secret),
    operator_created: Timestamp,
    now: Timestamp,
) -> Result<AccessKeyRecord, Refusal> {
    let name = KeyName::of_access();
    for _ in 0..COMMIT_ATTEMPTS {
        let mut batch = Batch::new();
        let maker = Maker { name: &by.name, now };
        let about = (id.as_str(), secret.reveal().as_bytes());
        let sealed = house.keys.seal(&*house.store, &mut batch, &name, about, &maker);
        let record = AccessKeyRecord {
            sealed_secret: sealed.await?,
            operator: wish.operator.clone(),
            operator_created,
            description: wish.description.clone(),
            created: now,
            created_by: by.name.to_string(),
            standing: Standing::Enabled,
            expires: wish.expires_in.map(|span| now.plus(span)),
        };
        batch.require(ACCESS_OPERATOR.exists(&record.operator));
        ACCESS_KEY.insert(&mut batch, id, &record)?;
        house.audit.add(&mut batch, by.did(Action::CreateAccessKey, on(id, &record), now))?;
        match house.store.commit(batch).await {
            Ok(_) => {
                house.audit.added();
                return Ok(record);
            }
            Err(CommitError::Conflict { .. }) => operators::get(house, &wish.operator).await.map(drop)?,
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::unavailable("the key of access keys is being changed all the time: try again"))
}

/// A page of access keys and where the next one starts.
pub type AccessKeys = (Vec<AccessKeyView>, Option<AccessKeyId>);

/// Access keys by id; of one operator, or of all.
pub async fn list(
    house: &House,
    operator: Option<&str>,
    after: Option<AccessKeyId>,
    limit: usize,
) -> Result<AccessKeys, Refusal> {
    let (mut found, mut after) = (Vec::new(), after);
    loop {
        let page = ACCESS_KEY.scan(&*house.store, &(), after.as_ref(), limit).await?;
        note_unreadable("access-key", &page.unreadable);
        after = next_key(&page, limit);
        for row in page.rows {
            if operator.is_none_or(|operator| operator == row.value.operator) {
                let last_used = house.access.last_used(&row.key);
                found.push(AccessKeyView { id: row.key, record: row.value, last_used });
            }
            if found.len() >= limit {
                let next = found.last().map(|key| key.id.clone());
                return Ok((found, next));
            }
        }
        if after.is_none() {
            return Ok((found, None));
        }
    }
}

/// An access key as it is kept.
pub async fn get(house: &House, id: &AccessKeyId) -> Result<AccessKeyView, Refusal> {
    let row = ACCESS_KEY.get(&*house.store, id).await?.ok_or_else(|| unknown(id))?;
    Ok(AccessKeyView { id: row.key, record: row.value, last_used: house.access.last_used(id) })
}

/// Enables or disables an access key. In effect when this returns.
pub async fn set_standing(
    house: &House,
    by: &Principal,
    id: &AccessKeyId,
    standing: Standing,
) -> Result<AccessKeyView, Refusal> {
    for _ in 0..COMMIT_ATTEMPTS {
        let mut row = ACCESS_KEY.get(&*house.store, id).await?.ok_or_else(|| unknown(id))?;
        may_touch_owner(house, by, &row.value).await?;
        row.value.standing = standing;
        let mut batch = Batch::new();
        ACCESS_KEY.replace(&mut batch, &row)?;
        let detail = if standing == Standing::Enabled { "enabled" } else { "disabled" };
        let event = by.did(Action::ChangeAccessKey, on(id, &row.value), house.clock.now());
        house.audit.add(&mut batch, Event { detail: detail.to_owned(), ..event })?;
        match house.store.commit(batch).await {
            Ok(_) => {
                house.audit.added();
                known::reread(house).await?;
                return get(house, id).await;
            }
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::unavailable(format!("access key {id} is being changed by somebody else: try again")))
}

/// Ends an access key. In effect when this returns.
pub async fn delete(house: &House, by: &Principal, id: &AccessKeyId) -> Result<(), Refusal> {
    let record = get(house, id).await?.record;
    may_touch_owner(house, by, &record).await?;
    let mut batch = Batch::new();
    let event = by.did(Action::DeleteAccessKey, on(id, &record), house.clock.now());
    house.audit.add(&mut batch, event)?;
    batch.require(ACCESS_KEY.exists(id));
    ACCESS_KEY.delete(&mut batch, id);
    KEY_USE.delete(&mut batch, id);
    match house.store.commit(batch).await {
        Ok(_) => {
            house.audit.added();
            known::reread(house).await
        }
        Err(CommitError::Conflict { .. }) => Err(unknown(id)),
        Err(error) => Err(error.into()),
    }
}

/// A key without an operator any more is anybody's to end.
async fn may_touch_owner(house: &House, by: &Principal, key: &AccessKeyRecord) -> Result<(), Refusal> {
    match ACCESS_OPERATOR.get(&*house.store, &key.operator).await? {
        Some(owner) => may_touch(house, by, &key.operator, &owner.value),
        None => Ok(()),
    }
}

fn on(id: &AccessKeyId, record: &AccessKeyRecord) -> String {
    format!("access-key {id} of operator {}", record.operator)
}

fn unknown(id: &AccessKeyId) -> Refusal {
    Refusal::not_found(format!("there is no access key {id}: `access key list` shows those that exist"))
}
