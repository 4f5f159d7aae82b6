//! A moment: `2026-01-31T08:15:00Z`, `2026-01-31 08:15:00`, or how long ago it was, `2h`. Times without a zone are UTC.

use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use fleetwright_proto::clock::Timestamp;

use super::duration::duration;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a moment: write 2026-01-31T08:15:00Z, 2026-01-31, or how long ago, as 2h")]
pub(crate) struct MomentError(String);

/// A moment as it was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    At(i64),
    Ago(Duration),
}

impl Moment {
    /// Milliseconds since 1970, for the wire.
    pub(crate) fn millis(self, now: Timestamp) -> i64 {
        match self {
            Self::At(millis) => millis,
            Self::Ago(ago) => {
                now.millis().saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)).max(1)
            }
        }
    }
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        let wrong = || MomentError(text.to_owned());
        if let Ok(ago) = duration(text) {
            return Ok(Self::Ago(ago));
        }
        let full = if text.len() == 10 { format!("{text} 00:00:00") } else { text.to_owned() };
        let time = humantime::parse_rfc3339_weak(&full).map_err(|_| wrong())?;
        let since = time.duration_since(UNIX_EPOCH).map_err(|_| wrong())?;
        i64::try_from(since.as_millis()).ok().filter(|millis| *millis > 0).map(Self::At).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_or_distances() {
        for (text, want) in [
            ("2026-09-21T14:13:20Z", Moment::At(1_790_000_000_000)),
            ("2026-09-21 14:13:20", Moment::At(1_790_000_000_000)),
            ("1970-01-02", Moment::At(86_400_000)),
            ("2h", Moment::Ago(Duration::from_secs(7_200))),
        ] {
            assert_eq!(text.parse(), Ok(want), "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "1969-01-01", "12"] {
            let error = text.parse::<Moment>().unwrap_err().to_string();
            assert!(error.contains("2026-01-31T08:15:00Z"), "{error}");
        }
        assert_eq!(Moment::Ago(Duration::from_secs(1)).millis(Timestamp::from_millis(5_000)), 4_000);
    }
}
