//! What an operation may answer instead of a result: a small closed set that each door maps in one place.
//!
//! The message is for the caller: one line, what was wrong, where, and what would be right. It never holds a secret.

use fleetwright_store::{BlobError, CommitError, RecordError, StoreError, TableError};

/// The closed set of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was named does not exist.
    NotFound,
    /// What was to be made exists.
    AlreadyExists,
    /// The request itself is wrong; it will be as wrong the next time.
    Invalid,
    /// The request is right and the state is against it.
    Conflict,
    /// The caller may not do this.
    Denied,
    /// A limit was reached.
    Exhausted,
    /// Not now; the same request may succeed later.
    Unavailable,
    /// The time that the caller gave ran out.
    TimedOut,
    /// A fault of ours. The cause is in the log.
    Internal,
}

/// A refusal with its one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub kind: Kind,
    pub message: String,
}

macro_rules! constructors {
    ($($name:ident => $kind:ident),+ $(,)?) => {
        impl Refusal {
            $(
                pub fn $name(message: impl Into<String>) -> Self {
                    Self { kind: Kind::$kind, message: message.into() }
                }
            )+
        }
    };
}

constructors! {
    not_found => NotFound,
    already_exists => AlreadyExists,
    invalid => Invalid,
    conflict => Conflict,
    denied => Denied,
    exhausted => Exhausted,
    unavailable => Unavailable,
    timed_out => TimedOut,
    internal => Internal,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Full { .. }) {
            return Self::exhausted(format!("the controller's disk is full: {error}"));
        }
        Self::unavailable(format!("the store cannot be used now: {}", chain(&error)))
    }
}

impl From<TableError> for Refusal {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Store(error) => error.into(),
            unreadable => Self::internal(chain(&unreadable)),
        }
    }
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        Self::internal(chain(&error))
    }
}

impl From<BlobError> for Refusal {
    fn from(error: BlobError) -> Self {
        if matches!(error, BlobError::Full { .. }) {
            return Self::exhausted(format!("the controller's disk is full: {error}"));
        }
        Self::unavailable(format!("the blob folder cannot be used now: {}", chain(&error)))
    }
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { .. } => {
                Self::conflict("somebody else changed this at the same moment: try again")
            }
            CommitError::Store(error) => error.into(),
            other => Self::internal(format!("the commit was not possible: {}", chain(&other))),
        }
    }
}

/// What the store, the blobs and other rooms say has no name among the faults of a capability: it keeps its kind. To be
/// called where the capability's `Fault` is in scope.
macro_rules! other_errors {
    ($own:ty: $($error:ty),+ $(,)?) => {$(
        impl From<$error> for $own {
            fn from(error: $error) -> Self {
                let $crate::error::Refusal { kind, message } = $crate::error::Refusal::from(error);
                Fault::Other(kind).because(message)
            }
        }
    )+};
}
pub(crate) use other_errors;

/// An error with everything that caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let part = cause.to_string();
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        source = cause.source();
    }
    text
}
