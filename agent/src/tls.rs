//! TLS from this host to its controller: whom to trust and what to show.
//!
//! Before the enrolment the host knows its controller's authority by fingerprint or by file; afterwards by the
//! certificate in its identity. Names and times are checked by the TLS library in every case. No system trust store
//! is asked: a fleet has exactly one authority.

mod fingerprint;
mod pinned;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::identity::Identity;
pub use fingerprint::{Fingerprint, FingerprintError};
use pinned::PinnedAuthority;

/// How a host that is not enrolled knows its controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The authority's certificate.
    Authority(CertificateDer<'static>),
    /// The SHA-256 of the authority's certificate, which the controller then sends itself.
    Pinned(Fingerprint),
}

/// Why no TLS settings can be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the authority's certificate cannot be used")]
    Authority(#[source] rustls::Error),
    #[error("this host's certificate and key do not go together")]
    Identity(#[source] rustls::Error),
    #[error("no TLS settings can be made")]
    Settings(#[source] rustls::Error),
}

/// Why a file names no authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityFileError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` holds no certificate in PEM form", path.display())]
    NoCertificate { path: PathBuf },
}

/// The first certificate of a PEM file.
///
/// # Errors
/// When there is none.
pub fn read_authority(path: &Path) -> Result<CertificateDer<'static>, AuthorityFileError> {
    let pem =
        std::fs::read(path).map_err(|source| AuthorityFileError::Read { path: path.to_owned(), source })?;
    CertificateDer::from_pem_slice(&pem)
        .map_err(|_| AuthorityFileError::NoCertificate { path: path.to_owned() })
}

/// For a host that has no certificate yet.
///
/// # Errors
/// When the authority's certificate cannot be used.
pub fn before_enrolment(trust: &Trust) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = builder()?;
    let config = match trust {
        Trust::Authority(authority) => {
            builder.with_root_certificates(roots(authority)?).with_no_client_auth()
        }
        Trust::Pinned(fingerprint) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PinnedAuthority::new(*fingerprint, provider())))
            .with_no_client_auth(),
    };
    Ok(finish(config))
}

/// For a node of the fleet.
///
/// # Errors
/// When the identity's parts do not go together.
pub fn as_node(identity: &Identity) -> Result<Arc<ClientConfig>, TlsError> {
    let config = builder()?
        .with_root_certificates(roots(&identity.authority)?)
        .with_client_auth_cert(vec![identity.certificate.clone()], identity.key.private_key())
        .map_err(TlsError::Identity)?;
    Ok(finish(config))
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, TlsError> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Settings)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(authority: &CertificateDer<'static>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).map_err(TlsError::Authority)?;
    Ok(roots)
}

fn finish(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    // One connection for months: a cache of sessions would only cost memory.
    config.resumption = Resumption::disabled();
    Arc::new(config)
}
