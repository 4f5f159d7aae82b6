//! The time that leases are measured with: it never goes back by itself, whatever becomes of the host's clock.
//!
//! While the agent runs it goes on with the time that has really passed, also when the clock is set back. What was
//! written down last is where it goes on after a restart; a clock that is behind that pays for a whole interval of
//! writing, so that starting again and again gains nothing. Only the controller's welcome sets it to the clock, and what
//! has run of each lease has run.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fleetwright_proto::clock::{SharedClock, Timestamp};

/// How often the time is written down, at least, while something is held.
pub(super) const WRITE_EVERY: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct LeaseClock {
    wall: SharedClock,
    /// What it was, and when.
    base: Mutex<(Timestamp, Instant)>,
}

impl LeaseClock {
    pub(super) fn starting(wall: SharedClock, written: Option<Timestamp>) -> Self {
        let now = wall.now();
        let base = match written {
            Some(written) if now < written => written.plus(WRITE_EVERY),
            _ => now,
        };
        Self { wall, base: Mutex::new((base, Instant::now())) }
    }

    pub(super) fn now(&self) -> Timestamp {
        let (base, since) = *self.base.lock().unwrap_or_else(PoisonError::into_inner);
        self.wall.now().max(base.plus(since.elapsed()))
    }

    /// Sets it to the host's clock. By how much it was set, in milliseconds.
    pub(super) fn set(&self) -> i64 {
        let before = self.now();
        let now = self.wall.now();
        *self.base.lock().unwrap_or_else(PoisonError::into_inner) = (now, Instant::now());
        now.millis() - before.millis()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use fleetwright_proto::clock::{Clock, Sleep};

    use super::*;

    /// A clock that can be set back, on which nobody sleeps.
    #[derive(Debug)]
    struct Wall(AtomicI64);

    impl Clock for Wall {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::SeqCst))
        }

        fn sleep_until(&self, _moment: Timestamp) -> Sleep {
            Box::pin(std::future::pending())
        }
    }

    const HOUR: i64 = 3_600_000;

    fn check_near(found: Timestamp, wanted_ms: i64) {
        let off = found.millis() - wanted_ms;
        assert!((0..60_000).contains(&off), "{found:?} is not {wanted_ms}");
    }

    #[test]
    fn a_clock_that_is_set_back_wins_no_time() {
        let wall = Arc::new(Wall(AtomicI64::new(10 * HOUR)));
        let clock = LeaseClock::starting(wall.clone(), None);
        wall.0.store(2 * HOUR, Ordering::SeqCst);
        check_near(clock.now(), 10 * HOUR);
        wall.0.store(12 * HOUR, Ordering::SeqCst);
        check_near(clock.now(), 12 * HOUR);
        // A clock that was wrong for a moment does no harm.
        wall.0.store(10 * HOUR, Ordering::SeqCst);
        check_near(clock.now(), 10 * HOUR);
        wall.0.store(HOUR, Ordering::SeqCst);
        let by = clock.set();
        assert!((-9 * HOUR - 60_000..=-9 * HOUR).contains(&by), "{by}");
        check_near(clock.now(), HOUR);
    }

    #[test]
    fn a_restart_with_the_clock_back_pays_for_an_interval() {
        let every = i64::try_from(WRITE_EVERY.as_millis()).unwrap();
        let written = Some(Timestamp::from_millis(10 * HOUR));
        for (wall, wanted) in [(9 * HOUR, 10 * HOUR + every), (10 * HOUR, 10 * HOUR), (11 * HOUR, 11 * HOUR)]
        {
            let wall = Arc::new(Wall(AtomicI64::new(wall)));
            check_near(LeaseClock::starting(wall, written).now(), wanted);
        }
    }
}
