//! Durations: `90s`, `10m`, `1h30m`. A number without a unit is refused, because nobody agrees on which it would be.

use std::time::Duration;

use humantime::DurationError as Syntax;

/// A time-out of a script (reference, section 2.4), seconds.
const EXECUTION: (u64, u64) = (5, 48 * 3600);
/// A time-out of a delivery, seconds; SSM starts at 30 s (reference, section 3.1), we at 1 s.
const DELIVERY: (u64, u64) = (1, 30 * 24 * 3600);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    #[error("`{0}` has no unit: write {0}s, {0}m, {0}h or {0}d")]
    NoUnit(String),
    #[error("`{0}` is not a unit of time: use ms, s, m, h or d, as in 90s, 10m or 1h30m")]
    UnknownUnit(String),
    #[error("`{0}` is not a duration: write 90s, 10m or 1h30m")]
    NotADuration(String),
    #[error("`{0}` is not a whole number of seconds")]
    NotWholeSeconds(String),
    #[error("`{text}` is not between {least} and {most}")]
    OutOfRange { text: String, least: &'static str, most: &'static str },
}

/// Any positive duration.
pub(crate) fn duration(text: &str) -> Result<Duration, DurationError> {
    let parsed = humantime::parse_duration(text).map_err(|error| match error {
        Syntax::UnknownUnit { unit, .. } if unit.is_empty() => DurationError::NoUnit(text.into()),
        Syntax::UnknownUnit { unit, .. } => DurationError::UnknownUnit(unit),
        _ => DurationError::NotADuration(text.into()),
    })?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) || parsed.is_zero() {
        let no_unit = !parsed.is_zero();
        return Err(if no_unit {
            DurationError::NoUnit(text.into())
        } else {
            DurationError::NotADuration(text.into())
        });
    }
    Ok(parsed)
}

/// 5 s to 48 h in whole seconds.
pub(crate) fn execution_timeout(text: &str) -> Result<Duration, DurationError> {
    let parsed = duration(text)?;
    if parsed.subsec_nanos() != 0 {
        return Err(DurationError::NotWholeSeconds(text.into()));
    }
    within(text, parsed, EXECUTION, "5s", "48h")
}

/// 1 s to 30 days.
pub(crate) fn delivery_timeout(text: &str) -> Result<Duration, DurationError> {
    within(text, duration(text)?, DELIVERY, "1s", "30d")
}

fn within(
    text: &str,
    parsed: Duration,
    (least_s, most_s): (u64, u64),
    least: &'static str,
    most: &'static str,
) -> Result<Duration, DurationError> {
    if (Duration::from_secs(least_s)..=Duration::from_secs(most_s)).contains(&parsed) {
        Ok(parsed)
    } else {
        Err(DurationError::OutOfRange { text: text.into(), least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let table =
            [("90s", 90_000), ("10m", 600_000), ("1h30m", 5_400_000), ("1d", 86_400_000), ("250ms", 250)];
        for (text, millis) in table {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_refusal_says_what_would_be_right() {
        let table = [
            ("10", "`10` has no unit: write 10s, 10m, 10h or 10d"),
            ("10x", "`x` is not a unit of time: use ms, s, m, h or d, as in 90s, 10m or 1h30m"),
            ("soon", "`soon` is not a duration: write 90s, 10m or 1h30m"),
            ("", "`` is not a duration: write 90s, 10m or 1h30m"),
            ("0s", "`0s` is not a duration: write 90s, 10m or 1h30m"),
            ("-5s", "`-5s` is not a duration: write 90s, 10m or 1h30m"),
            ("4s", "`4s` is not between 5s and 48h"),
            ("49h", "`49h` is not between 5s and 48h"),
            ("5500ms", "`5500ms` is not a whole number of seconds"),
        ];
        for (text, want) in table {
            assert_eq!(execution_timeout(text).unwrap_err().to_string(), want);
        }
        assert_eq!(delivery_timeout("31d").unwrap_err().to_string(), "`31d` is not between 1s and 30d");
        assert_eq!(delivery_timeout("1s"), Ok(Duration::from_secs(1)));
    }
}
