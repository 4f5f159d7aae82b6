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
//! itself; the key that opens them lies outside the store.

pub mod key_id;
pub mod keys;
pub mod known;
pub mod operators;
pub mod records;
pub mod seal;

#[cfg(test)]
mod tests;

use std::sync::Arc;

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
}

impl Principal {
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.groups.iter().any(|group| group == ADMINS)
    }
}
