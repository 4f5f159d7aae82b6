//! The agent, or its whole host, goes down at any moment of a command's life.

use std::time::Duration;

use fleetwright_controller::commands::state::State;
use fleetwright_tests::{Fleet, FleetSettings, Keeps, Run};

#[tokio::test]
async fn an_agent_may_die_between_any_two_records_of_its_journal() {
    const SUCCESS: &str = "Success: 1 Success (AllStepsDone)";
    const INTERRUPTED: &str = "Failed: 1 Failed (Interrupted)";
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    // Accepted, then for each of two steps its start and its end, then the end of all, then the acknowledgement.
    let expected = [
        (SUCCESS, 2),
        (INTERRUPTED, 1),
        (SUCCESS, 2),
        (INTERRUPTED, 2),
        (SUCCESS, 2),
        (SUCCESS, 2),
        (SUCCESS, 2),
    ];
    for (records, (ends, scripts)) in (1..).zip(expected) {
        let full = host.journal().records().len() + records;
        host.journal().limit_to(records);
        let command = fleet.run(Run::steps(&["echo one", "echo two"])).await;
        fleet.until("the last record", async || (host.journal().records().len() == full).then_some(())).await;
        host.kill_agent();
        host.journal().unlimit();
        host.start_agent();
        assert_eq!(fleet.wait_final_reconnecting(&command).await, ends, "killed after record {records}");
        fleet.until_connected().await;
        fleet.check().await;
        assert_eq!(fleet.runs(&command), scripts, "killed after record {records}");
    }
}

#[tokio::test]
async fn what_ran_is_interrupted_what_waited_runs_and_what_ended_is_reported() {
    let settings = FleetSettings { keeps: Keeps::InFolder, workers: 1, ..FleetSettings::of(1) };
    let fleet = settings.start().await;
    let host = fleet.host(0);
    let ended = fleet.run("echo ended\nsleep 10").await;
    fleet.until_run(&ended, host).await;
    fleet.until_state(&ended, host, State::InProgress).await;
    let running = fleet.run("echo running\nhang").await;
    let waiting = fleet.run("echo waiting").await;
    fleet.until_state(&running, host, State::InProgress).await;
    fleet.until_state(&waiting, host, State::InProgress).await;
    host.cut_link();
    fleet.until_away(host).await;
    fleet.advance(Duration::from_secs(10));
    fleet.until_run(&running, host).await;

    host.restart_agent();
    assert_eq!(host.runs(&ended), [(0, 1)]);
    host.heal_link();
    fleet.until_connected().await;
    assert_eq!(fleet.wait_final(&ended).await, "Success: 1 Success (AllStepsDone)");
    assert_eq!(fleet.wait_final(&running).await, "Failed: 1 Failed (Interrupted)");
    assert_eq!(fleet.wait_final(&waiting).await, "Success: 1 Success (AllStepsDone)");
    assert_eq!(host.platform().processes(), 0, "what was left running is ended");
    assert_eq!(fleet.output(&ended, host).await, "ended\n");
    fleet.check().await;
}

#[tokio::test]
async fn a_host_that_loses_its_power_comes_back_and_says_what_was_interrupted() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    let command = fleet.run(Run::steps(&["echo one", "echo two\nhang", "echo three"])).await;
    fleet.until("the second step", async || (host.runs(&command).len() == 2).then_some(())).await;
    host.reboot();
    fleet.until_connected().await;
    assert_eq!(fleet.wait_final(&command).await, "Failed: 1 Failed (Interrupted)");
    assert_eq!(host.runs(&command), [(0, 1), (1, 1)]);
    fleet.check().await;
}

#[tokio::test]
async fn a_step_that_asks_for_a_reboot_runs_again_after_it_and_only_after_it() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    let command = fleet.run(Run::steps(&["echo before", "exit 194"])).await;
    let asked = |times| move || (host.platform().reboots_requested() == times).then_some(());
    fleet.until("a reboot is asked for", async || asked(1)()).await;
    host.restart_agent();
    fleet.until("the same reboot is asked for again", async || asked(2)()).await;
    assert_eq!(host.runs(&command), [(0, 1), (1, 1)]);
    host.reboot();
    fleet.until("another reboot is asked for", async || asked(3)()).await;
    assert_eq!(host.runs(&command), [(0, 1), (1, 2)]);
    fleet.until_connected().await;
    fleet.cancel(&command).await;
    assert_eq!(fleet.wait_final(&command).await, "Cancelled: 1 Cancelled (CancelledOnNode)");
    fleet.check_but_reruns_of(&[&command]).await;
}

#[tokio::test]
async fn a_node_that_lost_its_journal_is_not_waited_for() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    let command = fleet.run("echo begun\nhang").await;
    fleet.until_run(&command, host).await;
    fleet.until_state(&command, host, State::InProgress).await;
    host.lose_journal();
    fleet.until_connected().await;
    assert_eq!(fleet.wait_final(&command).await, "Incomplete: 1 Undeliverable (LostOnNode)");
    fleet.check().await;
}

#[tokio::test]
async fn commands_on_one_host_run_as_many_at_once_as_it_has_workers() {
    let settings = FleetSettings { workers: 2, ..FleetSettings::of(1) };
    let fleet = settings.start().await;
    let host = fleet.host(0);
    let mut commands = Vec::new();
    for _ in 0..6 {
        commands.push(fleet.run("sleep 60").await);
    }
    for turn in 1..=3 {
        let begun = || commands.iter().map(|command| fleet.runs(command)).sum::<u32>();
        fleet.until("two more at work", async || (begun() == 2 * turn).then_some(())).await;
        assert_eq!(host.platform().processes(), 2);
        fleet.advance(Duration::from_secs(60));
    }
    for command in &commands {
        assert_eq!(fleet.wait_final(command).await, "Success: 1 Success (AllStepsDone)");
    }
    fleet.check().await;
}
