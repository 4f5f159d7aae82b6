//! Who may use this fleet from the outside: operators, their access keys, and what each may do.
//!
//! ```text
//! certificate ─┐
//! token       ─┼─► operator ─► Principal { name, groups } ─► every door
//! access key  ─┘
//! ```
//!
//! The rows are the truth. What every request asks for (who has this key, is this operator enabled) is answered from
//! [`known`], which is read anew after every change before the change is answered, and whenever another process
//! changed a row. Secrets of access keys are kept sealed, because a signature can be checked only with the secret
//! itself: they are opened with the ring of [`crate::keys`].

pub mod credentials;
pub mod key_id;
pub mod keys;
pub mod known;
pub mod operators;
pub mod policies;
pub mod policy;
pub mod records;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use fleetwright_proto::clock::Timestamp;

use crate::audit::{Event, Outcome};
pub use known::Access;

/// Members may do everything: a policy that cannot be changed says so.
pub const ADMINS: &str = "admins";

/// The operator of the data folder: whoever can read its certificate there commands the fleet.
pub const FIRST_OPERATOR: &str = "admin";

/// Who asks, whatever door he came through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The operator's name.
    pub name: Arc<str>,
    /// The groups of operators that he is in, in order.
    pub groups: Arc<[String]>,
    /// The door and the address that he came from, for the audit log; empty where nobody came through a door.
    pub from: Arc<str>,
}

impl Principal {
    /// The same, come from there.
    #[must_use]
    pub fn coming_from(self, from: &Arc<str>) -> Self {
        Self { from: from.clone(), ..self }
    }

    /// What the audit log says when he has done this.
    #[must_use]
    pub fn did(&self, action: policy::Action, on: String, at: Timestamp) -> Event {
        Event {
            at,
            who: self.name.to_string(),
            action: action.name().to_owned(),
            on,
            from: self.from.to_string(),
            outcome: Outcome::Done,
            detail: String::new(),
        }
    }

    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.groups.iter().any(|group| group == ADMINS)
    }
}
