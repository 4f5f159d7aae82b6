//! `aws:softwareInventory` and `aws:refreshAssociation` (reference, sections 2.9 and 2.14), as far as this agent has what
//! they ask for.

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
