//! Associations on their way through the executor: begun as commands are, by this host itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::ids::{AssociationId, CommandId};

use super::{Executor, Shared};
use crate::explain::explain;
use crate::journal::{Association, Durability, JournalError, Record, Run, Work};
use crate::steps::{Associations, Refreshed};

/// A run waits for a free worker as long as it takes: it is the latest wish of its association, and there is one.
const START_WITHIN: Duration = Duration::from_secs(365 * 24 * 3600);

/// Why an association does not begin now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    #[error("{0}")]
    NoRoom(String),
    #[error("the text of its document is not here")]
    NoDocument,
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Executor {
    /// Puts a run into the queue. It is in the journal, and on the disk, when this returns.
    pub(crate) async fn begin(&self, association: &Association, run: Run) -> Result<(), BeginError> {
        let place = &self.shared.place;
        let content =
            place.ledger.read(|state| state.associations().document(&association.document_sha256).cloned());
        let content = content.ok_or(BeginError::NoDocument)?;
        let size = content.len() as u64 + association.size_bytes();
        self.check_room(size).map_err(BeginError::NoRoom)?;
        let document = (association.document_name.clone(), association.document_version.clone());
        let times = (run.started, run.started.plus(START_WITHIN));
        let (cause, name) = (run.cause, association.document_name.clone());
        let work = Work::delivered(document, content.to_string(), association.parameters.clone(), times);
        let command = CommandId::random();
        let accepted =
            Record::Accepted { command: command.clone(), work: Arc::new(work.of_association(run)) };
        place.ledger.record(vec![accepted], Durability::Synced).await?;
        tracing::info!("association {} is applied as command {command} ({cause:?}): {name}", association.id);
        self.enqueue(command);
        Ok(())
    }

    /// Ends a run that has taken as long as it may.
    pub(crate) async fn end_run(&self, command: CommandId) {
        let cancelled = self.shared.place.ledger.read(|state| {
            let known = state.command(&command);
            known.is_none_or(|command| command.cancel_requested || command.finished.is_some())
        });
        if !cancelled {
            tracing::info!("command {command} has taken as long as its association allows, and is stopped");
            self.cancel_open(command).await;
        }
    }

    /// Completes when associations changed, or one is applied no more. For one listener.
    pub(crate) async fn associations_changed(&self) {
        self.shared.associations.notified().await;
    }

    pub(crate) fn wake_associations(&self) {
        self.shared.associations.notify_one();
    }

    /// Runs that are neither over nor acknowledged, at most.
    pub(crate) fn association_places(&self) -> usize {
        // One worker at least is left to commands, where there are several.
        self.shared.place.limits.workers.saturating_sub(1).clamp(1, ASSOCIATIONS_AT_ONCE)
    }
}

/// Associations that are applied at the same time.
const ASSOCIATIONS_AT_ONCE: usize = 2;

/// What `aws:refreshAssociation` has of the executor.
#[derive(Debug)]
pub(super) struct Refresher {
    pub(super) shared: Arc<Shared>,
}

impl Associations for Refresher {
    fn refresh(&self, ids: Vec<String>) -> Pin<Box<dyn Future<Output = Result<Refreshed, String>> + Send>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let wanted = shared.place.ledger.read(|state| {
                let here = state.associations();
                if ids.is_empty() {
                    return Ok(here.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>());
                }
                let known = |text: &String| {
                    let id = text.parse::<AssociationId>().ok().filter(|id| here.get(id).is_some());
                    id.ok_or_else(|| format!("this node has no association `{text}`"))
                };
                ids.iter().map(known).collect::<Result<Vec<_>, String>>()
            })?;
            let wanted = shared.place.ledger.read(|state| {
                // What is being applied now is left alone, whoever else wants it: it may be the one that asks.
                let rests = |id: &AssociationId| {
                    state.associations().get(id).is_some_and(|kept| kept.running.is_none())
                };
                wanted.into_iter().filter(rests).collect::<Vec<_>>()
            });
            let count = wanted.len();
            if count > 0 {
                let record = Record::AssociationRefresh { associations: wanted, at: shared.now() };
                let recorded = shared.place.ledger.record(vec![record], Durability::Synced).await;
                recorded.map_err(|error| explain(&error))?;
                shared.associations.notify_one();
            }
            Ok(Refreshed { count })
        })
    }
}
