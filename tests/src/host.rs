//! One host of the fleet: its fake machine, its agent, what survives both, and its faults.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fleetwright_agent::executor::ExecutorLimits;
use fleetwright_agent::identity::Identity;
use fleetwright_agent::inventory::InventorySettings;
use fleetwright_agent::journal::{Journal, MemoryJournal};
use fleetwright_agent::parameters::{ParameterSettings, Parameters};
use fleetwright_agent::spool::SpoolLimits;
use fleetwright_agent::state_folder::StateFolder;
use fleetwright_agent::status::LinkStatus;
use fleetwright_agent::{Agent, AgentHandle, AgentSettings, Keeping};
use fleetwright_platform::SharedPlatform;
use fleetwright_platform::fake::FakePlatform;
use fleetwright_proto::ids::{CommandId, NodeId};
use tempfile::TempDir;

use crate::clock::FleetClock;
use crate::real::RealPlatform;
use crate::wire::Wire;

/// Where a host's agent keeps what it must not forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keeps {
    /// The journal is in memory: quick, and a test can stop it at a chosen record.
    #[default]
    InMemory,
    /// As a real agent does.
    InFolder,
}

/// What runs the scripts of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Machine {
    /// A fake one, quick and with a disk that can be filled.
    #[default]
    Fake,
    /// The machine of the test itself.
    Real,
}

/// See the head of this module. Dropping it kills the agent.
#[derive(Debug)]
pub struct Host {
    number: u32,
    clock: FleetClock,
    identity: Identity,
    keeps: Keeps,
    workers: usize,
    spool: SpoolLimits,
    collecting: InventorySettings,
    folder: TempDir,
    platform: FakePlatform,
    real: Option<RealPlatform>,
    journal: MemoryJournal,
    wire: Wire,
    agent: Mutex<Option<AgentHandle>>,
}

/// What [`Host`]s of one fleet have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostSettings {
    pub(crate) keeps: Keeps,
    pub(crate) workers: usize,
    pub(crate) spool: SpoolLimits,
    pub(crate) collecting: InventorySettings,
}

impl Host {
    pub(crate) fn new(
        number: u32,
        (platform, real): (FakePlatform, Option<RealPlatform>),
        wire: Wire,
        (folder, identity): (TempDir, Identity),
        clock: FleetClock,
        settings: HostSettings,
    ) -> Self {
        let HostSettings { keeps, workers, spool, collecting } = settings;
        let (journal, agent) = (MemoryJournal::default(), Mutex::default());
        Self {
            number,
            clock,
            identity,
            keeps,
            workers,
            spool,
            collecting,
            folder,
            platform,
            real,
            journal,
            wire,
            agent,
        }
    }

    #[must_use]
    pub fn node(&self) -> &NodeId {
        &self.identity.node_id
    }

    #[must_use]
    pub fn name(&self) -> String {
        format!("host-{:05}", self.number)
    }

    /// Of no use when the host is a real machine.
    #[must_use]
    pub fn platform(&self) -> &FakePlatform {
        &self.platform
    }

    /// The real machine.
    ///
    /// # Panics
    /// When it is a fake one.
    #[must_use]
    pub fn machine(&self) -> &RealPlatform {
        self.real.as_ref().expect("the fleet was started with real machines")
    }

    fn shared_platform(&self) -> SharedPlatform {
        match &self.real {
            Some(real) => Arc::new(real.clone()),
            None => Arc::new(self.platform.clone()),
        }
    }

    /// The agent's journal, if it is in memory.
    #[must_use]
    pub fn journal(&self) -> &MemoryJournal {
        &self.journal
    }

    #[must_use]
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Starts the agent, again if there was one: host, journal and spool are the same.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_agent(&self) {
        let keeping = match self.keeps {
            Keeps::InFolder => Keeping::Folder(StateFolder::at(self.folder.path())),
            Keeps::InMemory => {
                Keeping::Memory { journal: self.journal.clone(), scratch: self.folder.path().to_owned() }
            }
        };
        let started = Agent::start(AgentSettings {
            identity: self.identity.clone(),
            keeping,
            platform: self.shared_platform(),
            clock: Arc::new(self.clock.clone()),
            connector: Arc::new(self.wire.clone()),
            executor: ExecutorLimits { workers: self.workers, ..ExecutorLimits::default() },
            spool: self.spool,
            inventory: self.collecting,
            parameters: ParameterSettings::default(),
        });
        *self.agent() = Some(started.expect("the agent of a fake host starts"));
    }

    /// As SIGKILL: the agent is gone at once, and the processes of its steps are not.
    pub fn kill_agent(&self) {
        let agent = self.agent().take();
        if let Some(agent) = agent {
            agent.kill();
        }
    }

    /// Kills the agent and starts the next one.
    pub fn restart_agent(&self) {
        self.kill_agent();
        self.start_agent();
    }

    /// As pulling the plug and booting again: agent and processes are gone, the disk is not.
    pub fn reboot(&self) {
        self.kill_agent();
        self.platform.reboot_host();
        self.real.iter().for_each(RealPlatform::reboot_host);
        self.start_agent();
    }

    /// Breaks the link; the agent cannot connect until [`Host::heal_link`].
    pub fn cut_link(&self) {
        self.wire.take_down();
    }

    /// From now on nothing arrives on either side, and nobody is told.
    pub fn mute_link(&self) {
        self.wire.mute();
    }

    /// From now on the controller hears nothing of the host, which hears everything.
    pub fn lose_what_the_agent_says(&self) {
        self.wire.lose_what_the_agent_says();
    }

    /// The agent can connect, and what was muted is broken; its back-off ends when it ends, or when the clock is pushed.
    pub fn heal_link(&self) {
        if !self.wire.is_up() {
            self.wire.cut();
        }
        self.wire.bring_up();
    }

    /// Nothing more can be written, neither results nor output.
    pub fn fill_disk(&self) {
        self.platform.fill_disk();
        self.journal.limit_to(0);
    }

    pub fn free_disk(&self) {
        self.platform.free_disk();
        self.journal.unlimit();
    }

    /// Kills the agent and starts the next one with an empty journal.
    ///
    /// # Panics
    /// When the journal is not in memory.
    pub fn lose_journal(&self) {
        assert_eq!(self.keeps, Keeps::InMemory, "only a journal in memory can be lost");
        self.kill_agent();
        self.journal.clone().rewrite(&[]).expect("a journal in memory can be rewritten");
        self.start_agent();
    }

    /// How often the command's scripts were let go on this host, by step.
    #[must_use]
    pub fn runs(&self, command: &CommandId) -> Vec<(u32, u32)> {
        let runs = self.real.as_ref().map_or_else(|| self.platform.runs(), RealPlatform::runs);
        let of_command = runs.into_iter().filter_map(|(marker, times)| {
            let step = marker.strip_prefix(command.as_str())?.strip_prefix('/')?.parse().ok()?;
            Some((step, times))
        });
        of_command.collect()
    }

    #[must_use]
    pub fn is_running(&self) -> bool {
        self.agent().is_some()
    }

    /// Whether an agent runs that could be connected.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.is_running() && self.wire.is_up()
    }

    /// Commands that are not over for both sides; none when no agent runs.
    #[must_use]
    pub fn open_commands(&self) -> Option<usize> {
        self.agent().as_ref().map(AgentHandle::open_commands)
    }

    /// The agent's link; none when no agent runs.
    #[must_use]
    pub fn link(&self) -> Option<LinkStatus> {
        self.agent().as_ref().map(|agent| agent.status().borrow().clone())
    }

    /// What the agent holds of parameters.
    ///
    /// # Panics
    /// When no agent runs.
    #[must_use]
    pub fn parameters(&self) -> Arc<Parameters> {
        Arc::clone(self.agent().as_ref().expect("the agent runs").parameters())
    }

    /// The agent's folder.
    #[must_use]
    pub fn state(&self) -> &Path {
        self.folder.path()
    }

    /// For the message of a failed test.
    #[must_use]
    pub fn describe(&self) -> String {
        let agent = match (self.link(), self.open_commands()) {
            (Some(link), Some(open)) => format!("{open} open, {link:?}"),
            _ => "no agent".to_owned(),
        };
        let records = self.journal.records().len();
        let processes = self.platform.processes();
        format!("{} {}: {agent}; {records} records, {processes} processes", self.name(), self.node())
    }

    fn agent(&self) -> MutexGuard<'_, Option<AgentHandle>> {
        self.agent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
