//! What a window, its targets and its tasks may be. Pure; each refusal names the field.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use fleetwright_proto::clock::Timestamp;
use fleetwright_schedule::{Expression, Zone};

use super::fault::{Fault, WindowError};
use super::records::{Date, WindowRecord};
use crate::error::Refusal;
use crate::nodes::targets::{Selector, TARGETS_MAX};

/// As SSM has them (reference, section 9.1).
pub const NAME_CHARS: std::ops::RangeInclusive<usize> = 3..=128;
pub const TEXT_MAX_CHARS: usize = 128;
pub const DURATION_HOURS: std::ops::RangeInclusive<u32> = 1..=24;
pub const CUTOFF_MAX_HOURS: u32 = 23;
pub const TOKEN_MAX_CHARS: usize = 64;
/// Most calendars of one window.
pub const CALENDARS_MAX: usize = 10;

pub(super) fn wrong(message: impl Into<String>) -> WindowError {
    Fault::Validation.because(message)
}

/// Text for a message: bounded and without control characters.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).collect::<String>().escape_debug().to_string()
}

/// A name of a window, and where it is given, of a target or a task.
pub(super) fn name(what: &str, text: &str) -> Result<(), WindowError> {
    let good = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    if NAME_CHARS.contains(&text.chars().count()) && text.chars().all(good) {
        return Ok(());
    }
    Err(wrong(format!("{what}: `{}` is not a name: 3 to 128 letters, digits, and _ - .", shown(text))))
}

pub(super) fn text(what: &str, text: &str) -> Result<(), WindowError> {
    if text.chars().count() <= TEXT_MAX_CHARS {
        return Ok(());
    }
    Err(wrong(format!("the {what} is longer than {TEXT_MAX_CHARS} characters")))
}

pub(super) fn token(text: &str) -> Result<(), WindowError> {
    if text.chars().count() <= TOKEN_MAX_CHARS {
        return Ok(());
    }
    Err(wrong(format!("the client token is longer than {TOKEN_MAX_CHARS} characters")))
}

/// A start or end date: ISO 8601 with an offset, or without one in UTC.
pub fn date(what: &str, text: &str) -> Result<Date, WindowError> {
    let naive = |moment: NaiveDateTime| moment.and_utc().timestamp_millis();
    let read = DateTime::parse_from_rfc3339(text).map(|moment| moment.timestamp_millis()).or_else(|error| {
        for form in ["%Y-%m-%dT%H:%M%:z", "%Y-%m-%dT%H:%M:%S%z"] {
            if let Ok(moment) = DateTime::parse_from_str(text, form) {
                return Ok(moment.timestamp_millis());
            }
        }
        for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%MZ"] {
            if let Ok(moment) = NaiveDateTime::parse_from_str(text, form) {
                return Ok(naive(moment));
            }
        }
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| error)?;
        day.and_hms_opt(0, 0, 0).map(naive).ok_or(error)
    });
    match read {
        Ok(millis) => Ok(Date { text: text.to_owned(), at: Timestamp::from_millis(millis) }),
        Err(_) => Err(wrong(format!(
            "{what}: `{}` is not a date: write it as 2026-11-04T02:00:00+01:00",
            shown(text)
        ))),
    }
}

/// Everything about a window that can be said without the store.
pub(super) fn window(window: &WindowRecord) -> Result<(), WindowError> {
    name("the window's name", &window.name)?;
    text("description", &window.description)?;
    let expression: Expression =
        window.schedule.parse().map_err(|error| wrong(format!("the schedule is not right: {error}")))?;
    if let Some(zone) = &window.timezone {
        zone.parse::<Zone>().map_err(|error| wrong(error.to_string()))?;
    }
    if let Some(days) = window.offset_days {
        let schedule =
            fleetwright_schedule::Schedule::new(expression, fleetwright_schedule::Instant::default());
        schedule.put_off(days).map_err(|error| wrong(error.to_string()))?;
    }
    // As they were written: a start that is past means now, and an end that is past that it opens no more.
    if let (Some(start), Some(end)) = (&window.start, &window.end)
        && end.at <= date("the start date", &start.text)?.at
    {
        return Err(wrong(format!(
            "the end date {} is not later than the start date {}",
            shown(&end.text),
            shown(&start.text)
        )));
    }
    if !DURATION_HOURS.contains(&window.duration_hours) {
        return Err(wrong(format!(
            "the duration of {} hours is out of range: 1 to 24",
            window.duration_hours
        )));
    }
    if window.cutoff_hours > CUTOFF_MAX_HOURS {
        return Err(wrong(format!("the cut-off of {} hours is out of range: 0 to 23", window.cutoff_hours)));
    }
    if window.cutoff_hours >= window.duration_hours {
        return Err(wrong(format!(
            "the cut-off of {} hours must be less than the duration of {}",
            window.cutoff_hours, window.duration_hours
        )));
    }
    if let Some(minutes) = window.grace_minutes.filter(|minutes| *minutes > 24 * 60) {
        return Err(wrong(format!("the grace of {minutes} minutes is out of range: 0 to 1440")));
    }
    if window.calendars.len() > CALENDARS_MAX {
        return Err(wrong(format!(
            "{} calendars are too many: {CALENDARS_MAX} at most",
            window.calendars.len()
        )));
    }
    Ok(())
}

/// The targets of a registration, or of a question about them.
pub fn selectors(targets: Vec<(String, Vec<String>)>) -> Result<Vec<Selector>, WindowError> {
    if targets.is_empty() || targets.len() > TARGETS_MAX {
        return Err(wrong(format!("{} targets are not right: 1 to {TARGETS_MAX}", targets.len())));
    }
    let read = |(key, values): (String, Vec<String>)| {
        Selector::parse(&key, values).map_err(|error: Refusal| wrong(error.message))
    };
    targets.into_iter().map(read).collect()
}
