//! A house for unit tests: memory store, manual clock, everything else real.

use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::{ManualClock, Timestamp};
use fleetwright_store::{Blobs, MemoryStore};
use tempfile::TempDir;

use crate::authority;
use crate::house::House;
use crate::keys::ring::{KeyRing, UnknownKeys};
use crate::keys::root::RootKey;
use crate::nodes::records::{Facts, NodeRecord};
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
    let keys = KeyRing::of(RootKey::random("a test").unwrap(), UnknownKeys::Make);
    let store = Arc::new(MemoryStore::default());
    let settings = Settings::default();
    let house = House::new(store, blobs, Arc::new(clock.clone()), authority, keys, &settings);
    TestHouse { house, clock, _folder: folder }
}

/// A node record for tests that only look at it.
pub(crate) fn node(name: &str, platform: &str, tags: &[(&str, &str)]) -> NodeRecord {
    NodeRecord {
        given_name: Some(name.to_owned()),
        activation: "00000000-0000-0000-0000-000000000000".parse().unwrap(),
        registered: Timestamp::default(),
        key_fingerprint: String::new(),
        certificate_expires: Timestamp::default(),
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        facts: Facts { platform_type: platform.to_owned(), ..Facts::default() },
    }
}
