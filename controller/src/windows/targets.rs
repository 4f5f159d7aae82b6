//! Targets that are registered with a window.

use fleetwright_store::{Batch, CommitError};
use serde::Serialize;

use super::check;
use super::fault::{Fault, WindowError};
use super::ids::{TargetId, TaskId, WindowId};
use super::operations::{self, Change, busy};
use super::records::{ResourceType, TargetRecord, TaskTargets};
use super::rights;
use super::tokens::Token;
use crate::access::Principal;
use crate::house::House;
use crate::records::{COMMIT_ATTEMPTS, Pages};
use crate::tables::{WINDOW, WINDOW_TARGET};

/// Most targets of one window.
pub const TARGETS_MAX: usize = 100;

/// What an operator says of a target, unchecked. In a change, what is None stays as it is.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TargetWish {
    pub targets: Option<Vec<(String, Vec<String>)>>,
    pub owner_information: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
}

/// Targets that are to be registered.
#[derive(Debug, Clone, Serialize)]
pub struct NewTarget {
    pub window: WindowId,
    /// None: as the targets say.
    pub resource_type: Option<ResourceType>,
    pub wish: TargetWish,
    #[serde(skip)]
    pub client_token: String,
}

/// Whether a target that a task uses may be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// Not if a task uses it.
    Safe,
    /// Tasks that use it fail on it.
    Unsafe,
}

/// Registers targets. Durable when this returns.
pub async fn register(house: &House, new: NewTarget) -> Result<TargetId, WindowError> {
    let token = Token::of("target", &new.client_token, &new)?;
    for _ in 0..COMMIT_ATTEMPTS {
        let window = operations::row(house, &new.window).await?;
        if let Some(token) = &token
            && let Some(made) = token.made(house).await?
            && let Ok(id) = made.parse::<TargetId>()
        {
            return Ok(id);
        }
        let mut record = TargetRecord {
            resource_type: ResourceType::Instance,
            targets: Vec::new(),
            owner_information: String::new(),
            name: String::new(),
            description: String::new(),
            created: house.clock.now(),
        };
        if new.wish.targets.is_none() {
            return Err(check::wrong("the targets are missing"));
        }
        apply(&mut record, new.wish.clone())?;
        record.resource_type = new.resource_type.unwrap_or_else(|| implied(&record));
        check_type(&record)?;
        if all(house, &new.window).await?.len() >= TARGETS_MAX {
            return Err(Fault::ResourceLimitExceeded.because(format!(
                "window {} has {TARGETS_MAX} targets, the most that it may have: deregister some first",
                new.window
            )));
        }
        let id = TargetId::random();
        let mut batch = Batch::new();
        WINDOW.replace(&mut batch, &window)?;
        WINDOW_TARGET.insert(&mut batch, &(new.window.clone(), id.clone()), &record)?;
        if let Some(token) = &token {
            token.note(house, &mut batch, id.as_str())?;
        }
        match house.store.commit(batch).await {
            Ok(_) => return Ok(id),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(busy(&new.window))
}

fn implied(record: &TargetRecord) -> ResourceType {
    use crate::nodes::targets::Selector;
    match record.targets.iter().any(|target| matches!(target, Selector::Group(_))) {
        true => ResourceType::ResourceGroup,
        false => ResourceType::Instance,
    }
}

fn check_type(record: &TargetRecord) -> Result<(), WindowError> {
    if record.resource_type == implied(record) {
        return Ok(());
    }
    Err(check::wrong(match record.resource_type {
        ResourceType::Instance => "targets of type INSTANCE cannot be groups: RESOURCE_GROUP is for those",
        ResourceType::ResourceGroup => "targets of type RESOURCE_GROUP are groups: resource-groups:Name",
    }))
}

fn apply(record: &mut TargetRecord, wish: TargetWish) -> Result<(), WindowError> {
    if let Some(targets) = wish.targets {
        record.targets = check::selectors(targets)?;
    }
    if let Some(text) = wish.owner_information {
        check::text("owner information", &text)?;
        record.owner_information = text;
    }
    if let Some(text) = wish.description {
        check::text("description", &text)?;
        record.description = text;
    }
    if let Some(name) = wish.name {
        if !name.is_empty() {
            check::name("the target's name", &name)?;
        }
        record.name = name;
    }
    Ok(())
}

/// The answer to a target that the window does not have.
pub(super) fn unknown(window: &WindowId, id: &TargetId) -> WindowError {
    Fault::DoesNotExist.because(format!(
        "Window target {id} does not exist in maintenance window {window}: `window show` lists its targets"
    ))
}

/// Every target of a window, by id.
pub async fn all(house: &House, window: &WindowId) -> Result<Vec<(TargetId, TargetRecord)>, WindowError> {
    let mut found = Vec::new();
    let mut pages = Pages::of(&WINDOW_TARGET, window.clone());
    while let Some(rows) = pages.next(&*house.store).await? {
        found.extend(rows.into_iter().map(|row| (row.key.1, row.value)));
    }
    Ok(found)
}

/// Changes a target. Durable when this returns. Whoever changes on what tasks run has to be allowed what they do; None
/// asks for the controller itself.
pub async fn update(
    house: &House,
    window: &WindowId,
    id: &TargetId,
    wish: TargetWish,
    change: Change,
    asked_by: Option<&Principal>,
) -> Result<TargetRecord, WindowError> {
    for _ in 0..COMMIT_ATTEMPTS {
        let window_row = operations::row(house, window).await?;
        let row = WINDOW_TARGET.get(&*house.store, &(window.clone(), id.clone())).await?;
        let mut row = row.ok_or_else(|| unknown(window, id))?;
        if change == Change::Replace {
            if wish.targets.is_none() {
                return Err(check::wrong("the targets are missing"));
            }
            (row.value.owner_information, row.value.name, row.value.description) = Default::default();
        }
        apply(&mut row.value, wish.clone())?;
        row.value.resource_type = implied(&row.value);
        if let Some(principal) = asked_by {
            let changed = [(id.clone(), row.value.clone())];
            for (_, task) in super::tasks::all(house, window).await? {
                if uses(&task.targets, id) {
                    rights::check(house, principal, &task, &changed).await?;
                }
            }
        }
        let mut batch = Batch::new();
        WINDOW.replace(&mut batch, &window_row)?;
        WINDOW_TARGET.replace(&mut batch, &row)?;
        match house.store.commit(batch).await {
            Ok(_) => return Ok(row.value),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(busy(window))
}

/// Takes a target away from a window. Durable when this returns.
pub async fn deregister(
    house: &House,
    window: &WindowId,
    id: &TargetId,
    safety: Safety,
) -> Result<(), WindowError> {
    for _ in 0..COMMIT_ATTEMPTS {
        let window_row = operations::row(house, window).await?;
        let row = WINDOW_TARGET.get(&*house.store, &(window.clone(), id.clone())).await?;
        let row = row.ok_or_else(|| unknown(window, id))?;
        if safety == Safety::Safe
            && let Some(task) = user(house, window, id).await?
        {
            return Err(Fault::TargetInUse.because(format!(
                "target {id} is used by task {task}: deregister the task first, or do it without --safe"
            )));
        }
        let mut batch = Batch::new();
        WINDOW.replace(&mut batch, &window_row)?;
        WINDOW_TARGET.delete_at(&mut batch, &row.key, row.revision);
        match house.store.commit(batch).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(busy(window))
}

async fn user(house: &House, window: &WindowId, id: &TargetId) -> Result<Option<TaskId>, WindowError> {
    let tasks = super::tasks::all(house, window).await?;
    Ok(tasks.into_iter().find(|(_, task)| uses(&task.targets, id)).map(|(task, _)| task))
}

fn uses(targets: &TaskTargets, id: &TargetId) -> bool {
    matches!(targets, TaskTargets::Window(ids) if ids.contains(id))
}
