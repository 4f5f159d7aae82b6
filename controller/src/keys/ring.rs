//! The ring: seals with a named key and opens again. Data keys are unwrapped when they are first used and stay in
//! memory; which keys there are and what they may do is as fresh as the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fleetwright_proto::clock::Timestamp;
use fleetwright_store::{Batch, CommitError, Row, Store};
use ring::aead::LessSafeKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::names::KeyName;
use super::records::{DataKeyRecord, KeyRecord, KeyState, RootRecord};
use super::root::{Places, RootKey, RootKeyError, StoreKeys};
use super::seal::{self, Broken, KEY_BYTES};
use crate::documents::records::KeptId;
use crate::error::{Kind, Refusal};
use crate::mirror::Mirror;
use crate::records::COMMIT_ATTEMPTS;
use crate::tables::{KEY, KEY_ROOT, KEY_VERSION};

/// Data keys in memory: more than any fleet has.
const KEYS_BYTES: usize = 16 * 1024 * 1024;

/// A value under seal: what has to be known to open it, beside what it belongs to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The key's, not its name: a key may be deleted and its name taken again.
    pub key: KeptId,
    pub version: u32,
    /// Nonce, ciphertext and tag, base64.
    pub data: String,
}

impl Sealed {
    pub(crate) fn bytes(&self) -> usize {
        self.data.len() + 96
    }

    /// What a caller is shown who does not ask for the value itself.
    #[must_use]
    pub fn ciphertext(&self) -> String {
        self.data.clone()
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed(key {}:{})", self.key, self.version)
    }
}

/// What becomes of a key that nobody has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownKeys {
    /// It is made when something is first sealed with it, so that scripts that name keys go on working.
    #[default]
    Make,
    Refuse,
}

/// Why something was not sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key is not there, or may not be used.
    #[error("{0}")]
    Unusable(String),
    #[error("the sealed value of {0} cannot be opened: it was altered, or stood somewhere else")]
    Broken(String),
    #[error(transparent)]
    Other(#[from] Refusal),
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Unusable(message) => Refusal::conflict(message),
            KeyError::Broken(_) => Refusal::internal(error.to_string()),
            KeyError::Other(refusal) => refusal,
        }
    }
}

macro_rules! other_errors {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for KeyError {
            fn from(error: $error) -> Self {
                Self::Other(error.into())
            }
        }
    )+};
}

other_errors!(
    fleetwright_store::StoreError,
    fleetwright_store::TableError,
    fleetwright_store::RecordError,
    fleetwright_store::CommitError,
);

impl From<RootKeyError> for KeyError {
    fn from(error: RootKeyError) -> Self {
        Self::Other(Refusal::internal(crate::error::chain(&error)))
    }
}

/// See the head of this module.
#[derive(Debug)]
pub struct KeyRing {
    root: RwLock<Arc<RootKey>>,
    unknown: UnknownKeys,
    pub(super) keys: Mirror<KeyName, KeyRecord>,
    versions: Mirror<(KeptId, u32), DataKeyRecord>,
    opened: Mutex<HashMap<(KeptId, u32), Arc<DataKey>>>,
}

/// An unwrapped data key.
pub(super) struct DataKey(LessSafeKey);

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(…)")
    }
}

impl KeyRing {
    #[must_use]
    pub fn of(root: RootKey, unknown: UnknownKeys) -> Self {
        Self {
            root: RwLock::new(Arc::new(root)),
            unknown,
            keys: Mirror::of(&KEY, KEYS_BYTES, |_| 256),
            versions: Mirror::of(&KEY_VERSION, KEYS_BYTES, |_| 256),
            opened: Mutex::default(),
        }
    }

    /// The ring of a store, with its root key. Every data key is looked at, so that a wrong root key shows now.
    pub async fn open(
        store: &dyn Store,
        places: &Places,
        unknown: UnknownKeys,
    ) -> Result<Self, RootKeyError> {
        let failed = |error: fleetwright_store::StoreError| RootKeyError::Store(error.into());
        let row = KEY_ROOT.get(store, &0).await.map_err(|error| RootKeyError::Store(error.into()))?;
        let store_keys = row.map_or(StoreKeys::None, |row| StoreKeys::WrappedBy(row.value.mark));
        let root = RootKey::open(places, &store_keys)?;
        let mut pages = crate::records::Pages::of(&KEY_VERSION, ());
        while let Some(rows) = pages.next(store).await.map_err(failed)? {
            for row in rows {
                root.unwrap(&about_key(&row.key), &row.value.wrapped)?;
            }
        }
        Ok(Self::of(root, unknown))
    }

    #[must_use]
    pub fn root(&self) -> Arc<RootKey> {
        self.root.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn replace_root(&self, root: RootKey) {
        *self.root.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(root);
    }

    /// Seals with a key as it is now, for a value that `batch` writes: the commit conflicts when the key was changed
    /// meanwhile, so that a rotation finds everything that is sealed with the version before. `about` is bound into the
    /// seal: opening takes the same.
    pub async fn seal(
        &self,
        store: &dyn Store,
        batch: &mut Batch,
        name: &KeyName,
        (about, plain): (&str, &[u8]),
        by: &Maker<'_>,
    ) -> Result<Sealed, KeyError> {
        let record = self.ensure(store, name, by).await?;
        batch.require(KEY.unchanged(&record));
        let id = (record.value.id.clone(), record.value.version);
        let key = self.data_key(store, name, &id).await?;
        let sealed = seal::seal(&key.0, about.as_bytes(), plain).map_err(|error| no_random(&error))?;
        Ok(Sealed { key: id.0, version: id.1, data: STANDARD.encode(sealed) })
    }

    /// Opens what was sealed with a key of this name about the same.
    pub async fn open_sealed(
        &self,
        store: &dyn Store,
        name: &KeyName,
        about: &str,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match self.keys.get(store, name).await? {
            Some(row) if row.value.id == sealed.key => refuse_unusable(name, &row.value)?,
            _ => {
                return Err(KeyError::Unusable(format!(
                    "the key {name} was deleted: what it sealed is lost"
                )));
            }
        }
        let key = self.data_key(store, name, &(sealed.key.clone(), sealed.version)).await?;
        let broken = || KeyError::Broken(about.to_owned());
        let data = STANDARD.decode(&sealed.data).map_err(|_| broken())?;
        seal::open(&key.0, about.as_bytes(), &data).map_err(|Broken| broken())
    }

    /// The record of a key that may be used, made when there is none and the settings say so.
    pub(super) async fn ensure(
        &self,
        store: &dyn Store,
        name: &KeyName,
        by: &Maker<'_>,
    ) -> Result<Arc<Row<KeyName, KeyRecord>>, KeyError> {
        if let Some(row) = self.keys.get(store, name).await? {
            refuse_unusable(name, &row.value)?;
            return Ok(row);
        }
        if self.unknown == UnknownKeys::Refuse && !name.is_own() {
            return Err(KeyError::Unusable(format!(
                "there is no key {name}: make it with `key create`, or set keys.unknown to \"make\""
            )));
        }
        for _ in 0..COMMIT_ATTEMPTS {
            match self.make(store, name, "", by).await {
                // Somebody else made it, or the first key of all, at the same moment.
                Err(KeyError::Other(refusal)) if refusal.kind == Kind::AlreadyExists => {}
                made => made?,
            }
            if let Some(row) = self.keys.get(store, name).await? {
                return Ok(row);
            }
        }
        Err(Refusal::conflict(format!("others change key {name} all the time: try again")).into())
    }

    /// Makes a key with its first version.
    pub(super) async fn make(
        &self,
        store: &dyn Store,
        name: &KeyName,
        description: &str,
        by: &Maker<'_>,
    ) -> Result<(), KeyError> {
        let record = KeyRecord {
            id: KeptId::random(),
            description: description.to_owned(),
            created: by.now,
            created_by: by.name.to_owned(),
            state: KeyState::Enabled,
            version: 1,
            oldest: 1,
            rotating: false,
            rotated: None,
        };
        let mut batch = Batch::new();
        KEY.insert(&mut batch, name, &record)?;
        self.add_version(store, &mut batch, (record.id, 1), by.now).await?;
        match store.commit(batch).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict { .. }) => {
                Err(Refusal::already_exists(format!("key {name} was made at the same moment")).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Adds a new data key to the commit, wrapped.
    pub(super) async fn add_version(
        &self,
        store: &dyn Store,
        batch: &mut Batch,
        id: (KeptId, u32),
        now: Timestamp,
    ) -> Result<(), KeyError> {
        let bytes = seal::random_key().map_err(|error| no_random(&error))?;
        let root = self.root();
        let wrapped = root.wrap(&about_key(&id), &*bytes)?;
        match KEY_ROOT.get(store, &0).await? {
            None => KEY_ROOT.insert(batch, &0, &RootRecord { mark: root.mark().to_owned() })?,
            Some(row) if row.value.mark == root.mark() => {
                batch.require(KEY_ROOT.unchanged(&row));
            }
            Some(_) => {
                return Err(
                    Refusal::conflict("the root key is being rotated at this moment: try again").into()
                );
            }
        }
        KEY_VERSION.insert(batch, &id, &DataKeyRecord { wrapped, created: now })?;
        Ok(())
    }

    async fn data_key(
        &self,
        store: &dyn Store,
        name: &KeyName,
        id: &(KeptId, u32),
    ) -> Result<Arc<DataKey>, KeyError> {
        if let Some(known) = self.opened.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            return Ok(known.clone());
        }
        let row = self.versions.get(store, id).await?;
        let row = row.ok_or_else(|| {
            KeyError::Unusable(format!("version {} of the key {name} is gone: what it sealed is lost", id.1))
        })?;
        let bytes = self.root().unwrap(&about_key(id), &row.value.wrapped)?;
        let bytes: [u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| RootKeyError::Altered)?;
        let key = Arc::new(DataKey(seal::key(&Zeroizing::new(bytes))));
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), key.clone());
        Ok(key)
    }

    /// Data keys that are gone from the store are not to stay in memory.
    pub(super) fn forget(&self, key: &KeptId, below: u32) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|(id, version), _| id != key || *version >= below);
    }
}

/// Who makes a key that is not there yet, and when.
#[derive(Debug, Clone, Copy)]
pub struct Maker<'a> {
    pub name: &'a str,
    pub now: Timestamp,
}

/// What is bound into the wrap of a data key.
pub(super) fn about_key(id: &(KeptId, u32)) -> Vec<u8> {
    format!("fleetwright data key {}:{}", id.0, id.1).into_bytes()
}

fn no_random(error: &seal::NoRandom) -> KeyError {
    Refusal::unavailable(error.to_string()).into()
}

fn refuse_unusable(name: &KeyName, record: &KeyRecord) -> Result<(), KeyError> {
    match record.state {
        KeyState::Enabled => Ok(()),
        KeyState::Disabled => Err(KeyError::Unusable(format!(
            "the key {name} is disabled: `key enable {name}` allows it again"
        ))),
        KeyState::PendingDeletion { at } => Err(KeyError::Unusable(format!(
            "the key {name} is to be deleted at {}: `key cancel-deletion {name}` keeps it",
            crate::records::rfc3339(at)
        ))),
    }
}
