//! A controller from its settings: opens what it keeps, starts what happens by itself, serves, and stops in order.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::SharedClock;
use fleetwright_store::{BlobError, Blobs, OpenError, SharedStore, SledSettings, SledStore, Space};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::access;
use crate::associations;
use crate::audit;
use crate::authority::{self, AuthorityError, IssueError};
use crate::commands::notify::outbox;
use crate::commands::notify::receiver::Sender;
use crate::commands::notify::sign::{Secret, SecretError};
use crate::commands::reconcile;
use crate::commands::retention::{self, Retention};
use crate::commands::shipped;
use crate::documents::{self, sweep::Sweep};
use crate::doors;
use crate::doors::http;
use crate::doors::listener::{ListenError, Listener};
use crate::doors::plain::PlainListener;
use crate::doors::ssm;
use crate::error::Refusal;
use crate::health;
use crate::house::House;
use crate::inventory::{self, catalogue};
use crate::keys::ring::KeyRing;
use crate::keys::root::{Places, RootKeyError};
use crate::keys::rotate;
use crate::mailbox;
use crate::nodes::departures;
use crate::nodes::presence::{self, Closing};
use crate::parameters::{expire, held};
use crate::settings::Settings;
use crate::windows;

/// How long streams get to say goodbye when the controller stops.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why a controller did not start. Each line says what is in the way and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot use the data folder {path}")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error(
        "the data folder {path} belongs to user id {owner}, but this process runs as user id {uid}: run it as the \
         owner, or give the folder away with chown"
    )]
    OtherOwner { path: PathBuf, owner: u32, uid: u32 },
    #[error("cannot open the store")]
    Store(#[from] OpenError),
    #[error("cannot open the blobs")]
    Blobs(#[from] BlobError),
    #[error("cannot open the authority")]
    Authority(#[from] AuthorityError),
    #[error("cannot make the first operator's certificate")]
    Operator(#[from] IssueError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    #[error("cannot pick up what an earlier run left")]
    Recover(#[source] Refusal),
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// A running controller.
#[derive(Debug)]
pub struct Controller {
    house: Arc<House>,
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    ssm_address: Option<SocketAddr>,
    data_dir: PathBuf,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Controller {
    /// Opens the data folder and serves. The port is bound last: whoever can connect finds everything ready.
    pub async fn start(settings: &Settings, clock: SharedClock) -> Result<Self, StartError> {
        let data_dir = settings.data_dir.clone();
        refuse_other_owner(&data_dir)?;
        for folder in ["", "store", "blobs"].map(|name| data_dir.join(name)) {
            authority::new_private_folder(&folder)
                .map_err(|source| StartError::Folder { path: folder, source })?;
        }
        let cache_bytes = settings.store.cache_mib << 20;
        let defaults = SledSettings::default();
        let reserve_bytes = Space::of_disk(&data_dir)
            .map_or(defaults.reserve_bytes, |disk| settings.disk.reserve.store_bytes(disk));
        let store =
            SledStore::open(data_dir.join("store"), SledSettings { cache_bytes, reserve_bytes, ..defaults })?;
        Self::with_store(settings, clock, Arc::new(store)).await
    }

    /// As [`Controller::start`], over a store that is open already.
    pub async fn with_store(
        settings: &Settings,
        clock: SharedClock,
        store: SharedStore,
    ) -> Result<Self, StartError> {
        let data_dir = settings.data_dir.clone();
        let blobs = Blobs::open_folder(data_dir.join("blobs"))?;
        let authority = authority::open(&data_dir.join("authority"), clock.now())?;
        authority::keep_operator(&authority, &data_dir, clock.now())?;
        let secret = Secret::open(&settings.notification_secret())?;
        let sender = Sender::new(secret, clock.clone());
        let places = Places::of_process(settings.root_key_files());
        let keys = KeyRing::open(&*store, &places, settings.keys.unknown).await?;
        let mut house = House::new(store, blobs, clock, authority, keys, settings);
        house.data_dir.clone_from(&data_dir);
        let house = Arc::new(house);
        let first_key = authority::operator_key_fingerprint(&data_dir)?;
        access::operators::start(&house, &first_key).await.map_err(StartError::Recover)?;
        presence::close_stale(&house).await.map_err(StartError::Recover)?;
        reconcile::end_half_written(&house).await.map_err(StartError::Recover)?;
        departures::finish_all(&house).await.map_err(StartError::Recover)?;
        documents::delete::finish_all(&house).await.map_err(|error| StartError::Recover(error.into()))?;
        if let Err(refusal) = shipped::keep_all(&house).await {
            tracing::warn!(%refusal, "the texts of shipped documents are not kept yet; it is tried again every hour");
        }
        reconcile::load(&house).await.map_err(StartError::Recover)?;
        associations::wanted::load(&house).await.map_err(StartError::Recover)?;
        let names = server_names(settings);
        let listener = Listener::bind(settings.listen, names, &house.authority, house.clock.now()).await?;
        let address =
            listener.address().map_err(|source| ListenError::Bind { address: settings.listen, source })?;
        house.meters.certificate_expires_at(listener.certificate_expires());
        let monitoring = match settings.metrics.listen {
            Some(address) => Some(PlainListener::bind(address).await?),
            None => None,
        };
        let plain_ssm = match settings.ssm.listen {
            Some(address) => Some(PlainListener::bind(address).await?),
            None => None,
        };
        let ssm_address = plain_ssm.as_ref().and_then(|listener| listener.address().ok());
        let metrics_address = monitoring.as_ref().and_then(|monitoring| monitoring.address().ok());
        let stop = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(reconcile::run(house.clone()));
        tasks.spawn(mailbox::route(house.clone()));
        tasks.spawn(associations::wanted::follow(house.clone()));
        tasks.spawn(outbox::run(house.clone(), sender));
        tasks.spawn(access::known::follow(house.clone()));
        tasks.spawn(held::follow(house.clone()));
        tasks.spawn(audit::log::run(house.clone()));
        tasks.spawn(every(house.clone(), audit::repeats::INTERVAL, Chore::AuditRepeats));
        tasks.spawn(every(house.clone(), audit::prune::INTERVAL, Chore::AuditPruning));
        tasks.spawn(every(house.clone(), access::known::FLUSH_INTERVAL, Chore::AccessKeyUses));
        tasks.spawn(every(house.clone(), presence::FLUSH_INTERVAL, Chore::FlushPresence));
        tasks.spawn(every(house.clone(), departures::INTERVAL, Chore::Departures));
        tasks.spawn(every(house.clone(), retention::INTERVAL, Chore::Retention));
        tasks.spawn(every(house.clone(), documents::sweep::INTERVAL, Chore::Documents));
        tasks.spawn(every(house.clone(), expire::INTERVAL, Chore::Expiry));
        tasks.spawn(every(house.clone(), rotate::INTERVAL, Chore::Keys));
        tasks.spawn(windows::reconcile::run(house.clone(), controller_name(&data_dir)?));
        tasks.spawn(every(house.clone(), windows::retention::INTERVAL, Chore::Windows));
        tasks.spawn(every(house.clone(), inventory::sweep::INTERVAL, Chore::Inventory));
        tasks.spawn(catalogue::follow(house.clone()));
        tasks.spawn(every(house.clone(), associations::sweep::INTERVAL, Chore::Associations));
        tasks.spawn(health::beat(house.clone()));
        tasks.spawn(health::probe_store(house.clone()));
        if let Some(monitoring) = monitoring {
            tasks.spawn(http::serve(monitoring, house.clone(), stop.subscribe()));
        }
        if let Some(listener) = plain_ssm {
            tasks.spawn(ssm::serve(listener, house.clone(), stop.subscribe()));
        }
        tasks.spawn(listener.serve(house.clone(), doors::routes(&house), stop.subscribe()));
        Ok(Self { house, address, metrics_address, ssm_address, data_dir, stop, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it answers monitoring without TLS, if it was told to.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Where it answers the SSM API without TLS, if it was told to.
    #[must_use]
    pub fn ssm_address(&self) -> Option<SocketAddr> {
        self.ssm_address
    }

    #[must_use]
    pub fn house(&self) -> &Arc<House> {
        &self.house
    }

    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Says goodbye to every node and stops. What was acknowledged is durable anyway; this is for courtesy.
    pub async fn stop(mut self) {
        self.house.lines.ask_all_to_close(Closing::Stopping);
        let mut lines = self.house.lines.watch();
        let all_gone = lines.wait_for(|_| self.house.lines.count() == 0);
        tokio::select! {
            _ = all_gone => {}
            () = self.house.clock.sleep(GOODBYE) => {}
        }
        self.stop.send_replace(true);
        self.tasks.shutdown().await;
    }

    /// Ends everything at once, as a kill would: no goodbye, nothing written.
    pub fn kill(mut self) {
        self.tasks.abort_all();
        self.stop.send_replace(true);
    }
}

/// Looks before anything is written: root could use anybody's folder, and its owner would find it closed afterwards.
fn refuse_other_owner(data_dir: &Path) -> Result<(), StartError> {
    let owner = match std::fs::metadata(data_dir) {
        Ok(metadata) => metadata.uid(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(StartError::Folder { path: data_dir.to_owned(), source }),
    };
    let uid = rustix::process::geteuid().as_raw();
    if owner == uid { Ok(()) } else { Err(StartError::OtherOwner { path: data_dir.to_owned(), owner, uid }) }
}

/// The name under which this controller holds leases: made once, so that it has it again after a restart.
fn controller_name(data_dir: &Path) -> Result<String, StartError> {
    let path = data_dir.join("controller-name");
    match std::fs::read_to_string(&path) {
        Ok(name) if !name.trim().is_empty() => return Ok(name.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(StartError::Folder { path, source }),
    }
    let name = uuid::Uuid::new_v4().to_string();
    std::fs::write(&path, &name).map_err(|source| StartError::Folder { path, source })?;
    Ok(name)
}

/// What is done now and then.
#[derive(Debug, Clone, Copy)]
enum Chore {
    FlushPresence,
    Departures,
    Retention,
    Documents,
    Associations,
    AccessKeyUses,
    Expiry,
    Keys,
    Windows,
    Inventory,
    AuditRepeats,
    AuditPruning,
}

async fn every(house: Arc<House>, interval: Duration, chore: Chore) {
    let mut retention = Retention::default();
    let mut sweep = Sweep::default();
    let mut inventory = inventory::sweep::Sweep::default();
    loop {
        house.clock.sleep(interval).await;
        let result = match chore {
            Chore::FlushPresence => presence::flush(&house).await,
            Chore::Departures => departures::finish_all(&house).await,
            Chore::Documents => sweep.run_once(&house).await.map_err(Refusal::from),
            Chore::Associations => associations::sweep::run_once(&house).await,
            Chore::AccessKeyUses => access::known::flush_uses(&house).await,
            Chore::Expiry => expire::run_once(&house).await.map_err(Refusal::from),
            Chore::Keys => rotate::run_once(&house).await.map_err(Refusal::from),
            Chore::Windows => windows::retention::run_once(&house).await,
            Chore::Inventory => inventory.run_once(&house).await,
            Chore::AuditRepeats => audit::log::note_repeats(&house, house.clock.now()),
            Chore::AuditPruning => audit::prune::run_once(&house, house.limits.audit).await,
            Chore::Retention => retention.run_once(&house).await.map(drop),
        };
        if let Err(error) = result {
            tracing::warn!(?chore, %error, "a chore failed; it is tried again when it is next due");
        }
    }
}

/// Every name under which this controller may be reached, each once.
fn server_names(settings: &Settings) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let own = settings.listen.ip();
    if !own.is_unspecified() {
        names.push(own.to_string());
    }
    names.extend(outward_address().map(|address| address.to_string()));
    names.extend(host_name());
    names.extend(settings.names.iter().cloned());
    names.sort();
    names.dedup();
    names
}

fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// The address that this host has towards others. No packet is sent to find it.
fn outward_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
