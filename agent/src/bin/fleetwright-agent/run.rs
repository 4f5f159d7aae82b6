//! `fleetwright-agent run`: the agent as a process, from its first look for an enrolment to its end.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use fleetwright_agent::config::{self, Config};
use fleetwright_agent::explain::explain;
use fleetwright_agent::state_folder::StateFolder;
use fleetwright_agent::status::LinkStatus;
use fleetwright_agent::update::UpdateFolder;
use fleetwright_agent::{Agent, AgentHandle, AgentSettings, inventory, join};
use fleetwright_platform::memory;
use fleetwright_platform::service::{self, ServiceNews};
use fleetwright_platform::{Request, Requests, SharedPlatform};
use fleetwright_proto::clock::{SharedClock, SystemClock};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use crate::arguments::RunArguments;
use crate::enrolment::wait_until_enrolled;
use crate::launcher::{Launched, Launcher, Place, RENEW_LINE, Role};

/// How often an agent looks whether another build waits to be tried.
const LOOK: Duration = Duration::from_secs(2);
/// How long running commands may go on before the agent begins anew for another build.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How often an agent without work looks whether it holds more memory than it needs.
const STOCKTAKING: Duration = Duration::from_secs(10);
/// What an agent without work uses all the time, bytes: it comes back at once, and is not given back again and again.
const USED_AT_REST: u64 = 3 << 20;

pub(crate) async fn run(
    arguments: RunArguments,
    config: Config,
    folder: StateFolder,
    platform: &SharedPlatform,
) -> anyhow::Result<ExitCode> {
    let clock: SharedClock = Arc::new(SystemClock);
    let mut requests = Requests::listen().context("cannot listen for the request to stop")?;
    let place = Place::of_this_process()?;
    keep_the_watchdog_quiet(&clock);
    if arguments.wait_for_enrolment {
        service::tell_service_manager(ServiceNews::Ready("waits until this host is enrolled"));
        let join_file = config_folder(&arguments, platform).join(join::FILE_NAME);
        match wait_until_enrolled(&folder, &join_file, platform, (&mut requests, &clock)).await? {
            None => {}
            Some(Request::Stop) => return Ok(stopping()),
            Some(Request::Renew) => return Ok(place.renew()),
        }
    }
    let updates = UpdateFolder::in_state_folder(folder.root(), Arc::clone(platform));
    if let Role::Launcher = place.role {
        let launcher = Launcher {
            place: &place,
            folder: updates.clone(),
            reach_time: config.reach_time(),
            clock: Arc::clone(&clock),
        };
        if let Launched::Ended(code) = launcher.launch(&mut requests).await {
            return Ok(code);
        }
    }
    let agent = start(arguments, &config, folder, platform, &clock)?;
    if let Role::Launched { trial: Some(marker), .. } = &place.role {
        tell_when_reached(&agent, marker.clone());
    }
    let mut asked = Asked { requests, watcher: Watcher::of(&place.role) };
    let request = tokio::select! {
        request = asked.next() => request,
        () = another_build_waits(&updates, &clock) => Request::Renew,
        never = stay_small(&agent, &clock) => match never {},
    };
    if request == Request::Renew {
        tracing::info!("begins anew when no command runs");
        tokio::select! {
            () = agent.wind_down(PATIENCE) => {
                drop(agent);
                return Ok(place.renew());
            }
            () = asked.until_stop() => {}
        }
    }
    let code = stopping();
    agent.stop().await;
    Ok(code)
}

fn start(
    arguments: RunArguments,
    config: &Config,
    folder: StateFolder,
    platform: &SharedPlatform,
    clock: &SharedClock,
) -> anyhow::Result<AgentHandle> {
    let mut settings = AgentSettings::for_folder(folder.launched(), Arc::clone(platform), Arc::clone(clock))?;
    if let Some(controller) = arguments.controller.or_else(|| config.controller.clone()) {
        settings.identity.controller = controller;
    }
    settings.spool = config.spool_limits();
    settings.executor.download_bytes = arguments.download_max_mib << 20;
    settings.inventory.every = Duration::from_secs(60 * arguments.inventory_minutes);
    let (node, controller) = (settings.identity.node_id.clone(), settings.identity.controller.clone());
    let agent = Agent::start(settings)?;
    tracing::info!(
        node = node.as_str(),
        version = inventory::AGENT_VERSION,
        "agent {} of node {node} starts",
        inventory::AGENT_VERSION
    );
    service::tell_service_manager(ServiceNews::Ready(&format!("node {node} of {controller}")));
    Ok(agent)
}

fn stopping() -> ExitCode {
    tracing::info!("asked to stop");
    service::tell_service_manager(ServiceNews::Stopping);
    ExitCode::SUCCESS
}

/// Where a join file is looked for: beside the configuration.
pub(crate) fn config_folder(arguments: &RunArguments, platform: &SharedPlatform) -> PathBuf {
    let named = arguments.config.as_deref().and_then(Path::parent).or(arguments.state_dir.as_deref());
    named.map_or_else(|| platform.folders().config, Path::to_owned)
}

/// The configuration that was named, or the system's for the agent of the system: one with a state folder of its own
/// has nothing to do with what is configured for another.
pub(crate) fn read_config(
    named: Option<&Path>,
    state: Option<&Path>,
    platform: &SharedPlatform,
) -> Result<Config, config::ConfigError> {
    match (named, state) {
        (Some(path), _) => Config::read(path),
        (None, Some(state)) => Config::read(&state.join(config::FILE_NAME)),
        (None, None) => Config::read(&platform.folders().config.join(config::FILE_NAME)),
    }
}

/// From the thread that does everything: when it hangs, the service manager hears nothing.
fn keep_the_watchdog_quiet(clock: &SharedClock) {
    let Some(interval) = service::watchdog_interval() else { return };
    let clock = Arc::clone(clock);
    tokio::spawn(async move {
        loop {
            service::tell_service_manager(ServiceNews::Alive);
            clock.sleep(interval).await;
        }
    });
}

/// What a build on trial is waited for.
fn tell_when_reached(agent: &AgentHandle, marker: PathBuf) {
    let mut status = agent.status();
    tokio::spawn(async move {
        if status.wait_for(|link| matches!(link, LinkStatus::Connected { .. })).await.is_ok()
            && let Err(error) = fs::write(&marker, b"")
        {
            tracing::error!("cannot tell that the controller was reached: `{}`: {error}", marker.display());
        }
    });
}

/// Gives back what work has left in memory, for ever.
async fn stay_small(agent: &AgentHandle, clock: &SharedClock) -> Infallible {
    let mut given_back_at = 0;
    loop {
        clock.sleep(STOCKTAKING).await;
        let Some(resident) = memory::resident_bytes() else { std::future::pending().await };
        if agent.load().running == 0 && resident > given_back_at + USED_AT_REST {
            memory::give_back();
            given_back_at = memory::resident_bytes().unwrap_or(resident);
        }
    }
}

async fn another_build_waits(updates: &UpdateFolder, clock: &SharedClock) {
    let mut told = false;
    loop {
        match updates.read() {
            Ok(Some(state)) if state.trial.as_ref().is_some_and(|trial| trial.starts == 0) => return,
            Err(error) if !told => {
                tracing::error!("updates are not seen: {}", explain(&error));
                told = true;
            }
            _ => {}
        }
        clock.sleep(LOOK).await;
    }
}

/// Requests from the system, and from the launcher that waits for this process.
struct Asked {
    requests: Requests,
    watcher: Option<Watcher>,
}

struct Watcher {
    lines: Lines<BufReader<Stdin>>,
}

impl Watcher {
    fn of(role: &Role) -> Option<Self> {
        let watched = matches!(role, Role::Launched { watched: true, .. });
        watched.then(|| Self { lines: BufReader::new(tokio::io::stdin()).lines() })
    }

    /// A launcher that is gone asks for nothing any more: without it, this build is to end.
    async fn next(&mut self) -> Request {
        match self.lines.next_line().await {
            Ok(Some(line)) if line == RENEW_LINE.trim_end() => Request::Renew,
            _ => Request::Stop,
        }
    }
}

impl Asked {
    async fn next(&mut self) -> Request {
        match &mut self.watcher {
            Some(watcher) => tokio::select! {
                request = self.requests.next() => request,
                request = watcher.next() => request,
            },
            None => self.requests.next().await,
        }
    }

    async fn until_stop(&mut self) {
        while self.next().await != Request::Stop {}
    }
}
