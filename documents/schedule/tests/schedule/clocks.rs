//! Days on which the clocks change, and everything that counts in days.

use crate::{at, check, schedule};

#[test]
fn a_time_that_does_not_exist_is_due_when_the_clocks_go_forward() {
    // Berlin, 29 March 2026: 02:00 becomes 03:00.
    let nightly = schedule("cron(30 2 ? * * *)", "Europe/Berlin");
    check(
        &nightly,
        "2026-03-28T00:00:00Z",
        &["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
    );
    let once = schedule("at(2026-03-29T02:15:00)", "Europe/Berlin");
    check(&once, "2026-01-01T00:00:00Z", &["2026-03-29T03:00:00+02:00"]);
    assert_eq!(once.next_after(at("2026-03-29T01:00:00Z")), None);
}

#[test]
fn times_that_fall_on_one_moment_are_due_once() {
    let two = schedule("cron(0 2,3 ? * * *)", "Europe/Berlin");
    check(&two, "2026-03-29T00:00:00Z", &["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]);
    let often = schedule("cron(*/20 * ? * * *)", "America/New_York");
    check(
        &often,
        "2026-03-08T06:30:00Z",
        &[
            "2026-03-08T01:40:00-05:00",
            "2026-03-08T03:00:00-04:00",
            "2026-03-08T03:20:00-04:00",
            "2026-03-08T03:40:00-04:00",
            "2026-03-08T04:00:00-04:00",
        ],
    );
}

#[test]
fn a_time_that_exists_twice_is_due_the_first_time() {
    // Berlin, 25 October 2026: 03:00 becomes 02:00.
    let nightly = schedule("cron(30 2 ? * * *)", "Europe/Berlin");
    check(&nightly, "2026-10-24T12:00:00Z", &["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]);
    // Asked in the second of the two hours.
    check(&nightly, "2026-10-25T01:10:00Z", &["2026-10-26T02:30:00+01:00"]);
    check(
        &schedule("at(2026-10-25T02:30:00)", "Europe/Berlin"),
        "2026-01-01T00:00:00Z",
        &["2026-10-25T02:30:00+02:00"],
    );
}

#[test]
fn what_comes_every_hour_comes_in_both() {
    let hourly = schedule("cron(0 * ? * * *)", "America/Chicago");
    check(
        &hourly,
        "2026-11-01T05:30:00Z",
        &[
            "2026-11-01T01:00:00-05:00",
            "2026-11-01T01:00:00-06:00",
            "2026-11-01T02:00:00-06:00",
            "2026-11-01T03:00:00-06:00",
        ],
    );
    let half_hourly = schedule("cron(0/30 * * * ? *)", "Europe/Berlin");
    check(
        &half_hourly,
        "2026-10-25T00:10:00Z",
        &[
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:00:00+01:00",
            "2026-10-25T02:30:00+01:00",
            "2026-10-25T03:00:00+01:00",
        ],
    );
}

#[test]
fn half_an_hour_and_a_whole_day_are_changes_too() {
    // Lord Howe changes by half an hour, on 4 October 2026 forward from 02:00 to 02:30.
    check(
        &schedule("cron(15 2 ? * * *)", "Australia/Lord_Howe"),
        "2026-10-02T20:00:00Z",
        &["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"],
    );
    // Samoa had no 30 December 2011.
    check(
        &schedule("cron(0 12 30 12 ? *)", "Pacific/Apia"),
        "2010-12-31T00:00:00Z",
        &["2011-12-31T00:00:00+14:00", "2012-12-30T12:00:00+14:00"],
    );
}

#[test]
fn a_rate_counts_real_time() {
    check(
        &schedule("rate(1 day)", "Europe/Berlin"),
        "2026-03-28T12:00:00Z",
        &["2026-03-29T01:00:00+01:00", "2026-03-30T02:00:00+02:00"],
    );
    let anchored =
        schedule("rate(90 minutes)", "UTC").active(Some(at("2026-05-01T00:10:00Z")), None).unwrap();
    check(
        &anchored,
        "2026-01-01T00:00:00Z",
        &["2026-05-01T00:10:00Z", "2026-05-01T01:40:00Z", "2026-05-01T03:10:00Z"],
    );
}

#[test]
fn an_offset_moves_by_days_on_the_wall() {
    // Two days after the second Tuesday, also when the clocks change in between (8 March 2026 in New York).
    let patches = schedule("cron(0 2 ? * TUE#2 *)", "America/New_York").put_off(2).unwrap();
    check(
        &patches,
        "2026-01-01T00:00:00Z",
        &["2026-01-15T02:00:00-05:00", "2026-02-12T02:00:00-05:00", "2026-03-12T02:00:00-04:00"],
    );
    // Asked between what cron() names and what is due.
    check(&patches, "2026-01-14T00:00:00Z", &["2026-01-15T02:00:00-05:00"]);
    // Over the end of a year, and onto a time that does not exist.
    let year = schedule("cron(0 0 L 12 ? *)", "UTC").put_off(3).unwrap();
    check(&year, "2027-01-01T00:00:00Z", &["2027-01-03T00:00:00Z", "2028-01-03T00:00:00Z"]);
    let gap = schedule("cron(30 2 27 3 ? *)", "Europe/Berlin").put_off(2).unwrap();
    check(&gap, "2026-01-01T00:00:00Z", &["2026-03-29T03:00:00+02:00", "2027-03-29T02:30:00+02:00"]);
}

#[test]
fn an_active_period_includes_its_start_and_not_its_end() {
    let daily = schedule("cron(0 2 ? * * *)", "UTC");
    let two = daily.active(Some(at("2026-06-01T02:00:00Z")), Some(at("2026-06-03T02:00:00Z"))).unwrap();
    check(&two, "2026-01-01T00:00:00Z", &["2026-06-01T02:00:00Z", "2026-06-02T02:00:00Z"]);
    assert_eq!(two.next_after(at("2026-06-02T02:00:00Z")), None);
    let within: Vec<_> = two.occurrences(at("2026-06-02T02:00:00Z")..at("2027-01-01T00:00:00Z")).collect();
    assert_eq!(within, [at("2026-06-02T02:00:00Z")]);
    let before: Vec<_> = two.occurrences(at("2026-06-01T02:00:00Z")..at("2026-06-02T02:00:00Z")).collect();
    assert_eq!(before, [at("2026-06-01T02:00:00Z")]);
}

#[test]
fn parts_of_a_second_do_not_hide_what_is_due() {
    let daily = schedule("cron(0 2 ? * * *)", "UTC");
    check(&daily, "2026-06-01T01:59:59.999Z", &["2026-06-01T02:00:00Z"]);
    check(&daily, "2026-06-01T02:00:00.001Z", &["2026-06-02T02:00:00Z"]);
    check(&schedule("cron(30 0 2 ? * * *)", "UTC"), "2026-06-01T02:00:29.5Z", &["2026-06-01T02:00:30Z"]);
}
