//! Who asks when: every connection again as soon as it was answered, or in turn at moments that are set beforehand. Knows
//! nothing of what is asked.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fleetwright_proto::clock::{Clock, SystemClock};
use futures::future::try_join_all;
use serde_json::{Value, json};

/// One connection.
pub(crate) trait Caller {
    /// Asks once. False when there is nothing more to ask.
    async fn call(&mut self) -> Result<bool>;
}

#[derive(Debug)]
pub(crate) struct Pace {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    /// Requests a second of all connections together.
    pub(crate) rate: Option<u32>,
}

/// What was measured.
#[derive(Debug)]
pub(crate) struct Outcome {
    requests: usize,
    seconds: f64,
    /// Ascending.
    latencies: Vec<Duration>,
    /// With those of the warm-up.
    asked: usize,
}

impl Outcome {
    fn of(answered: Vec<Answered>, took: Duration) -> Self {
        let asked = answered.iter().map(|answered| answered.asked).sum();
        let mut latencies: Vec<_> = answered.into_iter().flat_map(|answered| answered.latencies).collect();
        latencies.sort_unstable();
        Self { requests: latencies.len(), seconds: took.as_secs_f64(), latencies, asked }
    }

    fn percentile_us(&self, percent: usize) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let at = self.latencies.get((last * percent).div_ceil(100)).copied().unwrap_or_default();
        (at.as_secs_f64() * 1e6).round()
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody asks 2^52 times")]
    pub(crate) fn to_json(&self) -> Value {
        let requests = self.requests as f64;
        json!({
            "requests": self.requests,
            "seconds": self.seconds,
            "per_second": requests / self.seconds,
            "p50_us": self.percentile_us(50),
            "p99_us": self.percentile_us(99),
            "asked": self.asked,
        })
    }
}

/// Asks for as long as the pace says.
pub(crate) async fn run<C: Caller>(callers: Vec<C>, pace: &Pace) -> Result<Outcome> {
    let begun = Instant::now();
    let from = begun + pace.warm_up;
    let window = Window { from, until: from + pace.measured };
    let count = u32::try_from(callers.len()).context("too many connections")?;
    let every = pace.rate.map(|rate| Duration::from_secs(1).saturating_mul(count) / rate);
    let asking = (0u32..).zip(callers).map(|(place, caller)| {
        let turns = every.map(|every| Turns { next: begun + every * place / count, every });
        ask(caller, window, turns)
    });
    Ok(Outcome::of(try_join_all(asking).await?, pace.measured))
}

/// Lets every connection ask until it has nothing more to ask.
pub(crate) async fn once<C: Caller>(callers: Vec<C>) -> Result<Outcome> {
    let begun = Instant::now();
    let asking = callers.into_iter().map(|mut caller| async move {
        let mut answered = Answered::default();
        loop {
            let asked = Instant::now();
            if !caller.call().await? {
                return Ok::<_, anyhow::Error>(answered);
            }
            answered.asked += 1;
            answered.latencies.push(asked.elapsed());
        }
    });
    Ok(Outcome::of(try_join_all(asking).await?, begun.elapsed()))
}

/// What is answered in it counts.
#[derive(Debug, Clone, Copy)]
struct Window {
    from: Instant,
    until: Instant,
}

/// What one connection was answered.
#[derive(Debug, Default)]
struct Answered {
    latencies: Vec<Duration>,
    asked: usize,
}

/// When one connection is to ask.
#[derive(Debug)]
struct Turns {
    next: Instant,
    every: Duration,
}

async fn ask<C: Caller>(mut caller: C, window: Window, mut turns: Option<Turns>) -> Result<Answered> {
    let mut done = Answered::default();
    loop {
        let asked = match &mut turns {
            None => Instant::now(),
            Some(turns) => {
                let due = turns.next;
                turns.next += turns.every;
                let early = due.saturating_duration_since(Instant::now());
                if !early.is_zero() {
                    SystemClock.sleep(early).await;
                }
                due
            }
        };
        caller.call().await?;
        done.asked += 1;
        let answered = Instant::now();
        if answered >= window.until {
            return Ok(done);
        }
        if answered >= window.from {
            done.latencies.push(answered - asked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(u32);

    impl Caller for Counting {
        async fn call(&mut self) -> Result<bool> {
            tokio::task::yield_now().await;
            self.0 = self.0.saturating_sub(1);
            anyhow::ensure!(self.0 != 7, "seven");
            Ok(self.0 > 0)
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn every_answer_is_counted_and_a_refusal_ends_it() {
        let outcome = block_on(once(vec![Counting(3), Counting(6)])).unwrap();
        assert_eq!(outcome.requests, 2 + 5);
        assert_eq!(block_on(once(vec![Counting(3), Counting(9)])).unwrap_err().to_string(), "seven");
    }

    #[test]
    fn a_rate_is_kept() {
        let (warm_up, measured) = (Duration::ZERO, Duration::from_millis(200));
        let pace = Pace { warm_up, measured, rate: Some(500) };
        let callers = (0..4).map(|_| Counting(0)).collect();
        let outcome = block_on(run(callers, &pace)).unwrap();
        // A machine that is busy answers later, never more often.
        assert!(outcome.requests <= 100, "{}", outcome.requests);
        assert!(outcome.to_json()["p99_us"].is_number());
    }

    #[test]
    fn a_percentile_is_a_latency_that_was_measured() {
        let latencies = (1..=200).rev().map(Duration::from_micros).collect();
        let answered = Answered { latencies, asked: 300 };
        let outcome = Outcome::of(vec![answered], Duration::from_secs(2));
        assert_eq!((outcome.percentile_us(50), outcome.percentile_us(99)), (101.0, 199.0));
        assert_eq!(outcome.to_json()["per_second"], 100.0);
        assert_eq!(outcome.to_json()["asked"], 300);
    }
}
