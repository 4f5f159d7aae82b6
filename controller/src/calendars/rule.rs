//! A recurrence rule of iCalendar text (RFC 5545, section 3.3.10): on which days an event comes again. Pure.
//!
//! A rule divides the calendar into periods (days, weeks, months or years), of which every n-th counts, and picks days
//! of each. A question about a moment looks at the periods around it, however long ago the event began: only COUNT is
//! counted from the start, once, when the rule is read. Nothing comes after [`END_YEAR`].

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, Weekday};

mod read;

pub(super) use read::read;

/// The year in which all rules end, as schedules do.
const END_YEAR: i32 = 2200;

/// How many days a question may still look at: a hostile rule costs a bounded time.
#[derive(Debug)]
pub(super) struct Work {
    left: u64,
}

impl Work {
    pub(super) fn of_days(days: u64) -> Self {
        Self { left: days }
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.left == 0
    }

    pub(super) fn look_at(&mut self, days: u64) {
        self.left = self.left.saturating_sub(days);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// A rule with what its event says of it. Empty lists are parts that the rule does not have, after those were filled
/// in that follow from the first day.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    frequency: Frequency,
    interval: i64,
    months: Vec<u32>,
    /// From the end of the month where they are negative.
    month_days: Vec<i32>,
    /// The n-th of the month or of the year, or every one.
    week_days: Vec<(Option<i32>, Weekday)>,
    positions: Vec<i32>,
    week_start: Weekday,
    first: NaiveDateTime,
    /// The last start that may be.
    last: NaiveDateTime,
}

impl Rule {
    /// The starts from the first of these days to the last.
    pub(super) fn between(&self, from: NaiveDate, to: NaiveDate, work: &mut Work) -> Vec<NaiveDateTime> {
        let (from, to) = (from.max(self.first.date()), to.min(self.last.date()));
        let mut found = Vec::new();
        if from > to {
            return found;
        }
        for period in self.period_of(from)..=self.period_of(to) {
            if work.is_used_up() {
                break;
            }
            let starts = self.starts_of(period, work).into_iter();
            found.extend(starts.filter(|start| (from..=to).contains(&start.date())));
        }
        found
    }

    /// The starts of the first period that has any on this day or later.
    pub(super) fn next(&self, from: NaiveDate, work: &mut Work) -> Vec<NaiveDateTime> {
        let from = from.max(self.first.date());
        let mut period = self.period_of(from);
        while let Some((begin, _)) = self.days_of(period)
            && begin <= self.last.date()
            && !work.is_used_up()
        {
            let mut starts = self.starts_of(period, work);
            starts.retain(|start| start.date() >= from);
            if !starts.is_empty() {
                return starts;
            }
            period += 1;
        }
        Vec::new()
    }

    pub(super) fn contains(&self, start: NaiveDateTime, work: &mut Work) -> bool {
        start.time() == self.first.time()
            && start >= self.first
            && self.starts_of(self.period_of(start.date()), work).contains(&start)
    }

    /// In which of the periods that count a day lies, or after which of them.
    fn period_of(&self, day: NaiveDate) -> i64 {
        let first = self.first.date();
        let apart = match self.frequency {
            Frequency::Daily => (day - first).num_days(),
            Frequency::Weekly => (day - self.week_of(first)).num_days().div_euclid(7),
            Frequency::Monthly => month_number(day) - month_number(first),
            Frequency::Yearly => i64::from(day.year() - first.year()),
        };
        apart.div_euclid(self.interval)
    }

    /// The first day of a period and the one after its last; None behind the end of the calendar.
    fn days_of(&self, period: i64) -> Option<(NaiveDate, NaiveDate)> {
        let first = self.first.date();
        let apart = period.checked_mul(self.interval)?;
        let later = |day: NaiveDate, days: i64| day.checked_add_days(Days::new(u64::try_from(days).ok()?));
        match self.frequency {
            Frequency::Daily => {
                let begin = later(first, apart)?;
                Some((begin, later(begin, 1)?))
            }
            Frequency::Weekly => {
                let begin = later(self.week_of(first), apart.checked_mul(7)?)?;
                Some((begin, later(begin, 7)?))
            }
            Frequency::Monthly => {
                let month = month_number(first).checked_add(apart)?;
                Some((month_begin(month)?, month_begin(month + 1)?))
            }
            Frequency::Yearly => {
                let year = i32::try_from(i64::from(first.year()).checked_add(apart)?).ok()?;
                let begin = |year| NaiveDate::from_ymd_opt(year, 1, 1);
                Some((begin(year)?, begin(year.checked_add(1)?)?))
            }
        }
    }

    fn week_of(&self, day: NaiveDate) -> NaiveDate {
        let into = day.weekday().days_since(self.week_start);
        day.checked_sub_days(Days::new(into.into())).unwrap_or(day)
    }

    /// The starts in one period that the rule allows.
    fn starts_of(&self, period: i64, work: &mut Work) -> Vec<NaiveDateTime> {
        let Some((begin, end)) = self.days_of(period) else { return Vec::new() };
        let mut days = Vec::new();
        for day in begin.iter_days().take_while(|day| *day < end) {
            work.look_at(1);
            if self.takes(day) {
                days.push(day);
            }
        }
        let starts = self.picked(days).into_iter().map(|day| day.and_time(self.first.time()));
        starts.filter(|start| (self.first..=self.last).contains(start)).collect()
    }

    fn takes(&self, day: NaiveDate) -> bool {
        let from_end = day.day().cast_signed() - days_in_month(day).cast_signed() - 1;
        let in_month = day.day().cast_signed();
        (self.months.is_empty() || self.months.contains(&day.month()))
            && (self.month_days.is_empty()
                || self.month_days.contains(&in_month)
                || self.month_days.contains(&from_end))
            && (self.week_days.is_empty() || self.week_days.iter().any(|wanted| self.is_that(*wanted, day)))
    }

    /// Whether a day is that weekday, and the n-th of those that the rule counts.
    fn is_that(&self, (number, weekday): (Option<i32>, Weekday), day: NaiveDate) -> bool {
        if day.weekday() != weekday {
            return false;
        }
        let Some(number) = number else { return true };
        let of_year = self.frequency == Frequency::Yearly && self.months.is_empty();
        let (into, long) = match of_year {
            true => (day.ordinal(), if day.leap_year() { 366 } else { 365 }),
            false => (day.day(), days_in_month(day)),
        };
        let from_front = (into.cast_signed() - 1) / 7 + 1;
        let from_back = -((long.cast_signed() - into.cast_signed()) / 7 + 1);
        number == from_front || number == from_back
    }

    fn picked(&self, days: Vec<NaiveDate>) -> Vec<NaiveDate> {
        if self.positions.is_empty() {
            return days;
        }
        let count = i32::try_from(days.len()).unwrap_or(i32::MAX);
        let here = |at: i32| self.positions.contains(&(at + 1)) || self.positions.contains(&(at - count));
        (0..).zip(days).filter(|(at, _)| here(*at)).map(|(_, day)| day).collect()
    }
}

fn month_number(day: NaiveDate) -> i64 {
    i64::from(day.year()) * 12 + i64::from(day.month0())
}

fn month_begin(number: i64) -> Option<NaiveDate> {
    let month = u32::try_from(number.rem_euclid(12)).ok()? + 1;
    NaiveDate::from_ymd_opt(i32::try_from(number.div_euclid(12)).ok()?, month, 1)
}

fn days_in_month(day: NaiveDate) -> u32 {
    day.num_days_in_month().into()
}

#[cfg(test)]
mod tests;
