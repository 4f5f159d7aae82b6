//! One command from where it stands to its final report: decide, do, journal, again.
//!
//! Every effect lies between two records: a process is journaled before it is released, a result before it is
//! reported. A record that the disk does not take is tried again until it does; the command waits for it.

use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fleetwright_documents::{Decision, HostTraits, Plan, PlannedStep};
use fleetwright_platform::ProcessIdentity;
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::CommandId;
use futures::FutureExt;

use super::decide::{self, Moment, Todo};
use super::nested::CommandJournal;
use super::queue::Stop;
use super::result::{self, Begun};
use super::{Shared, Workplace};
use crate::explain::explain;
use crate::journal::{Command, Durability, JournalError, Record, StepProgress, StepRecord, StepState, Work};
use crate::secrets::Secrets;
use crate::spool::{Stream, StreamId};
use crate::steps::{self, How, StepContext, StepTools};

/// Between two tries to write to a disk that took nothing.
const DISK_RETRY: Duration = Duration::from_secs(2);

/// Why a command is left where it stands; it goes on from there when the agent starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// The agent stops.
    Stopping,
    /// The journal is closed, so nothing more may happen.
    Closed,
    /// The command was cancelled while the disk took nothing.
    GaveUp,
}

/// Returns when the command has its final report, or when the agent ends.
pub(super) async fn to_the_end(shared: &Arc<Shared>, command: &CommandId, stop: &Stop) {
    let work = shared.place.ledger.read(|state| state.command(command)?.work.clone());
    let plan = work.map_or_else(|| Err(String::new()), |work| plan(&work, &shared.place));
    let (plan, secrets) = match plan {
        Ok((plan, secrets)) => (Ok(plan), secrets),
        Err(problem) => (Err(problem), Secrets::default()),
    };
    let driver = Driver { shared, id: command, stop, plan, secrets };
    let went = AssertUnwindSafe(driver.go()).catch_unwind().await;
    let went = match went {
        Ok(went) => went,
        // The panic itself is in the log. One command ends by it, and not the agent.
        Err(_) => driver.break_off().await,
    };
    if went.is_ok() {
        remove_folder(&shared.place.command_folder(command));
    }
}

/// Scripts may hold secrets: they go as soon as the command is over.
pub(super) fn remove_folder(folder: &Path) {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("cannot remove `{}`: {error}", folder.display());
        }
        _ => {}
    }
}

impl Workplace {
    fn command_folder(&self, command: &CommandId) -> PathBuf {
        self.orchestration.join(command.as_str())
    }
}

/// The document's plan on this host with the values that it must not show or, in one line, why there is none.
fn plan(work: &Work, place: &Workplace) -> Result<(Plan, Secrets), String> {
    let name = &work.document_name;
    let document = fleetwright_documents::parse(work.content.as_bytes())
        .map_err(|diagnostics| {
            let first = diagnostics.iter().next().map(ToString::to_string).unwrap_or_default();
            format!("the document `{name}` cannot be used: {first}")
        })?
        .document;
    let bound = document
        .bound_from_json(work.parameters.as_bytes())
        .map_err(|error| format!("the parameters of `{name}` cannot be used: {error}"))?;
    // What this agent has no handler for says so itself when its turn comes.
    let plan = document.plan(&bound, &HostTraits { platform: place.host, supports: &|_| true });
    Ok((plan, Secrets::of(&bound)))
}

struct Driver<'a> {
    shared: &'a Arc<Shared>,
    id: &'a CommandId,
    stop: &'a Stop,
    plan: Result<Plan, String>,
    secrets: Secrets,
}

impl Driver<'_> {
    async fn go(&self) -> Result<(), Left> {
        loop {
            let Some(command) = self.place().ledger.read(|state| state.command(self.id).cloned()) else {
                return Ok(());
            };
            let moment = Moment { now: self.shared.now(), boot_id: &self.place().boot_id };
            match decide::decide(&command, self.plan.as_ref().map_err(String::as_str), moment) {
                Todo::Nothing => return Ok(()),
                // A stopping agent begins nothing; what is decided without it is still written down.
                Todo::Run(_) | Todo::Reboot { .. } if self.shared.queue().is_closed() => {
                    return Err(Left::Stopping);
                }
                Todo::Run(index) => self.run(index).await?,
                Todo::Record { step, state, detail } => self.record_without_run(step, state, detail).await?,
                Todo::Interrupt { step, processes } => self.interrupt(step, &processes, &command).await?,
                Todo::Reboot { step, count } => self.reboot(&command, step, count).await?,
                Todo::Finish(report) => {
                    tracing::info!("command {} ended: {:?}, {:?}", self.id, report.status, report.reason);
                    let start_deadline = command.work.as_ref().map_or(moment.now, |work| work.start_deadline);
                    let id = self.id.clone();
                    self.persist(Record::Finished { command: id, report, start_deadline }).await?;
                }
            }
        }
    }

    /// Ends a command that this agent cannot carry out because of an error of its own.
    async fn break_off(&self) -> Result<(), Left> {
        let Some(command) = self.place().ledger.read(|state| state.command(self.id).cloned()) else {
            return Ok(());
        };
        if let Some((step, _)) = command.running_step() {
            command.processes(step).iter().for_each(|process| self.kill_leftover(process));
        }
        let report = decide::broken_off(&command);
        let start_deadline = command.work.as_ref().map_or(self.shared.now(), |work| work.start_deadline);
        self.persist(Record::Finished { command: self.id.clone(), report, start_deadline }).await
    }

    async fn run(&self, index: usize) -> Result<(), Left> {
        let (step, planned) = self.planned(index);
        let Decision::Run(inputs) = &planned.decision else {
            unreachable!("the flow runs only what the plan decided to run")
        };
        let place = self.place();
        let begun = Begun { started: self.started(step), ..Begun::now(step, planned, self.shared.now()) };
        let context = StepContext {
            command: self.id.clone(),
            step,
            inner: Vec::new(),
            name: planned.name.clone(),
            orchestration: place.command_folder(self.id),
            working_directory: None,
            facts: place.facts.clone(),
            kill_grace: place.limits.kill_grace,
            secrets: self.secrets.clone(),
            journal: Arc::new(CommandJournal {
                shared: Arc::clone(self.shared),
                command: self.id.clone(),
                step,
                stop: self.stop.clone(),
            }),
        };
        let tools = StepTools {
            platform: Arc::clone(&place.platform),
            host: place.host,
            library: Arc::clone(&place.library),
            packages: place.packages.clone(),
            downloads: place.downloads.clone(),
            clock: Arc::clone(&place.clock),
            spool: place.spool.clone(),
        };
        let on_started = self.journal_start(begun.clone());
        let end = steps::run(planned.action, inputs, &context, &tools, &self.stop.token, on_started).await;
        if end.how == How::Suspended {
            return Err(Left::Stopping);
        }
        let stopped_by = self.stop.stopped_by();
        let mut result = result::of_end(begun, planned, end, stopped_by, (place.host, self.shared.now()));
        result.detail = self.secrets.cover(&result.detail);
        self.persist(Record::StepFinished { command: self.id.clone(), step, result }).await
    }

    /// When the step began: earlier than now when it goes on after the agent was stopped inside it.
    fn started(&self, step: u32) -> Timestamp {
        let earlier = self.place().ledger.read(|state| match state.command(self.id)?.steps.get(&step)? {
            StepProgress::Started { at, .. } => Some(*at),
            StepProgress::Finished(_) => None,
        });
        earlier.unwrap_or_else(|| self.shared.now())
    }

    /// Called by the step while its process is held back.
    fn journal_start(&self, begun: Begun) -> steps::OnStarted {
        let (shared, command, stop) = (Arc::clone(self.shared), self.id.clone(), self.stop.clone());
        Arc::new(move |process: Option<ProcessIdentity>| {
            let (shared, command, stop) = (Arc::clone(&shared), command.clone(), stop.clone());
            let Begun { step, name, action, started: at } = begun.clone();
            Box::pin(async move {
                let record = Record::StepStarted { command, step, name, action, at, process };
                persist(&shared, &stop, record, Patience::UntilCancelled).await.map_err(|left| {
                    io::Error::other(match left {
                        Left::Closed | Left::Stopping => "the agent stopped before the step began",
                        Left::GaveUp => "the command was cancelled before the step began",
                    })
                })
            })
        })
    }

    async fn record_without_run(&self, index: usize, state: StepState, detail: String) -> Result<(), Left> {
        let (step, planned) = self.planned(index);
        let begun = Begun::now(step, planned, self.shared.now());
        let code = i32::from(state != StepState::Skipped);
        let known = |command: &Command| result::interrupted_inner(command, step, &[], self.shared.now());
        let inner =
            self.place().ledger.read(|journal| journal.command(self.id).map(known).unwrap_or_default());
        self.record_unseen_end(begun, (state, code), detail, inner).await
    }

    async fn interrupt(
        &self,
        begun: Begun,
        processes: &[ProcessIdentity],
        command: &Command,
    ) -> Result<(), Left> {
        processes.iter().for_each(|process| self.kill_leftover(process));
        let inner = result::interrupted_inner(command, begun.step, &[], self.shared.now());
        let detail = "the agent or the host stopped in the middle of the step; it is not run again";
        self.record_unseen_end(begun, (StepState::Interrupted, -1), detail.to_owned(), inner).await
    }

    fn kill_leftover(&self, process: &ProcessIdentity) {
        match self.place().platform.kill_leftover(process) {
            Ok(0) => {}
            Ok(count) => tracing::warn!("command {}: {count} leftover processes were killed", self.id),
            Err(error) => {
                tracing::error!("command {}: leftovers may still run: {}", self.id, explain(&error));
            }
        }
    }

    /// Journals the wish, waits until nobody else runs, and asks the host. The end comes from outside.
    async fn reboot(&self, command: &Command, index: usize, count: u32) -> Result<(), Left> {
        let (step, _) = self.planned(index);
        if command.reboot.as_ref().is_none_or(|reboot| reboot.count != count) {
            let boot_id = self.place().boot_id.clone();
            self.persist(Record::Rebooting { command: self.id.clone(), step, boot_id, count }).await?;
        }
        self.shared.queue().want_reboot(self.id, true);
        self.shared.settled.notify_waiters();
        let asked = self.ask_for_reboot().await;
        if asked.is_ok() {
            self.stop.token.cancelled().await;
        }
        self.shared.queue().want_reboot(self.id, false);
        match asked {
            Ok(()) => Ok(()),
            Err(problem) => {
                let detail = format!("the host did not take the request to reboot: {problem}");
                self.record_without_run(index, StepState::Failed, detail).await
            }
        }
    }

    async fn ask_for_reboot(&self) -> Result<(), String> {
        loop {
            let settled = self.shared.settled.notified();
            if self.shared.queue().may_reboot() {
                break;
            }
            tokio::select! {
                () = settled => {}
                () = self.stop.token.cancelled() => return Ok(()),
            }
        }
        if self.stop.token.is_cancelled() {
            return Ok(());
        }
        tracing::warn!("command {} asked for a reboot of this host", self.id);
        self.place().platform.reboot().map_err(|error| explain(&error))
    }

    async fn record_unseen_end(
        &self,
        begun: Begun,
        end: (StepState, i32),
        detail: String,
        inner: Vec<StepRecord>,
    ) -> Result<(), Left> {
        let step = begun.step;
        let totals = |stream| {
            let id = StreamId { command: self.id.clone(), step, stream };
            result::totals(self.place().spool.totals(&id))
        };
        let (stdout, stderr) = (totals(Stream::Stdout), totals(Stream::Stderr));
        let unseen = result::unseen(begun, end, detail, self.shared.now());
        let result = StepRecord { stdout, stderr, inner, ..unseen };
        self.persist(Record::StepFinished { command: self.id.clone(), step, result }).await
    }

    fn planned(&self, index: usize) -> (u32, &PlannedStep) {
        let plan = self.plan.as_ref().expect("a step comes from a plan");
        (u32::try_from(index).expect("a document of 64 KiB has fewer steps"), &plan.steps[index])
    }

    async fn persist(&self, record: Record) -> Result<(), Left> {
        persist(self.shared, self.stop, record, Patience::UntilStopped).await
    }

    fn place(&self) -> &Workplace {
        &self.shared.place
    }
}

/// For how long a full disk is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    UntilCancelled,
    UntilStopped,
}

/// Records, however long the disk takes. An append is never cut short; only the waiting between two tries is.
pub(super) async fn persist(
    shared: &Shared,
    stop: &Stop,
    record: Record,
    patience: Patience,
) -> Result<(), Left> {
    let mut told = false;
    loop {
        match shared.place.ledger.record(vec![record.clone()], Durability::Synced).await {
            Ok(()) => return Ok(()),
            Err(JournalError::Closed) => return Err(Left::Closed),
            Err(error) if !told => {
                tracing::error!("command {} waits for the disk: {}", record.command(), explain(&error));
                told = true;
            }
            Err(_) => {}
        }
        let retry = shared.place.clock.sleep(DISK_RETRY);
        if stop.token.is_cancelled() {
            if stop.is_interruption() {
                return Err(Left::Stopping);
            }
            if patience == Patience::UntilCancelled {
                return Err(Left::GaveUp);
            }
            retry.await;
        } else {
            tokio::select! {
                () = retry => {}
                () = stop.token.cancelled() => {}
            }
        }
    }
}
