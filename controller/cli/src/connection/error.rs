//! What can go wrong between this program and the controller, in words that say what to do.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use rustls::{AlertDescription, CertificateError};

use super::Address;
use super::alert::tls_error;
use crate::context::Context;
use crate::exit::Exit;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("`{0}` is not an address: write HOST:PORT, as in fleet.example.org:7443")]
    Address(String),
    #[error("cannot find the host {host}")]
    NoSuchHost { host: String, source: io::Error },
    #[error("nothing listens at {0}: is the controller running there?")]
    Refused(String),
    #[error("no answer from {0}: is it the right address, and does a firewall let you through?")]
    NoAnswer(String),
    #[error("cannot connect to {address}")]
    Tcp { address: String, source: io::Error },
    #[error(
        "the certificate of {address} is not signed by the authority in {}: this is another fleet's controller, \
         or the authority is an old one", .authority.display()
    )]
    UnknownAuthority { address: String, authority: PathBuf },
    #[error(
        "the certificate of the controller at {0} has expired or is not valid yet: are both clocks right?"
    )]
    ControllerCertificateTime(String),
    #[error(
        "the certificate of the controller is not made for the name in {0}: use a name or address that it has"
    )]
    ControllerName(String),
    #[error("{0} does not speak TLS: is this the port of a controller?")]
    NotTls(String),
    #[error("cannot agree on TLS with {address}")]
    Tls { address: String, source: io::Error },
    #[error("cannot read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} holds no {wanted} in PEM", .path.display())]
    NotPem { path: PathBuf, wanted: &'static str },
    #[error("{} holds no token: it is one line, as `access operator issue --token` printed it", .path.display())]
    NotToken { path: PathBuf },
    #[error("the certificate {} and the key {} do not belong together", .certificate.display(), .key.display())]
    KeyMismatch { certificate: PathBuf, key: PathBuf },
    #[error("your certificate {} expired on {expired}: ask for a new one", .certificate.display())]
    OperatorExpired { certificate: PathBuf, expired: String },
    #[error("the controller at {address} does not accept your certificate {}: {why}", .certificate.display())]
    OperatorRefused { address: String, certificate: PathBuf, why: &'static str },
    #[error("lost the connection to the controller: {0}")]
    Lost(String),
}

impl ConnectError {
    /// What this side was told to use is wrong, or nothing usable is at the other end.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Address(_)
            | Self::Read { .. }
            | Self::NotPem { .. }
            | Self::NotToken { .. }
            | Self::KeyMismatch { .. } => Exit::Usage,
            Self::OperatorExpired { .. } | Self::OperatorRefused { .. } => Exit::Refused,
            _ => Exit::Unreachable,
        }
    }

    pub(super) fn of_tcp(address: &Address, error: io::Error) -> Self {
        let address = address.to_string();
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused(address),
            io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                Self::NoAnswer(address)
            }
            _ => Self::Tcp { address, source: error },
        }
    }

    pub(super) fn of_handshake(address: &Address, context: &Context, error: io::Error) -> Self {
        let address = address.to_string();
        match tls_error(&error) {
            Some(rustls::Error::InvalidCertificate(reason)) => match reason {
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Self::ControllerCertificateTime(address),
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    Self::ControllerName(address)
                }
                _ => Self::UnknownAuthority { address, authority: context.authority.clone() },
            },
            Some(rustls::Error::InvalidMessage(_)) => Self::NotTls(address),
            Some(rustls::Error::AlertReceived(alert)) => Self::OperatorRefused {
                address,
                certificate: context.certificate.clone(),
                why: alert_text(*alert),
            },
            _ => Self::Tls { address, source: error },
        }
    }

    /// A connection that broke after it was open. The innermost cause says most.
    pub(super) fn lost(error: &(dyn Error + 'static)) -> Self {
        let mut innermost = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Self::Lost(innermost.to_string())
    }

    /// A conversation that stopped before everything was said, as when a controller is restarted.
    pub(crate) fn ended() -> Self {
        Self::Lost("it ended the conversation".into())
    }

    /// What is behind a status that was made on this side.
    pub(crate) fn of_transport(source: &(dyn Error + 'static)) -> Self {
        match source.downcast_ref::<ConnectError>() {
            Some(Self::OperatorRefused { address, certificate, why }) => {
                Self::OperatorRefused { address: address.clone(), certificate: certificate.clone(), why }
            }
            Some(other) => Self::Lost(match other {
                Self::Lost(text) => text.clone(),
                other => other.to_string(),
            }),
            None => Self::lost(source),
        }
    }
}

/// What a server means by refusing a client's certificate.
pub(super) fn alert_text(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateExpired => "it has expired",
        AlertDescription::CertificateRevoked => "it was revoked",
        AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::DecryptError => {
            "it was made by another authority, perhaps another fleet's"
        }
        AlertDescription::CertificateRequired => "it wants one, and got none",
        AlertDescription::AccessDenied => "access denied",
        _ => "it closed the connection without saying more",
    }
}
