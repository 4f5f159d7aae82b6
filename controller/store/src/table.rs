//! Typed tables: rows over a store's bytes. A table is a name, a key type and a value type; it holds nothing.
//!
//! Several tables share a store and a batch, so that a change of state, the work that it causes and the index
//! entries that find it are one commit.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;

use crate::batch::{Batch, Condition, Write};
use crate::contract::{Entry, Revision, Store, StoreError, printable};
use crate::feed::{Change, Watch};
use crate::key::{END, KeyError, KeyPrefix, KeyReader, KeyWriter, TableKey};
use crate::record::{Codec, Kept, RecordError};

/// A named table of a store. Names are unique in a store; one file of its user draws them all.
pub struct Table<K, V> {
    name: &'static str,
    kinds: PhantomData<fn() -> (K, V)>,
}

/// One row as it was read.
#[derive(Debug, Clone)]
pub struct Row<K, V> {
    pub key: K,
    pub value: V,
    /// The commit that last wrote this row; what [`Table::replace`] and [`Table::delete_at`] insist on.
    pub revision: Revision,
    kept: Kept,
}

/// Some rows in the order of their keys. Fewer rows than asked for means that the range has ended; else the key of
/// the last row is where the next page starts.
#[derive(Debug)]
pub struct Page<K, V> {
    pub rows: Vec<Row<K, V>>,
    /// Rows between them that this release cannot read. They stay as they are.
    pub unreadable: Vec<Unreadable>,
}

/// A row that cannot be read, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub key: String,
    pub why: String,
}

/// One row's part of a commit.
#[derive(Debug, Clone)]
pub enum RowChange<K, V> {
    Put(Row<K, V>),
    Deleted(K),
    Unreadable(Unreadable),
}

/// Why a row could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("row {key} of table {table} cannot be read")]
    Unreadable {
        table: &'static str,
        key: String,
        #[source]
        source: RecordError,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<K: TableKey, V: Codec> Table<K, V> {
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, kinds: PhantomData }
    }

    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub async fn get(&self, store: &dyn Store, key: &K) -> Result<Option<Row<K, V>>, TableError> {
        let Some(entry) = store.get(&self.key_bytes(key)).await? else { return Ok(None) };
        let decoded = V::decode(&entry.value).map_err(|source| TableError::Unreadable {
            table: self.name,
            key: printable(&entry.key),
            source,
        })?;
        Ok(Some(Row { key: key.clone(), value: decoded.value, revision: entry.revision, kept: decoded.kept }))
    }

    /// Up to `limit` readable rows below `prefix` (`&()` for the whole table) that sort after `after`.
    pub async fn scan(
        &self,
        store: &dyn Store,
        prefix: &impl KeyPrefix<K>,
        after: Option<&K>,
        limit: usize,
    ) -> Result<Page<K, V>, StoreError> {
        let prefix = self.prefix_bytes(prefix);
        let mut after = after.map(|key| self.key_bytes(key));
        let mut page = Page { rows: Vec::new(), unreadable: Vec::new() };
        loop {
            let wanted = limit - page.rows.len();
            let entries = store.scan(&prefix, after.as_deref(), wanted).await?;
            let ended = entries.len() < wanted;
            after = entries.last().map(|entry| entry.key.clone());
            for entry in entries {
                match self.decode(&entry) {
                    Ok(row) => page.rows.push(row),
                    Err(unreadable) => page.unreadable.push(unreadable),
                }
            }
            if ended || page.rows.len() == limit {
                return Ok(page);
            }
        }
    }

    /// How many rows there are below `prefix`, readable or not, and at most `most`: no value is looked into.
    pub async fn count(
        &self,
        store: &dyn Store,
        prefix: &impl KeyPrefix<K>,
        most: usize,
    ) -> Result<usize, StoreError> {
        const AT_ONCE: usize = 1_000;
        let prefix = self.prefix_bytes(prefix);
        let (mut count, mut after) = (0, None);
        while count < most {
            let wanted = AT_ONCE.min(most - count);
            let entries = store.scan(&prefix, after.as_deref(), wanted).await?;
            count += entries.len();
            if entries.len() < wanted {
                break;
            }
            after = entries.last().map(|entry| entry.key.clone());
        }
        Ok(count)
    }

    /// Writes the row whatever was there before. For rows that were read, prefer [`Table::replace`].
    pub fn put(&self, batch: &mut Batch, key: &K, value: &V) -> Result<(), RecordError> {
        batch.put(self.key_bytes(key), value.encode(&Kept::default())?);
        Ok(())
    }

    /// Writes a new row; the commit conflicts when there is one already.
    pub fn insert(&self, batch: &mut Batch, key: &K, value: &V) -> Result<(), RecordError> {
        batch.require(self.absent(key));
        self.put(batch, key, value)
    }

    /// Writes back a row that was read and changed; the commit conflicts when somebody else wrote it since. Fields
    /// that this release does not know stay.
    pub fn replace(&self, batch: &mut Batch, row: &Row<K, V>) -> Result<(), RecordError> {
        let value = row.value.encode(&row.kept)?;
        batch.require(self.unchanged(row));
        batch.put(self.key_bytes(&row.key), value);
        Ok(())
    }

    /// Deletes the row whatever it holds; an absent row is no error.
    pub fn delete(&self, batch: &mut Batch, key: &K) {
        batch.delete(self.key_bytes(key));
    }

    /// Deletes the row as it was at `revision`; the commit conflicts when somebody else wrote it since.
    pub fn delete_at(&self, batch: &mut Batch, key: &K, revision: Revision) {
        let key = self.key_bytes(key);
        batch.require(Condition::At(key.clone(), revision));
        batch.delete(key);
    }

    #[must_use]
    pub fn absent(&self, key: &K) -> Condition {
        Condition::Absent(self.key_bytes(key))
    }

    #[must_use]
    pub fn exists(&self, key: &K) -> Condition {
        Condition::Exists(self.key_bytes(key))
    }

    #[must_use]
    pub fn unchanged(&self, row: &Row<K, V>) -> Condition {
        Condition::At(self.key_bytes(&row.key), row.revision)
    }

    /// Every commit after `from` that writes rows below `prefix`; [`Table::decode_change`] reads what it yields.
    #[must_use]
    pub fn watch(&self, store: &dyn Store, prefix: &impl KeyPrefix<K>, from: Revision) -> Watch {
        store.watch(&self.prefix_bytes(prefix), from)
    }

    /// The rows of this table in a commit that a watch saw; writes of other tables are passed over.
    pub fn decode_change<'a>(&'a self, change: &'a Change) -> impl Iterator<Item = RowChange<K, V>> + 'a {
        change.writes.iter().filter_map(|write| self.decode_write(change.revision, write))
    }

    /// One write as a row of this table; `None` when it is another table's.
    #[must_use]
    pub fn decode_write(&self, revision: Revision, write: &Write) -> Option<RowChange<K, V>> {
        if !self.owns(write.key()) {
            return None;
        }
        Some(match write {
            Write::Put(key, value) => {
                let entry = Entry { key: key.clone(), value: value.clone(), revision };
                self.decode(&entry).map_or_else(RowChange::Unreadable, RowChange::Put)
            }
            Write::Delete(key) => match self.decode_key(key) {
                Ok(key) => RowChange::Deleted(key),
                Err(error) => RowChange::Unreadable(unreadable(key, &error)),
            },
        })
    }

    /// The bytes under which a row is kept.
    #[must_use]
    pub fn key_bytes(&self, key: &K) -> Bytes {
        let mut out = KeyWriter::default();
        out.text(self.name);
        key.write(&mut out);
        out.into_bytes().into()
    }

    /// Whether a key is one of this table's. Asked for every write by everybody who watches: it allocates nothing.
    fn owns(&self, key: &[u8]) -> bool {
        key.strip_prefix(self.name.as_bytes()).is_some_and(|rest| rest.starts_with(&END))
    }

    fn prefix_bytes(&self, prefix: &impl KeyPrefix<K>) -> Bytes {
        let mut out = KeyWriter::default();
        out.text(self.name);
        prefix.write_prefix(&mut out);
        out.into_bytes().into()
    }

    fn decode_key(&self, bytes: &[u8]) -> Result<K, KeyError> {
        let mut reader = KeyReader::new(bytes);
        reader.text()?;
        let key = K::read(&mut reader)?;
        reader.end()?;
        Ok(key)
    }

    fn decode(&self, entry: &Entry) -> Result<Row<K, V>, Unreadable> {
        let key = self.decode_key(&entry.key).map_err(|error| unreadable(&entry.key, &error))?;
        let decoded = V::decode(&entry.value).map_err(|error| unreadable(&entry.key, &error))?;
        Ok(Row { key, value: decoded.value, revision: entry.revision, kept: decoded.kept })
    }
}

/// The error with its causes, as a status command shows it.
fn unreadable(key: &[u8], error: &dyn std::error::Error) -> Unreadable {
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        why = format!("{why}: {cause}");
        source = cause.source();
    }
    Unreadable { key: printable(key), why }
}

impl<K, V> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Table").field(&self.name).finish()
    }
}
