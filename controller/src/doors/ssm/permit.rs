//! Whether the caller may do what he asks, with what his request names: the one place of this door that asks the
//! policies, before any operation runs. What it cannot tell, it leaves to administrators.

use serde_json::Value;

use super::fault::Fault;
use super::operation::Operation;
use crate::access::Principal;
use crate::access::policy::{Action, Kind, Resource, authorize};
use crate::audit::{Event, Outcome};
use crate::commands;
use crate::documents::find;
use crate::documents::names::Reference;
use crate::doors::access::parameter_name;
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::operations::resolve;

/// Refuses what no policy allows. What a command is sent to is asked about where its targets are resolved.
pub(super) async fn check(
    house: &House,
    principal: &Principal,
    operation: &str,
    input: &Value,
) -> Result<(), Fault> {
    if principal.is_admin() {
        return Ok(());
    }
    let action: Action = operation.parse().map_err(|_| {
        Refusal::denied(format!("operator {} may not {operation}: no policy can allow it", principal.name))
    })?;
    if action == Action::SendCommand {
        return Ok(());
    }
    if runs_later(action) {
        return Err(only_administrators(principal, action).into());
    }
    let ask = |resource: Resource<'_>| authorize(house, principal, action, &resource).map_err(Refusal::from);
    let text = |field: &str| input.get(field).and_then(Value::as_str);
    let kinds = action.kinds();
    if matches!(
        action,
        Action::AddTagsToResource | Action::RemoveTagsFromResource | Action::ListTagsForResource
    ) {
        let (kind, id) = (text("ResourceType").unwrap_or_default(), text("ResourceId").unwrap_or_default());
        return Ok(tagged(house, principal, action, kind, id).await?);
    }
    match kinds {
        [Kind::Fleet] => ask(Resource::Fleet)?,
        [Kind::Parameter] => {
            if names_of(input).next().is_none() {
                return Err(only_administrators(principal, action).into());
            }
            for name in names_of(input) {
                ask(Resource::Parameter(&parameter_name(name)?))?;
            }
        }
        [Kind::Path] => ask(Resource::Path(text("Path").unwrap_or("/")))?,
        [Kind::Document] => document(house, principal, action, text("Name").unwrap_or_default()).await?,
        [Kind::Node] => node(house, principal, action, text("InstanceId").unwrap_or_default()).await?,
        [Kind::Command] | [Kind::Command, Kind::Fleet] => match text("CommandId") {
            Some(id) => command(house, principal, action, id).await?,
            None => ask(Resource::Fleet)?,
        },
        [kind] => {
            let field = match kind {
                Kind::Activation => "ActivationId",
                Kind::Window => "WindowId",
                Kind::Association => "AssociationId",
                Kind::Baseline => "BaselineId",
                Kind::Automation => "AutomationExecutionId",
                Kind::Session => "SessionId",
                _ => "Name",
            };
            // What is being made has no id yet.
            ask(Resource::Named(*kind, text(field).or_else(|| text("Name")).unwrap_or_default()))?;
        }
        _ => return Err(only_administrators(principal, action).into()),
    }
    Ok(())
}

/// Whether the caller may see what is sealed under this key.
pub(super) fn opens(house: &House, principal: &Principal, key: &str) -> Result<(), Fault> {
    let key = Resource::Named(Kind::Key, key);
    Ok(authorize(house, principal, Action::Decrypt, &key).map_err(Refusal::from)?)
}

/// What a window or an association does later is done by the controller, and asked of nobody then: whoever could write
/// it could run anything anywhere.
fn runs_later(action: Action) -> bool {
    matches!(
        action,
        Action::RegisterTargetWithMaintenanceWindow
            | Action::UpdateMaintenanceWindowTarget
            | Action::RegisterTaskWithMaintenanceWindow
            | Action::UpdateMaintenanceWindowTask
    )
}

fn only_administrators(principal: &Principal, action: Action) -> Refusal {
    Refusal::denied(format!("operator {} may not {action} here: only administrators may", principal.name))
}

/// What a request is about, for the audit log: names, never values.
#[derive(Debug)]
pub(super) struct About {
    on: String,
    /// Whether it asks for secrets as they are.
    opens: bool,
}

pub(super) fn about(input: &Value) -> About {
    let fields = ["Path", "DocumentName", "InstanceId", "CommandId", "ActivationId", "ResourceId"];
    let said = fields.iter().filter_map(|field| input.get(field).and_then(Value::as_str));
    let on = names_of(input).chain(said).collect::<Vec<_>>().join(", ");
    About { on, opens: input.get("WithDecryption").and_then(Value::as_bool).unwrap_or(false) }
}

/// Notes in the audit log how an operation ended, right after it: denials, and what is more than a look.
pub(super) fn log(
    house: &House,
    principal: &Principal,
    operation: &Operation,
    about: About,
    fault: Option<&Fault>,
) {
    let (outcome, detail) = match fault {
        None => (Outcome::Done, String::new()),
        Some(fault) if fault.name == "AccessDeniedException" => (Outcome::Denied, fault.message.to_string()),
        // The message may quote what was sent.
        Some(fault) => (Outcome::Failed, fault.name.to_owned()),
    };
    if outcome != Outcome::Denied && !operation.changes() && !about.opens {
        return;
    }
    let event = Event {
        at: house.clock.now(),
        who: principal.name.to_string(),
        action: operation.name.to_owned(),
        on: about.on,
        from: principal.from.to_string(),
        outcome,
        detail,
    };
    let event = if outcome == Outcome::Denied { house.audit.repeats.first(event) } else { Some(event) };
    if let Some(Err(error)) = event.map(|event| house.audit.note(event)) {
        tracing::error!(%error, operation = operation.name, "an operation is not in the audit log");
    }
}

/// `Name`, or each of `Names`.
fn names_of(input: &Value) -> impl Iterator<Item = &str> {
    let many = input.get("Names").and_then(Value::as_array).into_iter().flatten();
    input.get("Name").into_iter().chain(many).filter_map(Value::as_str)
}

async fn document(house: &House, principal: &Principal, action: Action, called: &str) -> Result<(), Refusal> {
    let name = Reference::parse(called, "").map_err(Refusal::from)?.name.to_string();
    let tags = find::tags_of(house, &name).await?;
    Ok(authorize(house, principal, action, &Resource::Document { name: &name, tags: &tags })?)
}

async fn node(house: &House, principal: &Principal, action: Action, called: &str) -> Result<(), Refusal> {
    let (id, record) = resolve(house, called).await?;
    Ok(authorize(house, principal, action, &Resource::Node(&id, &record))?)
}

async fn command(house: &House, principal: &Principal, action: Action, id: &str) -> Result<(), Refusal> {
    let parsed = id.parse().map_err(|_| Refusal::denied("no policy allows a command whose id is none"))?;
    let record = commands::operations::get(house, &parsed).await?;
    let resource =
        Resource::Command { id, document: &record.document.name, requested_by: &record.requested_by };
    Ok(authorize(house, principal, action, &resource)?)
}

async fn tagged(
    house: &House,
    principal: &Principal,
    action: Action,
    kind: &str,
    id: &str,
) -> Result<(), Refusal> {
    match kind {
        "Document" => document(house, principal, action, id).await,
        "ManagedInstance" => node(house, principal, action, id).await,
        "Parameter" => Ok(authorize(house, principal, action, &Resource::Parameter(&parameter_name(id)?))?),
        _ => Err(Refusal::denied(format!(
            "operator {} may not {action} on this: only administrators may",
            principal.name
        ))),
    }
}
