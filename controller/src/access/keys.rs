//! Access keys: made, listed, disabled, deleted. Whether one lets somebody in is answered by [`super::known`].

use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_store::{Batch, CommitError};

use super::key_id::{AccessKeyId, Secret};
use super::records::{AccessKeyRecord, Standing};
use super::{known, operators};
use crate::error::Refusal;
use crate::house::House;
use crate::records::{COMMIT_ATTEMPTS, next_key, note_unreadable};
use crate::tables::{ACCESS_KEY, ACCESS_OPERATOR, KEY_USE};

/// How many access keys one operator may have.
pub const KEYS_OF_OPERATOR_MAX: usize = 100;
/// Longest description, characters.
pub const DESCRIPTION_MAX_CHARS: usize = 256;

/// An access key that is to be made.
#[derive(Debug, Clone)]
pub struct NewAccessKey {
    pub operator: String,
    pub description: String,
    /// None: never.
    pub expires_in: Option<Duration>,
    pub created_by: String,
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
pub async fn create(house: &House, wish: NewAccessKey) -> Result<CreatedAccessKey, Refusal> {
    if wish.description.chars().count() > DESCRIPTION_MAX_CHARS {
        return Err(Refusal::invalid(format!(
            "the description is longer than {DESCRIPTION_MAX_CHARS} characters"
        )));
    }
    if wish.expires_in == Some(Duration::ZERO) {
        return Err(Refusal::invalid("an access key that expires at once admits nobody: give it some time"));
    }
    let operator = ACCESS_OPERATOR.get(&*house.store, &wish.operator).await?;
    let operator = operator.ok_or_else(|| operators::unknown(&wish.operator))?;
    if house.access.known().keys_of(&wish.operator) >= KEYS_OF_OPERATOR_MAX {
        return Err(Refusal::exhausted(format!(
            "operator {} has {KEYS_OF_OPERATOR_MAX} access keys already: delete one that is not used",
            wish.operator
        )));
    }
    let now = house.clock.now();
    let (id, secret) = (AccessKeyId::random()?, Secret::random()?);
    let record = AccessKeyRecord {
        sealed_secret: house.access.seal.seal(id.as_str(), secret.reveal())?,
        operator: wish.operator,
        operator_created: operator.value.created,
        description: wish.description,
        created: now,
        created_by: wish.created_by,
        standing: Standing::Enabled,
        expires: wish.expires_in.map(|span| now.plus(span)),
    };
    let mut batch = Batch::new();
    batch.require(ACCESS_OPERATOR.exists(&record.operator));
    ACCESS_KEY.insert(&mut batch, &id, &record)?;
    house.store.commit(batch).await?;
    known::reread(house).await?;
    Ok(CreatedAccessKey { key: AccessKeyView { id, record, last_used: None }, secret })
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
    id: &AccessKeyId,
    standing: Standing,
) -> Result<AccessKeyView, Refusal> {
    for _ in 0..COMMIT_ATTEMPTS {
        let mut row = ACCESS_KEY.get(&*house.store, id).await?.ok_or_else(|| unknown(id))?;
        row.value.standing = standing;
        let mut batch = Batch::new();
        ACCESS_KEY.replace(&mut batch, &row)?;
        match house.store.commit(batch).await {
            Ok(_) => {
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
pub async fn delete(house: &House, id: &AccessKeyId) -> Result<(), Refusal> {
    let mut batch = Batch::new();
    batch.require(ACCESS_KEY.exists(id));
    ACCESS_KEY.delete(&mut batch, id);
    KEY_USE.delete(&mut batch, id);
    match house.store.commit(batch).await {
        Ok(_) => known::reread(house).await,
        Err(CommitError::Conflict { .. }) => Err(unknown(id)),
        Err(error) => Err(error.into()),
    }
}

fn unknown(id: &AccessKeyId) -> Refusal {
    Refusal::not_found(format!("there is no access key {id}: `access key list` shows those that exist"))
}
