//! Certificates for a test: an authority, what it signs, and the files that a context names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use tempfile::TempDir;

/// A fleet's authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn sign(&self, name: &str, expires_in: i32) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(expires_in, 1, 1);
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// TLS of a controller that asks operators for a certificate of this authority.
    pub(crate) fn server_config(&self, name: &str, expires_in: i32) -> Arc<ServerConfig> {
        let (certificate, key) = self.sign(name, expires_in);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }

    pub(crate) fn operator(&self) -> OperatorFiles {
        self.operator_until(4000)
    }

    /// `year`: when the certificate expires.
    pub(crate) fn operator_until(&self, year: i32) -> OperatorFiles {
        let (certificate, key) = self.sign("operator", year);
        let folder = tempfile::tempdir().unwrap();
        let files = OperatorFiles { folder };
        std::fs::write(files.authority(), self.certificate.pem()).unwrap();
        std::fs::write(files.certificate(), certificate.pem()).unwrap();
        std::fs::write(files.key(), key.serialize_pem()).unwrap();
        files
    }
}

/// A folder with the three files of an operator.
pub(crate) struct OperatorFiles {
    folder: TempDir,
}

impl OperatorFiles {
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.folder().join("authority.pem")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder().join("operator.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder().join("operator.key")
    }
}
