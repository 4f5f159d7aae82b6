//! One agent: its parts put together, started and stopped.
//!
//! ```text
//!   link ──deliveries──► executor ──► steps ──► platform
//!    │ associations         ▲           │
//!    ├──► schedule ─────────┤           │
//!    └──reports── ledger ◄──┘           └──► spool ──output──► link ◄──changes── inventory
//!                                                                ▲
//!                              applications ──► parameters ◄─────┘
//! ```
//!
//! At rest an agent is one task for the link, one for its schedule, the tasks of its HTTP/2 connection, a timer of a
//! heartbeat's length, and one that waits for the next collection of inventory: ten thousand of them fit in one process.
//! One with a folder has one more for what it holds of parameters, and one for each endpoint that gives them.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleetwright_platform::{HostError, SharedPlatform};
use fleetwright_proto::clock::SharedClock;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::executor::{Executor, ExecutorLimits, Load, Workplace};
use crate::identity::{Identity, IdentityFiles, IdentityFilesError};
use crate::inventory::{self, Collector, InventorySettings};
use crate::journal::{FileJournal, Journal, JournalError, Ledger, MemoryJournal, Record};
use crate::link::library::ControllerLibrary;
use crate::link::{Connector, Link, TcpConnector};
use crate::parameters::endpoint::Endpoint;
use crate::parameters::{self, ParameterSettings, Parameters};
use crate::schedule::Scheduler;
use crate::spool::{Spool, SpoolError, SpoolLimits};
use crate::state_folder::{StateFolder, StateFolderError, StateLock};
use crate::status::{LinkStatus, StatusBoard};
use crate::steps::{Downloads, Packages, Proxies, ScriptFacts};
use crate::update::UpdateFolder;

/// Everything that an agent is given.
#[derive(Debug)]
pub struct AgentSettings {
    pub identity: Identity,
    pub keeping: Keeping,
    pub platform: SharedPlatform,
    pub clock: SharedClock,
    pub connector: Arc<dyn Connector>,
    pub executor: ExecutorLimits,
    pub spool: SpoolLimits,
    pub inventory: InventorySettings,
    pub parameters: ParameterSettings,
}

/// Where an agent keeps what it must not forget.
#[derive(Debug)]
pub enum Keeping {
    /// A state folder, as a real agent has it.
    Folder(StateFolder),
    /// A journal in memory. Scripts and output still need a folder, which is made when the first command comes.
    Memory { journal: MemoryJournal, scratch: PathBuf },
}

impl AgentSettings {
    /// A real agent's, for a host that is enrolled in `folder`.
    ///
    /// # Errors
    /// When the host is not enrolled or its identity cannot be read.
    pub fn for_folder(
        folder: StateFolder,
        platform: SharedPlatform,
        clock: SharedClock,
    ) -> Result<Self, StartError> {
        let identity = IdentityFiles::in_state_folder(folder.root(), Arc::clone(&platform)).load()?;
        let identity =
            identity.ok_or_else(|| StartError::NotEnrolled { folder: folder.root().to_owned() })?;
        Ok(Self {
            identity,
            keeping: Keeping::Folder(folder),
            platform,
            clock,
            connector: Arc::new(TcpConnector),
            executor: ExecutorLimits::default(),
            spool: SpoolLimits::default(),
            inventory: InventorySettings::default(),
            parameters: ParameterSettings::default(),
        })
    }
}

/// Why an agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("this host is not enrolled: no identity in `{}`; run `fleetwright-agent enroll`", folder.display())]
    NotEnrolled { folder: PathBuf },
    #[error(transparent)]
    Folder(#[from] StateFolderError),
    #[error(transparent)]
    Identity(#[from] IdentityFilesError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("documents know no platform `{0}`")]
    Platform(String),
    #[error("cannot use `{}`", path.display())]
    Scratch { path: PathBuf, source: io::Error },
}

/// Starts agents.
#[derive(Debug)]
pub struct Agent;

/// A running agent. Dropping it is [`AgentHandle::kill`].
#[derive(Debug)]
pub struct AgentHandle {
    link: JoinHandle<()>,
    collecting: JoinHandle<()>,
    scheduler: JoinHandle<()>,
    /// What keeps parameters, and what gives them.
    giving: Vec<JoinHandle<()>>,
    parameters: Arc<Parameters>,
    executor: Executor,
    ledger: Arc<Ledger>,
    status: watch::Receiver<LinkStatus>,
    _lock: Option<StateLock>,
}

impl Agent {
    /// Starts an agent on the present runtime. It connects, and takes up what it had not finished, by itself.
    ///
    /// # Errors
    /// When its folder, journal or spool cannot be used. The network is no reason not to start.
    pub fn start(settings: AgentSettings) -> Result<AgentHandle, StartError> {
        let AgentSettings {
            identity,
            keeping,
            platform,
            clock,
            connector,
            executor: limits,
            spool,
            inventory: collecting,
            parameters: giving,
        } = settings;
        let boot_id = platform.boot_id()?;
        let kept = Kept::open(keeping, &platform)?;
        let (parameters, giving) =
            start_parameters(giving, kept.parameters.clone(), &identity, &platform, &clock);
        let facts = inventory::facts(&*platform);
        let host = fleetwright_documents::Platform::from_name(&facts.platform_type)
            .ok_or(StartError::Platform(facts.platform_type))?;
        let ledger = Arc::new(Ledger::new(kept.journal, &kept.records, Arc::clone(&clock)));
        let spool = Spool::open(kept.spool, spool, Arc::clone(&platform), Arc::clone(&clock))?;
        let node = identity.node_id.to_string();
        let collector = Arc::new(Collector::open(
            &kept.inventory,
            kept.confirmed,
            node.clone(),
            Arc::clone(&platform),
            Arc::clone(&clock),
            collecting,
        ));
        let identity = Arc::new(Mutex::new(identity));
        let library =
            ControllerLibrary { connector: Arc::clone(&connector), identity: Arc::clone(&identity) };
        let work = kept.orchestration.clone();
        let executor = Executor::start(Workplace {
            ledger: Arc::clone(&ledger),
            spool: spool.clone(),
            platform: Arc::clone(&platform),
            clock: Arc::clone(&clock),
            orchestration: kept.orchestration,
            boot_id: boot_id.clone(),
            host,
            facts: ScriptFacts {
                node: node.clone(),
                region: String::new(),
                platform_name: facts.platform_name,
                platform_version: facts.platform_version,
                architecture: facts.architecture,
            },
            library: Arc::new(library),
            packages: Packages::in_folder(kept.packages),
            downloads: Downloads {
                max_bytes: limits.download_bytes,
                work,
                proxies: Proxies::of_environment(),
            },
            updates: kept.updates,
            inventory: Arc::clone(&collector),
            limits,
        });
        let scheduler = Scheduler {
            ledger: Arc::clone(&ledger),
            executor: executor.clone(),
            clock: Arc::clone(&clock),
            node,
        };
        let board = StatusBoard::new(kept.status, Arc::clone(&platform), clock.now());
        let status = board.watch();
        let link = Link {
            connector,
            identity,
            identity_files: kept.identity,
            executor: executor.clone(),
            ledger: Arc::clone(&ledger),
            spool,
            inventory: collector.keeper(),
            parameters: Arc::clone(&parameters),
            platform,
            clock,
            boot_id,
            board,
        };
        let link = tokio::spawn(async move { link.run().await });
        let collecting = tokio::spawn(async move { collector.run().await });
        let scheduler = tokio::spawn(async move { scheduler.run().await });
        Ok(AgentHandle {
            link,
            collecting,
            scheduler,
            giving,
            parameters,
            executor,
            ledger,
            status,
            _lock: kept.lock,
        })
    }
}

/// What is held, and the tasks that keep and give it.
fn start_parameters(
    settings: ParameterSettings,
    file: Option<PathBuf>,
    identity: &Identity,
    platform: &SharedPlatform,
    clock: &SharedClock,
) -> (Arc<Parameters>, Vec<JoinHandle<()>>) {
    let ParameterSettings { limits, socket, loopback } = settings;
    let mut tasks = Vec::new();
    let parameters = match file {
        Some(file) => {
            let (platform, clock) = (Arc::clone(platform), Arc::clone(clock));
            let (parameters, keeper) = parameters::Keeper::open(file, identity, limits, platform, clock);
            tasks.push(tokio::spawn(async move { keeper.run().await }));
            parameters
        }
        None => Arc::new(Parameters::new(limits, Arc::clone(clock))),
    };
    let endpoint = Endpoint {
        parameters: Arc::clone(&parameters),
        platform: Arc::clone(platform),
        clock: Arc::clone(clock),
    };
    tasks.extend(socket.map(|socket| tokio::spawn(endpoint.clone().serve_socket(socket))));
    tasks.extend(loopback.map(|loopback| tokio::spawn(endpoint.serve_loopback(loopback))));
    (parameters, tasks)
}

impl AgentHandle {
    /// Begins nothing more, lets running steps end within their stop time-out, and ends. What is not finished or
    /// not acknowledged is taken up by the next agent.
    pub async fn stop(self) {
        self.scheduler.abort();
        self.executor.stop().await;
    }

    /// Begins nothing more and lets running steps end for this long, connected as before.
    pub async fn wind_down(&self, patience: Duration) {
        self.executor.stop_within(patience).await;
    }

    /// Ends at once as SIGKILL would: no goodbye, nothing written, processes left to themselves.
    pub fn kill(self) {
        drop(self);
    }

    /// The link, for those who wait until it is in some state.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<LinkStatus> {
        self.status.clone()
    }

    #[must_use]
    pub fn load(&self) -> Load {
        self.executor.load()
    }

    /// What this host holds of parameters.
    #[must_use]
    pub fn parameters(&self) -> &Arc<Parameters> {
        &self.parameters
    }

    /// Commands that are not over for both sides.
    #[must_use]
    pub fn open_commands(&self) -> usize {
        self.ledger.read(crate::journal::State::open_count)
    }
}

impl Drop for AgentHandle {
    fn drop(&mut self) {
        self.link.abort();
        self.collecting.abort();
        self.scheduler.abort();
        self.giving.iter().for_each(JoinHandle::abort);
        self.executor.kill();
        // An append that is under way is waited for: the next agent reads the file after it, not during it.
        self.ledger.close();
    }
}

/// What was found where an agent keeps its things.
struct Kept {
    journal: Box<dyn Journal>,
    records: Vec<Record>,
    spool: PathBuf,
    orchestration: PathBuf,
    packages: PathBuf,
    inventory: PathBuf,
    /// Where it is written down what the controller has of the inventory.
    confirmed: Option<PathBuf>,
    /// Where it is written down what is held of parameters.
    parameters: Option<PathBuf>,
    status: Option<PathBuf>,
    identity: Option<IdentityFiles>,
    lock: Option<StateLock>,
    updates: Option<UpdateFolder>,
}

impl Kept {
    fn open(keeping: Keeping, platform: &SharedPlatform) -> Result<Self, StartError> {
        match keeping {
            Keeping::Folder(folder) => {
                let lock = folder.lock(platform)?;
                let (journal, records) = FileJournal::open(&folder.journal(), Arc::clone(platform))?;
                platform.ensure_private_folder(&folder.orchestration())?;
                platform.ensure_private_folder(&folder.inventory().join(inventory::CUSTOM_FOLDER))?;
                Ok(Self {
                    journal: Box::new(journal),
                    records,
                    spool: folder.spool(),
                    orchestration: folder.orchestration(),
                    packages: folder.packages(),
                    inventory: folder.inventory(),
                    confirmed: Some(folder.inventory().join("confirmed.json")),
                    parameters: Some(folder.parameters()),
                    status: Some(folder.status()),
                    identity: Some(IdentityFiles::in_state_folder(folder.root(), Arc::clone(platform))),
                    lock: Some(lock),
                    updates: folder.updates(platform),
                })
            }
            Keeping::Memory { journal, scratch } => Ok(Self {
                records: journal.records(),
                journal: Box::new(journal),
                spool: scratch.join("spool"),
                orchestration: scratch.join("orchestration"),
                packages: scratch.join("packages"),
                inventory: scratch.join("inventory"),
                confirmed: None,
                parameters: None,
                status: None,
                identity: None,
                lock: None,
                updates: None,
            }),
        }
    }
}
