//! What `-o json` prints. The names are a promise to scripts: they are ours, not those of the wire, and a golden
//! test holds them.
//!
//! Everywhere: keys in snake_case, times in RFC 3339 or null, durations in milliseconds with `_ms` in the name,
//! states in the words of SSM.

pub(crate) mod access;
pub(crate) mod activation;
pub(crate) mod association;
pub(crate) mod audit;
pub(crate) mod command;
pub(crate) mod compliance;
pub(crate) mod document;
pub(crate) mod group;
pub(crate) mod inventory;
pub(crate) mod invocation;
pub(crate) mod node;
pub(crate) mod output;
pub(crate) mod parameter;
pub(crate) mod registry;
pub(crate) mod status;
pub(crate) mod window;

use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// The last millisecond of the year 9999, beyond which RFC 3339 has no spelling.
const LAST_MS: i64 = 253_402_300_799_999;

/// A moment on the wire: milliseconds since the Unix epoch, zero for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(i64);

impl Moment {
    pub(crate) fn of_wire(millis: i64) -> Option<Self> {
        (1..=LAST_MS).contains(&millis).then_some(Self(millis))
    }

    pub(crate) fn millis(self) -> i64 {
        self.0
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since_epoch = Duration::from_millis(self.0.unsigned_abs());
        humantime::format_rfc3339_millis(UNIX_EPOCH + since_epoch).fmt(f)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
