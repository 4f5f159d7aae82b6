//! A time zone: what a time on the wall is as a moment.

use std::fmt;
use std::str::FromStr;

use chrono::{NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

use crate::Instant;

/// A name of the IANA list, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

/// Why a text is no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a time zone: use a name of the IANA list, {hint}")]
pub struct ZoneError {
    text: String,
    hint: String,
}

/// The moments at which a wall shows a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moments {
    /// The moment; the first of two; the moment when the clocks went forward over it.
    pub(crate) first: Instant,
    /// The second one, where the clocks went back over it.
    pub(crate) again: Option<Instant>,
}

impl Default for Zone {
    fn default() -> Self {
        Self(Tz::UTC)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        text.parse().map(Self).map_err(|_| {
            let close = |zone: &&Tz| (strsim::jaro_winkler(zone.name(), text) * 1e6) as u32;
            let hint = match TZ_VARIANTS.iter().max_by_key(close) {
                Some(zone) if close(&zone) > 900_000 => format!("perhaps {zone}"),
                _ => "for example Europe/Berlin or UTC".to_owned(),
            };
            ZoneError { text: text.chars().take(80).collect(), hint }
        })
    }
}

impl Zone {
    /// What the wall shows at that moment, to the second.
    pub(crate) fn wall(self, instant: Instant) -> NaiveDateTime {
        let local = instant.with_timezone(&self.0).naive_local();
        chrono::Timelike::with_nanosecond(&local, 0).unwrap_or(local)
    }

    /// What the wall shows at that moment; UTC's at the ends of the calendar.
    #[must_use]
    pub fn wall_at(self, instant: Instant) -> NaiveDateTime {
        let within = instant
            .checked_sub_days(chrono::Days::new(2))
            .zip(instant.checked_add_days(chrono::Days::new(2)));
        if within.is_some() { self.wall(instant) } else { instant.naive_utc() }
    }

    /// The moment in the zone's own time with its offset, for people: `2026-03-29T03:00:00+02:00`.
    #[must_use]
    pub fn show(self, instant: Instant) -> String {
        instant.with_timezone(&self.0).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    /// The moment at which a wall of the zone shows that time: the first of two, and the moment of the change for one
    /// that no wall shows. At the ends of the calendar it is what it would be in UTC.
    #[must_use]
    pub fn moment_of(self, wall: NaiveDateTime) -> Instant {
        let within =
            wall.checked_sub_signed(TimeDelta::days(2)).zip(wall.checked_add_signed(TimeDelta::days(2)));
        if within.is_some() { self.moments(wall).first } else { wall.and_utc() }
    }

    pub(crate) fn moments(self, wall: NaiveDateTime) -> Moments {
        match self.0.from_local_datetime(&wall) {
            chrono::MappedLocalTime::Single(one) => Moments { first: one.with_timezone(&Utc), again: None },
            chrono::MappedLocalTime::Ambiguous(one, other) => {
                let (one, other) = (one.with_timezone(&Utc), other.with_timezone(&Utc));
                Moments { first: one.min(other), again: Some(one.max(other)) }
            }
            chrono::MappedLocalTime::None => Moments { first: self.end_of_gap(wall), again: None },
        }
    }

    /// Whether the clocks go back within that time after the moment.
    pub(crate) fn goes_back_within(self, instant: Instant, within: TimeDelta) -> bool {
        let offset = |at: Instant| self.0.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
        offset(instant + within) < offset(instant)
    }

    /// The first moment at which the wall shows that time or a later one, for a time that no wall ever shows: between
    /// the two, no zone is further from UTC than 15 hours, only the one jump lies.
    fn end_of_gap(self, wall: NaiveDateTime) -> Instant {
        let (mut before, mut after) =
            (wall.and_utc() - TimeDelta::hours(15), wall.and_utc() + TimeDelta::hours(15));
        while after - before > TimeDelta::seconds(1) {
            let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
            if self.wall(middle) < wall {
                before = middle;
            } else {
                after = middle;
            }
        }
        after
    }
}
