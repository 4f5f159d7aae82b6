//! Inventory on the wire: what is said once, what is said again, and what a step collects.

use std::time::Duration;

use fleetwright_agent::inventory::InventorySettings;
use fleetwright_proto::agent::inventory_ack::Outcome;
use fleetwright_proto::agent::{Inventory, InvocationStatus};
use fleetwright_proto::ids::CommandId;
use serde_json::json;

use crate::controller::{Controller, Seen};
use crate::host::{Host, run, run_document};

/// Collects as often as the test can look.
const OFTEN: InventorySettings =
    InventorySettings { every: Duration::from_millis(50), spread: Duration::from_millis(1) };
/// Does not collect by itself while a test runs.
const NEVER: InventorySettings =
    InventorySettings { every: Duration::from_secs(86_400), spread: Duration::from_secs(86_400) };

fn host(controller: &Controller, collecting: InventorySettings) -> Host {
    let mut host = Host::of(controller);
    host.collecting = collecting;
    host.platform.install_packages(600);
    host
}

/// Who has told this type in a message, in order.
fn telling<'a>(seen: &'a Seen, type_name: &str) -> Vec<&'a Inventory> {
    let tells = |inventory: &&Inventory| inventory.types.iter().any(|told| told.type_name == type_name);
    seen.inventories.iter().filter(tells).collect()
}

#[tokio::test]
async fn who_the_host_is_comes_with_the_first_connection_and_no_more_when_it_is_confirmed() {
    let controller = Controller::start().await;
    let host = host(&controller, NEVER);
    let _agent = host.start_agent();
    let first = controller.until("an inventory", |seen| seen.inventories.first().cloned()).await;
    let item = &first.types[0].added[0];
    assert_eq!(first.types[0].type_name, "AWS:InstanceInformation");
    assert_eq!(item.attributes["ComputerName"], "host-00001");
    assert_eq!(item.attributes["InstanceId"].len(), 20);
    // What is delivered after the confirmation shows that it has come.
    let command = CommandId::random();
    controller.deliver(run(&command, &[&["echo hello"]]));
    controller.final_report(command.as_str()).await;
    controller.network.cut();
    let second = controller.until("a second one", |seen| seen.inventories.get(1).cloned()).await;
    assert!(second.types.is_empty(), "{second:#?}");
    assert_eq!(second.holds, first.holds);
    assert_eq!(controller.seen(|seen| seen.hellos[1].boot_id.clone()), "host-00001-boot-0");
}

#[tokio::test]
async fn an_upgrade_is_told_alone() {
    let controller = Controller::start().await;
    let host = host(&controller, OFTEN);
    let _agent = host.start_agent();
    controller.until("the packages", |seen| telling(seen, "AWS:Application").first().map(|_| ())).await;
    controller
        .until("a collection without news", |seen| {
            seen.inventories.iter().any(|told| told.types.is_empty()).then_some(())
        })
        .await;
    host.platform.upgrade_package(7);
    let told = controller
        .until("the upgrade", |seen| telling(seen, "AWS:Application").get(1).map(|told| (*told).clone()))
        .await;
    assert_eq!((told.types[0].added.len(), told.types[0].removed.len()), (1, 1));
    assert_eq!(told.types[0].added[0].attributes["Name"], "package-0007");
}

#[tokio::test]
async fn all_is_told_when_the_controller_asks_for_it() {
    let controller = Controller::start().await;
    controller.answer_inventory(Outcome::SendWhole);
    let host = host(&controller, InventorySettings { spread: Duration::from_millis(1), ..NEVER });
    let _agent = host.start_agent();
    let whole = controller
        .until("everything", |seen| seen.inventories.iter().find(|told| told.whole && !told.more).cloned())
        .await;
    let names: Vec<_> = whole.types.iter().map(|told| told.type_name.as_str()).collect();
    assert!(
        names.contains(&"AWS:Service") && whole.types.iter().all(|told| told.base.is_empty()),
        "{names:?}"
    );
}

#[tokio::test]
async fn a_step_collects_what_it_enables_and_is_done_when_the_controller_has_it() {
    let controller = Controller::start().await;
    let host = host(&controller, NEVER);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.conf"), "x").unwrap();
    let _agent = host.start_agent();
    let run = async |inputs: serde_json::Value| {
        let command = CommandId::random();
        let document = json!({
            "schemaVersion": "2.0",
            "description": "a test",
            "mainSteps": [{ "action": "aws:softwareInventory", "name": "collect", "inputs": inputs }],
        });
        controller.deliver(run_document(&command, &document));
        controller.final_report(command.as_str()).await
    };
    let files = json!([{ "Path": folder.path(), "Pattern": ["*.conf"], "Recursive": false }]).to_string();
    let report = run(json!({ "applications": "Enabled", "windowsUpdates": "Enabled", "files": files })).await;
    assert_eq!(report.status(), InvocationStatus::Success, "{report:#?}");
    let said = String::from_utf8_lossy(&report.output[0].data).into_owned();
    for line in
        ["AWS:Application: 600 items", "AWS:File: 1 items", "AWS:WindowsUpdate: collecting Windows updates"]
    {
        assert!(said.contains(line), "`{line}` is not in: {said}");
    }
    assert_eq!(controller.seen(|seen| telling(seen, "AWS:File").len()), 1);
    let files = json!([{ "Path": folder.path(), "Pattern": ["*"], "Recursive": true, "DirScanLimit": 1 }]);
    std::fs::create_dir(folder.path().join("inner")).unwrap();
    let report = run(json!({ "services": "Enabled", "files": files.to_string() })).await;
    assert_eq!(report.status(), InvocationStatus::Failed, "{report:#?}");
    assert!(report.reason_detail.contains("AWS:File"), "{report:#?}");
    assert_eq!(controller.seen(|seen| telling(seen, "AWS:Service").len()), 1);
}
