//! Joining a fleet: a key made here, a certificate signed there.
//!
//! ```text
//! key on disk ──► TLS, the authority checked ──► Enroll(activation, PKCS#10, facts) ──► identity on disk
//! ```
//!
//! The key is durable before the call, so an enrolment whose answer was lost is repeated with the same key and names
//! the same node. The activation's code is handed over and neither printed nor logged.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fleetwright_platform::SharedPlatform;
use fleetwright_proto::agent::{EnrollRequest, EnrollResponse};
use fleetwright_proto::ids::{ActivationId, IdError, NodeId};
use rustls_pki_types::CertificateDer;

use crate::identity::{
    CertificateError, ControllerAddress, HostKey, Identity, IdentityFiles, IdentityFilesError, KeyError,
};
use crate::inventory;
use crate::link::{Connector, LinkProblem, channel};
use crate::state_folder::{StateFolder, StateFolderError};
use crate::tls::{self, Fingerprint, TlsError, Trust};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What an enrolment needs to know.
#[derive(Debug)]
pub struct Enrolment {
    pub controller: ControllerAddress,
    pub activation: ActivationId,
    pub code: ActivationCode,
    pub trust: Trust,
    pub existing: Existing,
}

/// What happens to an identity that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Keep,
    /// The host becomes a new node, with a new key.
    Replace,
}

/// An activation's secret. Has no text form.
pub struct ActivationCode(String);

impl ActivationCode {
    /// Surrounding white space, such as a file's last line feed, does not belong to it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }
}

impl fmt::Debug for ActivationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ActivationCode")
    }
}

/// Why a host did not join.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    #[error("this host is enrolled already, as {node} of {controller}; --force makes it a new node")]
    AlreadyEnrolled { node: NodeId, controller: ControllerAddress },
    #[error(transparent)]
    Folder(#[from] StateFolderError),
    #[error(transparent)]
    Identity(#[from] IdentityFilesError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{}", .0.explain_before_enrolment())]
    Link(LinkProblem),
    #[error("the controller did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    NoAnswer,
    #[error("the controller's answer cannot be used: its node id is wrong")]
    NodeId(#[from] IdError),
    #[error("the controller's answer cannot be used")]
    Certificate(#[from] CertificateError),
    #[error("the controller's answer names another authority ({found}) than the one that was given")]
    OtherAuthority { found: Fingerprint },
}

impl EnrollError {
    /// Whether the controller could not be reached, as opposed to somebody saying no.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::NoAnswer => true,
            Self::Link(problem) => !problem.is_refusal(),
            _ => false,
        }
    }
}

/// Enrols this host and keeps its identity in the state folder. Safe to repeat until it succeeds.
///
/// # Errors
/// When the host is enrolled, the controller cannot be reached or refuses, or the identity cannot be kept.
pub async fn enroll(
    enrolment: Enrolment,
    folder: &StateFolder,
    platform: &SharedPlatform,
    connector: &dyn Connector,
) -> Result<Identity, EnrollError> {
    let _lock = folder.lock(platform)?;
    let files = IdentityFiles::in_state_folder(folder.root(), Arc::clone(platform));
    let key = key_for(&files, enrolment.existing)?;
    let request = EnrollRequest {
        activation_id: enrolment.activation.to_string(),
        activation_code: enrolment.code.0,
        certificate_request: key.certificate_request()?.into(),
        host: Some(inventory::facts(&**platform)),
    };
    let answer = ask(&enrolment.controller, &enrolment.trust, request, connector).await?;
    let identity = identity(&answer, enrolment.controller, key)?;
    check_authority(&identity, &enrolment.trust)?;
    files.store(&identity)?;
    Ok(identity)
}

/// An identity that is kept is refused before anything is asked; a key without one is an enrolment to be repeated.
fn key_for(files: &IdentityFiles, existing: Existing) -> Result<HostKey, EnrollError> {
    match (files.load(), existing) {
        (Ok(None), _) => Ok(files.ensure_key()?),
        (Ok(Some(found)), Existing::Keep) => {
            Err(EnrollError::AlreadyEnrolled { node: found.node_id, controller: found.controller })
        }
        (Err(error), Existing::Keep) => Err(error.into()),
        (Ok(Some(_)) | Err(_), Existing::Replace) => Ok(files.replace_key()?),
    }
}

async fn ask(
    controller: &ControllerAddress,
    trust: &Trust,
    request: EnrollRequest,
    connector: &dyn Connector,
) -> Result<EnrollResponse, EnrollError> {
    let tls = tls::before_enrolment(trust)?;
    let mut client = channel::connect(connector, controller, tls).await.map_err(EnrollError::Link)?;
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, client.enroll(request));
    let answer = answer.await.map_err(|_| EnrollError::NoAnswer)?;
    Ok(answer.map_err(|status| EnrollError::Link(LinkProblem::of_status(status)))?.into_inner())
}

fn identity(
    answer: &EnrollResponse,
    controller: ControllerAddress,
    key: HostKey,
) -> Result<Identity, EnrollError> {
    let unsigned = Identity {
        node_id: answer.node_id.parse()?,
        controller,
        key,
        certificate: CertificateDer::from(Vec::new()),
        authority: CertificateDer::from(answer.authority.to_vec()),
    };
    Ok(unsigned.renewed(answer.certificate.to_vec(), answer.authority.to_vec())?)
}

/// The authority that was checked in the handshake is the one that is believed from now on.
fn check_authority(identity: &Identity, trust: &Trust) -> Result<(), EnrollError> {
    let found = Fingerprint::of(&identity.authority);
    let wanted = match trust {
        Trust::Authority(authority) => Fingerprint::of(authority),
        Trust::Pinned(fingerprint) => *fingerprint,
    };
    if found == wanted { Ok(()) } else { Err(EnrollError::OtherAuthority { found }) }
}
