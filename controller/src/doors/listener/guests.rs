//! Who may come in: how many connections there are, and how many of them by peers that have not shown who they are.
//!
//! ```text
//! accepted ──► handshake ──► known (a node, an operator): counts only against the whole
//!    anonymous ┘      └────► anonymous: stays one, and not for long
//! ```
//!
//! Part of the whole is kept for peers that are known, so that no crowd of strangers keeps the fleet out; and no
//! single address may take more than its share of what strangers have.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Resource, getrlimit};

use crate::meters::TurnedAway;

/// Handshakes at once: they are what costs a processor, and more of them at once make none faster.
pub const HANDSHAKES: usize = 64;
/// Open files that are not connections: the store, blobs, the log.
const SPARE_FILES: u64 = 256;
/// Where the system sets no limit of open files.
const CONNECTIONS_MAX: u64 = 1 << 20;
const CONNECTIONS_LEAST: u64 = 256;

/// How many of each there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestLimits {
    pub connections: usize,
    /// Of them, those that have not shown who they are.
    pub anonymous: usize,
    /// Of those, those of one address.
    pub anonymous_of_source: usize,
}

impl GuestLimits {
    /// From the limit of open files: three quarters for strangers, a herd that comes back among them, and a quarter of
    /// that for one address: a fleet behind one router has one.
    #[must_use]
    pub fn for_files(files: Option<u64>) -> Self {
        let most = files.map_or(CONNECTIONS_MAX, |files| files.saturating_sub(SPARE_FILES));
        let connections =
            usize::try_from(most.clamp(CONNECTIONS_LEAST, CONNECTIONS_MAX)).unwrap_or(usize::MAX);
        let anonymous = connections / 4 * 3;
        Self { connections, anonymous, anonymous_of_source: anonymous / 4 }
    }
}

impl Default for GuestLimits {
    fn default() -> Self {
        Self::for_files(getrlimit(Resource::Nofile).current)
    }
}

/// What is there now, and what may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestUsage {
    pub connections: usize,
    pub connections_max: usize,
    pub anonymous: usize,
    pub anonymous_max: usize,
    pub handshakes: usize,
    pub handshakes_max: usize,
}

/// The guests of one listener.
#[derive(Debug)]
pub struct Guests {
    limits: GuestLimits,
    present: Mutex<Present>,
    pub(in crate::doors) handshakes: Arc<tokio::sync::Semaphore>,
}

#[derive(Debug, Default)]
struct Present {
    connections: usize,
    anonymous: usize,
    by_source: HashMap<IpAddr, usize>,
}

impl Default for Guests {
    fn default() -> Self {
        Self::within(GuestLimits::default())
    }
}

impl Guests {
    #[must_use]
    pub fn within(limits: GuestLimits) -> Self {
        let handshakes = Arc::new(tokio::sync::Semaphore::new(HANDSHAKES));
        Self { limits, present: Mutex::default(), handshakes }
    }

    #[must_use]
    pub fn usage(&self) -> GuestUsage {
        let present = self.lock();
        GuestUsage {
            connections: present.connections,
            connections_max: self.limits.connections,
            anonymous: present.anonymous,
            anonymous_max: self.limits.anonymous,
            handshakes: HANDSHAKES - self.handshakes.available_permits(),
            handshakes_max: HANDSHAKES,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place; it is given back when this is dropped.
#[derive(Debug)]
pub struct Guest {
    guests: Arc<Guests>,
    /// None once it is known who it is.
    anonymous_of: Option<IpAddr>,
}

impl Guest {
    /// A new connection takes its place, as a stranger.
    pub fn enter(guests: &Arc<Guests>, source: IpAddr) -> Result<Self, TurnedAway> {
        let limits = guests.limits;
        let mut present = guests.lock();
        if present.connections >= limits.connections {
            return Err(TurnedAway::Full);
        }
        if present.anonymous >= limits.anonymous {
            return Err(TurnedAway::AnonymousFull);
        }
        let of_source = present.by_source.entry(source).or_default();
        if *of_source >= limits.anonymous_of_source {
            return Err(TurnedAway::SourceFull);
        }
        *of_source += 1;
        present.anonymous += 1;
        present.connections += 1;
        drop(present);
        Ok(Self { guests: guests.clone(), anonymous_of: Some(source) })
    }

    /// It has shown who it is.
    pub fn is_known(&mut self) {
        if let Some(source) = self.anonymous_of.take() {
            self.guests.lock().leave_anonymous(source);
        }
    }
}

impl Present {
    fn leave_anonymous(&mut self, source: IpAddr) {
        self.anonymous -= 1;
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut present = self.guests.lock();
        present.connections -= 1;
        if let Some(source) = self.anonymous_of {
            present.leave_anonymous(source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    #[test]
    fn strangers_fill_their_share_and_no_more() {
        let limits = GuestLimits { connections: 6, anonymous: 4, anonymous_of_source: 2 };
        let guests = Arc::new(Guests::within(limits));
        let mut first = Guest::enter(&guests, source(1)).unwrap();
        let _second = Guest::enter(&guests, source(1)).unwrap();
        assert_eq!(Guest::enter(&guests, source(1)).unwrap_err(), TurnedAway::SourceFull);
        let _third = Guest::enter(&guests, source(2)).unwrap();
        let _fourth = Guest::enter(&guests, source(3)).unwrap();
        assert_eq!(Guest::enter(&guests, source(4)).unwrap_err(), TurnedAway::AnonymousFull);
        // Whoever is known makes room for a stranger, also of the same address.
        first.is_known();
        first.is_known();
        let mut fifth = Guest::enter(&guests, source(1)).unwrap();
        fifth.is_known();
        let sixth = Guest::enter(&guests, source(4)).unwrap();
        assert_eq!(Guest::enter(&guests, source(5)).unwrap_err(), TurnedAway::Full);
        assert_eq!((guests.usage().connections, guests.usage().anonymous), (6, 4));
        drop(sixth);
        drop(first);
        assert_eq!((guests.usage().connections, guests.usage().anonymous), (4, 3));
        assert_eq!(guests.lock().by_source.len(), 3);
    }

    #[test]
    fn limits_follow_the_open_files() {
        for (files, connections, anonymous, of_source) in
            [(Some(1024), 768, 576, 144), (Some(10), 256, 192, 48), (None, 1 << 20, 786_432, 196_608)]
        {
            let wanted = GuestLimits { connections, anonymous, anonymous_of_source: of_source };
            assert_eq!(GuestLimits::for_files(files), wanted, "{files:?}");
        }
    }
}
