//! An activation, as printed.

use std::collections::BTreeMap;

use fleetwright_proto::control;
use serde::Serialize;

use super::Moment;

#[derive(Debug, Serialize)]
pub(crate) struct Activation {
    pub(crate) activation_id: String,
    pub(crate) description: String,
    pub(crate) created_at: Option<Moment>,
    /// None: never.
    pub(crate) expires_at: Option<Moment>,
    pub(crate) expired: bool,
    pub(crate) registration_limit: u32,
    pub(crate) registrations: u32,
    pub(crate) default_name: String,
    pub(crate) tags: BTreeMap<String, String>,
}

/// What a host needs to join; printed once.
#[derive(Debug, Serialize)]
pub(crate) struct NewActivation {
    #[serde(flatten)]
    pub(crate) activation: Activation,
    pub(crate) activation_code: String,
    pub(crate) authority_fingerprint: String,
    pub(crate) enroll_command: String,
}

impl From<control::Activation> for Activation {
    fn from(wire: control::Activation) -> Self {
        Self {
            activation_id: wire.activation_id,
            description: wire.description,
            created_at: Moment::of_wire(wire.created_ms),
            expires_at: Moment::of_wire(wire.expires_ms),
            expired: wire.expired,
            registration_limit: wire.registration_limit,
            registrations: wire.registrations,
            default_name: wire.default_name,
            tags: wire.tags.into_iter().collect(),
        }
    }
}
