//! The controller is killed between any two commits.

use std::time::Duration;

use fleetwright_controller::commands::state::State;
use fleetwright_proto::ids::CommandId;
use fleetwright_tests::{Death, Fleet, Run};

/// Lets the controller die at every commit of a life in turn, before it and after it, and starts it again each time.
/// `live` sends a command with the token and does things to it; `carry_on` is done when it is over or the controller
/// has died in it, and brings the command to its end.
async fn die_at_every_commit(
    fleet: &mut Fleet,
    live: impl AsyncFn(&Fleet, &str),
    carry_on: impl AsyncFn(&Fleet, &str) -> CommandId,
) {
    for death in [Death::BeforeCommit, Death::AfterCommit] {
        for commits in 0.. {
            let token = format!("{death:?} {commits}");
            fleet.kill_controller_after(commits, death);
            let lived = fleet.unless_killed(live(fleet, &token)).await.is_some();
            if !lived {
                fleet.restart_controller().await;
                fleet.until_connected().await;
            }
            let command = carry_on(fleet, &token).await;
            fleet.wait_final_reconnecting(&command).await;
            if lived {
                assert!(commits > 3, "only {commits} commits in the life of a command");
                break;
            }
        }
        fleet.check().await;
    }
}

/// Starts a dead controller, which dies again at every commit of its start in turn.
async fn restart_dying_at_every_commit(fleet: &mut Fleet, death: Death) {
    fleet.kill_controller();
    let mut commits = 0;
    while !fleet.start_controller_dying_after(commits, death).await {
        commits += 1;
    }
}

#[tokio::test]
async fn a_command_survives_a_death_at_any_of_its_commits() {
    let mut fleet = Fleet::start(2).await;
    // One node after the other, so that the second is dispatched by the controller itself.
    let wish = |token: &str| Run::steps(&["echo one", "echo two"]).max_concurrency("1").token(token);
    let live = async |fleet: &Fleet, token: &str| {
        let command = fleet.run(wish(token)).await;
        fleet.wait_final(&command).await;
    };
    let carry_on = async |fleet: &Fleet, token: &str| {
        let command = fleet.run(wish(token)).await;
        assert_eq!(
            fleet.wait_final_reconnecting(&command).await,
            "Success: 2 Success (AllStepsDone)",
            "{token}"
        );
        assert_eq!(fleet.runs(&command), 4, "{token}");
        assert_eq!(fleet.output(&command, fleet.host(0)).await, "one\ntwo\n", "{token}");
        command
    };
    die_at_every_commit(&mut fleet, live, carry_on).await;
}

#[tokio::test]
async fn a_cancel_survives_a_death_at_any_of_its_commits() {
    let mut fleet = Fleet::start(2).await;
    let wish = |token: &str| Run::script("hang").max_concurrency("1").token(token);
    let live = async |fleet: &Fleet, token: &str| {
        let command = fleet.run(wish(token)).await;
        let running = async || (fleet.runs(&command) == 1).then_some(());
        fleet.until("one script running", running).await;
        fleet.cancel(&command).await;
        fleet.wait_final(&command).await;
    };
    let carry_on = async |fleet: &Fleet, token: &str| {
        let command = fleet.run(wish(token)).await;
        // An operator whose wish was not answered repeats it.
        fleet.cancel(&command).await;
        let ended = fleet.wait_final_reconnecting(&command).await;
        assert!(ended.starts_with("Cancelled: "), "{token}: {ended}");
        let processes: usize = fleet.hosts().iter().map(|host| host.platform().processes()).sum();
        assert_eq!(processes, 0, "{token}: what was cancelled runs on");
        command
    };
    die_at_every_commit(&mut fleet, live, carry_on).await;
}

#[tokio::test]
async fn an_expiry_survives_a_death_at_any_of_its_commits() {
    let mut fleet = Fleet::start(2).await;
    fleet.host(0).cut_link();
    fleet.until_away(fleet.host(0)).await;
    let wish = |token: &str| Run::script("echo hi").delivery_timeout(Duration::from_secs(600)).token(token);
    let live = async |fleet: &Fleet, token: &str| {
        let command = fleet.run(wish(token)).await;
        fleet.until_state(&command, fleet.host(1), State::Success).await;
        fleet.advance(Duration::from_secs(601));
        fleet.wait_final(&command).await;
    };
    let carry_on = async |fleet: &Fleet, token: &str| {
        let command = fleet.run(wish(token)).await;
        fleet.until_state(&command, fleet.host(1), State::Success).await;
        fleet.advance(Duration::from_secs(601));
        command
    };
    die_at_every_commit(&mut fleet, live, carry_on).await;
    fleet.host(0).heal_link();
    fleet.until_connected().await;
    fleet.check().await;
    assert!(fleet.host(0).platform().runs().is_empty(), "what was not delivered in time ran");
}

#[tokio::test]
async fn a_deregistration_survives_a_death_at_any_of_its_commits() {
    for death in [Death::BeforeCommit, Death::AfterCommit] {
        let mut fleet = Fleet::start(1).await;
        for commits in 0.. {
            let leaves = fleet.add_host().await;
            fleet.until_connected().await;
            let node = fleet.host(leaves).node().to_string();
            let wish = Run::script("sleep 60").on(&["host-00001", &node]);
            let running = fleet.run(wish.clone()).await;
            fleet.until_state(&running, fleet.host(leaves), State::InProgress).await;
            let waiting = fleet.run(wish.max_concurrency("1")).await;
            fleet.kill_controller_after(commits, death);
            let lived = fleet.unless_killed(fleet.deregister(fleet.host(leaves))).await.is_some();
            if !lived {
                restart_dying_at_every_commit(&mut fleet, death).await;
            }
            let gone =
                fleetwright_controller::nodes::operations::resolve(fleet.house(), &node).await.is_err();
            if !gone {
                fleet.until_connected().await;
                fleet.deregister(fleet.host(leaves)).await;
            }
            fleet.host(leaves).cut_link();
            fleet.until_connected().await;
            // The other node is not held up by the one that left.
            for command in [&running, &waiting] {
                fleet.until_run(command, fleet.host(0)).await;
            }
            fleet.advance(Duration::from_secs(60));
            for command in [&running, &waiting] {
                let ended = fleet.wait_final_reconnecting(command).await;
                let expected = "1 Success (AllStepsDone), 1 Undeliverable (NodeDeregistered)";
                assert!(ended.ends_with(expected), "{death:?} {commits}: {ended}");
            }
            fleet.check().await;
            if lived {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_large_command_is_written_whole_or_not_at_all() {
    const HOUR: Duration = Duration::from_secs(3600);
    // More than one commit of invocations, and more than one of deliveries.
    const ABSENT: u32 = 255;
    let whole = format!("{ABSENT} Delivery Timed Out (NotDelivered), 1 Success (AllStepsDone)");
    let mut fleet = Fleet::start(1).await;
    fleet.add_absent_nodes(ABSENT).await;
    for commits in 0.. {
        let wish = Run::script("echo hello").max_concurrency("100%").delivery_timeout(HOUR);
        let live = async {
            let command = fleet.run(wish).await;
            fleet.until_state(&command, fleet.host(0), State::Success).await;
            fleet.advance(HOUR + Duration::from_secs(1));
            fleet.wait_final(&command).await;
        };
        fleet.kill_controller_after(commits, Death::BeforeCommit);
        let lived = fleet.unless_killed(live).await.is_some();
        if !lived {
            restart_dying_at_every_commit(&mut fleet, Death::AfterCommit).await;
            fleet.until_connected().await;
        }
        if let Some((command, record)) = fleet.commands().await.into_iter().next() {
            if record.outcome.is_none() {
                fleet.until_state(&command, fleet.host(0), State::Success).await;
                fleet.advance(HOUR + Duration::from_secs(1));
            }
            let ended = fleet.wait_final(&command).await;
            let nothing = ended.starts_with("Cancelled: ") && fleet.runs(&command) == 0;
            assert!(nothing || ended.ends_with(&whole), "{commits}: {ended}");
        }
        if lived {
            assert!(commits > 5, "only {commits} commits in the life of a large command");
            break;
        }
    }
    fleet.check().await;
}

#[tokio::test]
async fn a_controller_that_stops_in_order_loses_nothing_either() {
    let mut fleet = Fleet::start(3).await;
    let command = fleet.run("echo begun\nsleep 60").await;
    fleet.until("all running", async || (fleet.runs(&command) == 3).then_some(())).await;
    fleet.stop_controller().await;
    fleet.advance(Duration::from_secs(60));
    fleet.start_controller().await;
    fleet.until_connected().await;
    assert_eq!(fleet.wait_final(&command).await, "Success: 3 Success (AllStepsDone)");
    fleet.check().await;
}
