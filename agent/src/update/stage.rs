//! Bringing a build in: written to the free slot, checked, asked for its version, and journaled as one to be tried.
//!
//! Until the last record nothing has changed for the build that counts. What a crash leaves in the free slot is written
//! over by the next attempt.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use fleetwright_platform::HostError;
use fleetwright_proto::clock::SharedClock;
use tokio::process::Command;

use super::folder::{UpdateError, UpdateFolder, digest};
use super::state::Build;
use crate::inventory::AGENT_VERSION;

/// How long a build may take to say its version.
const ANSWER_TIME: Duration = Duration::from_secs(15);
/// Beside the file itself, so that a journal can still be written.
const SPARE_BYTES: u64 = 16 << 20;

/// No build is larger.
pub const BUILD_MAX_BYTES: u64 = 256 << 20;
/// Two slots, and what is on its way to one.
pub const FOLDER_MAX_BYTES: u64 = 3 * BUILD_MAX_BYTES;

/// A build that waits to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    pub build: Build,
}

/// Why a build is not tried.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    #[error(transparent)]
    Update(#[from] UpdateError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("cannot write the build to `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "there is no room for the build: {free} bytes are free where it would lie, and it needs {needed}"
    )]
    NoRoom { free: u64, needed: u64 },
    #[error("a build has at most {BUILD_MAX_BYTES} bytes, and this one {0}")]
    TooLarge(u64),
    #[error("the build is not the one that was announced: its SHA-256 is {found} and not {wanted}")]
    OtherFile { found: String, wanted: String },
    #[error("the build does not run on this host: {0}")]
    DoesNotRun(String),
    #[error("the build is of version {found} and not of {wanted}")]
    OtherVersion { found: String, wanted: String },
    #[error("version {found} is older than the {AGENT_VERSION} that runs; allow a downgrade if it is meant")]
    Downgrade { found: String },
}

/// What a build has to be.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// In hexadecimal digits.
    pub sha256: Option<&'a str>,
    pub version: Option<&'a str>,
    pub allow_downgrade: bool,
}

/// Brings in the build that lies in `file`. Returns when it waits to be tried.
///
/// # Errors
/// When it is not what is wanted, does not run, or cannot be kept. Nothing has changed then.
pub async fn stage(
    folder: &UpdateFolder,
    file: &Path,
    wanted: &Wanted<'_>,
    wish: &str,
    clock: &SharedClock,
) -> Result<Staged, StageError> {
    let _lock = folder.lock()?;
    let state = folder.read()?.unwrap_or_default();
    let slot = state.free_slot();
    let program = folder.program(slot);
    // A trial of what lies in that slot is over before its file changes.
    let state = state.returned("another build was brought in before it was tried", clock.now());
    if folder.read()?.is_some_and(|before| before != state) {
        folder.write(&state)?;
    }
    copy(folder, file, &program)?;
    let found = digest(&program).map_err(|source| StageError::Write { path: program.clone(), source })?;
    if let Some(wanted) = wanted.sha256
        && !found.eq_ignore_ascii_case(wanted)
    {
        return Err(StageError::OtherFile { found, wanted: wanted.to_owned() });
    }
    let version = ask_version(&program, clock).await?;
    check_version(&version, wanted)?;
    let build = Build { slot, version, sha256: found };
    folder.write(&state.begun(build.clone(), wish))?;
    Ok(Staged { build })
}

fn check_version(found: &str, wanted: &Wanted<'_>) -> Result<(), StageError> {
    if let Some(wanted) = wanted.version
        && wanted != found
    {
        return Err(StageError::OtherVersion { found: found.to_owned(), wanted: wanted.to_owned() });
    }
    if !wanted.allow_downgrade && is_newer(AGENT_VERSION, found) {
        return Err(StageError::Downgrade { found: found.to_owned() });
    }
    Ok(())
}

/// Whether `one` is a newer version than `other`: number by number.
#[must_use]
pub fn is_newer(one: &str, other: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> {
        let parts = version.split(|c: char| !c.is_ascii_digit());
        parts.filter_map(|part| part.parse().ok()).collect()
    };
    numbers(one) > numbers(other)
}

fn copy(folder: &UpdateFolder, from: &Path, to: &Path) -> Result<(), StageError> {
    let place = to.parent().unwrap_or(folder.root());
    let platform = folder.platform();
    platform.ensure_private_folder(place)?;
    let failed = |source| StageError::Write { path: to.to_owned(), source };
    let mut source =
        File::open(from).map_err(|source| UpdateError::Read { path: from.to_owned(), source })?;
    let bytes = source.metadata().map_err(failed)?.len();
    if bytes > BUILD_MAX_BYTES {
        return Err(StageError::TooLarge(bytes));
    }
    let needed = bytes + SPARE_BYTES;
    let free = platform.free_bytes(place)?;
    if free < needed {
        return Err(StageError::NoRoom { free, needed });
    }
    let aside = to.with_added_extension("new");
    for leftover in [&aside, &to.to_owned()] {
        match fs::remove_file(leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    let mut file = platform.create_script_file(&aside)?;
    io::copy(&mut source, &mut file)
        .and_then(|_| file.flush())
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    drop(file);
    fs::rename(&aside, to).map_err(failed)?;
    platform.sync_folder(place)?;
    Ok(platform.sync_folder(folder.root())?)
}

/// A build that cannot even say its version is not tried.
async fn ask_version(program: &Path, clock: &SharedClock) -> Result<String, StageError> {
    let mut command = Command::new(program);
    command
        .arg("version")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let output = tokio::select! {
        output = command.output() => output,
        () = clock.sleep(ANSWER_TIME) => {
            let seconds = ANSWER_TIME.as_secs();
            return Err(StageError::DoesNotRun(format!("it did not say its version within {seconds} s")));
        }
    };
    let output = output.map_err(|error| StageError::DoesNotRun(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    match said.trim().strip_prefix("fleetwright-agent ") {
        Some(version) if output.status.success() && !version.contains(char::is_whitespace) => {
            Ok(version.to_owned())
        }
        _ => Err(StageError::DoesNotRun(format!(
            "asked for its version it ended with {} and said {:?}",
            output.status,
            said.trim().chars().take(100).collect::<String>()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_number_by_number() {
        for (newer, older) in [("1.10.0", "1.9.9"), ("2", "1.9"), ("1.0.1", "1.0"), ("1.0.0-2", "1.0.0-1")] {
            assert!(is_newer(newer, older) && !is_newer(older, newer), "{newer} {older}");
        }
        assert!(!is_newer("1.2.3", "1.2.3"));
    }

    #[test]
    fn a_version_that_is_not_the_wanted_one_or_older_is_refused() {
        let check = |found, wanted| check_version(found, &wanted).map_err(|error| error.to_string());
        let exactly = Wanted { version: Some("9.9"), ..Wanted::default() };
        assert!(check("9.8", exactly.clone()).unwrap_err().contains("9.8 and not of 9.9"));
        check("9.9", exactly).unwrap();
        assert!(check("0.0.1", Wanted::default()).unwrap_err().contains("older than"));
        check("0.0.1", Wanted { allow_downgrade: true, ..Wanted::default() }).unwrap();
        check(AGENT_VERSION, Wanted::default()).unwrap();
    }
}
