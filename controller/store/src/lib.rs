//! The store: an ordered key-value store with a small surface, typed tables above it, and blobs for bulk bytes.
//!
//! ```text
//!   Table<K, V>      typed rows: what a capability reads and writes
//!        │
//!   dyn Store        get · scan · commit · watch: bytes, revisions, conditions
//!    ┌───┴──────┐
//! MemoryStore  SledStore            Blobs: bulk bytes in files, outside the store
//! ```
//!
//! The store knows nothing of nodes, commands or documents. What it promises, whoever implements it:
//!
//! - A commit that was answered is durable and whole. A commit that was not answered is there whole, or not at all.
//! - Commits have one order, told by their [`Revision`]; conditions are checked at the commit's place in that order.
//! - A watcher sees every commit below its prefix once and in order, or is told to scan again.
//! - Nothing in memory grows with the number of commits: history and queues have limits.
//!
//! sled is named in one folder, `sled_store/`, and nowhere else in the project.

mod batch;
mod blobs;
mod contract;
mod feed;
mod key;
mod memory;
mod record;
mod sled_store;
mod table;
mod work;

pub use batch::{BATCH_MAX_BYTES, BATCH_MAX_ITEMS, Batch, Condition, KEY_MAX_BYTES, VALUE_MAX_BYTES, Write};
pub use blobs::{BlobError, BlobInfo, BlobPath, Blobs};
pub use contract::{CommitError, Entry, Revision, SharedStore, Store, StoreError, Unit, Usage};
pub use feed::{Change, FeedLimits, Watch, WatchError};
pub use key::{KeyError, KeyPrefix, KeyReader, KeyWriter, Reverse, TableKey};
pub use memory::MemoryStore;
pub use record::{Codec, Decoded, Kept, Record, RecordError};
pub use sled_store::{OpenError, SledSettings, SledStore};
pub use table::{Page, Row, RowChange, Table, TableError, Unreadable};
pub use work::{Distribution, Health, Space, Work};
