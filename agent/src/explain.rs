//! Errors and moments as one line for people.

use std::error::Error;

use chrono::{DateTime, SecondsFormat};
use fleetwright_proto::clock::Timestamp;

/// The error and, behind colons, what caused it. A wrapper that repeats what it wraps is told once.
#[must_use]
pub fn explain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// A moment as ISO 8601 in UTC, to the second.
#[must_use]
pub fn date(moment: Timestamp) -> String {
    DateTime::from_timestamp_millis(moment.millis())
        .map_or_else(|| "an unknown time".to_owned(), |date| date.to_rfc3339_opts(SecondsFormat::Secs, true))
}
