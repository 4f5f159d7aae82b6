//! What happens in an open window.

use super::*;
use crate::tables::COMMAND_TOKEN;
use crate::windows::records::{After, Cutoff, Ended, Reason, State};
use crate::windows::{explain, preview};

/// A window that opened at two at night, with its tasks.
async fn opened(tasks: impl AsyncFnOnce(&House, &WindowId)) -> (Site, Arc<House>, WindowId) {
    let site = Site::new();
    let house = site.house().await;
    let id = window(&house, wish("cron(0 2 ? * * *)")).await;
    add_nodes(&house, "web", 2).await;
    tasks(&house, &id).await;
    site.move_to("2026-06-02T02:00:00Z");
    look(&house).await;
    (site, house, id)
}

async fn states(house: &House, window: &WindowId) -> Vec<State> {
    let (id, _) = history(house, window).await.remove(0);
    runs(house, &id).await.into_iter().map(|run| run.state).collect()
}

async fn command_of(house: &House, window: &WindowId, at: usize) -> CommandId {
    let (id, _) = history(house, window).await.remove(0);
    runs(house, &id).await[at].invocations[0].command.clone().expect("a command")
}

#[tokio::test]
async fn equal_priorities_run_together_and_higher_numbers_after_them() {
    let (_site, house, id) = opened(async |house, id| {
        let webs = target(house, id, "web").await;
        for priority in [5, 1, 1] {
            task(house, id, task_wish(priority, &[&webs])).await;
        }
    })
    .await;
    use State::{InProgress, Pending, Success};
    assert_eq!(states(&house, &id).await, [InProgress, InProgress, Pending]);
    end_command(&house, &command_of(&house, &id, 0).await, Verdict::Success {}).await;
    look(&house).await;
    assert_eq!(states(&house, &id).await, [Success, InProgress, Pending]);
    end_command(&house, &command_of(&house, &id, 1).await, Verdict::Success {}).await;
    look(&house).await;
    assert_eq!(states(&house, &id).await, [Success, Success, InProgress]);
    end_command(&house, &command_of(&house, &id, 2).await, Verdict::Success {}).await;
    look(&house).await;
    let (execution, record) = history(&house, &id).await.remove(0);
    assert_eq!((record.state, &record.reason), (State::Success, &Reason::Succeeded {}));
    assert_eq!(operations::get(&house, &id).await.unwrap().open, None);
    assert_eq!(commands(&house).await.len(), 3);
    // Pseudo-parameters were filled, and who asked is said.
    let command = COMMAND.get(&*house.store, &command_of(&house, &id, 0).await).await.unwrap().unwrap();
    assert_eq!(command.value.requested_by, format!("window {id}"));
    let crate::commands::records::Text::Here(text) = &command.value.parameters else { panic!("not here") };
    assert!(text.contains(&format!("echo {execution}")), "{text}");
}

#[tokio::test]
async fn the_targets_of_a_task_follow_each_other_until_there_are_too_many_errors() {
    let (_site, house, id) = opened(async |house, id| {
        add_nodes(house, "db", 1).await;
        let (webs, dbs) = (target(house, id, "web").await, target(house, id, "db").await);
        task(house, id, task_wish(1, &[&webs, &dbs])).await;
        task(house, id, task_wish(1, &[&dbs, &webs])).await;
    })
    .await;
    let (execution, _) = history(&house, &id).await.remove(0);
    let first = runs(&house, &execution).await.remove(0);
    assert_eq!(first.invocations[0].owner_information, "owner of web");
    assert_eq!(first.invocations[1].command, None, "the second waits for the first");
    end_command(&house, &command_of(&house, &id, 0).await, Verdict::Failed { errors: 1, limit: 0 }).await;
    end_command(&house, &command_of(&house, &id, 1).await, Verdict::Incomplete { unsuccessful: 1 }).await;
    look(&house).await;
    let both = runs(&house, &execution).await;
    assert_eq!(both[0].invocations[1].reason, Reason::ErrorLimit {});
    assert_eq!(both[0].state, State::Failed);
    assert!(both[1].invocations[1].command.is_some(), "{:?}", both[1].invocations[1]);
}

#[tokio::test]
async fn a_task_may_depend_on_how_another_ended() {
    let (_site, house, id) = opened(async |house, id| {
        let webs = target(house, id, "web").await;
        let first = task(house, id, task_wish(1, &[&webs])).await;
        for (priority, result) in [(2, Ended::Success), (3, Ended::Failure)] {
            let after = Some(Some(After { task: first.clone(), result }));
            task(house, id, TaskWish { after, ..task_wish(priority, &[&webs]) }).await;
        }
    })
    .await;
    end_command(&house, &command_of(&house, &id, 0).await, Verdict::Failed { errors: 1, limit: 0 }).await;
    look(&house).await;
    assert_eq!(states(&house, &id).await, [State::Failed, State::Skipped, State::InProgress]);
    let (execution, _) = history(&house, &id).await.remove(0);
    let skipped = runs(&house, &execution).await.remove(1);
    let Reason::ConditionNotMet { wanted, found, .. } = &skipped.reason else {
        panic!("{:?}", skipped.reason)
    };
    assert_eq!((*wanted, *found), (Ended::Success, State::Failed));
    let why = explain::explain(&house, &execution, skipped.task_id.as_str()).await.unwrap();
    assert_eq!(why.code, "ConditionNotMet");
    assert!(why.text.contains("ended FAILED"), "{}", why.text);
}

#[tokio::test]
async fn after_the_cut_off_nothing_starts_and_at_the_end_it_is_cancelled_if_the_task_says_so() {
    let (site, house, id) = opened(async |house, id| {
        let webs = target(house, id, "web").await;
        task(house, id, task_wish(1, &[&webs])).await;
        task(house, id, TaskWish { cutoff: Some(Cutoff::Cancel), ..task_wish(1, &[&webs]) }).await;
        task(house, id, task_wish(2, &[&webs])).await;
    })
    .await;
    site.move_to("2026-06-02T05:00:00Z");
    look(&house).await;
    use State::{Cancelling, InProgress, Success, TimedOut};
    assert_eq!(states(&house, &id).await, [InProgress, InProgress, TimedOut]);
    site.move_to("2026-06-02T06:00:00Z");
    look(&house).await;
    assert_eq!(states(&house, &id).await, [InProgress, Cancelling, TimedOut]);
    let cancelled = command_of(&house, &id, 1).await;
    let command = COMMAND.get(&*house.store, &cancelled).await.unwrap().unwrap().value;
    assert_eq!(command.cancel.unwrap().by, format!("window {id}"));
    end_command(&house, &cancelled, Verdict::Cancelled { by: "x".to_owned() }).await;
    end_command(&house, &command_of(&house, &id, 0).await, Verdict::Success {}).await;
    look(&house).await;
    assert_eq!(states(&house, &id).await, [Success, TimedOut, TimedOut]);
    let (execution, record) = history(&house, &id).await.remove(0);
    assert_eq!(record.state, TimedOut);
    let reasons: Vec<_> = runs(&house, &execution).await.into_iter().map(|run| run.reason).collect();
    assert_eq!(reasons[1], Reason::EndOfWindow { end: moment("2026-06-02T06:00:00Z") });
    assert_eq!(reasons[2], Reason::AfterCutoff { cutoff: moment("2026-06-02T05:00:00Z") });
}

#[tokio::test]
async fn a_cancelled_execution_starts_nothing_more_and_stops_what_runs() {
    let (_site, house, id) = opened(async |house, id| {
        let webs = target(house, id, "web").await;
        task(house, id, task_wish(1, &[&webs])).await;
        task(house, id, task_wish(2, &[&webs])).await;
    })
    .await;
    let (execution, _) = history(&house, &id).await.remove(0);
    executions::cancel(&house, &execution, "ada").await.unwrap();
    look(&house).await;
    assert_eq!(states(&house, &id).await, [State::Cancelling, State::Cancelled]);
    end_command(&house, &command_of(&house, &id, 0).await, Verdict::Cancelled { by: "ada".to_owned() }).await;
    look(&house).await;
    let (_, record) = history(&house, &id).await.remove(0);
    assert_eq!((record.state, record.reason), (State::Cancelled, Reason::Cancelled { by: "ada".to_owned() }));
    assert_eq!(executions::cancel(&house, &execution, "bob").await.unwrap().state, State::Cancelled);
}

#[tokio::test]
async fn a_deleted_window_cancels_what_is_open_and_its_history_stays() {
    let (_site, house, id) = opened(async |house, id| {
        let webs = target(house, id, "web").await;
        task(house, id, task_wish(1, &[&webs])).await;
    })
    .await;
    let command = command_of(&house, &id, 0).await;
    operations::delete(&house, &id, "ada").await.unwrap();
    look(&house).await;
    end_command(&house, &command, Verdict::Cancelled { by: "ada".to_owned() }).await;
    look(&house).await;
    let (_, record) = history(&house, &id).await.remove(0);
    assert_eq!(
        (record.state, record.reason),
        (State::Cancelled, Reason::WindowDeleted { by: "ada".to_owned() })
    );
}

#[tokio::test]
async fn a_task_runs_as_it_was_when_the_window_opened_and_a_target_that_is_gone_is_told() {
    let (_site, house, id) = opened(async |house, id| {
        let (webs, dbs) = (target(house, id, "web").await, target(house, id, "db").await);
        task(house, id, task_wish(1, &[&webs, &dbs])).await;
    })
    .await;
    let whole = operations::whole(&house, &id).await.unwrap();
    for (target, record) in &whole.targets {
        if record.owner_information == "owner of db" {
            targets::deregister(&house, &id, target, targets::Safety::Unsafe).await.unwrap();
        }
    }
    tasks::deregister(&house, &id, &whole.tasks[0].0).await.unwrap();
    end_command(&house, &command_of(&house, &id, 0).await, Verdict::Success {}).await;
    look(&house).await;
    let (execution, record) = history(&house, &id).await.remove(0);
    let run = runs(&house, &execution).await.remove(0);
    assert!(matches!(run.invocations[1].reason, Reason::TargetGone { .. }), "{:?}", run.invocations[1]);
    assert_eq!(record.state, State::Failed);
}

#[tokio::test]
async fn targets_that_are_nobody_fail_with_the_reason_of_their_command() {
    let (_site, house, id) = opened(async |house, id| {
        let none = target(house, id, "nobody").await;
        task(house, id, task_wish(1, &[&none])).await;
    })
    .await;
    let (execution, record) = history(&house, &id).await.remove(0);
    assert_eq!(record.state, State::Failed);
    let run = runs(&house, &execution).await.remove(0);
    assert!(run.reason.text().starts_with("No Instances In Tag"), "{}", run.reason.text());
    let row = COMMAND_TOKEN.get(&*house.store, &run.invocations[0].id.to_string()).await.unwrap();
    assert!(row.is_some(), "the command stands under the invocation's token");
}

#[tokio::test]
async fn a_preview_shows_what_will_be_done() {
    let site = Site::new();
    let house = site.house().await;
    let id = window(&house, wish("cron(0 2 ? * * *)")).await;
    add_nodes(&house, "web", 2).await;
    let webs = target(&house, &id, "web").await;
    for priority in [2, 1] {
        task(&house, &id, task_wish(priority, &[&webs])).await;
    }
    let seen = preview::preview(&house, &id, 3).await.unwrap();
    let at: Vec<_> = seen.occurrences.iter().map(|one| one.at).collect();
    let nights = ["2026-06-02T02:00:00Z", "2026-06-03T02:00:00Z", "2026-06-04T02:00:00Z"];
    assert_eq!(at, nights.map(moment));
    assert_eq!(seen.targets[0].1.as_ref().unwrap().len(), 2);
    assert_eq!(seen.whole.tasks.iter().map(|(_, task)| task.priority).collect::<Vec<_>>(), [1, 2]);
}
