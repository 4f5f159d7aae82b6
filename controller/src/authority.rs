//! The fleet's own certificate authority: who is a node, who is an operator, who is the controller.
//!
//! One self-signed ECDSA P-256 authority is made at the first start and kept in `<data>/authority/` with tight
//! permissions. It signs the controller's own certificate, short-lived certificates of nodes and certificates of
//! operators. A certificate says its role and name in a URI of its subject alternative names:
//! `fleetwright:node:mi-…` or `fleetwright:operator:NAME`. Whether a node still belongs to the fleet is not decided
//! here but by its record.

mod files;
mod issue;
mod judge;

use std::time::Duration;

pub(crate) use files::new_private_folder;
pub use files::{
    AuthorityError, OperatorFiles, keep_operator, key_fingerprint_of_pem, open, operator_files,
    operator_key_fingerprint,
};
pub use issue::{Authority, IssueError, Issued};
pub use judge::{CertificateRefusal, ClientVerifier, Identity, judge};

/// How long a node's certificate is good for. Agents renew at half of it (section 6 of the design: short-lived).
pub const NODE_CERTIFICATE_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long an operator's certificate is good for.
pub const OPERATOR_CERTIFICATE_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long the controller's own certificate is good for; it is made anew at every start and when half is over.
pub const SERVER_CERTIFICATE_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// A certificate in PEM.
#[must_use]
pub fn pem(certificate_der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate_der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

const URI_SCHEME: &str = "fleetwright:";

/// `sha256:` and the hex digest of a certificate's DER: what an agent is told to expect on its first call.
#[must_use]
pub fn fingerprint(certificate_der: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    format!("sha256:{}", hex::encode(Sha256::digest(certificate_der)))
}
