//! Processes as the agent sees them: what to start, what was started, and how it ended.
//!
//! A process here is a whole tree: terminate and kill reach everything that it started, as far as the system can
//! tell. Each implementation says beside its `kill` what it cannot catch.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncRead;

use crate::Unsupported;

/// What interprets a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpreter {
    Shell,
    PowerShell,
    /// The command prompt of Windows.
    Cmd,
}

/// How a script is run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InterpreterCommand {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// Variables that the interpreter needs, whatever the script's environment says.
    pub environment: Vec<(&'static str, &'static str)>,
    /// The first variable whose name or value contains this is left out of its environment.
    pub without: Option<&'static str>,
}

/// A variable in the environment of a process, inherited by all that it starts, by which they are found again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Marker {
    pub name: String,
    /// Never used for two processes on one host.
    pub value: String,
}

/// What to start. Standard input is empty; standard output and error are pipes to the agent.
#[derive(Debug, Clone)]
pub struct ProcessSpec {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// The whole environment; nothing is inherited beside it. Of two variables with one name the later counts. The
    /// marker is added.
    pub environment: Vec<(OsString, OsString)>,
    /// The agent's own when none.
    pub working_directory: Option<PathBuf>,
    pub marker: Marker,
}

/// Enough to find a process again after the agent was restarted, and to tell it from a later one with the same id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessIdentity {
    pub pid: u32,
    /// In the system's own unit; only ever compared.
    pub start_time: u64,
    /// The Unix session that its group belongs to; 0 where there are none.
    pub session: u32,
    /// The boot in which it was started.
    pub boot_id: String,
    pub marker: Marker,
}

/// How the main process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Exited(i32),
    Signalled(i32),
}

/// A pipe from a process. It ends when everybody who holds its other end has gone.
pub type OutputReader = Pin<Box<dyn AsyncRead + Send>>;

/// What the waiting calls of [`Process`] return.
pub type Waiting<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// A process that was started and is held back.
pub struct Spawned {
    pub process: Box<dyn Process>,
    pub stdout: OutputReader,
    pub stderr: OutputReader,
}

impl fmt::Debug for Spawned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawned").field("process", &self.process).finish_non_exhaustive()
    }
}

/// One process tree. Dropped before it was released, it never runs; dropped later, it is a leftover, which runs on
/// where the system does not end it together with the agent.
pub trait Process: fmt::Debug + Send {
    fn identity(&self) -> &ProcessIdentity;

    /// Lets it begin.
    fn release(&mut self) -> Waiting<'_, ()>;

    /// Completes when the main process has ended; what it started may live on. Can be dropped and called again.
    fn wait(&mut self) -> Waiting<'_, Ended>;

    /// Asks the whole group to end.
    fn terminate(&mut self) -> Result<(), SignalError>;

    /// Whether anything that `terminate` reaches still lives.
    fn group_is_alive(&self) -> bool;

    /// Ends the whole tree, which cannot refuse.
    fn kill(&mut self) -> Result<(), SignalError>;
}

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    #[error("working directory `{}` is not a folder that can be entered", path.display())]
    WorkingDirectory { path: PathBuf, source: io::Error },
    #[error("cannot start `{}`", program.display())]
    Program { program: PathBuf, source: io::Error },
}

impl ProcessSpec {
    /// What the system would only say in a way that could mean the program as well.
    pub(crate) fn check_working_directory(&self) -> Result<(), SpawnError> {
        let Some(path) = &self.working_directory else { return Ok(()) };
        let failed = |source| SpawnError::WorkingDirectory { path: path.clone(), source };
        let found = fs::metadata(path).map_err(failed)?;
        if found.is_dir() { Ok(()) } else { Err(failed(io::ErrorKind::NotADirectory.into())) }
    }
}

/// Why a process could not be told to end.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    #[error("cannot signal process {pid}")]
    Io { pid: u32, source: io::Error },
}
