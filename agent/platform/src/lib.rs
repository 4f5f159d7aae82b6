//! What an operating system can do for the agent.
//!
//! This is the only place of the project that knows one operating system from another. It starts and ends
//! processes, tells the facts of the host, and touches disks and power; it knows nothing of documents, commands or
//! controllers. What a system cannot do is [`Unsupported`], never a call that pretends to have succeeded.
//!
//! ```text
//!            spawn                release              ends by itself
//!   (spec) ────────► held back ───────────► running ─────────────────► Ended
//!                        │                     │  terminate, kill          ▲
//!                        └── dropped: never    └───────────────────────────┘
//!                            runs
//! ```
//!
//! A process is held back until it is released, so that its identity can be written down before it does anything:
//! an agent that dies in between leaves nothing that runs unknown to its journal.

mod facts;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod gathering;
pub mod inventory;
#[cfg(target_os = "linux")]
mod linux;
pub mod memory;
pub mod process;
pub mod service;
mod stop;
#[cfg(windows)]
mod windows;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fleetwright_proto::agent::HostFacts;

pub use inventory::{Item, RegistryKey, Source};
pub use process::{
    Ended, Interpreter, InterpreterCommand, Marker, OutputReader, Process, ProcessIdentity, ProcessSpec,
    SignalError, SpawnError, Spawned, Waiting,
};
pub use stop::{Request, Requests, stop_requested};

/// The host as the agent sees it. Calls return quickly, except [`Platform::gather`]; of the rest only [`Process`] has
/// something to wait for.
pub trait Platform: fmt::Debug + Send + Sync + 'static {
    /// What the host knows of itself. The version of the agent is the caller's.
    fn facts(&self, agent_version: &str) -> HostFacts;

    /// A text that changes when the host boots, and only then.
    fn boot_id(&self) -> Result<String, HostError>;

    /// The folders that the agent uses unless it is told otherwise.
    fn folders(&self) -> Folders;

    /// The exit code by which a script asks for a reboot (reference, section 2.3).
    fn reboot_exit_code(&self) -> i32;

    /// How `script` is run by `interpreter` (reference, section 2.4).
    fn interpreter_command(
        &self,
        interpreter: Interpreter,
        script: &Path,
    ) -> Result<InterpreterCommand, Unsupported>;

    /// Where a program lies that is called by its name, in the folders that the agent's `PATH` names.
    fn find_program(&self, name: &str) -> Option<PathBuf> {
        let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join(&file)).find(|candidate| candidate.is_file())
    }

    /// Starts a process that does nothing until it is released.
    fn spawn(&self, spec: &ProcessSpec) -> Result<Spawned, SpawnError>;

    /// Kills what is left of a process that an earlier agent started: the process itself if it is still the same,
    /// what remains of its group, and whatever bears its marker. Tells how many it killed. Safe to repeat, and safe
    /// when the process id now belongs to somebody else.
    fn kill_leftover(&self, identity: &ProcessIdentity) -> Result<usize, SignalError>;

    /// Asks the host to reboot now. Returns when the request is made; the end comes from outside.
    fn reboot(&self) -> Result<(), HostError>;

    /// Bytes that the agent may still write where `path` lies.
    fn free_bytes(&self, path: &Path) -> Result<u64, HostError>;

    /// Makes names that were created, renamed or removed in `folder` durable.
    fn sync_folder(&self, folder: &Path) -> Result<(), HostError>;

    /// Ensures that `folder` exists, with its parents, and that only the agent's account can look into it.
    fn ensure_private_folder(&self, folder: &Path) -> Result<(), HostError>;

    /// Creates a file that only the agent's account can read. Fails when it exists.
    fn create_private_file(&self, path: &Path) -> Result<File, HostError>;

    /// Creates a file that only the agent's account can read and run. Fails when it exists.
    fn create_script_file(&self, path: &Path) -> Result<File, HostError>;

    /// Gives a file the permissions of Unix, as an archive has them. Where files have none, it stays as it was made.
    fn set_mode(&self, _path: &Path, _mode: u32) -> Result<(), HostError> {
        Ok(())
    }

    /// What there is of one kind on the host. May read databases and run the host's own programs: for a thread that
    /// can wait.
    fn gather(&self, source: &Source) -> Result<Vec<Item>, HostError>;
}

/// A platform that everything in one agent shares.
pub type SharedPlatform = Arc<dyn Platform>;

/// The system that this program was built for.
#[must_use]
pub fn host() -> SharedPlatform {
    #[cfg(not(any(target_os = "linux", windows)))]
    compile_error!("agents run on Linux and Windows");
    #[cfg(target_os = "linux")]
    return Arc::new(linux::Linux);
    #[cfg(windows)]
    return Arc::new(windows::Windows::default());
}

/// Where an agent keeps its things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// Identity, journal, spool and work folders; private.
    pub state: PathBuf,
    pub logs: PathBuf,
    pub config: PathBuf,
}

/// Something that this operating system cannot do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{capability} is not possible on {os}")]
pub struct Unsupported {
    /// In a user's words, for example `running PowerShell scripts without pwsh`.
    pub capability: &'static str,
    pub os: &'static str,
}

/// Why the host did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// What its service manager did not do.
    #[error(transparent)]
    Service(Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot {doing}")]
    Io {
        /// What was tried, with the path or program, for example `read /proc/sys/kernel/random/boot_id`.
        doing: String,
        source: io::Error,
    },
}

impl HostError {
    /// For `map_err`, where the text is only made on failure.
    fn io(doing: impl FnOnce() -> String) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing: doing(), source }
    }
}
