//! Time as an argument. Everything that waits or compares moments asks a [`Clock`], so that a test moves time
//! instead of sleeping.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// A moment: milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    #[must_use]
    pub fn millis(self) -> i64 {
        self.0
    }

    /// The moment `by` later; saturates at the ends of time.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long until `later`; zero when it is past.
    #[must_use]
    pub fn until(self, later: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }
}

/// What [`Clock::sleep_until`] returns.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The source of time.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    fn now(&self) -> Timestamp;

    /// Completes at `moment` or soon after; at once when it is past.
    fn sleep_until(&self, moment: Timestamp) -> Sleep;

    /// Completes when `duration` has passed on this clock.
    fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now().plus(duration))
    }
}

/// A clock that everything in one process shares.
pub type SharedClock = Arc<dyn Clock>;

/// The host's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::default().plus(since_epoch)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn sleep_until(&self, moment: Timestamp) -> Sleep {
        Box::pin(tokio::time::sleep(self.now().until(moment)))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock; a duration is not hurt by a clock that jumps"
    )]
    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Clone)]
pub struct ManualClock {
    state: Arc<ManualState>,
}

#[derive(Debug)]
struct ManualState {
    now: Mutex<Timestamp>,
    moved: Notify,
}

impl ManualClock {
    #[must_use]
    pub fn starting_at(now: Timestamp) -> Self {
        Self { state: Arc::new(ManualState { now: Mutex::new(now), moved: Notify::new() }) }
    }

    /// Moves time forward and wakes whoever slept until then.
    pub fn advance(&self, by: Duration) {
        {
            let mut now = self.state.now.lock().unwrap_or_else(PoisonError::into_inner);
            *now = now.plus(by);
        }
        self.state.moved.notify_waiters();
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.state.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep_until(&self, moment: Timestamp) -> Sleep {
        let clock = self.clone();
        Box::pin(async move {
            loop {
                // Registered before the check, so that a move in between is not missed.
                let moved = clock.state.moved.notified();
                if clock.now() >= moment {
                    return;
                }
                moved.await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_wakes_when_time_is_moved_past_its_moment() {
        let clock = ManualClock::starting_at(Timestamp::from_millis(1_000));
        let mut sleeper = clock.sleep(Duration::from_secs(5));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(sleeper.as_mut().poll(&mut context).is_pending());
        clock.advance(Duration::from_secs(4));
        assert!(sleeper.as_mut().poll(&mut context).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(sleeper.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn arithmetic_saturates() {
        let end = Timestamp::from_millis(i64::MAX);
        assert_eq!(end.plus(Duration::from_secs(1)), end);
        assert_eq!(end.until(Timestamp::default()), Duration::ZERO);
    }
}
