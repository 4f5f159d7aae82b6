//! Why there is no link, in words for people.

use std::error::Error;
use std::io;

use fleetwright_proto::clock::Timestamp;
use rustls::{AlertDescription, CertificateError};

use super::connector::ConnectError;
use crate::explain::{date, explain};
use crate::identity::ControllerAddress;
use crate::tls::TlsError;

/// Why a connection was not made or ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkProblem {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("no secure connection to {address}")]
    Tls { address: ControllerAddress, source: io::Error },
    #[error(transparent)]
    Settings(#[from] TlsError),
    #[error("{address} accepted the connection and then did not answer; is it a Fleetwright controller?")]
    HandshakeTimedOut { address: ControllerAddress },
    #[error("the connection broke")]
    Http(#[source] hyper::Error),
    #[error("the controller refused: {}", status.message())]
    Refused { status: tonic::Status },
    #[error("the connection broke")]
    Broke(#[source] tonic::Status),
    #[error("the controller closed the stream without a word")]
    Closed,
    #[error("nothing was heard from the controller for {seconds} s")]
    Silent { seconds: u64 },
    #[error("the controller did not begin with a welcome; its version does not fit this agent's")]
    NoWelcome,
    #[error("this host's certificate expired on {}; enrol this host again with --force", date(*on))]
    Expired { on: Timestamp },
    #[error("the controller sent a message of a kind that this agent does not know")]
    Unintelligible,
    #[error("the controller restarts")]
    Restarting,
    #[error("a newer connection of this node replaced this one{detail}; do two hosts use one identity?")]
    Replaced { detail: String },
    #[error("this node was deregistered{detail}; enrol this host again to bring it back")]
    Deregistered { detail: String },
    #[error("the controller said goodbye{detail}")]
    Goodbye { detail: String },
}

impl LinkProblem {
    /// What a failed call means: words of the controller, or a broken connection.
    pub(crate) fn of_status(status: tonic::Status) -> Self {
        match status.code() {
            tonic::Code::Unknown
            | tonic::Code::Unavailable
            | tonic::Code::Cancelled
            | tonic::Code::Internal
                if status.source().is_some() || status.message().is_empty() =>
            {
                Self::Broke(status)
            }
            _ => Self::Refused { status },
        }
    }

    /// Whether the controller answered and said no, rather than not being there.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused { status } => status.code() != tonic::Code::Unavailable,
            Self::Deregistered { .. } | Self::Settings(_) => true,
            other => tls_cause(other).is_some() || refused_by_peer(other).is_some(),
        }
    }

    /// One line that says what is wrong and, where it is known, what would be right.
    #[must_use]
    pub fn explain(&self) -> String {
        self.explain_to("that this agent enrolled with; is this the right controller?")
    }

    /// The same to a host that knows the authority by what it was told.
    #[must_use]
    pub fn explain_before_enrolment(&self) -> String {
        self.explain_to("that was given; compare it with what `fleetwright activation create` printed")
    }

    fn explain_to(&self, known_authority: &str) -> String {
        let distrust = tls_cause(self).and_then(|error| explain_distrust(error, known_authority));
        match distrust.or_else(|| refused_by_peer(self).map(str::to_owned)) {
            Some(text) if matches!(self, Self::Tls { .. }) => format!("{self}: {text}"),
            Some(text) => text,
            None => explain(self),
        }
    }
}

/// The TLS library's own error, which may lie below those of I/O, HTTP and gRPC.
fn tls_cause(problem: &LinkProblem) -> Option<&rustls::Error> {
    let mut cause: Option<&(dyn Error + 'static)> = problem.source();
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        // An I/O error hides what it wraps behind the wrapped error's own source.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

/// What this host holds against the controller's certificate.
fn explain_distrust(error: &rustls::Error, known_authority: &str) -> Option<String> {
    Some(match error {
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => {
            format!("the controller's certificate is not signed by the authority {known_authority}")
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the controller's certificate is not for this name; use a name that it was made for".to_owned(),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "the controller's certificate has expired; or this host's clock is wrong".to_owned(),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "the controller's certificate is not valid yet; this host's clock may be wrong".to_owned(),
        _ => return None,
    })
}

/// What the controller holds against this host's certificate. Its alert comes after the handshake, through layers
/// that keep the text of an error and not its type.
fn refused_by_peer(problem: &LinkProblem) -> Option<&'static str> {
    let text = explain(problem);
    let (_, alert) = text.split_once("received fatal alert: ")?;
    let is = |wanted: AlertDescription| alert.starts_with(&format!("{wanted:?}"));
    if is(AlertDescription::CertificateExpired) {
        return Some(
            "the controller refused this host's certificate because it has expired; enrol this host again",
        );
    }
    let refusals = [
        AlertDescription::CertificateRequired,
        AlertDescription::UnknownCA,
        AlertDescription::BadCertificate,
        AlertDescription::CertificateUnknown,
        AlertDescription::CertificateRevoked,
        AlertDescription::DecryptError,
        AlertDescription::AccessDenied,
    ];
    refusals
        .into_iter()
        .any(is)
        .then_some("the controller refused this host's certificate; enrol this host again with --force")
}
