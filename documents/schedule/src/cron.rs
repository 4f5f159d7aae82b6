//! `cron()`: from six or seven fields to the next time on the wall. Knows no time zone.

use std::ops::RangeInclusive;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use crate::days::Days;
use crate::expression::ScheduleError;
use crate::fields::{Field, Years};

/// The years that SSM knows.
pub(crate) const YEARS: RangeInclusive<i32> = 1970..=2199;

const EVERY_HOUR: u64 = (1 << 24) - 1;

const MIN_MINUTES_BETWEEN: u32 = 5;

/// The fields of a `cron()` expression, each as the set of what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    source: String,
    second: u32,
    /// Bits.
    minutes: u64,
    /// Bits.
    hours: u64,
    days: Days,
    /// Bits.
    months: u64,
    years: Years,
}

impl Cron {
    /// What stands between the parentheses.
    pub(crate) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let upper = text.to_ascii_uppercase();
        let fields: Vec<&str> = upper.split_whitespace().collect();
        let (seconds, [minutes, hours, day_of_month, month, day_of_week, year]) = match fields[..] {
            [a, b, c, d, e, f] => ("0", [a, b, c, d, e, f]),
            [seconds, a, b, c, d, e, f] => (seconds, [a, b, c, d, e, f]),
            _ => return Err(ScheduleError::FieldCount(fields.len())),
        };
        let cron = Self {
            source: text.split_whitespace().collect::<Vec<_>>().join(" "),
            second: one_second(seconds)?,
            minutes: Field::Minutes.numbers(minutes)?,
            hours: Field::Hours.numbers(hours)?,
            days: Days::parse(day_of_month, day_of_week)?,
            months: Field::Month.numbers(month)?,
            years: Years::parse(year)?,
        };
        if cron.least_minutes_between() < MIN_MINUTES_BETWEEN {
            return Err(ScheduleError::TooOften(minutes.to_owned()));
        }
        if cron.next_day(*YEARS.start(), 1, 1).is_none() {
            return Err(ScheduleError::Never(cron.source));
        }
        Ok(cron)
    }

    /// The fields as they were written, with one space between them.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The second of the minute at which it is due.
    #[must_use]
    pub fn second(&self) -> u32 {
        self.second
    }

    /// Whether it is meant to come in every hour of its days, so that an hour that exists twice has it twice.
    pub(crate) fn comes_every_hour(&self) -> bool {
        self.hours == EVERY_HOUR
    }

    /// The first time on the wall after `after` that the fields name.
    pub(crate) fn next_after(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let day = after.date();
        if self.names_day(day)
            && let Some(time) = self.time_after(after.time())
        {
            return Some(day.and_time(time));
        }
        let from = day.succ_opt()?;
        let day = self.next_day(from.year(), from.month(), from.day())?;
        Some(day.and_time(self.first_time()))
    }

    fn names_day(&self, day: NaiveDate) -> bool {
        self.years.contains(day.year())
            && self.months >> day.month() & 1 == 1
            && self.days.in_month(day.year(), day.month()) >> day.day() & 1 == 1
    }

    /// The first day that the fields name, from this one on.
    fn next_day(&self, year: i32, month: u32, day: u32) -> Option<NaiveDate> {
        let (mut month, mut day) = if year < *YEARS.start() { (1, 1) } else { (month, day) };
        for year in year.max(*YEARS.start())..=*YEARS.end() {
            if self.years.contains(year) {
                while month <= 12 {
                    if self.months >> month & 1 == 1 {
                        let days = self.days.in_month(year, month) >> day << day;
                        if days != 0 {
                            return NaiveDate::from_ymd_opt(year, month, days.trailing_zeros());
                        }
                    }
                    (month, day) = (month + 1, 1);
                }
            }
            (month, day) = (1, 1);
        }
        None
    }

    fn first_time(&self) -> NaiveTime {
        self.time(self.hours.trailing_zeros(), self.minutes.trailing_zeros())
    }

    fn time_after(&self, after: NaiveTime) -> Option<NaiveTime> {
        let hour = after.hour();
        if self.hours >> hour & 1 == 1 {
            let from = if self.second > after.second() { after.minute() } else { after.minute() + 1 };
            let minutes = self.minutes >> from << from;
            if minutes != 0 {
                return Some(self.time(hour, minutes.trailing_zeros()));
            }
        }
        let hours = self.hours >> (hour + 1) << (hour + 1);
        (hours != 0).then(|| self.time(hours.trailing_zeros(), self.minutes.trailing_zeros()))
    }

    fn time(&self, hour: u32, minute: u32) -> NaiveTime {
        NaiveTime::from_hms_opt(hour, minute, self.second).unwrap_or(NaiveTime::MIN)
    }

    fn least_minutes_between(&self) -> u32 {
        let minutes: Vec<u32> = (0..60).filter(|minute| self.minutes >> minute & 1 == 1).collect();
        let within = minutes.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap_or(60);
        let hours_touch =
            (0..24).any(|hour| self.hours >> hour & 1 == 1 && self.hours >> ((hour + 1) % 24) & 1 == 1);
        match (minutes.first(), minutes.last()) {
            (Some(first), Some(last)) if hours_touch => within.min(60 + first - last),
            _ => within,
        }
    }
}

fn one_second(text: &str) -> Result<u32, ScheduleError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let second = text.parse().ok().filter(|second| digits && *second < 60);
    second.ok_or_else(|| Field::Seconds.wrong(text))
}
