//! What every store promises: the trait, its revisions and its errors. No engine is named here.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::feed::Watch;
use crate::work::{Health, Work};

/// A commit's place in the order of all commits. Grows with every commit that writes, survives a restart, and is
/// never given twice to commits that were answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub(crate) u64);

impl Revision {
    /// Before the first commit of a new store.
    pub const ZERO: Self = Self(0);

    /// For cursors that are kept or sent elsewhere as a number.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: Bytes,
    pub value: Bytes,
    /// The commit that last wrote this key.
    pub revision: Revision,
}

/// An ordered key-value store. See the crate's page for what it promises.
///
/// Reads show what has been applied, which may be a moment ahead of what is durable. Whoever acts on what it read
/// without writing (answers "already done", say) first commits a batch of conditions only: a **barrier**.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError>;

    /// At most `limit` entries whose keys begin with `prefix` and sort after `after`, in ascending order of keys.
    ///
    /// Each entry is whole, but a scan is no snapshot: commits may happen while it runs.
    async fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize)
    -> Result<Vec<Entry>, StoreError>;

    /// Applies the whole batch if all its conditions hold, and answers when it is durable.
    ///
    /// A batch without writes is a barrier: it is answered once its conditions held and everything that was applied
    /// before it is durable. It takes no revision of its own and returns that of the last commit before it.
    ///
    /// Dropping the future does not take the commit back: it then happened or not, and nobody was told.
    async fn commit(&self, batch: Batch) -> Result<Revision, CommitError>;

    /// Every commit after `from` that writes below `prefix`.
    ///
    /// To follow a range from its present state: take [`Store::revision`], scan, then watch from that revision. A
    /// change that the scan saw already may then be seen once more.
    fn watch(&self, prefix: &[u8], from: Revision) -> Watch;

    /// The last durable commit.
    fn revision(&self) -> Revision;

    /// What the store takes of the host, for a status command.
    fn usage(&self) -> Vec<Usage>;

    /// How the store is at this moment: the very next commit would be answered so.
    fn health(&self) -> Health;

    /// What the store has done since it was opened.
    fn work(&self) -> Work;
}

/// A store that everything in one process shares.
pub type SharedStore = Arc<dyn Store>;

/// How much of something is taken, and how much it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    pub name: &'static str,
    /// `None` when the engine does not tell.
    pub used: Option<u64>,
    /// `None` when the disk is the limit.
    pub limit: Option<u64>,
    pub unit: Unit,
}

/// What a [`Usage`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Commits,
    Watches,
    Places,
    Connections,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes",
            Self::Commits => "commits",
            Self::Watches => "watches",
            Self::Places => "places",
            Self::Connections => "connections",
        })
    }
}

/// Why the store could not do its work. One failure answers many callers, so it can be cloned.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Passes when there is room again; nothing needs a restart.
    #[error("no room left on the disk of {folder}: free some, and the store goes on by itself")]
    Full { folder: String },
    /// The engine failed; the store tries to open it again by itself.
    #[error("the store in {folder} failed")]
    Failed {
        folder: String,
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The kernel could not say that written bytes reached the disk. Trusting the same file again in this process
    /// would trust bytes that may be gone.
    #[error("the disk of {folder} did not confirm a write: check the disk, then start the controller again")]
    Unconfirmed {
        folder: String,
        #[source]
        source: Arc<std::io::Error>,
    },
    #[error("the stored value of key {key} is damaged: {why}")]
    Damaged { key: String, why: &'static str },
    #[error("the store is closed")]
    Closed,
}

/// Why a commit did not happen. Nothing of the batch was written, except where [`StoreError`] says that it is
/// unknown.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// The condition on this key does not hold: read again and decide again.
    #[error("key {} is not as the commit expects it", printable(key))]
    Conflict { key: Bytes },
    #[error("{what}: {size} is more than the limit of {limit}")]
    TooLarge { what: String, size: usize, limit: usize },
    #[error("key {} is written twice in one commit", printable(key))]
    WrittenTwice { key: Bytes },
    #[error("an empty key cannot be written")]
    EmptyKey,
    /// The batch was not acknowledged. After [`StoreError::Full`] it was not written either; after the other kinds
    /// it may be found whole when the store works again.
    #[error("the commit was not acknowledged")]
    Store(#[from] StoreError),
}

/// A key as people can read it: text as it is, other bytes as `\xNN`.
pub(crate) fn printable(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}
