//! Tasks that are registered with a window.

use std::collections::BTreeMap;
use std::time::Duration;

use fleetwright_store::{Batch, CommitError};
use serde::Serialize;

use super::check::{self, shown, wrong};
use super::fault::{Fault, WindowError};
use super::ids::{TargetId, TaskId, WindowId};
use super::operations::{self, Change, busy};
use super::pseudo;
use super::records::{
    After, Cutoff, Registrar, RunCommand, TargetRecord, TaskRecord, TaskTargets, WindowRecord, Work,
};
use super::rights;
use super::tokens::Token;
use crate::access::Principal;
use crate::commands::limits::{parse_concurrency, parse_errors};
use crate::commands::notify::Notify;
use crate::documents::find;
use crate::documents::kinds::{DocumentType, HashType};
use crate::documents::names::Reference;
use crate::house::House;
use crate::nodes::{groups, operations as nodes, targets as selectors};
use crate::records::{COMMIT_ATTEMPTS, Pages};
use crate::tables::{WINDOW, WINDOW_TASK};

/// Most tasks of one window.
pub const TASKS_MAX: usize = 20;
/// Longest task, bytes: an occurrence keeps all its tasks in the commit that opens it.
pub const TASK_MAX_BYTES: usize = 10 * 1024;
/// Most targets of the window that one task has, and most nodes that it names.
pub const TASK_TARGETS_MAX: usize = 50;

/// What an operator says of a task, unchecked. In a change, what is None stays as it is.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TaskWish {
    pub name: Option<String>,
    pub description: Option<String>,
    pub document: Option<String>,
    pub work: Option<Work>,
    /// Parts of the work, where that is not said as a whole.
    pub version: Option<String>,
    pub parameters: Option<BTreeMap<String, Vec<String>>>,
    /// 0: SSM's default.
    pub timeout_seconds: Option<u32>,
    /// `WindowTargetIds` or `InstanceIds` with their values; none: without targets.
    pub targets: Option<Vec<(String, Vec<String>)>>,
    pub priority: Option<u32>,
    pub max_concurrency: Option<String>,
    pub max_errors: Option<String>,
    pub cutoff: Option<Cutoff>,
    /// Some(None): on no other task.
    pub after: Option<Option<After>>,
    pub service_role: Option<String>,
    pub kept: BTreeMap<String, serde_json::Value>,
}

/// A task that is to be registered.
#[derive(Debug, Clone, Serialize)]
pub struct NewTask {
    pub window: WindowId,
    pub wish: TaskWish,
    #[serde(skip)]
    pub client_token: String,
    /// Who has to be allowed what the task does, now and whenever it is done; None: the controller itself.
    #[serde(skip)]
    pub asked_by: Option<Principal>,
}

/// Registers a task. Durable when this returns.
pub async fn register(house: &House, new: NewTask) -> Result<TaskId, WindowError> {
    let token = Token::of("task", &new.client_token, &new)?;
    for _ in 0..COMMIT_ATTEMPTS {
        let window = operations::row(house, &new.window).await?;
        if let Some(token) = &token
            && let Some(made) = token.made(house).await?
            && let Ok(id) = made.parse::<TaskId>()
        {
            return Ok(id);
        }
        let others = all(house, &new.window).await?;
        if others.len() >= TASKS_MAX {
            return Err(Fault::ResourceLimitExceeded.because(format!(
                "window {} has {TASKS_MAX} tasks, the most that it may have: deregister some first",
                new.window
            )));
        }
        let id = TaskId::random();
        let mut record = blank(house, &new.wish)?;
        // Among equals the one that was registered first comes first, however fast the next one came.
        let later = others.iter().map(|(_, other)| other.created.plus(Duration::from_millis(1)));
        record.created = later.chain([record.created]).max().unwrap_or(record.created);
        let mut record =
            checked(house, &new.window, &window.value, &id, record, new.wish.clone(), &others).await?;
        if let Some(principal) = &new.asked_by {
            stand_for(house, &new.window, principal, &mut record).await?;
        }
        let mut batch = Batch::new();
        WINDOW.replace(&mut batch, &window)?;
        WINDOW_TASK.insert(&mut batch, &(new.window.clone(), id.clone()), &record)?;
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

fn blank(house: &House, wish: &TaskWish) -> Result<TaskRecord, WindowError> {
    let (Some(document), Some(work)) = (&wish.document, &wish.work) else {
        return Err(wrong("the document or the type of the task is missing"));
    };
    Ok(TaskRecord {
        name: String::new(),
        description: String::new(),
        document: document.clone(),
        work: work.clone(),
        targets: TaskTargets::None,
        priority: 0,
        max_concurrency: None,
        max_errors: None,
        cutoff: Cutoff::default(),
        after: None,
        service_role: String::new(),
        kept: BTreeMap::new(),
        created: house.clock.now(),
        registrar: None,
    })
}

/// From here on the task is done with what this operator may do.
async fn stand_for(
    house: &House,
    window: &WindowId,
    principal: &Principal,
    record: &mut TaskRecord,
) -> Result<(), WindowError> {
    rights::check(house, principal, record, &super::targets::all(house, window).await?).await?;
    record.registrar = Some(Registrar { name: principal.name.to_string(), at: house.clock.now() });
    Ok(())
}

async fn checked(
    house: &House,
    window_id: &WindowId,
    window: &WindowRecord,
    id: &TaskId,
    mut record: TaskRecord,
    wish: TaskWish,
    others: &[(TaskId, TaskRecord)],
) -> Result<TaskRecord, WindowError> {
    apply(&mut record, wish)?;
    if !record.name.is_empty() {
        check::name("the task's name", &record.name)?;
    }
    check::text("description", &record.description)?;
    if record.targets == TaskTargets::None && matches!(record.work, Work::RunCommand(_)) {
        return Err(wrong("a RUN_COMMAND task needs targets: WindowTargetIds or InstanceIds"));
    }
    if record.targets == TaskTargets::None {
        (record.max_concurrency, record.max_errors) = (None, None);
    } else {
        record.max_concurrency.get_or_insert(crate::commands::limits::DEFAULT_CONCURRENCY);
        record.max_errors.get_or_insert(crate::commands::limits::DEFAULT_ERRORS);
    }
    pseudo::check(&record.work)?;
    check_work(house, &record).await?;
    check_targets(house, window_id, window, &record.targets).await?;
    check_order(id, &record, others)?;
    let bytes = serde_json::to_vec(&record).map_err(|error| wrong(error.to_string()))?.len();
    if bytes > TASK_MAX_BYTES {
        return Err(wrong(format!(
            "the task with its parameters is {bytes} bytes: {TASK_MAX_BYTES} at most; put a long script into a document"
        )));
    }
    Ok(record)
}

fn apply(record: &mut TaskRecord, wish: TaskWish) -> Result<(), WindowError> {
    let set = |known: &mut String, wanted: Option<String>| {
        if let Some(wanted) = wanted {
            *known = wanted;
        }
    };
    set(&mut record.name, wish.name);
    set(&mut record.description, wish.description);
    set(&mut record.document, wish.document);
    set(&mut record.service_role, wish.service_role);
    if let Some(work) = wish.work {
        record.work = work;
    }
    match &mut record.work {
        Work::RunCommand(run) => {
            set(&mut run.version, wish.version);
            run.parameters = wish.parameters.unwrap_or(std::mem::take(&mut run.parameters));
            if let Some(seconds) = wish.timeout_seconds {
                run.timeout_seconds = (seconds != 0).then_some(seconds);
            }
        }
        Work::Automation { version, parameters } => {
            set(version, wish.version);
            *parameters = wish.parameters.unwrap_or(std::mem::take(parameters));
        }
    }
    if let Some(targets) = wish.targets {
        record.targets = read_targets(targets)?;
    }
    if let Some(priority) = wish.priority {
        record.priority = priority;
    }
    if let Some(text) = wish.max_concurrency {
        record.max_concurrency = Some(parse_concurrency(&text).map_err(|error| wrong(error.message))?);
    }
    if let Some(text) = wish.max_errors {
        record.max_errors = Some(parse_errors(&text).map_err(|error| wrong(error.message))?);
    }
    if let Some(cutoff) = wish.cutoff {
        record.cutoff = cutoff;
    }
    if let Some(after) = wish.after {
        record.after = after;
    }
    record.kept.extend(wish.kept);
    Ok(())
}

fn read_targets(targets: Vec<(String, Vec<String>)>) -> Result<TaskTargets, WindowError> {
    let mut read = TaskTargets::None;
    for (key, values) in targets {
        if values.is_empty() || values.len() > TASK_TARGETS_MAX {
            return Err(wrong(format!(
                "target `{}` has {} values: 1 to {TASK_TARGETS_MAX}",
                shown(&key),
                values.len()
            )));
        }
        if read != TaskTargets::None {
            return Err(wrong("a task has one kind of targets: WindowTargetIds or InstanceIds"));
        }
        read = match key.as_str() {
            "WindowTargetIds" => {
                let ids = values.iter().map(|value| value.parse::<TargetId>());
                let ids = ids.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(error.to_string()))?;
                TaskTargets::Window(ids)
            }
            "InstanceIds" => TaskTargets::Nodes(values),
            _ => {
                return Err(wrong(format!(
                    "`{}` is not a key of a task's targets: WindowTargetIds or InstanceIds; register tags and groups \
                     as targets of the window first",
                    shown(&key)
                )));
            }
        };
    }
    Ok(read)
}

/// What the task is to run has to exist when it is registered: at night nobody is there to be told.
async fn check_work(house: &House, record: &TaskRecord) -> Result<(), WindowError> {
    let version = match &record.work {
        Work::RunCommand(run) => &run.version,
        Work::Automation { version, .. } => version,
    };
    let reference = Reference::parse(&record.document, version).map_err(|error| wrong(error.message))?;
    let found = find::get(house, &reference).await.map_err(|error| wrong(error.message))?;
    let kind = found.view.document_type;
    match &record.work {
        Work::RunCommand(run) => {
            if !kind.runs_as_command() {
                return Err(wrong(format!(
                    "{} is of type {kind}, and a RUN_COMMAND task runs Command documents",
                    found.view.name
                )));
            }
            check_run(house, run)
        }
        Work::Automation { .. } if kind != DocumentType::Automation => Err(wrong(format!(
            "{} is of type {kind}, and an AUTOMATION task runs Automation documents",
            found.view.name
        ))),
        Work::Automation { .. } => Ok(()),
    }
}

fn check_run(house: &House, run: &RunCommand) -> Result<(), WindowError> {
    if run.comment.chars().count() > 100 {
        return Err(wrong("the comment is longer than 100 characters"));
    }
    if let Some(seconds) = run.timeout_seconds.filter(|seconds| !(30..=2_592_000).contains(seconds)) {
        return Err(wrong(format!("the time-out of {seconds} seconds is out of range: 30 to 2592000")));
    }
    if let Some(hash) = &run.hash {
        HashType::parse(&hash.hash_type).map_err(|error| wrong(error.message))?;
    }
    if let Some(notify) = &run.notify {
        Notify::parse(&notify.url, &notify.events, &notify.about, house.limits.plain_http)
            .map_err(|error| wrong(error.message))?;
    }
    Ok(())
}

async fn check_targets(
    house: &House,
    window_id: &WindowId,
    window: &WindowRecord,
    targets: &TaskTargets,
) -> Result<(), WindowError> {
    let registered = super::targets::all(house, window_id).await?;
    match targets {
        TaskTargets::None => Ok(()),
        TaskTargets::Window(ids) => {
            let missing = ids.iter().find(|id| !registered.iter().any(|(known, _)| known == *id));
            missing.map_or(Ok(()), |id| Err(super::targets::unknown(window_id, id)))
        }
        TaskTargets::Nodes(_) if window.allow_unassociated_targets => Ok(()),
        TaskTargets::Nodes(names) => {
            for name in names {
                check_associated(house, window_id, &registered, name).await?;
            }
            Ok(())
        }
    }
}

async fn check_associated(
    house: &House,
    window: &WindowId,
    registered: &[(TargetId, TargetRecord)],
    name: &str,
) -> Result<(), WindowError> {
    let (id, node) =
        nodes::resolve(house, name).await.map_err(|error| Fault::DoesNotExist.because(error.message))?;
    for (_, target) in registered {
        let groups = groups::named(house, &target.targets).await?;
        if selectors::matches(&target.targets, &groups, &id, &node) {
            return Ok(());
        }
    }
    Err(wrong(format!(
        "{id} is in no target of window {window}, which allows no others: register it as a target, or allow \
         unassociated targets"
    )))
}

/// A task that another one depends on runs before it.
fn check_order(id: &TaskId, record: &TaskRecord, others: &[(TaskId, TaskRecord)]) -> Result<(), WindowError> {
    if let Some(after) = &record.after {
        let Some((_, other)) = others.iter().find(|(other, _)| *other == after.task && other != id) else {
            return Err(Fault::DoesNotExist.because(format!(
                "the task that this one depends on, {}, is not in the window",
                after.task
            )));
        };
        if other.priority >= record.priority {
            return Err(wrong(format!(
                "the task that this one depends on, {}, has priority {} and must have less than {}, so that it ends \
                 before",
                after.task, other.priority, record.priority
            )));
        }
    }
    let depends = |other: &TaskRecord| other.after.as_ref().is_some_and(|after| after.task == *id);
    match others.iter().find(|(_, other)| depends(other) && other.priority <= record.priority) {
        None => Ok(()),
        Some((other, _)) => Err(wrong(format!(
            "task {other} depends on this one, whose priority number must stay below its own"
        ))),
    }
}

/// The answer to a task that the window does not have.
pub(super) fn unknown(window: &WindowId, id: &TaskId) -> WindowError {
    Fault::DoesNotExist.because(format!(
        "Window task {id} does not exist in maintenance window {window}: `window show` lists its tasks"
    ))
}

/// Every task of a window, in the order in which they run.
pub async fn all(house: &House, window: &WindowId) -> Result<Vec<(TaskId, TaskRecord)>, WindowError> {
    let mut found = Vec::new();
    let mut pages = Pages::of(&WINDOW_TASK, window.clone());
    while let Some(rows) = pages.next(&*house.store).await? {
        found.extend(rows.into_iter().map(|row| (row.key.1, row.value)));
    }
    found.sort_by(|(one_id, one), (other_id, other)| {
        (one.priority, one.created, one_id).cmp(&(other.priority, other.created, other_id))
    });
    Ok(found)
}

/// A task.
pub async fn get(house: &House, window: &WindowId, id: &TaskId) -> Result<TaskRecord, WindowError> {
    operations::row(house, window).await?;
    let row = WINDOW_TASK.get(&*house.store, &(window.clone(), id.clone())).await?;
    row.map(|row| row.value).ok_or_else(|| unknown(window, id))
}

/// Changes a task. Durable when this returns. An occurrence that is open goes on with the task as it was. Whoever
/// changes it stands for it from then on.
pub async fn update(
    house: &House,
    window: &WindowId,
    id: &TaskId,
    wish: TaskWish,
    change: Change,
    asked_by: Option<&Principal>,
) -> Result<TaskRecord, WindowError> {
    for _ in 0..COMMIT_ATTEMPTS {
        let window_row = operations::row(house, window).await?;
        let row = WINDOW_TASK.get(&*house.store, &(window.clone(), id.clone())).await?;
        let mut row = row.ok_or_else(|| unknown(window, id))?;
        if let Some(work) = &wish.work
            && work.name() != row.value.work.name()
        {
            return Err(wrong(format!("a task of type {} cannot become another one", row.value.work.name())));
        }
        if change == Change::Replace {
            let created = row.value.created;
            let mut whole = wish.clone();
            whole.document.get_or_insert_with(|| row.value.document.clone());
            whole.work.get_or_insert_with(|| row.value.work.clone());
            let registrar = row.value.registrar.take();
            row.value = TaskRecord { created, registrar, ..blank(house, &whole)? };
        }
        let others = all(house, window).await?;
        let record = row.value.clone();
        row.value = checked(house, window, &window_row.value, id, record, wish.clone(), &others).await?;
        if let Some(principal) = asked_by {
            stand_for(house, window, principal, &mut row.value).await?;
        }
        let mut batch = Batch::new();
        WINDOW.replace(&mut batch, &window_row)?;
        WINDOW_TASK.replace(&mut batch, &row)?;
        match house.store.commit(batch).await {
            Ok(_) => return Ok(row.value),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(busy(window))
}

/// Takes a task away from a window. Durable when this returns. An occurrence that is open goes on with it.
pub async fn deregister(house: &House, window: &WindowId, id: &TaskId) -> Result<(), WindowError> {
    for _ in 0..COMMIT_ATTEMPTS {
        let window_row = operations::row(house, window).await?;
        let row = WINDOW_TASK.get(&*house.store, &(window.clone(), id.clone())).await?;
        let row = row.ok_or_else(|| unknown(window, id))?;
        let others = all(house, window).await?;
        let depends = |task: &TaskRecord| task.after.as_ref().is_some_and(|after| after.task == *id);
        if let Some((other, _)) = others.iter().find(|(_, task)| depends(task)) {
            return Err(crate::error::Refusal::conflict(format!(
                "task {other} depends on this one: change or deregister it first"
            ))
            .into());
        }
        let mut batch = Batch::new();
        WINDOW.replace(&mut batch, &window_row)?;
        WINDOW_TASK.delete_at(&mut batch, &row.key, row.revision);
        match house.store.commit(batch).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(busy(window))
}
