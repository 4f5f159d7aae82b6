//! Kept policies: put, listed, deleted. What they say is for [`super::policy`].

use std::fmt::Write as _;

use fleetwright_store::{Batch, CommitError};

use super::operators::check_text;
use super::policy::written::{self, Problem};
use super::policy::{Action, BUILT_IN};
use super::records::PolicyRecord;
use super::{Principal, known};
use crate::error::Refusal;
use crate::house::House;
use crate::records::{COMMIT_ATTEMPTS, next_key, note_unreadable};
use crate::tables::ACCESS_POLICY;

/// How many policies there may be.
pub const POLICIES_MAX: usize = 500;
/// Longest text of a policy, bytes.
pub const POLICY_MAX_BYTES: usize = 16 * 1024;
const NAME_MAX_CHARS: usize = 64;

/// A policy with its name.
pub type KeptPolicy = (String, PolicyRecord);

/// A policy that is to be kept under this name, new or instead of what was there.
#[derive(Debug, Clone)]
pub struct PolicyWish {
    pub name: String,
    pub text: String,
    pub description: String,
}

/// Checks and keeps a policy. In effect when this returns, with what looks wrong in it.
pub async fn put(
    house: &House,
    by: &Principal,
    wish: PolicyWish,
) -> Result<(PolicyRecord, Vec<Problem>), Refusal> {
    only_admins(by)?;
    check_name(&wish.name)?;
    check_text(&wish.description)?;
    if wish.text.len() > POLICY_MAX_BYTES {
        return Err(Refusal::invalid(format!(
            "the policy has {} bytes, and {POLICY_MAX_BYTES} at most: make two of it",
            wish.text.len()
        )));
    }
    let checked = written::check(&wish.name, &wish.text).map_err(|problems| refuse(&wish.name, &problems))?;
    let now = house.clock.now();
    let (by, event) = (by.name.to_string(), by.did(Action::PutPolicy, format!("policy {}", wish.name), now));
    for _ in 0..COMMIT_ATTEMPTS {
        let mut batch = Batch::new();
        let record = match ACCESS_POLICY.get(&*house.store, &wish.name).await? {
            Some(mut row) => {
                row.value.text.clone_from(&wish.text);
                row.value.description.clone_from(&wish.description);
                (row.value.changed, row.value.changed_by) = (now, by.clone());
                ACCESS_POLICY.replace(&mut batch, &row)?;
                row.value
            }
            None => {
                let record = PolicyRecord {
                    text: wish.text.clone(),
                    description: wish.description.clone(),
                    created: now,
                    created_by: by.clone(),
                    changed: now,
                    changed_by: by.clone(),
                };
                let page = ACCESS_POLICY.scan(&*house.store, &(), None, POLICIES_MAX).await?;
                if page.rows.len() + page.unreadable.len() >= POLICIES_MAX {
                    return Err(Refusal::exhausted(format!("there are {POLICIES_MAX} policies already")));
                }
                ACCESS_POLICY.insert(&mut batch, &wish.name, &record)?;
                record
            }
        };
        house.audit.add(&mut batch, event.clone())?;
        match house.store.commit(batch).await {
            Ok(_) => {
                house.audit.added();
                known::reread(house).await?;
                return Ok((record, checked.warnings));
            }
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::unavailable(format!("policy {} is being changed by somebody else: try again", wish.name)))
}

/// The policy with this name.
pub async fn get(house: &House, name: &str) -> Result<PolicyRecord, Refusal> {
    let row = ACCESS_POLICY.get(&*house.store, &name.to_owned()).await?;
    row.map(|row| row.value).ok_or_else(|| unknown(name))
}

/// A page of policies by name, and where the next one starts.
pub async fn list(
    house: &House,
    after: Option<String>,
    limit: usize,
) -> Result<(Vec<KeptPolicy>, Option<String>), Refusal> {
    let page = ACCESS_POLICY.scan(&*house.store, &(), after.as_ref(), limit).await?;
    note_unreadable("access-policy", &page.unreadable);
    let next = next_key(&page, limit);
    Ok((page.rows.into_iter().map(|row| (row.key, row.value)).collect(), next))
}

/// Ends a policy. In effect when this returns.
pub async fn delete(house: &House, by: &Principal, name: &str) -> Result<(), Refusal> {
    only_admins(by)?;
    if name == BUILT_IN {
        return Err(Refusal::invalid(format!("{BUILT_IN} is built in and stays")));
    }
    let mut batch = Batch::new();
    let name = name.to_owned();
    batch.require(ACCESS_POLICY.exists(&name));
    ACCESS_POLICY.delete(&mut batch, &name);
    let event = by.did(Action::DeletePolicy, format!("policy {name}"), house.clock.now());
    house.audit.add(&mut batch, event)?;
    match house.store.commit(batch).await {
        Ok(_) => {
            house.audit.added();
            known::reread(house).await
        }
        Err(CommitError::Conflict { .. }) => Err(unknown(&name)),
        Err(error) => Err(error.into()),
    }
}

/// Who writes policies can give himself everything, so no policy may allow it to anybody else.
fn only_admins(by: &Principal) -> Result<(), Refusal> {
    if by.is_admin() {
        return Ok(());
    }
    Err(Refusal::denied(format!(
        "operator {} may not change policies: only members of group {} do, and no policy changes that",
        by.name,
        super::ADMINS
    )))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !(1..=NAME_MAX_CHARS).contains(&name.len()) || !name.bytes().all(good) {
        return Err(Refusal::invalid(format!(
            "`{}` is not a name of a policy: 1 to {NAME_MAX_CHARS} letters, digits, and - _ .",
            name.chars().take(NAME_MAX_CHARS).collect::<String>().escape_debug()
        )));
    }
    if name.starts_with("built-in") {
        return Err(Refusal::invalid(format!("{name} is a name that built-in policies have: take another")));
    }
    Ok(())
}

fn refuse(name: &str, problems: &[Problem]) -> Refusal {
    let mut text = format!("policy {name} has errors, and was not kept:");
    // Writing to a string cannot fail.
    for Problem { line, message } in problems {
        let _ = match line {
            0 => write!(text, "\n{message}"),
            line => write!(text, "\nline {line}: {message}"),
        };
    }
    Refusal::invalid(text)
}

fn unknown(name: &str) -> Refusal {
    let shown: String = name.chars().take(NAME_MAX_CHARS).collect();
    Refusal::not_found(format!(
        "there is no policy `{}`: `access policy list` shows those that exist",
        shown.escape_debug()
    ))
}
