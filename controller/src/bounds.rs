//! Every queue and pool that could grow, with its limit: what is named here is shown by `fleetwright status` and as
//! `fleetwright_bound_used` and `fleetwright_bound_limit` of `/metrics`.
//!
//! A node has one message at work at any time, and the next is not read before it is durable; so nodes take turns at
//! the store and the blobs however much one of them has to say, and what a flood may hold in memory is one message and
//! its HTTP/2 windows for each node.

use fleetwright_store::{Unit, Usage};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::audit;
use crate::house::House;
use crate::parameters::held;

/// Blobs that are written at once; each takes a thread and a sync of the disk. Whoever waits is served in turn.
pub const BLOB_WRITES: usize = 32;
/// Nodes whose inventory comes in several pieces, which are in memory until the last; whoever waits is served in turn.
pub const INVENTORY_PIECES: usize = 16;

/// A pool of places, first come, first served.
#[derive(Debug)]
pub struct Pool {
    places: Semaphore,
    limit: usize,
}

impl Pool {
    #[must_use]
    pub fn of(limit: usize) -> Self {
        Self { places: Semaphore::new(limit), limit }
    }

    /// Waits for a place. Dropping the permit gives it back.
    pub async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        // A pool is never closed.
        self.places.acquire().await.ok()
    }

    #[must_use]
    pub fn used(&self) -> usize {
        self.limit.saturating_sub(self.places.available_permits())
    }

    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }
}

/// Every bound, with what is used of it now.
#[must_use]
pub fn all(house: &House) -> Vec<Usage> {
    let row = |name, used: usize, limit: usize, unit| Usage {
        name,
        used: Some(used as u64),
        limit: Some(limit as u64),
        unit,
    };
    let mut bounds: Vec<_> = house.store.usage().into_iter().filter(|usage| usage.limit.is_some()).collect();
    bounds.push(row("blob writes", house.blob_writes.used(), house.blob_writes.limit(), Unit::Places));
    let pieces = &house.inventory_pieces;
    bounds.push(row("inventories in pieces", pieces.used(), pieces.limit(), Unit::Places));
    bounds.push(row("audit queue", house.audit.waiting(), audit::log::QUEUE_MAX, Unit::Places));
    bounds.push(row("parameters held by nodes", house.held.count(), held::HELD_MAX, Unit::Places));
    let guests = house.guests.usage();
    bounds.push(row("connections", guests.connections, guests.connections_max, Unit::Connections));
    bounds.push(row("anonymous connections", guests.anonymous, guests.anonymous_max, Unit::Connections));
    let (remembered, most) = house.gate.remembered();
    bounds.push(row("remembered signatures", remembered, most, Unit::Places));
    bounds.push(row("handshakes", guests.handshakes, guests.handshakes_max, Unit::Connections));
    bounds
}
