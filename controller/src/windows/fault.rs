//! What an operation on windows refuses: SSM's own word for it, and one line for people.

use crate::error::{Kind, Refusal};

/// SSM's errors of the Maintenance Windows capability; a refusal that has nothing to do with windows keeps its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    DoesNotExist,
    FeatureNotAvailable,
    IdempotentParameterMismatch,
    ResourceLimitExceeded,
    TargetInUse,
    /// A value of another form than the one that SSM's model allows.
    Validation,
    Other(Kind),
}

impl Fault {
    /// The name of the error in SSM's API; None for what the API has no name for.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::DoesNotExist => "DoesNotExistException",
            Self::FeatureNotAvailable => "FeatureNotAvailableException",
            Self::IdempotentParameterMismatch => "IdempotentParameterMismatch",
            Self::ResourceLimitExceeded => "ResourceLimitExceededException",
            Self::TargetInUse => "TargetInUseException",
            Self::Validation => "ValidationException",
            Self::Other(_) => return None,
        })
    }

    /// What it is for a caller who does not speak SSM.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::DoesNotExist => Kind::NotFound,
            Self::FeatureNotAvailable | Self::Validation => Kind::Invalid,
            Self::IdempotentParameterMismatch | Self::TargetInUse => Kind::Conflict,
            Self::ResourceLimitExceeded => Kind::Exhausted,
            Self::Other(kind) => kind,
        }
    }

    pub(crate) fn because(self, message: impl Into<String>) -> WindowError {
        WindowError { fault: self, message: message.into() }
    }
}

/// A refusal of an operation on windows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WindowError {
    pub fault: Fault,
    pub message: String,
}

impl From<WindowError> for Refusal {
    fn from(error: WindowError) -> Self {
        Self { kind: error.fault.kind(), message: error.message }
    }
}

crate::error::other_errors!(
    WindowError:
    Refusal,
    fleetwright_store::StoreError,
    fleetwright_store::TableError,
    fleetwright_store::RecordError,
    fleetwright_store::CommitError,
);
