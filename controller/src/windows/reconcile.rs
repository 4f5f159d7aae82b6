//! The scheduler: fires what is due, and carries on what is open.
//!
//! It holds a lease, sleeps until the first row of the index of what is due, and wakes for changes of that index, for
//! executions that are to be cancelled, and for the ends of commands that one of its executions waits for. At rest it
//! reads nothing, however many windows there are, and commands of others cost it a look at their ids.
//!
//! An occurrence is one commit: its execution with its tasks, and the window moved on to the next one, all on condition
//! of the lease and of the window as it was read. Whatever is killed when, the occurrence is either still due or has its
//! record.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::CommandId;
use fleetwright_store::{Batch, Change, CommitError, Row, RowChange, Watch, WatchError};
use futures::future::join_all;

use super::fault::WindowError;
use super::ids::{ExecutionId, TaskRunId, WindowId};
use super::operations::move_due;
use super::records::{ExecutionRecord, Reason, State, TaskRunRecord, WindowRecord};
use super::run::{self, Waiting};
use crate::commands::records::Mark;
use crate::error::{Kind, Refusal};
use crate::house::House;
use crate::lease::{self, Asked, Term};
use crate::records::Pages;
use crate::tables::{
    COMMAND_OPEN, WINDOW, WINDOW_DUE, WINDOW_EXECUTION, WINDOW_EXECUTION_OPEN, WINDOW_EXECUTION_TIME,
    WINDOW_TASK_RUN,
};

const LEASE: &str = "windows";
/// How long to wait after the store failed before trying again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Occurrences fired together.
const FIRE_TOGETHER: usize = 64;
/// How often a row that somebody changes at the same moment is read anew before the lease is asked for.
const IN_VAIN_MAX: u32 = 3;
/// Changes taken as one burst.
const BURST_MAX: usize = 4096;

/// Runs until the store closes. `holder` is this controller's name, the same after a restart.
pub async fn run(house: Arc<House>, holder: String) {
    loop {
        let mut scheduler = match Scheduler::take_over(&house, &holder).await {
            Ok(Ok(scheduler)) => scheduler,
            Ok(Err(elsewhere)) => {
                house.clock.sleep_until(elsewhere).await;
                continue;
            }
            Err(error) => {
                tracing::warn!(%error, "the schedule of windows cannot be taken over; trying again");
                house.clock.sleep(RETRY_AFTER).await;
                continue;
            }
        };
        match scheduler.work(&house, &holder).await {
            Left::Closed => return,
            Left::Lost => {}
        }
    }
}

/// Fires and carries on what there is now, once, without waiting for anything.
pub async fn run_once(house: &Arc<House>, holder: &str) -> Result<(), Refusal> {
    match Scheduler::take_over(house, holder).await? {
        Ok(mut scheduler) => scheduler.act(house).await.map(drop).map_err(Refusal::from),
        Err(_) => Ok(()),
    }
}

/// Why the scheduler stopped.
enum Left {
    Lost,
    Closed,
}

struct Scheduler {
    term: Term,
    watches: Watches,
    /// Executions that have not ended, with what they wait for.
    open: BTreeMap<ExecutionId, Waiting>,
    /// Those of them that are to be looked at.
    dirty: BTreeSet<ExecutionId>,
    /// Which of them a command belongs to.
    waiting: HashMap<CommandId, ExecutionId>,
    /// When the first row of the index is due, or earlier.
    next_due: Option<Timestamp>,
}

struct Watches {
    due: Watch,
    executions: Watch,
    commands: Watch,
}

impl Scheduler {
    /// Takes the lease and reads what is open; or tells until when another controller has it.
    async fn take_over(house: &House, holder: &str) -> Result<Result<Self, Timestamp>, Refusal> {
        let term = match lease::ask(house, LEASE, holder).await? {
            Asked::Held(term) => term,
            Asked::Elsewhere(until) => return Ok(Err(until)),
        };
        let from = house.store.revision();
        let watches = Watches {
            due: WINDOW_DUE.watch(&*house.store, &(), from),
            executions: WINDOW_EXECUTION.watch(&*house.store, &(), from),
            commands: COMMAND_OPEN.watch(&*house.store, &(), from),
        };
        let mut dirty = BTreeSet::new();
        let mut pages = Pages::of(&WINDOW_EXECUTION_OPEN, ());
        while let Some(rows) = pages.next(&*house.store).await? {
            dirty.extend(rows.into_iter().map(|row| row.key));
        }
        let next_due = Some(Timestamp::default());
        Ok(Ok(Self { term, watches, open: BTreeMap::new(), dirty, waiting: HashMap::new(), next_due }))
    }

    async fn work(&mut self, house: &Arc<House>, holder: &str) -> Left {
        let mut unsure = false;
        loop {
            let now = house.clock.now();
            if std::mem::take(&mut unsure) || now >= self.term.renew_at() {
                match lease::ask(house, LEASE, holder).await {
                    Ok(Asked::Held(term)) => self.term = term,
                    Ok(Asked::Elsewhere(_)) => return Left::Lost,
                    Err(error) => {
                        tracing::warn!(%error, "the lease of the schedule cannot be renewed; trying again");
                        house.clock.sleep(RETRY_AFTER).await;
                        continue;
                    }
                }
            }
            let failed = match self.act(house).await {
                Ok(failed) => failed,
                Err(error) => {
                    tracing::warn!(%error, "the schedule of windows could not be carried on; trying again");
                    true
                }
            };
            // What failed may have failed because the lease is gone.
            unsure = failed;
            match self.wait(house, failed).await {
                Ok(()) => {}
                Err(WatchError::Compacted) => return Left::Lost,
                Err(WatchError::Closed) => return Left::Closed,
            }
        }
    }

    /// Does what is due. Returns whether something failed and is to be tried again.
    async fn act(&mut self, house: &Arc<House>) -> Result<bool, WindowError> {
        let now = house.clock.now();
        let due = self.next_due.is_some_and(|at| at <= now);
        let mut failed = if due { self.fire(house).await? } else { false };
        let timed = self.open.iter().filter(|(_, waiting)| waiting.until.is_some_and(|until| until <= now));
        self.dirty.extend(timed.map(|(id, _)| id.clone()).collect::<Vec<_>>());
        let dirty: Vec<_> = std::mem::take(&mut self.dirty).into_iter().collect();
        let results = join_all(dirty.iter().map(|id| run::advance(house, &self.term, id))).await;
        for (id, result) in dirty.into_iter().zip(results) {
            match result {
                Ok(waiting) => self.keep(id, waiting),
                Err(error) => {
                    // A conflict is a change that somebody made, and is decided from what is there now.
                    if error.fault.kind() != Kind::Conflict {
                        tracing::warn!(execution = %id, %error, "could not carry a window on; trying again");
                    }
                    self.open.entry(id.clone()).or_default();
                    self.dirty.insert(id);
                    failed = true;
                }
            }
        }
        Ok(failed)
    }

    /// Opens every occurrence that is due, and learns when the next one is.
    async fn fire(&mut self, house: &Arc<House>) -> Result<bool, WindowError> {
        let mut in_vain = 0;
        loop {
            let now = house.clock.now();
            let page = WINDOW_DUE.scan(&*house.store, &(), None, FIRE_TOGETHER).await?;
            self.next_due = page.rows.first().map(|row| row.key.0);
            let due: Vec<_> = page.rows.into_iter().map(|row| row.key).filter(|(at, _)| *at <= now).collect();
            if due.is_empty() || in_vain > IN_VAIN_MAX {
                return Ok(!due.is_empty());
            }
            let fired =
                join_all(due.iter().map(|(at, window)| fire_one(house, &self.term, window, *at))).await;
            let mut settled = false;
            for (result, (_, window)) in fired.into_iter().zip(&due) {
                match result {
                    Ok(Fired::Opened(execution)) => {
                        self.dirty.insert(execution);
                        settled = true;
                    }
                    Ok(Fired::Settled) => settled = true,
                    Ok(Fired::Changed) => {}
                    Err(error) => {
                        tracing::warn!(%window, %error, "a window could not be opened; trying again");
                        return Ok(true);
                    }
                }
            }
            in_vain = if settled { 0 } else { in_vain + 1 };
        }
    }

    fn keep(&mut self, id: ExecutionId, waiting: Waiting) {
        for command in self.open.remove(&id).into_iter().flat_map(|before| before.commands) {
            self.waiting.remove(&command);
        }
        if !waiting.over {
            self.waiting.extend(waiting.commands.iter().map(|command| (command.clone(), id.clone())));
            self.open.insert(id, waiting);
        }
    }

    /// Until something is to be done.
    async fn wait(&mut self, house: &House, failed: bool) -> Result<(), WatchError> {
        let retry = failed.then(|| house.clock.now().plus(RETRY_AFTER));
        let timed = self.open.values().filter_map(|waiting| waiting.until).min();
        loop {
            // What is due and failed is tried again with the rest.
            let due = self.next_due.filter(|_| !failed);
            let moments = timed.into_iter().chain(due).chain(retry).chain([self.term.renew_at()]);
            let wake = moments.min().unwrap_or_else(|| self.term.renew_at());
            let mut woken = tokio::select! {
                () = house.clock.sleep_until(wake) => return Ok(()),
                change = self.watches.due.next() => self.note_due(&change?),
                change = self.watches.executions.next() => self.note_execution(&change?),
                change = self.watches.commands.next() => self.note_command(&change?),
            };
            for _ in 0..BURST_MAX {
                woken |= if let Some(change) = self.watches.commands.try_next() {
                    self.note_command(&change?)
                } else if let Some(change) = self.watches.executions.try_next() {
                    self.note_execution(&change?)
                } else if let Some(change) = self.watches.due.try_next() {
                    self.note_due(&change?)
                } else {
                    break;
                };
            }
            if woken {
                return Ok(());
            }
        }
    }

    /// A window that is due earlier than what is waited for: the sleep is too long, and nothing is to be done yet.
    fn note_due(&mut self, change: &Change) -> bool {
        for row in WINDOW_DUE.decode_change(change) {
            if let RowChange::Put(row) = row {
                let at = row.key.0;
                self.next_due = Some(self.next_due.map_or(at, |next| next.min(at)));
            }
        }
        false
    }

    /// Somebody wants an execution to be cancelled; every other change of one is the scheduler's own.
    fn note_execution(&mut self, change: &Change) -> bool {
        let mut woken = false;
        for row in WINDOW_EXECUTION.decode_change(change) {
            if let RowChange::Put(row) = row
                && !row.value.state.is_final()
                && row.value.cancel.is_some()
            {
                self.dirty.insert(row.key);
                woken = true;
            }
        }
        woken
    }

    fn note_command(&mut self, change: &Change) -> bool {
        let mut woken = false;
        for row in COMMAND_OPEN.decode_change(change) {
            if let RowChange::Deleted(command) = row
                && let Some(execution) = self.waiting.remove(&command)
            {
                self.dirty.insert(execution);
                woken = true;
            }
        }
        woken
    }
}

/// What becomes of an occurrence. Pure, but for the calendars that were asked before.
#[must_use]
pub fn judge(
    window: &WindowRecord,
    scheduled: Timestamp,
    now: Timestamp,
    started: Timestamp,
    closed: Option<Reason>,
) -> Option<Reason> {
    if now > scheduled.plus(window.grace()) {
        let grace_minutes = window.grace().as_secs() / 60;
        return Some(Reason::Missed { noticed: now, started, grace_minutes });
    }
    if let Some(execution) = &window.open {
        return Some(Reason::Overlapping { execution: execution.clone() });
    }
    closed
}

/// What became of a row of what is due.
enum Fired {
    Opened(ExecutionId),
    /// It is recorded as one that did not run, or was not due any more.
    Settled,
    /// Something of it was changed meanwhile: it is decided anew.
    Changed,
}

/// Opens one occurrence.
async fn fire_one(
    house: &House,
    term: &Term,
    window: &WindowId,
    at: Timestamp,
) -> Result<Fired, WindowError> {
    let mut batch = Batch::new();
    term.require(&mut batch);
    let row = WINDOW.get(&*house.store, window).await?;
    let Some(mut row) = row.filter(|row| row.value.next == Some(at)) else {
        // What the window does not speak of is nothing; its own row is written in the same commit as this one.
        WINDOW_DUE.delete(&mut batch, &(at, window.clone()));
        return commit(house, batch, Fired::Settled).await;
    };
    let now = house.clock.now();
    let closed = run::closed(house, &row.value.calendars, now).await;
    let skipped = judge(&row.value, at, now, house.started, closed);
    let id = ExecutionId::of(window, at);
    let mut execution = execution(&row, at, now);
    match skipped {
        Some(reason) => {
            (execution.state, execution.reason, execution.finished) = (State::Skipped, reason, Some(now));
        }
        None => {
            row.value.open = Some(id.clone());
            for (task_id, task) in super::tasks::all(house, window).await? {
                let run = TaskRunId::of(&id, &task_id);
                let record = TaskRunRecord {
                    task_id,
                    task,
                    state: State::Pending,
                    reason: Reason::WaitingForTurn {},
                    started: None,
                    finished: None,
                    invocations: Vec::new(),
                };
                WINDOW_TASK_RUN.insert(&mut batch, &(id.clone(), run.clone()), &record)?;
                execution.tasks.push(run);
            }
            WINDOW_EXECUTION_OPEN.put(&mut batch, &id, &Mark {})?;
        }
    }
    let opened = !execution.state.is_final();
    WINDOW_EXECUTION.insert(&mut batch, &id, &execution)?;
    let newest_first = crate::commands::send::newest_first(at);
    WINDOW_EXECUTION_TIME.put(&mut batch, &(window.clone(), newest_first, id.clone()), &Mark {})?;
    let next = next_after(house, &row.value, at, now);
    move_due(&mut batch, window, Some(at), next)?;
    row.value.next = next;
    WINDOW.replace(&mut batch, &row)?;
    let fired = if opened { Fired::Opened(id) } else { Fired::Settled };
    commit(house, batch, fired).await
}

/// After a long pause the occurrences of which nothing would be kept any more are passed over.
fn next_after(house: &House, window: &WindowRecord, at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let keep = i64::try_from(house.limits.keep_commands.as_millis()).unwrap_or(i64::MAX);
    let oldest = Timestamp::from_millis(now.millis().saturating_sub(keep));
    window.next_after(at.max(oldest))
}

fn execution(row: &Row<WindowId, WindowRecord>, at: Timestamp, now: Timestamp) -> ExecutionRecord {
    let window = &row.value;
    ExecutionRecord {
        window: row.key.clone(),
        window_name: window.name.clone(),
        scheduled: at,
        started: now,
        cutoff: at.plus(window.open_for()),
        end: at.plus(window.duration()),
        calendars: window.calendars.clone(),
        state: State::InProgress,
        reason: Reason::AtWork {},
        finished: None,
        tasks: Vec::new(),
        cancel: None,
    }
}

async fn commit(house: &House, batch: Batch, fired: Fired) -> Result<Fired, WindowError> {
    match house.store.commit(batch).await {
        Ok(_) => Ok(fired),
        Err(CommitError::Conflict { .. }) => Ok(Fired::Changed),
        Err(error) => Err(error.into()),
    }
}
