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
