//! What a document operation refuses: SSM's own word for it, and one line for people.

use crate::error::{Kind, Refusal};

/// SSM's errors of the Documents capability; a refusal that has nothing to do with documents keeps its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    AssociatedInstances,
    DocumentAlreadyExists,
    DocumentLimitExceeded,
    DocumentPermissionLimit,
    DocumentVersionLimitExceeded,
    DuplicateDocumentContent,
    DuplicateDocumentVersionName,
    InvalidDocument,
    InvalidDocumentContent,
    InvalidDocumentOperation,
    InvalidDocumentSchemaVersion,
    InvalidDocumentType,
    InvalidDocumentVersion,
    InvalidFilterKey,
    InvalidPermissionType,
    MaxDocumentSizeExceeded,
    TooManyTags,
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
            Self::AssociatedInstances => "AssociatedInstances",
            Self::DocumentAlreadyExists => "DocumentAlreadyExists",
            Self::DocumentLimitExceeded => "DocumentLimitExceeded",
            Self::DocumentPermissionLimit => "DocumentPermissionLimit",
            Self::DocumentVersionLimitExceeded => "DocumentVersionLimitExceeded",
            Self::DuplicateDocumentContent => "DuplicateDocumentContent",
            Self::DuplicateDocumentVersionName => "DuplicateDocumentVersionName",
            Self::InvalidDocument => "InvalidDocument",
            Self::InvalidDocumentContent => "InvalidDocumentContent",
            Self::InvalidDocumentOperation => "InvalidDocumentOperation",
            Self::InvalidDocumentSchemaVersion => "InvalidDocumentSchemaVersion",
            Self::InvalidDocumentType => "InvalidDocumentType",
            Self::InvalidDocumentVersion => "InvalidDocumentVersion",
            Self::InvalidFilterKey => "InvalidFilterKey",
            Self::InvalidPermissionType => "InvalidPermissionType",
            Self::MaxDocumentSizeExceeded => "MaxDocumentSizeExceeded",
            Self::TooManyTags => "TooManyTagsError",
            Self::TooManyUpdates => "TooManyUpdates",
            Self::Validation => "ValidationException",
            Self::Other(_) => return None,
        })
    }

    /// What it is for a caller who does not speak SSM.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::DocumentAlreadyExists | Self::DuplicateDocumentVersionName => Kind::AlreadyExists,
            Self::InvalidDocument | Self::InvalidDocumentVersion => Kind::NotFound,
            Self::DocumentLimitExceeded
            | Self::DocumentPermissionLimit
            | Self::DocumentVersionLimitExceeded
            | Self::TooManyTags => Kind::Exhausted,
            Self::AssociatedInstances
            | Self::DuplicateDocumentContent
            | Self::InvalidDocumentOperation
            | Self::TooManyUpdates => Kind::Conflict,
            Self::InvalidDocumentContent
            | Self::InvalidDocumentSchemaVersion
            | Self::InvalidDocumentType
            | Self::InvalidFilterKey
            | Self::InvalidPermissionType
            | Self::MaxDocumentSizeExceeded
            | Self::Validation => Kind::Invalid,
            Self::Other(kind) => kind,
        }
    }

    #[must_use]
    pub fn because(self, message: impl Into<String>) -> DocumentError {
        DocumentError { fault: self, message: message.into() }
    }
}

/// Why an operation on documents was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DocumentError {
    pub fault: Fault,
    pub message: String,
}

impl From<DocumentError> for Refusal {
    fn from(error: DocumentError) -> Self {
        Self { kind: error.fault.kind(), message: error.message }
    }
}

crate::error::other_errors!(
    DocumentError:
    Refusal,
    fleetwright_store::StoreError,
    fleetwright_store::TableError,
    fleetwright_store::RecordError,
    fleetwright_store::BlobError,
    fleetwright_store::CommitError,
);
