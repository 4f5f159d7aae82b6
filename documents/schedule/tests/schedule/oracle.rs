//! The engine against brute force: an oracle that walks through every minute of some weeks, in zones and weeks in
//! which the clocks change, and knows the rules in their plainest form.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use fleetwright_schedule::{Instant, Schedule, Zone};
use proptest::prelude::*;

use crate::{at, expression};

/// What `cron()` names, as sets.
#[derive(Debug, Clone)]
struct Named {
    minutes: BTreeSet<u32>,
    hours: BTreeSet<u32>,
    weekdays: BTreeSet<u32>,
    second: u32,
    offset: u32,
}

impl Named {
    fn text(&self) -> String {
        let list = |set: &BTreeSet<u32>| set.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let hours = if self.hours.len() == 24 { "*".to_owned() } else { list(&self.hours) };
        format!("cron({} {} {hours} ? * {} *)", self.second, list(&self.minutes), list(&self.weekdays))
    }

    fn names(&self, wall: NaiveDateTime) -> bool {
        let day = (wall - TimeDelta::days(self.offset.into())).weekday().number_from_sunday();
        self.minutes.contains(&wall.minute())
            && self.hours.contains(&wall.hour())
            && self.weekdays.contains(&day)
            && wall.second() == self.second
    }

    /// Every moment from `start` on, `minutes` many, at the seconds that matter.
    fn due(&self, zone: Tz, start: Instant, minutes: i64) -> BTreeSet<Instant> {
        let mut due = BTreeSet::new();
        for minute in 0..minutes {
            let tick = start + TimeDelta::minutes(minute);
            let before = (tick - TimeDelta::seconds(1)).with_timezone(&zone).naive_local();
            let local = tick.with_timezone(&zone).naive_local();
            // Clocks went forward at this moment: what they jumped over is due now.
            let mut jumped = before + TimeDelta::seconds(1);
            while jumped < local {
                if self.names(jumped + TimeDelta::seconds(self.second.into())) {
                    due.insert(tick);
                }
                jumped += TimeDelta::minutes(1);
            }
            let moment = tick + TimeDelta::seconds(self.second.into());
            let wall = moment.with_timezone(&zone).naive_local();
            let seen_before = zone.from_local_datetime(&wall).earliest() != Some(moment.with_timezone(&zone));
            if self.names(wall) && (!seen_before || self.hours.len() == 24) {
                due.insert(moment);
            }
        }
        due
    }
}

fn named() -> impl Strategy<Value = Named> {
    let hours = prop_oneof![
        prop::collection::btree_set(0..24_u32, 1..5),
        Just((0..24).collect()),
        Just((0..4).collect())
    ];
    let minutes = prop::collection::btree_set((0..12_u32).prop_map(|five| five * 5), 1..4);
    let weekdays = prop_oneof![prop::collection::btree_set(1..=7_u32, 1..4), Just((1..=7).collect())];
    (minutes, hours, weekdays, prop_oneof![Just(0), 0..60_u32], prop_oneof![Just(0), 1..=6_u32]).prop_map(
        |(minutes, hours, weekdays, second, offset)| Named { minutes, hours, weekdays, second, offset },
    )
}

/// A zone, and a moment some days before its clocks change.
fn change() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(vec![
        ("Europe/Berlin", "2026-03-28T00:00:00Z"),
        ("Europe/Berlin", "2026-10-24T00:00:00Z"),
        ("America/New_York", "2026-03-07T00:00:00Z"),
        ("America/New_York", "2026-10-31T00:00:00Z"),
        ("Australia/Lord_Howe", "2026-10-02T00:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-03T00:00:00Z"),
        ("America/St_Johns", "2011-11-05T00:00:00Z"),
        ("Africa/Casablanca", "2026-02-14T00:00:00Z"),
        ("Antarctica/Troll", "2026-10-24T00:00:00Z"),
        ("Antarctica/Casey", "2010-03-03T00:00:00Z"),
        ("Pacific/Apia", "2011-12-29T00:00:00Z"),
        ("Asia/Kathmandu", "2026-06-01T00:00:00Z"),
        ("UTC", "2028-02-27T00:00:00Z"),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn the_same_moments_as_one_minute_at_a_time(named in named(), (zone, start) in change(), from in 0..1440_i64) {
        let days = 4;
        let minutes = days * 1440;
        let tz: Tz = zone.parse().unwrap();
        let begin = at(start);
        // A range starts on a whole minute; what is due at its start belongs to it.
        let begin: Instant = begin + TimeDelta::minutes(from);
        let expected: Vec<Instant> = named.due(tz, begin, minutes).into_iter().collect();
        let mut schedule = Schedule::new(expression(&named.text()), begin).in_zone(zone.parse::<Zone>().unwrap());
        if named.offset > 0 {
            schedule = schedule.put_off(named.offset).unwrap();
        }
        let found: Vec<Instant> = schedule.occurrences(begin..begin + TimeDelta::minutes(minutes)).collect();
        prop_assert_eq!(&found, &expected, "{} in {}", named.text(), zone);
        // Asked at any moment, the answer is the first of those that follow.
        for probe in 0..40 {
            let moment = begin + TimeDelta::seconds(probe * days * 2160 + 7);
            let next = expected.iter().find(|due| **due > moment).copied();
            if let Some(next) = next {
                prop_assert_eq!(schedule.next_after(moment), Some(next), "after {} in {}", moment, zone);
            }
        }
    }

    #[test]
    fn a_rate_is_a_multiple_of_its_period(value in 1..5_000_u32, unit in 0..3_usize, anchor in 0..4_000_000_000_000_i64, later in 0..400_000_000_000_i64) {
        let (name, millis) = [("minute", 60_000), ("hour", 3_600_000), ("day", 86_400_000)][unit];
        let plural = if value == 1 { "" } else { "s" };
        let anchor_at = DateTime::<Utc>::from_timestamp_millis(anchor).unwrap();
        let schedule = Schedule::new(expression(&format!("rate({value} {name}{plural})")), anchor_at);
        let after = anchor_at + TimeDelta::milliseconds(later);
        let next = schedule.next_after(after).unwrap();
        let period = i64::from(value) * millis;
        prop_assert_eq!((next - anchor_at).num_milliseconds() % period, 0);
        prop_assert!(next > after && (next - after).num_milliseconds() <= period);
    }
}
