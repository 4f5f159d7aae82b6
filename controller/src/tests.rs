//! A house for unit tests: memory store, manual clock, everything else real.

use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::{ManualClock, Timestamp};
use fleetwright_store::{Blobs, MemoryStore};
use tempfile::TempDir;

use crate::authority;
use crate::house::House;
use crate::settings::Settings;

pub(crate) struct TestHouse {
    pub(crate) house: House,
    pub(crate) clock: ManualClock,
    /// Holds the blobs and the authority.
    pub(crate) _folder: TempDir,
}

pub(crate) fn test_house() -> TestHouse {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::starting_at(Timestamp::default().plus(Duration::from_secs(1_790_000_000)));
    let now = fleetwright_proto::clock::Clock::now(&clock);
    let authority = authority::open(&folder.path().join("authority"), now).unwrap();
    let blobs = Blobs::open_folder(folder.path().join("blobs")).unwrap();
    let limits = Settings::default().limits();
    let house = House::new(Arc::new(MemoryStore::default()), blobs, Arc::new(clock.clone()), authority, limits);
    TestHouse { house, clock, _folder: folder }
}
