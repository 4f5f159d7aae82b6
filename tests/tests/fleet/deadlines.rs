//! The clock moves past every deadline there is.

use std::time::Duration;

use fleetwright_controller::commands::state::{Reason, State};
use fleetwright_tests::{Fleet, FleetSettings, Run};

const MINUTE: Duration = Duration::from_secs(60);
/// Delivery and execution time-outs of the commands here, and more than the grace for an answer.
const ALL_DEADLINES: Duration = Duration::from_secs(60 + 3600 + 60);

fn within_a_minute(script: &str) -> Run {
    Run::script(script).delivery_timeout(MINUTE)
}

#[tokio::test]
async fn a_node_that_stays_away_past_the_delivery_deadline_never_runs_it() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    host.cut_link();
    fleet.until_away(host).await;
    let command = fleet.run(within_a_minute("echo hello")).await;
    fleet.advance(MINUTE - Duration::from_secs(5));
    fleet.until_state(&command, host, State::Delayed).await;
    fleet.advance(Duration::from_secs(6));
    let ended = "Delivery Timed Out: 1 Delivery Timed Out (NotDelivered)";
    assert_eq!(fleet.wait_final(&command).await, ended);
    host.heal_link();
    fleet.until_connected().await;
    fleet.check().await;
    assert_eq!(fleet.runs(&command), 0);
}

#[tokio::test]
async fn past_the_delivery_deadline_a_node_that_may_have_it_is_waited_for() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    host.lose_what_the_agent_says();
    let command = fleet.run(within_a_minute("echo hello")).await;
    fleet.until_run(&command, host).await;
    let before = fleet.invocation(&command, host).await;
    fleet.advance(MINUTE);
    let extended = async || {
        let record = fleet.invocation(&command, host).await;
        (record.deadline > before.deadline).then_some(record)
    };
    let record = fleet.until("a later deadline", extended).await;
    assert_eq!(record.state, State::Pending);
    host.heal_link();
    fleet.until_connected().await;
    assert_eq!(fleet.wait_final(&command).await, "Success: 1 Success (AllStepsDone)");
    fleet.check().await;
}

#[tokio::test]
async fn a_delivery_that_arrives_after_its_deadline_is_not_run() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    host.mute_link();
    let command = fleet.run(within_a_minute("echo too late")).await;
    let before = fleet.invocation(&command, host).await;
    fleet.advance(MINUTE);
    let extended = async || (fleet.invocation(&command, host).await.deadline > before.deadline).then_some(());
    fleet.until("a later deadline", extended).await;
    host.heal_link();
    fleet.until_connected().await;
    let ended = "Delivery Timed Out: 1 Delivery Timed Out (NotStartedInTime)";
    assert_eq!(fleet.wait_final(&command).await, ended);
    fleet.check().await;
}

#[tokio::test]
async fn a_node_that_may_have_it_and_never_answers_is_given_up() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    host.mute_link();
    let command = fleet.run(within_a_minute("echo hello")).await;
    fleet.advance(ALL_DEADLINES);
    let ended = "Delivery Timed Out: 1 Delivery Timed Out (NoAnswer)";
    assert_eq!(fleet.wait_final(&command).await, ended);
    host.heal_link();
    fleet.until_connected().await;
    fleet.check().await;
    assert_eq!(fleet.runs(&command), 0, "what was given up is not run when it is delivered");
}

#[tokio::test]
async fn a_report_that_comes_too_late_is_kept_and_changes_nothing() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    let command = fleet.run(within_a_minute("echo hello\nsleep 30")).await;
    fleet.until_run(&command, host).await;
    fleet.until_state(&command, host, State::InProgress).await;
    host.cut_link();
    fleet.until_away(host).await;
    fleet.advance(Duration::from_secs(30));
    fleet.until("the step's end", async || (host.platform().processes() == 0).then_some(())).await;
    fleet.advance(ALL_DEADLINES);
    let ended = "Delivery Timed Out: 1 Delivery Timed Out (NoAnswer)";
    assert_eq!(fleet.wait_final(&command).await, ended);
    host.heal_link();
    fleet.until_connected().await;
    let late = async || fleet.invocation(&command, host).await.late;
    assert_eq!(fleet.until("the late report", late).await.state, State::Success);
    assert_eq!(fleet.summary(&command).await, ended);
    fleet.check().await;
}

#[tokio::test]
async fn a_step_ends_at_its_time_out_whether_it_wants_to_or_not() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    let seconds = Duration::from_secs(10);
    for script in ["echo begun\nhang", "ignore-terminate\necho begun\nhang"] {
        let command = fleet.run(Run::script(script).execution_timeout(seconds)).await;
        let begun = async || (fleet.output(&command, host).await == "begun\n").then_some(());
        fleet.until("the first line", begun).await;
        fleet.advance(seconds);
        if script.contains("ignore") {
            assert_eq!(host.platform().processes(), 1);
            // The grace between asking it to end and ending it.
            fleet
                .until("its end", async || {
                    fleet.advance(Duration::from_secs(1));
                    (host.platform().processes() == 0).then_some(())
                })
                .await;
        }
        let ended = "Execution Timed Out: 1 Execution Timed Out (StepTimedOut)";
        assert_eq!(fleet.wait_final(&command).await, ended);
        assert_eq!(host.platform().processes(), 0);
    }
    fleet.check().await;
}

#[tokio::test]
async fn what_waits_too_long_for_a_worker_is_not_started() {
    let settings = FleetSettings { workers: 1, ..FleetSettings::of(1) };
    let fleet = settings.start().await;
    let host = fleet.host(0);
    let busy = fleet.run("hang").await;
    fleet.until_run(&busy, host).await;
    let waits = fleet.run(within_a_minute("echo hello")).await;
    let queued = async || {
        let record = fleet.invocation(&waits, host).await;
        (record.reason == Reason::QueuedOnNode {}).then_some(())
    };
    fleet.until("it waits on the node", queued).await;
    fleet.advance(MINUTE);
    fleet.cancel(&busy).await;
    assert_eq!(fleet.wait_final(&busy).await, "Cancelled: 1 Cancelled (CancelledOnNode)");
    let ended = "Delivery Timed Out: 1 Delivery Timed Out (NotStartedInTime)";
    assert_eq!(fleet.wait_final(&waits).await, ended);
    fleet.check().await;
}

#[tokio::test]
async fn what_waits_for_its_turn_past_the_delivery_deadline_is_never_sent() {
    let fleet = Fleet::start(3).await;
    let command = fleet.run(within_a_minute("sleep 100").max_concurrency("1").max_errors("100%")).await;
    fleet.until("one runs", async || (fleet.runs(&command) == 1).then_some(())).await;
    fleet.advance(MINUTE);
    fleet.advance(MINUTE);
    assert_eq!(
        fleet.wait_final(&command).await,
        "Incomplete: 2 Delivery Timed Out (NotDelivered), 1 Success (AllStepsDone)"
    );
    fleet.check().await;
}
