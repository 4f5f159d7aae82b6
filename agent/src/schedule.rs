//! Associations: documents that this host keeps applied, whether a controller is there or not.
//!
//! ```text
//! link ── set ──► journal ──► plan ── due ──► executor's queue ──► journal ──► report, until the controller has it
//!                              ▲                                      │
//!                              └──────────── changed, ended ◄─────────┘
//! ```
//!
//! What to begin is decided by [`plan`], purely, from the journal's state: after a restart the answer is the one that
//! would have been given without it. A moment that was missed, because the host was off or the last run took so long,
//! is made up for once.

mod plan;
mod set;
mod spread;

use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::{SharedClock, Timestamp};

use crate::executor::Executor;
use crate::explain::explain;
use crate::journal::Ledger;
use plan::{Pace, Plan};
pub(crate) use set::{Gathering, keep};

/// After the journal or the queue took nothing.
const RETRY: Duration = Duration::from_secs(15);

/// Begins what is due, for ever.
pub(crate) struct Scheduler {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) executor: Executor,
    pub(crate) clock: SharedClock,
    /// The node's id: hosts are spread by it.
    pub(crate) node: String,
}

impl Scheduler {
    /// Never returns; whoever spawned it drops it.
    pub(crate) async fn run(&self) {
        let mut pace = Pace::default();
        loop {
            let now = self.clock.now();
            let plan = self.ledger.read(|state| {
                let places = self.executor.association_places();
                Plan::make(
                    state.associations(),
                    |command| state.command(command),
                    &self.node,
                    now,
                    places,
                    pace,
                )
            });
            for command in plan.end {
                self.executor.end_run(command).await;
            }
            let mut wake = plan.wake;
            if let Some((association, run)) = plan.begin {
                let is_scheduled = plan::is_paced(run.cause);
                match self.executor.begin(&association, run).await {
                    Ok(()) => {
                        if is_scheduled {
                            pace = Pace::after(now);
                        }
                        continue;
                    }
                    Err(error) => {
                        let text = explain(&error);
                        tracing::warn!("association {} cannot be applied now: {text}", association.id);
                        wake = Some(now.plus(RETRY));
                    }
                }
            }
            self.wait(wake).await;
        }
    }

    async fn wait(&self, wake: Option<Timestamp>) {
        let alarm = async {
            match wake {
                Some(moment) => self.clock.sleep_until(moment).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.executor.associations_changed() => {}
            () = alarm => {}
        }
    }
}
