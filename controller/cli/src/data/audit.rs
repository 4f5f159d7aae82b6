//! The audit log, as printed.

use fleetwright_proto::control;
use serde::Serialize;

use super::Moment;

#[derive(Debug, Serialize)]
pub(crate) struct AuditLine {
    pub(crate) seq: u64,
    pub(crate) at: Option<Moment>,
    pub(crate) who: String,
    pub(crate) action: String,
    pub(crate) on: String,
    pub(crate) from: String,
    pub(crate) outcome: String,
    pub(crate) detail: String,
}

/// Whether a chain is what was written.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    pub(crate) intact: bool,
    pub(crate) lines: u64,
    pub(crate) last_hash: String,
    /// The first record that is broken.
    pub(crate) broken: Option<Broken>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Broken {
    pub(crate) seq: u64,
    pub(crate) why: String,
}

impl From<control::AuditLine> for AuditLine {
    fn from(wire: control::AuditLine) -> Self {
        Self {
            seq: wire.seq,
            at: Moment::of_wire(wire.at_ms),
            who: wire.who,
            action: wire.action,
            on: wire.on,
            from: wire.from,
            outcome: wire.outcome,
            detail: wire.detail,
        }
    }
}

impl From<control::VerifyAuditResponse> for Verified {
    fn from(wire: control::VerifyAuditResponse) -> Self {
        let broken = (!wire.intact).then_some(Broken { seq: wire.broken_seq, why: wire.broken_why });
        Self { intact: wire.intact, lines: wire.lines, last_hash: wire.last_hash, broken }
    }
}
