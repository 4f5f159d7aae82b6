//! Maintenance windows over real agents: what runs runs once, whatever is killed when.

use std::time::Duration;

use fleetwright_controller::house::House;
use fleetwright_controller::windows::executions;
use fleetwright_controller::windows::ids::{ExecutionId, WindowId};
use fleetwright_controller::windows::operations::{self, NewWindow, WindowWish};
use fleetwright_controller::windows::records::{ExecutionRecord, RunCommand, TaskRunRecord, Work};
use fleetwright_controller::windows::targets::{self, NewTarget, TargetWish};
use fleetwright_controller::windows::tasks::{self, NewTask, TaskWish};
use fleetwright_proto::clock::Clock;
use fleetwright_tests::{Death, Fleet};

const HOUR: Duration = Duration::from_secs(3600);

/// A window every two hours, with two tasks after each other on all nodes.
async fn window(house: &House) -> WindowId {
    let wish = WindowWish {
        name: Some("often".to_owned()),
        schedule: Some("rate(2 hours)".to_owned()),
        duration_hours: Some(1),
        cutoff_hours: Some(0),
        allow_unassociated_targets: Some(false),
        ..WindowWish::default()
    };
    let window = operations::create(house, NewWindow { wish, ..NewWindow::default() }).await.unwrap();
    let wish = TargetWish { targets: Some(vec![("all".to_owned(), Vec::new())]), ..TargetWish::default() };
    let new = NewTarget { window: window.clone(), resource_type: None, wish, client_token: String::new() };
    let target = targets::register(house, new).await.unwrap();
    for priority in [1, 2] {
        let parameters = [("commands".to_owned(), vec![format!("echo {priority}")])].into();
        let wish = TaskWish {
            document: Some("AWS-RunShellScript".to_owned()),
            work: Some(Work::RunCommand(RunCommand { parameters, ..RunCommand::default() })),
            targets: Some(vec![("WindowTargetIds".to_owned(), vec![target.to_string()])]),
            priority: Some(priority),
            ..TaskWish::default()
        };
        let new = NewTask { window: window.clone(), wish, client_token: String::new(), asked_by: None };
        tasks::register(house, new).await.unwrap();
    }
    window
}

async fn history(fleet: &Fleet, window: &WindowId) -> Vec<(ExecutionId, ExecutionRecord)> {
    executions::list(fleet.house(), window, |_| true, None, 1_000).await.unwrap().0
}

async fn runs(fleet: &Fleet, id: &ExecutionId) -> Vec<TaskRunRecord> {
    let (_, tasks) = executions::tasks(fleet.house(), id).await.unwrap();
    tasks.into_iter().map(|(_, run)| run).collect()
}

/// Moves the clock to the next occurrence.
async fn come(fleet: &Fleet, window: &WindowId) {
    let next = operations::get(fleet.house(), window).await.unwrap().next.unwrap();
    fleet.advance(fleet.clock().now().until(next));
}

/// Waits until nothing of the window is open and the newest occurrence is that of now, and checks what ran.
async fn settled(fleet: &Fleet, window: &WindowId, occurrences: usize, at: &str) {
    fleet
        .until(&format!("{occurrences} executions that have ended, {at}"), async || {
            fleet.help_to_connect();
            let found = history(fleet, window).await;
            let ended = found.iter().all(|(_, one)| one.state.is_final());
            (found.len() == occurrences && ended).then_some(())
        })
        .await;
    let (id, record) = history(fleet, window).await.remove(0);
    assert_eq!(record.state.name(), "SUCCESS", "{at}: {}", record.reason.text());
    for run in runs(fleet, &id).await {
        assert_eq!(run.state.name(), "SUCCESS", "{at}: {}", run.reason.text());
        let [one] = run.invocations.as_slice() else { panic!("{at}: {run:?}") };
        let command = one.command.clone().expect("a command");
        assert_eq!(fleet.runs(&command) as usize, fleet.hosts().len(), "{at}: a script ran twice or never");
    }
}

#[tokio::test]
async fn a_window_runs_its_tasks_on_its_nodes_at_its_time() {
    let fleet = Fleet::start(3).await;
    let window = window(fleet.house()).await;
    for occurrences in 1..=3 {
        come(&fleet, &window).await;
        settled(&fleet, &window, occurrences, "nobody dies").await;
    }
    let commands = history(&fleet, &window).await;
    assert!(commands.iter().all(|(_, one)| one.started.millis() - one.scheduled.millis() < 1_000));
    fleet.check().await;
}

#[tokio::test]
async fn a_window_survives_a_death_of_the_controller_at_any_of_its_commits() {
    let mut fleet = Fleet::start(2).await;
    let window = window(fleet.house()).await;
    let mut occurrences = 0;
    for death in [Death::BeforeCommit, Death::AfterCommit] {
        for commits in 0.. {
            occurrences += 1;
            let at = format!("{death:?} {commits}");
            fleet.kill_controller_after(commits, death);
            let lived = fleet
                .unless_killed(async {
                    come(&fleet, &window).await;
                    settled(&fleet, &window, occurrences, &at).await;
                })
                .await
                .is_some();
            if !lived {
                fleet.restart_controller().await;
                fleet.until_connected().await;
                settled(&fleet, &window, occurrences, &at).await;
            } else {
                assert!(commits > 8, "only {commits} commits in an execution of a window");
                break;
            }
        }
        fleet.check().await;
    }
}

#[tokio::test]
async fn what_a_controller_that_was_down_missed_is_recorded_with_its_reason() {
    let mut fleet = Fleet::start(1).await;
    let window = window(fleet.house()).await;
    fleet.kill_controller();
    // Due after two hours for one: four hours later there are two occurrences, of which the first is missed.
    fleet.advance(4 * HOUR);
    fleet.start_controller().await;
    fleet.until_connected().await;
    settled(&fleet, &window, 2, "down for four hours").await;
    let (_, missed) = history(&fleet, &window).await.remove(1);
    assert_eq!(missed.state.name(), "SKIPPED");
    assert!(missed.reason.text().starts_with("missed: "), "{}", missed.reason.text());
}
