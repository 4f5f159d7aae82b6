//! `aws:softwareInventory` and `aws:refreshAssociation` (reference, sections 2.9, 2.14 and 5.1).

use fleetwright_documents::inputs::{RefreshAssociation, SoftwareInventory};

use super::{How, Refreshed, Task};

/// Those that are being applied are left alone.
pub(super) async fn refresh_associations(inputs: &RefreshAssociation, task: &Task<'_>) -> How {
    match task.tools.associations.refresh(inputs.association_ids.clone()).await {
        Err(problem) => return How::Failed(problem),
        Ok(Refreshed { count: 0 }) => task.say("this node has no associations; nothing to refresh").await,
        Ok(Refreshed { count: 1 }) => task.say("one association is applied now").await,
        Ok(Refreshed { count }) => task.say(&format!("{count} associations are applied now")).await,
    }
    How::Done
}

/// Collects what the document enables. What a host of this kind does not have is said and no failure; what could not be
/// collected is one, and the rest is told to the controller all the same.
pub(super) async fn collect(inputs: &SoftwareInventory, task: &Task<'_>) -> How {
    let told = tokio::select! {
        told = task.tools.inventory.collect_for_step(inputs) => told,
        () = task.cancel.cancelled() => return How::Cancelled,
    };
    for line in told.collected.iter().chain(&told.unsupported).chain(&told.unconfirmed) {
        task.say(line).await;
    }
    match told.problems.as_slice() {
        [] => How::Done,
        problems => How::Failed(problems.join("; ")),
    }
}
