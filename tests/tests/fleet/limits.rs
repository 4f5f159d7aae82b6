//! How many nodes run a command at once, and how many may fail.

use std::time::Duration;

use fleetwright_tests::{Fleet, Host, Run};

fn at_work(fleet: &Fleet) -> Vec<&Host> {
    fleet.hosts().iter().filter(|host| host.platform().processes() > 0).collect()
}

async fn until_at_work(fleet: &Fleet, nodes: usize) {
    let what = format!("{nodes} at work");
    fleet.until(&what, async || (at_work(fleet).len() == nodes).then_some(())).await;
}

#[tokio::test]
async fn beyond_the_error_limit_the_unsent_are_terminated_and_the_running_finish() {
    let fleet = Fleet::start(10).await;
    let command = fleet.run(Run::script("sleep 600").max_concurrency("4").max_errors("1")).await;
    until_at_work(&fleet, 4).await;
    let wave: Vec<_> = at_work(&fleet);
    // The first error is borne, and the next node has its turn.
    wave[0].restart_agent();
    fleet.until("the fifth begun", async || (fleet.runs(&command) == 5).then_some(())).await;
    wave[1].restart_agent();
    fleet
        .until("two failed", async || {
            fleet.help_to_connect();
            fleet.summary(&command).await.contains("5 Terminated (ErrorThreshold)").then_some(())
        })
        .await;
    assert_eq!(at_work(&fleet).len(), 3, "what runs goes on");
    fleet.advance(Duration::from_secs(600));
    assert_eq!(
        fleet.wait_final_reconnecting(&command).await,
        "Failed: 2 Failed (Interrupted), 3 Success (AllStepsDone), 5 Terminated (ErrorThreshold)"
    );
    assert_eq!((fleet.runs(&command), fleet.peak_at_work(&command)), (5, 4));
    fleet.check().await;
}

#[tokio::test]
async fn without_any_borne_error_the_first_stops_what_was_not_sent() {
    let fleet = Fleet::start(6).await;
    let command = fleet.run(Run::script("exit 1").max_concurrency("1")).await;
    assert_eq!(
        fleet.wait_final(&command).await,
        "Failed: 1 Failed (StepFailed), 5 Terminated (ErrorThreshold)"
    );
    assert_eq!(fleet.runs(&command), 1);
    fleet.check().await;
}

#[tokio::test]
async fn fewer_errors_than_the_limit_leave_a_command_incomplete() {
    let fleet = Fleet::start(3).await;
    let command = fleet.run(Run::script("sleep 600").max_errors("5")).await;
    until_at_work(&fleet, 3).await;
    fleet.host(1).restart_agent();
    fleet.until_connected().await;
    fleet.advance(Duration::from_secs(600));
    assert_eq!(
        fleet.wait_final_reconnecting(&command).await,
        "Incomplete: 1 Failed (Interrupted), 2 Success (AllStepsDone)"
    );
    fleet.check().await;
}

#[tokio::test]
async fn never_more_nodes_at_once_than_the_limit() {
    let fleet = Fleet::start(20).await;
    for (limit, nodes) in [("1", 1), ("3", 3), ("10%", 2), ("100%", 20)] {
        let command = fleet.run(Run::steps(&["echo one", "echo two"]).max_concurrency(limit)).await;
        assert_eq!(fleet.wait_final(&command).await, "Success: 20 Success (AllStepsDone)");
        assert_eq!(fleet.peak_at_work(&command), nodes, "{limit}");
    }
    fleet.check().await;
}

#[tokio::test]
async fn nodes_that_are_away_do_not_take_the_turn_of_those_that_are_there() {
    let fleet = Fleet::start(4).await;
    // Whoever has the lowest id would have the first turn.
    let away = fleet.hosts().iter().min_by_key(|host| host.node()).unwrap();
    away.cut_link();
    fleet.until_away(away).await;
    let mut sent = Vec::new();
    for round in 0..2 {
        let command = fleet.run(Run::script("echo hi").max_concurrency("1")).await;
        fleet.until("three ended", async || (fleet.runs(&command) == 3).then_some(())).await;
        sent.push((round, command));
    }
    away.heal_link();
    fleet.until_connected().await;
    for (round, command) in &sent {
        assert_eq!(fleet.wait_final(command).await, "Success: 4 Success (AllStepsDone)", "{round}");
    }
    fleet.check().await;
}
