//! The link is cut, at any moment of a command's life.

use std::time::Duration;

use fleetwright_controller::commands::state::{Reason, State};
use fleetwright_tests::{Fleet, FleetSettings, Run};

const SUCCESS: &str = "Success: 1 Success (AllStepsDone)";

#[tokio::test]
async fn a_cut_in_the_middle_of_any_piece_loses_and_doubles_nothing() {
    // A short command is one message to the controller; of a large output many pieces are sent before it ends.
    for (script, output, least) in [
        ("echo hello\ncomplain oh".to_owned(), "hello\noh\n".to_owned(), 3),
        (format!("echo {0}\ncomplain oh", "x".repeat(40_000)), format!("{}\noh\n", "x".repeat(40_000)), 6),
    ] {
        cut_in_the_middle_of_any_piece(&script, &output, least).await;
    }
}

async fn cut_in_the_middle_of_any_piece(script: &str, output: &str, least: usize) {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    for pieces in 0.. {
        host.wire().cut_after(pieces);
        let command = fleet.run(script).await;
        assert_eq!(fleet.wait_final_reconnecting(&command).await, SUCCESS, "cut after {pieces}");
        fleet
            .until("nothing open on the node", async || {
                fleet.help_to_connect();
                (host.open_commands() == Some(0)).then_some(())
            })
            .await;
        assert_eq!(fleet.runs(&command), 1, "cut after {pieces}");
        assert!(fleet.output(&command, host).await == output, "other output, cut after {pieces}");
        if host.wire().call_off_cut() {
            assert!(pieces >= least, "only {pieces} pieces in the life of a command");
            break;
        }
        fleet.until_connected().await;
    }
    fleet.check().await;
}

#[tokio::test]
async fn a_cut_in_the_middle_of_any_piece_of_a_new_connection_loses_and_doubles_nothing() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    for pieces in 0.. {
        host.cut_link();
        fleet.until_away(host).await;
        let command = fleet.run("echo hello").await;
        host.wire().cut_after(pieces);
        host.heal_link();
        assert_eq!(fleet.wait_final_reconnecting(&command).await, SUCCESS, "cut after {pieces}");
        assert_eq!(fleet.runs(&command), 1, "cut after {pieces}");
        if host.wire().call_off_cut() {
            assert!(pieces > 10, "only {pieces} pieces in a connection");
            break;
        }
        fleet.until_connected().await;
    }
    fleet.check().await;
}

#[tokio::test]
async fn a_command_for_a_node_that_is_away_waits_for_it() {
    let fleet = Fleet::start(2).await;
    fleet.host(0).cut_link();
    fleet.until_away(fleet.host(0)).await;
    let command = fleet.run("echo hello").await;
    let record = fleet.until_state(&command, fleet.host(0), State::Delayed).await;
    assert!(matches!(record.reason, Reason::NodeAway { .. }), "{record:?}");
    fleet.until_state(&command, fleet.host(1), State::Success).await;
    fleet.host(0).heal_link();
    fleet.until_connected().await;
    assert_eq!(fleet.wait_final(&command).await, "Success: 2 Success (AllStepsDone)");
    fleet.check().await;
}

#[tokio::test]
async fn a_step_goes_on_without_a_link_and_its_result_comes_later() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    let command = fleet.run("echo before\nsleep 60\nprint 20000\necho\necho after").await;
    fleet.until_run(&command, host).await;
    fleet.until_state(&command, host, State::InProgress).await;
    host.cut_link();
    fleet.until_away(host).await;
    fleet.advance(Duration::from_secs(60));
    fleet.until("the step's end", async || (host.platform().processes() == 0).then_some(())).await;
    assert_eq!(fleet.invocation(&command, host).await.state, State::InProgress);
    host.heal_link();
    fleet.until_connected().await;
    assert_eq!(fleet.wait_final(&command).await, SUCCESS);
    let expected = format!("before\n{}\nafter\n", "x".repeat(20_000));
    assert_eq!(fleet.output(&command, host).await, expected);
    fleet.check().await;
}

#[tokio::test]
async fn a_link_cut_as_a_state_becomes_durable_loses_only_words() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    for state in [State::InProgress, State::Success] {
        fleet.cut_link_at(host, state);
        let command = fleet.run(Run::steps(&["echo one", "echo two"])).await;
        assert_eq!(fleet.wait_final_reconnecting(&command).await, SUCCESS, "{state:?}");
        fleet.until_connected().await;
        assert_eq!(host.runs(&command), [(0, 1), (1, 1)], "{state:?}");
    }
    fleet.check().await;
}

#[tokio::test]
async fn a_delivery_that_comes_again_is_executed_once() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    let running = fleet.run("echo once\nsleep 60").await;
    fleet.until_run(&running, host).await;
    fleet.duplicate_delivery(&running, host).await;
    fleet.duplicate_delivery(&running, host).await;
    fleet.advance(Duration::from_secs(60));
    assert_eq!(fleet.wait_final(&running).await, SUCCESS);
    fleet.duplicate_delivery(&running, host).await;
    fleet.check().await;
    assert_eq!((fleet.runs(&running), fleet.output(&running, host).await.as_str()), (1, "once\n"));
}

#[tokio::test]
async fn a_link_that_is_silent_is_given_up_by_both_sides() {
    let settings = FleetSettings { heartbeat: Duration::from_secs(30), ..FleetSettings::of(1) };
    let fleet = settings.start().await;
    let host = fleet.host(0);
    host.mute_link();
    let command = fleet.run("echo hello").await;
    fleet.advance(Duration::from_secs(76));
    fleet.until_away(host).await;
    host.heal_link();
    fleet.until_connected().await;
    assert_eq!(fleet.wait_final_reconnecting(&command).await, SUCCESS);
    fleet.check().await;
}
