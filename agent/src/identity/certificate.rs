//! What the agent reads in a certificate: how long it holds and for which key it is. Trust is decided by the TLS
//! library, not here.

use fleetwright_proto::clock::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why a certificate is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("the certificate is not readable as X.509")]
    Unreadable,
    #[error("the certificate is for another key than the one of this host")]
    OtherKey,
}

/// From when and until when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

impl Validity {
    /// The moment from which a new certificate is asked for.
    #[must_use]
    pub fn half_life(self) -> Timestamp {
        self.not_before.plus(self.not_before.until(self.not_after) / 2)
    }
}

pub(super) fn validity(certificate: &CertificateDer<'_>) -> Result<Validity, CertificateError> {
    let certificate = parse(certificate)?;
    let moment = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1_000));
    Ok(Validity {
        not_before: moment(certificate.validity().not_before.timestamp()),
        not_after: moment(certificate.validity().not_after.timestamp()),
    })
}

/// `public_key` is the bare point, as the key pair knows it.
pub(super) fn check_key(certificate: &CertificateDer<'_>, public_key: &[u8]) -> Result<(), CertificateError> {
    let certificate = parse(certificate)?;
    if certificate.public_key().subject_public_key.data.as_ref() == public_key {
        Ok(())
    } else {
        Err(CertificateError::OtherKey)
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, CertificateError> {
    X509Certificate::from_der(certificate).map(|(_, parsed)| parsed).map_err(|_| CertificateError::Unreadable)
}
