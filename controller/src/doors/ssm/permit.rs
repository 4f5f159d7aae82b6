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
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::operations::resolve;
use crate::parameters::names::{self, ParameterName};
use crate::windows::executions;

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
                ask(Resource::Parameter(&parameter(name)?))?;
            }
        }
        [Kind::Path] => ask(Resource::Path(text("Path").unwrap_or("/")))?,
        [Kind::Document] => document(house, principal, action, text("Name").unwrap_or_default()).await?,
        [Kind::Node] => node(house, principal, action, text("InstanceId").unwrap_or_default()).await?,
        [Kind::Command] | [Kind::Command, Kind::Fleet] => match text("CommandId") {
            Some(id) => command(house, principal, action, id).await?,
            None => ask(Resource::Fleet)?,
        },
        // What a task of a window does is asked about where it is registered.
        [Kind::Window] => window(house, principal, action, input).await?,
        [Kind::Window, Kind::Fleet] => match text("WindowId") {
            Some(id) => ask(Resource::Named(Kind::Window, id))?,
            None => ask(Resource::Fleet)?,
        },
        [kind] => {
            let field = match kind {
                Kind::Activation => "ActivationId",
                Kind::Association => "AssociationId",
                Kind::Baseline => "BaselineId",
                Kind::Automation => "AutomationExecutionId",
                Kind::Session => "SessionId",
                _ => "Name",
            };
            ask(Resource::Named(*kind, text(field).unwrap_or_default()))?;
        }
        _ => return Err(only_administrators(principal, action).into()),
    }
    Ok(())
}

fn only_administrators(principal: &Principal, action: Action) -> Refusal {
    Refusal::denied(format!("operator {} may not {action} here: only administrators may", principal.name))
}

/// What a request is about, for the audit log: names, never values.
pub(super) fn about(input: &Value) -> String {
    let fields = [
        "Path",
        "DocumentName",
        "InstanceId",
        "CommandId",
        "ActivationId",
        "ResourceId",
        "SettingId",
        "WindowId",
        "WindowTargetId",
        "WindowTaskId",
        "WindowExecutionId",
    ];
    let said = fields.iter().filter_map(|field| input.get(field).and_then(Value::as_str));
    names_of(input).chain(said).collect::<Vec<_>>().join(", ")
}

/// Who did what, for the audit log.
pub(super) struct Deed<'a> {
    pub(super) principal: &'a Principal,
    pub(super) operation: &'static Operation,
    /// What it was about.
    pub(super) on: String,
    /// Whether the log has its line already when it was done.
    pub(super) told: bool,
}

/// Writes down how an operation ended: denials, and what was to change something. A change may be answered when this
/// returns.
pub(super) async fn log(house: &House, deed: Deed<'_>, fault: Option<&Fault>) -> Result<(), Fault> {
    let Deed { principal, operation, on, told } = deed;
    let (outcome, detail) = match fault {
        None => (Outcome::Done, String::new()),
        Some(fault) if fault.name == "AccessDeniedException" => (Outcome::Denied, fault.message.to_string()),
        // The message may quote what was sent.
        Some(fault) => (Outcome::Failed, fault.name.to_owned()),
    };
    if (outcome != Outcome::Denied && !operation.changes()) || (outcome == Outcome::Done && told) {
        return Ok(());
    }
    let event = Event {
        at: house.clock.now(),
        who: principal.name.to_string(),
        action: operation.name.to_owned(),
        on,
        from: principal.from.to_string(),
        outcome,
        detail,
    };
    let noted = match outcome {
        Outcome::Done => return Ok(house.audit.note_durably(event).await?),
        Outcome::Denied => house.audit.repeats.first(event).map_or(Ok(()), |event| house.audit.note(event)),
        Outcome::Failed => house.audit.note(event),
    };
    if let Err(error) = noted {
        tracing::error!(%error, operation = operation.name, "an operation is not in the audit log");
    }
    Ok(())
}

/// `Name`, or each of `Names`.
fn names_of(input: &Value) -> impl Iterator<Item = &str> {
    let many = input.get("Names").and_then(Value::as_array).into_iter().flatten();
    input.get("Name").into_iter().chain(many).filter_map(Value::as_str)
}

/// The name that a parameter is kept under, however it was written.
fn parameter(written: &str) -> Result<String, Refusal> {
    let key = names::Reference::parse(written).map(|reference| reference.key.to_string());
    let key = key.or_else(|_| ParameterName::parse_new(written).map(|_| written.to_owned()));
    key.map_err(|_| Refusal::denied("no policy allows a parameter whose name is none"))
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

/// By its id, or by an execution of it; one that is not there yet by its name.
async fn window(house: &House, principal: &Principal, action: Action, input: &Value) -> Result<(), Refusal> {
    let text = |field: &str| input.get(field).and_then(Value::as_str);
    let of_execution = match text("WindowExecutionId").and_then(|id| id.parse().ok()) {
        Some(execution) => executions::window_of(house, &execution).await?,
        None => None,
    };
    let said = text("WindowId").map(str::to_ascii_lowercase);
    let id = of_execution.map(String::from).or(said).or_else(|| text("Name").map(str::to_owned));
    Ok(authorize(house, principal, action, &Resource::Named(Kind::Window, &id.unwrap_or_default()))?)
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
        "MaintenanceWindow" => Ok(authorize(house, principal, action, &Resource::Named(Kind::Window, id))?),
        "Parameter" => Ok(authorize(house, principal, action, &Resource::Parameter(&parameter(id)?))?),
        _ => Err(Refusal::denied(format!(
            "operator {} may not {action} on this: only administrators may",
            principal.name
        ))),
    }
}
