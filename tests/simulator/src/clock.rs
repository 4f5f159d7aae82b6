//! Clocks that are off. Only what a clock says is wrong; it runs as fast as any other.

use fleetwright_proto::clock::{Clock, SharedClock, Sleep, Timestamp};
use std::time::Duration;

/// By how much a host's clock differs from the true time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Skew {
    #[default]
    None,
    Ahead(Duration),
    Behind(Duration),
}

impl Skew {
    /// Spreads a fleet over `-most ..= most`: host 0 is behind by `most`, the last of every 21 ahead by it, and the
    /// one in the middle is right.
    #[must_use]
    pub fn of_host(number: u32, most: Duration) -> Self {
        const STEPS: u32 = 10;
        let step = number % (2 * STEPS + 1);
        match step.cmp(&STEPS) {
            std::cmp::Ordering::Less => Self::Behind(most * (STEPS - step) / STEPS),
            std::cmp::Ordering::Equal => Self::None,
            std::cmp::Ordering::Greater => Self::Ahead(most * (step - STEPS) / STEPS),
        }
    }

    fn millis(self) -> i64 {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        match self {
            Self::None => 0,
            Self::Ahead(by) => millis(by),
            Self::Behind(by) => -millis(by),
        }
    }
}

/// Another clock, with a skew.
#[derive(Debug, Clone)]
pub struct SkewedClock {
    truth: SharedClock,
    ahead_ms: i64,
}

impl SkewedClock {
    #[must_use]
    pub fn new(truth: SharedClock, skew: Skew) -> Self {
        Self { truth, ahead_ms: skew.millis() }
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.truth.now().millis().saturating_add(self.ahead_ms))
    }

    fn sleep_until(&self, moment: Timestamp) -> Sleep {
        self.truth.sleep_until(Timestamp::from_millis(moment.millis().saturating_sub(self.ahead_ms)))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.truth.sleep(duration)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::{Context, Waker};

    use fleetwright_proto::clock::ManualClock;

    use super::*;

    const FIVE_MINUTES: Duration = Duration::from_secs(300);

    #[test]
    fn a_clock_that_is_off_runs_as_fast_as_the_true_one() {
        let truth = ManualClock::starting_at(Timestamp::from_millis(1_000_000));
        for (skew, now) in [
            (Skew::None, 1_000_000),
            (Skew::Ahead(FIVE_MINUTES), 1_300_000),
            (Skew::Behind(FIVE_MINUTES), 700_000),
        ] {
            let clock = SkewedClock::new(Arc::new(truth.clone()), skew);
            assert_eq!(clock.now().millis(), now, "{skew:?}");
        }
        let clock = SkewedClock::new(Arc::new(truth.clone()), Skew::Ahead(FIVE_MINUTES));
        let mut sleeper = clock.sleep_until(clock.now().plus(Duration::from_secs(2)));
        let mut context = Context::from_waker(Waker::noop());
        truth.advance(Duration::from_secs(1));
        assert!(sleeper.as_mut().poll(&mut context).is_pending());
        truth.advance(Duration::from_secs(1));
        assert!(sleeper.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn a_fleet_is_spread_from_behind_to_ahead() {
        let skews: Vec<i64> =
            [0, 5, 10, 15, 20, 21].map(|host| Skew::of_host(host, FIVE_MINUTES).millis()).into();
        assert_eq!(skews, [-300_000, -150_000, 0, 150_000, 300_000, -300_000]);
        assert_eq!(Skew::of_host(0, Duration::ZERO).millis(), 0);
    }
}
