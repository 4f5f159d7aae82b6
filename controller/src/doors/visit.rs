//! A connection, and what its requests show of who is there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::listener::guests::Guest;

/// One connection, for as long as it is there.
#[derive(Debug)]
pub(super) struct Visit {
    signed: AtomicBool,
    guest: Mutex<Option<Guest>>,
}

impl Visit {
    /// One that takes no place among the guests.
    pub(super) fn uncounted() -> Arc<Self> {
        Arc::new(Self { signed: AtomicBool::new(false), guest: Mutex::new(None) })
    }

    pub(super) fn of(guest: Guest) -> Arc<Self> {
        let visit = Self::uncounted();
        *visit.guest.lock().unwrap_or_else(PoisonError::into_inner) = Some(guest);
        visit
    }

    /// It has shown who it is.
    pub(super) fn is_known(&self) {
        if let Some(guest) = &mut *self.guest.lock().unwrap_or_else(PoisonError::into_inner) {
            guest.is_known();
        }
    }

    /// A request with a good signature came.
    pub(super) fn signed(&self) {
        if !self.signed.swap(true, Ordering::Relaxed) {
            self.is_known();
        }
    }

    /// Whether one came since this was asked last.
    pub(super) fn signed_lately(&self) -> bool {
        self.signed.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::listener::guests::{GuestLimits, Guests};

    #[test]
    fn who_signs_is_no_stranger() {
        let limits = GuestLimits { connections: 6, anonymous: 4, anonymous_of_source: 2 };
        let guests = Arc::new(Guests::within(limits));
        let visit = Visit::of(Guest::enter(&guests, [127, 0, 0, 1].into()).unwrap());
        assert_eq!((guests.usage().anonymous, visit.signed_lately()), (1, false));
        visit.signed();
        visit.signed();
        assert_eq!((guests.usage().anonymous, guests.usage().connections), (0, 1));
        assert_eq!((visit.signed_lately(), visit.signed_lately()), (true, false));
        drop(visit);
        assert_eq!(guests.usage().connections, 0);
    }
}
