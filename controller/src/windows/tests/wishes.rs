//! What is registered, and what is refused with SSM's word for it.

use super::*;
use crate::windows::fault::Fault;
use crate::windows::operations::Change;
use crate::windows::records::{After, Ended, State};
use crate::windows::targets::Safety;

/// The wish is refused for this reason.
async fn refused(wish: WindowWish, expected: &str) {
    let site = Site::new();
    let house = site.house().await;
    let new = NewWindow { wish: wish.clone(), ..NewWindow::default() };
    let error = operations::create(&house, new).await.expect_err(expected);
    assert!(error.message.contains(expected), "{error} does not say {expected}");
    assert_eq!(error.fault, Fault::Validation, "{error}");
    // A change is held to the same rules.
    let id = window(&house, super::wish("cron(0 2 ? * * *)")).await;
    if wish.name.is_some() && wish.schedule.is_some() && wish.duration_hours.is_some() {
        let error = operations::update(&house, &id, wish, Change::Keep).await.expect_err(expected);
        assert!(error.message.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_window_that_cannot_be_is_refused() {
    let good = || wish("cron(0 2 ? * * *)");
    let some = |text: &str| Some(text.to_owned());
    refused(WindowWish { name: some("ab"), ..good() }, "not a name").await;
    refused(WindowWish { name: some("a b c"), ..good() }, "not a name").await;
    refused(WindowWish { name: None, ..good() }, "the name of the window is missing").await;
    refused(WindowWish { duration_hours: Some(25), ..good() }, "duration of 25 hours").await;
    refused(WindowWish { duration_hours: Some(0), cutoff_hours: Some(0), ..good() }, "duration of 0 hours")
        .await;
    refused(WindowWish { cutoff_hours: Some(4), ..good() }, "must be less than the duration").await;
    refused(WindowWish { cutoff_hours: Some(24), ..good() }, "cut-off of 24 hours").await;
    refused(wish("cron(0 0 30 2 ? *)"), "never comes").await;
    refused(wish("cron(0 2 * * *)"), "six fields").await;
    refused(wish("rate(1 days)"), "the unit is `day`").await;
    refused(WindowWish { timezone: some("Mars/Phobos"), ..good() }, "not a time zone").await;
    refused(WindowWish { offset_days: Some(7), ..good() }, "1 to 6 days").await;
    refused(WindowWish { offset_days: Some(1), ..wish("rate(1 day)") }, "only a cron()").await;
    refused(WindowWish { start: some("soon"), ..good() }, "not a date").await;
    refused(
        WindowWish { start: some("2026-08-01"), end: some("2026-07-01"), ..good() },
        "not later than the start date",
    )
    .await;
    refused(WindowWish { description: some(&"x".repeat(129)), ..good() }, "longer than 128").await;
    refused(WindowWish { calendars: Some(vec!["Holidays".to_owned()]), ..good() }, "calendar Holidays").await;
}

#[tokio::test]
async fn a_token_makes_one_window_and_another_request_is_refused() {
    let site = Site::new();
    let house = site.house().await;
    let new = |schedule: &str| NewWindow {
        wish: wish(schedule),
        client_token: "once".to_owned(),
        ..NewWindow::default()
    };
    let first = operations::create(&house, new("rate(1 day)")).await.unwrap();
    assert_eq!(operations::create(&house, new("rate(1 day)")).await.unwrap(), first);
    let error = operations::create(&house, new("rate(2 days)")).await.unwrap_err();
    assert_eq!(error.fault.name(), Some("IdempotentParameterMismatch"));
    let (all, _) = operations::list(&house, |_| true, None, 10).await.unwrap();
    assert_eq!(all.len(), 1);
}

#[tokio::test]
async fn a_change_keeps_or_replaces_and_moves_what_is_due() {
    let site = Site::new();
    let house = site.house().await;
    let first = WindowWish { description: Some("all".to_owned()), ..wish("cron(0 2 ? * * *)") };
    let id = window(&house, first).await;
    let only = |schedule: &str| WindowWish { schedule: Some(schedule.to_owned()), ..WindowWish::default() };
    let changed = operations::update(&house, &id, only("cron(0 5 ? * * *)"), Change::Keep).await.unwrap();
    assert_eq!((changed.description.as_str(), changed.next), ("all", Some(moment("2026-06-02T05:00:00Z"))));
    let error = operations::update(&house, &id, only("rate(1 day)"), Change::Replace).await.unwrap_err();
    assert_eq!(error.fault, Fault::Validation);
    let replaced = operations::update(&house, &id, wish("rate(1 day)"), Change::Replace).await.unwrap();
    assert_eq!((replaced.description.as_str(), replaced.next), ("", Some(moment("2026-06-02T12:00:00Z"))));
    let off = WindowWish { enabled: Some(false), ..WindowWish::default() };
    assert_eq!(operations::update(&house, &id, off, Change::Keep).await.unwrap().next, None);
    let due = crate::tables::WINDOW_DUE.scan(&*house.store, &(), None, 10).await.unwrap();
    assert!(due.rows.is_empty(), "{due:?}");
    assert!(operations::delete(&house, &id, "ada").await.unwrap());
    assert!(!operations::delete(&house, &id, "ada").await.unwrap());
    assert_eq!(operations::get(&house, &id).await.unwrap_err().fault, Fault::DoesNotExist);
}

#[tokio::test]
async fn a_target_in_use_is_not_taken_away_if_it_is_to_be_safe() {
    let site = Site::new();
    let house = site.house().await;
    let id = window(&house, wish("rate(1 day)")).await;
    let webs = target(&house, &id, "web").await;
    task(&house, &id, task_wish(1, &[&webs])).await;
    let error = targets::deregister(&house, &id, &webs, Safety::Safe).await.unwrap_err();
    assert_eq!(error.fault.name(), Some("TargetInUseException"));
    targets::deregister(&house, &id, &webs, Safety::Unsafe).await.unwrap();
    let error = targets::deregister(&house, &id, &webs, Safety::Unsafe).await.unwrap_err();
    assert_eq!(error.fault, Fault::DoesNotExist);
}

#[tokio::test]
async fn a_task_that_could_not_run_is_refused() {
    let site = Site::new();
    let house = site.house().await;
    let id = window(&house, wish("rate(1 day)")).await;
    let nodes = add_nodes(&house, "web", 1).await;
    let others = add_nodes(&house, "db", 1).await;
    let webs = target(&house, &id, "web").await;
    let stranger = TargetId::random();
    let good = task_wish(1, &[&webs]);
    let named = |id: &NodeId| Some(vec![("InstanceIds".to_owned(), vec![id.to_string()])]);
    let register = async |wish: TaskWish| {
        let new = NewTask { window: id.clone(), wish, client_token: String::new(), asked_by: None };
        tasks::register(&house, new).await
    };
    let fault = async |wish: TaskWish| register(wish).await.map_err(|error| error.fault).unwrap_err();
    assert_eq!(fault(task_wish(1, &[&stranger])).await, Fault::DoesNotExist);
    assert_eq!(fault(TaskWish { targets: named(&others[0]), ..good.clone() }).await, Fault::Validation);
    assert_eq!(
        fault(TaskWish { targets: named(&NodeId::random()), ..good.clone() }).await,
        Fault::DoesNotExist
    );
    assert_eq!(fault(TaskWish { targets: None, ..good.clone() }).await, Fault::Validation);
    let tags = Some(vec![("tag:role".to_owned(), vec!["web".to_owned()])]);
    assert_eq!(fault(TaskWish { targets: tags, ..good.clone() }).await, Fault::Validation);
    let document = Some("No-Such-Document".to_owned());
    assert_eq!(fault(TaskWish { document, ..good.clone() }).await, Fault::Validation);
    let max_concurrency = Some("101%".to_owned());
    assert_eq!(fault(TaskWish { max_concurrency, ..good.clone() }).await, Fault::Validation);
    let after = |task: &TaskId| Some(Some(After { task: task.clone(), result: Ended::Success }));
    assert_eq!(
        fault(TaskWish { after: after(&TaskId::random()), ..good.clone() }).await,
        Fault::DoesNotExist
    );
    let first = register(TaskWish { targets: named(&nodes[0]), ..good.clone() }).await.unwrap();
    assert_eq!(fault(TaskWish { after: after(&first), ..good.clone() }).await, Fault::Validation);
    let second = register(TaskWish { after: after(&first), ..task_wish(2, &[&webs]) }).await.unwrap();
    // What another task depends on stays, and stays before it.
    let later = TaskWish { priority: Some(2), ..TaskWish::default() };
    assert!(tasks::update(&house, &id, &first, later, Change::Keep, None).await.is_err());
    assert!(tasks::deregister(&house, &id, &first).await.is_err());
    tasks::deregister(&house, &id, &second).await.unwrap();
    tasks::deregister(&house, &id, &first).await.unwrap();
    for _ in 0..tasks::TASKS_MAX {
        register(good.clone()).await.unwrap();
    }
    assert_eq!(fault(good).await.name(), Some("ResourceLimitExceededException"));
}

#[tokio::test]
async fn hundreds_of_windows_at_one_moment_each_have_one_execution() {
    let site = Site::new();
    let house = site.house().await;
    for _ in 0..300 {
        window(&house, wish("cron(0 2 ? * * *)")).await;
    }
    site.move_to("2026-06-02T02:00:00Z");
    look(&house).await;
    let (all, _) = operations::list(&house, |_| true, None, 1_000).await.unwrap();
    for (id, record) in all {
        assert_eq!(record.next, Some(moment("2026-06-03T02:00:00Z")));
        let history = history(&house, &id).await;
        assert_eq!(history.len(), 1);
        assert_eq!(history[0].1.state, State::Success);
    }
}
