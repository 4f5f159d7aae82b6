//! Who this host is: the key that it made, the certificate that the controller's authority signed for it, and where
//! that controller is.
//!
//! ```text
//! <state>/identity/key.pem         made once, never leaves the host, never rewritten
//! <state>/identity/identity.json   node, controller, certificate, authority; replaced whole
//! ```
//!
//! Everything but the key is in one file, so a renewal is one rename: there is no moment with a new certificate and
//! an old authority. A host changes its address, its name and its hardware and stays the same node; the key is the
//! identity. Knows nothing of streams; the link asks when to renew and hands in what came back.

mod address;
mod certificate;
mod files;

use std::fmt;
use std::sync::Arc;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use ring::aead::{AES_256_GCM, UnboundKey};
use ring::hkdf;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

pub use address::{AddressError, ControllerAddress};
pub use certificate::{CertificateError, Validity};
pub use files::{IdentityFiles, IdentityFilesError};

/// The key of a host: ECDSA P-256.
#[derive(Clone)]
pub struct HostKey {
    pair: Arc<KeyPair>,
}

/// What went wrong with a key or a signing request.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub struct KeyError {
    doing: &'static str,
    source: rcgen::Error,
}

impl HostKey {
    /// A new key from the system's random source.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map_err(|source| KeyError { doing: "make a key", source })?;
        Ok(Self { pair: Arc::new(pair) })
    }

    /// # Errors
    /// When `pem` holds no private key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let pair = KeyPair::from_pem_and_sign_algo(pem, &PKCS_ECDSA_P256_SHA256)
            .map_err(|source| KeyError { doing: "read the host's key", source })?;
        Ok(Self { pair: Arc::new(pair) })
    }

    fn to_pem(&self) -> String {
        self.pair.serialize_pem()
    }

    /// PKCS#10, DER. The controller names the node; what the request says of its subject is not relied upon.
    ///
    /// # Errors
    /// When signing fails.
    pub fn certificate_request(&self) -> Result<Vec<u8>, KeyError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "fleetwright node");
        let request = params
            .serialize_request(&*self.pair)
            .map_err(|source| KeyError { doing: "sign a certificate request", source })?;
        Ok(request.der().to_vec())
    }

    /// For the TLS library.
    #[must_use]
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.pair.serialize_der()).into()
    }

    /// A key that only who has this one can make: for what is to be readable on this host and nowhere else.
    #[must_use]
    pub(crate) fn sealing_key(&self, purpose: &str) -> UnboundKey {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"fleetwright agent");
        let secret = salt.extract(&self.pair.serialize_der());
        let parts = [purpose.as_bytes()];
        let made = secret.expand(&parts, &AES_256_GCM).expect("a key of 32 bytes is not too long");
        made.into()
    }

    fn public_key_raw(&self) -> &[u8] {
        self.pair.public_key_raw()
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostKey")
    }
}

/// A node as its controller knows it.
#[derive(Debug, Clone)]
pub struct Identity {
    pub node_id: NodeId,
    pub controller: ControllerAddress,
    pub key: HostKey,
    pub certificate: CertificateDer<'static>,
    /// What the controller's own certificate must be signed by.
    pub authority: CertificateDer<'static>,
}

impl Identity {
    /// # Errors
    /// When the certificate cannot be read.
    pub fn validity(&self) -> Result<Validity, CertificateError> {
        certificate::validity(&self.certificate)
    }

    /// Whether half of the certificate's life is over at `now`. A certificate that cannot be read is due as well.
    #[must_use]
    pub fn is_renewal_due(&self, now: Timestamp) -> bool {
        self.validity().map_or(true, |validity| now >= validity.half_life())
    }

    /// This identity with the certificate that a renewal brought.
    ///
    /// # Errors
    /// When the certificate is for another key than this host's or cannot be read.
    pub fn renewed(&self, certificate: Vec<u8>, authority: Vec<u8>) -> Result<Self, CertificateError> {
        let certificate = CertificateDer::from(certificate);
        certificate::check_key(&certificate, self.key.public_key_raw())?;
        let authority =
            if authority.is_empty() { self.authority.clone() } else { CertificateDer::from(authority) };
        certificate::validity(&authority)?;
        Ok(Self { certificate, authority, ..self.clone() })
    }
}

#[cfg(test)]
mod tests;
