//! One child process in its own process group, held back by a gate.
//!
//! The gate is a shell that waits for a line on its standard input and then becomes the program: same process id,
//! same start time. When the agent dies first, the line never comes, and the gate ends without having run anything.

use std::fs;
use std::io;
use std::process::Stdio;

use std::os::unix::process::ExitStatusExt;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

use super::{SHELL, tree};
use crate::process::{
    Ended, Process, ProcessIdentity, ProcessSpec, SignalError, SpawnError, Spawned, Waiting,
};

/// What follows becomes the program's name and arguments. Nothing of the gate's own input is left to the program.
const GATE: &str = r#"IFS= read -r go && exec "$0" "$@" </dev/null; exit 125"#;

#[derive(Debug)]
struct LinuxProcess {
    identity: ProcessIdentity,
    child: Child,
    /// There until the process is released.
    gate: Option<ChildStdin>,
}

pub(super) fn spawn(spec: &ProcessSpec, boot_id: String) -> Result<Spawned, SpawnError> {
    spec.check_working_directory()?;
    let failed = |source| SpawnError::Program { program: spec.program.clone(), source };
    // The gate would find this out too late to tell it from a script that says so.
    fs::metadata(&spec.program).map_err(failed)?;
    let mut child = command(spec).spawn().map_err(failed)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let gone = || failed(io::Error::other("it ended before it was released"));
    let pid = child.id().ok_or_else(gone)?;
    let entry = tree::Entry::read(pid).ok_or_else(gone)?;
    let identity = ProcessIdentity {
        pid,
        start_time: entry.start_time,
        session: entry.session,
        boot_id,
        marker: spec.marker.clone(),
    };
    let gate = child.stdin.take();
    Ok(Spawned {
        process: Box::new(LinuxProcess { identity, child, gate }),
        stdout: Box::pin(stdout.ok_or_else(gone)?),
        stderr: Box::pin(stderr.ok_or_else(gone)?),
    })
}

fn command(spec: &ProcessSpec) -> Command {
    let mut command = Command::new(SHELL);
    command
        .args(["-c", GATE])
        .arg(&spec.program)
        .args(&spec.arguments)
        .env_clear()
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .env(&spec.marker.name, &spec.marker.value)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(folder) = &spec.working_directory {
        command.current_dir(folder);
    }
    command
}

impl Process for LinuxProcess {
    fn identity(&self) -> &ProcessIdentity {
        &self.identity
    }

    fn release(&mut self) -> Waiting<'_, ()> {
        Box::pin(async {
            match self.gate.take() {
                Some(mut gate) => gate.write_all(b"\n").await,
                None => Ok(()),
            }
        })
    }

    fn wait(&mut self) -> Waiting<'_, Ended> {
        Box::pin(async {
            let status = self.child.wait().await?;
            let ended = status.code().map(Ended::Exited).or(status.signal().map(Ended::Signalled));
            ended.ok_or_else(|| io::Error::other(format!("ended in an unknown way: {status}")))
        })
    }

    fn terminate(&mut self) -> Result<(), SignalError> {
        tree::terminate(&self.identity)
    }

    fn group_is_alive(&self) -> bool {
        tree::group_is_alive(&self.identity)
    }

    fn kill(&mut self) -> Result<(), SignalError> {
        tree::kill(&self.identity).map(|_| ())
    }
}
