//! A fleet: one controller that can be killed and started again, and its hosts.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use fleetwright_agent::enroll::{self, ActivationCode, Enrolment, Existing};
use fleetwright_agent::identity::{HostKey, Identity};
use fleetwright_agent::spool::SpoolLimits;
use fleetwright_agent::state_folder::StateFolder;
use fleetwright_agent::tls::Trust;
use fleetwright_controller::commands::records::{CommandRecord, InvocationRecord};
use fleetwright_controller::commands::state::State;
use fleetwright_controller::commands::{cancel, operations, output, send, ssm_view};
use fleetwright_controller::error::Refusal;
use fleetwright_controller::house::House;
use fleetwright_controller::mailbox::{Mail, MailboxRecord};
use fleetwright_controller::nodes::activations::{self, CreatedActivation, Expiry, NewActivation};
use fleetwright_controller::nodes::departures::deregister;
use fleetwright_controller::nodes::enrolment;
use fleetwright_controller::nodes::records::Tags;
use fleetwright_controller::serve::Controller;
use fleetwright_controller::settings::{KeySettings, Settings};
use fleetwright_controller::tables::MAILBOX;
use fleetwright_platform::SharedPlatform;
use fleetwright_platform::fake::FakePlatform;
use fleetwright_proto::agent::HostFacts;
use fleetwright_proto::ids::CommandId;
use fleetwright_store::{Batch, MemoryStore, Store};
use tempfile::TempDir;

use crate::clock::FleetClock;
use crate::host::{Host, HostSettings, Keeps, Machine};
use crate::real::RealPlatform;
use crate::run::Run;
use crate::store::{Death, Disk, MortalStore};
use crate::wire::{Exchange, Wire};
use crate::witness::Witness;

/// An agent that waits for its next try is helped on by pushing the clock this far at each look.
const BACK_OFF_PUSH: Duration = Duration::from_millis(500);
/// So long that pushing the clock makes nobody look silent.
const NO_HEARTBEAT: Duration = Duration::from_secs(10 * 24 * 3600);

/// What is unusual about a fleet.
#[derive(Debug, Clone)]
pub struct FleetSettings {
    pub nodes: u32,
    pub machine: Machine,
    pub keeps: Keeps,
    /// Commands that run on one host at once.
    pub workers: usize,
    pub spool: SpoolLimits,
    /// Between signs of life; by default none is needed, so that the clock can be pushed.
    pub heartbeat: Duration,
    /// How wrong the hosts' clocks are, in turn; empty: all are right.
    pub skews_ms: Vec<i64>,
}

impl FleetSettings {
    #[must_use]
    pub fn of(nodes: u32) -> Self {
        Self {
            nodes,
            machine: Machine::default(),
            keeps: Keeps::default(),
            workers: 5,
            spool: SpoolLimits::default(),
            heartbeat: NO_HEARTBEAT,
            skews_ms: Vec::new(),
        }
    }

    /// # Panics
    /// When the fleet does not come up.
    pub async fn start(self) -> Fleet {
        Fleet::with(self).await
    }
}

/// See the head of this module.
#[derive(Debug)]
pub struct Fleet {
    settings: FleetSettings,
    clock: FleetClock,
    /// What a controller leaves behind: its rows, and its folder with the authority and the blobs.
    contents: Arc<MemoryStore>,
    folder: TempDir,
    exchange: Exchange,
    witness: Arc<Witness>,
    life: Option<Life>,
    hosts: Vec<Host>,
}

/// One life of the controller.
#[derive(Debug)]
struct Life {
    controller: Controller,
    store: Arc<MortalStore>,
}

impl Fleet {
    /// A controller and so many connected nodes, `host-00001` and so on.
    ///
    /// # Panics
    /// When the fleet does not come up.
    pub async fn start(nodes: u32) -> Self {
        FleetSettings::of(nodes).start().await
    }

    async fn with(settings: FleetSettings) -> Self {
        let mut fleet = Self {
            clock: FleetClock::default(),
            contents: Arc::default(),
            folder: tempfile::tempdir().expect("a temporary folder"),
            exchange: Exchange::default(),
            witness: Arc::default(),
            life: None,
            hosts: Vec::new(),
            settings,
        };
        fleet.start_controller().await;
        for _ in 0..fleet.settings.nodes {
            fleet.add_host().await;
        }
        fleet.until_connected().await;
        fleet
    }

    /// Enrols one more host and starts its agent.
    ///
    /// # Panics
    /// When it cannot join.
    pub async fn add_host(&mut self) -> usize {
        let number = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX) + 1;
        let skew = self.settings.skews_ms.iter().cycle().nth(self.hosts.len()).copied().unwrap_or(0);
        let clock = self.clock.skewed(skew);
        let platform = FakePlatform::numbered(number, Arc::new(clock.clone()));
        let wire = Wire::to(Arc::clone(&self.exchange));
        let FleetSettings { machine, keeps, workers, spool, .. } = self.settings;
        let real = (machine == Machine::Real).then(|| RealPlatform::numbered(number));
        let shared: SharedPlatform = match &real {
            Some(real) => Arc::new(real.clone()),
            None => Arc::new(platform.clone()),
        };
        let enrolled = self.enrol(&shared, &wire).await;
        let settings = HostSettings { keeps, workers, spool };
        let host = Host::new(number, (platform, real), wire, enrolled, clock, settings);
        host.start_agent();
        self.hosts.push(host);
        self.hosts.len() - 1
    }

    /// Enrols nodes whose agents never come.
    ///
    /// # Panics
    /// When they cannot join.
    pub async fn add_absent_nodes(&self, count: u32) {
        let activation = self.activation(count).await;
        for _ in 0..count {
            let key = HostKey::generate().expect("a key");
            let wish = enrolment::Enrolment {
                activation: activation.id.clone(),
                code: activation.code.clone(),
                certificate_request: key.certificate_request().expect("a request"),
                host: HostFacts { platform_type: "Linux".to_owned(), ..HostFacts::default() },
            };
            enrolment::enrol(self.house(), wish).await.expect("the node joins");
        }
    }

    async fn activation(&self, hosts: u32) -> CreatedActivation {
        let wish = NewActivation {
            description: String::new(),
            registration_limit: hosts,
            expiry: Expiry::Never,
            default_name: None,
            tags: Tags::new(),
            iam_role: None,
        };
        activations::create(self.house(), wish).await.expect("an activation")
    }

    async fn enrol(&self, platform: &SharedPlatform, wire: &Wire) -> (TempDir, Identity) {
        let activation = self.activation(1).await;
        let fingerprint = self.house().authority.fingerprint().parse().expect("a fingerprint");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let enrolment = Enrolment {
            controller: "localhost:7443".parse().expect("an address"),
            activation: activation.id,
            code: ActivationCode::new(&activation.code),
            trust: Trust::Pinned(fingerprint),
            existing: Existing::Keep,
        };
        let state = StateFolder::at(folder.path());
        let identity = enroll::enroll(enrolment, &state, platform, wire).await.expect("the host joins");
        (folder, identity)
    }

    /// Starts a controller over what the last one left.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_controller(&mut self) {
        assert!(self.started_controller(None).await, "nobody told it to die");
    }

    /// Starts a controller that dies at a commit of its start, or lives when its start has no so many; tells whether
    /// it lives.
    ///
    /// # Panics
    /// When it does not start for another reason.
    pub async fn start_controller_dying_after(&mut self, commits: usize, death: Death) -> bool {
        self.started_controller(Some((commits, death))).await
    }

    async fn started_controller(&mut self, death: Option<(usize, Death)>) -> bool {
        let store = MortalStore::over(Arc::clone(&self.contents), Arc::clone(&self.witness));
        let store = Arc::new(store);
        let mut settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data_dir: self.folder.path().to_owned(),
            // A root key beside the folder would outlive the test.
            keys: KeySettings { root_key_file: "root-key".into(), ..KeySettings::default() },
            ..Settings::default()
        };
        settings.agents.heartbeat_seconds = self.settings.heartbeat.as_secs();
        let shared: Arc<dyn Store> = store.clone();
        if let Some((commits, death)) = death {
            store.die_after(commits, death);
        }
        let started = tokio::select! {
            biased;
            () = store.dead() => return false,
            started = Controller::with_store(&settings, Arc::new(self.clock.clone()), shared) => started,
        };
        let controller = started.expect("the controller starts over what is there");
        let lives = store.live_on();
        self.connect_to(lives.then(|| controller.address()));
        self.life = Some(Life { controller, store });
        if !lives {
            self.kill_controller();
        }
        lives
    }

    /// As SIGKILL: nothing more is written, and every connection ends.
    pub fn kill_controller(&mut self) {
        let Some(life) = self.life.take() else { return };
        self.connect_to(None);
        life.store.die();
        life.controller.kill();
        self.hosts.iter().for_each(|host| host.wire().cut());
    }

    /// Stops the controller in order.
    pub async fn stop_controller(&mut self) {
        let Some(life) = self.life.take() else { return };
        self.connect_to(None);
        life.controller.stop().await;
    }

    /// Kills the controller and starts the next one.
    pub async fn restart_controller(&mut self) {
        self.kill_controller();
        self.start_controller().await;
    }

    fn connect_to(&self, controller: Option<SocketAddr>) {
        *self.exchange.lock().unwrap_or_else(PoisonError::into_inner) = controller;
    }

    /// Lets the controller die at a commit: `commits` more are answered before it.
    pub fn kill_controller_after(&self, commits: usize, death: Death) {
        self.store().die_after(commits, death);
    }

    /// Does something while the controller may die; none when it did. What was ordered by
    /// [`Fleet::kill_controller_after`] is called off when the work is done.
    pub async fn unless_killed<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let done = self.until_killed(work).await;
        if self.store().live_on() { done } else { None }
    }

    /// As [`Fleet::unless_killed`], and an order to die stands when the work is done.
    pub async fn until_killed<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.store().dead() => None,
            done = work => Some(done),
        }
    }

    /// Moves everybody's time forward.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    #[must_use]
    pub fn clock(&self) -> &FleetClock {
        &self.clock
    }

    #[must_use]
    pub fn host(&self, index: usize) -> &Host {
        &self.hosts[index]
    }

    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// What the operations of the controller need.
    ///
    /// # Panics
    /// When the controller is dead.
    #[must_use]
    pub fn house(&self) -> &Arc<House> {
        self.life().controller.house()
    }

    /// The disk of the controller's store is so full from now on.
    pub fn fill_controller_disk(&self, disk: Disk) {
        self.store().fill(disk);
    }

    /// Every commit of the controller takes so much longer from now on.
    pub fn slow_controller_disk(&self, by: Duration) {
        self.store().slow_down(by);
    }

    fn store(&self) -> &Arc<MortalStore> {
        &self.life().store
    }

    fn life(&self) -> &Life {
        self.life.as_ref().expect("the controller lives")
    }

    pub(crate) fn witness(&self) -> &Witness {
        &self.witness
    }

    /// Sends a command.
    ///
    /// # Errors
    /// The controller's refusal.
    pub async fn send(&self, run: impl Into<Run>) -> Result<CommandId, Refusal> {
        send::send(self.house(), run.into().into_wish()).await.map(|(id, _)| id)
    }

    /// Asks whether a command would be sent, and to how many nodes.
    ///
    /// # Errors
    /// The controller's refusal.
    pub async fn rehearse(&self, run: impl Into<Run>) -> Result<u32, Refusal> {
        send::rehearse(self.house(), run.into().into_wish()).await
    }

    /// Sends a command that is not refused.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn run(&self, run: impl Into<Run>) -> CommandId {
        self.send(run).await.expect("the command is taken")
    }

    /// # Panics
    /// When the wish is refused.
    pub async fn cancel(&self, command: &CommandId) {
        cancel::cancel(self.house(), command, &[], "tester").await.expect("the wish to cancel is taken");
    }

    /// Delivers a command once more to a host that may have it.
    ///
    /// # Panics
    /// When the store takes nothing.
    pub async fn duplicate_delivery(&self, command: &CommandId, host: &Host) {
        let mut batch = Batch::new();
        let mail = MailboxRecord { work: Mail::Run(command.clone()) };
        let seq = self.house().sequence.next();
        MAILBOX.put(&mut batch, &(host.node().clone(), seq), &mail).expect("a small record");
        self.house().store.commit(batch).await.expect("the store takes a row");
    }

    /// Cuts the host's link in the moment in which one of its invocations is durably in `state`: whatever would be
    /// said of it is lost.
    pub fn cut_link_at(&self, host: &Host, state: State) {
        self.witness.cut_at(host.node().clone(), state, host.wire().clone());
    }

    /// The command's record.
    ///
    /// # Panics
    /// When there is none.
    pub async fn command(&self, command: &CommandId) -> CommandRecord {
        operations::get(self.house(), command).await.expect("the command is known")
    }

    /// The command on one host.
    ///
    /// # Panics
    /// When it was not sent there.
    pub async fn invocation(&self, command: &CommandId, host: &Host) -> InvocationRecord {
        operations::invocation(self.house(), command, host.node()).await.expect("it was sent to the host")
    }

    /// What the command printed on a host and the controller keeps: both streams of all steps, one after the other.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn output(&self, command: &CommandId, host: &Host) -> String {
        let (mut bytes, mut after) = (Vec::new(), None);
        loop {
            let page = output::read(self.house(), command, host.node(), after.as_ref()).await;
            let (rows, next) = page.expect("output can be read");
            for (key, row) in rows {
                let (stream, offset) = output::place(&key).expect("a key of output");
                let data = output::bytes_of(self.house(), &stream, offset, &row).await;
                bytes.extend_from_slice(&data.expect("what a row stands for is there"));
            }
            match next {
                Some(key) => after = Some(key),
                None => return String::from_utf8_lossy(&bytes).into_owned(),
            }
        }
    }

    /// The steps of a command on one host as SSM's API shows them.
    ///
    /// # Panics
    /// When they cannot be read.
    pub async fn plugins(&self, command: &CommandId, host: &Host) -> Vec<ssm_view::Plugin> {
        let invocation = self.invocation(command, host).await;
        let mut plugins = Vec::new();
        for step in &invocation.steps {
            let name = Some(step.name.as_str());
            let plugin = ssm_view::load(self.house(), command, host.node(), &invocation, name).await;
            plugins.extend(plugin.expect("the step is known"));
        }
        plugins
    }

    /// How often scripts of the command were let go, on all hosts together.
    #[must_use]
    pub fn runs(&self, command: &CommandId) -> u32 {
        self.hosts.iter().flat_map(|host| host.runs(command)).map(|(_, times)| times).sum()
    }

    /// The most nodes that had the command at once without having ended it.
    #[must_use]
    pub fn peak_at_work(&self, command: &CommandId) -> usize {
        self.witness.peak_at_work(command)
    }

    /// Pushes the clock a little when an agent that could be connected is not; tells whether all are.
    pub fn help_to_connect(&self) -> bool {
        let lines = &self.house().lines;
        let mut reachable = self.hosts.iter().filter(|host| host.is_reachable());
        let all = reachable.all(|host| lines.is_open(host.node()));
        if !all {
            self.advance(BACK_OFF_PUSH);
        }
        all
    }

    /// Ends a node's membership.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn deregister(&self, host: &Host) {
        deregister(self.house(), host.node().as_str()).await.expect("the node leaves");
    }
}
