//! Concurrency and error limits: a number or a percentage of the targets (reference, section 3.4). Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;

/// A limit as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Limit {
    Count(u32),
    /// 0 to 100.
    Percent(u32),
}

/// SSM's default of how many nodes run a command at once.
pub const DEFAULT_CONCURRENCY: Limit = Limit::Count(50);
/// SSM's default of how many errors are borne: the first stops what was not sent.
pub const DEFAULT_ERRORS: Limit = Limit::Count(0);
/// Longest text of a limit, characters (reference, section 3.1).
const TEXT_MAX_CHARS: usize = 7;

/// Reads how many nodes may run a command at once. Empty: 50.
pub fn parse_concurrency(text: &str) -> Result<Limit, Refusal> {
    match parse(text, DEFAULT_CONCURRENCY) {
        Some(Limit::Count(0) | Limit::Percent(0)) | None => Err(Refusal::invalid(format!(
            "max concurrency `{}` is not good: a number from 1, or 1% to 100%",
            text.escape_debug()
        ))),
        Some(limit) => Ok(limit),
    }
}

/// Reads how many errors are borne. Empty: 0.
pub fn parse_errors(text: &str) -> Result<Limit, Refusal> {
    parse(text, DEFAULT_ERRORS).ok_or_else(|| {
        Refusal::invalid(format!(
            "max errors `{}` is not good: a number from 0, or 0% to 100%",
            text.escape_debug()
        ))
    })
}

fn parse(text: &str, default: Limit) -> Option<Limit> {
    if text.is_empty() {
        return Some(default);
    }
    let digits = text.strip_suffix('%').unwrap_or(text);
    // `+5`, ` 5` and `007` are numbers to a machine and slips to a person.
    let plain =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    let number: u32 = if plain && text.len() <= TEXT_MAX_CHARS { digits.parse().ok()? } else { return None };
    match (text.ends_with('%'), number) {
        (false, count) => Some(Limit::Count(count)),
        (true, percent @ 0..=100) => Some(Limit::Percent(percent)),
        (true, _) => None,
    }
}

impl Limit {
    /// How many of `targets` nodes may run it at once: percentages round down, and one always may.
    #[must_use]
    pub fn concurrency(self, targets: u32) -> u32 {
        self.of(targets).max(1)
    }

    /// How many errors are borne; one more stops the command. Percentages round down.
    #[must_use]
    pub fn errors(self, targets: u32) -> u32 {
        self.of(targets)
    }

    fn of(self, targets: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                u32::try_from(u64::from(targets) * u64::from(percent) / 100).unwrap_or(u32::MAX)
            }
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl TryFrom<String> for Limit {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        parse_errors(&text)
    }
}

impl From<Limit> for String {
    fn from(limit: Limit) -> String {
        limit.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_limit_and_what_it_means() {
        for (text, targets, expected) in [
            ("", 1000, 50),
            ("1", 10, 1),
            ("10", 3, 10),
            ("10%", 50, 5),
            ("10%", 59, 5),
            ("1%", 5, 1),
            ("100%", 7, 7),
        ] {
            assert_eq!(
                parse_concurrency(text).unwrap().concurrency(targets),
                expected,
                "{text} of {targets}"
            );
        }
        for (text, targets, expected) in [("", 9, 0), ("0", 9, 0), ("0%", 9, 0), ("3", 9, 3), ("10%", 50, 5)]
        {
            assert_eq!(parse_errors(text).unwrap().errors(targets), expected, "{text} of {targets}");
        }
    }

    #[test]
    fn what_is_none_is_refused_by_name() {
        for text in ["0", "0%", "101%", "-1", "+1", "1.5", "%", "1 %", "01", "12345678", "ten", "५"] {
            let error = parse_concurrency(text).unwrap_err();
            assert!(error.message.contains(text), "{error}");
        }
        for text in ["101%", "1000%", "-1", "none", "1%%"] {
            assert!(parse_errors(text).unwrap_err().message.contains(text));
        }
    }

    #[test]
    fn a_limit_prints_as_it_was_written() {
        for text in ["1", "50", "100%"] {
            assert_eq!(parse_errors(text).unwrap().to_string(), text);
        }
    }
}
