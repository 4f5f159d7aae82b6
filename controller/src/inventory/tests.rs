//! Inventory over the memory store: changes, befores that differ, history, queries, sweeps.

use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::{Clock, Timestamp};
use fleetwright_proto::ids::NodeId;
use fleetwright_proto::inventory::{Attributes, held_digest, item_hash, type_digest};
use fleetwright_store::Batch;

use super::catalogue;
use super::content::Content;
use super::deletions;
use super::keep::{self, Extent, Kept, Told, ToldType};
use super::query::{self, By, Scope};
use super::read::{self, Difference};
use super::records::ItemRecord;
use super::sweep::{self, Sweep};
use crate::error::Kind;
use crate::house::House;
use crate::nodes::operations::matching;
use crate::nodes::records::NodeRecord;
use crate::nodes::targets::Selector;
use crate::tables::{INVENTORY_CONTENT, INVENTORY_ITEM, NODE};
use crate::tests::{TestHouse, node, test_house};

const APPLICATION: &str = "AWS:Application";
const NETWORK: &str = "AWS:Network";

fn package(name: &str, version: &str) -> Attributes {
    [("Name", name), ("Version", version), ("PackageId", &format!("{name}_{version}_amd64.deb"))]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn interface(address: &str) -> Attributes {
    [("Name", "eth0"), ("IPV4", address)].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// A node as its agent sees itself: what it holds by type.
#[derive(Debug, Clone, Default)]
struct Agent {
    held: std::collections::BTreeMap<String, Vec<Attributes>>,
}

fn digest_of(type_name: &str, items: &[Attributes]) -> [u8; 16] {
    let mut hashes: Vec<_> = items.iter().map(item_hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    type_digest(type_name, "1.0", &hashes)
}

impl Agent {
    fn holds(&self) -> Vec<u8> {
        held_digest(self.held.iter().map(|(name, items)| (name.as_str(), digest_of(name, items)))).to_vec()
    }

    /// The change from what it held to these items.
    #[expect(clippy::needless_pass_by_value, reason = "every caller makes the list for this")]
    fn change(&mut self, type_name: &str, items: Vec<Attributes>) -> ToldType {
        let before = self.held.insert(type_name.to_owned(), items.clone());
        let known = before.clone().unwrap_or_default();
        ToldType {
            type_name: type_name.to_owned(),
            schema: "1.0".to_owned(),
            base: before.map(|before| digest_of(type_name, &before).to_vec()).unwrap_or_default(),
            digest: digest_of(type_name, &items).to_vec(),
            added: items.iter().filter(|item| !known.contains(item)).cloned().collect(),
            removed: known.iter().filter(|item| !items.contains(item)).map(item_hash).collect(),
        }
    }

    fn told(&self, types: Vec<ToldType>, now: Timestamp) -> Told {
        Told { captured: now, holds: self.holds(), types, extent: Extent::These }
    }
}

fn id(number: u32) -> NodeId {
    format!("mi-{number:017x}").parse().unwrap()
}

async fn join(house: &House, number: u32, tags: &[(&str, &str)]) -> (NodeId, NodeRecord) {
    let (id, record) = (id(number), node(&format!("host-{number}"), "Linux", tags));
    let mut batch = Batch::new();
    NODE.insert(&mut batch, &id, &record).unwrap();
    house.store.commit(batch).await.unwrap();
    (id, record)
}

async fn tell(house: &House, node: &NodeId, agent: &mut Agent, type_name: &str, items: Vec<Attributes>) {
    let change = agent.change(type_name, items);
    let told = agent.told(vec![change], house.clock.now());
    assert_eq!(keep::told(house, node, told).await.unwrap(), Kept::Confirmed);
}

async fn names(
    house: &House,
    node: &(NodeId, NodeRecord),
    type_name: &str,
    at: Option<Timestamp>,
) -> Option<Vec<String>> {
    let view = read::read(house, (&node.0, &node.1), type_name, at).await.unwrap()?;
    let told =
        |item: &Attributes| format!("{} {}", item["Name"], item.get("Version").or(item.get("IPV4")).unwrap());
    Some(view.items.iter().map(told).collect())
}

#[tokio::test]
async fn changes_are_applied_and_what_was_before_is_known() {
    let TestHouse { house, clock, _folder } = test_house();
    let host = join(&house, 1, &[]).await;
    let mut agent = Agent::default();
    let start = clock.now();
    for type_name in [APPLICATION, NETWORK] {
        let item =
            |version: &str| if type_name == APPLICATION { package("a", version) } else { interface(version) };
        let name = if type_name == APPLICATION { "a" } else { "eth0" };
        for version in ["1", "2", "3"] {
            tell(&house, &host.0, &mut agent, type_name, vec![item(version)]).await;
            clock.advance(Duration::from_secs(60));
        }
        assert_eq!(names(&house, &host, type_name, None).await.unwrap(), [format!("{name} 3")]);
        let first = clock.now().millis() - 180_000;
        for (seconds, version) in [(0, "1"), (59, "1"), (60, "2"), (121, "3"), (9_999, "3")] {
            let at = Timestamp::from_millis(first + seconds * 1_000);
            assert_eq!(
                names(&house, &host, type_name, Some(at)).await.unwrap(),
                [format!("{name} {version}")],
                "{seconds}"
            );
        }
        assert_eq!(
            names(&house, &host, type_name, Some(Timestamp::from_millis(start.millis() - 1))).await,
            None
        );
        let (from, to) = (Timestamp::from_millis(first), clock.now());
        let diff = read::diff(&house, (&host.0, &host.1), Some(type_name), from, to).await.unwrap();
        assert_eq!(diff[0].differences, [Difference::Changed(item("1"), item("3"))]);
        let error = read::diff(&house, (&host.0, &host.1), Some(type_name), to, from).await.unwrap_err();
        assert_eq!(error.kind, Kind::Invalid);
    }
}

#[tokio::test]
async fn a_lost_confirmation_is_no_harm_and_another_before_asks_for_all() {
    let TestHouse { house, clock, _folder } = test_house();
    let host = join(&house, 1, &[]).await;
    let mut agent = Agent::default();
    tell(&house, &host.0, &mut agent, APPLICATION, vec![package("a", "1"), package("b", "1")]).await;
    let change = agent.change(APPLICATION, vec![package("a", "2"), package("b", "1")]);
    let told = agent.told(vec![change], clock.now());
    for _ in 0..2 {
        assert_eq!(keep::told(&house, &host.0, told.clone()).await.unwrap(), Kept::Confirmed);
    }
    assert_eq!(names(&house, &host, APPLICATION, None).await.unwrap(), ["a 2", "b 1"]);
    assert_eq!(sweep::past_states(&house, &host.0).await.unwrap()[APPLICATION], 1);
    // Nothing changed, and the same is held.
    let same = agent.told(Vec::new(), clock.now());
    assert_eq!(keep::told(&house, &host.0, same.clone()).await.unwrap(), Kept::Confirmed);
    for told in [
        Told { holds: vec![0; 16], ..same.clone() },
        agent.told(
            vec![ToldType { base: vec![1; 16], ..agent.clone().change(APPLICATION, vec![]) }],
            clock.now(),
        ),
        agent.told(
            vec![ToldType { digest: vec![1; 16], ..agent.clone().change(NETWORK, vec![interface("1")]) }],
            clock.now(),
        ),
        agent.told(
            vec![ToldType { base: vec![1; 16], ..agent.clone().change(NETWORK, vec![interface("1")]) }],
            clock.now(),
        ),
    ] {
        assert_eq!(keep::told(&house, &host.0, told.clone()).await.unwrap(), Kept::SendWhole, "{told:?}");
    }
    assert_eq!(names(&house, &host, APPLICATION, None).await.unwrap(), ["a 2", "b 1"]);
    // All that there is: what was told before and is not in it is gone, and was there.
    clock.advance(Duration::from_secs(1));
    let before = clock.now();
    clock.advance(Duration::from_secs(1));
    let mut fresh = Agent::default();
    let change = fresh.change(NETWORK, vec![interface("192.0.2.1")]);
    let whole = Told { extent: Extent::All, ..fresh.told(vec![change], clock.now()) };
    assert_eq!(keep::told(&house, &host.0, whole).await.unwrap(), Kept::Confirmed);
    assert_eq!(names(&house, &host, APPLICATION, None).await, None);
    assert_eq!(names(&house, &host, APPLICATION, Some(before)).await.unwrap(), ["a 2", "b 1"]);
    assert_eq!(names(&house, &host, NETWORK, None).await.unwrap(), ["eth0 192.0.2.1"]);
}

#[tokio::test]
async fn what_is_out_of_bounds_is_refused_and_changes_nothing() {
    let TestHouse { house, clock, _folder } = test_house();
    let host = join(&house, 1, &[]).await;
    let custom = |name: &str, items: Vec<Attributes>| {
        let mut agent = Agent::default();
        let change = agent.change(name, items);
        agent.told(vec![change], clock.now())
    };
    let long = Attributes::from([("a".to_owned(), "x".repeat(4_097))]);
    for (told, words) in [
        (custom("AWS:Nothing", vec![]), "not an inventory type"),
        (custom("Custom:", vec![]), "not an inventory type"),
        (custom("Custom:Rack", vec![long]), "4096 at most"),
        (custom("Custom:Rack", vec![Attributes::new()]), "0 attributes"),
    ] {
        let error = keep::told(&house, &host.0, told).await.unwrap_err();
        assert!(error.message.contains(words), "{error}");
    }
    let gone = id(9);
    let told = custom(NETWORK, vec![interface("1")]);
    assert_eq!(keep::told(&house, &gone, told).await.unwrap_err().kind, Kind::Unavailable);
}

#[tokio::test]
async fn what_is_put_is_not_what_the_node_tells() {
    let TestHouse { house, clock, _folder } = test_house();
    let host = join(&house, 1, &[]).await;
    let mut agent = Agent::default();
    tell(&house, &host.0, &mut agent, NETWORK, vec![interface("1")]).await;
    let rack = |row: &str| ToldType {
        added: vec![Attributes::from([
            ("Name".to_owned(), "rack".to_owned()),
            ("Version".to_owned(), row.to_owned()),
        ])],
        ..Agent::default().change("Custom:Rack", vec![])
    };
    keep::put(&house, &host.0, vec![(rack("4"), clock.now())]).await.unwrap();
    keep::put(&house, &host.0, vec![(rack("5"), clock.now())]).await.unwrap();
    keep::put(&house, &host.0, vec![(rack("5"), clock.now())]).await.unwrap();
    assert_eq!(names(&house, &host, "Custom:Rack", None).await.unwrap(), ["rack 5"]);
    assert_eq!(sweep::past_states(&house, &host.0).await.unwrap()["Custom:Rack"], 1);
    // The node goes on as if it were not there.
    let same = agent.told(Vec::new(), clock.now());
    assert_eq!(keep::told(&house, &host.0, same).await.unwrap(), Kept::Confirmed);
    let mine = ToldType { added: vec![interface("2")], ..Agent::default().change(NETWORK, vec![]) };
    let error = keep::put(&house, &host.0, vec![(mine, clock.now())]).await.unwrap_err();
    assert_eq!(error.kind, Kind::Conflict);
    let dropped = keep::drop_types(&house, &host.0, |name, _| name == "Custom:Rack").await.unwrap();
    assert_eq!((dropped, names(&house, &host, "Custom:Rack", None).await), (1, None));
}

#[tokio::test]
async fn a_custom_type_is_deleted_on_all_nodes() {
    let TestHouse { house, clock, _folder } = test_house();
    let rack = |row: &str| ToldType {
        added: vec![Attributes::from([("Name".to_owned(), row.to_owned())])],
        ..Agent::default().change("Custom:Rack", vec![])
    };
    for number in 1..=3 {
        let host = join(&house, number, &[]).await;
        keep::put(&house, &host.0, vec![(rack(&number.to_string()), clock.now())]).await.unwrap();
    }
    assert_eq!(deletions::preview(&house, "Custom:Rack").await.unwrap()["1.0"], 3);
    let token = Some("67e55044-10b1-426f-9247-bb680e5fe0c8".to_owned());
    let (id, record) = deletions::delete(&house, "Custom:Rack", token.clone()).await.unwrap();
    assert_eq!((record.finished, record.versions["1.0"]), (true, 3));
    assert_eq!(deletions::delete(&house, "Custom:Rack", token).await.unwrap().0, id);
    assert!(deletions::preview(&house, "Custom:Rack").await.unwrap().is_empty());
    let (listed, next) = deletions::list(&house, None, 10).await.unwrap();
    assert_eq!((listed.len(), next, listed[0].0.1.as_str()), (1, None, id.as_str()));
    assert_eq!(deletions::delete(&house, "Custom:Rack", None).await.unwrap_err().kind, Kind::NotFound);
    assert_eq!(deletions::delete(&house, APPLICATION, None).await.unwrap_err().kind, Kind::Invalid);
}

#[tokio::test]
async fn a_long_type_is_a_blob_and_comes_back() {
    let TestHouse { house, _folder, .. } = test_house();
    let host = join(&house, 1, &[]).await;
    let mut agent = Agent::default();
    let noise = |seed: u64| -> Vec<Attributes> {
        let line = |number: u64| {
            let text: String = (0..40_u64)
                .map(|at| format!("{:016x}", (seed + number * 41 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
                .collect();
            Attributes::from([("Name".to_owned(), format!("{number:04}")), ("Version".to_owned(), text)])
        };
        (0..200).map(line).collect()
    };
    tell(&house, &host.0, &mut agent, "Custom:Noise", noise(1)).await;
    assert_eq!(house.blobs.list(None).await.unwrap().len(), 1);
    let view = read::read(&house, (&host.0, &host.1), "Custom:Noise", None).await.unwrap().unwrap();
    assert_eq!(view.items, noise(1));
    tell(&house, &host.0, &mut agent, "Custom:Noise", vec![interface("1")]).await;
    let mut sweep = Sweep::default();
    for _ in 0..3 {
        sweep.run_once(&house).await.unwrap();
    }
    assert_eq!(house.blobs.list(None).await.unwrap().len(), 1, "the history names it");
    sweep::forget(&house, &host.0).await.unwrap();
    for _ in 0..3 {
        sweep.run_once(&house).await.unwrap();
    }
    assert!(house.blobs.list(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn items_go_when_nothing_names_them_and_history_when_it_is_old() {
    let TestHouse { house, clock, _folder } = test_house();
    let host = join(&house, 1, &[]).await;
    let mut agent = Agent::default();
    for version in ["1", "2"] {
        tell(&house, &host.0, &mut agent, APPLICATION, vec![package("a", version)]).await;
        clock.advance(Duration::from_secs(1));
    }
    let items = async || INVENTORY_ITEM.scan(&*house.store, &(), None, 100).await.unwrap().rows.len();
    let mut sweep = Sweep::default();
    for _ in 0..3 {
        sweep.run_once(&house).await.unwrap();
    }
    assert_eq!(items().await, 2, "the history names the older one");
    clock.advance(house.limits.keep_inventory + Duration::from_secs(10));
    for expected in [2, 1] {
        sweep.run_once(&house).await.unwrap();
        assert_eq!(items().await, expected);
    }
    assert!(sweep::past_states(&house, &host.0).await.unwrap().is_empty());
    // It comes back under another number.
    tell(&house, &host.0, &mut agent, APPLICATION, vec![package("a", "1")]).await;
    assert_eq!(names(&house, &host, APPLICATION, None).await.unwrap(), ["a 1"]);
    sweep::forget(&house, &host.0).await.unwrap();
    assert!(INVENTORY_CONTENT.scan(&*house.store, &(), None, 10).await.unwrap().rows.is_empty());
}

#[tokio::test]
async fn history_is_bounded_by_number() {
    let TestHouse { house, clock, _folder } = test_house();
    let host = join(&house, 1, &[]).await;
    let mut agent = Agent::default();
    for version in 0..sweep::PAST_MAX + 20 {
        tell(&house, &host.0, &mut agent, NETWORK, vec![interface(&version.to_string())]).await;
        clock.advance(Duration::from_secs(1));
    }
    Sweep::default().run_once(&house).await.unwrap();
    assert_eq!(sweep::past_states(&house, &host.0).await.unwrap()[NETWORK], sweep::PAST_MAX);
    let late = Timestamp::from_millis(clock.now().millis() - 5_000);
    assert_eq!(
        names(&house, &host, NETWORK, Some(late)).await.unwrap(),
        [format!("eth0 {}", sweep::PAST_MAX + 15)]
    );
}

async fn fleet() -> (Arc<House>, fleetwright_proto::clock::ManualClock, tempfile::TempDir) {
    let TestHouse { house, clock, _folder } = test_house();
    let house = Arc::new(house);
    for (number, role, version) in
        [(1, "web", "3.0.14-1"), (2, "web", "3.0.15-1"), (3, "db", "3.0.14-1"), (4, "db", "1.1.1-1")]
    {
        let host = join(&house, number, &[("role", role)]).await;
        let mut agent = Agent::default();
        tell(
            &house,
            &host.0,
            &mut agent,
            APPLICATION,
            vec![package("openssl", version), package("bash", "5.2-1")],
        )
        .await;
        tell(&house, &host.0, &mut agent, NETWORK, vec![interface(&format!("192.0.2.{number}"))]).await;
    }
    tokio::spawn(catalogue::follow(Arc::clone(&house)));
    (house, clock, _folder)
}

async fn found(house: &House, text: &str, scope: &Scope) -> Vec<String> {
    let query = query::parse(text).unwrap();
    query::run(house, &query, scope).await.unwrap().into_iter().map(|found| found.name).collect()
}

#[tokio::test]
async fn a_query_finds_who_has_something() {
    let (house, clock, _folder) = fleet().await;
    let all = Scope::default();
    let old = r#"AWS:Application where Name = "openssl" and Version < "3.0.15""#;
    for (text, expected) in [
        (old, &["host-1", "host-3", "host-4"][..]),
        ("AWS:Application where Name = bash", &["host-1", "host-2", "host-3", "host-4"]),
        ("AWS:Application where Name = zsh", &[]),
        ("AWS:Network where IPV4 = 192.0.2.3", &["host-3"]),
        ("AWS:Tag where Key = role and Value = web", &["host-1", "host-2"]),
        ("AWS:Service", &[]),
    ] {
        assert_eq!(found(&house, text, &all).await, expected, "{text}");
    }
    let web =
        Scope { targets: vec![Selector::Tag { key: "role".into(), values: vec!["web".into()] }], at: None };
    assert_eq!(found(&house, old, &web).await, ["host-1"]);
    let by_query = Selector::parse("inventory", vec![old.to_owned()]).unwrap();
    let mut old_ones = matching(&house, &[by_query, web.targets[0].clone()]).await.unwrap();
    assert_eq!((old_ones.len(), old_ones.remove(0).0), (1, id(1)));
    let query = query::parse(old).unwrap();
    let missing = query::missing(&house, &query, &all).await.unwrap();
    assert_eq!(missing.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["host-2"]);
    let before = clock.now();
    clock.advance(Duration::from_secs(60));
    let mut agent = Agent::default();
    agent.held.insert(APPLICATION.into(), vec![package("openssl", "3.0.14-1"), package("bash", "5.2-1")]);
    agent.held.insert(NETWORK.into(), vec![interface("192.0.2.1")]);
    tell(
        &house,
        &id(1),
        &mut agent,
        APPLICATION,
        vec![package("openssl", "3.0.15-1"), package("bash", "5.2-1")],
    )
    .await;
    assert_eq!(found(&house, old, &all).await, ["host-3", "host-4"]);
    let then = Scope { at: Some(before), ..Scope::default() };
    assert_eq!(found(&house, old, &then).await, ["host-1", "host-3", "host-4"]);
}

#[tokio::test]
async fn nodes_are_counted_by_what_they_have() {
    let (house, _, _folder) = fleet().await;
    let query = query::parse("AWS:Application where Name = openssl").unwrap();
    let count = async |by: By| -> Vec<String> {
        let counted = query::count(&house, &query, &Scope::default(), &by).await.unwrap();
        counted.into_iter().map(|count| format!("{} {}", count.value, count.nodes)).collect()
    };
    assert_eq!(count(By::Attribute("Version".into())).await, ["3.0.14-1 2", "1.1.1-1 1", "3.0.15-1 1"]);
    assert_eq!(count(By::Platform).await, ["Linux 4"]);
    assert_eq!(count(By::Tag("role".into())).await, ["db 2", "web 2"]);
    let error =
        query::count(&house, &query, &Scope::default(), &By::Groups(vec!["none".into()])).await.unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
}

/// Every list is another one, which is the worst case; how long it takes is printed.
#[tokio::test]
async fn ten_thousand_nodes_are_asked_at_once() {
    const NODES: u32 = 10_000;
    let TestHouse { house, _folder, .. } = test_house();
    let house = Arc::new(house);
    let mut batch = Batch::new();
    for number in 0..700_u32 {
        let name = format!("package-{}", number % 600);
        let version = if number < 600 { "1.0-1" } else { "2.0-1" };
        let record = ItemRecord { attributes: package(&name, version) };
        INVENTORY_ITEM.put(&mut batch, &(APPLICATION.to_owned(), number), &record).unwrap();
    }
    house.store.commit(std::mem::take(&mut batch)).await.unwrap();
    let record = node("host", "Linux", &[]);
    for number in 0..NODES {
        // One of the first hundred packages is upgraded on every tenth node, and none has the same list.
        let mut ids: Vec<u32> =
            (0..600).filter(|id| number % 597 != *id && (number / 597) % 19 + 1 != *id).collect();
        if number % 10 == 0 {
            ids.push(600 + number % 100);
        }
        NODE.put(&mut batch, &id(number), &record).unwrap();
        INVENTORY_CONTENT
            .put(&mut batch, &(APPLICATION.to_owned(), id(number)), &Content::Shared(ids))
            .unwrap();
        if batch.size_bytes() > 128 * 1024 {
            house.store.commit(std::mem::take(&mut batch)).await.unwrap();
        }
    }
    house.store.commit(batch).await.unwrap();
    tokio::spawn(catalogue::follow(Arc::clone(&house)));
    let upgraded = query::parse("AWS:Application where Name begins package- and Version >= 2").unwrap();
    for time in ["first", "second"] {
        let started = std::time::Instant::now();
        let found = query::run(&house, &upgraded, &Scope::default()).await.unwrap();
        println!("{time} query of {NODES} nodes: {} ms", started.elapsed().as_millis());
        assert_eq!(found.len(), NODES as usize / 10);
        assert!(found.iter().all(|found| found.items.len() == 1));
    }
    let counted =
        query::count(&house, &upgraded, &Scope::default(), &By::Attribute("Name".into())).await.unwrap();
    assert_eq!((counted.len(), counted[0].nodes), (10, 100));
}
