//! Who may make a window do something: whoever stands for a task has to be allowed what it does, when he registers it
//! and again when it is done. The policies are asked where commands are sent.

use super::check::wrong;
use super::fault::WindowError;
use super::ids::TargetId;
use super::records::{Reason, TargetRecord, TaskRecord, TaskTargets, Work};
use crate::access::Principal;
use crate::access::policy::{Action, Resource, authorize};
use crate::commands::send;
use crate::documents::find;
use crate::documents::names::Reference;
use crate::error::{Kind, Refusal};
use crate::house::House;
use crate::nodes::operations::matching;
use crate::nodes::targets::Selector;

/// Refuses somebody who may not do what the task does, with its document and on the nodes that its targets are now.
pub(super) async fn check(
    house: &House,
    principal: &Principal,
    task: &TaskRecord,
    registered: &[(TargetId, TargetRecord)],
) -> Result<(), WindowError> {
    if principal.is_admin() {
        return Ok(());
    }
    let reference = Reference::parse(&task.document, "").map_err(|error| wrong(error.message))?;
    let name = reference.name.to_string();
    if let Work::Automation { .. } = task.work {
        let tags = find::tags_of(house, &name).await?;
        let document = Resource::Document { name: &name, tags: &tags };
        let decided = authorize(house, principal, Action::StartAutomationExecution, &document);
        return Ok(decided.map_err(Refusal::from)?);
    }
    let mut nodes = Vec::new();
    for selectors in selectors_of(task, registered) {
        match matching(house, &selectors).await {
            Ok(found) => nodes.extend(found),
            // Targets that name what is not there are nobody, now.
            Err(error) if matches!(error.kind, Kind::NotFound | Kind::Invalid | Kind::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(send::allow(house, principal, &name, &nodes).await?)
}

fn selectors_of(task: &TaskRecord, registered: &[(TargetId, TargetRecord)]) -> Vec<Vec<Selector>> {
    match &task.targets {
        TaskTargets::Window(ids) => {
            let used = registered.iter().filter(|(id, _)| ids.contains(id));
            used.map(|(_, target)| target.targets.clone()).collect()
        }
        TaskTargets::Nodes(names) => vec![vec![Selector::Nodes(names.clone())]],
        TaskTargets::None => Vec::new(),
    }
}

/// With whose rights a task is done; None: with the controller's own. An operator who is gone or disabled has none.
pub(super) fn acting(house: &House, task: &TaskRecord) -> Result<Option<Principal>, Reason> {
    let Some(registrar) = &task.registrar else { return Ok(None) };
    house.access.acting(&registrar.name, registrar.at).map(Some).map_err(|refusal| Reason::NotAllowed {
        registrar: registrar.name.clone(),
        problem: refusal.to_string(),
    })
}
