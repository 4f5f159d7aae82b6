//! What every request asks of access, in memory: operators with what lets them in, access keys with their opened
//! secrets, and policies, parsed.
//!
//! It is read anew as a whole after each change in this process, before the change is answered, and by [`follow`] when
//! another process changed something. A row that did not change is not opened again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_store::{Batch, Revision, Row, Store, WatchError};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::Principal;
use super::key_id::{AccessKeyId, Secret};
use super::policies::POLICIES_MAX;
use super::policy::evaluate::Policies;
use super::policy::{Action, Decision, Resource, Who};
use super::records::{AccessKeyRecord, AccessKeyUseRecord, CredentialKind, OperatorRecord, Standing};
use crate::error::Refusal;
use crate::house::House;
use crate::keys::names::KeyName;
use crate::records::{Pages, note_unreadable};
use crate::tables::{ACCESS_KEY, ACCESS_OPERATOR, ACCESS_POLICY, KEY_USE};

/// How often [`flush_uses`] is due: what a controller that is killed may forget of "last used".
pub const FLUSH_INTERVAL: Duration = Duration::from_secs(60);
/// After a failure to read.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The tables that [`follow`] follows begin with this.
const TABLES: &[u8] = b"access-";
const FLUSH_BATCH: usize = 512;

/// The gate of the house.
#[derive(Debug, Default)]
pub struct Access {
    known: RwLock<Arc<Known>>,
    /// One reader at a time, so that what was read last is what stays.
    reading: tokio::sync::Mutex<()>,
    /// Grows when other policies are in effect.
    policies: watch::Sender<u64>,
}

/// One moment of it.
#[derive(Debug, Default)]
pub(super) struct Known {
    read_at: Revision,
    operators: HashMap<String, KnownOperator>,
    /// By the digest of what is shown: whose it is, and until when it is good.
    credentials: HashMap<(CredentialKind, String), (String, Option<Timestamp>)>,
    keys: HashMap<AccessKeyId, Arc<KnownKey>>,
    policies: Arc<Policies>,
    /// What `policies` was made of; while this is the same they need not be parsed again.
    /// None when some could not be read.
    policy_rows: Option<Vec<(String, Revision)>>,
}

#[derive(Debug)]
pub(super) struct KnownOperator {
    pub(super) record: OperatorRecord,
    principal: Principal,
}

#[derive(Debug)]
struct KnownKey {
    revision: Revision,
    record: AccessKeyRecord,
    /// None when the seal does not open.
    secret: Option<Arc<Secret>>,
    last_used: AtomicI64,
    flushed: AtomicI64,
}

/// Why a certificate or a token lets nobody in, for whoever shows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialRefusal {
    #[error("there is no operator {0} any more: ask an administrator")]
    NoOperator(String),
    #[error("operator {0} is disabled: ask an administrator")]
    Disabled(String),
    #[error(
        "this certificate of operator {0} was revoked, or made for another one of that name: ask for a new one"
    )]
    Revoked(String),
    #[error("this token is not known here, or was revoked: ask for a new one")]
    UnknownToken,
    #[error("this token of operator {0} has expired: ask for a new one")]
    Expired(String),
}

/// Why an access key lets nobody in. The words are for the log and for operators; a door tells strangers less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    #[error("there is no such access key")]
    Unknown,
    #[error("the access key is disabled")]
    Disabled,
    #[error("the access key has expired")]
    Expired,
    #[error("the operator of the access key is disabled")]
    OperatorDisabled,
    #[error("the secret of the access key cannot be opened with this controller's key")]
    Sealed,
}

/// An access key that may be used now, and whose it is.
#[derive(Debug, Clone)]
pub struct Signer {
    key: Arc<KnownKey>,
    /// What signatures are made with.
    pub secret: Arc<Secret>,
    pub principal: Principal,
}

impl Signer {
    /// To be called when a signature was found good.
    pub fn note_use(&self, now: Timestamp) {
        self.key.last_used.fetch_max(now.millis(), Ordering::Relaxed);
    }
}

impl Access {
    pub(super) fn known(&self) -> Arc<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The access key with this id, if it may be used now. Asks no store.
    pub fn signer(&self, id: &str, now: Timestamp) -> Result<Signer, KeyRefusal> {
        let known = self.known();
        let id: AccessKeyId = id.parse().map_err(|_| KeyRefusal::Unknown)?;
        let key = known.keys.get(&id).ok_or(KeyRefusal::Unknown)?;
        let operator = known.owner(&key.record).ok_or(KeyRefusal::Unknown)?;
        if key.record.standing == Standing::Disabled {
            return Err(KeyRefusal::Disabled);
        }
        if key.record.expired(now) {
            return Err(KeyRefusal::Expired);
        }
        if operator.record.standing == Standing::Disabled {
            return Err(KeyRefusal::OperatorDisabled);
        }
        let secret = key.secret.clone().ok_or(KeyRefusal::Sealed)?;
        Ok(Signer { key: key.clone(), secret, principal: operator.principal.clone() })
    }

    /// The operator of this name who shows a certificate with this key.
    pub fn certified(&self, name: &str, key_fingerprint: &str) -> Result<Principal, CredentialRefusal> {
        let known = self.known();
        let operator = known.operator(name).ok_or_else(|| CredentialRefusal::NoOperator(name.to_owned()))?;
        let key = (CredentialKind::Certificate, key_fingerprint.to_owned());
        if known.credentials.get(&key).is_none_or(|(owner, _)| owner != name) {
            return Err(CredentialRefusal::Revoked(name.to_owned()));
        }
        operator.enabled(name)
    }

    /// The operator who shows this token.
    pub fn bearer(&self, token: &str, now: Timestamp) -> Result<Principal, CredentialRefusal> {
        let known = self.known();
        // Looked up by its digest: how long that takes tells nothing about the tokens that exist.
        let digest = hex::encode(Sha256::digest(token.as_bytes()));
        let found = known.credentials.get(&(CredentialKind::Token, digest));
        let (name, expires) = found.ok_or(CredentialRefusal::UnknownToken)?;
        if expires.is_some_and(|expires| expires <= now) {
            return Err(CredentialRefusal::Expired(name.clone()));
        }
        let operator = known.operator(name).ok_or_else(|| CredentialRefusal::NoOperator(name.clone()))?;
        operator.enabled(name)
    }

    /// The operator of this name as he is now, enabled or not.
    #[must_use]
    pub fn principal(&self, name: &str) -> Option<Principal> {
        self.known().operator(name).map(|operator| operator.principal.clone())
    }

    /// The operator of this name who was there at that moment, for what he asked to be done later: another one of the
    /// same name, made after it, is not he.
    pub fn acting(&self, name: &str, since: Timestamp) -> Result<Principal, CredentialRefusal> {
        let known = self.known();
        let operator = known.operator(name).filter(|operator| operator.record.created <= since);
        operator.ok_or_else(|| CredentialRefusal::NoOperator(name.to_owned()))?.enabled(name)
    }

    /// Whether a policy names this operator.
    pub(super) fn is_named(&self, operator: &str) -> bool {
        self.known().policies.names(operator)
    }

    /// What the policies say.
    #[must_use]
    pub fn decide(&self, who: Who<'_>, action: Action, resource: &Resource<'_>) -> Decision {
        self.known().policies.decide(who, action, resource)
    }

    /// Changes when other policies are in effect than when this was called.
    #[must_use]
    pub fn watch_policies(&self) -> watch::Receiver<u64> {
        self.policies.subscribe()
    }

    /// When the key was last used, as far as this process knows.
    pub(super) fn last_used(&self, id: &AccessKeyId) -> Option<Timestamp> {
        let known = self.known();
        let millis = known.keys.get(id)?.last_used.load(Ordering::Relaxed);
        (millis > 0).then(|| Timestamp::from_millis(millis))
    }
}

impl KnownOperator {
    fn enabled(&self, name: &str) -> Result<Principal, CredentialRefusal> {
        match self.record.standing {
            Standing::Enabled => Ok(self.principal.clone()),
            Standing::Disabled => Err(CredentialRefusal::Disabled(name.to_owned())),
        }
    }
}

impl Known {
    pub(super) fn operators(&self) -> impl Iterator<Item = (&String, &KnownOperator)> {
        self.operators.iter()
    }

    pub(super) fn operator(&self, name: &str) -> Option<&KnownOperator> {
        self.operators.get(name)
    }

    /// The operator that a key was made for; another one of the same name, made later, is not he.
    fn owner(&self, key: &AccessKeyRecord) -> Option<&KnownOperator> {
        self.operator(&key.operator).filter(|operator| operator.record.created == key.operator_created)
    }

    pub(super) fn keys_of(&self, operator: &str) -> usize {
        self.keys.values().filter(|key| key.record.operator == operator).count()
    }
}

/// Reads everything anew. When this returns, every commit that was answered before is known.
pub async fn reread(house: &House) -> Result<(), Refusal> {
    let _alone = house.access.reading.lock().await;
    let store = &*house.store;
    let old = house.access.known();
    let mut known = Known { read_at: store.revision(), ..Known::default() };
    let mut pages = Pages::of(&ACCESS_OPERATOR, ());
    while let Some(rows) = pages.next(store).await? {
        for row in rows {
            for credential in &row.value.credentials {
                let shown = (credential.kind, credential.digest.clone());
                known.credentials.insert(shown, (row.key.clone(), credential.expires));
            }
            known.operators.extend([known_operator(row)]);
        }
    }
    (known.policies, known.policy_rows) = read_policies(store, &old).await?;
    let mut pages = Pages::of(&ACCESS_KEY, ());
    while let Some(rows) = pages.next(store).await? {
        for row in rows {
            let key = match old.keys.get(&row.key) {
                Some(same) if same.revision == row.revision => same.clone(),
                earlier => {
                    let used = match earlier {
                        Some(earlier) => earlier.last_used.load(Ordering::Relaxed),
                        None => used_before(store, &row.key).await?,
                    };
                    Arc::new(open(house, &row, used).await)
                }
            };
            known.keys.insert(row.key, key);
        }
    }
    let other_policies = !Arc::ptr_eq(&known.policies, &old.policies);
    *house.access.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    if other_policies {
        house.access.policies.send_modify(|count| *count += 1);
    }
    Ok(())
}

async fn read_policies(
    store: &dyn Store,
    old: &Known,
) -> Result<(Arc<Policies>, Option<Vec<(String, Revision)>>), Refusal> {
    let page = ACCESS_POLICY.scan(store, &(), None, POLICIES_MAX).await?;
    note_unreadable("access-policy", &page.unreadable);
    let rows: Vec<_> = page.rows.iter().map(|row| (row.key.clone(), row.revision)).collect();
    if page.unreadable.is_empty() && old.policy_rows.as_ref() == Some(&rows) {
        return Ok((old.policies.clone(), Some(rows)));
    }
    let mut policies = Policies::of(&page.rows);
    for row in &page.unreadable {
        policies.note_unreadable(&row.key);
    }
    Ok((Arc::new(policies), page.unreadable.is_empty().then_some(rows)))
}

fn known_operator(row: Row<String, OperatorRecord>) -> (String, KnownOperator) {
    let groups: Vec<_> = row.value.groups.iter().cloned().collect();
    let principal = Principal { name: row.key.as_str().into(), groups: groups.into(), from: Arc::from("") };
    (row.key, KnownOperator { record: row.value, principal })
}

async fn open(house: &House, row: &Row<AccessKeyId, AccessKeyRecord>, used: i64) -> KnownKey {
    let sealed = &row.value.sealed_secret;
    let name = KeyName::of_access();
    let opened = house.keys.open_sealed(&*house.store, &name, row.key.as_str(), sealed).await;
    let secret = match opened {
        Ok(opened) => Secret::from_opened(&opened).map(Arc::new),
        Err(error) => {
            tracing::error!(key = %row.key, %error, "an access key lets nobody in: its secret cannot be opened");
            None
        }
    };
    KnownKey {
        revision: row.revision,
        record: row.value.clone(),
        secret,
        last_used: AtomicI64::new(used),
        flushed: AtomicI64::new(used),
    }
}

async fn used_before(store: &dyn Store, id: &AccessKeyId) -> Result<i64, Refusal> {
    Ok(KEY_USE.get(store, id).await?.map_or(0, |row| row.value.last_used.millis()))
}

/// Reads anew whenever another process changed something. Runs until the store closes.
pub async fn follow(house: Arc<House>) {
    loop {
        let mut watch = house.store.watch(TABLES, house.store.revision());
        // What came before the watch was set up.
        reread_at_last(&house).await;
        loop {
            match watch.next().await {
                Ok(change) if change.revision <= house.access.known().read_at => {}
                Ok(_) => reread_at_last(&house).await,
                Err(WatchError::Compacted) => break,
                Err(WatchError::Closed) => return,
            }
        }
    }
}

async fn reread_at_last(house: &House) {
    while let Err(error) = reread(house).await {
        tracing::warn!(%error, "operators and access keys cannot be read; tried again soon");
        house.clock.sleep(AGAIN_AFTER).await;
    }
}

/// Writes down when keys were last used.
pub async fn flush_uses(house: &House) -> Result<(), Refusal> {
    let known = house.access.known();
    let used: Vec<_> = known
        .keys
        .iter()
        .map(|(id, key)| (id, key, key.last_used.load(Ordering::Relaxed)))
        .filter(|(_, key, used)| *used > key.flushed.load(Ordering::Relaxed))
        .collect();
    for part in used.chunks(FLUSH_BATCH) {
        let mut batch = Batch::new();
        for (id, _, used) in part {
            // A key that is deleted meanwhile leaves nothing behind: the rest is written next time.
            batch.require(ACCESS_KEY.exists(id));
            KEY_USE.put(&mut batch, id, &AccessKeyUseRecord { last_used: Timestamp::from_millis(*used) })?;
        }
        house.store.commit(batch).await?;
        for (_, key, used) in part {
            key.flushed.fetch_max(*used, Ordering::Relaxed);
        }
    }
    Ok(())
}
