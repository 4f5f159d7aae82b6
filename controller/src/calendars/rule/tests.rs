//! Rules against an oracle that walks over every day and counts.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime};
use fleetwright_schedule::Zone;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::calendars::lines;

/// How far the oracle walks.
const DAYS: i64 = 366 * 9;

fn at_nine(day: NaiveDate) -> NaiveDateTime {
    day.and_time(NaiveTime::from_hms_opt(9, 0, 0).unwrap())
}

fn rule(text: &str, first: NaiveDate) -> Rule {
    let line = lines::read(&format!("RRULE:{text}")).unwrap().remove(0);
    read(&line, at_nine(first), Zone::default(), &mut Work::of_days(u64::MAX)).unwrap()
}

/// A rule in words, as the oracle takes it.
#[derive(Debug, Clone)]
struct Said {
    frequency: usize,
    interval: i64,
    months: Vec<u32>,
    month_days: Vec<i32>,
    week_days: Vec<(i32, usize)>,
    position: i32,
    count: Option<usize>,
}

const NAMES: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
const FREQUENCIES: [&str; 4] = ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"];

impl Said {
    fn text(&self) -> String {
        let joined = |list: Vec<String>| list.join(",");
        let mut text = format!("FREQ={};INTERVAL={}", FREQUENCIES[self.frequency], self.interval);
        if !self.months.is_empty() {
            text += &format!(";BYMONTH={}", joined(self.months.iter().map(u32::to_string).collect()));
        }
        if !self.month_days.is_empty() {
            text += &format!(";BYMONTHDAY={}", joined(self.month_days.iter().map(i32::to_string).collect()));
        }
        if !self.week_days.is_empty() {
            let day = |(number, day): &(i32, usize)| match number {
                0 => NAMES[*day].to_owned(),
                number => format!("{number}{}", NAMES[*day]),
            };
            text += &format!(";BYDAY={}", joined(self.week_days.iter().map(day).collect()));
        }
        if self.position != 0 {
            text += &format!(";BYSETPOS={}", self.position);
        }
        if let Some(count) = self.count {
            text += &format!(";COUNT={count}");
        }
        text
    }

    /// Every start in so many days.
    fn walked(&self, first: NaiveDate) -> Vec<NaiveDate> {
        // Whole periods before the first day too, so that positions are counted from their begin.
        let begin = first - chrono::Duration::days(400);
        let mut periods: BTreeMap<i64, Vec<NaiveDate>> = BTreeMap::new();
        for day in begin.iter_days().take(usize::try_from(DAYS + 800).unwrap()) {
            let number = match self.frequency {
                0 => i64::from(day.num_days_from_ce()),
                // 1 January of the year 1 was a Monday.
                1 => i64::from(day.num_days_from_ce() - 1).div_euclid(7),
                2 => i64::from(day.year()) * 12 + i64::from(day.month()),
                _ => i64::from(day.year()),
            };
            periods.entry(number).or_default().push(day);
        }
        let home = *periods.iter().find(|(_, days)| days.contains(&first)).unwrap().0;
        let mut starts = vec![first];
        for (number, days) in periods.range(home..) {
            if (number - home) % self.interval != 0 {
                continue;
            }
            let mut good: Vec<_> = days.iter().copied().filter(|day| self.good(*day, first)).collect();
            if self.position > 0 {
                good = good.into_iter().skip(self.position as usize - 1).take(1).collect();
            } else if self.position < 0 {
                good = good.into_iter().rev().skip(-self.position as usize - 1).take(1).collect();
            }
            starts.extend(good.into_iter().filter(|day| *day > first));
        }
        starts.truncate(self.count.unwrap_or(usize::MAX));
        starts.retain(|day| (*day - first).num_days() < DAYS);
        starts
    }

    fn good(&self, day: NaiveDate, first: NaiveDate) -> bool {
        let silent = self.month_days.is_empty() && self.week_days.is_empty();
        let month = match (silent && self.frequency == 3, self.months.as_slice()) {
            (true, []) => day.month() == first.month(),
            (_, []) => true,
            (_, months) => months.contains(&day.month()),
        };
        let left = day.iter_days().take_while(|next| next.month() == day.month()).count();
        let of_month = match (silent, self.frequency) {
            (true, 2 | 3) => day.day() == first.day(),
            _ => {
                let named = |wanted: &i32| *wanted == day.day() as i32 || *wanted == -(left as i32);
                self.month_days.is_empty() || self.month_days.iter().any(named)
            }
        };
        let of_week = match (silent, self.frequency) {
            (true, 1) => day.weekday() == first.weekday(),
            _ => {
                self.week_days.is_empty()
                    || self.week_days.iter().any(|(number, wanted)| {
                        let weekday = day.weekday().num_days_from_monday() as usize == *wanted;
                        weekday && (*number == 0 || self.counted(day).contains(number))
                    })
            }
        };
        month && of_month && of_week
    }

    /// Which of its kind a day is, from the front and from the back.
    fn counted(&self, day: NaiveDate) -> [i32; 2] {
        let yearly = self.frequency == 3 && self.months.is_empty();
        let together =
            |other: NaiveDate| other.year() == day.year() && (yearly || other.month() == day.month());
        let week = |steps: i64| (day + chrono::Duration::days(7 * steps), steps);
        let before = (0..60).map(|steps| week(-steps)).take_while(|(other, _)| together(*other)).count();
        let after = (0..60).map(week).take_while(|(other, _)| together(*other)).count();
        [before as i32, -(after as i32)]
    }
}

fn said() -> impl Strategy<Value = Said> {
    let days = prop_oneof![1..=31_i32, -31..=-1_i32];
    let parts = (0..4_usize, 1..5_i64, vec(1..=12_u32, 0..3), vec(days, 0..3));
    let more = (vec((-2..=5_i32, 0..7_usize), 0..3), -3..=3_i32, proptest::option::of(1..40_usize));
    (parts, more).prop_map(|((frequency, interval, months, month_days), (week_days, position, count))| {
        let numbered = frequency >= 2;
        let week_days: Vec<_> =
            week_days.into_iter().map(|(number, day)| (if numbered { number } else { 0 }, day)).collect();
        let month_days = if frequency == 1 { Vec::new() } else { month_days };
        let silent = months.is_empty() && month_days.is_empty() && week_days.is_empty();
        let position = if silent { 0 } else { position };
        Said { frequency, interval, months, month_days, week_days, position, count }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_rule_gives_what_walking_over_the_days_gives(
        said in said(),
        first in 0..3_000_i64,
        asked in 1..DAYS - 100,
    ) {
        let first = NaiveDate::from_ymd_opt(2019, 1, 1).unwrap() + chrono::Duration::days(first);
        let read = rule(&said.text(), first);
        let walked = said.walked(first);
        let end = first + chrono::Duration::days(DAYS - 1);
        let mut work = Work::of_days(u64::MAX);
        let mut found: Vec<_> =
            read.between(first, end, &mut work).into_iter().map(|start| start.date()).collect();
        // The first start is the event's own, whether the rule names it or not.
        if found.first() != Some(&first) {
            found.insert(0, first);
        }
        prop_assert_eq!(&found, &walked, "{}", said.text());
        // Asked in the middle, it answers the same.
        let from = first + chrono::Duration::days(asked);
        let to = from + chrono::Duration::days(90);
        let some: Vec<_> = read.between(from, to, &mut work).into_iter().map(|start| start.date()).collect();
        let there = |day: &&NaiveDate| (from..=to).contains(*day) && **day != first;
        let wanted: Vec<_> = walked.iter().filter(there).copied().collect();
        prop_assert_eq!(some.iter().filter(|day| **day != first).copied().collect::<Vec<_>>(), wanted);
        if let Some(next) = walked.iter().find(|day| **day >= from && **day != first) {
            let found = read.next(from, &mut work);
            prop_assert_eq!(found.first().map(NaiveDateTime::date), Some(*next));
        }
        for day in &some {
            prop_assert!(read.contains(at_nine(*day), &mut work));
        }
    }
}
