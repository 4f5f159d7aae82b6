//! `aws:softwareInventory` and `aws:refreshAssociation` (reference, sections 2.9, 2.14 and 5.1).

use fleetwright_documents::inputs::{RefreshAssociation, SoftwareInventory};

use super::{How, Task};

/// This agent has no associations, so all of them are up to date; one that is named cannot be.
pub(super) async fn refresh_associations(inputs: &RefreshAssociation, task: &Task<'_>) -> How {
    if let Some(first) = inputs.association_ids.first() {
        return How::Failed(format!("this node has no association `{first}`: it has none at all"));
    }
    task.say("this node has no associations; nothing to refresh").await;
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
