//! Cancelling, wherever the command is at that moment.

use std::time::Duration;

use fleetwright_controller::commands::state::State;
use fleetwright_tests::{Fleet, FleetSettings, Run};

const ON_NODE: &str = "Cancelled: 1 Cancelled (CancelledOnNode)";

#[tokio::test]
async fn what_was_not_sent_ends_at_once_and_what_runs_is_ended_by_its_node() {
    let fleet = Fleet::start(3).await;
    let command = fleet.run(Run::script("hang").max_concurrency("1")).await;
    fleet.until("one runs", async || (fleet.runs(&command) == 1).then_some(())).await;
    fleet.cancel(&command).await;
    assert_eq!(
        fleet.wait_final(&command).await,
        "Cancelled: 2 Cancelled (CancelledBeforeDelivery), 1 Cancelled (CancelledOnNode)"
    );
    assert!(fleet.hosts().iter().all(|host| host.platform().processes() == 0));
    fleet.check().await;
    assert_eq!(fleet.runs(&command), 1);
}

#[tokio::test]
async fn what_waits_in_the_mailbox_of_a_node_that_is_away_ends_at_once() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    host.cut_link();
    fleet.until_away(host).await;
    let command = fleet.run("echo hello").await;
    fleet.cancel(&command).await;
    assert_eq!(fleet.invocation(&command, host).await.state, State::Cancelled);
    let ended = "Cancelled: 1 Cancelled (CancelledBeforeDelivery)";
    assert_eq!(fleet.wait_final(&command).await, ended);
    host.heal_link();
    fleet.until_connected().await;
    fleet.check().await;
    assert_eq!(fleet.runs(&command), 0);
}

#[tokio::test]
async fn what_may_have_been_delivered_is_cancelling_until_its_node_says_so() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    host.mute_link();
    let command = fleet.run("echo hello").await;
    fleet.cancel(&command).await;
    assert_eq!(fleet.invocation(&command, host).await.state, State::Cancelling);
    host.heal_link();
    fleet.until_connected().await;
    let ended = fleet.wait_final(&command).await;
    assert_eq!(ended, ON_NODE);
    fleet.check().await;
    assert_eq!(fleet.runs(&command), 0, "cancelled before it was delivered");
}

#[tokio::test]
async fn a_script_that_does_not_want_to_end_is_killed() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    let command = fleet.run("ignore-terminate\necho begun\nhang").await;
    let begun = async || (fleet.output(&command, host).await == "begun\n").then_some(());
    fleet.until("the first line", begun).await;
    fleet.cancel(&command).await;
    fleet
        .until("its end", async || {
            fleet.advance(Duration::from_secs(1));
            (host.platform().processes() == 0).then_some(())
        })
        .await;
    assert_eq!(fleet.wait_final(&command).await, ON_NODE);
    fleet.check().await;
}

#[tokio::test]
async fn what_waits_for_a_worker_ends_without_one() {
    let settings = FleetSettings { workers: 1, ..FleetSettings::of(1) };
    let fleet = settings.start().await;
    let host = fleet.host(0);
    let busy = fleet.run("sleep 60").await;
    fleet.until_run(&busy, host).await;
    let waits = fleet.run("echo hello").await;
    fleet.until_state(&waits, host, State::InProgress).await;
    fleet.cancel(&waits).await;
    assert_eq!(fleet.wait_final(&waits).await, ON_NODE);
    assert_eq!((host.platform().processes(), fleet.runs(&waits)), (1, 0));
    fleet.advance(Duration::from_secs(60));
    assert_eq!(fleet.wait_final(&busy).await, "Success: 1 Success (AllStepsDone)");
    fleet.check().await;
}

#[tokio::test]
async fn a_node_that_went_away_answers_when_it_is_back() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    let command = fleet.run("hang").await;
    fleet.until_run(&command, host).await;
    fleet.until_state(&command, host, State::InProgress).await;
    host.cut_link();
    fleet.until_away(host).await;
    fleet.cancel(&command).await;
    assert_eq!(fleet.invocation(&command, host).await.state, State::Cancelling);
    host.heal_link();
    fleet.until_connected().await;
    assert_eq!(fleet.wait_final(&command).await, ON_NODE);
    fleet.check().await;
}

#[tokio::test]
async fn a_node_that_went_away_for_good_is_given_up_at_the_deadline() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    let command = fleet.run(Run::script("hang").delivery_timeout(Duration::from_secs(60))).await;
    fleet.until_run(&command, host).await;
    fleet.until_state(&command, host, State::InProgress).await;
    host.cut_link();
    fleet.until_away(host).await;
    fleet.cancel(&command).await;
    fleet.advance(Duration::from_secs(60 + 3600 + 60));
    assert_eq!(fleet.wait_final(&command).await, "Delivery Timed Out: 1 Delivery Timed Out (NoAnswer)");
    host.kill_agent();
    fleet.check().await;
}

#[tokio::test]
async fn cancelling_what_has_ended_changes_nothing() {
    let fleet = Fleet::start(1).await;
    let command = fleet.run("echo hello").await;
    let ended = fleet.wait_final(&command).await;
    fleet.cancel(&command).await;
    assert_eq!(fleet.summary(&command).await, ended);
    fleet.check().await;
}
