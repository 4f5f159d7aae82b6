//! What a parameter operation refuses: SSM's own word for it, and one line for people.

use crate::error::{Kind, Refusal};

/// SSM's errors of Parameter Store; a refusal that has nothing to do with parameters keeps its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    AccessDenied,
    HierarchyLevelLimitExceeded,
    HierarchyTypeMismatch,
    IncompatiblePolicy,
    InvalidAllowedPattern,
    InvalidFilterKey,
    InvalidFilterOption,
    InvalidFilterValue,
    InvalidKeyId,
    InvalidNextToken,
    InvalidPolicyAttribute,
    InvalidPolicyType,
    /// Of the operations on tags: there is no such parameter.
    InvalidResourceId,
    ParameterAlreadyExists,
    ParameterLimitExceeded,
    ParameterMaxVersionLimitExceeded,
    ParameterNotFound,
    ParameterPatternMismatch,
    ParameterVersionLabelLimitExceeded,
    ParameterVersionNotFound,
    PoliciesLimitExceeded,
    TooManyTags,
    TooManyUpdates,
    UnsupportedParameterType,
    /// A value of another form than the one that SSM's model allows.
    Validation,
    Other(Kind),
}

impl Fault {
    /// The name of the error in SSM's API; None for what the API has no name for.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::AccessDenied => "AccessDeniedException",
            Self::HierarchyLevelLimitExceeded => "HierarchyLevelLimitExceededException",
            Self::HierarchyTypeMismatch => "HierarchyTypeMismatchException",
            Self::IncompatiblePolicy => "IncompatiblePolicyException",
            Self::InvalidAllowedPattern => "InvalidAllowedPatternException",
            Self::InvalidFilterKey => "InvalidFilterKey",
            Self::InvalidFilterOption => "InvalidFilterOption",
            Self::InvalidFilterValue => "InvalidFilterValue",
            Self::InvalidKeyId => "InvalidKeyId",
            Self::InvalidNextToken => "InvalidNextToken",
            Self::InvalidPolicyAttribute => "InvalidPolicyAttributeException",
            Self::InvalidPolicyType => "InvalidPolicyTypeException",
            Self::InvalidResourceId => "InvalidResourceId",
            Self::ParameterAlreadyExists => "ParameterAlreadyExists",
            Self::ParameterLimitExceeded => "ParameterLimitExceeded",
            Self::ParameterMaxVersionLimitExceeded => "ParameterMaxVersionLimitExceeded",
            Self::ParameterNotFound => "ParameterNotFound",
            Self::ParameterPatternMismatch => "ParameterPatternMismatchException",
            Self::ParameterVersionLabelLimitExceeded => "ParameterVersionLabelLimitExceeded",
            Self::ParameterVersionNotFound => "ParameterVersionNotFound",
            Self::PoliciesLimitExceeded => "PoliciesLimitExceededException",
            Self::TooManyTags => "TooManyTagsError",
            Self::TooManyUpdates => "TooManyUpdates",
            Self::UnsupportedParameterType => "UnsupportedParameterType",
            Self::Validation => "ValidationException",
            Self::Other(_) => return None,
        })
    }

    /// What it is for a caller who does not speak SSM.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::AccessDenied => Kind::Denied,
            Self::ParameterAlreadyExists => Kind::AlreadyExists,
            Self::ParameterNotFound | Self::ParameterVersionNotFound | Self::InvalidResourceId => {
                Kind::NotFound
            }
            Self::ParameterLimitExceeded
            | Self::ParameterMaxVersionLimitExceeded
            | Self::ParameterVersionLabelLimitExceeded
            | Self::PoliciesLimitExceeded
            | Self::TooManyTags => Kind::Exhausted,
            Self::HierarchyTypeMismatch | Self::InvalidKeyId | Self::TooManyUpdates => Kind::Conflict,
            Self::HierarchyLevelLimitExceeded
            | Self::IncompatiblePolicy
            | Self::InvalidAllowedPattern
            | Self::InvalidFilterKey
            | Self::InvalidFilterOption
            | Self::InvalidFilterValue
            | Self::InvalidNextToken
            | Self::InvalidPolicyAttribute
            | Self::InvalidPolicyType
            | Self::ParameterPatternMismatch
            | Self::UnsupportedParameterType
            | Self::Validation => Kind::Invalid,
            Self::Other(kind) => kind,
        }
    }

    #[must_use]
    pub fn because(self, message: impl Into<String>) -> ParameterError {
        ParameterError { fault: self, message: message.into() }
    }
}

/// Why an operation on parameters was refused. No value of a parameter is in the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParameterError {
    pub fault: Fault,
    pub message: String,
}

impl From<ParameterError> for Refusal {
    fn from(error: ParameterError) -> Self {
        Self { kind: error.fault.kind(), message: error.message }
    }
}

crate::error::other_errors!(
    ParameterError:
    Refusal,
    fleetwright_store::StoreError,
    fleetwright_store::TableError,
    fleetwright_store::RecordError,
    fleetwright_store::CommitError,
);

/// SSM's words for values that its model does not allow: all of one request in one message.
#[derive(Debug, Default)]
pub(super) struct Violations(Vec<String>);

impl Violations {
    /// `value` is shown; it must be no secret.
    pub(super) fn note(&mut self, value: &str, at: &str, constraint: &str) {
        self.0.push(format!("Value '{value}' at '{at}' failed to satisfy constraint: {constraint}"));
    }

    pub(super) fn result(self) -> Result<(), ParameterError> {
        let many = if self.0.len() == 1 { "" } else { "s" };
        match self.0.len() {
            0 => Ok(()),
            count => Err(Fault::Validation
                .because(format!("{count} validation error{many} detected: {}", self.0.join("; ")))),
        }
    }
}
