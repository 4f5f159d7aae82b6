//! The fields of `cron()` as sets of numbers. Names become numbers here, the `cron` crate reads the rest; it ends at
//! the year 2100, so that years are read here.

use std::fmt;

use ::cron::TimeUnitSpec;

use crate::cron::YEARS;
use crate::expression::ScheduleError;

/// A field of `cron()`, as people name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Seconds,
    Minutes,
    Hours,
    DayOfMonth,
    Month,
    DayOfWeek,
    Year,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seconds => "seconds",
            Self::Minutes => "minutes",
            Self::Hours => "hours",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::DayOfWeek => "day of week",
            Self::Year => "year",
        })
    }
}

impl Field {
    /// What may stand in the field, for the line of an error.
    pub(crate) fn wanted(self) -> &'static str {
        match self {
            Self::Seconds => "one number from 0 to 59",
            Self::Minutes => "0 to 59, with `,` `-` `*` `/`",
            Self::Hours => "0 to 23, with `,` `-` `*` `/`",
            Self::DayOfMonth => {
                "1 to 31, with `,` `-` `*` `/`, or `?`, `L` (last day), `L-2`, `15W` (nearest weekday), `LW`"
            }
            Self::Month => "1 to 12 or JAN to DEC, with `,` `-` `*` `/`",
            Self::DayOfWeek => {
                "1 (Sunday) to 7 or SUN to SAT, with `,` `-` `*` `/`, or `?`, `6L` (last Friday), `THU#3` (third Thursday)"
            }
            Self::Year => "1970 to 2199, with `,` `-` `*` `/`",
        }
    }

    pub(crate) fn wrong(self, text: &str) -> ScheduleError {
        ScheduleError::Field { field: self, text: text.to_owned() }
    }

    /// The numbers that a field without special day rules names, as bits.
    pub(crate) fn numbers(self, text: &str) -> Result<u64, ScheduleError> {
        let wrong = || self.wrong(text);
        let plain = self.without_names(text).ok_or_else(wrong)?;
        let expression = match self {
            Self::Seconds => format!("{plain} * * * * * *"),
            Self::Minutes => format!("0 {plain} * * * * *"),
            Self::Hours => format!("0 0 {plain} * * * *"),
            Self::DayOfMonth => format!("0 0 0 {plain} * * *"),
            Self::Month => format!("0 0 0 * {plain} * *"),
            Self::DayOfWeek => format!("0 0 0 * * {plain} *"),
            Self::Year => return Err(wrong()),
        };
        let read: ::cron::Schedule = expression.parse().map_err(|_| wrong())?;
        Ok(match self {
            Self::Seconds => bits(read.seconds()),
            Self::Minutes => bits(read.minutes()),
            Self::Hours => bits(read.hours()),
            Self::DayOfMonth => bits(read.days_of_month()),
            Self::Month => bits(read.months()),
            Self::DayOfWeek => bits(read.days_of_week()),
            Self::Year => 0,
        })
    }

    /// The field with numbers for names, as the crate reads it: it knows longer names than SSM and no step after one.
    /// None when a word is neither a number nor a name of the field.
    fn without_names(self, text: &str) -> Option<String> {
        let mut plain = String::with_capacity(text.len());
        for piece in text.split_inclusive([',', '-', '*', '/']) {
            let word = piece.trim_end_matches([',', '-', '*', '/']);
            if word.bytes().all(|byte| byte.is_ascii_digit()) {
                plain.push_str(word);
            } else {
                plain.push_str(&self.number_of_name(word)?.to_string());
            }
            plain.push_str(&piece[word.len()..]);
        }
        Some(plain)
    }

    /// Names are in capitals by now.
    pub(crate) fn number_of_name(self, name: &str) -> Option<usize> {
        let names: &[&str] = match self {
            Self::Month => {
                &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
            }
            Self::DayOfWeek => &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
            _ => &[],
        };
        names.iter().position(|known| *known == name).map(|at| at + 1)
    }
}

fn bits(numbers: &impl TimeUnitSpec) -> u64 {
    numbers.iter().fold(0, |bits, number| bits | 1 << number)
}

/// A set of years, as bits from the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Years([u64; 4]);

impl Years {
    pub(crate) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let mut years = Self([0; 4]);
        for part in text.split(',') {
            let (first, last, step) = year_part(part).ok_or_else(|| Field::Year.wrong(text))?;
            for year in (first..=last).step_by(step) {
                let at = bit(year);
                years.0[at / 64] |= 1 << (at % 64);
            }
        }
        Ok(years)
    }

    pub(crate) fn contains(&self, year: i32) -> bool {
        let at = bit(year);
        YEARS.contains(&year) && self.0[at / 64] >> (at % 64) & 1 == 1
    }
}

fn bit(year: i32) -> usize {
    usize::try_from(year - YEARS.start()).unwrap_or_default()
}

/// First, last and step of `*`, `A`, `A-B`, each with or without `/STEP`. A lone start with a step runs to the end.
fn year_part(part: &str) -> Option<(i32, i32, usize)> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(number(step)?)),
        None => (part, None),
    };
    let (first, last) = match range.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None if range == "*" => (*YEARS.start(), *YEARS.end()),
        None if step.is_some() => (number(range)?, *YEARS.end()),
        None => (number(range)?, number(range)?),
    };
    let step = usize::try_from(step.unwrap_or(1)).ok().filter(|step| *step > 0)?;
    (first <= last && YEARS.contains(&first) && YEARS.contains(&last)).then_some((first, last, step))
}

fn number(text: &str) -> Option<i32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
