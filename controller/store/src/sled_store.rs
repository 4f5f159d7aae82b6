//! The embedded store: sled 0.34 behind one committer thread.
//!
//! ```text
//! writers ──queue──► committer: gather a group ► check conditions ► one sled batch ► flush ► fdatasync
//!                                                                    ► publish to watches ► answer everyone
//! readers ─────────► sled's tree, at once
//! ```
//!
//! The rooms: `folder` knows what lies on the disk and says in plain words why it cannot be opened; `engine` is the
//! only place that calls sled; `group` decides, purely, what a group of batches does; `committer` runs the thread.
//!
//! One group at a time is between "applied" and "durable". When the engine fails, nothing of that group is
//! acknowledged, the engine is opened again behind the same handle, and every watch is told to scan again, because
//! it is not known what of the group reached the disk.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use crate::batch::Batch;
use crate::contract::{CommitError, Entry, Revision, Store, StoreError, Unit, Usage};
use crate::feed::{Feed, FeedLimits, Watch};
use crate::work::{Health, Work, WorkCounters};
use committer::{Committer, Request};
use engine::Engine;
use folder::Folder;

mod committer;
mod engine;
mod folder;
mod group;

pub use folder::OpenError;

/// Commits that may wait for the committer before writers themselves wait.
const QUEUE_COMMITS: usize = 4096;

/// How a [`SledStore`] uses its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SledSettings {
    /// What sled may keep of the data in memory.
    pub cache_bytes: u64,
    /// Below this much free space on its disk the store refuses writes, before sled runs into the wall.
    pub reserve_bytes: u64,
    pub feed: FeedLimits,
}

impl Default for SledSettings {
    fn default() -> Self {
        Self { cache_bytes: 64 * 1024 * 1024, reserve_bytes: 64 * 1024 * 1024, feed: FeedLimits::default() }
    }
}

/// A store in a folder of the local disk. Dropping it ends the committer and unlocks the folder.
#[derive(Debug)]
pub struct SledStore {
    shared: Arc<Shared>,
    requests: Option<mpsc::Sender<Request>>,
    committer: Option<JoinHandle<()>>,
}

/// What the handle and its committer share.
#[derive(Debug)]
struct Shared {
    folder: Folder,
    settings: SledSettings,
    feed: Feed,
    engine: RwLock<EngineState>,
    work: WorkCounters,
}

#[derive(Debug)]
enum EngineState {
    Open(Engine),
    Failed(StoreError),
}

impl Shared {
    /// Whether the disk has room for writes. A disk that does not tell is tried.
    fn has_room(&self) -> bool {
        self.folder.space().is_none_or(|space| space.free_bytes >= self.settings.reserve_bytes)
    }
}

impl SledStore {
    /// Opens the store in `path`, which is made when it does not exist.
    pub fn open(path: impl AsRef<Path>, settings: SledSettings) -> Result<Self, OpenError> {
        let folder = Folder::open(path.as_ref())?;
        let engine = Engine::open(&folder, settings.cache_bytes)?;
        let last = engine.last_revision().map_err(|error| folder.unopened(error))?;
        let feed = Feed::starting_at(last, settings.feed);
        let shared = Arc::new(Shared {
            folder,
            settings,
            feed,
            engine: RwLock::new(EngineState::Open(engine)),
            work: WorkCounters::default(),
        });
        let (requests, queue) = mpsc::channel(QUEUE_COMMITS);
        let committer = Committer::new(shared.clone(), queue, last);
        let committer = std::thread::Builder::new()
            .name("store-committer".to_owned())
            .spawn(move || committer.run())
            .map_err(|source| OpenError::Io { folder: shared.folder.name(), source })?;
        Ok(Self { shared, requests: Some(requests), committer: Some(committer) })
    }

    /// Reads from the engine; when it has failed, asks the committer to open it again and says why it failed.
    fn read<T>(&self, read: impl FnOnce(&Engine) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match &*self.shared.engine.read().unwrap_or_else(PoisonError::into_inner) {
            EngineState::Open(engine) => read(engine),
            EngineState::Failed(error) => {
                if let Some(requests) = &self.requests {
                    // A full queue means that commits wait already, and each of them asks the same.
                    let _ = requests.try_send(Request::Reopen);
                }
                Err(error.clone())
            }
        }
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(committer) = self.committer.take()
            && committer.join().is_err()
        {
            tracing::error!(folder = %self.shared.folder.name(), "the store's committer had panicked");
        }
        self.shared.feed.close();
    }
}

/// Reads touch the disk only for what is not in the cache, a page at a time, so they run where they are called.
#[async_trait]
impl Store for SledStore {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.read(|engine| engine.get(key))
    }

    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.read(|engine| engine.scan(prefix, after, limit))
    }

    async fn commit(&self, batch: Batch) -> Result<Revision, CommitError> {
        batch.check()?;
        let (answer, answered) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or(StoreError::Closed)?;
        requests.send(Request::Commit { batch, answer }).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    fn watch(&self, prefix: &[u8], from: Revision) -> Watch {
        self.shared.feed.watch(prefix, from)
    }

    fn revision(&self) -> Revision {
        self.shared.feed.revision()
    }

    fn usage(&self) -> Vec<Usage> {
        let disk = self.read(Engine::disk_bytes).ok();
        let cache = Some(self.shared.settings.cache_bytes);
        let mut usage = vec![
            Usage { name: "disk", used: disk, limit: None, unit: Unit::Bytes },
            // sled keeps to its limit but does not tell how much of it is taken.
            Usage { name: "cache", used: None, limit: cache, unit: Unit::Bytes },
        ];
        if let Some(requests) = &self.requests {
            let waiting = Some((requests.max_capacity() - requests.capacity()) as u64);
            let limit = Some(requests.max_capacity() as u64);
            usage.push(Usage { name: "commits waiting", used: waiting, limit, unit: Unit::Commits });
        }
        usage.extend(self.shared.feed.usage().against(self.shared.settings.feed));
        usage
    }

    fn health(&self) -> Health {
        let failed = self.read(|_| Ok(())).err();
        let full = || StoreError::Full { folder: self.shared.folder.name() };
        let refuses = failed.or_else(|| (!self.shared.has_room()).then(full));
        Health { refuses, space: self.shared.folder.space() }
    }

    fn work(&self) -> Work {
        self.shared.work.read()
    }
}
