//! Nodes over the memory store: activations, enrolment, presence, tags.

use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::agent::HostFacts;
use fleetwright_proto::clock::{Clock, ManualClock, Timestamp};
use rcgen::{CertificateParams, KeyPair};

use super::activations::{self, CreatedActivation, Expiry, NewActivation};
use super::departures;
use super::enrolment::{self, Enrolment};
use super::operations::{self, Ping};
use super::presence;
use super::records::Tags;
use super::targets::Selector;
use crate::error::Kind;
use crate::house::House;
use crate::tests::{TestHouse, test_house};

async fn activation(house: &House, limit: u32, expiry: Expiry) -> CreatedActivation {
    let wish = NewActivation {
        description: "test".to_owned(),
        registration_limit: limit,
        expiry,
        default_name: None,
        tags: Tags::from([("role".to_owned(), "web".to_owned())]),
        iam_role: None,
    };
    activations::create(house, wish).await.unwrap()
}

fn request(key: &KeyPair) -> Vec<u8> {
    CertificateParams::default().serialize_request(key).unwrap().der().to_vec()
}

fn wish(activation: &CreatedActivation, key: &KeyPair) -> Enrolment {
    Enrolment {
        activation: activation.id.clone(),
        code: activation.code.clone(),
        certificate_request: request(key),
        host: HostFacts { computer_name: "web-1".to_owned(), ..HostFacts::default() },
    }
}

#[tokio::test]
async fn a_host_joins_with_the_activations_tags_and_the_same_key_joins_once() {
    let TestHouse { house, .. } = test_house();
    let activation = activation(&house, 1, Expiry::Never).await;
    let key = KeyPair::generate().unwrap();
    let first = enrolment::enrol(&house, wish(&activation, &key)).await.unwrap();
    let again = enrolment::enrol(&house, wish(&activation, &key)).await.unwrap();
    assert_eq!(first.node, again.node);
    let view = operations::view(&house, "web-1").await.unwrap();
    assert_eq!(view.id, first.node);
    assert_eq!(view.record.tags["role"], "web");
    assert_eq!(view.ping, Ping::NeverConnected);
    let kept = activations::list(&house, None, 10).await.unwrap();
    assert_eq!(kept[0].1.registrations, 1);
}

#[tokio::test]
async fn what_an_activation_refuses() {
    let TestHouse { house, clock, .. } = test_house();
    let once = activation(&house, 1, Expiry::After(Duration::from_secs(60))).await;
    let (first, second) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    enrolment::enrol(&house, wish(&once, &first)).await.unwrap();

    let used_up = enrolment::enrol(&house, wish(&once, &second)).await.unwrap_err();
    assert_eq!(used_up.kind, Kind::Exhausted);
    assert!(used_up.message.contains("used up: 1 of 1"), "{used_up}");

    let mut wrong = wish(&once, &second);
    wrong.code = "guess".to_owned();
    let wrong_code = enrolment::enrol(&house, wrong).await.unwrap_err();
    let mut unknown = wish(&once, &second);
    unknown.activation = "00000000-0000-0000-0000-000000000000".parse().unwrap();
    let unknown_id = enrolment::enrol(&house, unknown).await.unwrap_err();
    assert_eq!(wrong_code, unknown_id, "a wrong code must look like an unknown activation");
    assert_eq!(wrong_code.kind, Kind::Denied);
    assert!(!wrong_code.message.contains("guess"));

    let many = activation(&house, 5, Expiry::After(Duration::from_secs(60))).await;
    clock.advance(Duration::from_secs(61));
    let expired = enrolment::enrol(&house, wish(&many, &second)).await.unwrap_err();
    assert!(expired.message.contains("expired"), "{expired}");
    // The node that joined in time may ask again.
    enrolment::enrol(&house, wish(&once, &first)).await.unwrap();

    let mut broken = wish(&many, &second);
    broken.certificate_request = b"not a request".to_vec();
    assert_eq!(enrolment::enrol(&house, broken).await.unwrap_err().kind, Kind::Invalid);
}

#[tokio::test]
async fn many_hosts_at_once_never_exceed_the_limit() {
    let TestHouse { house, .. } = test_house();
    let house = Arc::new(house);
    let activation = Arc::new(activation(&house, 5, Expiry::Never).await);
    let joins = (0..12).map(|_| {
        let (house, activation) = (house.clone(), activation.clone());
        tokio::spawn(async move {
            let key = KeyPair::generate().unwrap();
            enrolment::enrol(&house, wish(&activation, &key)).await.is_ok()
        })
    });
    let joined =
        futures::future::join_all(joins).await.into_iter().filter(|joined| *joined.as_ref().unwrap()).count();
    assert_eq!(joined, 5);
    assert_eq!(operations::count(&house).await.unwrap(), 5);
}

#[tokio::test]
async fn a_certificate_is_renewed_for_the_same_key_only() {
    let TestHouse { house, clock, .. } = test_house();
    let activation = activation(&house, 1, Expiry::Never).await;
    let key = KeyPair::generate().unwrap();
    let node = enrolment::enrol(&house, wish(&activation, &key)).await.unwrap().node;
    let before = operations::view(&house, node.as_str()).await.unwrap().record.certificate_expires;
    clock.advance(Duration::from_secs(3600));
    enrolment::renew(&house, &node, &request(&key)).await.unwrap();
    let after = operations::view(&house, node.as_str()).await.unwrap().record.certificate_expires;
    assert_eq!(after, before.plus(Duration::from_secs(3600)));
    let other = request(&KeyPair::generate().unwrap());
    assert_eq!(enrolment::renew(&house, &node, &other).await.unwrap_err().kind, Kind::Denied);
}

#[tokio::test]
async fn a_line_is_open_until_it_closes_and_a_newer_one_replaces_it() {
    let TestHouse { house, clock, .. } = test_house();
    let activation = activation(&house, 1, Expiry::Never).await;
    let node = enrolment::enrol(&house, wish(&activation, &KeyPair::generate().unwrap())).await.unwrap().node;
    let old = house.lines.open(&node, clock.now());
    presence::record_open(&house, &old).await.unwrap();
    let new = house.lines.open(&node, clock.now());
    assert_eq!(old.closing().await, presence::Closing::Replaced);
    presence::close(&house, old).await.unwrap();
    assert_eq!(operations::view(&house, node.as_str()).await.unwrap().ping, Ping::Online);

    clock.advance(Duration::from_secs(5));
    new.heard(clock.now());
    clock.advance(Duration::from_secs(5));
    presence::close(&house, new).await.unwrap();
    let view = operations::view(&house, node.as_str()).await.unwrap();
    assert_eq!(view.ping, Ping::ConnectionLost);
    assert_eq!(view.last_seen, Some(Timestamp::from_millis(clock.now().millis() - 5_000)));
}

#[tokio::test]
async fn waiting_ends_when_the_node_comes_or_says_who_is_missing() {
    let TestHouse { house, clock, .. } = test_house();
    let house = Arc::new(house);
    let activation = activation(&house, 1, Expiry::Never).await;
    let node = enrolment::enrol(&house, wish(&activation, &KeyPair::generate().unwrap())).await.unwrap().node;
    let wait = |seconds| {
        let house = house.clone();
        tokio::spawn(async move {
            operations::wait(&house, &[Selector::All], 0, Duration::from_secs(seconds)).await
        })
    };
    let late = wait(10);
    tokio::task::yield_now().await;
    advance_until(&clock, &late).await;
    let missing = late.await.unwrap().unwrap_err();
    assert_eq!(missing.kind, Kind::TimedOut);
    assert!(missing.message.contains("web-1"), "{missing}");

    let in_time = wait(10);
    let _line = house.lines.open(&node, clock.now());
    assert_eq!(in_time.await.unwrap().unwrap().len(), 1);
}

/// Moves time on until the task has ended.
async fn advance_until<T>(clock: &ManualClock, task: &tokio::task::JoinHandle<T>) {
    while !task.is_finished() {
        clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn tags_change_in_one_commit_and_a_contradiction_is_refused() {
    let TestHouse { house, .. } = test_house();
    let activation = activation(&house, 1, Expiry::Never).await;
    enrolment::enrol(&house, wish(&activation, &KeyPair::generate().unwrap())).await.unwrap();
    let set = Tags::from([("env".to_owned(), "prod".to_owned())]);
    let view = operations::change_tags(&house, "web-1", set.clone(), &["role".to_owned()]).await.unwrap();
    assert_eq!(view.record.tags, set);
    let both = operations::change_tags(&house, "web-1", set, &["env".to_owned()]).await.unwrap_err();
    assert_eq!(both.kind, Kind::Invalid);
    let unknown = operations::change_tags(&house, "web-9", Tags::new(), &[]).await.unwrap_err();
    assert_eq!(unknown.kind, Kind::NotFound);
}

#[tokio::test]
async fn a_deregistered_node_is_gone_with_everything_of_it() {
    let TestHouse { house, clock, .. } = test_house();
    let activation = activation(&house, 1, Expiry::Never).await;
    let key = KeyPair::generate().unwrap();
    let node = enrolment::enrol(&house, wish(&activation, &key)).await.unwrap().node;
    let line = house.lines.open(&node, clock.now());
    departures::deregister(&house, node.as_str()).await.unwrap();
    assert_eq!(line.closing().await, presence::Closing::Deregistered);
    presence::record_open(&house, &line).await.unwrap();
    presence::close(&house, line).await.unwrap();
    assert_eq!(operations::view(&house, node.as_str()).await.unwrap_err().kind, Kind::NotFound);
    assert_eq!(enrolment::renew(&house, &node, &request(&key)).await.unwrap_err().kind, Kind::Denied);
    assert_eq!(house.store.scan(b"", None, 100).await.unwrap().len(), 1, "only the activation is left");
}
