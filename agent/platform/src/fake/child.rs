//! One process of a fake host: a task that runs a script, and the switches by which others end it.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{DuplexStream, duplex};
use tokio::sync::watch;

use super::{Host, script};
use crate::process::{
    Ended, Process, ProcessIdentity, ProcessSpec, SignalError, SpawnError, Spawned, Waiting,
};

const PIPE_BYTES: usize = 8 * 1024;
const KILL: i32 = 9;
const TERMINATE: i32 = 15;

/// What is known of a process while it is there.
#[derive(Debug)]
pub(super) struct Running {
    identity: ProcessIdentity,
    signal: watch::Sender<Option<i32>>,
    ended: watch::Sender<Option<Ended>>,
    ignores_terminate: AtomicBool,
}

impl Running {
    pub(super) fn identity(&self) -> &ProcessIdentity {
        &self.identity
    }

    pub(super) fn kill(&self) {
        self.signal.send_replace(Some(KILL));
    }

    pub(super) fn ignore_terminate(&self) {
        self.ignores_terminate.store(true, Ordering::Relaxed);
    }

    fn ends_by(&self, signal: Option<i32>) -> bool {
        match signal {
            None => false,
            Some(TERMINATE) => !self.ignores_terminate.load(Ordering::Relaxed),
            Some(_) => true,
        }
    }

    async fn deadly_signal(&self) -> i32 {
        let mut signals = self.signal.subscribe();
        let signal = signals.wait_for(|signal| self.ends_by(*signal)).await.ok().and_then(|signal| *signal);
        signal.unwrap_or(KILL)
    }
}

/// What a process needs to begin.
#[derive(Debug)]
struct Held {
    text: String,
    stdout: DuplexStream,
    stderr: DuplexStream,
}

#[derive(Debug)]
struct FakeProcess {
    host: Arc<Host>,
    running: Arc<Running>,
    held: Option<Held>,
}

pub(super) fn spawn(host: &Arc<Host>, spec: &ProcessSpec) -> Result<Spawned, SpawnError> {
    if let Some(path) = spec.working_directory.clone().filter(|path| !path.is_dir()) {
        return Err(SpawnError::WorkingDirectory { path, source: io::ErrorKind::NotFound.into() });
    }
    let script = spec.arguments.last().cloned().unwrap_or_default();
    let text = fs::read_to_string(script)
        .map_err(|source| SpawnError::Program { program: spec.program.clone(), source })?;
    let boot_id = host.boot_id();
    let mut state = host.lock();
    state.last_pid += 1;
    let pid = state.last_pid;
    let identity =
        ProcessIdentity { pid, start_time: pid.into(), session: 1, boot_id, marker: spec.marker.clone() };
    let running = Arc::new(Running {
        identity,
        signal: watch::Sender::new(None),
        ended: watch::Sender::new(None),
        ignores_terminate: AtomicBool::new(false),
    });
    state.running.insert(pid, Arc::clone(&running));
    drop(state);
    let (stdout, out) = duplex(PIPE_BYTES);
    let (stderr, err) = duplex(PIPE_BYTES);
    let held = Some(Held { text, stdout: out, stderr: err });
    let process = Box::new(FakeProcess { host: Arc::clone(host), running, held });
    Ok(Spawned { process, stdout: Box::pin(stdout), stderr: Box::pin(stderr) })
}

async fn live(host: Arc<Host>, running: Arc<Running>, held: Held) {
    let clock = Arc::clone(&host.clock);
    let ended = tokio::select! {
        biased;
        signal = running.deadly_signal() => Ended::Signalled(signal),
        ended = script::run(&held.text, &running, &clock, held.stdout, held.stderr) => ended,
    };
    host.lock().running.remove(&running.identity.pid);
    running.ended.send_replace(Some(ended));
}

impl Process for FakeProcess {
    fn identity(&self) -> &ProcessIdentity {
        &self.running.identity
    }

    fn release(&mut self) -> Waiting<'_, ()> {
        if let Some(held) = self.held.take() {
            let run = self.running.identity.marker.value.clone();
            *self.host.lock().runs.entry(run).or_default() += 1;
            tokio::spawn(live(Arc::clone(&self.host), Arc::clone(&self.running), held));
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn wait(&mut self) -> Waiting<'_, Ended> {
        Box::pin(async {
            let mut ended = self.running.ended.subscribe();
            let ended = ended.wait_for(Option::is_some).await.ok().and_then(|ended| *ended);
            ended.ok_or_else(|| io::Error::other("the host is gone"))
        })
    }

    fn terminate(&mut self) -> Result<(), SignalError> {
        self.running.signal.send_replace(Some(TERMINATE));
        Ok(())
    }

    /// One that will end by the signal it was sent counts as gone.
    fn group_is_alive(&self) -> bool {
        self.running.ended.borrow().is_none() && !self.running.ends_by(*self.running.signal.borrow())
    }

    fn kill(&mut self) -> Result<(), SignalError> {
        self.running.kill();
        Ok(())
    }
}

impl Drop for FakeProcess {
    fn drop(&mut self) {
        if self.held.is_some() {
            self.host.lock().running.remove(&self.running.identity.pid);
        }
    }
}
