//! An authority for one test: it signs the controller's certificate and those of nodes.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetwright_agent::identity::{ControllerAddress, HostKey, Identity};
use fleetwright_agent::tls::Fingerprint;
use fleetwright_proto::ids::NodeId;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, IsCa, KeyPair,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivatePkcs8KeyDer};

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// How long a node's certificate holds, from one hour ago.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life(pub(crate) Duration);

pub(crate) const ONE_DAY: Life = Life(Duration::from_secs(24 * 3600));
/// Three quarters of it are over.
pub(crate) const PAST_HALF: Life = Life(Duration::from_secs(4800));
pub(crate) const OVER: Life = Life(Duration::from_secs(60));

const STARTED_AGO: Duration = Duration::from_secs(3600);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.issuer.der())
    }

    /// What Enroll and Renew do with a request.
    pub(crate) fn sign(&self, request: &[u8], life: Life) -> Vec<u8> {
        let request = CertificateSigningRequestDer::from(request.to_vec());
        let mut request = CertificateSigningRequestParams::from_der(&request).unwrap();
        let from = SystemTime::now() - STARTED_AGO;
        request.params.not_before = from.into();
        request.params.not_after = (from + life.0).into();
        request.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    /// A node that enrolled with this authority some time ago.
    pub(crate) fn node(&self, controller: &ControllerAddress, life: Life) -> Identity {
        let key = HostKey::generate().unwrap();
        let certificate = self.sign(&key.certificate_request().unwrap(), life).into();
        Identity {
            node_id: NodeId::random(),
            controller: controller.clone(),
            key,
            certificate,
            authority: self.certificate(),
        }
    }

    /// For a controller at `name`, which asks for a client's certificate and does without.
    pub(crate) fn server(&self, name: &str) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .unwrap();
        let chain = vec![certificate.der().clone(), self.certificate()];
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }
}
