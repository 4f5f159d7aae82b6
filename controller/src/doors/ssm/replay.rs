//! Which signatures were seen, so that a request that changes something is not done a second time by somebody who
//! recorded it. Pure: moments and signatures come in.
//!
//! ```text
//!        horizon                    now - 5 min        now        now + 5 min
//!  refused  │  remembered, second by second               │
//!           └── moves on when the memory is full, and begins where this process began
//! ```
//!
//! A signature says the second in which it was made and nothing that tells two equal requests of that second apart, and
//! programs do make equal requests: the same tags set twice, a parameter deleted twice. So the client that made a
//! signature may use it again at once, on the connection on which it used it first; anybody else, or later, may not.
//! Requests that only read may be repeated: whoever replays one over TLS cannot read the answer. SDKs sign anew when
//! they try again.
//!
//! What was seen before this process began is not known, so changes that were signed before then are refused too.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use fleetwright_proto::clock::Timestamp;

/// A request is good for this long before and after the moment that it says, seconds.
pub(super) const SKEW_SECONDS: i64 = 5 * 60;
/// Signatures that are remembered: some 12 MiB.
const REMEMBERED_MAX: usize = 250_000;
/// How long a client may use a signature again.
const AGAIN_WITHIN_MILLIS: i64 = 2_000;

/// What was seen of one second.
type Second = HashMap<u64, Seen>;

#[derive(Debug, Clone, Copy)]
struct Seen {
    /// The number of the connection, if it has one.
    on: Option<u64>,
    at: Timestamp,
}

/// Why a change is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replayed {
    /// This very request was done.
    Seen,
    /// It is too old for what is remembered.
    BeforeMemory,
}

/// The memory.
#[derive(Debug)]
pub(super) struct Replays(Mutex<Memory>);

#[derive(Debug)]
struct Memory {
    /// By the second in which they were made.
    seconds: BTreeMap<i64, Second>,
    count: usize,
    /// Nothing is known of signatures that were made before this second.
    horizon: i64,
    most: usize,
}

impl Replays {
    pub(super) fn since(started: Timestamp) -> Self {
        Self::within(started, REMEMBERED_MAX)
    }

    fn within(started: Timestamp, most: usize) -> Self {
        let horizon = started.millis().div_euclid(1000);
        Self(Mutex::new(Memory { seconds: BTreeMap::new(), count: 0, horizon, most }))
    }

    /// Notes the signature of a change that was made in this second; an error if it may have been done before.
    pub(super) fn admit(
        &self,
        signature: &[u8; 32],
        made: i64,
        on: Option<u64>,
        now: Timestamp,
    ) -> Result<(), Replayed> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.forget(now);
        if made < memory.horizon {
            return Err(Replayed::BeforeMemory);
        }
        let [a, b, c, d, e, f, g, h, ..] = *signature;
        let name = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        if let Some(seen) = memory.seconds.get(&made).and_then(|second| second.get(&name)) {
            let at_once = now.millis() - seen.at.millis() < AGAIN_WITHIN_MILLIS;
            return if at_once && on.is_some() && seen.on == on { Ok(()) } else { Err(Replayed::Seen) };
        }
        memory.seconds.entry(made).or_default().insert(name, Seen { on, at: now });
        memory.count += 1;
        Ok(())
    }

    pub(super) fn used(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    pub(super) fn limit(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).most
    }
}

impl Memory {
    /// Drops seconds that no request can come from any more, and the oldest ones when there is no room for another.
    fn forget(&mut self, now: Timestamp) {
        let oldest = now.millis().div_euclid(1000) - SKEW_SECONDS - 1;
        while let Some(first) = self.seconds.first_entry() {
            let past = *first.key() < oldest;
            if !past && self.count < self.most {
                return;
            }
            let (second, seen) = first.remove_entry();
            self.count -= seen.len();
            if !past {
                self.horizon = self.horizon.max(second + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_000_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(START * 1000 + millis)
    }

    fn signature(first: u8) -> [u8; 32] {
        [first; 32]
    }

    #[test]
    fn a_change_is_done_once_but_its_client_may_repeat_it_at_once() {
        let replays = Replays::since(at(0));
        let (mine, other) = (Some(1), Some(2));
        let admit = |on, now| replays.admit(&signature(1), START, on, at(now));
        assert_eq!(admit(mine, 500), Ok(()));
        assert_eq!(admit(mine, 600), Ok(()));
        assert_eq!(admit(other, 600), Err(Replayed::Seen));
        assert_eq!(admit(mine, 2_499), Ok(()));
        assert_eq!(admit(mine, 2_500), Err(Replayed::Seen));
        assert_eq!(admit(mine, 200_000), Err(Replayed::Seen));
        assert_eq!(replays.admit(&signature(2), START, mine, at(600)), Ok(()));
        assert_eq!(replays.used(), 2);
    }

    #[test]
    fn what_was_signed_before_this_process_began_is_refused() {
        let replays = Replays::since(at(999));
        let admit = |made| replays.admit(&signature(1), made, Some(1), at(1_500));
        assert_eq!(admit(START - 1), Err(Replayed::BeforeMemory));
        assert_eq!(admit(START), Ok(()));
    }

    #[test]
    fn what_is_past_is_forgotten() {
        let replays = Replays::since(at(0));
        for second in 0..10 {
            let now = at(second * 1000);
            assert_eq!(replays.admit(&signature(1), START + second, Some(1), now), Ok(()));
        }
        let later = at((SKEW_SECONDS + 6) * 1000);
        assert_eq!(replays.admit(&signature(2), START + 300, Some(1), later), Ok(()));
        assert_eq!(replays.used(), 6);
    }

    #[test]
    fn a_full_memory_refuses_what_it_no_longer_knows() {
        let replays = Replays::within(at(0), 4);
        let admit = |made: i64, first| replays.admit(&signature(first), made, Some(1), at(9_000));
        for (made, first) in [(START, 1), (START, 2), (START + 1, 3), (START + 2, 4)] {
            assert_eq!(admit(made, first), Ok(()));
        }
        assert_eq!(admit(START + 3, 5), Ok(()));
        assert_eq!(replays.used(), 3);
        assert_eq!(admit(START, 1), Err(Replayed::BeforeMemory));
        assert_eq!(admit(START, 9), Err(Replayed::BeforeMemory));
        assert_eq!(admit(START + 1, 9), Ok(()));
    }
}
