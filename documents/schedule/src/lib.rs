//! When something is due: SSM's `cron()`, `rate()` and `at()`, in a time zone, with a day offset and an active period.
//!
//! ```text
//! text ── parse ──► Expression ── + zone, offset, active period ──► Schedule ── next_after(instant) ──► instant
//!            └► ScheduleError: one line that names the field
//! ```
//!
//! Pure: nothing here reads a clock, and nothing panics on any input or instant. Maintenance windows and associations
//! ask the same engine; how often either of them may run, and what happens to a run that was missed, is theirs.
//!
//! The `cron` crate reads the plain fields. SSM's day rules (`?`, `L`, `W`, `#`), years up to 2199 and what happens
//! when the clocks change ([`Schedule`] says it) are rules of this crate above it.

mod cron;
mod days;
mod expression;
mod fields;
mod rate;
mod schedule;
mod zone;

pub use cron::Cron;
pub use expression::{At, Expression, MAX_EXPRESSION_CHARS, ScheduleError};
pub use fields::Field;
pub use rate::{Rate, Unit};
pub use schedule::{Occurrences, PeriodError, Schedule};
pub use zone::{Zone, ZoneError};

/// A moment, the same everywhere.
pub type Instant = chrono::DateTime<chrono::Utc>;
