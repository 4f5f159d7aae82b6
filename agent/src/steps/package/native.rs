//! Packages of the system itself: a `.deb` through dpkg, an `.rpm` through rpm.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleetwright_platform::{InterpreterCommand, ProcessSpec};

use super::stage::{FileKind, Verb};
use crate::steps::{How, Task, environment, program};

/// Reading a name out of a file.
const ASK_TIMEOUT: Duration = Duration::from_secs(60);

/// A `.deb` under its own name.
pub(super) async fn deb(path: &Path, task: &Task<'_>) -> Result<FileKind, How> {
    find("dpkg", "deb", task)?;
    let arguments = ["--field".into(), path.into(), "Package".into()];
    ask("dpkg-deb", arguments, path, task).await.map(|package| FileKind::Deb { package })
}

/// An `.rpm` under its own name.
pub(super) async fn rpm(path: &Path, task: &Task<'_>) -> Result<FileKind, How> {
    let arguments = ["-qp".into(), "--queryformat=%{NAME}".into(), path.into()];
    ask("rpm", arguments, path, task).await.map(|package| FileKind::Rpm { package })
}

fn find(program: &str, kind: &str, task: &Task<'_>) -> Result<PathBuf, How> {
    task.tools.platform.find_program(program).ok_or_else(|| {
        How::Unsupported(format!(
            "installing a .{kind} package is not possible on this host: there is no {program}"
        ))
    })
}

async fn ask(program: &str, arguments: [OsString; 3], path: &Path, task: &Task<'_>) -> Result<String, How> {
    let kind = path.extension().unwrap_or_default().to_string_lossy().into_owned();
    let program = find(program, &kind, task)?;
    let spec = spec(program, arguments.into(), task);
    let said = program::answer(&spec, ASK_TIMEOUT, task).await?;
    let name = said.trim();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins && name.bytes().all(is_name) {
        return Ok(name.to_owned());
    }
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    Err(How::Failed(format!("{file} is no .{kind} package: it has no name")))
}

/// How the system is told to do it; none for what is no package of a system.
pub(super) fn command(
    verb: Verb,
    kind: &FileKind,
    file: &Path,
    task: &Task<'_>,
) -> Result<Option<ProcessSpec>, How> {
    let Some((program, ending, arguments)) = words(verb, kind, file) else { return Ok(None) };
    Ok(Some(spec(find(program, ending, task)?, arguments, task)))
}

/// The program, the ending of its packages, and what it is told.
fn words(verb: Verb, kind: &FileKind, file: &Path) -> Option<(&'static str, &'static str, Vec<OsString>)> {
    let file = || OsString::from(file);
    Some(match kind {
        FileKind::Archive => return None,
        FileKind::Deb { package } => (
            "dpkg",
            "deb",
            match verb {
                Verb::Install | Verb::Update => vec!["--install".into(), file()],
                Verb::Uninstall => vec!["--remove".into(), package.into()],
                Verb::Validate => vec!["--verify".into(), package.into()],
            },
        ),
        FileKind::Rpm { package } => (
            "rpm",
            "rpm",
            match verb {
                Verb::Install | Verb::Update => {
                    vec!["--upgrade".into(), "--replacepkgs".into(), "--oldpackage".into(), file()]
                }
                Verb::Uninstall => vec!["--erase".into(), package.into()],
                Verb::Validate => vec!["--query".into(), package.into()],
            },
        ),
    })
}

fn spec(program: PathBuf, arguments: Vec<OsString>, task: &Task<'_>) -> ProcessSpec {
    let quiet = [("DEBIAN_FRONTEND".to_owned(), "noninteractive".to_owned())].into();
    ProcessSpec {
        program,
        arguments,
        environment: environment::compose(
            std::env::vars_os(),
            &quiet,
            task.context,
            &InterpreterCommand::default(),
        ),
        working_directory: None,
        marker: program::marker(task.context),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_told_in_its_own_words() {
        let deb = FileKind::Deb { package: "tool".to_owned() };
        let rpm = FileKind::Rpm { package: "tool".to_owned() };
        for (kind, verb, told) in [
            (&deb, Verb::Install, "dpkg --install /f"),
            (&deb, Verb::Update, "dpkg --install /f"),
            (&deb, Verb::Uninstall, "dpkg --remove tool"),
            (&deb, Verb::Validate, "dpkg --verify tool"),
            (&rpm, Verb::Install, "rpm --upgrade --replacepkgs --oldpackage /f"),
            (&rpm, Verb::Uninstall, "rpm --erase tool"),
            (&rpm, Verb::Validate, "rpm --query tool"),
        ] {
            let (program, _, arguments) = words(verb, kind, Path::new("/f")).unwrap();
            let arguments: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
            assert_eq!(format!("{program} {}", arguments.join(" ")), told);
        }
        assert_eq!(words(Verb::Install, &FileKind::Archive, Path::new("/f")), None);
    }
}
