//! `aws:runShellScript`, `aws:runPowerShellScript` (reference, section 2.4) and `fleetwright:runCmdScript`.
//!
//! The script is a file in the step's folder for as long as it runs. Its process is held back until its identity has
//! been recorded, so there is no moment at which a script has begun and nobody would know after a crash.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fleetwright_documents::{Interpreter, ScriptInputs};
use fleetwright_platform::{InterpreterCommand, ProcessSpec};

use super::program::{self, StartError};
use super::{How, StepContext, StepTools, Task, environment};

/// Success, and no further steps (reference, section 2.3).
const EXIT_SUCCESS_AND_STOP: i32 = 168;
const BYTE_ORDER_MARK: &str = "\u{feff}";

pub(super) async fn run(inputs: &ScriptInputs, task: &Task<'_>) -> How {
    let prepared = prepare(inputs, task.context, task.tools);
    let reboot_exit_code = task.tools.platform.reboot_exit_code();
    let say_why = |how: &How| complaint(how, reboot_exit_code);
    match prepared {
        Ok((spec, _script)) => program::run(&spec, inputs.timeout, task, &say_why).await,
        Err(error) => program::did_not_start(error, task, &say_why).await,
    }
}

fn prepare(
    inputs: &ScriptInputs,
    context: &StepContext,
    tools: &StepTools,
) -> Result<(ProcessSpec, ScriptFile), StartError> {
    let folder = context.folder();
    let path = folder.join(script_name(inputs.interpreter));
    let command = tools.platform.interpreter_command(interpreter(inputs.interpreter), &path)?;
    tools.platform.ensure_private_folder(&folder)?;
    let script = ScriptFile::write(path, inputs, tools)?;
    Ok((spec(command, inputs, context), script))
}

fn spec(command: InterpreterCommand, inputs: &ScriptInputs, context: &StepContext) -> ProcessSpec {
    let environment = environment::compose(std::env::vars_os(), &inputs.environment, context, &command);
    ProcessSpec {
        program: command.program,
        arguments: command.arguments,
        environment,
        working_directory: working_directory(inputs.working_directory.as_deref(), context),
        marker: program::marker(context),
    }
}

/// Absolute as it is, whether it exists or not; else what was downloaded; else where the agent is told to run things.
fn working_directory(wanted: Option<&str>, context: &StepContext) -> Option<PathBuf> {
    let wanted = Path::new(wanted.unwrap_or_default());
    if wanted.is_absolute() {
        return Some(wanted.to_owned());
    }
    let downloaded = context.downloads().join(wanted);
    if downloaded.is_dir() { Some(downloaded) } else { context.working_directory.clone() }
}

fn interpreter(interpreter: Interpreter) -> fleetwright_platform::Interpreter {
    match interpreter {
        Interpreter::Shell => fleetwright_platform::Interpreter::Shell,
        Interpreter::PowerShell => fleetwright_platform::Interpreter::PowerShell,
        Interpreter::Cmd => fleetwright_platform::Interpreter::Cmd,
    }
}

fn script_name(interpreter: Interpreter) -> &'static str {
    match interpreter {
        Interpreter::Shell => "_script.sh",
        Interpreter::PowerShell => "_script.ps1",
        Interpreter::Cmd => "_script.cmd",
    }
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
        let (before, line_end) = match inputs.interpreter {
            Interpreter::Shell => ("", "\n"),
            Interpreter::PowerShell => (BYTE_ORDER_MARK, "\n"),
            // Its lines would be part of its output, and a lone line feed confuses it now and then.
            Interpreter::Cmd => ("@echo off\r\n", "\r\n"),
        };
        file.write_all(format!("{before}{}{line_end}", inputs.lines.join(line_end)).as_bytes())
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
pub(super) fn complaint(how: &How, reboot_exit_code: i32) -> Option<String> {
    let why = match how {
        How::Exited(0 | EXIT_SUCCESS_AND_STOP)
        | How::TimedOut
        | How::Cancelled
        | How::Done
        | How::WantsReboot
        | How::Suspended => return None,
        How::Exited(code) if *code == reboot_exit_code => return None,
        How::Exited(code) => format!("exit status {code}"),
        How::Signalled(signal) => format!("signal {signal}"),
        How::Failed(text) | How::Lost(text) | How::StartFailed(text) | How::Unsupported(text) => text.clone(),
    };
    Some(format!("failed to run commands: {why}"))
}
