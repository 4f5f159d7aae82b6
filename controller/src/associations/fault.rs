//! What an operation on associations refuses: SSM's own word for it, and one line for people.

use crate::documents::fault::DocumentError;
use crate::error::{Kind, Refusal};

/// SSM's errors of State Manager; a refusal that has nothing to do with associations keeps its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    AssociationDoesNotExist,
    AssociationExecutionDoesNotExist,
    AssociationLimitExceeded,
    AssociationVersionLimitExceeded,
    InvalidAssociation,
    InvalidAssociationVersion,
    InvalidDocument,
    InvalidDocumentVersion,
    InvalidFilterKey,
    InvalidInstanceId,
    InvalidParameters,
    InvalidSchedule,
    InvalidTarget,
    InvalidUpdate,
    TooManyUpdates,
    /// A value of another form than the one that SSM's model allows.
    Validation,
    Other(Kind),
}

impl Fault {
    /// The name of the error in SSM's API; None for what the API has no name for.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::AssociationDoesNotExist => "AssociationDoesNotExist",
            Self::AssociationExecutionDoesNotExist => "AssociationExecutionDoesNotExist",
            Self::AssociationLimitExceeded => "AssociationLimitExceeded",
            Self::AssociationVersionLimitExceeded => "AssociationVersionLimitExceeded",
            Self::InvalidAssociation => "InvalidAssociation",
            Self::InvalidAssociationVersion => "InvalidAssociationVersion",
            Self::InvalidDocument => "InvalidDocument",
            Self::InvalidDocumentVersion => "InvalidDocumentVersion",
            Self::InvalidFilterKey => "InvalidFilterKey",
            Self::InvalidInstanceId => "InvalidInstanceId",
            Self::InvalidParameters => "InvalidParameters",
            Self::InvalidSchedule => "InvalidSchedule",
            Self::InvalidTarget => "InvalidTarget",
            Self::InvalidUpdate => "InvalidUpdate",
            Self::TooManyUpdates => "TooManyUpdates",
            Self::Validation => "ValidationException",
            Self::Other(_) => return None,
        })
    }

    /// What it is for a caller who does not speak SSM.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::AssociationDoesNotExist
            | Self::AssociationExecutionDoesNotExist
            | Self::InvalidAssociationVersion
            | Self::InvalidDocument
            | Self::InvalidDocumentVersion
            | Self::InvalidInstanceId => Kind::NotFound,
            Self::AssociationLimitExceeded | Self::AssociationVersionLimitExceeded => Kind::Exhausted,
            Self::InvalidUpdate | Self::TooManyUpdates => Kind::Conflict,
            Self::InvalidAssociation
            | Self::InvalidFilterKey
            | Self::InvalidParameters
            | Self::InvalidSchedule
            | Self::InvalidTarget
            | Self::Validation => Kind::Invalid,
            Self::Other(kind) => kind,
        }
    }

    #[must_use]
    pub fn because(self, message: impl Into<String>) -> AssociationError {
        AssociationError { fault: self, message: message.into() }
    }
}

/// Why an operation on associations was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AssociationError {
    pub fault: Fault,
    pub message: String,
}

impl From<AssociationError> for Refusal {
    fn from(error: AssociationError) -> Self {
        Self { kind: error.fault.kind(), message: error.message }
    }
}

impl From<DocumentError> for AssociationError {
    fn from(error: DocumentError) -> Self {
        use crate::documents::fault::Fault as Document;
        let fault = match error.fault {
            Document::InvalidDocument => Fault::InvalidDocument,
            Document::InvalidDocumentVersion => Fault::InvalidDocumentVersion,
            Document::Validation => Fault::Validation,
            other => Fault::Other(other.kind()),
        };
        fault.because(error.message)
    }
}

crate::error::other_errors!(
    AssociationError:
    Refusal,
    fleetwright_store::StoreError,
    fleetwright_store::TableError,
    fleetwright_store::RecordError,
    fleetwright_store::BlobError,
    fleetwright_store::CommitError,
);
