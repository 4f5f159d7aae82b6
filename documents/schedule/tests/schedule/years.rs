//! Schedules followed over years: leap days, last days, the ends of the calendar.

use chrono::Datelike;

use crate::{at, check, schedule};

#[test]
fn a_leap_day_comes_in_leap_years() {
    check(
        &schedule("cron(0 0 29 2 ? *)", "UTC"),
        "2026-01-01T00:00:00Z",
        &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z", "2036-02-29T00:00:00Z"],
    );
    // 2100 is none.
    check(&schedule("cron(0 0 29 2 ? *)", "UTC"), "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00Z"]);
    check(
        &schedule("cron(0 0 L 2 ? *)", "UTC"),
        "2026-01-01T00:00:00Z",
        &["2026-02-28T00:00:00Z", "2027-02-28T00:00:00Z", "2028-02-29T00:00:00Z"],
    );
    // The fifth Sunday of a February: once in 28 years.
    check(
        &schedule("cron(0 0 ? 2 SUN#5 *)", "UTC"),
        "2026-01-01T00:00:00Z",
        &["2032-02-29T00:00:00Z", "2060-02-29T00:00:00Z"],
    );
}

#[test]
fn the_thirteenths_of_a_century_have_their_fridays() {
    let thirteenths = schedule("cron(0 12 13 * ? *)", "UTC");
    let all: Vec<_> =
        thirteenths.occurrences(at("2000-01-01T00:00:00Z")..at("2100-01-01T00:00:00Z")).collect();
    assert_eq!(all.len(), 1_200);
    let fridays = all.iter().filter(|day| day.weekday() == chrono::Weekday::Fri).count();
    assert_eq!(fridays, 172);
}

#[test]
fn every_year_of_the_calendar_has_its_day_and_then_it_ends() {
    let yearly = schedule("cron(0 0 1 1 ? *)", "UTC");
    let all: Vec<_> = yearly.occurrences(at("1900-01-01T00:00:00Z")..at("2300-01-01T00:00:00Z")).collect();
    assert_eq!(all.iter().map(Datelike::year).collect::<Vec<_>>(), (1970..=2199).collect::<Vec<_>>());
    assert_eq!(schedule("cron(0 0 1 1 ? 2020)", "UTC").next_after(at("2026-01-01T00:00:00Z")), None);
    check(
        &schedule("cron(0 0 1 1 ? 2026/50)", "UTC"),
        "2026-06-01T00:00:00Z",
        &["2076-01-01T00:00:00Z", "2126-01-01T00:00:00Z"],
    );
}

#[test]
fn a_year_in_berlin_has_as_many_hours_as_it_has() {
    let hourly = schedule("cron(0 * ? * * *)", "Europe/Berlin");
    let year = at("2025-12-31T23:00:00Z")..at("2026-12-31T23:00:00Z");
    assert_eq!(hourly.occurrences(year.clone()).count(), 365 * 24);
    // Each night once, whatever the clocks do.
    for nightly in ["cron(0 2 ? * * *)", "cron(30 2 ? * * *)", "cron(0 3 ? * * *)"] {
        assert_eq!(schedule(nightly, "Europe/Berlin").occurrences(year.clone()).count(), 365, "{nightly}");
    }
}
