//! Carries out what was delivered: a queue, a few workers, and the journal before everything.
//!
//! ```text
//! Delivery ─► accept ─► journal ─► queue ─► worker ─► decide ─► act ─► journal ─┐
//!                                             └──────────◄──────────────────────┘ until there is a final report
//! ```
//!
//! Decisions are in [`decide`] and pure; this side does them. It knows no stream: the link hands deliveries in and
//! reads reports out of the ledger. A command is in exactly one of the queue's two places for as long as it has no
//! final report. While a reboot is wanted nothing new begins, and the host goes down when nothing else runs.

mod accept;
pub(crate) mod associations;
mod decide;
mod drift;
mod drive;
pub(crate) mod nested;
mod queue;
mod result;
pub(crate) mod wire;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleetwright_platform::SharedPlatform;
use fleetwright_proto::clock::{SharedClock, Timestamp};
use fleetwright_proto::ids::CommandId;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::inventory::Collector;
use crate::journal::Ledger;
use crate::spool::Spool;
use crate::steps::library::SharedLibrary;
use crate::steps::{Downloads, Packages, ScriptFacts};
use crate::update::UpdateFolder;
use queue::{Queue, Stop};

/// What an executor may take on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutorLimits {
    /// Commands that run at once (reference, section 3.7).
    pub workers: usize,
    /// Commands that are not acknowledged yet, the running ones included.
    pub open_commands: usize,
    /// Documents and parameters of these, in memory and in the journal.
    pub work_bytes: u64,
    /// Of the journal, when something new is accepted.
    pub journal_bytes: u64,
    /// A delivery is refused when less than this is free on the disk, so that results can still be written.
    pub spare_disk_bytes: u64,
    /// What a running step has to come to its end when the agent stops (reference, section 3.7).
    pub stop_timeout: Duration,
    /// Between asking a process to end and killing it.
    pub kill_grace: Duration,
    /// Of all files that one step downloads.
    pub download_bytes: u64,
}

impl Default for ExecutorLimits {
    fn default() -> Self {
        Self {
            workers: 5,
            open_commands: 1_000,
            work_bytes: 4 << 20,
            journal_bytes: crate::journal::MAX_BYTES,
            spare_disk_bytes: 4 << 20,
            stop_timeout: Duration::from_secs(20),
            kill_grace: crate::steps::DEFAULT_KILL_GRACE,
            download_bytes: crate::steps::DEFAULT_DOWNLOAD_MAX_BYTES,
        }
    }
}

/// What an executor works with.
#[derive(Debug)]
pub(crate) struct Workplace {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) spool: Spool,
    pub(crate) platform: SharedPlatform,
    pub(crate) clock: SharedClock,
    /// One folder for each command that has begun.
    pub(crate) orchestration: PathBuf,
    pub(crate) boot_id: String,
    pub(crate) host: fleetwright_documents::Platform,
    pub(crate) facts: ScriptFacts,
    pub(crate) library: SharedLibrary,
    pub(crate) packages: Packages,
    pub(crate) downloads: Downloads,
    /// None where the agent cannot be replaced by another build.
    pub(crate) updates: Option<UpdateFolder>,
    pub(crate) inventory: Arc<Collector>,
    pub(crate) limits: ExecutorLimits,
}

/// A handle; all handles are of one executor.
#[derive(Debug, Clone)]
pub(crate) struct Executor {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    place: Workplace,
    queue: Mutex<Queue>,
    tasks: Mutex<JoinSet<()>>,
    /// A worker became free or began to wait for a reboot.
    settled: Notify,
    /// Associations changed, or one of them is applied no more. For one listener.
    associations: Notify,
}

/// How busy an executor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    pub waiting: usize,
    pub running: usize,
}

impl Executor {
    /// Takes up what the journal says was not finished.
    pub(crate) fn start(place: Workplace) -> Self {
        let unfinished: Vec<CommandId> = place.ledger.read(|state| {
            let open = state.open_commands().into_iter();
            open.filter(|(_, command)| command.finished.is_none()).map(|(id, _)| id.clone()).collect()
        });
        let shared = Shared {
            queue: Mutex::new(Queue::new(place.limits.workers)),
            tasks: Mutex::new(JoinSet::new()),
            settled: Notify::new(),
            associations: Notify::new(),
            place,
        };
        let executor = Self { shared: Arc::new(shared) };
        executor.forget_strangers();
        for command in unfinished {
            tracing::info!("command {command} of an earlier run of this agent is taken up again");
            executor.enqueue(command);
        }
        executor
    }

    /// Whether a command waits for a free worker, which is worth a report.
    pub(crate) fn is_waiting(&self, command: &CommandId) -> bool {
        self.shared.queue().is_waiting(command)
    }

    pub(crate) fn load(&self) -> Load {
        self.shared.queue().load()
    }

    /// Drops everything that belongs to a command whose final report is acknowledged.
    pub(crate) fn forget(&self, command: &CommandId) {
        self.shared.place.spool.forget(command);
    }

    /// Begins nothing more, gives running steps the time-out to end and then ends them as interrupted.
    pub(crate) async fn stop(&self) {
        self.stop_within(self.shared.place.limits.stop_timeout).await;
    }

    /// As [`Executor::stop`], with another time-out.
    pub(crate) async fn stop_within(&self, time_out: Duration) {
        self.shared.queue().close();
        let clock = &self.shared.place.clock;
        let deadline = clock.now().plus(time_out);
        tokio::select! {
            () = self.all_workers_ended() => return,
            () = clock.sleep_until(deadline) => {}
        }
        self.shared.queue().interrupt_all();
        // Killing cannot be refused; the grace of the processes is all that this waits for.
        self.all_workers_ended().await;
    }

    /// As SIGKILL would: nothing more is done, and processes are left to themselves.
    pub(crate) fn kill(&self) {
        self.shared.queue().close();
        self.shared.tasks().abort_all();
    }

    async fn all_workers_ended(&self) {
        loop {
            let settled = self.shared.settled.notified();
            if self.shared.queue().load().running == 0 {
                return;
            }
            settled.await;
        }
    }

    fn enqueue(&self, command: CommandId) {
        self.shared.queue().push(command);
        self.begin_what_can_begin();
    }

    fn begin_what_can_begin(&self) {
        loop {
            let Some((command, stop)) = self.shared.queue().begin_next() else { return };
            self.spawn_worker(command, stop);
        }
    }

    /// Ends a command that was cancelled while it waited. It needs no free worker, because it runs nothing.
    fn end_cancelled(&self, command: CommandId) {
        self.spawn_worker(command, Stop::default());
    }

    fn spawn_worker(&self, command: CommandId, stop: Stop) {
        let executor = self.clone();
        let mut tasks = self.shared.tasks();
        // Ended tasks are taken out on the way, or the set would grow with every command.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            drive::to_the_end(&executor.shared, &command, &stop).await;
            executor.shared.queue().end(&command);
            executor.shared.settled.notify_waiters();
            executor.shared.associations.notify_one();
            executor.begin_what_can_begin();
        });
    }

    /// Folders and output of commands that the journal does not know, left by a crash between two removals.
    fn forget_strangers(&self) {
        let place = &self.shared.place;
        let is_open = |id: &CommandId| place.ledger.read(|state| state.command(id).is_some());
        for command in place.spool.commands().iter().filter(|command| !is_open(command)) {
            place.spool.forget(command);
        }
        for entry in std::fs::read_dir(&place.orchestration).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let command = name.to_str().and_then(|name| name.parse::<CommandId>().ok());
            if command.is_some_and(|command| !is_open(&command)) {
                drive::remove_folder(&entry.path());
            }
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.place.clock.now()
    }
}
