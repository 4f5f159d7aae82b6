//! `rate()`: evenly spaced moments counted from an anchor, whatever the clocks on the wall do.

use chrono::TimeDelta;

use crate::Instant;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Minutes,
    Hours,
    /// Of 24 hours.
    Days,
}

/// Every so many minutes, hours or days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// 1 to [`Rate::MAX_VALUE`].
    pub value: u32,
    pub unit: Unit,
}

impl Unit {
    /// The unit's word, in the number that the value asks for.
    pub(crate) fn name(self, value: u32) -> &'static str {
        match (self, value) {
            (Self::Minutes, 1) => "minute",
            (Self::Minutes, _) => "minutes",
            (Self::Hours, 1) => "hour",
            (Self::Hours, _) => "hours",
            (Self::Days, 1) => "day",
            (Self::Days, _) => "days",
        }
    }
}

impl Rate {
    pub const MAX_VALUE: u32 = 1_000_000;

    #[must_use]
    pub fn period(self) -> TimeDelta {
        let value = i64::from(self.value);
        match self.unit {
            Unit::Minutes => TimeDelta::minutes(value),
            Unit::Hours => TimeDelta::hours(value),
            Unit::Days => TimeDelta::days(value),
        }
    }

    /// The first of `anchor`, `anchor + period`, `anchor + 2 periods` … that is later than `after`.
    pub(crate) fn next_after(self, anchor: Instant, after: Instant) -> Option<Instant> {
        if after < anchor {
            return Some(anchor);
        }
        let period = self.period();
        let periods = (after - anchor).num_milliseconds() / period.num_milliseconds() + 1;
        let since = TimeDelta::try_milliseconds(period.num_milliseconds().checked_mul(periods)?)?;
        anchor.checked_add_signed(since)
    }
}
