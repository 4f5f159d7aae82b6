//! The disk of the controller: new work is refused before it is full, and nothing that was acknowledged is lost.

use std::time::Duration;

use fleetwright_controller::commands::state::State;
use fleetwright_controller::error::Kind;
use fleetwright_controller::health;
use fleetwright_controller::meters::NewWork;
use fleetwright_controller::nodes::activations::{self, Expiry, NewActivation};
use fleetwright_controller::nodes::records::Tags;
use fleetwright_tests::{Disk, Fleet};

const SUCCESS: &str = "Success: 1 Success (AllStepsDone)";

/// The parts that are not well.
fn failing(fleet: &Fleet) -> Vec<&'static str> {
    health::ready(fleet.house()).into_iter().filter(|part| !part.ok).map(|part| part.name).collect()
}

#[tokio::test]
async fn below_the_reserve_what_was_taken_on_is_finished_and_nothing_new_is_taken() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    let (ends, cancelled) = (fleet.run("sleep 10\necho done").await, fleet.run("hang").await);
    fleet.until_run(&ends, host).await;
    fleet.until_run(&cancelled, host).await;
    assert_eq!(failing(&fleet), [""; 0]);

    fleet.fill_controller_disk(Disk::Low);
    assert_eq!(failing(&fleet), ["disk"]);
    let refusal = fleet.send("echo never").await.unwrap_err();
    assert_eq!(refusal.kind, Kind::Exhausted);
    assert_eq!(
        refusal.message,
        "the controller's disk is full: 100 MiB are free and new work needs 256 MiB; free some on the disk of its \
         data folder, or lower disk.reserve"
    );
    let wish = NewActivation {
        description: String::new(),
        registration_limit: 1,
        expiry: Expiry::Never,
        default_name: None,
        tags: Tags::new(),
        iam_role: None,
    };
    assert_eq!(activations::create(fleet.house(), wish).await.unwrap_err().kind, Kind::Exhausted);
    let refused = &fleet.house().meters.refused_work;
    assert_eq!((refused.get(NewWork::Command), refused.get(NewWork::Activation)), (1, 1));

    fleet.cancel(&cancelled).await;
    fleet.until_state(&cancelled, host, State::Cancelled).await;
    fleet.advance(Duration::from_secs(10));
    assert_eq!(fleet.wait_final(&ends).await, SUCCESS);
    assert_eq!(fleet.output(&ends, host).await, "done\n");

    fleet.fill_controller_disk(Disk::Roomy);
    assert_eq!(failing(&fleet), [""; 0]);
    let command = fleet.run("echo again").await;
    assert_eq!(fleet.wait_final(&command).await, SUCCESS);
    fleet.check().await;
}

#[tokio::test]
async fn a_result_waits_on_its_node_until_the_full_disk_has_room() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    let command = fleet.run("sleep 10\necho done").await;
    fleet.until_state(&command, host, State::InProgress).await;
    fleet.until_run(&command, host).await;

    fleet.fill_controller_disk(Disk::Full);
    assert_eq!(failing(&fleet)[..2], ["store", "disk"]);
    assert_eq!(fleet.send("echo never").await.unwrap_err().kind, Kind::Exhausted);
    fleet.advance(Duration::from_secs(10));
    let ended = async || (host.platform().processes() == 0).then_some(());
    fleet.until("the script's end", ended).await;
    fleet.until_away(host).await;
    // Everything can still be read, and nothing of the result was kept.
    assert_eq!(fleet.invocation(&command, host).await.state, State::InProgress);
    assert_ne!(host.open_commands(), Some(0));

    fleet.fill_controller_disk(Disk::Roomy);
    assert_eq!(fleet.wait_final_reconnecting(&command).await, SUCCESS);
    assert_eq!(fleet.output(&command, host).await, "done\n");
    assert_eq!(fleet.runs(&command), 1);
    fleet.check().await;
}

#[tokio::test]
async fn a_refused_command_leaves_nothing_behind() {
    let fleet = Fleet::start(1).await;
    fleet.fill_controller_disk(Disk::Full);
    assert_eq!(fleet.send("echo never").await.unwrap_err().kind, Kind::Exhausted);
    assert!(fleet.commands().await.is_empty());
    fleet.fill_controller_disk(Disk::Roomy);
    fleet.until_connected().await;
    let command = fleet.run("echo hello").await;
    assert_eq!(fleet.wait_final(&command).await, SUCCESS);
    fleet.check().await;
}

#[tokio::test]
async fn on_a_slow_disk_with_links_that_are_cut_nothing_is_lost_or_doubled() {
    let fleet = Fleet::start(6).await;
    fleet.slow_controller_disk(Duration::from_millis(15));
    let first = fleet.run("echo one").await;
    fleet.hosts().iter().for_each(|host| host.wire().cut());
    let second = fleet.run("echo two\nexit 3").await;
    assert_eq!(fleet.wait_final_reconnecting(&first).await, "Success: 6 Success (AllStepsDone)");
    fleet.hosts().iter().for_each(|host| host.wire().cut());
    let ended = fleet.wait_final_reconnecting(&second).await;
    assert_eq!(ended, "Failed: 6 Failed (StepFailed)");
    assert_eq!((fleet.runs(&first), fleet.runs(&second)), (6, 6));
    fleet.check().await;
}
