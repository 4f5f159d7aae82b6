//! The scripts of an archive: which there are, and how one is run.

use std::path::{Path, PathBuf};

use fleetwright_documents::inputs::ConfigurePackage;
use fleetwright_platform::{Interpreter, ProcessSpec};

use super::host::{self, HostWords};
use super::stage::Verb;
use crate::steps::{How, Task, environment, program};

const KINDS: [(&str, Interpreter); 2] = [("sh", Interpreter::Shell), ("ps1", Interpreter::PowerShell)];

/// The script for a verb among the files of an archive; none when there is none, which is no mistake.
///
/// # Errors
/// When there are two: which is meant cannot be told.
pub(super) fn find(verb: Verb, files: &Path) -> Result<Option<(PathBuf, Interpreter)>, String> {
    let named = |(ending, interpreter): (&str, Interpreter)| {
        (files.join(format!("{}.{ending}", verb.name())), interpreter)
    };
    let mut found = KINDS.into_iter().map(named).filter(|(path, _)| path.is_file());
    match (found.next(), found.next()) {
        (_, Some(_)) => {
            let name = verb.name();
            Err(format!("its archive has both {name}.sh and {name}.ps1; keep one of them"))
        }
        (found, None) => Ok(found),
    }
}

/// How the script is run: in the folder of the archive, with what is known of the host and what the document gives.
pub(super) fn command(
    verb: Verb,
    (script, interpreter): (&Path, Interpreter),
    (inputs, words): (&ConfigurePackage, &HostWords),
    task: &Task<'_>,
) -> Result<ProcessSpec, How> {
    let command = task
        .tools
        .platform
        .interpreter_command(interpreter, script)
        .map_err(|unsupported| How::Unsupported(unsupported.to_string()))?;
    let mut variables = inputs.variables.clone();
    variables.extend(host::variables(verb, words, task));
    let environment = environment::compose(std::env::vars_os(), &variables, task.context, &command);
    Ok(ProcessSpec {
        program: command.program,
        arguments: command.arguments,
        environment,
        working_directory: script.parent().map(Path::to_owned),
        marker: program::marker(task.context),
    })
}
