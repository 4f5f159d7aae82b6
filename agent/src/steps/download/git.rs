//! A whole repository, through the git program of the host.
//!
//! No secret is in an argument list: git asks a small program of ours for user and password, which reads them from its
//! environment, and an SSH key is a private file for as long as it is needed.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleetwright_documents::inputs::{Revision, Source};
use fleetwright_platform::{InterpreterCommand, ProcessSpec};

use super::file::Incoming;
use super::file::Sums;
use super::{DownloadError, Place, inside, plain};
use crate::explain::explain;
use crate::steps::{How, Task, environment, program};

const TIMEOUT: Duration = Duration::from_secs(3600);
const USER: &str = "FW_GIT_USER";
const PASSWORD: &str = "FW_GIT_PASSWORD";
const ASKPASS: &str = "#!/bin/sh\ncase \"$1\" in\nUsername*) printf '%s\\n' \"$FW_GIT_USER\" ;;\n*) printf '%s\\n' \"$FW_GIT_PASSWORD\" ;;\nesac\n";

pub(super) async fn download(
    source: &Source,
    place: &Place,
    task: &Task<'_>,
) -> Result<PathBuf, DownloadError> {
    let Some(git) = task.tools.platform.find_program("git") else {
        return Err(DownloadError::Unsupported("git is not installed on this host".to_owned()));
    };
    let scratch = Scratch::create(task)?;
    let done = clone(&git, source, &scratch, task).await;
    done?;
    copy(&scratch.path.join("clone"), &place.path, task)?;
    Ok(place.path.clone())
}

async fn clone(git: &Path, source: &Source, scratch: &Scratch, task: &Task<'_>) -> Result<(), DownloadError> {
    let Source::Git { repository, revision, private_key, skip_host_key_checking, user, password } = source
    else {
        unreachable!("the table gives this source only")
    };
    if repository.starts_with('-') || repository.contains("::") {
        return Err(DownloadError::Source(format!("`{repository}` is no address of a repository")));
    }
    let mut variables: Vec<(OsString, OsString)> =
        vec![("GIT_TERMINAL_PROMPT".into(), "0".into()), ("GIT_CONFIG_NOSYSTEM".into(), "1".into())];
    if user.is_some() || password.is_some() {
        let askpass = scratch.write("askpass.sh", ASKPASS, task)?;
        variables.push(("GIT_ASKPASS".into(), askpass.into()));
        for (name, credential) in [(USER, user), (PASSWORD, password)] {
            let value = credential.as_ref().map(plain).transpose()?.unwrap_or_default();
            variables.push((name.into(), value.into()));
        }
    }
    let checking = if *skip_host_key_checking { "no" } else { "yes" };
    let mut ssh = format!("ssh -o BatchMode=yes -o StrictHostKeyChecking={checking}");
    if *skip_host_key_checking {
        ssh.push_str(" -o UserKnownHostsFile=/dev/null");
    }
    if let Some(key) = private_key {
        let text = format!("{}\n", plain(key)?.trim_end());
        let path = scratch.write("key", &text, task)?;
        ssh.push_str(&format!(" -o IdentitiesOnly=yes -i '{}'", path.display()));
    }
    variables.push(("GIT_SSH_COMMAND".into(), ssh.into()));
    let target = scratch.path.join("clone");
    let mut words: Vec<OsString> = ["clone", "--quiet"].map(OsString::from).to_vec();
    if let Revision::Branch(name) = revision {
        let short = name.strip_prefix("refs/heads/").unwrap_or(name);
        words.push(format!("--branch={short}").into());
    }
    words.extend([OsString::from("--"), OsString::from(repository), target.clone().into_os_string()]);
    call(git, words, &variables, task).await?;
    if let Revision::Commit(commit) = revision {
        if commit.starts_with('-') {
            return Err(DownloadError::Source(format!("`{commit}` is no commit")));
        }
        let words = ["checkout", "--quiet", "--detach", commit].map(OsString::from);
        let words = [OsString::from("-C"), target.into_os_string()].into_iter().chain(words);
        call(git, words.collect(), &variables, task).await?;
    }
    Ok(())
}

async fn call(
    git: &Path,
    arguments: Vec<OsString>,
    variables: &[(OsString, OsString)],
    task: &Task<'_>,
) -> Result<(), DownloadError> {
    let nothing = std::collections::BTreeMap::new();
    let mut environment =
        environment::compose(std::env::vars_os(), &nothing, task.context, &InterpreterCommand::default());
    environment.extend(variables.iter().cloned());
    let spec = ProcessSpec {
        program: git.to_owned(),
        arguments,
        environment,
        working_directory: None,
        marker: program::marker(task.context),
    };
    match program::run(&spec, TIMEOUT, task, &|_| None).await {
        How::Exited(0) => Ok(()),
        How::Cancelled => Err(DownloadError::Cancelled),
        How::Exited(code) => {
            Err(DownloadError::Source(format!("git ended with exit code {code}; its error output says why")))
        }
        How::TimedOut => {
            Err(DownloadError::Source(format!("git did not end within {} s", TIMEOUT.as_secs())))
        }
        How::Unsupported(problem) => Err(DownloadError::Unsupported(problem)),
        other => Err(DownloadError::Source(format!("git did not do it: {other:?}"))),
    }
}

/// Copies a clone, every file private, links followed only inside it.
fn copy(from: &Path, to: &Path, task: &Task<'_>) -> Result<(), DownloadError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| DownloadError::File { path, problem: error.to_string() }
    };
    let root = from.canonicalize().map_err(failed(from))?;
    let mut folders = vec![PathBuf::new()];
    let (mut bytes, max_bytes) = (0, task.tools.downloads.room()?);
    while let Some(folder) = folders.pop() {
        super::ensure_folder(&to.join(&folder))?;
        for entry in fs::read_dir(root.join(&folder)).map_err(failed(from))? {
            let entry = entry.map_err(failed(from))?;
            let relative = folder.join(entry.file_name());
            let real = entry.path().canonicalize().map_err(failed(&relative))?;
            let name =
                relative.to_str().ok_or_else(|| DownloadError::Outside(relative.display().to_string()))?;
            if !real.starts_with(&root) {
                return Err(DownloadError::Outside(name.to_owned()));
            }
            if entry.file_type().map_err(failed(&relative))?.is_dir() {
                folders.push(relative);
            } else if real.is_file() {
                let mut file = Incoming::create(&inside(to, name)?, task)?;
                let mut source = fs::File::open(&real).map_err(failed(&relative))?;
                let mut buffer = vec![0; 64 * 1024];
                loop {
                    let read = source.read(&mut buffer).map_err(failed(&relative))?;
                    if read == 0 {
                        break;
                    }
                    file.write(&buffer[..read])?;
                }
                bytes += file.finish(&Sums::default())?;
            }
            if bytes > max_bytes {
                return Err(DownloadError::TooLarge(max_bytes));
            }
        }
    }
    Ok(())
}

/// A private folder that is gone when the step is over.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn create(task: &Task<'_>) -> Result<Self, DownloadError> {
        let path = task.context.folder().join(format!("git-{}", uuid::Uuid::new_v4().simple()));
        task.tools
            .platform
            .ensure_private_folder(&path)
            .map_err(|error| DownloadError::File { path: path.clone(), problem: explain(&error) })?;
        Ok(Self { path })
    }

    fn write(&self, name: &str, text: &str, task: &Task<'_>) -> Result<PathBuf, DownloadError> {
        let path = self.path.join(name);
        let failed = |problem: String| DownloadError::File { path: path.clone(), problem };
        let file = task.tools.platform.create_script_file(&path);
        let mut file = file.map_err(|error| failed(explain(&error)))?;
        file.write_all(text.as_bytes()).map_err(|error| failed(error.to_string()))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "what a download needed cannot be removed");
        }
    }
}
