//! Schedules from outside: what is read, what is refused and how, and when what was read is due.

use chrono::{DateTime, Utc};
use fleetwright_schedule::{Expression, Instant, Schedule, Zone};

mod clocks;
mod days;
mod oracle;
mod reading;
mod years;

fn at(text: &str) -> Instant {
    DateTime::parse_from_rfc3339(text).unwrap_or_else(|error| panic!("{text}: {error}")).with_timezone(&Utc)
}

fn expression(text: &str) -> Expression {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn schedule(text: &str, zone: &str) -> Schedule {
    let zone: Zone = zone.parse().unwrap_or_else(|error| panic!("{error}"));
    Schedule::new(expression(text), at("2026-01-01T00:00:00Z")).in_zone(zone)
}

/// The moments that follow, in the schedule's zone.
fn check(schedule: &Schedule, after: &str, expected: &[&str]) {
    let mut found = Vec::new();
    let mut moment = at(after);
    while found.len() < expected.len() {
        let Some(next) = schedule.next_after(moment) else { break };
        assert!(next > moment, "{next} is not after {moment}");
        found.push(schedule.zone().show(next));
        moment = next;
    }
    assert_eq!(found, expected, "{} in {} after {after}", schedule.expression(), schedule.zone());
}
