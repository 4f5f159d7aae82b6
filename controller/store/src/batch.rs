//! A batch: conditions and writes that happen together or not at all. Pure; knows no engine.
//!
//! The limits live here as well. [`VALUE_MAX_BYTES`] is not a matter of taste: sled keeps larger pages in side files
//! that it never syncs, so a power cut would lose what was acknowledged. Bulk bytes belong in `Blobs`.

use std::collections::HashSet;

use bytes::Bytes;

use crate::contract::{CommitError, Revision, printable};

/// The longest value that a store takes.
pub const VALUE_MAX_BYTES: usize = 32 * 1024;
/// The longest key that a store takes.
pub const KEY_MAX_BYTES: usize = 1024;
/// The most bytes of keys and values in one batch.
pub const BATCH_MAX_BYTES: usize = 256 * 1024;
/// The most conditions and writes in one batch.
pub const BATCH_MAX_ITEMS: usize = 4096;

/// What must be so for a batch to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    Absent(Bytes),
    /// The last write of the key was this commit.
    At(Bytes, Revision),
    Exists(Bytes),
}

impl Condition {
    #[must_use]
    pub fn key(&self) -> &Bytes {
        match self {
            Self::Absent(key) | Self::At(key, _) | Self::Exists(key) => key,
        }
    }

    /// Whether it holds for a key last written at `found`; `None` when the key is absent.
    pub(crate) fn holds(&self, found: Option<Revision>) -> bool {
        match self {
            Self::Absent(_) => found.is_none(),
            Self::At(_, revision) => found == Some(*revision),
            Self::Exists(_) => found.is_some(),
        }
    }
}

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    Put(Bytes, Bytes),
    Delete(Bytes),
}

impl Write {
    #[must_use]
    pub fn key(&self) -> &Bytes {
        match self {
            Self::Put(key, _) | Self::Delete(key) => key,
        }
    }

    pub(crate) fn size_bytes(&self) -> usize {
        match self {
            Self::Put(key, value) => key.len() + value.len(),
            Self::Delete(key) => key.len(),
        }
    }
}

/// Conditions and writes of one commit. Without writes it is a barrier (see `Store::commit`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    conditions: Vec<Condition>,
    writes: Vec<Write>,
}

impl Batch {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub fn require(&mut self, condition: Condition) -> &mut Self {
        self.conditions.push(condition);
        self
    }

    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> &mut Self {
        self.writes.push(Write::Put(key.into(), value.into()));
        self
    }

    /// Deleting an absent key is no error.
    pub fn delete(&mut self, key: impl Into<Bytes>) -> &mut Self {
        self.writes.push(Write::Delete(key.into()));
        self
    }

    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty() && self.writes.is_empty()
    }

    /// Bytes of keys and values; what [`BATCH_MAX_BYTES`] limits. A caller that fills batches asks this.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let conditions: usize = self.conditions.iter().map(|condition| condition.key().len()).sum();
        conditions + self.writes.iter().map(Write::size_bytes).sum::<usize>()
    }

    /// Conditions and writes; what [`BATCH_MAX_ITEMS`] limits.
    #[must_use]
    pub fn items(&self) -> usize {
        self.conditions.len() + self.writes.len()
    }

    pub(crate) fn into_writes(self) -> Vec<Write> {
        self.writes
    }

    /// What every store refuses before it looks at its data.
    pub(crate) fn check(&self) -> Result<(), CommitError> {
        let too_large =
            |what: &str, size, limit| CommitError::TooLarge { what: what.to_owned(), size, limit };
        if self.items() > BATCH_MAX_ITEMS {
            return Err(too_large("conditions and writes in one commit", self.items(), BATCH_MAX_ITEMS));
        }
        if self.size_bytes() > BATCH_MAX_BYTES {
            return Err(too_large("bytes in one commit", self.size_bytes(), BATCH_MAX_BYTES));
        }
        let mut written = HashSet::with_capacity(self.writes.len());
        for write in &self.writes {
            let key = write.key();
            if key.is_empty() {
                return Err(CommitError::EmptyKey);
            }
            if key.len() > KEY_MAX_BYTES {
                let what = format!("bytes in the key that begins with {}", printable(&key[..40]));
                return Err(too_large(&what, key.len(), KEY_MAX_BYTES));
            }
            if let Write::Put(_, value) = write
                && value.len() > VALUE_MAX_BYTES
            {
                let what = format!("bytes in the value of key {}", printable(key));
                return Err(too_large(&what, value.len(), VALUE_MAX_BYTES));
            }
            if !written.insert(&key[..]) {
                return Err(CommitError::WrittenTwice { key: key.clone() });
            }
        }
        Ok(())
    }
}

/// The least key that sorts after every key beginning with `prefix`; `None` when there is none.
pub(crate) fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}
