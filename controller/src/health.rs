//! Whether this controller lives, and whether it can do all that it is for, with a line for each part.
//!
//! Everything is looked at in the moment of the question, and what failed says so itself: no part waits for a poll.
//! Nothing here is a secret: anyone may ask.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use fleetwright_proto::clock::{Clock, SystemClock, Timestamp};
use fleetwright_store::Batch;

use crate::error::chain;
use crate::house::House;
use crate::room;

/// How often the event loop says that it turns, and how long it may be silent.
const PULSE: Duration = Duration::from_secs(1);
const PULSE_SILENT_MAX: Duration = Duration::from_secs(15);
/// A deadline may be acted on so late before the reconciler counts as stuck.
const LATE_MAX: Duration = Duration::from_secs(30);
/// How often a store that refuses is asked whether it works again, should nobody else ask.
const PROBE: Duration = Duration::from_secs(1);

/// One part and how it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Part {
    pub name: &'static str,
    pub ok: bool,
    /// One line: what is wrong and what would help, or a few words of how it is.
    pub detail: String,
}

impl Part {
    fn of(name: &'static str, found: Result<String, String>) -> Self {
        let ok = found.is_ok();
        let (Ok(detail) | Err(detail)) = found;
        Self { name, ok, detail: detail.replace(['\n', '\r'], " ") }
    }
}

/// When the event loop last turned. Real time, whatever the house's clock says: it is about this process.
#[derive(Debug)]
pub struct Pulse(AtomicI64);

impl Default for Pulse {
    fn default() -> Self {
        Self(AtomicI64::new(SystemClock.now().millis()))
    }
}

/// Keeps the pulse, for ever.
pub async fn beat(house: std::sync::Arc<House>) {
    loop {
        house.pulse.0.store(SystemClock.now().millis(), Ordering::Relaxed);
        SystemClock.sleep(PULSE).await;
    }
}

/// Asks a store that refuses whether it works again. A store that failed opens itself when it is asked, and on a
/// quiet controller nobody else would.
pub async fn probe_store(house: std::sync::Arc<House>) {
    loop {
        SystemClock.sleep(PROBE).await;
        if house.store.health().refuses.is_some() {
            // A batch of nothing is a barrier; its answer is the store's health, which is asked for elsewhere.
            drop(house.store.commit(Batch::new()).await);
        }
    }
}

/// Whether the process makes progress.
#[must_use]
pub fn live(house: &House) -> Vec<Part> {
    let beat = Timestamp::from_millis(house.pulse.0.load(Ordering::Relaxed));
    vec![Part::of("event-loop", turns(beat, SystemClock.now()))]
}

fn turns(beat: Timestamp, now: Timestamp) -> Result<String, String> {
    let silent = beat.until(now);
    if silent <= PULSE_SILENT_MAX {
        Ok("turns".to_owned())
    } else {
        Err(format!("stands still for {} s", silent.as_secs()))
    }
}

/// Whether it can do all that it is for.
#[must_use]
pub fn ready(house: &House) -> Vec<Part> {
    let health = house.store.health();
    let now = house.clock.now();
    let store = match &health.refuses {
        None => Ok("takes commits".to_owned()),
        Some(error) => Err(chain(error)),
    };
    let disk = match (room::look(health.space, house.limits.reserve), health.space) {
        (Err(no_room), _) => Err(no_room.to_string()),
        (Ok(()), Some(space)) => Ok(format!("{} MiB free", space.free_bytes >> 20)),
        (Ok(()), None) => Ok("does not tell".to_owned()),
    };
    let blobs = house.blobs.check().map(|()| "writable".to_owned()).map_err(|error| chain(&error));
    vec![
        Part::of("store", store),
        Part::of("disk", disk),
        Part::of("blobs", blobs),
        Part::of("certificate", certificate(house.meters.certificate_expires(), now)),
        Part::of("reconciler", reconciler(house, now)),
    ]
}

fn certificate(expires: Timestamp, now: Timestamp) -> Result<String, String> {
    let left = now.until(expires);
    if left.is_zero() {
        Err("the controller's certificate has expired and could not be renewed: the log says why".to_owned())
    } else {
        Ok(format!("good for {} days", left.as_secs() / (24 * 3600)))
    }
}

fn reconciler(house: &House, now: Timestamp) -> Result<String, String> {
    let late = house.lives.next_deadline().map_or(Duration::ZERO, |deadline| deadline.until(now));
    if house.meters.reconciler_stuck.load(Ordering::Relaxed) {
        Err("could not carry a command on when it last tried: the log says why".to_owned())
    } else if late > LATE_MAX {
        Err(format!("is {} s behind a command's deadline", late.as_secs()))
    } else {
        Ok(format!("{} open commands", house.lives.count()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_loop_that_stands_still_is_told() {
        let beat = Timestamp::from_millis(1_000_000);
        assert!(turns(beat, beat.plus(PULSE_SILENT_MAX)).is_ok());
        // A clock that went back is no standstill.
        assert!(turns(beat.plus(PULSE_SILENT_MAX), beat).is_ok());
        let still = turns(beat, beat.plus(Duration::from_secs(40)));
        assert_eq!(still, Err("stands still for 40 s".to_owned()));
    }

    #[test]
    fn a_certificate_is_good_until_it_expires() {
        let now = Timestamp::from_millis(1_000_000);
        let days = |days: u64| Duration::from_secs(days * 24 * 3600);
        assert_eq!(certificate(now.plus(days(90)), now), Ok("good for 90 days".to_owned()));
        assert!(certificate(now, now.plus(days(1))).unwrap_err().contains("has expired"));
    }
}
