//! Operators, access keys and policies, as printed.

use fleetwright_proto::control;
use serde::Serialize;

use super::Moment;

#[derive(Debug, Serialize)]
pub(crate) struct AccessKey {
    pub(crate) access_key_id: String,
    pub(crate) operator: String,
    pub(crate) description: String,
    pub(crate) enabled: bool,
    pub(crate) expired: bool,
    pub(crate) created_at: Option<Moment>,
    pub(crate) created_by: String,
    /// None: never.
    pub(crate) expires_at: Option<Moment>,
    pub(crate) last_used_at: Option<Moment>,
}

/// What a program needs to sign requests; printed once.
#[derive(Serialize)]
pub(crate) struct NewAccessKey {
    #[serde(flatten)]
    pub(crate) key: AccessKey,
    pub(crate) secret_access_key: String,
}

impl AccessKey {
    pub(crate) fn state(&self) -> &'static str {
        match (self.enabled, self.expired) {
            (false, _) => "disabled",
            (true, true) => "expired",
            (true, false) => "enabled",
        }
    }
}

impl From<control::AccessKey> for AccessKey {
    fn from(wire: control::AccessKey) -> Self {
        Self {
            access_key_id: wire.access_key_id,
            operator: wire.operator,
            description: wire.description,
            enabled: wire.enabled,
            expired: wire.expired,
            created_at: Moment::of_wire(wire.created_ms),
            created_by: wire.created_by,
            expires_at: Moment::of_wire(wire.expires_ms),
            last_used_at: Moment::of_wire(wire.last_used_ms),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Credential {
    pub(crate) credential_id: String,
    pub(crate) kind: &'static str,
    pub(crate) created_at: Option<Moment>,
    pub(crate) created_by: String,
    /// None: never.
    pub(crate) expires_at: Option<Moment>,
    pub(crate) expired: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Operator {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) enabled: bool,
    pub(crate) groups: Vec<String>,
    pub(crate) created_at: Option<Moment>,
    pub(crate) created_by: String,
    pub(crate) credentials: Vec<Credential>,
}

#[derive(Debug, Serialize)]
pub(crate) struct OperatorGroup {
    pub(crate) group: String,
    pub(crate) operators: Vec<String>,
}

/// A certificate with its key, or a token: what was made, and where it is. Printed once.
#[derive(Serialize)]
pub(crate) struct NewCredential {
    #[serde(flatten)]
    pub(crate) credential: Option<Credential>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// Paths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authority: Option<String>,
    #[serde(skip)]
    pub(crate) certificate_pem: Option<String>,
    #[serde(skip)]
    pub(crate) key_pem: Option<String>,
    #[serde(skip)]
    pub(crate) authority_pem: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    pub(crate) created_at: Option<Moment>,
    pub(crate) created_by: String,
    pub(crate) changed_at: Option<Moment>,
    pub(crate) changed_by: String,
}

/// What `access check` was answered.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) allowed: bool,
    pub(crate) policies: Vec<String>,
    pub(crate) explanation: String,
}

impl Operator {
    pub(crate) fn state(&self) -> &'static str {
        if self.enabled { "enabled" } else { "disabled" }
    }
}

impl From<control::Credential> for Credential {
    fn from(wire: control::Credential) -> Self {
        Self {
            kind: match wire.kind() {
                control::CredentialKind::Certificate => "certificate",
                control::CredentialKind::Token => "token",
                control::CredentialKind::Unspecified => "unknown",
            },
            credential_id: wire.credential_id,
            created_at: Moment::of_wire(wire.created_ms),
            created_by: wire.created_by,
            expires_at: Moment::of_wire(wire.expires_ms),
            expired: wire.expired,
        }
    }
}

impl From<control::Operator> for Operator {
    fn from(wire: control::Operator) -> Self {
        Self {
            name: wire.name,
            description: wire.description,
            enabled: wire.enabled,
            groups: wire.groups,
            created_at: Moment::of_wire(wire.created_ms),
            created_by: wire.created_by,
            credentials: wire.credentials.into_iter().map(Credential::from).collect(),
        }
    }
}

impl From<control::IssuedCredential> for NewCredential {
    fn from(wire: control::IssuedCredential) -> Self {
        let given = |text: String| (!text.is_empty()).then_some(text);
        Self {
            credential: wire.credential.map(Credential::from),
            token: given(wire.token),
            certificate: None,
            key: None,
            authority: None,
            certificate_pem: given(wire.certificate_pem),
            key_pem: given(wire.key_pem),
            authority_pem: given(wire.authority_pem),
        }
    }
}

impl From<control::AccessPolicy> for Policy {
    fn from(wire: control::AccessPolicy) -> Self {
        Self {
            name: wire.name,
            description: wire.description,
            text: (!wire.text.is_empty()).then_some(wire.text),
            created_at: Moment::of_wire(wire.created_ms),
            created_by: wire.created_by,
            changed_at: Moment::of_wire(wire.changed_ms),
            changed_by: wire.changed_by,
        }
    }
}

impl From<control::CheckAccessResponse> for Answer {
    fn from(wire: control::CheckAccessResponse) -> Self {
        Self { allowed: wire.allowed, policies: wire.policies, explanation: wire.explanation }
    }
}
