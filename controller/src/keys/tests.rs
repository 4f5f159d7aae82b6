//! Keys in a house with a memory store.

use std::time::Duration;

use fleetwright_store::Batch;

use super::operations::{self, Use};
use super::records::KeyState;
use super::ring::{KeyError, KeyRing, Maker, UnknownKeys};
use super::root::{Places, RootKeyError};
use super::rotate;
use crate::error::Refusal;
use crate::house::House;
use crate::parameters::kinds::ParameterType;
use crate::parameters::put::{self, Overwrite, PutWish};
use crate::parameters::read::{self, Decryption};
use crate::tables::{KEY, KEY_VERSION};
use crate::tests::{TestHouse, test_house};

fn check<T: std::fmt::Debug>(found: Result<T, KeyError>, part: &str) {
    let error = Refusal::from(found.unwrap_err());
    assert!(error.message.contains(part), "{error}");
}

async fn put(house: &House, name: &str, value: &str) {
    let wish = PutWish {
        key_id: Some("alias/k".into()),
        overwrite: Overwrite::Yes,
        ..PutWish::new(name, value, ParameterType::SecureString, "ada")
    };
    put::put(house, wish).await.unwrap();
}

async fn value(house: &House, name: &str) -> String {
    read::get(house, name, Decryption::Yes).await.unwrap().value.expose().to_owned()
}

async fn data_keys(house: &House) -> usize {
    KEY_VERSION.scan(&*house.store, &(), None, 1000).await.unwrap().rows.len()
}

#[tokio::test]
async fn a_key_is_made_listed_disabled_and_deleted_after_its_days() {
    let TestHouse { house, clock, _folder } = test_house();
    let made = operations::create(&house, "alias/k", "of payments", "ada").await.unwrap();
    assert_eq!((made.state, made.version, made.created_by.as_str()), (KeyState::Enabled, 1, "ada"));
    check(operations::create(&house, "alias/k", "", "ada").await, "there is a key alias/k already");
    check(operations::create(&house, "ü", "", "ada").await, "as alias/payments");
    check(operations::create(&house, "x", "a\nb", "ada").await, "printable");
    check(operations::set_enabled(&house, "alias/aws/ssm", Use::Forbidden).await, "the controller's own");
    check(operations::set_enabled(&house, "alias/none", Use::Forbidden).await, "no key alias/none");
    check(operations::schedule_deletion(&house, "alias/k", 3).await, "7 to 30");
    put(&house, "secret", "hunter2").await;
    operations::schedule_deletion(&house, "alias/k", 7).await.unwrap();
    check(operations::set_enabled(&house, "alias/k", Use::Allowed).await, "cancel-deletion");
    check(rotate::rotate(&house, "alias/k", "ada").await, "cancel-deletion");
    let kept = operations::cancel_deletion(&house, "alias/k").await.unwrap();
    assert_eq!(kept.state, KeyState::Disabled);
    check(operations::cancel_deletion(&house, "alias/k").await, "is not to be deleted");
    check(rotate::rotate(&house, "alias/k", "ada").await, "is disabled");
    operations::schedule_deletion(&house, "alias/k", 7).await.unwrap();
    clock.advance(Duration::from_secs(6 * 24 * 3600));
    rotate::run_once(&house).await.unwrap();
    assert_eq!(operations::list(&house).await.unwrap().len(), 1);
    clock.advance(Duration::from_secs(24 * 3600));
    rotate::run_once(&house).await.unwrap();
    assert!(operations::list(&house).await.unwrap().is_empty());
    assert_eq!(data_keys(&house).await, 0);
    operations::create(&house, "alias/k", "another", "ada").await.unwrap();
    let lost = read::get(&house, "secret", Decryption::Yes).await.unwrap_err();
    assert!(lost.message.contains("was deleted"), "{lost}");
}

#[tokio::test]
async fn a_rotation_seals_everything_anew_and_drops_the_version_before() {
    let TestHouse { house, _folder, .. } = test_house();
    for number in 1..=3 {
        put(&house, "many", &format!("hunter{number}")).await;
    }
    put(&house, "one", "hunter9").await;
    let other = PutWish::new("other", "hunter8", ParameterType::SecureString, "ada");
    put::put(&house, other).await.unwrap();
    let before = read::get(&house, "one", Decryption::No).await.unwrap().value;
    let done = rotate::rotate(&house, "alias/k", "ada").await.unwrap();
    assert_eq!((done.resealed, done.verified, done.key.version), (4, 4, 2));
    assert!(!done.key.rotating && done.key.rotated == Some(house.clock.now()));
    assert_ne!(read::get(&house, "one", Decryption::No).await.unwrap().value, before);
    for (name, wanted) in
        [("many:1", "hunter1"), ("many:2", "hunter2"), ("many", "hunter3"), ("one", "hunter9")]
    {
        assert_eq!(value(&house, name).await, wanted);
    }
    assert_eq!(value(&house, "other").await, "hunter8");
    assert_eq!(data_keys(&house).await, 2, "one of each key");
}

#[tokio::test]
async fn a_rotation_that_was_stopped_anywhere_is_carried_on() {
    let TestHouse { house, _folder, .. } = test_house();
    for number in 1..=5 {
        put(&house, &format!("p{number}"), "hunter2").await;
    }
    // What the first commit of a rotation writes; then a kill.
    let mut row = KEY.get(&*house.store, &"alias/k".parse().unwrap()).await.unwrap().unwrap();
    row.value.version = 2;
    row.value.rotating = true;
    let mut batch = Batch::new();
    KEY.replace(&mut batch, &row).unwrap();
    let id = (row.value.id.clone(), 2);
    house.keys.add_version(&*house.store, &mut batch, id, house.clock.now()).await.unwrap();
    house.store.commit(batch).await.unwrap();
    put(&house, "p1", "newer").await;
    assert_eq!(value(&house, "p2").await, "hunter2", "values can be read all the time");
    rotate::run_once(&house).await.unwrap();
    let key = operations::list(&house).await.unwrap().remove(0);
    assert!(!key.rotating);
    assert_eq!(
        (value(&house, "p1").await.as_str(), value(&house, "p5").await.as_str()),
        ("newer", "hunter2")
    );
    assert_eq!(data_keys(&house).await, 1);
}

#[tokio::test]
async fn nothing_is_sealed_with_a_version_that_a_rotation_has_passed() {
    let TestHouse { house, _folder, .. } = test_house();
    put(&house, "p", "x").await;
    let name = "alias/k".parse().unwrap();
    let mut batch = Batch::new();
    let maker = Maker { name: "ada", now: house.clock.now() };
    house.keys.seal(&*house.store, &mut batch, &name, ("about", b"hunter2"), &maker).await.unwrap();
    rotate::rotate(&house, "alias/k", "ada").await.unwrap();
    batch.put("row", "sealed with version 1");
    let late = house.store.commit(batch).await.unwrap_err();
    assert!(matches!(late, fleetwright_store::CommitError::Conflict { .. }));
}

#[tokio::test]
async fn a_store_opens_with_its_own_root_key_alone_and_the_root_key_can_be_rotated() {
    let TestHouse { mut house, _folder, .. } = test_house();
    let path = _folder.path().join("root-key");
    let places = Places { variable: None, credentials: None, files: vec![path.clone()] };
    let open = async |house: &House, places: &Places| {
        KeyRing::open(&*house.store, places, UnknownKeys::Refuse).await
    };
    house.keys = open(&house, &places).await.unwrap();
    check(
        house.keys.ensure(&*house.store, &"alias/typo".parse().unwrap(), &maker(&house)).await,
        "there is no key alias/typo: make it with `key create`",
    );
    operations::create(&house, "alias/k", "", "ada").await.unwrap();
    put(&house, "p", "hunter2").await;
    let before = house.keys.root().mark().to_owned();
    let mark = rotate::rotate_root(&house).await.unwrap();
    assert_ne!(mark, before);
    assert_eq!(value(&house, "p").await, "hunter2");
    house.keys = open(&house, &places).await.unwrap();
    assert_eq!(value(&house, "p").await, "hunter2", "after a start");
    operations::create(&house, "alias/later", "", "ada").await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(open(&house, &places).await.unwrap_err(), RootKeyError::Missing { .. }));
    let other = super::root::RootKey::random("x").unwrap();
    let wrong = Places { variable: Some(other.text()), ..places };
    assert!(matches!(open(&house, &wrong).await.unwrap_err(), RootKeyError::Wrong { .. }));
}

#[tokio::test]
async fn a_rotation_of_the_root_key_that_nobody_was_told_of_is_taken_over() {
    let TestHouse { mut house, _folder, .. } = test_house();
    let path = _folder.path().join("root-key");
    let places = Places { variable: None, credentials: None, files: vec![path.clone()] };
    house.keys = KeyRing::open(&*house.store, &places, UnknownKeys::Make).await.unwrap();
    put(&house, "p", "hunter2").await;
    let old = std::fs::read_to_string(&path).unwrap();
    let mark = rotate::rotate_root(&house).await.unwrap();
    // As the process would be when its commit was durable and the answer was lost.
    std::fs::rename(&path, _folder.path().join("root-key.new")).unwrap();
    std::fs::write(&path, &old).unwrap();
    house.keys =
        KeyRing::of(super::root::RootKey::from_text(&old, "x").unwrap().kept_in(&path), UnknownKeys::Make);
    rotate::run_once(&house).await.unwrap();
    assert_eq!(house.keys.root().mark(), mark);
    assert_eq!(value(&house, "p").await, "hunter2");
    assert!(!_folder.path().join("root-key.new").exists());
}

fn maker(house: &House) -> Maker<'static> {
    Maker { name: "ada", now: house.clock.now() }
}

#[tokio::test]
async fn a_root_key_that_others_keep_is_not_rotated_here() {
    let TestHouse { house, _folder, .. } = test_house();
    check(rotate::rotate_root(&house).await, "the root key is kept in a test");
}

#[tokio::test]
async fn of_many_first_uses_of_a_key_all_succeed() {
    let TestHouse { house, _folder, .. } = test_house();
    let puts = (0..8).map(|number| {
        let house = &house;
        async move { put(house, &format!("p{number}"), "hunter2").await }
    });
    futures::future::join_all(puts).await;
    assert_eq!(operations::list(&house).await.unwrap().len(), 1);
    assert_eq!(value(&house, "p7").await, "hunter2");
}
