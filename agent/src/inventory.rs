//! What this host tells of itself: one file for each inventory type (reference, section 5.2), and what becomes of it.
//!
//! ```text
//! platform, files ──► collectors ──► Collection ──► Keeper: what changed since the controller confirmed ──► link
//!                        ▲                             ▲                                                    │
//!                Collector: now and then, and          └──────────────── confirmed, send all, refused ◄─────┘
//!                when a step asks
//! ```
//!
//! A type that cannot be collected is a problem of its own: the others are told, and what was told of it before stays.

mod application;
mod aws_component;
mod billing_info;
mod changes;
mod collector;
mod custom;
mod file;
mod instance_detailed_information;
mod instance_information;
mod keeper;
mod network;
mod service;
mod windows_registry;
mod windows_role;
mod windows_update;

use std::collections::BTreeSet;
use std::path::PathBuf;

use fleetwright_documents::inputs::{FileQuery, Gatherer, RegistryQuery};
use fleetwright_platform::{HostError, Item, Platform, Unsupported};
use fleetwright_proto::agent::HostFacts;
use serde::Serialize;

use crate::state_folder::StateFolder;

pub(crate) use collector::CUSTOM_FOLDER;
pub use collector::{Collector, InventorySettings, Told};
pub(crate) use instance_information::instance_information;
pub(crate) use keeper::{Extent, Keeper};

/// The version of this agent, as hosts report it.
pub const AGENT_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Longest type and longest collection, bytes of names and values (reference, section 5.6).
const TYPE_MAX_BYTES: usize = 3_072 * 1024;
const COLLECTION_MAX_BYTES: usize = 10_240 * 1024;
/// What the controller has of a collection, the file that takes its place, and the host's own files.
pub const FOLDER_MAX_BYTES: u64 = 3 * COLLECTION_MAX_BYTES as u64;

/// The facts that an enrolment and every Hello carry.
#[must_use]
pub(crate) fn facts(platform: &dyn Platform) -> HostFacts {
    platform.facts(AGENT_VERSION)
}

/// One inventory type as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gathered {
    pub(crate) type_name: String,
    pub(crate) schema_version: String,
    pub(crate) items: Vec<Item>,
}

impl Gathered {
    fn new(type_name: &str, schema_version: &str, items: Vec<Item>) -> Self {
        Self { type_name: type_name.to_owned(), schema_version: schema_version.to_owned(), items }
    }

    fn bytes(&self) -> usize {
        let of_item = |item: &Item| item.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.items.iter().map(of_item).sum()
    }
}

/// Why a type was not collected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatherError {
    #[error(transparent)]
    Host(HostError),
    #[error(transparent)]
    Unsupported(Unsupported),
    #[error("{0}")]
    Custom(#[from] custom::CustomError),
    #[error("{0}")]
    File(#[from] file::FileError),
    #[error("it has {bytes} bytes: {most} at most")]
    TooLarge { bytes: usize, most: usize },
    #[error("it has {items} items: {most} at most")]
    TooMany { items: usize, most: usize },
}

impl From<HostError> for GatherError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Unsupported(unsupported) => Self::Unsupported(unsupported),
            other => Self::Host(other),
        }
    }
}

/// A type that was not collected, or a file that says nothing of use.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The type, or the file for want of one.
    pub(crate) what: String,
    pub(crate) error: GatherError,
}

impl Problem {
    fn of(what: &str, error: impl Into<GatherError>) -> Self {
        Self { what: what.to_owned(), error: error.into() }
    }

    /// Whether a host of this kind never has it.
    pub(crate) fn is_unsupported(&self) -> bool {
        matches!(self.error, GatherError::Unsupported(_))
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        format!("{}: {}", self.what, crate::explain::explain(&self.error))
    }
}

/// What is to be collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) kinds: BTreeSet<Gatherer>,
    pub(crate) files: Vec<FileQuery>,
    pub(crate) registry: Vec<RegistryQuery>,
    pub(crate) custom_folder: PathBuf,
}

/// What was collected, and what was not.
#[derive(Debug, Default)]
pub(crate) struct Collection {
    pub(crate) gathered: Vec<Gathered>,
    pub(crate) problems: Vec<Problem>,
}

impl Collection {
    fn add(&mut self, type_name: &str, gathered: Result<Gathered, GatherError>) {
        match gathered.and_then(checked) {
            Ok(gathered) => self.gathered.push(gathered),
            Err(error) => self.problems.push(Problem::of(type_name, error)),
        }
    }

    /// What does not fit one collection is left out, last first.
    fn keep_within_limits(&mut self) {
        let mut total = 0;
        let all = std::mem::take(&mut self.gathered);
        for gathered in all {
            let bytes = gathered.bytes();
            if total + bytes > COLLECTION_MAX_BYTES {
                let error = GatherError::TooLarge { bytes: total + bytes, most: COLLECTION_MAX_BYTES };
                self.problems.push(Problem::of(&gathered.type_name, error));
            } else {
                total += bytes;
                self.gathered.push(gathered);
            }
        }
    }
}

fn checked(gathered: Gathered) -> Result<Gathered, GatherError> {
    let (bytes, items) = (gathered.bytes(), gathered.items.len());
    if bytes > TYPE_MAX_BYTES {
        return Err(GatherError::TooLarge { bytes, most: TYPE_MAX_BYTES });
    }
    let most = fleetwright_proto::inventory::ITEMS_MAX;
    if items > most { Err(GatherError::TooMany { items, most }) } else { Ok(gathered) }
}

/// Collects everything that is wanted. May read large files and run programs: for a thread that can wait.
pub(crate) fn collect(platform: &dyn Platform, wanted: &Wanted) -> Collection {
    let wants = |kind| wanted.kinds.contains(&kind);
    let mut found = Collection::default();
    if wants(Gatherer::Applications) || wants(Gatherer::AwsComponents) {
        let applications = application::gather(platform);
        if wants(Gatherer::AwsComponents)
            && let Ok(applications) = &applications
        {
            found.add(aws_component::TYPE, Ok(aws_component::among(&applications.items)));
        }
        if wants(Gatherer::Applications) {
            found.add(application::TYPE, applications);
        }
    }
    for (kind, type_name, gather) in COLLECTORS {
        if wants(*kind) {
            found.add(type_name, gather(platform));
        }
    }
    if wants(Gatherer::CustomInventory) {
        let (types, problems) = custom::gather(&wanted.custom_folder);
        for gathered in types {
            let type_name = gathered.type_name.clone();
            found.add(&type_name, Ok(gathered));
        }
        found.problems.extend(problems);
    }
    if !wanted.files.is_empty() {
        found.add(file::TYPE, file::gather(&wanted.files).map_err(GatherError::from));
    }
    if !wanted.registry.is_empty() {
        found.add(windows_registry::TYPE, windows_registry::gather(platform, &wanted.registry));
    }
    found.keep_within_limits();
    found
}

/// A type as `fleetwright-agent inventory` prints it; a host's own inventory files have the same form.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Reported {
    pub type_name: String,
    pub schema_version: String,
    pub content: Vec<Item>,
}

/// What this host would tell now, and one line for each type that it cannot. Collects in the calling thread.
#[must_use]
pub fn report(platform: &dyn Platform, folder: &StateFolder) -> (Vec<Reported>, Vec<String>) {
    let wanted = Wanted {
        kinds: BTreeSet::from(ALWAYS),
        files: Vec::new(),
        registry: Vec::new(),
        custom_folder: folder.inventory().join(CUSTOM_FOLDER),
    };
    let Collection { gathered, problems } = collect(platform, &wanted);
    let reported = gathered.into_iter().map(|told| Reported {
        type_name: told.type_name,
        schema_version: told.schema_version,
        content: told.items,
    });
    (reported.collect(), problems.iter().map(Problem::line).collect())
}

type Gather = fn(&dyn Platform) -> Result<Gathered, GatherError>;

/// Those that need nothing but the host.
const COLLECTORS: &[(Gatherer, &str, Gather)] = &[
    (Gatherer::NetworkConfig, network::TYPE, network::gather),
    (
        Gatherer::InstanceDetailedInformation,
        instance_detailed_information::TYPE,
        instance_detailed_information::gather,
    ),
    (Gatherer::Services, service::TYPE, service::gather),
    (Gatherer::WindowsUpdates, windows_update::TYPE, windows_update::gather),
    (Gatherer::WindowsRoles, windows_role::TYPE, windows_role::gather),
    (Gatherer::BillingInfo, billing_info::TYPE, billing_info::gather),
];

/// What a host collects without being told: everything that needs no query.
const ALWAYS: [Gatherer; 8] = [
    Gatherer::Applications,
    Gatherer::AwsComponents,
    Gatherer::NetworkConfig,
    Gatherer::WindowsUpdates,
    Gatherer::InstanceDetailedInformation,
    Gatherer::Services,
    Gatherer::WindowsRoles,
    Gatherer::CustomInventory,
];

#[cfg(test)]
mod tests;
