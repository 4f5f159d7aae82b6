//! Access keys: who gets in with one, and who does not any more.

use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::Clock;
use fleetwright_store::Batch;

use super::{admin, started};
use crate::access::FIRST_OPERATOR;
use crate::access::keys::{self, CreatedAccessKey, KEYS_OF_OPERATOR_MAX, NewAccessKey};
use crate::access::known::{self, KeyRefusal, flush_uses, reread};
use crate::access::records::Standing;
use crate::error::Kind;
use crate::house::House;
use crate::keys::names::ACCESS;
use crate::keys::rotate;
use crate::tables::{ACCESS_KEY, ACCESS_OPERATOR, KEY_USE};
use crate::tests::TestHouse;

async fn key(house: &House, expires_in: Option<Duration>) -> CreatedAccessKey {
    let wish = NewAccessKey { operator: FIRST_OPERATOR.to_owned(), description: "ci".to_owned(), expires_in };
    keys::create(house, &admin(house), wish).await.unwrap()
}

/// What the key with this id answers now.
fn asked(test: &TestHouse, id: &str) -> Result<String, KeyRefusal> {
    let signer = test.house.access.signer(id, test.clock.now())?;
    Ok(format!("{} {:?} {}", signer.principal.name, signer.principal.groups, signer.secret.reveal()))
}

#[tokio::test]
async fn a_key_opens_until_it_is_disabled_deleted_or_expired() {
    let test = started().await;
    let house = &test.house;
    let made = key(house, Some(Duration::from_secs(60))).await;
    let id = made.key.id.clone();
    let good = Ok(format!("admin [\"admins\"] {}", made.secret.reveal()));
    assert_eq!(asked(&test, id.as_str()), good);
    keys::set_standing(house, &admin(house), &id, Standing::Disabled).await.unwrap();
    assert_eq!(asked(&test, id.as_str()), Err(KeyRefusal::Disabled));
    keys::set_standing(house, &admin(house), &id, Standing::Enabled).await.unwrap();
    assert_eq!(asked(&test, id.as_str()), good);
    test.clock.advance(Duration::from_secs(60));
    assert_eq!(asked(&test, id.as_str()), Err(KeyRefusal::Expired));
    keys::delete(house, &admin(house), &id).await.unwrap();
    assert_eq!(asked(&test, id.as_str()), Err(KeyRefusal::Unknown));
    assert_eq!(keys::delete(house, &admin(house), &id).await.unwrap_err().kind, Kind::NotFound);
    let changed = keys::set_standing(house, &admin(house), &id, Standing::Enabled).await;
    assert_eq!(changed.unwrap_err().kind, Kind::NotFound);
    for stranger in ["", "AKIAAAAAAAAAAAAAAAAA", "admin", "AKIA\u{0}"] {
        assert_eq!(asked(&test, stranger), Err(KeyRefusal::Unknown), "{stranger}");
    }
}

#[tokio::test]
async fn the_secret_is_nowhere_in_the_store_and_shown_once() {
    let test = started().await;
    let made = key(&test.house, None).await;
    let secret = made.secret.reveal();
    for entry in test.house.store.scan(b"", None, 1000).await.unwrap() {
        assert!(!String::from_utf8_lossy(&entry.value).contains(secret));
    }
    // Rotating the key that seals it changes nothing for whoever has it.
    rotate::rotate(&test.house, ACCESS, "admin").await.unwrap();
    let other = key(&test.house, None).await;
    for made in [&made, &other] {
        let signer = test.house.access.signer(made.key.id.as_str(), test.clock.now()).unwrap();
        assert_eq!(*signer.secret, made.secret);
    }
    let (listed, _) = keys::list(&test.house, None, None, 10).await.unwrap();
    assert!(!format!("{listed:?}{made:?}").contains(secret));
}

#[tokio::test]
async fn a_sealed_secret_cannot_be_moved_to_another_key() {
    let test = started().await;
    let (first, second) = (key(&test.house, None).await, key(&test.house, None).await);
    let stolen = ACCESS_KEY.get(&*test.house.store, &first.key.id).await.unwrap().unwrap();
    let mut batch = Batch::new();
    ACCESS_KEY.put(&mut batch, &second.key.id, &stolen.value).unwrap();
    test.house.store.commit(batch).await.unwrap();
    reread(&test.house).await.unwrap();
    assert_eq!(asked(&test, second.key.id.as_str()), Err(KeyRefusal::Sealed));
    assert!(asked(&test, first.key.id.as_str()).is_ok());
}

#[tokio::test]
async fn a_key_goes_with_its_operator_and_no_namesake_inherits_it() {
    let test = started().await;
    let id = key(&test.house, None).await.key.id;
    let admin = FIRST_OPERATOR.to_owned();
    let row = ACCESS_OPERATOR.get(&*test.house.store, &admin).await.unwrap().unwrap();
    let put = async |record| {
        let mut batch = Batch::new();
        ACCESS_OPERATOR.put(&mut batch, &admin, &record).unwrap();
        test.house.store.commit(batch).await.unwrap();
        reread(&test.house).await.unwrap();
    };
    let mut disabled = row.value.clone();
    disabled.standing = Standing::Disabled;
    put(disabled).await;
    assert_eq!(asked(&test, id.as_str()), Err(KeyRefusal::OperatorDisabled));
    let mut namesake = row.value.clone();
    namesake.created = namesake.created.plus(Duration::from_secs(1));
    put(namesake).await;
    assert_eq!(asked(&test, id.as_str()), Err(KeyRefusal::Unknown));
    put(row.value).await;
    assert!(asked(&test, id.as_str()).is_ok());
}

#[tokio::test]
async fn another_controllers_change_is_followed() {
    let test = started().await;
    let id = key(&test.house, None).await.key.id;
    let house = Arc::new(test.house);
    let following = tokio::spawn(known::follow(house.clone()));
    let mut batch = Batch::new();
    ACCESS_KEY.delete(&mut batch, &id);
    house.store.commit(batch).await.unwrap();
    let gone = async {
        while house.access.signer(id.as_str(), test.clock.now()).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the key is gone here too");
    following.abort();
}

#[tokio::test]
async fn the_last_use_is_written_seldom_and_found_again() {
    let test = started().await;
    let id = key(&test.house, None).await.key.id;
    let used = test.clock.now().plus(Duration::from_secs(5));
    test.house.access.signer(id.as_str(), test.clock.now()).unwrap().note_use(used);
    assert_eq!(keys::get(&test.house, &id).await.unwrap().last_used, Some(used));
    assert!(KEY_USE.get(&*test.house.store, &id).await.unwrap().is_none());
    flush_uses(&test.house).await.unwrap();
    let revision = test.house.store.revision();
    flush_uses(&test.house).await.unwrap();
    assert_eq!(test.house.store.revision(), revision, "nothing new, nothing written");
    let row = KEY_USE.get(&*test.house.store, &id).await.unwrap().unwrap();
    assert_eq!(row.value.last_used, used);
    // A change of the key keeps it, and so does a start.
    keys::set_standing(&test.house, &admin(&test.house), &id, Standing::Disabled).await.unwrap();
    assert_eq!(keys::get(&test.house, &id).await.unwrap().last_used, Some(used));
}

#[tokio::test]
async fn what_cannot_be_made_is_told() {
    let test = started().await;
    let wish = NewAccessKey { operator: "nobody\n".to_owned(), description: String::new(), expires_in: None };
    let check = async |wish: NewAccessKey, kind: Kind, words: &str| {
        let error = keys::create(&test.house, &admin(&test.house), wish).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(words), "{error}");
    };
    check(wish.clone(), Kind::NotFound, "there is no operator `nobody\\n`").await;
    let wish = NewAccessKey { operator: FIRST_OPERATOR.to_owned(), ..wish };
    check(NewAccessKey { expires_in: Some(Duration::ZERO), ..wish.clone() }, Kind::Invalid, "at once").await;
    check(NewAccessKey { description: "x".repeat(257), ..wish.clone() }, Kind::Invalid, "256").await;
    for _ in 0..KEYS_OF_OPERATOR_MAX {
        keys::create(&test.house, &admin(&test.house), wish.clone()).await.unwrap();
    }
    check(wish, Kind::Exhausted, "100 access keys").await;
    let mut listed = 0;
    let mut after = None;
    loop {
        let (page, next) = keys::list(&test.house, Some("admin"), after, 30).await.unwrap();
        listed += page.len();
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, KEYS_OF_OPERATOR_MAX);
    let (others, _) = keys::list(&test.house, Some("ada"), None, 30).await.unwrap();
    assert!(others.is_empty());
}
