//! How long to wait before the next try. Pure: chance comes in as a number.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

/// How often a node that was deregistered asks whether that has changed.
const DEREGISTERED: Duration = Duration::from_secs(600);

/// A connection that held for this long was a good one.
const STABLE: Duration = Duration::from_secs(30);

/// How the latest connection or try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The controller restarts and asked to come back at once.
    Restart { held: Duration },
    /// The controller does not know this node any more.
    Deregistered,
    /// Anything else. `held` is for how long the controller was there; zero for a try that failed.
    Lost { held: Duration },
}

/// Exponential with full jitter: a fleet that lost its controller at one moment comes back over a span of time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// `chance` is uniform in 0..1.
    pub(crate) fn after(&mut self, ending: Ending, chance: f64) -> Duration {
        match ending {
            Ending::Deregistered => return DEREGISTERED.mul_f64(0.9 + chance / 5.0),
            Ending::Restart { held } | Ending::Lost { held } if held >= STABLE => self.failures = 0,
            Ending::Restart { .. } | Ending::Lost { .. } => {}
        }
        // Only the first: a controller that restarts again and again is waited for like any other.
        if matches!(ending, Ending::Restart { .. }) && self.failures == 0 {
            self.failures = 1;
            return Duration::ZERO;
        }
        let ceiling = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(chance)
    }
}

/// A number in 0..1 that differs from agent to agent.
pub(crate) fn chance() -> f64 {
    let bits = u32::from_le_bytes(uuid::Uuid::new_v4().as_bytes()[..4].try_into().unwrap_or_default());
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD_A_MOMENT: Ending = Ending::Lost { held: Duration::from_millis(10) };

    fn ceilings(endings: &[Ending]) -> Vec<u128> {
        let mut backoff = Backoff::default();
        endings.iter().map(|ending| backoff.after(*ending, 1.0).as_millis()).collect()
    }

    #[test]
    fn tries_come_slower_up_to_a_ceiling() {
        assert_eq!(
            ceilings(&[HELD_A_MOMENT; 10]),
            [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]
        );
    }

    #[test]
    fn a_good_connection_starts_over() {
        let good = Ending::Lost { held: Duration::from_secs(60) };
        assert_eq!(ceilings(&[HELD_A_MOMENT, HELD_A_MOMENT, good, HELD_A_MOMENT]), [200, 400, 200, 400]);
    }

    #[test]
    fn an_orderly_restart_is_followed_at_once_and_only_once() {
        let restart = |seconds| Ending::Restart { held: Duration::from_secs(seconds) };
        assert_eq!(ceilings(&[restart(0), restart(0), restart(0), restart(60)]), [0, 400, 800, 0]);
    }

    #[test]
    fn a_deregistered_node_asks_about_every_ten_minutes() {
        let mut backoff = Backoff::default();
        for chance in [0.0, 0.5, 0.999] {
            let wait = backoff.after(Ending::Deregistered, chance).as_secs();
            assert!((540..=660).contains(&wait), "{wait}");
        }
    }

    #[test]
    fn jitter_spreads_over_the_whole_span() {
        let mut backoff = Backoff { failures: 20 };
        assert_eq!(backoff.after(HELD_A_MOMENT, 0.0), Duration::ZERO);
        assert_eq!(backoff.after(HELD_A_MOMENT, 0.5), LONGEST / 2);
        assert!((0..1_000).map(|_| chance()).all(|chance| (0.0..1.0).contains(&chance)));
    }
}
