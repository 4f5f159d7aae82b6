//! What is kept of commands, over the memory store: sending, output, retention.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::{Batch, BlobInfo};

use crate::commands::history;
use crate::commands::output::{self, Channel, Piece, StreamKey, bytes_of, place};
use crate::commands::payload;
use crate::commands::records::{CommandRecord, Outcome};
use crate::commands::retention::Retention;
use crate::commands::roster::Roster;
use crate::commands::send::{Wanted, WhenEmpty, Wish, send};
use crate::commands::state::{self, Reason};
use crate::commands::tally::{Counts, Verdict};
use crate::error::{Kind, Refusal};
use crate::house::House;
use crate::tables::{COMMAND, INVOCATION, NODE};
use crate::tests::{TestHouse, node, test_house};

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) async fn with_node(house: &House) -> NodeId {
    let id = NodeId::random();
    let mut batch = Batch::new();
    NODE.insert(&mut batch, &id, &node("web-1", "Linux", &[])).unwrap();
    house.store.commit(batch).await.unwrap();
    id
}

pub(crate) fn wish(script: &str) -> Wish {
    Wish {
        document: Wanted::Named { name: "AWS-RunShellScript".to_owned(), version: String::new(), hash: None },
        parameters: BTreeMap::from([("commands".to_owned(), vec![script.to_owned()])]),
        targets: vec![("all".to_owned(), Vec::new())],
        max_concurrency: String::new(),
        max_errors: String::new(),
        delivery_timeout: Duration::ZERO,
        comment: String::new(),
        client_token: String::new(),
        requested_by: "ada".to_owned(),
        asked_by: None,
        when_empty: WhenEmpty::Refuse,
        notify: None,
    }
}

pub(super) async fn finish(house: &House, id: &CommandId, verdict: Verdict) {
    let mut row = COMMAND.get(&*house.store, id).await.unwrap().unwrap();
    let finished = house.clock.now();
    row.value.outcome = Some(Outcome { verdict, finished, counts: Counts::default() });
    let mut batch = Batch::new();
    for node in Roster::read(house, id).await.unwrap().nodes() {
        let ended = state::lost(state::waiting(&row.value), Reason::LostOnNode {}, finished).unwrap();
        INVOCATION.insert(&mut batch, &(id.clone(), node.clone()), &ended).unwrap();
    }
    COMMAND.replace(&mut batch, &row).unwrap();
    history::close(&mut batch, id, &row.value).unwrap();
    house.store.commit(batch).await.unwrap();
}

async fn blobs_of_commands(house: &House) -> Vec<BlobInfo> {
    house.blobs.list(Some(&payload::FOLDER.parse().unwrap())).await.unwrap()
}

async fn refused(change: impl FnOnce(&mut Wish)) -> Refusal {
    let TestHouse { house, _folder, .. } = test_house();
    with_node(&house).await;
    let mut wish = wish("true");
    change(&mut wish);
    let refusal = send(&house, wish).await.unwrap_err();
    let rows = house.store.scan(b"", None, 100).await.unwrap().len();
    assert_eq!(rows, 1, "a refused command leaves nothing behind");
    assert!(house.blobs.list(None).await.unwrap().is_empty());
    refusal
}

#[tokio::test]
async fn a_wrong_wish_is_refused_and_leaves_nothing() {
    let check = |refusal: Refusal, kind, words: &str| {
        assert_eq!(refusal.kind, kind, "{refusal}");
        assert!(refusal.message.contains(words), "{refusal}");
    };
    check(refused(|wish| wish.targets.clear()).await, Kind::Invalid, "no target");
    check(
        refused(|wish| wish.targets = vec![("tag:a".into(), vec!["b".into()])]).await,
        Kind::NotFound,
        "tag:a=b",
    );
    check(
        refused(|wish| wish.targets = vec![("InstanceIds".into(), vec!["web-9".into()])]).await,
        Kind::NotFound,
        "web-9",
    );
    let elsewhere = |wish: &mut Wish| {
        wish.targets =
            vec![("InstanceIds".into(), vec!["web-9".into()]), ("tag:role".into(), vec!["web".into()])];
    };
    check(refused(elsewhere).await, Kind::NotFound, "`web-9`");
    let twice = |wish: &mut Wish| {
        wish.targets = vec![("InstanceIds".into(), vec!["web-1".into(), "web-1".into()])];
    };
    check(refused(twice).await, Kind::Invalid, "`web-1` twice");
    let group = |wish: &mut Wish| {
        wish.targets = vec![("resource-groups:Name".into(), vec!["nobody".into()])];
    };
    check(refused(group).await, Kind::NotFound, "no group `nobody`");
    check(refused(|wish| wish.max_concurrency = "101%".into()).await, Kind::Invalid, "101%");
    check(refused(|wish| wish.max_errors = "-1".into()).await, Kind::Invalid, "-1");
    check(refused(|wish| wish.comment = "x".repeat(101)).await, Kind::Invalid, "100 characters");
    check(refused(|wish| wish.delivery_timeout = 31 * DAY).await, Kind::Invalid, "30 days");
    check(refused(|wish| wish.parameters.clear()).await, Kind::Invalid, "commands");
    let unknown = |wish: &mut Wish| {
        wish.document = Wanted::Named { name: "No-Such".into(), version: String::new(), hash: None }
    };
    check(refused(unknown).await, Kind::NotFound, "No-Such");
    let version = |wish: &mut Wish| {
        wish.document = Wanted::Named { name: "AWS-RunShellScript".into(), version: "7".into(), hash: None };
    };
    check(refused(version).await, Kind::NotFound, "`7`");
    let broken = |wish: &mut Wish| {
        wish.document = Wanted::Content(Bytes::from_static(b"{\"schemaVersion\": \"2.2\"}"));
    };
    check(refused(broken).await, Kind::Invalid, "mainSteps");
    let secret = |wish: &mut Wish| {
        wish.parameters = BTreeMap::from([("commands".into(), vec!["echo {{ssm:/db/password}}".into()])]);
    };
    check(refused(secret).await, Kind::Invalid, "/db/password");
}

#[tokio::test]
async fn the_same_token_is_the_same_command() {
    let TestHouse { house, _folder, .. } = test_house();
    with_node(&house).await;
    let with_token = || Wish { client_token: "once".to_owned(), ..wish("true") };
    let (first, _) = send(&house, with_token()).await.unwrap();
    let (again, _) = send(&house, with_token()).await.unwrap();
    assert_eq!(first, again);
}

#[tokio::test]
async fn large_parameters_are_kept_beside_the_store() {
    let TestHouse { house, _folder, .. } = test_house();
    with_node(&house).await;
    let script = format!("# {}", "x".repeat(40_000));
    let (id, record) = send(&house, wish(&script)).await.unwrap();
    let parameters = payload::parameters(&house, &id, &record).await.unwrap();
    assert!(String::from_utf8(parameters.to_vec()).unwrap().contains(&script));
    assert_eq!(house.blobs.list(None).await.unwrap().len(), 1);
}

fn piece(command: &CommandId, node: &NodeId, offset: u64, data: &[u8]) -> Piece {
    let stream =
        StreamKey { command: command.clone(), node: node.clone(), step: 0, channel: Channel::Stdout };
    Piece { stream, offset, data: Bytes::copy_from_slice(data) }
}

async fn read_back(house: &House, command: &CommandId, node: &NodeId) -> Vec<u8> {
    let (rows, _) = output::read(house, command, node, None).await.unwrap();
    let mut bytes = Vec::new();
    for (key, row) in rows {
        let (stream, offset) = place(&key).unwrap();
        assert_eq!(offset, bytes.len() as u64, "pieces lie one behind the other");
        bytes.extend(bytes_of(house, &stream, offset, &row).await.unwrap());
    }
    bytes
}

#[tokio::test]
async fn output_is_exact_however_often_its_pieces_come() {
    let TestHouse { house, _folder, .. } = test_house();
    let node = with_node(&house).await;
    let (id, _) = send(&house, wish("true")).await.unwrap();
    let large = vec![7u8; 100_000];
    let keep =
        async |offset, data: &[u8]| output::keep(&house, &piece(&id, &node, offset, data)).await.unwrap();
    assert_eq!(keep(0, b"hello ").await, 6);
    assert_eq!(keep(0, b"hello ").await, 6, "sent twice, kept once");
    assert_eq!(keep(9, b"lost").await, 6, "a gap is not filled with what comes behind it");
    assert_eq!(keep(3, b"lo world").await, 11, "only what is new is added");
    assert_eq!(keep(11, &large).await, 100_011);
    assert_eq!(read_back(&house, &id, &node).await, [b"hello world", &large[..]].concat());
}

#[tokio::test]
async fn output_of_an_unknown_command_is_let_go() {
    let TestHouse { house, _folder, .. } = test_house();
    let node = with_node(&house).await;
    let kept = output::keep(&house, &piece(&CommandId::random(), &node, 5, b"abc")).await.unwrap();
    assert_eq!(kept, 8);
}

#[tokio::test]
async fn output_beyond_the_limit_is_acknowledged_and_not_kept() {
    let TestHouse { mut house, _folder, .. } = test_house();
    house.limits.output_stream_max_bytes = 10;
    let node = with_node(&house).await;
    let (id, _) = send(&house, wish("true")).await.unwrap();
    assert_eq!(output::keep(&house, &piece(&id, &node, 0, b"0123456789abc")).await.unwrap(), 10);
    assert_eq!(output::keep(&house, &piece(&id, &node, 10, b"abc")).await.unwrap(), 13);
    assert_eq!(output::keep(&house, &piece(&id, &node, 13, b"def")).await.unwrap(), 16);
    assert_eq!(read_back(&house, &id, &node).await, b"0123456789");
}

#[tokio::test]
async fn old_commands_go_with_everything_of_them_and_open_ones_stay() {
    let TestHouse { house, clock, _folder } = test_house();
    let node = with_node(&house).await;
    let long = format!("# {}", "x".repeat(20_000));
    let sent =
        async |script: &str| -> (CommandId, CommandRecord) { send(&house, wish(script)).await.unwrap() };
    let (finished, _) = sent(&long).await;
    output::keep(&house, &piece(&finished, &node, 0, &[1; 50_000])).await.unwrap();
    finish(&house, &finished, Verdict::Success {}).await;
    let (open, _) = sent("true").await;
    clock.advance(31 * DAY);
    let (young, _) = sent("true").await;
    finish(&house, &young, Verdict::Success {}).await;
    assert_eq!(Retention::default().run_once(&house).await.unwrap(), 1);
    let kept = async |id: &CommandId| COMMAND.get(&*house.store, id).await.unwrap().is_some();
    assert!(!kept(&finished).await && kept(&open).await && kept(&young).await);
    assert!(blobs_of_commands(&house).await.is_empty());
}

#[tokio::test]
async fn blobs_without_a_command_go_with_the_second_look() {
    let TestHouse { house, _folder, .. } = test_house();
    payload::keep_document(&house, &CommandId::random(), Bytes::from_static(b"left")).await.unwrap();
    let mut retention = Retention::default();
    retention.run_once(&house).await.unwrap();
    assert_eq!(blobs_of_commands(&house).await.len(), 1, "its command may just be being written");
    retention.run_once(&house).await.unwrap();
    assert!(blobs_of_commands(&house).await.is_empty());
}
