//! What every operation needs: the store, the blobs, the clock, the authority and the open lines.
//!
//! There is one house in a process and it holds no rule. Its caches may be dropped at any moment; the truth is in the
//! store.

use std::path::PathBuf;
use std::sync::Arc;

use fleetwright_proto::clock::{SharedClock, Timestamp};
use fleetwright_store::{Blobs, SharedStore};

use crate::access::Access;
use crate::associations::wanted::Wanted;
use crate::audit::Audit;
use crate::authority::Authority;
use crate::bounds::{BLOB_WRITES, INVENTORY_PIECES, Pool};
use crate::commands::lives::Lives;
use crate::commands::payload::Payloads;
use crate::doors::listener::guests::Guests;
use crate::doors::ssm::gate::Gate;
use crate::health::Pulse;
use crate::inventory::catalogue::Catalogue;
use crate::keys::ring::KeyRing;
use crate::mailbox::Sequence;
use crate::meters::Meters;
use crate::metrics::Walks;
use crate::mirror::Mirror;
use crate::nodes::presence::Lines;
use crate::parameters::held::Held;
use crate::parameters::names::ParameterKey;
use crate::parameters::records::ParameterRecord;
use crate::settings::{Limits, Settings, SsmNames};
use crate::tables::PARAMETER;

/// See the head of this module.
#[derive(Debug)]
pub struct House {
    pub store: SharedStore,
    pub blobs: Blobs,
    pub clock: SharedClock,
    pub authority: Authority,
    pub access: Access,
    pub audit: Audit,
    pub lines: Arc<Lines>,
    pub sequence: Sequence,
    pub payloads: Payloads,
    pub lives: Lives,
    /// The latest version of every parameter.
    pub(crate) parameters: Mirror<ParameterKey, ParameterRecord>,
    /// Which of them nodes hold.
    pub held: Arc<Held>,
    pub keys: KeyRing,
    /// Where everything is kept; a backup takes the files in it along.
    pub data_dir: PathBuf,
    pub associations: Wanted,
    pub limits: Limits,
    pub ssm: SsmNames,
    pub gate: Arc<Gate>,
    pub meters: Meters,
    pub guests: Arc<Guests>,
    pub blob_writes: Pool,
    pub pulse: Pulse,
    pub walks: Walks,
    pub catalogue: Catalogue,
    /// Nodes whose inventory is being put together from its pieces.
    pub inventory_pieces: Pool,
    pub started: Timestamp,
}

impl House {
    #[must_use]
    pub fn new(
        store: SharedStore,
        blobs: Blobs,
        clock: SharedClock,
        authority: Authority,
        keys: KeyRing,
        settings: &Settings,
    ) -> Self {
        let started = clock.now();
        let limits = settings.limits();
        Self {
            store,
            blobs,
            clock,
            authority,
            access: Access::default(),
            audit: Audit::default(),
            lines: Arc::default(),
            sequence: Sequence::starting_at(started),
            payloads: Payloads::default(),
            lives: Lives::default(),
            parameters: Mirror::of(&PARAMETER, limits.parameters.cache_bytes, ParameterRecord::weight),
            held: Arc::default(),
            keys,
            data_dir: PathBuf::new(),
            associations: Wanted::default(),
            limits,
            ssm: settings.ssm_names(),
            gate: Arc::new(Gate::since(started)),
            meters: Meters::default(),
            guests: Arc::default(),
            blob_writes: Pool::of(BLOB_WRITES),
            pulse: Pulse::default(),
            walks: Walks::default(),
            catalogue: Catalogue::default(),
            inventory_pieces: Pool::of(INVENTORY_PIECES),
            started,
        }
    }
}
