//! The fleet's time: it runs like the host's, and a test pushes it forward.
//!
//! It runs by itself because heartbeats, back-off and pauses are part of what is tested. It begins in the past, so
//! that certificates that were made after a push are good for TLS libraries, which ask the host.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use fleetwright_proto::clock::{Clock, Sleep, SystemClock, Timestamp};
use tokio::sync::Notify;

/// How far in the past a fleet begins: further than any test pushes.
const BEGINS_BEFORE: Duration = Duration::from_secs(10 * 24 * 3600);

/// Clones show the same time.
#[derive(Debug, Clone)]
pub struct FleetClock {
    shared: Arc<Shared>,
    /// What this host's clock is wrong by.
    skew_ms: i64,
}

#[derive(Debug)]
struct Shared {
    ahead_ms: AtomicI64,
    pushed: Notify,
}

impl Default for FleetClock {
    fn default() -> Self {
        let ahead_ms = AtomicI64::new(-millis(BEGINS_BEFORE));
        Self { shared: Arc::new(Shared { ahead_ms, pushed: Notify::new() }), skew_ms: 0 }
    }
}

impl FleetClock {
    /// Moves time forward and wakes whoever slept until then.
    pub fn advance(&self, by: Duration) {
        self.shared.ahead_ms.fetch_add(millis(by), Ordering::SeqCst);
        self.shared.pushed.notify_waiters();
    }

    /// The clock of a host that is wrong by so many milliseconds, for as long as it lives.
    #[must_use]
    pub fn skewed(&self, skew_ms: i64) -> Self {
        Self { shared: Arc::clone(&self.shared), skew_ms }
    }
}

impl Clock for FleetClock {
    fn now(&self) -> Timestamp {
        let ahead = self.shared.ahead_ms.load(Ordering::SeqCst) + self.skew_ms;
        Timestamp::from_millis(SystemClock.now().millis() + ahead)
    }

    fn sleep_until(&self, moment: Timestamp) -> Sleep {
        let clock = self.clone();
        Box::pin(async move {
            loop {
                // Registered before the check, so that a push in between is not missed.
                let pushed = clock.shared.pushed.notified();
                let left = clock.now().until(moment);
                if left.is_zero() {
                    return;
                }
                tokio::select! {
                    () = pushed => {}
                    () = SystemClock.sleep(left) => {}
                }
            }
        })
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
