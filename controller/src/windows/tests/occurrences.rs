//! Occurrences over years, after pauses, in calendars.

use super::*;
use crate::calendars;
use crate::windows::records::{Reason, State};
use crate::windows::retention;

#[tokio::test]
async fn every_occurrence_of_two_years_has_one_record_at_its_moment() {
    let site = Site::new();
    let house = site.house().await;
    let zone = Some("Europe/Berlin".to_owned());
    let id = window(&house, WindowWish { timezone: zone, ..wish("cron(30 2 ? * SUN *)") }).await;
    let mut expected = Vec::new();
    for _ in 0..104 {
        let next = operations::get(&house, &id).await.unwrap().next.unwrap();
        expected.push(next);
        site.clock.advance(site.clock.now().until(next));
        look(&house).await;
        look(&house).await;
    }
    let found = history(&house, &id).await;
    assert_eq!(found.iter().map(|(_, one)| one.scheduled).collect::<Vec<_>>(), expected);
    assert!(found.iter().all(|(_, one)| one.state == State::Success && one.started == one.scheduled));
    // The nights on which the clocks change are among them.
    for change in ["2027-03-28T01:00:00Z", "2026-10-25T00:30:00Z", "2027-10-31T00:30:00Z"] {
        assert!(expected.contains(&moment(change)), "{change}");
    }
}

#[tokio::test]
async fn a_late_occurrence_runs_within_its_grace_and_is_missed_after_it() {
    let site = Site::new();
    let house = site.house().await;
    let id = window(&house, wish("cron(0 2 ? * * *)")).await;
    let short = WindowWish { grace_minutes: Some(10), ..wish("cron(0 2 ? * * *)") };
    let short = window(&house, short).await;
    drop(house);
    site.move_to("2026-06-02T04:30:00Z");
    let house = site.house().await;
    look(&house).await;
    let (_, late) = &history(&house, &id).await[0];
    assert_eq!((late.state, late.scheduled), (State::Success, moment("2026-06-02T02:00:00Z")));
    assert_eq!(late.end, moment("2026-06-02T06:00:00Z"), "the end is not moved");
    let (_, missed) = &history(&house, &short).await[0];
    assert_eq!(missed.state, State::Skipped);
    let Reason::Missed { noticed, started, grace_minutes } = missed.reason.clone() else {
        panic!("{:?}", missed.reason)
    };
    assert_eq!((noticed, started, grace_minutes), (site.clock.now(), site.clock.now(), 10));
    assert_eq!(missed.state.ssm_name(&missed.reason), "CANCELLED");
}

#[tokio::test]
async fn a_long_pause_leaves_a_record_of_each_night_that_is_kept() {
    let site = Site::new();
    let house = site.house().await;
    let id = window(&house, wish("cron(0 2 ? * * *)")).await;
    site.move_to("2026-06-11T12:00:00Z");
    look(&house).await;
    let found = history(&house, &id).await;
    assert_eq!(found.len(), 10);
    assert!(found.iter().all(|(_, one)| matches!(one.reason, Reason::Missed { .. })));
    // Of a whole year only what would be kept is recorded.
    site.pass(24 * 365);
    look(&house).await;
    let keep = house.limits.keep_commands.as_secs() / 86_400;
    let newer = history(&house, &id).await.len() - 10;
    assert!(newer as u64 <= keep + 1, "{newer} records for {keep} days");
    retention::run_once(&house).await.unwrap();
    assert!(history(&house, &id).await.len() as u64 <= keep);
    assert_eq!(operations::get(&house, &id).await.unwrap().next, Some(moment("2027-06-12T02:00:00Z")));
}

#[tokio::test]
async fn an_occurrence_while_the_one_before_it_runs_is_skipped() {
    let site = Site::new();
    let house = site.house().await;
    let id = window(&house, wish("rate(2 hours)")).await;
    add_nodes(&house, "web", 1).await;
    let webs = target(&house, &id, "web").await;
    task(&house, &id, task_wish(1, &[&webs])).await;
    site.pass(2);
    look(&house).await;
    site.pass(2);
    look(&house).await;
    let found = history(&house, &id).await;
    assert_eq!(found[0].1.state, State::InProgress);
    assert_eq!(found[1].1.reason, Reason::Overlapping { execution: found[0].0.clone() });
    assert_eq!(found[1].1.state.ssm_name(&found[1].1.reason), "SKIPPED_OVERLAPPING");
}

#[tokio::test]
async fn a_closed_calendar_starts_nothing() {
    let site = Site::new();
    let house = site.house().await;
    let text =
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260602T000000Z\nDURATION:P1D\nEND:VEVENT\nEND:VCALENDAR";
    calendars::put(&house, "Freeze", text.into(), "ada").await.unwrap();
    let calendars = Some(vec!["Freeze".to_owned()]);
    let id = window(&house, WindowWish { calendars, ..wish("cron(0 2 ? * * *)") }).await;
    let state = calendars::state(&house, &["Freeze".to_owned()], site.clock.now()).await.unwrap();
    assert_eq!((state.open, state.next_transition), (true, Some(moment("2026-06-02T00:00:00Z"))));
    for night in ["2026-06-02T02:00:00Z", "2026-06-03T02:00:00Z"] {
        site.move_to(night);
        look(&house).await;
    }
    calendars::delete(&house, "Freeze").await.unwrap();
    site.move_to("2026-06-04T02:00:00Z");
    look(&house).await;
    let found = history(&house, &id).await;
    assert_eq!(found[0].1.reason, Reason::Blackout { calendar: "Freeze".to_owned() });
    assert_eq!(found[1].1.state, State::Success);
    assert!(matches!(found[2].1.reason, Reason::NoCalendar { .. }), "{:?}", found[2].1.reason);
}

#[tokio::test]
async fn one_of_two_controllers_fires() {
    let site = Site::new();
    let (one, other) = (site.house().await, site.house().await);
    let id = window(&one, wish("cron(0 2 ? * * *)")).await;
    site.move_to("2026-06-02T02:00:00Z");
    reconcile::run_once(&other, "other").await.unwrap();
    reconcile::run_once(&one, "one").await.unwrap();
    assert_eq!(history(&one, &id).await.len(), 1);
    // The other one stops; its lease ends, and the first takes over.
    site.move_to("2026-06-03T02:00:00Z");
    reconcile::run_once(&one, "one").await.unwrap();
    assert_eq!(history(&one, &id).await.len(), 2);
}

#[tokio::test]
async fn the_scheduler_wakes_by_itself() {
    let site = Site::new();
    let house = site.house().await;
    let running = tokio::spawn(reconcile::run(house.clone(), "this".to_owned()));
    let id = window(&house, wish("cron(0 2 ? * * *)")).await;
    for night in ["2026-06-02T02:00:00Z", "2026-06-03T02:00:00Z"] {
        let before = history(&house, &id).await.len();
        site.move_to(night);
        for _ in 0..100_000 {
            let ended = |(_, one): &(ExecutionId, ExecutionRecord)| one.state.is_final();
            let found = history(&house, &id).await;
            if found.len() > before && found.iter().all(ended) {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(history(&house, &id).await.len(), before + 1, "nothing was fired at {night}");
    }
    running.abort();
}

/// The clock is moved from one occurrence to the next; each has one record, at its moment.
async fn check_years(schedule: &str, zone: &str, expected: &[&str]) {
    let site = Site::new();
    let house = site.house().await;
    let timezone = (!zone.is_empty()).then(|| zone.to_owned());
    let id = window(&house, WindowWish { timezone, ..wish(schedule) }).await;
    for moment in expected {
        // A minute before, nothing is done; at the moment it is, and only once.
        let before = history(&house, &id).await.len();
        site.move_to(moment);
        let exact = site.clock.now();
        assert_eq!(
            operations::get(&house, &id).await.unwrap().next,
            Some(exact),
            "{schedule} {zone} at {moment}"
        );
        look(&house).await;
        look(&house).await;
        let found = history(&house, &id).await;
        assert_eq!(found.len(), before + 1, "{schedule} {zone} at {moment}");
        let (_, last) = found.last().unwrap();
        assert_eq!((last.scheduled, last.started, last.state), (exact, exact, State::Success), "{moment}");
    }
}

#[tokio::test]
async fn leap_days_and_ends_of_months_come_when_the_calendar_has_them() {
    let leap =
        ["2028-02-29T02:00:00Z", "2032-02-29T02:00:00Z", "2036-02-29T02:00:00Z", "2040-02-29T02:00:00Z"];
    check_years("cron(0 2 29 2 ? *)", "", &leap).await;
    let last =
        ["2026-06-30T22:00:00Z", "2026-07-31T22:00:00Z", "2026-08-31T22:00:00Z", "2026-09-30T22:00:00Z"];
    check_years("cron(0 22 L * ? *)", "", &last).await;
    check_years("cron(0 22 L 2 ? *)", "", &["2027-02-28T22:00:00Z", "2028-02-29T22:00:00Z"]).await;
    // 1 August 2026 is a Saturday, and the nearest weekday of its month is the 3rd.
    check_years("cron(0 2 1W 8 ? *)", "", &["2026-08-03T02:00:00Z", "2027-08-02T02:00:00Z"]).await;
    check_years("at(2028-02-29T12:00:00)", "Asia/Tokyo", &["2028-02-29T03:00:00Z"]).await;
}

#[tokio::test]
async fn times_that_no_wall_shows_or_that_it_shows_twice_come_once() {
    // The last Sunday of March at 02:30: the clocks go from 02:00 to 03:00.
    let skipped = ["2027-03-28T01:00:00Z", "2028-03-26T01:00:00Z", "2029-03-25T01:00:00Z"];
    check_years("cron(30 2 ? 3 1L *)", "Europe/Berlin", &skipped).await;
    let twice = ["2026-10-25T00:30:00Z", "2027-10-31T00:30:00Z", "2028-10-29T00:30:00Z"];
    check_years("cron(30 2 ? 10 1L *)", "Europe/Berlin", &twice).await;
    // By half an hour, and in the other half of the year.
    check_years("cron(15 2 ? 10 1#1 *)", "Australia/Lord_Howe", &["2026-10-03T15:30:00Z"]).await;
    // A whole day was never there: 30 December 2011 in Samoa; today its zone knows no change.
    check_years("cron(0 2 30 12 ? *)", "Pacific/Apia", &["2026-12-29T13:00:00Z", "2027-12-29T13:00:00Z"])
        .await;
    // A rate is a rate, whatever the wall shows.
    let zone = "America/New_York";
    let hours = ["2026-06-08T12:00:00Z", "2026-06-15T12:00:00Z"];
    check_years("rate(7 days)", zone, &hours).await;
    let nightly = ["2026-06-02T06:30:00Z", "2026-06-03T06:30:00Z"];
    check_years("cron(30 2 * * ? *)", zone, &nightly).await;
}
