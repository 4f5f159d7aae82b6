//! Which days of a month a schedule means: SSM's day rules, evaluated for a whole month at once.

use chrono::{Datelike, NaiveDate};

use crate::expression::ScheduleError;
use crate::fields::Field;

/// One of the two day fields; the other one is `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Days {
    OfMonth(MonthDays),
    OfWeek(WeekDays),
}

/// What the day-of-month field names. Bits are days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MonthDays {
    numbered: u32,
    /// `L` is bit 0, `L-2` is bit 2.
    before_last: u32,
    /// `15W`: the weekday nearest to the 15th, in the same month.
    nearest_weekday: u32,
    /// `LW`
    last_weekday: bool,
}

/// What the day-of-week field names. Bits are weekdays, 1 is Sunday.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WeekDays {
    every: u32,
    /// `THU#3` is Thursday's bit in the third of them.
    nth: [u32; 5],
    /// `6L`
    last: u32,
}

/// A month as the rules see it.
#[derive(Debug, Clone, Copy)]
struct Month {
    /// 1 is Sunday.
    first_weekday: u32,
    length: u32,
}

impl Days {
    /// The two fields, in capitals.
    pub(crate) fn parse(of_month: &str, of_week: &str) -> Result<Self, ScheduleError> {
        match (of_month, of_week) {
            ("?", "?") => Err(ScheduleError::TwoQuestionMarks),
            ("?", _) => WeekDays::parse(of_week).map(Self::OfWeek),
            (_, "?") => MonthDays::parse(of_month).map(Self::OfMonth),
            _ => {
                // A field that is wrong by itself is told first.
                MonthDays::parse(of_month)?;
                WeekDays::parse(of_week)?;
                Err(ScheduleError::NoQuestionMark)
            }
        }
    }

    /// The days of that month that are meant, as bits from 1.
    pub(crate) fn in_month(&self, year: i32, month: u32) -> u32 {
        let Some(month) = Month::of(year, month) else { return 0 };
        match self {
            Self::OfMonth(days) => days.in_month(month),
            Self::OfWeek(days) => days.in_month(month),
        }
    }
}

impl MonthDays {
    fn parse(text: &str) -> Result<Self, ScheduleError> {
        let field = Field::DayOfMonth;
        let day = |number: &str, least: u32| {
            let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| number.parse::<u32>().ok()).flatten().filter(|day| (least..=31).contains(day))
        };
        let mut days = Self::default();
        for part in text.split(',') {
            let wrong = || field.wrong(part);
            if part == "L" {
                days.before_last |= 1;
            } else if part == "LW" || part == "WL" {
                days.last_weekday = true;
            } else if let Some(before) = part.strip_prefix("L-") {
                days.before_last |= 1 << day(before, 1).filter(|before| *before < 31).ok_or_else(wrong)?;
            } else if let Some(near) = part.strip_suffix('W') {
                days.nearest_weekday |= 1 << day(near, 1).ok_or_else(wrong)?;
            } else {
                days.numbered |= field.numbers(part)? as u32;
            }
        }
        Ok(days)
    }

    fn in_month(&self, month: Month) -> u32 {
        let mut days = self.numbered & month.all();
        for before in ones(self.before_last).filter(|before| *before < month.length) {
            days |= 1 << (month.length - before);
        }
        for day in ones(self.nearest_weekday).filter(|day| *day <= month.length) {
            days |= 1 << month.nearest_weekday(day);
        }
        if self.last_weekday {
            days |= 1 << month.nearest_weekday(month.length);
        }
        days
    }
}

impl WeekDays {
    fn parse(text: &str) -> Result<Self, ScheduleError> {
        let field = Field::DayOfWeek;
        let weekday = |text: &str| match text.as_bytes() {
            [digit @ b'1'..=b'7'] => Some(u32::from(digit - b'0')),
            _ => field.number_of_name(text).and_then(|number| u32::try_from(number).ok()),
        };
        let mut days = Self::default();
        for part in text.split(',') {
            let wrong = || field.wrong(part);
            if part == "L" {
                // The last day of the week.
                days.every |= 1 << 7;
            } else if let Some((day, nth)) = part.split_once('#') {
                let nth: usize = match nth.as_bytes() {
                    [digit @ b'1'..=b'5'] => usize::from(digit - b'1'),
                    _ => return Err(wrong()),
                };
                days.nth[nth] |= 1 << weekday(day).ok_or_else(wrong)?;
            } else if let Some(day) = part.strip_suffix('L') {
                days.last |= 1 << weekday(day).ok_or_else(wrong)?;
            } else if let Some((first, last)) = over_the_week_end(part, weekday) {
                days.every |= field.numbers(&format!("{first}-7,1-{last}"))? as u32;
            } else {
                days.every |= field.numbers(part)? as u32;
            }
        }
        Ok(days)
    }

    fn in_month(&self, month: Month) -> u32 {
        let mut days = 0;
        for day in 1..=month.length {
            let weekday = 1 << month.weekday(day);
            let nth = self.nth[(day as usize - 1) / 7];
            let last = if day + 7 > month.length { self.last } else { 0 };
            if (self.every | nth | last) & weekday != 0 {
                days |= 1 << day;
            }
        }
        days
    }
}

/// `SAT-SUN`: a range that goes over the end of the week.
fn over_the_week_end(part: &str, weekday: impl Fn(&str) -> Option<u32>) -> Option<(u32, u32)> {
    let (first, last) = part.split_once('-')?;
    let (first, last) = (weekday(first)?, weekday(last)?);
    (first > last).then_some((first, last))
}

impl Month {
    fn of(year: i32, month: u32) -> Option<Self> {
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        let length = match month {
            4 | 6 | 9 | 11 => 30,
            2 if first.leap_year() => 29,
            2 => 28,
            _ => 31,
        };
        Some(Self { first_weekday: first.weekday().number_from_sunday(), length })
    }

    fn all(self) -> u32 {
        (1..=self.length).fold(0, |days, day| days | 1 << day)
    }

    fn weekday(self, day: u32) -> u32 {
        (self.first_weekday + day - 2) % 7 + 1
    }

    /// The day itself, or Friday before a Saturday and Monday after a Sunday, but never in another month.
    fn nearest_weekday(self, day: u32) -> u32 {
        match self.weekday(day) {
            7 if day == 1 => 3,
            7 => day - 1,
            1 if day == self.length => day - 2,
            1 => day + 1,
            _ => day,
        }
    }
}

/// The positions of the bits that are set, lowest first.
pub(crate) fn ones(mut bits: u32) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let at = bits.trailing_zeros();
        bits &= bits.wrapping_sub(1);
        (at < 32).then_some(at)
    })
}
