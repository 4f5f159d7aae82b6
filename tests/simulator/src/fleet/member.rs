//! One simulated host and its agent.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleetwright_agent::enroll::{self, ActivationCode, Enrolment, Existing};
use fleetwright_agent::executor::ExecutorLimits;
use fleetwright_agent::identity::{ControllerAddress, Identity, IdentityFiles};
use fleetwright_agent::inventory::InventorySettings;
use fleetwright_agent::journal::MemoryJournal;
use fleetwright_agent::parameters::{Decryption, Given, ParameterSettings, Parameters, Query};
use fleetwright_agent::spool::SpoolLimits;
use fleetwright_agent::state_folder::StateFolder;
use fleetwright_agent::status::LinkStatus;
use fleetwright_agent::{Agent, AgentHandle, AgentSettings, Keeping};
use fleetwright_platform::SharedPlatform;
use fleetwright_platform::fake::FakePlatform;
use fleetwright_proto::clock::{SharedClock, Timestamp};
use fleetwright_proto::ids::NodeId;

use super::{FleetError, FleetSettings, FleetStatus, Invitation};
use crate::network::{HostNetwork, Network};

/// How often a host asks again when the controller is there and cannot take it now, and how long it waits before.
const ENROL_TRIES: u32 = 20;
const ENROL_PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Member {
    number: u32,
    controller: ControllerAddress,
    folder: StateFolder,
    scratch: PathBuf,
    platform: FakePlatform,
    clock: SharedClock,
    network: Arc<HostNetwork>,
    journal: MemoryJournal,
    collecting: InventorySettings,
    life: Mutex<Life>,
}

#[derive(Debug, Default)]
struct Life {
    identity: Option<Identity>,
    agent: Option<AgentHandle>,
}

impl Member {
    pub(super) fn new(
        number: u32,
        settings: &FleetSettings,
        clock: SharedClock,
        network: Arc<Network>,
    ) -> Self {
        let name = format!("host-{number:05}");
        let platform = FakePlatform::numbered(number, clock.clone());
        platform.install_packages(settings.packages);
        Self {
            number,
            controller: settings.controller.clone(),
            folder: StateFolder::at(settings.identities.join(&name)),
            scratch: settings.scratch.join(name),
            platform,
            clock,
            network: Arc::new(HostNetwork::of_host(number, network)),
            journal: MemoryJournal::default(),
            collecting: InventorySettings { every: settings.inventory_every, ..InventorySettings::default() },
            life: Mutex::default(),
        }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn upgrade(&self, package: u32) {
        self.platform.upgrade_package(package);
    }

    pub(super) fn network(&self) -> &HostNetwork {
        &self.network
    }

    /// Whether this host has an identity from an earlier time.
    pub(super) fn load_identity(&self) -> Result<bool, FleetError> {
        let found = IdentityFiles::in_state_folder(self.folder.root(), self.platform())
            .load()
            .map_err(|source| FleetError::Identity { number: self.number, source })?;
        let is_there = found.is_some();
        // The fleet may have been told another address of the same controller.
        self.life().identity = found.map(|found| Identity { controller: self.controller.clone(), ..found });
        Ok(is_there)
    }

    /// Joins; returns how often it had to ask again.
    pub(super) async fn enrol(&self, invitation: &Invitation) -> Result<u32, FleetError> {
        let mut retries = 0;
        loop {
            let enrolment = Enrolment {
                controller: self.controller.clone(),
                activation: invitation.activation.clone(),
                code: ActivationCode::new(&invitation.code),
                trust: invitation.trust.clone(),
                existing: Existing::Keep,
            };
            match enroll::enroll(enrolment, &self.folder, &self.platform(), &*self.network).await {
                Ok(identity) => {
                    self.life().identity = Some(identity);
                    return Ok(retries);
                }
                Err(error) if error.is_unreachable() && retries < ENROL_TRIES => {
                    retries += 1;
                    self.clock.sleep(ENROL_PAUSE).await;
                }
                Err(source) => return Err(FleetError::Enrol { number: self.number, source }),
            }
        }
    }

    /// Starts the agent and waits for its controller's welcome.
    pub(super) async fn start(&self, within: Duration) -> Result<(), FleetError> {
        let identity = self.life().identity.clone().ok_or(FleetError::NotInvited { missing: 1 })?;
        let agent = Agent::start(AgentSettings {
            identity,
            keeping: Keeping::Memory { journal: self.journal.clone(), scratch: self.scratch.clone() },
            platform: self.platform(),
            clock: self.clock.clone(),
            connector: self.network.clone(),
            executor: ExecutorLimits::default(),
            spool: SpoolLimits::default(),
            inventory: self.collecting,
            parameters: ParameterSettings::default(),
        })
        .map_err(|source| FleetError::Start { number: self.number, source })?;
        let mut status = agent.status();
        self.life().agent = Some(agent);
        let waited =
            tokio::time::timeout(within, status.wait_for(|status| connected_since(status).is_some()));
        if waited.await.is_ok() {
            return Ok(());
        }
        let latest = match &*status.borrow() {
            LinkStatus::Disconnected { error, .. } => error.clone(),
            _ => "no answer".to_owned(),
        };
        Err(FleetError::NotConnected { number: self.number, latest })
    }

    /// Asked before a cut: completes when the agent has another connection than the one that it has now, with false
    /// when that takes too long. None for a host without an agent.
    pub(super) fn return_from_cut(&self, within: Duration) -> Option<impl Future<Output = bool> + use<>> {
        let mut status = self.life().agent.as_ref()?.status();
        let before = connected_since(&status.borrow());
        Some(async move {
            let is_new =
                |status: &LinkStatus| connected_since(status).is_some_and(|since| Some(since) != before);
            matches!(tokio::time::timeout(within, status.wait_for(is_new)).await, Ok(Ok(_)))
        })
    }

    /// Whether the host may read the parameter, which it holds then.
    pub(super) async fn read(&self, name: &str) -> bool {
        let (Some(parameters), Ok(query)) = (self.parameters(), Query::value(name, Decryption::Yes)) else {
            return false;
        };
        parameters.get(&query).await.is_ok()
    }

    /// Completes when the host holds this version of the parameter or a later one, with false when that takes too
    /// long.
    pub(super) async fn until_held(&self, name: &str, version: u64, within: Duration) -> bool {
        let (Some(parameters), Ok(query)) = (self.parameters(), Query::value(name, Decryption::Yes)) else {
            return false;
        };
        let mut changes = parameters.watch();
        let holds = |_: &u64| match parameters.held(&query) {
            Some(Given::Value(value)) => value.version >= version,
            _ => false,
        };
        matches!(tokio::time::timeout(within, changes.wait_for(holds)).await, Ok(Ok(_)))
    }

    fn parameters(&self) -> Option<Arc<Parameters>> {
        self.life().agent.as_ref().map(|agent| agent.parameters().clone())
    }

    /// How often each script was begun, by `command/step`; none for a host without an identity.
    pub(super) fn runs(&self) -> Option<(NodeId, BTreeMap<String, u32>)> {
        let node = self.life().identity.as_ref()?.node_id.clone();
        Some((node, self.platform.runs().into_iter().collect()))
    }

    pub(super) fn status(&self) -> FleetStatus {
        let runs = self.platform.runs();
        let executed = runs.values().map(|times| u64::from(*times)).sum();
        let executed_twice = runs.values().filter(|times| **times > 1).count() as u64;
        let life = self.life();
        let agent = life.agent.as_ref();
        FleetStatus {
            agents: 1,
            connected: agent
                .map_or(0, |agent| usize::from(connected_since(&agent.status().borrow()).is_some())),
            running: agent.map_or(0, |agent| agent.load().running),
            open_commands: agent.map_or(0, AgentHandle::open_commands),
            executed,
            executed_twice,
        }
    }

    pub(super) async fn stop(&self) {
        let agent = self.life().agent.take();
        if let Some(agent) = agent {
            agent.stop().await;
        }
    }

    fn platform(&self) -> SharedPlatform {
        Arc::new(self.platform.clone())
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connected_since(status: &LinkStatus) -> Option<Timestamp> {
    match status {
        LinkStatus::Connected { since_ms } => Some(*since_ms),
        _ => None,
    }
}
