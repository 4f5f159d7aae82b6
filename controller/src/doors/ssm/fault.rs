//! What this door answers instead of a result: the name of an error in SSM's API, and one line for people. The one
//! place where refusals of the rooms become such names.

use std::borrow::Cow;

use crate::associations::fault::AssociationError;
use crate::documents::fault::DocumentError;
use crate::documents::find::NO_DOCUMENT;
use crate::error::{Kind, Refusal};
use crate::parameters::fault::ParameterError;

/// Of a request that is not one, or could be read as two.
pub(super) const MALFORMED: &str = "MalformedHttpRequestException";

/// An error as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) status: u16,
    pub(super) message: Cow<'static, str>,
}

impl Fault {
    /// One of the caller's: SSM answers all of them with status 400.
    pub(super) fn new(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, status: 400, message: Cow::Owned(message.into()) }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(super) fn too_large(most: usize) -> Self {
        let message = format!("the body is longer than {most} bytes");
        Self { status: 413, ..Self::new("RequestEntityTooLargeException", message) }
    }

    pub(super) fn timed_out(message: &'static str) -> Self {
        Self { name: "RequestTimeoutException", status: 408, message: Cow::Borrowed(message) }
    }

    /// A fault of ours. What it was is for the log, not for the caller.
    pub(super) fn internal(why: &str) -> Self {
        tracing::error!(error = why, "an operation of the SSM API failed");
        let message = Cow::Borrowed("the controller could not do this: its log says why");
        Self { name: "InternalServerError", status: 500, message }
    }

    /// A refusal whose kinds have these names in the operation that refuses.
    pub(super) fn named(refusal: Refusal, names: &[(Kind, &'static str)]) -> Self {
        match names.iter().find(|(kind, _)| *kind == refusal.kind) {
            Some((_, name)) => Self::new(name, refusal.message),
            None => refusal.into(),
        }
    }
}

impl From<Refusal> for Fault {
    fn from(Refusal { kind, message }: Refusal) -> Self {
        let unavailable = |name, message: String| Self { status: 503, ..Self::new(name, message) };
        match kind {
            Kind::NotFound => Self::new("DoesNotExistException", message),
            Kind::AlreadyExists => Self::new("AlreadyExistsException", message),
            Kind::Invalid => Self::validation(message),
            Kind::Conflict => Self::new("TooManyUpdates", message),
            Kind::Denied => Self::new("AccessDeniedException", message),
            Kind::Exhausted => Self::new("ResourceLimitExceededException", message),
            Kind::Unavailable => unavailable("ServiceUnavailableException", message),
            Kind::TimedOut => unavailable("RequestTimeoutException", message),
            Kind::Internal => Self::internal(&message),
        }
    }
}

impl From<ParameterError> for Fault {
    fn from(error: ParameterError) -> Self {
        match error.fault.name() {
            Some(name) => Self::new(name, error.message),
            None => Refusal::from(error).into(),
        }
    }
}

impl From<DocumentError> for Fault {
    fn from(error: DocumentError) -> Self {
        match error.fault.name() {
            // Programs compare this one word for word.
            Some(name) if error.message.starts_with(NO_DOCUMENT) => {
                Self::new(name, "The specified document does not exist.")
            }
            Some(name) => Self::new(name, error.message),
            None => Refusal::from(error).into(),
        }
    }
}

impl From<AssociationError> for Fault {
    fn from(error: AssociationError) -> Self {
        match error.fault.name() {
            Some(name) => Self::new(name, error.message),
            None => Refusal::from(error).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::fault::Fault as DocumentFault;

    #[test]
    fn every_kind_has_its_name_and_status() {
        for (refusal, name, status) in [
            (Refusal::not_found("x"), "DoesNotExistException", 400),
            (Refusal::already_exists("x"), "AlreadyExistsException", 400),
            (Refusal::invalid("x"), "ValidationException", 400),
            (Refusal::conflict("x"), "TooManyUpdates", 400),
            (Refusal::denied("x"), "AccessDeniedException", 400),
            (Refusal::exhausted("x"), "ResourceLimitExceededException", 400),
            (Refusal::unavailable("x"), "ServiceUnavailableException", 503),
            (Refusal::timed_out("x"), "RequestTimeoutException", 503),
            (Refusal::internal("secret of the house"), "InternalServerError", 500),
        ] {
            let fault = Fault::from(refusal);
            assert_eq!((fault.name, fault.status), (name, status));
            assert!(!fault.message.contains("house"), "{fault}");
        }
    }

    #[test]
    fn documents_keep_their_own_names() {
        let error = DocumentFault::DuplicateDocumentContent.because("x");
        assert_eq!(Fault::from(error).name, "DuplicateDocumentContent");
        let unknown = DocumentFault::InvalidDocument.because(format!("{NO_DOCUMENT} `x`: y"));
        assert_eq!(
            Fault::from(unknown).to_string(),
            "InvalidDocument: The specified document does not exist."
        );
        assert_eq!(Fault::from(DocumentFault::Other(Kind::Conflict).because("x")).name, "TooManyUpdates");
    }

    #[test]
    fn an_operation_names_what_it_refuses() {
        let names = [(Kind::NotFound, "InvalidInstanceId")];
        assert_eq!(Fault::named(Refusal::not_found("x"), &names).name, "InvalidInstanceId");
        assert_eq!(Fault::named(Refusal::invalid("x"), &names).name, "ValidationException");
    }
}
