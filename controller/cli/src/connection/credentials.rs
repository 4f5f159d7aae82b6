//! The operator's certificate and key, and the authority to trust, read from PEM files and checked before anything
//! is sent. What is in the key file never leaves this file.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use fleetwright_proto::clock::Timestamp;
use http::HeaderValue;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::ConnectError;
use crate::context::Context;

/// Everything that TLS needs of an operator.
pub(crate) struct Credentials<'a> {
    context: &'a Context,
    authority: RootCertStore,
    proof: Proof,
}

/// How the operator shows who he is.
enum Proof {
    Certificate(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
    /// The header that carries the token.
    Token(HeaderValue),
}

/// What goes with the connection, and what goes with every request on it.
pub(crate) struct ClientCredentials {
    pub(crate) config: ClientConfig,
    pub(crate) authorization: Option<HeaderValue>,
}

impl<'a> Credentials<'a> {
    /// Reads the three files. An expired certificate is found here, where its file can be named.
    pub(crate) fn load(context: &'a Context, now: Timestamp) -> Result<Self, ConnectError> {
        let mut authority = RootCertStore::empty();
        let (known, _) = authority.add_parsable_certificates(certificates(&context.authority)?);
        if known == 0 {
            return Err(ConnectError::NotPem { path: context.authority.clone(), wanted: "certificate" });
        }
        if let Some(path) = &context.token_file {
            return Ok(Self { context, authority, proof: Proof::Token(token(path)?) });
        }
        let certificate = certificates(&context.certificate)?;
        check_expiry(&certificate[0], &context.certificate, now)?;
        let key = PrivateKeyDer::from_pem_file(&context.key)
            .map_err(|error| wrong_pem(error, &context.key, "private key"))?;
        Ok(Self { context, authority, proof: Proof::Certificate(certificate, key) })
    }

    pub(crate) fn into_client(self) -> Result<ClientCredentials, ConnectError> {
        let mismatch = || ConnectError::KeyMismatch {
            certificate: self.context.certificate.clone(),
            key: self.context.key.clone(),
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| mismatch())?
            .with_root_certificates(self.authority);
        let (mut config, authorization) = match self.proof {
            Proof::Certificate(certificate, key) => {
                (builder.with_client_auth_cert(certificate, key).map_err(|_| mismatch())?, None)
            }
            Proof::Token(header) => (builder.with_no_client_auth(), Some(header)),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(ClientCredentials { config, authorization })
    }
}

fn token(path: &Path) -> Result<HeaderValue, ConnectError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConnectError::Read { path: path.into(), source })?;
    let token = text.trim();
    let header = HeaderValue::try_from(format!("Bearer {token}"))
        .ok()
        .filter(|_| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
    let mut header = header.ok_or_else(|| ConnectError::NotToken { path: path.into() })?;
    header.set_sensitive(true);
    Ok(header)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let wrong = |error| wrong_pem(error, path, "certificate");
    let found = CertificateDer::pem_file_iter(path).map_err(wrong)?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    if found.is_empty() {
        return Err(ConnectError::NotPem { path: path.into(), wanted: "certificate" });
    }
    Ok(found)
}

fn wrong_pem(error: pem::Error, path: &Path, wanted: &'static str) -> ConnectError {
    match error {
        pem::Error::Io(source) if source.kind() != ErrorKind::InvalidData => {
            ConnectError::Read { path: path.into(), source }
        }
        _ => ConnectError::NotPem { path: path.into(), wanted },
    }
}

/// A certificate that cannot be read is left to the handshake, which says more about it.
fn check_expiry(certificate: &CertificateDer<'_>, path: &Path, now: Timestamp) -> Result<(), ConnectError> {
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else { return Ok(()) };
    let expires_s = parsed.validity().not_after.timestamp();
    if now.millis() / 1000 <= expires_s {
        return Ok(());
    }
    let expired = UNIX_EPOCH + Duration::from_secs(expires_s.try_into().unwrap_or(0));
    let expired = humantime::format_rfc3339_seconds(expired).to_string();
    Err(ConnectError::OperatorExpired { certificate: path.into(), expired })
}
