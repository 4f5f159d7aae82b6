//! The actions of documents on this host: one file for each under `steps/`, and the table in [`run`].
//!
//! A step is given everything that it may use and tells how it ended; what follows from that for the document, the
//! journal and the controller is not known here. An action that does not exist yet ends as [`How::Unsupported`].

mod environment;
mod script;
mod supervise;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use fleetwright_documents::{Action, StepInputs};
use fleetwright_platform::{ProcessIdentity, SharedPlatform};
use fleetwright_proto::clock::SharedClock;
use fleetwright_proto::ids::CommandId;
use tokio_util::sync::CancellationToken;

use crate::spool::{Spool, StreamTotals};

/// A process that was asked to end has this long before it is killed, unless configured otherwise.
pub const DEFAULT_KILL_GRACE: Duration = Duration::from_secs(10);

/// After the main process has ended, what it left behind may print for this long.
pub const OUTPUT_DRAIN: Duration = Duration::from_secs(2);

/// Which step of what this is, and the facts that its script can ask for.
#[derive(Debug, Clone)]
pub struct StepContext {
    pub command: CommandId,
    /// Index of the step in the document.
    pub step: u32,
    pub name: String,
    /// The command's own folder; each step has one of its name in it.
    pub orchestration: PathBuf,
    /// Where a script runs when the step names no folder and nothing was downloaded.
    pub working_directory: Option<PathBuf>,
    pub facts: ScriptFacts,
    pub kill_grace: Duration,
}

/// What `AWS_SSM_*` variables tell (reference, section 2.4).
#[derive(Debug, Clone, Default)]
pub struct ScriptFacts {
    pub node: String,
    pub region: String,
    pub platform_name: String,
    pub platform_version: String,
}

/// What steps work with.
#[derive(Debug, Clone)]
pub struct StepTools {
    pub platform: SharedPlatform,
    pub clock: SharedClock,
    pub spool: Spool,
}

/// Called once, after the process of a step exists and before it does anything. The process is let go when the
/// future is done, and never when it fails: whoever writes the identity down has written it before the script runs.
pub type OnStarted = Box<dyn FnOnce(ProcessIdentity) -> Recorded + Send>;

/// What [`OnStarted`] returns.
pub type Recorded = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    Exited(i32),
    Signalled(i32),
    TimedOut,
    Cancelled,
    /// It ran, and how it ended cannot be told; one line for people. What was left of it was killed.
    Lost(String),
    /// Nothing ran; one line for people.
    StartFailed(String),
    /// Nothing ran, and nothing of the kind can run on this host.
    Unsupported(String),
}

/// A step that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepEnd {
    pub how: How,
    pub stdout: StreamTotals,
    pub stderr: StreamTotals,
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
    match (action, inputs) {
        (Action::RunShellScript | Action::RunPowerShellScript, StepInputs::RunScript(inputs)) => {
            script::run(inputs, context, tools, cancel, on_started).await
        }
        _ => StepEnd::nothing_ran(How::Unsupported(format!("this agent cannot run {}", action.name()))),
    }
}

impl StepEnd {
    fn nothing_ran(how: How) -> Self {
        Self { how, stdout: StreamTotals::default(), stderr: StreamTotals::default() }
    }
}

#[cfg(test)]
mod tests;
