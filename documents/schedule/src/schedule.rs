//! An expression with everything that decides when it is due.

use std::ops::Range;

use chrono::{NaiveDateTime, TimeDelta, TimeZone, Utc};

use crate::Instant;
use crate::cron::Cron;
use crate::expression::{Expression, ScheduleError};
use crate::zone::Zone;

/// Further back than any zone ever set its clocks since 1970 (Casey, three hours).
const LONGEST_STEP_BACK: TimeDelta = TimeDelta::hours(4);

/// Why a schedule cannot be active as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the end date must be later than the start date")]
pub struct PeriodError;

/// When something is due.
///
/// `cron()` and `at()` name times on the wall of the zone, `rate()` counts real time from its anchor. When the clocks
/// change:
///
/// - **A time that does not exist** (the clocks go forward over it) is due at the moment of the change: nothing is left
///   out, and times that fall on the same moment are due once.
/// - **A time that exists twice** (the clocks go back over it) is due the first time and not again, unless the
///   expression names every hour: what comes hourly, or more often, comes in both hours.
/// - A `rate()` in days counts 24 hours for each.
///
/// The offset moves a `cron()` by whole days on the wall, at the same time of day. The active period includes its
/// start and excludes its end. What is due at the same moment is due once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    expression: Expression,
    zone: Zone,
    offset: TimeDelta,
    anchor: Instant,
    active_from: Option<Instant>,
    active_until: Option<Instant>,
}

impl Schedule {
    /// In UTC, always active. A `rate()` is due at the anchor and every period after it.
    #[must_use]
    pub fn new(expression: Expression, anchor: Instant) -> Self {
        let offset = TimeDelta::zero();
        Self { expression, zone: Zone::default(), offset, anchor, active_from: None, active_until: None }
    }

    #[must_use]
    pub fn in_zone(self, zone: Zone) -> Self {
        Self { zone, ..self }
    }

    /// Due that many days (1 to 6) after what `cron()` names.
    pub fn put_off(self, days: u32) -> Result<Self, ScheduleError> {
        if !(1..=6).contains(&days) {
            return Err(ScheduleError::Offset(days));
        }
        if !matches!(self.expression, Expression::Cron(_)) {
            return Err(ScheduleError::OffsetWithoutCron);
        }
        Ok(Self { offset: TimeDelta::days(i64::from(days)), ..self })
    }

    /// Due only in this period. The start becomes the anchor of a `rate()`.
    pub fn active(self, from: Option<Instant>, until: Option<Instant>) -> Result<Self, PeriodError> {
        match (from, until) {
            (Some(from), Some(until)) if until <= from => Err(PeriodError),
            _ => {
                let anchor = from.unwrap_or(self.anchor);
                Ok(Self { anchor, active_from: from, active_until: until, ..self })
            }
        }
    }

    #[must_use]
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    #[must_use]
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// The first moment later than `after` at which it is due. None when it never is again.
    #[must_use]
    pub fn next_after(&self, after: Instant) -> Option<Instant> {
        let just_before = |from: Instant| from.checked_sub_signed(TimeDelta::nanoseconds(1)).unwrap_or(from);
        let after = self.active_from.map_or(after, |from| after.max(just_before(from)));
        let next = match &self.expression {
            Expression::Rate(rate) => rate.next_after(self.anchor, after),
            Expression::At(at) => Some(self.zone.moments(at.local).first).filter(|due| *due > after),
            Expression::Cron(cron) => self.next_cron(cron, after),
        };
        next.filter(|due| self.active_until.is_none_or(|until| *due < until))
    }

    /// Everything due from the start of the range on and before its end, in order.
    #[must_use]
    pub fn occurrences(&self, within: Range<Instant>) -> Occurrences<'_> {
        let after = within.start.checked_sub_signed(TimeDelta::nanoseconds(1)).unwrap_or(within.start);
        Occurrences { schedule: self, after: Some(after), end: within.end }
    }

    fn next_cron(&self, cron: &Cron, after: Instant) -> Option<Instant> {
        let after = within_calendar(after)?;
        if cron.comes_every_hour() && self.zone.goes_back_within(after, LONGEST_STEP_BACK) {
            return self.next_while_clocks_go_back(cron, after);
        }
        let mut wall = self.zone.wall(after);
        loop {
            wall = self.next_wall(cron, wall)?;
            let moments = self.zone.moments(wall);
            if moments.first > after {
                return Some(moments.first);
            }
            if cron.comes_every_hour()
                && let Some(again) = moments.again.filter(|again| *again > after)
            {
                return Some(again);
            }
        }
    }

    /// A wall that will show again what it showed before: what it names may come before what follows on the wall.
    fn next_while_clocks_go_back(&self, cron: &Cron, after: Instant) -> Option<Instant> {
        let now = self.zone.wall(after);
        let mut wall = now - LONGEST_STEP_BACK;
        let mut best: Option<Instant> = None;
        loop {
            let Some(next) = self.next_wall(cron, wall) else { return best };
            wall = next;
            let moments = self.zone.moments(wall);
            let later = [Some(moments.first), moments.again].into_iter().flatten().filter(|due| *due > after);
            best = later.chain(best).min();
            if wall > now && best.is_some() {
                return best;
            }
        }
    }

    fn next_wall(&self, cron: &Cron, after: NaiveDateTime) -> Option<NaiveDateTime> {
        cron.next_after(after - self.offset)?.checked_add_signed(self.offset)
    }
}

/// The moment, or the first that matters to a calendar of 1970 to 2199. None after its end.
fn within_calendar(after: Instant) -> Option<Instant> {
    let at = |year| Utc.with_ymd_and_hms(year, 1, 15, 0, 0, 0).single();
    let (first, last) = (at(1969)?, at(2200)?);
    (after <= last).then(|| after.max(first))
}

/// What [`Schedule::occurrences`] gives.
#[derive(Debug, Clone)]
pub struct Occurrences<'a> {
    schedule: &'a Schedule,
    after: Option<Instant>,
    end: Instant,
}

impl Iterator for Occurrences<'_> {
    type Item = Instant;

    fn next(&mut self) -> Option<Instant> {
        let next = self.schedule.next_after(self.after?).filter(|due| *due < self.end);
        self.after = next;
        next
    }
}
