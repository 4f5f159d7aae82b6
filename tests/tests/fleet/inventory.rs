//! Inventory from agents to queries: changes, lost connections, a controller that lost what it had.

use std::time::Duration;

use fleetwright_agent::inventory::InventorySettings;
use fleetwright_controller::inventory::query::{self, Scope};
use fleetwright_controller::inventory::read;
use fleetwright_controller::nodes::operations::resolve;
use fleetwright_controller::tables::{INVENTORY_CONTENT, INVENTORY_NODE};
use fleetwright_store::Batch;
use fleetwright_tests::{Fleet, FleetSettings, Run};

const APPLICATION: &str = "AWS:Application";

/// Hosts that collect whenever the clock is pushed, each with these packages.
async fn fleet(nodes: u32, packages: u32) -> Fleet {
    let collecting =
        InventorySettings { every: Duration::from_millis(200), spread: Duration::from_millis(1) };
    let fleet = FleetSettings { collecting, ..FleetSettings::of(nodes) }.start().await;
    for host in fleet.hosts() {
        host.platform().install_packages(packages);
    }
    fleet
}

async fn packages(fleet: &Fleet, host: usize) -> Option<Vec<String>> {
    let (node, record) = resolve(fleet.house(), fleet.host(host).node().as_str()).await.unwrap();
    let view = read::read(fleet.house(), (&node, &record), APPLICATION, None).await.unwrap()?;
    Some(view.items.iter().map(|item| format!("{} {}", item["Name"], item["Version"])).collect())
}

async fn until_packages(
    fleet: &Fleet,
    host: usize,
    what: &str,
    wanted: impl Fn(&[String]) -> bool,
) -> Vec<String> {
    fleet.until(what, async || packages(fleet, host).await.filter(|found| wanted(found))).await
}

#[tokio::test]
async fn an_upgrade_on_one_host_is_found_by_a_query() {
    let fleet = fleet(3, 600).await;
    for host in 0..3 {
        until_packages(&fleet, host, "600 packages", |found| found.len() == 600).await;
    }
    let upgraded = query::parse("AWS:Application where Name = package-0007 and Version >= 1.7.1").unwrap();
    let find = async || {
        let found = query::run(fleet.house(), &upgraded, &Scope::default()).await.unwrap();
        found.into_iter().map(|found| found.name).collect::<Vec<_>>()
    };
    assert!(find().await.is_empty());
    fleet.host(1).platform().upgrade_package(7);
    let found =
        fleet.until("the upgrade", async || Some(find().await).filter(|found| !found.is_empty())).await;
    assert_eq!(found, [fleet.host(1).name()]);
    fleet.check().await;
}

#[tokio::test]
async fn what_the_controller_lost_is_told_again() {
    let fleet = fleet(1, 20).await;
    until_packages(&fleet, 0, "the packages", |found| found.len() == 20).await;
    // As after a restore of an older store: what the node holds is another than what is here.
    let node = fleet.host(0).node().clone();
    let row = INVENTORY_NODE.get(&*fleet.house().store, &node).await.unwrap().unwrap();
    let mut batch = Batch::new();
    for type_name in row.value.types.keys() {
        INVENTORY_CONTENT.delete(&mut batch, &(type_name.clone(), node.clone()));
    }
    INVENTORY_NODE.delete(&mut batch, &node);
    fleet.house().store.commit(batch).await.unwrap();
    until_packages(&fleet, 0, "the packages again", |found| found.len() == 20).await;
    // As with a controller that kept the digests and lost the lists.
    let mut batch = Batch::new();
    INVENTORY_CONTENT.delete(&mut batch, &(APPLICATION.to_owned(), node.clone()));
    fleet.house().store.commit(batch).await.unwrap();
    fleet.host(0).platform().upgrade_package(3);
    until_packages(&fleet, 0, "the packages with the upgrade", |found| {
        found.len() == 20 && found.iter().any(|package| package == "package-0003 4.3.1-1")
    })
    .await;
    fleet.check().await;
}

#[tokio::test]
async fn an_agent_that_lost_its_memory_is_no_harm() {
    let fleet = fleet(1, 20).await;
    until_packages(&fleet, 0, "the packages", |found| found.len() == 20).await;
    fleet.host(0).platform().upgrade_package(5);
    fleet.host(0).restart_agent();
    until_packages(&fleet, 0, "the upgrade", |found| {
        found.iter().any(|package| package.contains("package-0005 6.5.1"))
    })
    .await;
    fleet.check().await;
}

#[tokio::test]
async fn the_document_that_people_know_collects_at_once() {
    let never = Duration::from_secs(10 * 24 * 3600);
    let collecting = InventorySettings { every: never, spread: never };
    let fleet = FleetSettings { collecting, ..FleetSettings::of(1) }.start().await;
    fleet.host(0).platform().install_packages(5);
    let command = fleet.run(Run::named("AWS-GatherSoftwareInventory", "")).await;
    assert_eq!(fleet.wait_final(&command).await, "Success: 1 Success (AllStepsDone)");
    assert_eq!(packages(&fleet, 0).await.unwrap().len(), 5);
    let said = fleet.output(&command, fleet.host(0)).await;
    assert!(said.contains("AWS:Application: 5 items"), "{said}");
    fleet.check().await;
}

#[tokio::test]
async fn a_node_that_leaves_takes_its_inventory_along() {
    let fleet = fleet(2, 10).await;
    for host in 0..2 {
        until_packages(&fleet, host, "the packages", |found| found.len() == 10).await;
    }
    let gone = fleet.host(0).node().clone();
    fleet.host(0).kill_agent();
    fleetwright_controller::nodes::departures::deregister(fleet.house(), gone.as_str()).await.unwrap();
    assert!(INVENTORY_NODE.get(&*fleet.house().store, &gone).await.unwrap().is_none());
    let bash = query::parse("AWS:Application where Name = package-0001").unwrap();
    let found = query::run(fleet.house(), &bash, &Scope::default()).await.unwrap();
    assert_eq!(found.iter().map(|found| &found.node).collect::<Vec<_>>(), [fleet.host(1).node()]);
}
