//! The actions of documents on this host: one file for each under `steps/`, and the table in [`run`].
//!
//! A step is given everything that it may use and tells how it ended; what follows from that for the document, the
//! journal and the controller is not known here. A new action is its file and its line in the table.

mod agent_update;
mod alone;
mod amazon_only;
mod docker;
mod download;
mod environment;
mod inventory;
pub mod library;
mod package;
mod program;
mod ps_module;
mod run_document;
mod script;
mod supervise;
mod windows_installer;

use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fleetwright_documents::{Action, StepInputs};
use fleetwright_platform::{ProcessIdentity, SharedPlatform};
use fleetwright_proto::clock::{SharedClock, Timestamp};
use fleetwright_proto::ids::CommandId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::inventory::Collector;
use crate::journal::StepRecord;
use crate::secrets::Secrets;
use crate::spool::{Phase, Spool, Stream, StreamId, StreamTotals, WhenFull, Writer};
use crate::update::UpdateFolder;
pub use alone::Alone;
pub use download::{DEFAULT_MAX_BYTES as DEFAULT_DOWNLOAD_MAX_BYTES, Downloads, Proxies, WORK_MAX_BYTES};
use library::SharedLibrary;
pub use package::{PACKAGES_MAX_BYTES, Packages};

/// A process that was asked to end has this long before it is killed, unless configured otherwise.
pub const DEFAULT_KILL_GRACE: Duration = Duration::from_secs(10);

/// After the main process has ended, what it left behind may print for this long.
pub const OUTPUT_DRAIN: Duration = Duration::from_secs(2);

/// Which step of what this is, and the facts that its script can ask for.
#[derive(Debug, Clone)]
pub struct StepContext {
    pub command: CommandId,
    /// Index of the step in the command's document: its output goes there, also that of documents in it.
    pub step: u32,
    /// Where it is in the documents that this step runs; empty for a step of the command's document.
    pub inner: Vec<u32>,
    pub name: String,
    /// The document's own folder; each step has one of its name in it.
    pub orchestration: PathBuf,
    /// Where a script runs when the step names no folder and nothing was downloaded.
    pub working_directory: Option<PathBuf>,
    pub facts: ScriptFacts,
    pub kill_grace: Duration,
    /// What no output may show.
    pub secrets: Secrets,
    pub journal: SharedInnerJournal,
}

/// What `AWS_SSM_*` variables tell (reference, section 2.4).
#[derive(Debug, Clone, Default)]
pub struct ScriptFacts {
    pub node: String,
    pub region: String,
    pub platform_name: String,
    pub platform_version: String,
    pub architecture: String,
}

/// What steps work with.
#[derive(Debug, Clone)]
pub struct StepTools {
    pub platform: SharedPlatform,
    /// The host's system, as documents name it.
    pub host: fleetwright_documents::Platform,
    pub clock: SharedClock,
    pub spool: Spool,
    pub library: SharedLibrary,
    pub packages: Packages,
    pub downloads: Downloads,
    pub inventory: Arc<Collector>,
    pub associations: SharedAssociations,
}

/// How many associations are applied because a step wanted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refreshed {
    pub count: usize,
}

/// The associations of this host, as far as a step may use them.
pub trait Associations: fmt::Debug + Send + Sync {
    /// Has these applied soon, all of them when none is named. The wish outlives the agent when this returns. One line
    /// for people when it cannot be.
    fn refresh(&self, ids: Vec<String>) -> Pin<Box<dyn Future<Output = Result<Refreshed, String>> + Send>>;
}

/// Associations that everything in one agent shares.
pub type SharedAssociations = Arc<dyn Associations>;

/// Called before a step does anything, with its process once that exists. The process is let go when the future is
/// done, and never when it fails: whoever writes the identity down has written it before the script runs.
pub type OnStarted = Arc<dyn Fn(Option<ProcessIdentity>) -> Recorded + Send + Sync>;

/// What [`OnStarted`] returns.
pub type Recorded = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// A step of a document that a step runs, as it is written down when it starts.
#[derive(Debug, Clone)]
pub struct InnerStart {
    pub inner: Vec<u32>,
    pub name: String,
    pub action: String,
    pub at: Timestamp,
    pub process: Option<ProcessIdentity>,
}

/// Where the steps of documents in a step are written down, each before it runs and after.
pub trait InnerJournal: fmt::Debug + Send + Sync {
    fn started(&self, start: InnerStart) -> Recorded;

    fn finished(&self, inner: Vec<u32>, result: StepRecord) -> Recorded;

    /// What is known of the steps directly below `inner`, by their index. Those that asked for a reboot are not among
    /// them: the reboot has been when this is asked, and they run again.
    fn results(&self, inner: &[u32]) -> Vec<(u32, StepRecord)>;

    /// Whether the agent itself is the one who wants the step to end.
    fn is_stopping(&self) -> bool;

    /// Whether the agent is on its way out and begins no further step of any document.
    fn begins_nothing_more(&self) -> bool;

    /// Where another build of the agent comes, if there can be one.
    fn updates(&self) -> Option<UpdateFolder> {
        None
    }

    /// The step only waits for the agent to be replaced: nothing new begins until then, and nobody waits for it.
    fn wait_for_new_agent(&self, _waits: bool) {}
}

/// A journal that everything in one command shares.
pub type SharedInnerJournal = Arc<dyn InnerJournal>;

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    Exited(i32),
    Signalled(i32),
    TimedOut,
    Cancelled,
    /// It did what it was to do, and there is no process whose end would say so.
    Done,
    /// It did its part, and the host must reboot before it goes on.
    WantsReboot,
    /// The agent stops, or is replaced, while nothing of this step runs; the next agent goes on there. Not an end.
    Suspended,
    /// It did not do what it was to do; one line for people.
    Failed(String),
    /// It ran, and how it ended cannot be told; one line for people. What was left of it was killed.
    Lost(String),
    /// Nothing ran; one line for people.
    StartFailed(String),
    /// Nothing ran, and nothing of the kind can run on this host.
    Unsupported(String),
}

/// Whether an action runs steps of its own and finds in the journal how far it was: what was between two of them when
/// the agent ended goes on.
pub(crate) fn keeps_its_place(action: Action) -> bool {
    matches!(action, Action::RunDocument | Action::ConfigurePackage)
}

/// A step that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct StepEnd {
    pub how: How,
    pub stdout: StreamTotals,
    pub stderr: StreamTotals,
    /// The results of the document that it ran.
    pub inner: Vec<StepRecord>,
}

/// What an action works with.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) context: &'a StepContext,
    pub(crate) tools: &'a StepTools,
    cancel: &'a CancellationToken,
    on_started: &'a OnStarted,
}

/// Runs one step to its end. Dropping the future leaves a process that has begun alone: it is a leftover then.
pub async fn run(
    action: Action,
    inputs: &StepInputs,
    context: &StepContext,
    tools: &StepTools,
    cancel: &CancellationToken,
    on_started: OnStarted,
) -> StepEnd {
    let task = Task { context, tools, cancel, on_started: &on_started };
    let mut inner = Vec::new();
    let how = if cancel.is_cancelled() {
        How::Cancelled
    } else if let StepInputs::RunScript(inputs) = inputs {
        script::run(inputs, &task).await
    } else if let Err(error) = on_started(None).await {
        How::StartFailed(format!("its start could not be recorded: {error}"))
    } else {
        let how = match inputs {
            StepInputs::RunDocument(inputs) => {
                let (how, results) = Box::pin(run_document::run(inputs, &task)).await;
                inner = results;
                how
            }
            StepInputs::ConfigurePackage(inputs) => {
                let (how, results) = Box::pin(package::run(inputs, &task)).await;
                inner = results;
                how
            }
            StepInputs::DownloadContent(inputs) => Box::pin(download::run(inputs, &task)).await,
            StepInputs::RunDockerAction(inputs) => docker::run_action(inputs, &task).await,
            StepInputs::ConfigureDocker(inputs) => docker::configure(inputs, &task).await,
            StepInputs::RefreshAssociation(inputs) => inventory::refresh_associations(inputs, &task).await,
            StepInputs::SoftwareInventory(inputs) => inventory::collect(inputs, &task).await,
            StepInputs::UpdateAgent(inputs) => Box::pin(agent_update::run(inputs, action, &task)).await,
            StepInputs::Applications(inputs) => Box::pin(windows_installer::run(inputs, &task)).await,
            StepInputs::PsModule(inputs) => Box::pin(ps_module::run(inputs, &task)).await,
            StepInputs::DomainJoin(inputs) => amazon_only::join_domain(inputs, &task),
            StepInputs::CloudWatch(inputs) => amazon_only::cloud_watch(inputs, &task).await,
            StepInputs::RunScript(_) => unreachable!("a script records its own start"),
        };
        task.complain(&how).await;
        how
    };
    StepEnd {
        how,
        stdout: tools.spool.totals(&context.stream(Stream::Stdout)),
        stderr: tools.spool.totals(&context.stream(Stream::Stderr)),
        inner,
    }
}

impl StepContext {
    fn stream(&self, stream: Stream) -> StreamId {
        StreamId { command: self.command.clone(), step: self.step, stream }
    }

    /// Names the processes of this step alone.
    fn marker(&self) -> String {
        let inner: String = self.inner.iter().map(|index| format!("/{index}")).collect();
        format!("{}/{}{inner}", self.command, self.step)
    }

    /// The step's own folder.
    fn folder(&self) -> PathBuf {
        self.orchestration.join(folder_name(&self.name))
    }

    /// Where `aws:downloadContent` puts things, and what relative paths are relative to.
    fn downloads(&self) -> PathBuf {
        self.orchestration.join("downloads")
    }
}

impl Task<'_> {
    fn writer(&self, stream: Stream) -> Writer {
        self.tools.spool.writer(self.context.stream(stream)).covering(&self.context.secrets)
    }

    /// A line on the step's output.
    async fn say(&self, line: &str) {
        append(self.writer(Stream::Stdout), &format!("{line}\n")).await;
    }

    /// What went wrong stands at the end of the error output, as for a script.
    async fn complain(&self, how: &How) {
        let why = match how {
            How::Failed(text) | How::Lost(text) | How::StartFailed(text) | How::Unsupported(text) => text,
            _ => return,
        };
        append(self.writer(Stream::Stderr), &format!("{why}\n")).await;
    }
}

async fn append(mut writer: Writer, text: &str) {
    let (_running, mut phase) = watch::channel(Phase::Running);
    writer.append(text.as_bytes(), WhenFull::Wait(&mut phase)).await;
    writer.finish(WhenFull::Wait(&mut phase)).await;
}

/// What was printed between two looks.
fn since(before: StreamTotals, after: StreamTotals) -> StreamTotals {
    StreamTotals {
        printed_bytes: after.printed_bytes.saturating_sub(before.printed_bytes),
        dropped_bytes: after.dropped_bytes.saturating_sub(before.dropped_bytes),
    }
}

/// A step's name as the name of one folder. Old documents have names with colons and more.
fn folder_name(step: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '_' };
    let name: String = step.chars().map(plain).collect();
    if name.chars().all(|c| c == '.') { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests;
