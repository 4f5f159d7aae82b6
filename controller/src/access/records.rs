//! What is kept of operators and their access keys.

use std::collections::BTreeSet;

use fleetwright_proto::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::keys::ring::Sealed;
use crate::records::json_record;

/// Whether something may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    Enabled,
    Disabled,
}

/// Somebody who may ask things of the controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorRecord {
    pub description: String,
    pub created: Timestamp,
    pub created_by: String,
    pub standing: Standing,
    /// Groups of operators. A group is there while somebody is in it.
    pub groups: BTreeSet<String>,
    /// What lets him in. A certificate of his name that is not among them lets nobody in.
    #[serde(default)]
    pub credentials: Vec<CredentialRecord>,
}
json_record!(OperatorRecord, 1);

/// A certificate or a token of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRecord {
    pub kind: CredentialKind,
    /// Of a certificate, the SHA-256 of its public key; of a token, of the token itself. Hex.
    pub digest: String,
    pub created: Timestamp,
    pub created_by: String,
    /// None: never.
    pub expires: Option<Timestamp>,
}

/// How somebody shows who he is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CredentialKind {
    Certificate,
    Token,
}

impl CredentialRecord {
    /// By what people name it: enough of the digest to tell it from others, too little to be of use.
    #[must_use]
    pub fn id(&self) -> &str {
        self.digest.get(..16).unwrap_or(&self.digest)
    }

    #[must_use]
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// A policy as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRecord {
    pub text: String,
    pub description: String,
    pub created: Timestamp,
    pub created_by: String,
    pub changed: Timestamp,
    pub changed_by: String,
}
json_record!(PolicyRecord, 1);

/// An access key for the SSM API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKeyRecord {
    pub operator: String,
    /// When that operator was made: a later one of the same name has nothing to do with this key.
    pub operator_created: Timestamp,
    pub description: String,
    pub created: Timestamp,
    pub created_by: String,
    pub standing: Standing,
    /// None: never.
    pub expires: Option<Timestamp>,
    /// Sealed with the key [`ACCESS`](crate::keys::names::ACCESS); the id of the access key is bound into the seal.
    pub sealed_secret: Sealed,
}
json_record!(AccessKeyRecord, 1);

impl AccessKeyRecord {
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// When an access key was last used; written seldom, so it lags behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKeyUseRecord {
    pub last_used: Timestamp,
}
json_record!(AccessKeyUseRecord, 1);
