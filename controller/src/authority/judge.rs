//! Who a caller is, by the certificate that the TLS handshake brought.
//!
//! The handshake proves only that the caller holds the key of the certificate that it showed; any certificate may
//! be shown. Whether it is one of ours, and still good, is judged here right after the handshake, so that a refusal
//! can be told in words instead of a TLS alert. The door must call [`judge`] for every connection that showed a
//! certificate and must treat a refusal as final.

use std::sync::Arc;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::URI_SCHEME;

/// Who showed the certificate, if it is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A node and the SHA-256 of its public key; whether the node still has that key is for its record to say.
    Node { id: NodeId, key_fingerprint: String },
    /// An operator by name, and the SHA-256 of his public key; whether he still is one is for his record to say.
    Operator { name: String, key_fingerprint: String },
}

/// Why a certificate is not accepted, for the caller to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateRefusal {
    #[error("your certificate expired: enrol again (nodes) or ask for a new one (operators)")]
    Expired,
    #[error("your certificate is not valid yet: the clock here or where it was made is wrong")]
    NotYetValid,
    #[error(
        "your certificate was signed by another fleet's authority: this controller is not the one you enrolled with"
    )]
    AnotherFleet,
    #[error("your certificate cannot be read: {0}")]
    Unreadable(String),
    #[error("your certificate names neither a node nor an operator")]
    NoRole,
}

/// Judges what a caller showed.
pub fn judge(
    roots: &Arc<RootCertStore>,
    chain: &[CertificateDer<'_>],
    now: Timestamp,
) -> Result<Identity, CertificateRefusal> {
    let [end_entity, intermediates @ ..] = chain else {
        return Err(CertificateRefusal::Unreadable("no certificate".to_owned()));
    };
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider())
        .build()
        .map_err(|error| CertificateRefusal::Unreadable(error.to_string()))?;
    let seconds = u64::try_from(now.millis() / 1000).unwrap_or(0);
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    verifier.verify_client_cert(end_entity, intermediates, at).map_err(|error| refusal(&error))?;
    role(end_entity)
}

fn refusal(error: &rustls::Error) -> CertificateRefusal {
    let rustls::Error::InvalidCertificate(error) = error else {
        return CertificateRefusal::Unreadable(error.to_string());
    };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => CertificateRefusal::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateRefusal::NotYetValid
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => CertificateRefusal::AnotherFleet,
        other => CertificateRefusal::Unreadable(other.to_string()),
    }
}

fn role(certificate: &CertificateDer<'_>) -> Result<Identity, CertificateRefusal> {
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|error| CertificateRefusal::Unreadable(error.to_string()))?;
    let names = parsed
        .subject_alternative_name()
        .map_err(|error| CertificateRefusal::Unreadable(error.to_string()))?
        .map(|extension| &extension.value.general_names);
    let uri = names.into_iter().flatten().find_map(|name| match name {
        GeneralName::URI(uri) => uri.strip_prefix(URI_SCHEME),
        _ => None,
    });
    match uri.and_then(|uri| uri.split_once(':')) {
        Some(("node", id)) => {
            let id = id.parse().map_err(|_| CertificateRefusal::NoRole)?;
            let key_fingerprint = hex::encode(Sha256::digest(parsed.public_key().raw));
            Ok(Identity::Node { id, key_fingerprint })
        }
        Some(("operator", name)) => {
            let key_fingerprint = hex::encode(Sha256::digest(parsed.public_key().raw));
            Ok(Identity::Operator { name: name.to_owned(), key_fingerprint })
        }
        _ => Err(CertificateRefusal::NoRole),
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Asks every caller for a certificate, wants none, and checks possession of the key of the one shown.
#[derive(Debug)]
pub struct ClientVerifier {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientVerifier {
    #[must_use]
    pub fn new() -> Self {
        Self { algorithms: provider().signature_verification_algorithms }
    }
}

impl Default for ClientVerifier {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // Judged after the handshake, in words; see the head of this module.
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
