//! `aws:runShellScript` and `aws:runPowerShellScript` (reference, section 2.4).
//!
//! The script is a file in the step's folder for as long as it runs. Its process is held back until its identity has
//! been recorded, so there is no moment at which a script has begun and nobody would know after a crash.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fleetwright_documents::{Interpreter, ScriptInputs};
use fleetwright_platform::{
    HostError, InterpreterCommand, Marker, ProcessSpec, SpawnError, Spawned, Unsupported,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::supervise::{Patience, supervise};
use super::{How, OUTPUT_DRAIN, OnStarted, StepContext, StepEnd, StepTools, environment};
use crate::spool::{Phase, Stream, StreamId, WhenFull, Writer, capture};

/// Names the step that a process belongs to. The command's id alone would not do: what an earlier step of the same
/// command left running on purpose is not this step's.
const MARKER: &str = "FLEETWRIGHT_STEP";
/// Success, and no further steps (reference, section 2.3).
const EXIT_SUCCESS_AND_STOP: i32 = 168;
const BYTE_ORDER_MARK: &str = "\u{feff}";

pub(super) async fn run(
    inputs: &ScriptInputs,
    context: &StepContext,
    tools: &StepTools,
    cancel: &CancellationToken,
    on_started: OnStarted,
) -> StepEnd {
    let id = |stream| StreamId { command: context.command.clone(), step: context.step, stream };
    let (stdout, stderr) = (id(Stream::Stdout), id(Stream::Stderr));
    let how = if cancel.is_cancelled() {
        How::Cancelled
    } else {
        let writers = (tools.spool.writer(stdout.clone()), tools.spool.writer(stderr.clone()));
        start_and_follow(inputs, context, tools, cancel, on_started, writers).await
    };
    StepEnd { how, stdout: tools.spool.totals(&stdout), stderr: tools.spool.totals(&stderr) }
}

async fn start_and_follow(
    inputs: &ScriptInputs,
    context: &StepContext,
    tools: &StepTools,
    cancel: &CancellationToken,
    on_started: OnStarted,
    (stdout, stderr): (Writer, Writer),
) -> How {
    let (phase, watching) = watch::channel(Phase::Running);
    let started = match start(inputs, context, tools) {
        Ok(started) => record_and_release(started, on_started).await,
        Err(error) => Err(error),
    };
    let (how, mut stderr) = match started {
        Err(error) => (error.into_how(), stderr),
        Ok(Started { spawned: Spawned { mut process, stdout: out, stderr: err }, script: _script }) => {
            let patience = Patience { timeout: inputs.timeout, grace: context.kill_grace };
            let followed = async {
                let how = supervise(process.as_mut(), patience, &tools.clock, cancel).await;
                let by_itself = matches!(how, How::Exited(_) | How::Signalled(_));
                phase.send_replace(if by_itself { Phase::Draining } else { Phase::Hurried });
                how
            };
            let captured =
                |reader, writer| capture(reader, writer, watching.clone(), tools.clock.clone(), OUTPUT_DRAIN);
            let (how, _stdout, stderr) = tokio::join!(followed, captured(out, stdout), captured(err, stderr));
            (how, stderr)
        }
    };
    if let Some(complaint) = complaint(&how, tools.platform.reboot_exit_code()) {
        let line_break = if stderr.last_byte().is_none_or(|byte| byte == b'\n') { "" } else { "\n" };
        let when_full = WhenFull::Wait(&mut watching.clone());
        stderr.append(format!("{line_break}{complaint}").as_bytes(), when_full).await;
    }
    how
}

/// A process that was started, and its script for as long as it is needed.
struct Started {
    spawned: Spawned,
    script: ScriptFile,
}

/// Why a script did not run. One line for people: it ends up in the step's result and output.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    #[error("{}{}", .0, reason(.0))]
    Host(#[from] HostError),
    #[error("cannot write the script `{}`: {source}", path.display())]
    Script { path: PathBuf, source: io::Error },
    #[error("{}{}", .0, reason(.0))]
    Spawn(SpawnError),
    #[error("its start could not be recorded: {0}")]
    Record(io::Error),
    #[error("it ended before it could begin: {0}")]
    Release(io::Error),
}

/// The source of an error, for a line that has no second chance to name it.
fn reason(error: &dyn std::error::Error) -> String {
    error.source().map(|source| format!(": {source}")).unwrap_or_default()
}

impl From<SpawnError> for StartError {
    fn from(error: SpawnError) -> Self {
        match error {
            SpawnError::Unsupported(unsupported) => Self::Unsupported(unsupported),
            other => Self::Spawn(other),
        }
    }
}

impl StartError {
    fn into_how(self) -> How {
        match self {
            Self::Unsupported(unsupported) => How::Unsupported(unsupported.to_string()),
            other => How::StartFailed(other.to_string()),
        }
    }
}

fn start(inputs: &ScriptInputs, context: &StepContext, tools: &StepTools) -> Result<Started, StartError> {
    let folder = context.orchestration.join(folder_name(&context.name));
    let path = folder.join(script_name(inputs.interpreter));
    let command = tools.platform.interpreter_command(interpreter(inputs.interpreter), &path)?;
    tools.platform.ensure_private_folder(&folder)?;
    let script = ScriptFile::write(path, inputs, tools)?;
    let spec = spec(command, inputs, context);
    let spawned = tools.platform.spawn(&spec)?;
    Ok(Started { spawned, script })
}

async fn record_and_release(mut started: Started, on_started: OnStarted) -> Result<Started, StartError> {
    let process = &mut started.spawned.process;
    on_started(process.identity().clone()).await.map_err(StartError::Record)?;
    process.release().await.map_err(StartError::Release)?;
    Ok(started)
}

fn spec(command: InterpreterCommand, inputs: &ScriptInputs, context: &StepContext) -> ProcessSpec {
    let environment = environment::compose(std::env::vars_os(), &inputs.environment, context, &command);
    let value = format!("{}/{}", context.command, context.step);
    ProcessSpec {
        program: command.program,
        arguments: command.arguments,
        environment,
        working_directory: working_directory(inputs.working_directory.as_deref(), context),
        marker: Marker { name: MARKER.to_owned(), value },
    }
}

/// Absolute as it is, whether it exists or not; else what was downloaded; else where the agent is told to run things.
fn working_directory(wanted: Option<&str>, context: &StepContext) -> Option<PathBuf> {
    let wanted = Path::new(wanted.unwrap_or_default());
    if wanted.is_absolute() {
        return Some(wanted.to_owned());
    }
    let downloaded = context.orchestration.join("downloads").join(wanted);
    if downloaded.is_dir() { Some(downloaded) } else { context.working_directory.clone() }
}

fn interpreter(interpreter: Interpreter) -> fleetwright_platform::Interpreter {
    match interpreter {
        Interpreter::Shell => fleetwright_platform::Interpreter::Shell,
        Interpreter::PowerShell => fleetwright_platform::Interpreter::PowerShell,
    }
}

fn script_name(interpreter: Interpreter) -> &'static str {
    match interpreter {
        Interpreter::Shell => "_script.sh",
        Interpreter::PowerShell => "_script.ps1",
    }
}

/// A step's name as the name of one folder. Old documents have names with colons and more.
fn folder_name(step: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '_' };
    let name: String = step.chars().map(plain).collect();
    if name.chars().all(|c| c == '.') { format!("_{name}") } else { name }
}

/// Removed when dropped.
struct ScriptFile {
    path: PathBuf,
}

impl ScriptFile {
    fn write(path: PathBuf, inputs: &ScriptInputs, tools: &StepTools) -> Result<Self, StartError> {
        // Left by an agent that was killed.
        if let Err(source) = fs::remove_file(&path)
            && source.kind() != io::ErrorKind::NotFound
        {
            return Err(StartError::Script { path, source });
        }
        let file = tools.platform.create_script_file(&path)?;
        let script = Self { path };
        script
            .fill(file, inputs)
            .map_err(|source| StartError::Script { path: script.path.clone(), source })?;
        Ok(script)
    }

    fn fill(&self, mut file: File, inputs: &ScriptInputs) -> io::Result<()> {
        let mark = match inputs.interpreter {
            Interpreter::Shell => "",
            Interpreter::PowerShell => BYTE_ORDER_MARK,
        };
        file.write_all(format!("{mark}{}\n", inputs.lines.join("\n")).as_bytes())
    }
}

impl Drop for ScriptFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the script of a finished step cannot be removed");
        }
    }
}

/// What is added to the error output of a script that failed; people's tools look for it.
fn complaint(how: &How, reboot_exit_code: i32) -> Option<String> {
    let why = match how {
        How::Exited(0 | EXIT_SUCCESS_AND_STOP) | How::TimedOut | How::Cancelled => return None,
        How::Exited(code) if *code == reboot_exit_code => return None,
        How::Exited(code) => format!("exit status {code}"),
        How::Signalled(signal) => format!("signal {signal}"),
        How::Lost(text) | How::StartFailed(text) | How::Unsupported(text) => text.clone(),
    };
    Some(format!("failed to run commands: {why}"))
}
