//! A node leaves the fleet.

use std::time::Duration;

use fleetwright_agent::status::LinkStatus;
use fleetwright_controller::commands::state::State;
use fleetwright_tests::{Fleet, Run};

#[tokio::test]
async fn a_node_that_leaves_ends_its_work_and_is_not_let_in_again() {
    let fleet = Fleet::start(2).await;
    let leaves = fleet.host(1);
    let running = fleet.run("sleep 60").await;
    fleet.until_state(&running, leaves, State::InProgress).await;
    fleet.until_state(&running, fleet.host(0), State::InProgress).await;
    leaves.cut_link();
    fleet.until_away(leaves).await;
    let in_mailbox = fleet.run("echo hello").await;
    leaves.heal_link();
    leaves.mute_link();
    let waiting = fleet.run(Run::script("sleep 60").max_concurrency("1")).await;
    fleet.deregister(leaves).await;
    leaves.heal_link();
    fleet.until_away(leaves).await;

    fleet.until_run(&waiting, fleet.host(0)).await;
    fleet.advance(Duration::from_secs(60));
    for command in [&running, &in_mailbox, &waiting] {
        let ended = fleet.wait_final(command).await;
        assert_eq!(ended, "Incomplete: 1 Success (AllStepsDone), 1 Undeliverable (NodeDeregistered)");
    }
    let refused = async || {
        fleet.advance(Duration::from_secs(60));
        matches!(leaves.link(), Some(LinkStatus::Disconnected { error, .. }) if error.contains("enrol"))
            .then_some(())
    };
    fleet.until("its certificate is refused", refused).await;
    assert!(!fleet.house().lines.is_open(leaves.node()));
    fleet.check().await;
}

#[tokio::test]
async fn a_connected_node_that_leaves_is_told_so() {
    let mut fleet = Fleet::start(1).await;
    fleet.deregister(fleet.host(0)).await;
    let told = async || match fleet.host(0).link() {
        Some(LinkStatus::Disconnected { error, .. }) => error.contains("deregistered").then_some(()),
        _ => None,
    };
    fleet.until("the node knows", told).await;
    fleet.host(0).kill_agent();
    // The fleet goes on with whoever joins.
    let index = fleet.add_host().await;
    fleet.until_connected().await;
    let command = fleet.run("echo hello").await;
    assert_eq!(fleet.wait_final(&command).await, "Success: 1 Success (AllStepsDone)");
    assert_eq!(fleet.host(index).runs(&command), [(0, 1)]);
    fleet.check().await;
}
