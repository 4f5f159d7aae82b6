//! `--max-concurrency` and `--max-errors`: a number of nodes or a share of them (reference, section 3.4).

use std::fmt;
use std::str::FromStr;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RateError {
    #[error("`{text}` is neither a number nor a percentage: write {example} or 10%")]
    NotARate { text: String, example: u32 },
    #[error("`{0}` is over 100%")]
    OverHundredPercent(String),
    #[error("`{0}` would never start anything: write at least 1 or 1%")]
    Nothing(String),
}

/// How many nodes run at the same time: 1 or more, or 1% to 100%.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MaxConcurrency(Rate);

/// How many nodes may fail before no more are started: 0 or more, or 0% to 100%.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MaxErrors(Rate);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rate {
    Nodes(u32),
    Percent(u32),
}

impl Rate {
    fn parse(text: &str, example: u32) -> Result<Self, RateError> {
        let (digits, is_percent) = match text.strip_suffix('%') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        let not_a_rate = || RateError::NotARate { text: text.into(), example };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(not_a_rate());
        }
        match (digits.parse(), is_percent) {
            (Ok(percent), true) if percent <= 100 => Ok(Self::Percent(percent)),
            (_, true) => Err(RateError::OverHundredPercent(text.into())),
            (Ok(nodes), false) => Ok(Self::Nodes(nodes)),
            (Err(_), false) => Err(not_a_rate()),
        }
    }
}

impl FromStr for MaxConcurrency {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        match Rate::parse(text, 10)? {
            Rate::Nodes(0) | Rate::Percent(0) => Err(RateError::Nothing(text.into())),
            rate => Ok(Self(rate)),
        }
    }
}

impl FromStr for MaxErrors {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        Rate::parse(text, 0).map(Self)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodes(nodes) => write!(f, "{nodes}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl fmt::Display for MaxConcurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for MaxErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_or_a_percentage() {
        let table = [
            ("1", Ok("1"), Ok("1")),
            ("007", Ok("7"), Ok("7")),
            ("100%", Ok("100%"), Ok("100%")),
            ("0", Err("`0` would never start anything: write at least 1 or 1%"), Ok("0")),
            ("0%", Err("`0%` would never start anything: write at least 1 or 1%"), Ok("0%")),
            ("101%", Err("`101%` is over 100%"), Err("`101%` is over 100%")),
            ("99999999999%", Err("`99999999999%` is over 100%"), Err("`99999999999%` is over 100%")),
            (
                "-1",
                Err("`-1` is neither a number nor a percentage: write 10 or 10%"),
                Err("`-1` is neither a number nor a percentage: write 0 or 10%"),
            ),
            (
                "half",
                Err("`half` is neither a number nor a percentage: write 10 or 10%"),
                Err("`half` is neither a number nor a percentage: write 0 or 10%"),
            ),
            (
                "%",
                Err("`%` is neither a number nor a percentage: write 10 or 10%"),
                Err("`%` is neither a number nor a percentage: write 0 or 10%"),
            ),
        ];
        for (text, concurrency, errors) in table {
            let got = text
                .parse::<MaxConcurrency>()
                .map(|rate| rate.to_string())
                .map_err(|error| error.to_string());
            assert_eq!(got.as_deref().map_err(String::as_str), concurrency, "{text}");
            let got =
                text.parse::<MaxErrors>().map(|rate| rate.to_string()).map_err(|error| error.to_string());
            assert_eq!(got.as_deref().map_err(String::as_str), errors, "{text}");
        }
    }
}
