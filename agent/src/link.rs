//! The one stream to the controller, made again for ever.
//!
//! ```text
//!            ┌────────────── wait (jittered, growing) ◄────────────────┐
//!            ▼                                                         │ cut, silent, goodbye, refused
//!        connect ─► TLS ─► Hello ─► Welcome ─► deliveries, output, reports, heartbeats ─┘
//! ```
//!
//! What is reported is read out of the ledger and the spool, so a new connection needs nothing of the one before. No
//! failure of the network ends the agent, and none blocks what it was told to do.

mod backoff;
pub(crate) mod channel;
mod connector;
mod held;
pub(crate) mod library;
mod outbox;
mod problem;
mod session;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use fleetwright_platform::SharedPlatform;
use fleetwright_proto::clock::{SharedClock, Timestamp};

use crate::executor::Executor;
use crate::identity::{Identity, IdentityFiles};
use crate::inventory::Keeper;
use crate::journal::Ledger;
use crate::parameters::Parameters;
use crate::spool::Spool;
use crate::status::StatusBoard;
use crate::tls;
pub(crate) use backoff::chance;
use backoff::{Backoff, Ending};
pub use connector::{ConnectError, Connecting, Connector, TcpConnector, Transport};
pub use problem::LinkProblem;

/// What the link works with.
pub(crate) struct Link {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) identity: Arc<Mutex<Identity>>,
    /// None for an agent whose identity lives as long as its process.
    pub(crate) identity_files: Option<IdentityFiles>,
    pub(crate) executor: Executor,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) spool: Spool,
    pub(crate) inventory: Arc<Keeper>,
    pub(crate) parameters: Arc<Parameters>,
    pub(crate) platform: SharedPlatform,
    pub(crate) clock: SharedClock,
    pub(crate) boot_id: String,
    pub(crate) board: StatusBoard,
}

impl Link {
    /// Never returns; whoever spawned it drops it.
    pub(crate) async fn run(&self) {
        let mut backoff = Backoff::default();
        loop {
            let (problem, connected) = self.connect_once().await;
            self.parameters.disconnected();
            let now = self.clock.now();
            let ending = ending(&problem, connected.unwrap_or(now).until(now));
            let wait = backoff.after(ending, chance());
            self.tell(&problem, connected.is_some(), wait);
            self.board.disconnected(problem.explain(), now);
            self.clock.sleep(wait).await;
        }
    }

    /// One connection from beginning to end. The moment is that of the welcome, if there was one.
    async fn connect_once(&self) -> (LinkProblem, Option<Timestamp>) {
        let identity = self.identity();
        let client = match self.open(&identity).await {
            Ok(client) => client,
            Err(problem) => return (self.with_expiry(problem, &identity), None),
        };
        let (problem, connected) = session::run(self, client, &identity).await;
        (self.with_expiry(problem, &identity), connected)
    }

    async fn open(&self, identity: &Identity) -> Result<channel::Client, LinkProblem> {
        let tls = tls::as_node(identity)?;
        channel::connect(&*self.connector, &identity.controller, tls).await
    }

    /// A refusal of an expired certificate is told as what it is, whatever words the refusal came in.
    fn with_expiry(&self, problem: LinkProblem, identity: &Identity) -> LinkProblem {
        match identity.validity() {
            Ok(validity) if problem.is_refusal() && validity.not_after < self.clock.now() => {
                LinkProblem::Expired { on: validity.not_after }
            }
            _ => problem,
        }
    }

    fn tell(&self, problem: &LinkProblem, was_connected: bool, wait: std::time::Duration) {
        let (text, seconds) = (problem.explain(), wait.as_secs_f64());
        if was_connected {
            tracing::warn!("disconnected: {text}; next try in {seconds:.1} s");
        } else {
            tracing::warn!("not connected: {text}; next try in {seconds:.1} s");
        }
    }

    fn identity(&self) -> Identity {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace_identity(&self, identity: Identity) {
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
    }
}

fn ending(problem: &LinkProblem, held: std::time::Duration) -> Ending {
    match problem {
        LinkProblem::Restarting => Ending::Restart { held },
        LinkProblem::Deregistered { .. } => Ending::Deregistered,
        _ => Ending::Lost { held },
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("connector", &self.connector).finish_non_exhaustive()
    }
}
