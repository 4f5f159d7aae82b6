//! `aws:configurePackage`: software of the registry, installed, updated and removed (reference, section 2.8).
//!
//! ```text
//! registry ── manifest ──► the file for this host ── checked, unpacked ──► shelf ── stage after stage ──► installed
//! ```
//!
//! Each stage is written down before its script runs, and each script is an inner step in the journal: a reboot comes
//! back to the stage that asked for it, and an agent that ended between two of them goes on with the next. Which stage
//! follows which is [`stage`]'s; what lies on the disk is [`kept`]'s.

mod archive;
mod fetch;
mod host;
mod kept;
mod native;
mod scripts;
mod stage;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use fleetwright_documents::flow::StepFlow;
use fleetwright_documents::inputs::{ConfigurePackage, LATEST, PackageAction};
use fleetwright_documents::{Action, Decision, PlannedStep, StepInputs};
use fleetwright_platform::ProcessSpec;

use super::script::complaint;
use super::{How, InnerStart, OnStarted, StepContext, StepEnd, Task, program, since};
use crate::executor::nested::{self, Begun};
use crate::journal::{StepRecord, StepState};
use crate::spool::Stream;
use host::HostWords;
use kept::Shelf;
pub use kept::{PACKAGES_MAX_BYTES, Packages};
use stage::{After, FileKind, Record, Stage, Verb, Version};

/// What SSM gives a script that says nothing of its time.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(3600);

pub(super) async fn run(inputs: &ConfigurePackage, task: &Task<'_>) -> (How, Vec<StepRecord>) {
    let _turn = tokio::select! {
        turn = task.tools.packages.turn() => turn,
        () = task.cancel.cancelled() => return (How::Cancelled, Vec::new()),
    };
    let words = HostWords::of(&task.context.facts);
    let results = task.context.journal.results(&task.context.inner);
    let mut work =
        Work { task: *task, inputs, words, results: results.into_iter().map(|(_, result)| result).collect() };
    let how = work.go().await.unwrap_or_else(|how| how);
    (how, work.results)
}

/// What the package is kept under when only the command's word for it is known: the last part of an ARN, without a
/// version.
fn plain_name(name: &str) -> &str {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split(':').next().unwrap_or(last)
}

struct Work<'a> {
    task: Task<'a>,
    inputs: &'a ConfigurePackage,
    words: HostWords,
    /// Of the scripts that have ended.
    results: Vec<StepRecord>,
}

/// How a script ended.
enum ScriptEnd {
    Done,
    Failed(String),
    WantsReboot,
}

impl Work<'_> {
    /// An error is an end as well; what needs no more words leaves early.
    async fn go(&mut self) -> Result<How, How> {
        let shelf = self.shelf(plain_name(&self.inputs.name));
        let step = self.task.context.marker();
        let record = shelf.record().map_err(How::Failed)?;
        match record {
            Some(record) if record.step == step && record.duty().is_some() => {
                self.resume(&shelf, record).await
            }
            record => match self.inputs.action {
                PackageAction::Install => self.install(record.as_ref(), &step).await,
                PackageAction::Uninstall => self.uninstall(&shelf, record.as_ref(), &step).await,
            },
        }
    }

    fn shelf(&self, package: &str) -> Shelf {
        self.task.tools.packages.shelf(package, &self.task.tools.platform)
    }

    /// After a reboot a package that passes its own check is installed, whatever its script would say: one that always
    /// asks for a reboot would have no end.
    async fn resume(&mut self, shelf: &Shelf, record: Record) -> Result<How, How> {
        let installs = matches!(record.stage, Stage::Installing | Stage::Updating | Stage::RollbackInstall);
        if !(record.rebooting && installs) {
            return self.live(shelf, record).await;
        }
        let Some((_, version)) = record.duty() else { return Ok(How::Done) };
        match self.script(shelf, Verb::Validate, &version.clone()).await? {
            ScriptEnd::Done if record.stage == Stage::RollbackInstall => {
                self.finish(shelf, stage::after(&record, None)).await
            }
            ScriptEnd::Done => {
                let checked = Record { stage: Stage::Validating, ..record };
                self.finish(shelf, stage::after(&checked, None)).await
            }
            ScriptEnd::WantsReboot => Ok(How::WantsReboot),
            ScriptEnd::Failed(_) => {
                let record = Record { rebooting: false, ..record };
                shelf.keep(&record).map_err(How::Failed)?;
                self.live(shelf, record).await
            }
        }
    }

    async fn install(&mut self, record: Option<&Record>, step: &str) -> Result<How, How> {
        let offer = fetch::offer(self.inputs, &self.words, &self.task).await?;
        let package = plain_name(&self.inputs.name);
        let shelf = self.shelf(package);
        let kept = record.iter().flat_map(|record| [Some(&record.version), record.previous.as_ref()]);
        let here = offer.known(kept.flatten().filter(|version| shelf.has(version)).cloned());
        let is_broken = record.is_some_and(|record| record.installed().is_none());
        let version = match here {
            // What did not install may be broken itself.
            Some(version) if !is_broken => version,
            _ => offer.bring(&shelf, &self.task).await?,
        };
        self.check_scripts(&shelf, &version)?;
        let record = stage::install(record, (package, version), self.inputs.installation_type, step);
        if record.stage == Stage::Updating {
            self.check_update(&shelf, &record.version)?;
        }
        shelf.keep(&record).map_err(How::Failed)?;
        self.live(&shelf, record).await
    }

    async fn uninstall(&mut self, shelf: &Shelf, record: Option<&Record>, step: &str) -> Result<How, How> {
        let wanted = self.inputs.version.as_deref().filter(|version| *version != LATEST);
        let Some(record) = stage::uninstall(record, wanted, step) else {
            let what = wanted.map(|version| format!(" {version}")).unwrap_or_default();
            let line = format!("{}{what} is not installed", plain_name(&self.inputs.name));
            self.task.say(&line).await;
            return Ok(How::Done);
        };
        shelf.keep(&record).map_err(How::Failed)?;
        self.live(shelf, record).await
    }

    /// Before anything changes: an archive in which one script cannot be told from another.
    fn check_scripts(&self, shelf: &Shelf, version: &Version) -> Result<(), How> {
        if version.kind != FileKind::Archive {
            return Ok(());
        }
        let files = shelf.files(version);
        for verb in [Verb::Install, Verb::Update, Verb::Uninstall, Verb::Validate] {
            scripts::find(verb, &files).map_err(|problem| self.refuse(version, &problem))?;
        }
        Ok(())
    }

    fn check_update(&self, shelf: &Shelf, version: &Version) -> Result<(), How> {
        let is_archive = version.kind == FileKind::Archive;
        if is_archive && matches!(scripts::find(Verb::Update, &shelf.files(version)), Ok(None)) {
            let problem = "its archive has no update script, so it cannot be updated in place; choose the \
                           installation type `Uninstall and reinstall`";
            return Err(self.refuse(version, problem));
        }
        Ok(())
    }

    fn refuse(&self, version: &Version, problem: &str) -> How {
        How::Failed(format!("{} {}: {problem}", plain_name(&self.inputs.name), version.version))
    }

    /// Stage after stage, each durable before its script runs.
    async fn live(&mut self, shelf: &Shelf, mut record: Record) -> Result<How, How> {
        while let Some((verb, version)) = record.duty() {
            let version = version.clone();
            let problem = match self.script(shelf, verb, &version).await? {
                ScriptEnd::Done => None,
                ScriptEnd::Failed(problem) => Some(problem),
                ScriptEnd::WantsReboot => {
                    let waiting = Record { rebooting: true, ..record };
                    shelf.keep(&waiting).map_err(How::Failed)?;
                    return Ok(How::WantsReboot);
                }
            };
            match stage::after(&record, problem) {
                After::Go(next) => {
                    shelf.keep(&next).map_err(How::Failed)?;
                    record = next;
                }
                end => return self.finish(shelf, end).await,
            }
        }
        Ok(How::Done)
    }

    async fn finish(&mut self, shelf: &Shelf, end: After) -> Result<How, How> {
        match end {
            After::Done { kept: None, line } => {
                shelf.clear().map_err(How::Failed)?;
                self.task.say(&line).await;
                Ok(How::Done)
            }
            After::Done { kept: Some(record), line } => {
                shelf.keep(&record).map_err(How::Failed)?;
                shelf.tidy(&record);
                self.task.say(&line).await;
                Ok(How::Done)
            }
            After::Failed { kept, line } => {
                shelf.keep(&kept).map_err(How::Failed)?;
                shelf.tidy(&kept);
                Err(How::Failed(line))
            }
            After::Go(record) => Box::pin(self.live(shelf, record)).await,
        }
    }

    /// Runs what a version has for a verb. Nothing is success, as a package may leave out what it does not need.
    async fn script(&mut self, shelf: &Shelf, verb: Verb, version: &Version) -> Result<ScriptEnd, How> {
        let journal = &self.task.context.journal;
        if journal.begins_nothing_more() {
            return Err(How::Suspended);
        }
        if self.task.cancel.is_cancelled() {
            return Err(How::Cancelled);
        }
        let index = u32::try_from(self.results.len()).unwrap_or(u32::MAX);
        let outer = self.task.context;
        let context = StepContext {
            inner: outer.inner.iter().copied().chain([index]).collect(),
            name: verb.name().to_owned(),
            ..outer.clone()
        };
        let on_started = self.on_started(&context, index);
        let task = Task { context: &context, on_started: &on_started, ..self.task };
        let Some(spec) = self.command(shelf, verb, version, &task)? else { return Ok(ScriptEnd::Done) };
        let name = plain_name(&self.inputs.name);
        self.task.say(&format!("Initiating {name} {} {}", version.version, verb.name())).await;
        let result = self.run_script(&spec, &task, index).await;
        let result = result
            .map_err(|error| How::Lost(format!("a result of the package could not be recorded: {error}")))?;
        let detail = match result.detail.as_str() {
            "" => format!("its {} script failed", verb.name()),
            detail => format!("its {} script: {detail}", verb.name()),
        };
        let state = result.state;
        if state != StepState::SuccessAndReboot {
            self.results.push(result);
        }
        match state {
            StepState::Success | StepState::Skipped => Ok(ScriptEnd::Done),
            StepState::SuccessAndReboot => Ok(ScriptEnd::WantsReboot),
            StepState::Failed | StepState::TimedOut => Ok(ScriptEnd::Failed(detail)),
            StepState::Cancelled | StepState::Interrupted => Err(How::Cancelled),
        }
    }

    fn command(
        &self,
        shelf: &Shelf,
        verb: Verb,
        version: &Version,
        task: &Task<'_>,
    ) -> Result<Option<ProcessSpec>, How> {
        let files = shelf.files(version);
        if version.kind != FileKind::Archive {
            return native::command(verb, &version.kind, &files.join(&version.file), task);
        }
        let found = scripts::find(verb, &files).map_err(|problem| self.refuse(version, &problem))?;
        let Some((script, interpreter)) = found else { return Ok(None) };
        scripts::command(verb, (&script, interpreter), (self.inputs, &self.words), task).map(Some)
    }

    async fn run_script(&self, spec: &ProcessSpec, task: &Task<'_>, index: u32) -> io::Result<StepRecord> {
        let (tools, outer) = (self.task.tools, self.task.context);
        let planned = self.planned(&task.context.name);
        let begun = Begun::now(index, &planned, tools.clock.now());
        let before = [Stream::Stdout, Stream::Stderr].map(|stream| tools.spool.totals(&outer.stream(stream)));
        let reboot_exit_code = tools.platform.reboot_exit_code();
        let say_why = |how: &How| complaint(how, reboot_exit_code).map(|why| format!("{why}\n"));
        let how = program::run(spec, SCRIPT_TIMEOUT, task, &say_why).await;
        let [stdout, stderr] =
            [Stream::Stdout, Stream::Stderr].map(|stream| tools.spool.totals(&outer.stream(stream)));
        let end = StepEnd {
            how,
            stdout: since(before[0], stdout),
            stderr: since(before[1], stderr),
            inner: Vec::new(),
        };
        let result = nested::of_end(begun, &planned, end, &outer.secrets, task, tools.clock.now());
        outer.journal.finished(task.context.inner.clone(), result.clone()).await?;
        Ok(result)
    }

    /// A script of a package as the step that it is in the journal.
    fn planned(&self, name: &str) -> PlannedStep {
        PlannedStep {
            name: name.to_owned(),
            action: Action::ConfigurePackage,
            decision: Decision::Run(StepInputs::ConfigurePackage(self.inputs.clone())),
            timeout: SCRIPT_TIMEOUT,
            flow: StepFlow::default(),
        }
    }

    fn on_started(&self, context: &StepContext, index: u32) -> OnStarted {
        let journal = Arc::clone(&context.journal);
        let (way, planned) = (context.inner.clone(), self.planned(&context.name));
        let Begun { name, action, started: at, .. } =
            Begun::now(index, &planned, self.task.tools.clock.now());
        Arc::new(move |process| {
            let (inner, name, action) = (way.clone(), name.clone(), action.clone());
            journal.started(InnerStart { inner, name, action, at, process })
        })
    }
}

#[cfg(test)]
mod tests;
