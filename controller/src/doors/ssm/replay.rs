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
//! programs do make equal requests: the same tags set twice, the same parameter put by two tests. SDKs say beside the
//! signature which call a request belongs to. So a signature may come again at once, from the address from which it came
//! first, as long as each time it belongs to another call; a request that is the same byte by byte is never done twice,
//! nor is any later, or from elsewhere.
//! Requests that only read may be repeated: whoever replays one over TLS cannot read the answer. SDKs sign anew when
//! they try again.
//!
//! What was seen before this process began is not known, so changes that were signed before then are refused too.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use fleetwright_proto::clock::Timestamp;

/// A request is good for this long before and after the moment that it says, seconds.
pub(super) const SKEW_SECONDS: i64 = 5 * 60;
/// Signatures that are remembered: some 12 MiB.
const REMEMBERED_MAX: usize = 250_000;
/// How long a signature may come again.
const AGAIN_WITHIN_MILLIS: i64 = 3_000;
/// Calls with one signature.
const CALLS_MAX: usize = 64;

/// What was seen of one second.
type Second = HashMap<u64, Seen>;

#[derive(Debug)]
struct Seen {
    /// Digest of the address.
    from: u64,
    at: Timestamp,
    /// Digests of the calls.
    calls: Vec<u64>,
}

/// What comes with a signature, and is not signed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sent<'a> {
    /// The address at the other end.
    pub(super) from: &'a str,
    /// Which call of its client it belongs to; SDKs say that.
    pub(super) call: Option<&'a str>,
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
pub(super) struct Replays {
    memory: Mutex<Memory>,
    /// Nobody outside knows what collides in it.
    digests: RandomState,
}

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
        let memory = Memory { seconds: BTreeMap::new(), count: 0, horizon, most };
        Self { memory: Mutex::new(memory), digests: RandomState::new() }
    }

    /// Notes the signature of a change that was made in this second; an error if it may have been done before.
    pub(super) fn admit(
        &self,
        signature: &[u8; 32],
        made: i64,
        sent: Sent<'_>,
        now: Timestamp,
    ) -> Result<(), Replayed> {
        let mut memory = self.lock();
        memory.forget(now);
        if made < memory.horizon {
            return Err(Replayed::BeforeMemory);
        }
        let [a, b, c, d, e, f, g, h, ..] = *signature;
        let name = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let from = self.digests.hash_one(sent.from);
        let call = sent.call.map(|call| self.digests.hash_one(call));
        match memory.seconds.entry(made).or_default().entry(name) {
            Entry::Vacant(free) => {
                free.insert(Seen { from, at: now, calls: Vec::from_iter(call) });
            }
            Entry::Occupied(mut seen) => seen.get_mut().again(from, call, now)?,
        }
        memory.count += 1;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn used(&self) -> usize {
        self.lock().count
    }

    pub(super) fn limit(&self) -> usize {
        self.lock().most
    }
}

impl Seen {
    /// Notes another call with the same signature.
    fn again(&mut self, from: u64, call: Option<u64>, now: Timestamp) -> Result<(), Replayed> {
        let at_once = now.millis() - self.at.millis() < AGAIN_WITHIN_MILLIS;
        match call.filter(|call| at_once && from == self.from && !self.calls.contains(call)) {
            // Who did not say at first which call it was may have sent the same then.
            Some(call) if (1..CALLS_MAX).contains(&self.calls.len()) => {
                self.calls.push(call);
                Ok(())
            }
            _ => Err(Replayed::Seen),
        }
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
            self.count -= seen.values().map(|seen| seen.calls.len().max(1)).sum::<usize>();
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

    fn sent<'a>(from: &'a str, call: &'a str) -> Sent<'a> {
        Sent { from, call: (!call.is_empty()).then_some(call) }
    }

    #[test]
    fn a_request_is_done_once_and_an_equal_one_of_another_call_at_once() {
        let replays = Replays::since(at(0));
        let admit = |from, call, now| replays.admit(&signature(1), START, sent(from, call), at(now));
        assert_eq!(admit("here", "one", 500), Ok(()));
        for (from, call, now, wanted) in [
            ("here", "one", 500, Err(Replayed::Seen)),
            ("here", "", 600, Err(Replayed::Seen)),
            ("there", "two", 600, Err(Replayed::Seen)),
            ("here", "two", 3_499, Ok(())),
            ("here", "two", 3_499, Err(Replayed::Seen)),
            ("here", "three", 3_500, Err(Replayed::Seen)),
            ("here", "four", 200_000, Err(Replayed::Seen)),
        ] {
            assert_eq!(admit(from, call, now), wanted, "{from} {call} {now}");
        }
        assert_eq!(replays.used(), 2);
    }

    #[test]
    fn who_does_not_say_which_call_it_is_is_done_once() {
        let replays = Replays::since(at(0));
        let admit = |call| replays.admit(&signature(1), START, sent("here", call), at(500));
        assert_eq!(admit(""), Ok(()));
        assert_eq!(admit(""), Err(Replayed::Seen));
        assert_eq!(admit("one"), Err(Replayed::Seen));
    }

    #[test]
    fn the_calls_of_one_signature_are_bounded() {
        let replays = Replays::since(at(0));
        let admit = |call: usize| replays.admit(&signature(1), START, sent("here", &call.to_string()), at(0));
        assert!((0..CALLS_MAX).all(|call| admit(call).is_ok()));
        assert_eq!(admit(CALLS_MAX), Err(Replayed::Seen));
        assert_eq!(replays.used(), CALLS_MAX);
    }

    #[test]
    fn what_was_signed_before_this_process_began_is_refused() {
        let replays = Replays::since(at(999));
        let admit = |made| replays.admit(&signature(1), made, Sent::default(), at(1_500));
        assert_eq!(admit(START - 1), Err(Replayed::BeforeMemory));
        assert_eq!(admit(START), Ok(()));
    }

    #[test]
    fn what_is_past_is_forgotten() {
        let replays = Replays::since(at(0));
        for second in 0..10 {
            let now = at(second * 1000);
            assert_eq!(replays.admit(&signature(1), START + second, Sent::default(), now), Ok(()));
        }
        let later = at((SKEW_SECONDS + 6) * 1000);
        assert_eq!(replays.admit(&signature(2), START + 300, Sent::default(), later), Ok(()));
        assert_eq!(replays.used(), 6);
    }

    #[test]
    fn a_full_memory_refuses_what_it_no_longer_knows() {
        let replays = Replays::within(at(0), 4);
        let admit = |made: i64, first| replays.admit(&signature(first), made, Sent::default(), at(9_000));
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
