//! Signing certificates. Knows keys and names; knows no record, no file and no clock.

use std::fmt;
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SigningKey,
};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::error::Refusal;

use super::{
    NODE_CERTIFICATE_LIFETIME, OPERATOR_CERTIFICATE_LIFETIME, SERVER_CERTIFICATE_LIFETIME, URI_SCHEME,
};

/// Certificates are good from a day before they are made: a clock may be in the wrong zone, or be set back to what is
/// right after the fleet was made.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(24 * 3600);

/// The authority outlives everything that it signs; a fleet that lasts longer makes a new one.
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error("the certificate request is not PKCS#10 in DER with a valid signature of its own key")]
    Request(#[source] rcgen::Error),
    #[error("`{0}` cannot stand in a certificate")]
    Name(String),
    #[error("cannot sign the certificate")]
    Sign(#[source] rcgen::Error),
}

/// A certificate that was just signed.
#[derive(Debug, Clone)]
pub struct Issued {
    pub certificate: CertificateDer<'static>,
    pub expires: Timestamp,
    /// SHA-256 of the public key (SubjectPublicKeyInfo), hex: the identity of the holder.
    pub key_fingerprint: String,
}

/// The authority with its key.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("fingerprint", &super::fingerprint(&self.certificate))
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// A new authority and the PEM texts of its certificate and key.
    pub(super) fn generate(now: Timestamp) -> Result<(Self, String, String), IssueError> {
        let key = KeyPair::generate().map_err(IssueError::Sign)?;
        let mut params = params_for("Fleetwright authority", now, AUTHORITY_LIFETIME);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // Two fleets' authorities must not be taken for each other by name.
        let mark = hex::encode(&Sha256::digest(key.public_key_raw())[..4]);
        params.distinguished_name.push(DnType::OrganizationName, format!("fleet {mark}"));
        let certificate = params.self_signed(&key).map_err(IssueError::Sign)?;
        let (certificate_pem, key_pem) = (certificate.pem(), key.serialize_pem());
        let authority = Self { certificate: certificate.der().clone(), issuer: Issuer::new(params, key) };
        Ok((authority, certificate_pem, key_pem))
    }

    pub(super) fn restore(certificate: CertificateDer<'static>, key: KeyPair) -> Result<Self, rcgen::Error> {
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self { certificate, issuer })
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// What an agent is told to expect on its first call: `sha256:` and 64 hex digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        super::fingerprint(&self.certificate)
    }

    /// The key fingerprint of a certificate request, after its own signature was checked.
    pub fn key_of_request(request_der: &[u8]) -> Result<String, IssueError> {
        Ok(key_fingerprint(&parse_request(request_der)?.public_key))
    }

    /// A certificate for a node. What the request asks for beyond its key is ignored: we say who it is.
    pub fn issue_node(
        &self,
        node: &NodeId,
        request_der: &[u8],
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let request = parse_request(request_der)?;
        let mut params = params_for(node.as_str(), now, NODE_CERTIFICATE_LIFETIME);
        params.subject_alt_names = vec![role_uri("node", node.as_str())?];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, &request.public_key, now, NODE_CERTIFICATE_LIFETIME)
    }

    /// A certificate and a key, both PEM, for an operator of that name.
    pub fn issue_operator(&self, name: &str, now: Timestamp) -> Result<(String, String), IssueError> {
        let key = KeyPair::generate().map_err(IssueError::Sign)?;
        let mut params = params_for(name, now, OPERATOR_CERTIFICATE_LIFETIME);
        params.subject_alt_names = vec![role_uri("operator", name)?];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).map_err(IssueError::Sign)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    /// A certificate for the controller itself under the given names and addresses, with its key in PKCS#8 DER.
    pub fn issue_server(&self, names: &[String], now: Timestamp) -> Result<(Issued, Vec<u8>), IssueError> {
        let key = KeyPair::generate().map_err(IssueError::Sign)?;
        let mut params = params_for("Fleetwright controller", now, SERVER_CERTIFICATE_LIFETIME);
        params.subject_alt_names = names.iter().map(|name| server_name(name)).collect::<Result<_, _>>()?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let issued = self.sign(params, &key, now, SERVER_CERTIFICATE_LIFETIME)?;
        Ok((issued, key.serialize_der()))
    }

    /// The authority's own signature over something that is no certificate: ECDSA in ASN.1, hex. What is signed says
    /// itself what it is, so that no text can be taken for another.
    pub fn sign_text(&self, text: &[u8]) -> Result<String, Refusal> {
        let signature = self.issuer.key().sign(text);
        signature.map(hex::encode).map_err(|error| Refusal::internal(format!("cannot sign: {error}")))
    }

    /// Whether this is such a signature over that text.
    #[must_use]
    pub fn signed(&self, text: &[u8], signature: &str) -> bool {
        let Ok(signature) = hex::decode(signature) else { return false };
        let key = self.issuer.key().der_bytes();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key).verify(text, &signature).is_ok()
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        key: &impl PublicKeyData,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<Issued, IssueError> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = params.signed_by(key, &self.issuer).map_err(IssueError::Sign)?;
        Ok(Issued {
            certificate: certificate.der().clone(),
            expires: now.plus(lifetime),
            key_fingerprint: key_fingerprint(key),
        })
    }
}

fn parse_request(request_der: &[u8]) -> Result<CertificateSigningRequestParams, IssueError> {
    CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(request_der))
        .map_err(IssueError::Request)
}

fn key_fingerprint(key: &impl PublicKeyData) -> String {
    hex::encode(Sha256::digest(key.subject_public_key_info()))
}

fn params_for(common_name: &str, now: Timestamp, lifetime: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let tolerance = i64::try_from(CLOCK_TOLERANCE.as_millis()).unwrap_or(0);
    params.not_before = date(Timestamp::from_millis(now.millis() - tolerance));
    params.not_after = date(now.plus(lifetime));
    params
}

fn date(moment: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(moment.millis() / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn role_uri(role: &str, name: &str) -> Result<SanType, IssueError> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte));
    if name.is_empty() || !plain {
        return Err(IssueError::Name(name.to_owned()));
    }
    let uri = Ia5String::try_from(format!("{URI_SCHEME}{role}:{name}")).map_err(IssueError::Sign)?;
    Ok(SanType::URI(uri))
}

fn server_name(name: &str) -> Result<SanType, IssueError> {
    match name.parse() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => {
            Ia5String::try_from(name).map(SanType::DnsName).map_err(|_| IssueError::Name(name.to_owned()))
        }
    }
}
