//! When inventory is collected: now and then, when the controller asks for all of it, and when a step does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fleetwright_documents::inputs::SoftwareInventory;
use fleetwright_platform::SharedPlatform;
use fleetwright_proto::clock::SharedClock;
use tokio::sync::Mutex;

use super::keeper::{Answer, Extent, Keeper, SharedKeeper, Verdict};
use super::{ALWAYS, Collection, Wanted, collect, facts, instance_information};
use crate::link::chance;

/// Where a host's own inventory files are, in the agent's inventory folder.
pub(crate) const CUSTOM_FOLDER: &str = "custom";

/// How long a step waits for the controller to have what it collected.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(30);

/// When inventory is collected by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InventorySettings {
    /// Between two collections, on average.
    pub every: Duration,
    /// The first one, and one that the controller asks for, comes after a random part of this, so that a fleet does
    /// not speak all at once.
    pub spread: Duration,
}

impl Default for InventorySettings {
    fn default() -> Self {
        Self { every: Duration::from_secs(30 * 60), spread: Duration::from_secs(30) }
    }
}

/// What a collection that a step asked for came to, one line each.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub collected: Vec<String>,
    /// What a host like this does not have.
    pub unsupported: Vec<String>,
    pub problems: Vec<String>,
    /// What is to be said of the controller, when it has not confirmed.
    pub unconfirmed: Option<String>,
}

/// Collects, one collection at a time.
#[derive(Debug)]
pub struct Collector {
    keeper: SharedKeeper,
    platform: SharedPlatform,
    clock: SharedClock,
    node: String,
    custom_folder: PathBuf,
    settings: InventorySettings,
    at_work: Mutex<()>,
}

impl Collector {
    /// For a host whose inventory folder is `folder`; what was confirmed is written to `file`.
    #[must_use]
    pub fn open(
        folder: &Path,
        file: Option<PathBuf>,
        node: String,
        platform: SharedPlatform,
        clock: SharedClock,
        settings: InventorySettings,
    ) -> Self {
        let keeper = Arc::new(Keeper::open(file, Arc::clone(&platform)));
        let custom_folder = folder.join(CUSTOM_FOLDER);
        Self { keeper, platform, clock, node, custom_folder, settings, at_work: Mutex::new(()) }
    }

    pub(crate) fn keeper(&self) -> SharedKeeper {
        Arc::clone(&self.keeper)
    }

    /// Never returns; whoever spawned it drops it.
    pub(crate) async fn run(&self) {
        let mut wait = self.settings.spread.mul_f64(chance());
        let mut extent = Extent::These;
        loop {
            tokio::select! {
                () = self.clock.sleep(wait) => {
                    // A box, so that an agent at rest does not hold room for a collection.
                    Box::pin(self.collect_always(extent)).await;
                    extent = Extent::These;
                    wait = self.settings.every.mul_f64(0.9 + 0.2 * chance());
                }
                () = self.keeper.wants_all() => {
                    extent = Extent::All;
                    wait = self.settings.spread.mul_f64(chance());
                }
            }
        }
    }

    async fn collect_always(&self, extent: Extent) {
        let wanted = Wanted {
            kinds: BTreeSet::from(ALWAYS),
            files: Vec::new(),
            registry: Vec::new(),
            custom_folder: self.custom_folder.clone(),
        };
        let (problems, _) = self.collect(wanted, extent).await;
        for problem in problems.iter().filter(|problem| !problem.is_unsupported()) {
            tracing::warn!("inventory is not collected: {}", problem.line());
        }
    }

    /// Collects what a step asks for, and waits until the controller has it, as far as there is a controller.
    pub(crate) async fn collect_for_step(&self, inputs: &SoftwareInventory) -> Told {
        let custom_folder = inputs.custom_directory.as_ref().filter(|folder| !folder.is_empty());
        let wanted = Wanted {
            kinds: inputs.gatherers.clone(),
            files: inputs.files.clone(),
            registry: inputs.registry.clone(),
            custom_folder: custom_folder.map_or_else(|| self.custom_folder.clone(), PathBuf::from),
        };
        let mut answers = self.keeper.answers();
        let mut told = Told::default();
        let (problems, (collected, seq)) = self.collect(wanted, Extent::These).await;
        told.collected = collected;
        for problem in problems {
            let list = if problem.is_unsupported() { &mut told.unsupported } else { &mut told.problems };
            list.push(problem.line());
        }
        let settled = |answer: &Answer| answer.seq >= seq && answer.verdict != Verdict::None;
        tokio::select! {
            answer = answers.wait_for(settled) => {
                if let Ok(answer) = answer
                    && let Verdict::Refused(detail) = &answer.verdict
                {
                    told.problems.push(format!("the controller does not keep it: {detail}"));
                }
            }
            () = self.clock.sleep(CONFIRMED_WITHIN) => {
                told.unconfirmed =
                    Some("the controller has not confirmed it yet; it is sent until it has".to_owned());
            }
        }
        told
    }

    async fn collect(&self, wanted: Wanted, extent: Extent) -> (Vec<super::Problem>, (Vec<String>, u64)) {
        let _one_at_a_time = self.at_work.lock().await;
        let (platform, node) = (Arc::clone(&self.platform), self.node.clone());
        let collected = tokio::task::spawn_blocking(move || {
            let mut found = collect(&*platform, &wanted);
            found.gathered.insert(0, instance_information(&facts(&*platform), &node));
            found
        });
        let Collection { gathered, problems } = collected.await.unwrap_or_default();
        self.until_answered().await;
        let lines = gathered.iter().map(|told| format!("{}: {} items", told.type_name, told.items.len()));
        let lines = lines.collect();
        let seq = self.keeper.take(gathered, extent, self.clock.now());
        (problems, (lines, seq))
    }

    /// While a change is on its way, no other is made: it would not know what it is a change of.
    async fn until_answered(&self) {
        let mut answers = self.keeper.answers();
        while self.keeper.is_busy() {
            tokio::select! {
                _ = answers.changed() => {}
                () = self.clock.sleep(CONFIRMED_WITHIN) => return,
            }
        }
    }
}
