//! One child process in a job object of its own.
//!
//! It is created suspended, put into the job and only then let go, so that nothing it starts is outside. The job ends
//! all its processes when the agent dies. What cannot be caught is what the process has others start for it: the
//! service manager, the task scheduler, WMI.

use std::collections::{HashMap, HashSet};
use std::io;
use std::process::Stdio;

use tokio::process::{Child, Command};
use windows_sys::Win32::System::Threading::{CREATE_NO_WINDOW, CREATE_SUSPENDED};

use super::OS;
use super::system::{self, Entry, Job};
use crate::Unsupported;
use crate::process::{
    Ended, Process, ProcessIdentity, ProcessSpec, SignalError, SpawnError, Spawned, Waiting,
};

#[derive(Debug)]
struct WindowsProcess {
    identity: ProcessIdentity,
    child: Child,
    job: Job,
}

pub(super) fn spawn(spec: &ProcessSpec, boot_id: String) -> Result<Spawned, SpawnError> {
    spec.check_working_directory()?;
    let failed = |source| SpawnError::Program { program: spec.program.clone(), source };
    let gone = || failed(io::Error::other("it ended before it was released"));
    let job = Job::create().map_err(failed)?;
    let mut child = command(spec).spawn().map_err(failed)?;
    let pid = child.id().ok_or_else(gone)?;
    let handle = system::handle_of(&child).ok_or_else(gone)?;
    if let Err(error) = job.assign(handle) {
        // Still suspended: it has done nothing.
        let _gone = child.start_kill();
        return Err(failed(error));
    }
    let identity = ProcessIdentity {
        pid,
        start_time: system::start_time(handle).map_err(failed)?,
        session: 0,
        boot_id,
        marker: spec.marker.clone(),
    };
    let stdout = child.stdout.take().ok_or_else(gone)?;
    let stderr = child.stderr.take().ok_or_else(gone)?;
    let process = Box::new(WindowsProcess { identity, child, job });
    Ok(Spawned { process, stdout: Box::pin(stdout), stderr: Box::pin(stderr) })
}

fn command(spec: &ProcessSpec) -> Command {
    let mut command = Command::new(&spec.program);
    command
        .args(&spec.arguments)
        .env_clear()
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .env(&spec.marker.name, &spec.marker.value)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .creation_flags(CREATE_SUSPENDED | CREATE_NO_WINDOW);
    if let Some(folder) = &spec.working_directory {
        command.current_dir(folder);
    }
    command
}

impl Process for WindowsProcess {
    fn identity(&self) -> &ProcessIdentity {
        &self.identity
    }

    fn release(&mut self) -> Waiting<'_, ()> {
        Box::pin(std::future::ready(system::resume(self.identity.pid)))
    }

    fn wait(&mut self) -> Waiting<'_, Ended> {
        Box::pin(async {
            let status = self.child.wait().await?;
            // What it left running on purpose outlives the job.
            self.job.let_live()?;
            let code = status
                .code()
                .ok_or_else(|| io::Error::other(format!("ended in an unknown way: {status}")))?;
            Ok(Ended::Exited(code))
        })
    }

    fn terminate(&mut self) -> Result<(), SignalError> {
        Err(Unsupported { capability: "asking a process to end", os: OS }.into())
    }

    fn group_is_alive(&self) -> bool {
        self.job.processes().is_ok_and(|processes| processes > 0)
    }

    fn kill(&mut self) -> Result<(), SignalError> {
        let pid = self.identity.pid;
        self.job.terminate().map_err(|source| SignalError::Io { pid, source })
    }
}

/// The job of an agent that died has ended its processes; this is for the case that it could not, as with a handle
/// that was inherited. Children are known by their parent's id and by having started after it.
pub(super) fn kill_leftover(identity: &ProcessIdentity) -> Result<usize, SignalError> {
    let failed = |pid, source| SignalError::Io { pid, source };
    let entries = system::processes().map_err(|source| failed(identity.pid, source))?;
    let mut killed = 0;
    for entry in family(&entries, identity) {
        let ended = system::terminate(&entry).map_err(|source| failed(entry.pid, source))?;
        killed += usize::from(ended == system::Terminated::Now);
    }
    Ok(killed)
}

/// The process and its descendants, if it is still the same.
fn family(entries: &[Entry], identity: &ProcessIdentity) -> Vec<Entry> {
    let mut children: HashMap<u32, Vec<Entry>> = HashMap::new();
    for entry in entries {
        children.entry(entry.parent).or_default().push(*entry);
    }
    let same = |entry: &&Entry| entry.pid == identity.pid && entry.start_time == Some(identity.start_time);
    let mut todo: Vec<Entry> = entries.iter().find(same).copied().into_iter().collect();
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    while let Some(entry) = todo.pop() {
        if seen.insert(entry.pid) {
            let younger = |child: &&Entry| child.start_time >= entry.start_time;
            todo.extend(children.get(&entry.pid).into_iter().flatten().filter(younger));
            found.push(entry);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Marker;

    fn identity() -> ProcessIdentity {
        let marker = Marker { name: "M".to_owned(), value: "v".to_owned() };
        ProcessIdentity { pid: 100, start_time: 1000, session: 0, boot_id: "boot".to_owned(), marker }
    }

    #[track_caller]
    fn check(what: &str, entries: &[(u32, u32, u64)], wanted: &[u32]) {
        let entries: Vec<Entry> = entries
            .iter()
            .map(|(pid, parent, start)| Entry { pid: *pid, parent: *parent, start_time: Some(*start) })
            .collect();
        let mut found: Vec<u32> = family(&entries, &identity()).iter().map(|entry| entry.pid).collect();
        found.sort_unstable();
        assert_eq!(found, wanted, "{what}");
    }

    #[test]
    fn descendants_belong_and_whoever_took_over_an_id_does_not() {
        check(
            "all generations",
            &[(100, 4, 1000), (101, 100, 1001), (102, 101, 1002), (7, 4, 1)],
            &[100, 101, 102],
        );
        check("another process with the id", &[(100, 4, 2000), (101, 100, 2001)], &[]);
        check("a child of an earlier owner of the id", &[(100, 4, 1000), (101, 100, 500)], &[100]);
    }
}
