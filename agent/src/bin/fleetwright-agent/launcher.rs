//! Which build runs: this program itself, or one in a slot, tried or proven (see the library's `update`).
//!
//! ```text
//! service manager ──► this program, the launcher ──┬─► itself
//!                                                  ├─► becomes the build that counts
//!                                                  └─► a build on trial, as a child that it watches
//! ```
//!
//! A build that was launched knows by its environment who launched it, and launches nothing itself.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use fleetwright_agent::explain::explain;
use fleetwright_agent::update::{Outcome, Start, UpdateFolder, UpdateState, Verdict};
use fleetwright_platform::service::{self, ServiceNews};
use fleetwright_platform::{HostError, Request, Requests};
use fleetwright_proto::clock::{SharedClock, Timestamp};
use tokio::io::AsyncWriteExt;
use tokio::process::Child;

/// The program that launched this one, and is to be started when another build is to run.
const LAUNCHER: &str = "FLEETWRIGHT_AGENT_LAUNCHER";
/// A launcher waits for this program, and speaks to it through its standard input.
const WATCHED: &str = "FLEETWRIGHT_AGENT_WATCHED";
/// The file that a build on trial makes when it has reached the controller.
const TRIAL: &str = "FLEETWRIGHT_AGENT_TRIAL";

/// By this exit code a launched build asks for the one that counts to be started.
pub(crate) const RENEW: u8 = 75;
/// What is written to a launched build that is to begin anew when it has nothing to do.
pub(crate) const RENEW_LINE: &str = "renew\n";

/// How often a trial is looked at.
const LOOK: Duration = Duration::from_millis(300);
/// How long a launched build has to end when it is asked to: longer than its steps have.
const END_TIME: Duration = Duration::from_secs(50);

/// What this process is.
#[derive(Debug)]
pub(crate) struct Place {
    /// This program, by the path under which the service manager starts it.
    pub(crate) launcher: PathBuf,
    pub(crate) role: Role,
}

#[derive(Debug)]
pub(crate) enum Role {
    Launcher,
    Launched { watched: bool, trial: Option<PathBuf> },
}

/// What became of launching.
pub(crate) enum Launched {
    /// This program itself is the build to run.
    Myself,
    Ended(ExitCode),
}

impl Place {
    pub(crate) fn of_this_process() -> anyhow::Result<Self> {
        match std::env::var_os(LAUNCHER) {
            Some(launcher) => Ok(Self {
                launcher: launcher.into(),
                role: Role::Launched {
                    watched: std::env::var_os(WATCHED).is_some(),
                    trial: std::env::var_os(TRIAL).map(PathBuf::from),
                },
            }),
            None => Ok(Self {
                launcher: std::env::current_exe().context("cannot find the path of this program")?,
                role: Role::Launcher,
            }),
        }
    }

    /// Ends this build in favour of the one that counts now: the launcher decides. Returns what to exit with.
    pub(crate) fn renew(&self) -> ExitCode {
        service::tell_service_manager(ServiceNews::Reloading);
        if let Role::Launched { watched: true, .. } = self.role {
            return ExitCode::from(RENEW);
        }
        let problem = service::become_program(&mut self.command());
        // Whoever started this program starts the launcher again.
        tracing::error!("cannot begin anew in place, so this agent ends: {}", explain(&problem));
        ExitCode::from(RENEW)
    }
}

impl Place {
    /// The launcher as it lies on the disk now.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.launcher);
        command.args(own_arguments()).env_remove(LAUNCHER).env_remove(TRIAL).env_remove(WATCHED);
        command
    }
}

/// What a launcher works with.
pub(crate) struct Launcher<'a> {
    pub(crate) place: &'a Place,
    pub(crate) folder: UpdateFolder,
    pub(crate) reach_time: Duration,
    pub(crate) clock: SharedClock,
}

enum Watched {
    Renew,
    /// The build on trial is not the one to run.
    Returned(String),
    Ended(ExitCode),
}

impl Launcher<'_> {
    /// Runs builds from slots for as long as they are the ones to run.
    pub(crate) async fn launch(&self, requests: &mut Requests) -> Launched {
        loop {
            let (program, trial) = match self.next() {
                Start::Packaged => return Launched::Myself,
                Start::Current(build) => (self.folder.program(build.slot), None),
                Start::Trial(attempt) => {
                    tracing::info!("version {} is tried", attempt.build.version);
                    (self.folder.program(attempt.build.slot), Some(attempt.wish))
                }
            };
            if trial.is_none() {
                match service::become_program(&mut self.command(&program, None)) {
                    HostError::Unsupported(_) => {}
                    problem => {
                        tracing::error!("the packaged build runs: {}", explain(&problem));
                        return Launched::Myself;
                    }
                }
            }
            match self.watch(&program, trial.clone(), requests).await {
                Watched::Renew => match service::become_program(&mut self.place.command()) {
                    HostError::Unsupported(_) => {}
                    problem => tracing::error!("this launcher goes on: {}", explain(&problem)),
                },
                Watched::Ended(code) => return Launched::Ended(code),
                Watched::Returned(why) => {
                    tracing::error!("the new build is not used: {why}");
                    if let Some(wish) = &trial {
                        self.end_trial(wish, |state, now| state.returned(&why, now)).await;
                    }
                }
            }
        }
    }

    /// What cannot be read or written never keeps an agent from starting: this program itself is always there.
    fn next(&self) -> Start {
        let state = match self.folder.read() {
            Ok(Some(state)) => state,
            Ok(None) => return Start::Packaged,
            Err(error) => {
                tracing::error!("the packaged build runs: {}", explain(&error));
                return Start::Packaged;
            }
        };
        let is_whole = |build: &_| self.folder.is_whole(build);
        let packaged = UpdateFolder::mark_of(&self.place.launcher);
        let (next, start) = state.clone().started(&packaged, is_whole, self.clock.now());
        if next == state {
            return start;
        }
        if let Some(Outcome { version, verdict: Verdict::Returned { why }, .. }) = &next.last
            && next.last != state.last
        {
            tracing::error!("version {version} is not used any more: {why}");
        }
        match self.folder.write(&next) {
            Ok(()) => start,
            Err(error) => {
                // A start that is not counted could be repeated for ever.
                tracing::error!("the packaged build runs: {}", explain(&error));
                Start::Packaged
            }
        }
    }

    /// Written as soon as the disk takes it: the same trial would be made again otherwise. One that another update has
    /// taken the place of has ended already.
    async fn end_trial(&self, wish: &str, end: impl Fn(UpdateState, Timestamp) -> UpdateState) {
        loop {
            let written = self.folder.read().and_then(|state| match state {
                Some(state) if state.is_tried_for(wish) => self.folder.write(&end(state, self.clock.now())),
                _ => Ok(()),
            });
            let Err(error) = written else { return };
            tracing::error!("the end of the trial is not written yet: {}", explain(&error));
            self.clock.sleep(Duration::from_secs(2)).await;
        }
    }

    fn command(&self, program: &Path, trial: Option<&Path>) -> Command {
        let mut command = Command::new(program);
        command.args(own_arguments()).env(LAUNCHER, &self.place.launcher);
        match trial {
            Some(marker) => command.env(TRIAL, marker),
            None => command.env_remove(TRIAL),
        };
        command
    }

    async fn watch(&self, program: &Path, trial: Option<String>, requests: &mut Requests) -> Watched {
        let marker = self.folder.reached_marker();
        // One of an earlier trial would be taken for an answer.
        if let Err(error) = remove(&marker) {
            return Watched::Returned(format!("cannot remove `{}`: {error}", marker.display()));
        }
        let mut command = self.command(program, trial.is_some().then_some(marker.as_path()));
        // The watchdog is asked for by whoever does the work.
        command.env(WATCHED, "1").env_remove("WATCHDOG_PID").stdin(Stdio::piped());
        let mut child = match tokio::process::Command::from(command).kill_on_drop(true).spawn() {
            Ok(child) => child,
            Err(error) => return Watched::Returned(format!("it cannot be started: {error}")),
        };
        match self.wait(&mut child, trial, &marker, requests).await {
            Ok(watched) => watched,
            Err(error) => {
                kill(&mut child).await;
                Watched::Returned(format!("it cannot be watched: {error}"))
            }
        }
    }

    async fn wait(
        &self,
        child: &mut Child,
        mut trial: Option<String>,
        marker: &Path,
        requests: &mut Requests,
    ) -> std::io::Result<Watched> {
        let mut input = child.stdin.take();
        let mut in_time = self.clock.sleep(self.reach_time);
        service::tell_service_manager(ServiceNews::Ready("another build is tried"));
        loop {
            let look = self.clock.sleep(LOOK);
            tokio::select! {
                status = child.wait() => return Ok(ended(status?, trial.is_some())),
                request = requests.next() => match request {
                    Request::Stop => {
                        service::tell_service_manager(ServiceNews::Stopping);
                        drop(input.take());
                        return Ok(Watched::Ended(self.ended_in_time(child).await));
                    }
                    Request::Renew => if let Some(input) = &mut input {
                        // One that has closed its input is about to end.
                        let _gone = input.write_all(RENEW_LINE.as_bytes()).await;
                    }
                },
                () = look, if trial.is_some() => {
                    service::tell_service_manager(ServiceNews::Alive);
                    if marker.exists() && let Some(wish) = trial.take() {
                        self.end_trial(&wish, UpdateState::reached).await;
                        tracing::info!("the new build has reached the controller: it is the one that counts");
                    }
                }
                () = &mut in_time, if trial.is_some() => {
                    kill(child).await;
                    let seconds = self.reach_time.as_secs();
                    let why = format!("it did not reach the controller within {seconds} s");
                    return Ok(Watched::Returned(why));
                }
            }
        }
    }

    async fn ended_in_time(&self, child: &mut Child) -> ExitCode {
        tokio::select! {
            _ended = child.wait() => {}
            () = self.clock.sleep(END_TIME) => kill(child).await,
        }
        ExitCode::SUCCESS
    }
}

/// On trial, an end of any kind is a failure.
fn ended(status: ExitStatus, on_trial: bool) -> Watched {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    match code {
        _ if on_trial => {
            Watched::Returned(format!("it ended with {status} before it had reached the controller"))
        }
        Some(RENEW) => Watched::Renew,
        Some(code) => Watched::Ended(ExitCode::from(code)),
        None => Watched::Ended(ExitCode::FAILURE),
    }
}

async fn kill(child: &mut Child) {
    if let Err(error) = child.kill().await {
        tracing::error!("the build that was tried cannot be killed: {error}");
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn own_arguments() -> impl Iterator<Item = OsString> {
    std::env::args_os().skip(1)
}
