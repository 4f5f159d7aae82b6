//! Denials that repeat: the first is noted as it is, and those of the next minute as one line that counts them, so that
//! whoever knocks without end does not wash the log away.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;

use super::chain::Event;

/// For how long repetitions are counted together.
pub const INTERVAL: Duration = Duration::from_secs(60);
/// Different denials that are told apart; beyond them they are counted by where they come from.
const KINDS_MAX: usize = 4096;

#[derive(Debug, PartialEq, Eq, Hash, Clone)]
struct Key {
    who: String,
    action: String,
    on: String,
    from: String,
}

#[derive(Debug)]
struct Seen {
    since: Timestamp,
    again: u64,
    last: Event,
}

/// See the head of this module.
#[derive(Debug, Default)]
pub struct Repeats(Mutex<HashMap<Key, Seen>>);

impl Repeats {
    /// The event when it is to be noted now; None when it is counted.
    pub fn first(&self, event: Event) -> Option<Event> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = Key {
            who: event.who.clone(),
            action: event.action.clone(),
            on: event.on.clone(),
            from: event.from.clone(),
        };
        if seen.len() >= KINDS_MAX && !seen.contains_key(&key) {
            key = Key {
                who: "many".to_owned(),
                action: "many".to_owned(),
                on: "many things".to_owned(),
                ..key
            };
            if seen.len() >= 2 * KINDS_MAX && !seen.contains_key(&key) {
                key.from = "many places".to_owned();
            }
        }
        match seen.get_mut(&key) {
            Some(before) => {
                before.again += 1;
                before.last = Event { who: key.who, action: key.action, on: key.on, from: key.from, ..event };
                None
            }
            None => {
                seen.insert(key, Seen { since: event.at, again: 0, last: event.clone() });
                Some(event)
            }
        }
    }

    /// A line for each that was repeated and whose minute is over.
    pub fn due(&self, now: Timestamp) -> Vec<Event> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        seen.retain(|_, seen| {
            if now < seen.since.plus(INTERVAL) {
                return true;
            }
            if seen.again > 0 {
                let detail =
                    format!("{} more times within a minute; the last: {}", seen.again, seen.last.detail);
                due.push(Event { detail, ..seen.last.clone() });
            }
            false
        });
        due.sort_by_key(|event| event.at);
        due
    }
}
