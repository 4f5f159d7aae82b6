//! `aws:softwareInventory` and `aws:refreshAssociation` (reference, sections 2.9 and 2.14), as far as this agent has what
//! they ask for.

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

/// What a host tells of itself goes to the controller with every connection; nothing else is collected.
pub(super) fn collect(inputs: &SoftwareInventory) -> How {
    if inputs.gatherers.is_empty() && inputs.files.is_empty() && inputs.registry.is_empty() {
        return How::Done;
    }
    let asked: Vec<String> = inputs.gatherers.iter().map(|gatherer| format!("{gatherer:?}")).collect();
    let files = (!inputs.files.is_empty()).then(|| "files".to_owned());
    let registry = (!inputs.registry.is_empty()).then(|| "registry".to_owned());
    let asked: Vec<String> = asked.into_iter().chain(files).chain(registry).collect();
    How::Unsupported(format!(
        "this agent collects AWS:InstanceInformation only, which the controller has already; it cannot collect {}",
        asked.join(", ")
    ))
}
