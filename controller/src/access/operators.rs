//! Operators: who may ask things of the controller, and the groups that they are in.
//!
//! Two rules hold whatever the policies say. The last enabled administrator stays one. And nobody hands out more than
//! he has: only an administrator touches administrators, and a group takes new members only from somebody who is in
//! it.

use std::collections::BTreeSet;

use fleetwright_store::{Batch, CommitError, Row};

use super::policy::Action;
use super::records::{CredentialKind, CredentialRecord, OperatorRecord, Standing};
use super::{ADMINS, FIRST_OPERATOR, Principal, known};
use crate::audit::Event;
use crate::authority::OPERATOR_CERTIFICATE_LIFETIME;
use crate::error::Refusal;
use crate::house::House;
use crate::records::{COMMIT_ATTEMPTS, Pages, next_key, note_unreadable};
use crate::tables::{ACCESS_KEY, ACCESS_OPERATOR, KEY_USE};

/// Longest name of an operator or of a group of them, characters.
pub const NAME_MAX_CHARS: usize = 64;
/// How many operators there may be.
pub const OPERATORS_MAX: usize = 1000;
/// In how many groups one may be.
pub const GROUPS_OF_OPERATOR_MAX: usize = 50;
const DESCRIPTION_MAX_CHARS: usize = 256;

/// An operator that is to be made.
#[derive(Debug, Clone)]
pub struct NewOperator {
    pub name: String,
    pub description: String,
    pub groups: BTreeSet<String>,
}

/// An operator with his name.
pub type Operator = (String, OperatorRecord);

/// Reads who is known; a fleet without any operator gets its first one, who may do everything. `first_key` is the
/// fingerprint of the key in the data folder: the first operator is let in with it, unless somebody deleted him.
pub async fn start(house: &House, first_key: &str) -> Result<(), Refusal> {
    let some = ACCESS_OPERATOR.scan(&*house.store, &(), None, 1).await?;
    if some.rows.is_empty() && some.unreadable.is_empty() {
        let first = OperatorRecord {
            description: "whoever can read the data folder".to_owned(),
            created: house.clock.now(),
            created_by: "the first start".to_owned(),
            standing: Standing::Enabled,
            groups: BTreeSet::from([ADMINS.to_owned()]),
            credentials: Vec::new(),
        };
        let mut batch = Batch::new();
        ACCESS_OPERATOR.insert(&mut batch, &FIRST_OPERATOR.to_owned(), &first)?;
        match house.store.commit(batch).await {
            // Another controller on the same store was quicker.
            Ok(_) | Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let now = house.clock.now();
    let admit = |record: &mut OperatorRecord| {
        if record.credentials.iter().any(|known| known.digest == first_key) {
            return Ok(());
        }
        record.credentials.retain(|known| !known.expired(now));
        record.credentials.push(CredentialRecord {
            kind: CredentialKind::Certificate,
            digest: first_key.to_owned(),
            created: now,
            created_by: "the data folder".to_owned(),
            expires: Some(now.plus(OPERATOR_CERTIFICATE_LIFETIME)),
        });
        Ok(())
    };
    if ACCESS_OPERATOR.get(&*house.store, &FIRST_OPERATOR.to_owned()).await?.is_some() {
        change(house, FIRST_OPERATOR, None, admit).await?;
    }
    known::reread(house).await
}

/// Makes an operator who can do nothing yet beyond what his groups can. Durable and in effect when this returns.
pub async fn create(house: &House, by: &Principal, wish: NewOperator) -> Result<OperatorRecord, Refusal> {
    check_name("an operator", &wish.name)?;
    check_text(&wish.description)?;
    refuse_named(house, by, &wish.name)?;
    for group in &wish.groups {
        check_name("a group of operators", group)?;
        may_hand_out(by, group)?;
    }
    if wish.groups.len() > GROUPS_OF_OPERATOR_MAX {
        return Err(Refusal::invalid(format!("one operator is in at most {GROUPS_OF_OPERATOR_MAX} groups")));
    }
    if house.access.known().operators().count() >= OPERATORS_MAX {
        return Err(Refusal::exhausted(format!("there are {OPERATORS_MAX} operators already: delete some")));
    }
    let record = OperatorRecord {
        description: wish.description,
        created: house.clock.now(),
        created_by: by.name.to_string(),
        standing: Standing::Enabled,
        groups: wish.groups,
        credentials: Vec::new(),
    };
    let mut batch = Batch::new();
    ACCESS_OPERATOR.insert(&mut batch, &wish.name, &record)?;
    let on = format!("operator {}", wish.name);
    house.audit.add(&mut batch, by.did(Action::CreateOperator, on, record.created))?;
    match house.store.commit(batch).await {
        Ok(_) => {
            house.audit.added();
            known::reread(house).await?;
            Ok(record)
        }
        Err(CommitError::Conflict { .. }) => Err(Refusal::already_exists(format!(
            "there is an operator {} already: take another name",
            wish.name
        ))),
        Err(error) => Err(error.into()),
    }
}

/// The operator with this name.
pub async fn get(house: &House, name: &str) -> Result<OperatorRecord, Refusal> {
    let row = ACCESS_OPERATOR.get(&*house.store, &name.to_owned()).await?;
    row.map(|row| row.value).ok_or_else(|| unknown(name))
}

/// A page of operators by name, and where the next one starts.
pub async fn list(
    house: &House,
    after: Option<String>,
    limit: usize,
) -> Result<(Vec<Operator>, Option<String>), Refusal> {
    let page = ACCESS_OPERATOR.scan(&*house.store, &(), after.as_ref(), limit).await?;
    note_unreadable("access-operator", &page.unreadable);
    let next = next_key(&page, limit);
    Ok((page.rows.into_iter().map(|row| (row.key, row.value)).collect(), next))
}

/// Enables or disables an operator. In effect, also for open connections, when this returns.
pub async fn set_standing(
    house: &House,
    by: &Principal,
    name: &str,
    standing: Standing,
) -> Result<OperatorRecord, Refusal> {
    let detail = if standing == Standing::Enabled { "enabled" } else { "disabled" };
    let told = Told { by, action: Action::ChangeOperator, on: format!("operator {name}"), detail };
    let changed = change(house, name, Some(told), |record| {
        may_touch(house, by, name, record)?;
        record.standing = standing;
        Ok(())
    });
    changed.await
}

/// Puts operators into a group and takes others out of it, one after the other.
pub async fn change_group(
    house: &House,
    by: &Principal,
    group: &str,
    add: &[String],
    remove: &[String],
) -> Result<(), Refusal> {
    check_name("a group of operators", group)?;
    may_hand_out(by, group)?;
    if let Some(both) = add.iter().find(|name| remove.contains(name)) {
        return Err(Refusal::invalid(format!(
            "operator {both} is to be added and removed at once: name him once"
        )));
    }
    // Everybody has to exist before anybody is changed.
    for name in add.iter().chain(remove) {
        may_touch(house, by, name, &get(house, name).await?)?;
    }
    for name in add {
        let on = format!("group {group}, operator {name}");
        let told = Told { by, action: Action::ChangeGroup, on, detail: "added" };
        let put_in = change(house, name, Some(told), |record| {
            record.groups.insert(group.to_owned());
            if record.groups.len() > GROUPS_OF_OPERATOR_MAX {
                let most = format!("operator {name} would be in more than {GROUPS_OF_OPERATOR_MAX} groups");
                return Err(Refusal::exhausted(most));
            }
            Ok(())
        });
        put_in.await?;
    }
    for name in remove {
        let on = format!("group {group}, operator {name}");
        let told = Told { by, action: Action::ChangeGroup, on, detail: "removed" };
        let take_out = change(house, name, Some(told), |record| {
            record.groups.remove(group);
            Ok(())
        });
        take_out.await?;
    }
    Ok(())
}

/// Ends an operator with his certificates, tokens and access keys. In effect when this returns.
pub async fn delete(house: &House, by: &Principal, name: &str) -> Result<(), Refusal> {
    for _ in 0..COMMIT_ATTEMPTS {
        let row = ACCESS_OPERATOR.get(&*house.store, &name.to_owned()).await?;
        let row = row.ok_or_else(|| unknown(name))?;
        may_touch(house, by, name, &row.value)?;
        let mut batch = Batch::new();
        keep_an_admin(house, &mut batch, &row, None).await?;
        ACCESS_OPERATOR.delete_at(&mut batch, &row.key, row.revision);
        // A key that is made at this moment is left over, and lets nobody in: its operator is gone for good.
        let mut pages = Pages::of(&ACCESS_KEY, ());
        while let Some(keys) = pages.next(&*house.store).await? {
            for key in keys.iter().filter(|key| key.value.operator == name) {
                ACCESS_KEY.delete(&mut batch, &key.key);
                KEY_USE.delete(&mut batch, &key.key);
            }
        }
        let event = by.did(Action::DeleteOperator, format!("operator {name}"), house.clock.now());
        house.audit.add(&mut batch, event)?;
        match house.store.commit(batch).await {
            Ok(_) => {
                house.audit.added();
                return known::reread(house).await;
            }
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(busy(name))
}

/// Who changes an operator, for the audit log.
pub(super) struct Told<'a> {
    pub(super) by: &'a Principal,
    pub(super) action: Action,
    pub(super) on: String,
    pub(super) detail: &'a str,
}

/// Changes a row, and sees to it that an administrator is left. In effect when this returns.
pub(super) async fn change(
    house: &House,
    name: &str,
    told: Option<Told<'_>>,
    edit: impl Fn(&mut OperatorRecord) -> Result<(), Refusal>,
) -> Result<OperatorRecord, Refusal> {
    for _ in 0..COMMIT_ATTEMPTS {
        let row = ACCESS_OPERATOR.get(&*house.store, &name.to_owned()).await?;
        let mut row = row.ok_or_else(|| unknown(name))?;
        let before = row.clone();
        edit(&mut row.value)?;
        if row.value == before.value {
            return Ok(row.value);
        }
        let mut batch = Batch::new();
        keep_an_admin(house, &mut batch, &before, Some(&row.value)).await?;
        ACCESS_OPERATOR.replace(&mut batch, &row)?;
        if let Some(Told { by, action, on, detail }) = &told {
            let event = by.did(*action, on.clone(), house.clock.now());
            house.audit.add(&mut batch, Event { detail: (*detail).to_owned(), ..event })?;
        }
        match house.store.commit(batch).await {
            Ok(_) => {
                house.audit.added();
                known::reread(house).await?;
                return Ok(row.value);
            }
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(busy(name))
}

fn busy(name: &str) -> Refusal {
    Refusal::unavailable(format!("operator {name} is being changed by somebody else: try again"))
}

fn commands(record: &OperatorRecord) -> bool {
    record.standing == Standing::Enabled && record.groups.contains(ADMINS)
}

/// Refuses the change that would leave nobody in command. Another administrator is made a condition of the commit, so
/// that two who end each other at the same moment do not both succeed.
async fn keep_an_admin(
    house: &House,
    batch: &mut Batch,
    before: &Row<String, OperatorRecord>,
    after: Option<&OperatorRecord>,
) -> Result<(), Refusal> {
    if !commands(&before.value) || after.is_some_and(commands) {
        return Ok(());
    }
    let mut pages = Pages::of(&ACCESS_OPERATOR, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        if let Some(other) = rows.iter().find(|row| row.key != before.key && commands(&row.value)) {
            batch.require(ACCESS_OPERATOR.unchanged(other));
            return Ok(());
        }
    }
    Err(Refusal::conflict(format!(
        "operator {} is the last enabled one in group {ADMINS}: put another one into it first",
        before.key
    )))
}

/// Whether `by` may hand out what members of this group have.
pub(super) fn may_hand_out(by: &Principal, group: &str) -> Result<(), Refusal> {
    if by.is_admin() || by.groups.iter().any(|own| own == group) {
        return Ok(());
    }
    Err(Refusal::denied(format!(
        "operator {} is not in group {group}, and nobody hands out more than he has",
        by.name
    )))
}

/// Whether `by` may change this operator, or act for him by making credentials in his name.
pub(super) fn may_touch(
    house: &House,
    by: &Principal,
    name: &str,
    operator: &OperatorRecord,
) -> Result<(), Refusal> {
    if by.is_admin() || *by.name == *name {
        return Ok(());
    }
    refuse_named(house, by, name)?;
    match operator.groups.iter().find(|group| !by.groups.contains(group)) {
        None => Ok(()),
        Some(group) => Err(Refusal::denied(format!(
            "operator {name} is in group {group} and operator {} is not: nobody hands out more than he has",
            by.name
        ))),
    }
}

/// What a policy gives to a name goes to whoever has the name: such an operator is for administrators.
fn refuse_named(house: &House, by: &Principal, name: &str) -> Result<(), Refusal> {
    if by.is_admin() || !house.access.is_named(name) {
        return Ok(());
    }
    Err(Refusal::denied(format!(
        "a policy names operator {name}, so only members of group {ADMINS} may change that operator, and operator {} \
         is not one",
        by.name
    )))
}

fn check_name(what: &str, name: &str) -> Result<(), Refusal> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    if (1..=NAME_MAX_CHARS).contains(&name.len()) && name.bytes().all(good) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "`{}` is not a name of {what}: 1 to {NAME_MAX_CHARS} letters, digits, and - _ . @",
        name.chars().take(NAME_MAX_CHARS).collect::<String>().escape_debug()
    )))
}

pub(super) fn check_text(description: &str) -> Result<(), Refusal> {
    if description.chars().count() <= DESCRIPTION_MAX_CHARS {
        return Ok(());
    }
    Err(Refusal::invalid(format!("the description is longer than {DESCRIPTION_MAX_CHARS} characters")))
}

/// The operator is not there, in words.
pub(super) fn unknown(name: &str) -> Refusal {
    let shown: String = name.chars().take(NAME_MAX_CHARS).collect();
    Refusal::not_found(format!(
        "there is no operator `{}`: `access operator list` shows those that exist",
        shown.escape_debug()
    ))
}
