//! The text of a schedule: one of three forms, and one line for whatever is wrong with it.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDateTime};

use crate::cron::{Cron, YEARS};
use crate::fields::Field;
use crate::rate::{Rate, Unit};

/// As SSM has it.
pub const MAX_EXPRESSION_CHARS: usize = 256;

/// Why a text is no schedule. Each line names the field and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("`{0}` is not a schedule: write cron(…), rate(…) or at(…)")]
    Form(String),
    #[error("a schedule has at most {MAX_EXPRESSION_CHARS} characters; this one has {0}")]
    TooLong(usize),
    #[error(
        "cron() takes six fields (minutes, hours, day of month, month, day of week, year), or seven with seconds in \
         front; this one has {0}"
    )]
    FieldCount(usize),
    #[error("{field}: `{text}` is not right: {wanted}", wanted = field.wanted())]
    Field { field: Field, text: String },
    #[error(
        "day of month and day of week: one of them must be `?`, since the other says which days are meant"
    )]
    NoQuestionMark,
    #[error(
        "day of month and day of week: only one of them may be `?`, write `*` in the other for every day"
    )]
    TwoQuestionMarks,
    #[error("minutes: `{0}` comes more often than every five minutes, which a cron() schedule may not")]
    TooOften(String),
    #[error("cron({0}) never comes: no year has such a day")]
    Never(String),
    #[error("rate(): `{0}` is not right: write a number and a unit, for example rate(7 days)")]
    Rate(String),
    #[error("rate(): the value is `{0}`, and must be a whole number from 1 to 1000000")]
    RateValue(String),
    #[error(
        "rate(): `{0}` is not a unit: write minute, hour or day with the value 1, minutes, hours or days with others"
    )]
    RateUnit(String),
    #[error("rate(): with the value {value} the unit is `{wanted}`, not `{found}`")]
    RateNumber { value: u32, wanted: &'static str, found: String },
    #[error(
        "at(): `{0}` is not a moment of the years 1970 to 2199: write at(YYYY-MM-DDThh:mm:ss), in the schedule's time \
         zone"
    )]
    At(String),
    #[error("schedule offset: {0} is not 1 to 6 days")]
    Offset(u32),
    #[error("schedule offset: only a cron() schedule can be put off by days")]
    OffsetWithoutCron,
}

/// A schedule expression that was checked. It prints as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    Cron(Cron),
    Rate(Rate),
    At(At),
}

/// `at()`: once, at a time of the schedule's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    pub local: NaiveDateTime,
}

impl FromStr for Expression {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let chars = text.chars().count();
        if chars > MAX_EXPRESSION_CHARS {
            return Err(ScheduleError::TooLong(chars));
        }
        let text = text.trim();
        let unknown = || ScheduleError::Form(text.to_owned());
        let (form, rest) = text.split_once('(').ok_or_else(unknown)?;
        let inner = rest.strip_suffix(')').ok_or_else(unknown)?.trim();
        match form.to_ascii_lowercase().as_str() {
            "cron" => Cron::parse(inner).map(Self::Cron),
            "rate" => Rate::parse(inner).map(Self::Rate),
            "at" => At::parse(inner).map(Self::At),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron(cron) => write!(f, "cron({})", cron.source()),
            Self::Rate(Rate { value, unit }) => write!(f, "rate({value} {})", unit.name(*value)),
            Self::At(at) => write!(f, "at({})", at.local.format("%Y-%m-%dT%H:%M:%S")),
        }
    }
}

impl At {
    fn parse(text: &str) -> Result<Self, ScheduleError> {
        let wrong = || ScheduleError::At(text.to_owned());
        // chrono takes one-digit months and years of other lengths; SSM's form is fixed.
        if text.len() != "YYYY-MM-DDThh:mm:ss".len() {
            return Err(wrong());
        }
        let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").map_err(|_| wrong())?;
        // A leap second is read as one; no zone has it.
        let leap = chrono::Timelike::nanosecond(&local) != 0;
        if !YEARS.contains(&local.year()) || leap { Err(wrong()) } else { Ok(Self { local }) }
    }
}

impl Rate {
    fn parse(text: &str) -> Result<Self, ScheduleError> {
        let mut words = text.split_whitespace();
        let (Some(value), Some(unit), None) = (words.next(), words.next(), words.next()) else {
            return Err(ScheduleError::Rate(text.to_owned()));
        };
        let value: u32 = value
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| value.parse().ok())
            .flatten()
            .filter(|value| (1..=Self::MAX_VALUE).contains(value))
            .ok_or_else(|| ScheduleError::RateValue(value.to_owned()))?;
        let written = unit.to_ascii_lowercase();
        let unit = match written.strip_suffix('s').unwrap_or(&written) {
            "minute" => Unit::Minutes,
            "hour" => Unit::Hours,
            "day" => Unit::Days,
            _ => return Err(ScheduleError::RateUnit(unit.to_owned())),
        };
        let wanted = unit.name(value);
        if written == wanted {
            Ok(Self { value, unit })
        } else {
            Err(ScheduleError::RateNumber { value, wanted, found: written })
        }
    }
}
