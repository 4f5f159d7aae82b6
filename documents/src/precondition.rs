//! When a step applies at all (reference, section 1.8).

use serde_json::Value;

use crate::action::Platform;
use crate::substitute;

/// A step's `precondition`: every clause must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Precondition {
    pub(crate) clauses: Vec<Clause>,
}

/// `StringEquals` with its two arguments: the only operator there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Clause {
    /// One argument is the word `platformType`, the other the name of a platform, or any other word.
    Platform(String),
    /// Compared exactly, after substitution.
    Equal(String, String),
}

impl Precondition {
    pub(crate) fn holds<'v>(&self, platform: Platform, lookup: &impl Fn(&str) -> Option<&'v Value>) -> bool {
        self.clauses.iter().all(|clause| match clause {
            Clause::Platform(name) => Platform::from_name(name) == Some(platform),
            Clause::Equal(left, right) => substitute::text(left, lookup) == substitute::text(right, lookup),
        })
    }

    /// Whether some values of the parameters could make it hold on this platform.
    pub(crate) fn may_hold_on(&self, platform: Platform) -> bool {
        self.clauses.iter().all(|clause| match clause {
            Clause::Platform(name) => Platform::from_name(name) == Some(platform),
            Clause::Equal(..) => true,
        })
    }
}
