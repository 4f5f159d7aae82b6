//! Activations: how hosts are let in (reference, section 6.3).

use std::collections::BTreeMap;
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::ActivationId;
use fleetwright_store::Batch;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

use super::records::{ActivationRecord, Tags};
use super::targets;
use crate::error::Refusal;
use crate::house::House;
use crate::meters::NewWork;
use crate::room;
use crate::tables::ACTIVATION;

/// Most hosts that may join with one activation.
pub const REGISTRATION_LIMIT_MAX: u32 = 100_000;
/// Without another wish an activation ends after this long.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Longest description or default name, characters (reference, section 6.3).
pub const TEXT_MAX_CHARS: usize = 256;
/// 20 characters of 62: 119 random bits.
const CODE_CHARS: usize = 20;

/// How long an activation is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    After(Duration),
    Never,
}

/// What an operator wants of a new activation.
#[derive(Debug, Clone)]
pub struct NewActivation {
    pub description: String,
    pub registration_limit: u32,
    pub expiry: Expiry,
    pub default_name: Option<String>,
    pub tags: Tags,
    /// Kept for who reads it back; it gives no right.
    pub iam_role: Option<String>,
}

/// A new activation with its code, which is not kept and not shown again.
#[derive(Debug)]
pub struct CreatedActivation {
    pub id: ActivationId,
    pub record: ActivationRecord,
    pub code: String,
}

/// Makes an activation. Durable when this returns.
pub async fn create(house: &House, wish: NewActivation) -> Result<CreatedActivation, Refusal> {
    check(&wish)?;
    room::admit(house, NewWork::Activation)?;
    let now = house.clock.now();
    let code = random_code()?;
    let record = ActivationRecord {
        description: wish.description,
        created: now,
        expires: match wish.expiry {
            Expiry::After(lifetime) => Some(now.plus(lifetime)),
            Expiry::Never => None,
        },
        registration_limit: wish.registration_limit,
        registrations: 0,
        default_name: wish.default_name,
        tags: wish.tags,
        iam_role: wish.iam_role,
        code_digest: code_digest(&code),
    };
    let id = ActivationId::random();
    let mut batch = Batch::new();
    ACTIVATION.insert(&mut batch, &id, &record)?;
    house.store.commit(batch).await?;
    Ok(CreatedActivation { id, record, code })
}

/// The activations after `after` in the order of their ids.
pub async fn list(
    house: &House,
    after: Option<ActivationId>,
    limit: usize,
) -> Result<Vec<(ActivationId, ActivationRecord)>, Refusal> {
    let page = ACTIVATION.scan(&*house.store, &(), after.as_ref(), limit).await?;
    crate::records::note_unreadable("activation", &page.unreadable);
    Ok(page.rows.into_iter().map(|row| (row.key, row.value)).collect())
}

/// The activations after `after` that `accept` takes, and where the next page starts.
pub async fn list_where(
    house: &House,
    accept: impl Fn(&ActivationId, &ActivationRecord) -> bool,
    mut after: Option<ActivationId>,
    limit: usize,
) -> Result<(Vec<(ActivationId, ActivationRecord)>, Option<ActivationId>), Refusal> {
    let mut found = Vec::new();
    loop {
        let page = list(house, after, limit).await?;
        let last = page.last().filter(|_| page.len() >= limit).map(|(id, _)| id.clone());
        for (id, record) in page {
            if accept(&id, &record) {
                found.push((id.clone(), record));
            }
            if found.len() >= limit {
                return Ok((found, Some(id)));
            }
        }
        match last {
            None => return Ok((found, None)),
            last => after = last,
        }
    }
}

/// Ends an activation. Nodes that joined with it stay.
pub async fn delete(house: &House, id: &ActivationId) -> Result<(), Refusal> {
    let row = ACTIVATION.get(&*house.store, id).await?.ok_or_else(|| unknown(id))?;
    let mut batch = Batch::new();
    ACTIVATION.delete_at(&mut batch, &row.key, row.revision);
    house.store.commit(batch).await?;
    Ok(())
}

/// Whether a host that shows this code may join now; says why not in words that help the one at the host.
pub fn admits(
    id: &ActivationId,
    record: &ActivationRecord,
    code: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    admits_again(record, code)?;
    if record.expired(now) {
        return Err(Refusal::denied(format!("activation {id} has expired: make a new one")));
    }
    if record.registrations >= record.registration_limit {
        return Err(Refusal::exhausted(format!(
            "activation {id} is used up: {} of {} hosts have joined with it; make a new one",
            record.registrations, record.registration_limit
        )));
    }
    Ok(())
}

/// Whether a host that has joined before may be answered once more; neither expiry nor use count.
pub fn admits_again(record: &ActivationRecord, code: &str) -> Result<(), Refusal> {
    let (shown, kept) = (code_digest(code), &record.code_digest);
    // Both are digests of the same length: comparing them tells nothing about the code.
    if shown == *kept { Ok(()) } else { Err(wrong_activation()) }
}

/// One answer for an unknown id and a wrong code, so that ids cannot be found by trying.
#[must_use]
pub fn wrong_activation() -> Refusal {
    Refusal::denied("the activation id or code is wrong: check both against what `activation create` printed")
}

fn unknown(id: &ActivationId) -> Refusal {
    Refusal::not_found(format!("there is no activation {id}: `activation list` shows those that exist"))
}

fn check(wish: &NewActivation) -> Result<(), Refusal> {
    if !(1..=REGISTRATION_LIMIT_MAX).contains(&wish.registration_limit) {
        return Err(Refusal::invalid(format!(
            "registration limit {} is out of range: 1 to {REGISTRATION_LIMIT_MAX}",
            wish.registration_limit
        )));
    }
    if wish.expiry == Expiry::After(Duration::ZERO) {
        return Err(Refusal::invalid("an activation that expires at once admits nobody: give it some time"));
    }
    for (what, text) in
        [("description", Some(&wish.description)), ("default name", wish.default_name.as_ref())]
    {
        if text.is_some_and(|text| text.chars().count() > TEXT_MAX_CHARS) {
            return Err(Refusal::invalid(format!("the {what} is longer than {TEXT_MAX_CHARS} characters")));
        }
    }
    targets::check_tags(&wish.tags, &BTreeMap::new())
}

fn random_code() -> Result<String, Refusal> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let source = SystemRandom::new();
    let mut code = String::with_capacity(CODE_CHARS);
    while code.len() < CODE_CHARS {
        let mut byte = [0u8; 1];
        source.fill(&mut byte).map_err(|_| Refusal::internal("the system gives no random numbers"))?;
        // 248 is the largest multiple of 62 in a byte: beyond it some letters would be likelier.
        if byte[0] < 248 {
            code.push(char::from(LETTERS[usize::from(byte[0] % 62)]));
        }
    }
    Ok(code)
}

fn code_digest(code: &str) -> String {
    hex::encode(Sha256::digest(code.as_bytes()))
}
