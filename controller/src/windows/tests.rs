//! Windows in a house with a memory store and a clock that is moved; controllers that die at a commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fleetwright_proto::clock::{Clock, ManualClock, Timestamp};
use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::{
    Batch, Blobs, CommitError, Entry, Health, MemoryStore, Revision, Store, StoreError, Usage, Watch,
    Work as StoreWork,
};
use tempfile::TempDir;
use tonic::async_trait;

use super::ids::{ExecutionId, TargetId, TaskId, WindowId};
use super::operations::{NewWindow, WindowWish};
use super::records::{ExecutionRecord, RunCommand, TaskRunRecord, Work};
use super::targets::{NewTarget, TargetWish};
use super::tasks::{NewTask, TaskWish};
use super::{executions, operations, reconcile, targets, tasks};
use crate::authority;
use crate::commands::records::Outcome;
use crate::commands::tally::{Counts, Verdict};
use crate::house::House;
use crate::keys::ring::{KeyRing, UnknownKeys};
use crate::keys::root::RootKey;
use crate::settings::Settings;
use crate::tables::{COMMAND, NODE};
use crate::tests::node;

mod kills;
mod occurrences;
mod rights;
mod running;
mod wishes;

/// What outlives a controller.
struct Site {
    store: Arc<MemoryStore>,
    clock: ManualClock,
    folder: TempDir,
}

/// A store whose controller dies at a commit: nothing is answered from then on.
#[derive(Debug)]
struct Dying {
    inner: Arc<MemoryStore>,
    /// Commits that are still answered.
    left: AtomicU64,
    last: Last,
}

/// What becomes of the commit at which the controller dies.
#[derive(Debug, Clone, Copy)]
enum Last {
    Lost,
    /// It is durable, and nobody was told.
    Kept,
}

#[async_trait]
impl Store for Dying {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.inner.get(key).await
    }

    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.inner.scan(prefix, after, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Revision, CommitError> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match (left, self.last) {
            (Ok(1), Last::Kept) => {
                self.inner.commit(batch).await?;
                Err(StoreError::Closed.into())
            }
            (Ok(0 | 1) | Err(_), _) => Err(StoreError::Closed.into()),
            (Ok(_), _) => self.inner.commit(batch).await,
        }
    }

    fn watch(&self, prefix: &[u8], from: Revision) -> Watch {
        self.inner.watch(prefix, from)
    }

    fn revision(&self) -> Revision {
        self.inner.revision()
    }

    fn usage(&self) -> Vec<Usage> {
        self.inner.usage()
    }

    fn health(&self) -> Health {
        self.inner.health()
    }

    fn work(&self) -> StoreWork {
        self.inner.work()
    }
}

impl Site {
    /// At noon (UTC) of 1 June 2026.
    fn new() -> Self {
        let clock = ManualClock::starting_at(moment("2026-06-01T12:00:00Z"));
        Self { store: Arc::default(), clock, folder: tempfile::tempdir().unwrap() }
    }

    fn house_over(&self, store: Arc<dyn Store>) -> Arc<House> {
        let authority = authority::open(&self.folder.path().join("authority"), self.clock.now()).unwrap();
        let blobs = Blobs::open_folder(self.folder.path().join("blobs")).unwrap();
        let keys = KeyRing::of(RootKey::random("a test").unwrap(), UnknownKeys::Make);
        let clock = Arc::new(self.clock.clone());
        Arc::new(House::new(store, blobs, clock, authority, keys, &Settings::default()))
    }

    /// A controller, started.
    async fn house(&self) -> Arc<House> {
        let house = self.house_over(self.store.clone());
        crate::commands::reconcile::end_half_written(&house).await.unwrap();
        house
    }

    /// A controller that answers so many commits and dies at the next.
    fn dying(&self, commits: u64, last: Last) -> (Arc<House>, Arc<Dying>) {
        let store = Arc::new(Dying { inner: self.store.clone(), left: AtomicU64::new(commits + 1), last });
        (self.house_over(store.clone()), store)
    }

    fn move_to(&self, text: &str) {
        self.clock.advance(self.clock.now().until(moment(text)));
    }

    fn pass(&self, hours: u64) {
        self.clock.advance(Duration::from_secs(hours * 3600));
    }
}

fn moment(text: &str) -> Timestamp {
    super::check::date("moment", text).unwrap().at
}

/// Due at 02:00 for four hours, with a cut-off of one.
fn wish(schedule: &str) -> WindowWish {
    WindowWish {
        name: Some("nightly".to_owned()),
        schedule: Some(schedule.to_owned()),
        duration_hours: Some(4),
        cutoff_hours: Some(1),
        allow_unassociated_targets: Some(false),
        ..WindowWish::default()
    }
}

async fn window(house: &House, wish: WindowWish) -> WindowId {
    let new = NewWindow { wish, created_by: "ada".to_owned(), ..NewWindow::default() };
    operations::create(house, new).await.unwrap()
}

async fn add_nodes(house: &House, role: &str, count: usize) -> Vec<NodeId> {
    let ids: Vec<_> = (0..count).map(|_| NodeId::random()).collect();
    for (part, some) in ids.chunks(400).enumerate() {
        let mut batch = Batch::new();
        for (number, id) in some.iter().enumerate() {
            let record = node(&format!("{role}-{part}-{number}"), "Linux", &[("role", role)]);
            NODE.put(&mut batch, id, &record).unwrap();
        }
        house.store.commit(batch).await.unwrap();
    }
    ids
}

async fn target(house: &House, window: &WindowId, role: &str) -> TargetId {
    let wish = TargetWish {
        targets: Some(vec![("tag:role".to_owned(), vec![role.to_owned()])]),
        owner_information: Some(format!("owner of {role}")),
        ..TargetWish::default()
    };
    let new = NewTarget { window: window.clone(), resource_type: None, wish, client_token: String::new() };
    targets::register(house, new).await.unwrap()
}

/// Runs `true` on these targets.
fn task_wish(priority: u32, targets: &[&TargetId]) -> TaskWish {
    let parameters = [("commands".to_owned(), vec!["echo {{WINDOW_EXECUTION_ID}}".to_owned()])].into();
    let ids = targets.iter().map(ToString::to_string).collect();
    TaskWish {
        document: Some("AWS-RunShellScript".to_owned()),
        work: Some(Work::RunCommand(RunCommand { parameters, ..RunCommand::default() })),
        targets: Some(vec![("WindowTargetIds".to_owned(), ids)]),
        priority: Some(priority),
        ..TaskWish::default()
    }
}

async fn task(house: &House, window: &WindowId, wish: TaskWish) -> TaskId {
    let new = NewTask { window: window.clone(), wish, client_token: String::new(), asked_by: None };
    tasks::register(house, new).await.unwrap()
}

async fn look(house: &Arc<House>) {
    reconcile::run_once(house, "this").await.unwrap();
}

/// Ends a command, as its nodes would have.
async fn end_command(house: &House, id: &CommandId, verdict: Verdict) {
    let mut row = COMMAND.get(&*house.store, id).await.unwrap().unwrap();
    assert_eq!(row.value.outcome, None, "{id} has ended already");
    let counts = Counts { success: row.value.target_count, ..Counts::default() };
    row.value.outcome = Some(Outcome { verdict, finished: house.clock.now(), counts });
    let mut batch = Batch::new();
    COMMAND.replace(&mut batch, &row).unwrap();
    house.store.commit(batch).await.unwrap();
}

/// The executions of a window, oldest first.
async fn history(house: &House, window: &WindowId) -> Vec<(ExecutionId, ExecutionRecord)> {
    let (mut found, _) = executions::list(house, window, |_| true, None, 10_000).await.unwrap();
    found.reverse();
    found
}

async fn runs(house: &House, id: &ExecutionId) -> Vec<TaskRunRecord> {
    let (_, tasks) = executions::tasks(house, id).await.unwrap();
    tasks.into_iter().map(|(_, run)| run).collect()
}

/// Every command that there is.
async fn commands(house: &House) -> Vec<CommandId> {
    let page = COMMAND.scan(&*house.store, &(), None, 1_000).await.unwrap();
    page.rows.into_iter().map(|row| row.key).collect()
}
