//! Windows: made, read, changed, deleted.

use fleetwright_proto::clock::Timestamp;
use fleetwright_store::{Batch, CommitError, Row};
use serde::Serialize;

use super::check;
use super::fault::{Fault, WindowError};
use super::ids::{TargetId, TaskId, WindowId};
use super::records::{Date, Reason, TargetRecord, TaskRecord, WindowRecord};
use super::tokens::Token;
use crate::commands::records::Mark;
use crate::house::House;
use crate::nodes::records::Tags;
use crate::nodes::targets::check_tags;
use crate::records::{COMMIT_ATTEMPTS, Pages, next_key};
use crate::tables::{WINDOW, WINDOW_DUE, WINDOW_EXECUTION, WINDOW_TARGET, WINDOW_TASK};

/// Most windows of a fleet.
pub const WINDOWS_MAX: usize = 50_000;

/// What an operator says of a window, unchecked. In a change, what is None stays as it is.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WindowWish {
    pub name: Option<String>,
    pub description: Option<String>,
    pub schedule: Option<String>,
    /// Empty: UTC.
    pub timezone: Option<String>,
    /// 0: none.
    pub offset_days: Option<u32>,
    /// Empty: none.
    pub start: Option<String>,
    /// Empty: none.
    pub end: Option<String>,
    pub duration_hours: Option<u32>,
    pub cutoff_hours: Option<u32>,
    pub grace_minutes: Option<u32>,
    pub allow_unassociated_targets: Option<bool>,
    pub enabled: Option<bool>,
    pub calendars: Option<Vec<String>>,
}

/// A window that is to be made.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewWindow {
    pub wish: WindowWish,
    pub tags: Tags,
    #[serde(skip)]
    pub client_token: String,
    #[serde(skip)]
    pub created_by: String,
}

/// A window with what is registered with it.
#[derive(Debug, Clone)]
pub struct Whole {
    pub id: WindowId,
    pub window: WindowRecord,
    pub targets: Vec<(TargetId, TargetRecord)>,
    pub tasks: Vec<(TaskId, TaskRecord)>,
}

/// Makes a window. Durable when this returns. A repeated wish with the same client token answers with the window that
/// the first one made.
pub async fn create(house: &House, new: NewWindow) -> Result<WindowId, WindowError> {
    let token = Token::of("window", &new.client_token, &new)?;
    if let Some(token) = &token
        && let Some(made) = token.made(house).await?
        && let Ok(id) = made.parse::<WindowId>()
        && WINDOW.get(&*house.store, &id).await?.is_some()
    {
        return Ok(id);
    }
    let now = house.clock.now();
    let mut window = blank(now, new.created_by);
    check_tags(&new.tags, &Tags::new())?;
    window.tags = new.tags;
    refuse_missing(&new.wish)?;
    apply(&mut window, new.wish, now)?;
    check::window(&window)?;
    check_calendars(house, &window).await?;
    refuse_more(house).await?;
    window.next = if window.enabled { window.next_after(now) } else { None };
    let id = WindowId::random();
    let mut batch = Batch::new();
    WINDOW.insert(&mut batch, &id, &window)?;
    if let Some(next) = window.next {
        WINDOW_DUE.put(&mut batch, &(next, id.clone()), &Mark {})?;
    }
    if let Some(token) = &token {
        token.note(house, &mut batch, id.as_str())?;
    }
    house.store.commit(batch).await?;
    Ok(id)
}

fn blank(now: Timestamp, created_by: String) -> WindowRecord {
    WindowRecord {
        name: String::new(),
        description: String::new(),
        enabled: true,
        schedule: String::new(),
        timezone: None,
        offset_days: None,
        start: None,
        end: None,
        duration_hours: 0,
        cutoff_hours: 0,
        grace_minutes: None,
        allow_unassociated_targets: false,
        calendars: Vec::new(),
        tags: Tags::new(),
        created: now,
        created_by,
        modified: now,
        anchor: now,
        next: None,
        open: None,
    }
}

fn refuse_missing(wish: &WindowWish) -> Result<(), WindowError> {
    let missing = [
        ("name", wish.name.is_none()),
        ("schedule", wish.schedule.is_none()),
        ("duration", wish.duration_hours.is_none()),
        ("cut-off", wish.cutoff_hours.is_none()),
        ("answer to whether unassociated targets are allowed", wish.allow_unassociated_targets.is_none()),
    ];
    match missing.iter().find(|(_, missing)| *missing) {
        None => Ok(()),
        Some((what, _)) => Err(check::wrong(format!("the {what} of the window is missing"))),
    }
}

fn apply(window: &mut WindowRecord, wish: WindowWish, now: Timestamp) -> Result<(), WindowError> {
    let date = |what: &str, wanted: Option<String>, known: &mut Option<Date>| {
        match wanted.as_deref() {
            None => {}
            Some("") => *known = None,
            Some(text) => *known = Some(check::date(what, text)?),
        }
        Ok::<_, WindowError>(())
    };
    let started_before = window.start.clone();
    date("the start date", wish.start, &mut window.start)?;
    date("the end date", wish.end, &mut window.end)?;
    // A start date that is past when it is given means now (reference, section 9.1).
    if window.start != started_before
        && let Some(start) = &mut window.start
    {
        start.at = start.at.max(now);
    }
    if let Some(schedule) = wish.schedule {
        if schedule != window.schedule {
            window.anchor = now;
        }
        window.schedule = schedule;
    }
    set(&mut window.name, wish.name);
    set(&mut window.description, wish.description);
    set(&mut window.duration_hours, wish.duration_hours);
    set(&mut window.cutoff_hours, wish.cutoff_hours);
    set(&mut window.allow_unassociated_targets, wish.allow_unassociated_targets);
    set(&mut window.enabled, wish.enabled);
    set(&mut window.calendars, wish.calendars);
    if let Some(zone) = wish.timezone {
        window.timezone = (!zone.is_empty()).then_some(zone);
    }
    if let Some(days) = wish.offset_days {
        window.offset_days = (days != 0).then_some(days);
    }
    if let Some(minutes) = wish.grace_minutes {
        window.grace_minutes = Some(minutes);
    }
    Ok(())
}

fn set<T>(known: &mut T, wanted: Option<T>) {
    if let Some(wanted) = wanted {
        *known = wanted;
    }
}

async fn check_calendars(house: &House, window: &WindowRecord) -> Result<(), WindowError> {
    for name in &window.calendars {
        let described = crate::calendars::get(house, name).await;
        described
            .map_err(|error| check::wrong(format!("calendar {}: {}", check::shown(name), error.message)))?;
    }
    Ok(())
}

async fn refuse_more(house: &House) -> Result<(), WindowError> {
    let count = WINDOW.count(&*house.store, &(), WINDOWS_MAX).await?;
    if count < WINDOWS_MAX {
        return Ok(());
    }
    Err(Fault::ResourceLimitExceeded
        .because(format!("there are {count} windows, the most that there may be: delete some first")))
}

/// The answer to a window that does not exist.
pub(super) fn unknown(id: &WindowId) -> WindowError {
    Fault::DoesNotExist
        .because(format!("Maintenance window {id} does not exist: `window list` shows those that exist"))
}

pub(super) async fn row(house: &House, id: &WindowId) -> Result<Row<WindowId, WindowRecord>, WindowError> {
    WINDOW.get(&*house.store, id).await?.ok_or_else(|| unknown(id))
}

/// A window, by its id or by a name that only one has.
pub async fn resolve(house: &House, wanted: &str) -> Result<WindowId, WindowError> {
    if let Ok(id) = wanted.parse() {
        return Ok(id);
    }
    let mut found = Vec::new();
    let mut pages = Pages::of(&WINDOW, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        found.extend(rows.into_iter().filter(|row| row.value.name == wanted).map(|row| row.key));
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Fault::DoesNotExist.because(format!(
            "Maintenance window `{}` does not exist: `window list` shows those that exist",
            check::shown(wanted)
        ))),
        several => Err(check::wrong(format!(
            "`{}` is the name of {} windows: use the id",
            check::shown(wanted),
            several.len()
        ))),
    }
}

/// A window.
pub async fn get(house: &House, id: &WindowId) -> Result<WindowRecord, WindowError> {
    Ok(row(house, id).await?.value)
}

/// A window with its targets and its tasks, the tasks in the order in which they run.
pub async fn whole(house: &House, id: &WindowId) -> Result<Whole, WindowError> {
    let window = get(house, id).await?;
    let targets = super::targets::all(house, id).await?;
    let tasks = super::tasks::all(house, id).await?;
    Ok(Whole { id: id.clone(), window, targets, tasks })
}

/// A page of windows and where the next one starts.
pub type Windows = (Vec<(WindowId, WindowRecord)>, Option<WindowId>);

/// The windows after `after` that pass, by id, and where the next page starts.
pub async fn list(
    house: &House,
    passes: impl Fn(&WindowRecord) -> bool,
    after: Option<WindowId>,
    limit: usize,
) -> Result<Windows, WindowError> {
    let (mut found, mut after) = (Vec::new(), after);
    loop {
        let page = WINDOW.scan(&*house.store, &(), after.as_ref(), limit).await?;
        crate::records::note_unreadable("window", &page.unreadable);
        after = next_key(&page, limit);
        for row in page.rows {
            if passes(&row.value) {
                found.push((row.key.clone(), row.value));
                if found.len() >= limit {
                    return Ok((found, Some(row.key)));
                }
            }
        }
        if after.is_none() {
            return Ok((found, None));
        }
    }
}

/// Whether a change keeps what it does not speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Keep,
    /// What is not spoken of is as in a new one; what a new one needs has to be there.
    Replace,
}

/// Changes a window. Durable when this returns: the window and when it is due next.
pub async fn update(
    house: &House,
    id: &WindowId,
    wish: WindowWish,
    change: Change,
) -> Result<WindowRecord, WindowError> {
    for _ in 0..COMMIT_ATTEMPTS {
        let mut row = row(house, id).await?;
        let now = house.clock.now();
        let before = row.value.clone();
        if change == Change::Replace {
            refuse_missing(&wish)?;
            row.value = WindowRecord {
                tags: before.tags.clone(),
                created: before.created,
                open: before.open.clone(),
                enabled: before.enabled,
                anchor: before.anchor,
                schedule: before.schedule.clone(),
                ..blank(now, before.created_by.clone())
            };
        }
        apply(&mut row.value, wish.clone(), now)?;
        check::window(&row.value)?;
        check_calendars(house, &row.value).await?;
        row.value.modified = now;
        row.value.next = if row.value.enabled { row.value.next_after(now) } else { None };
        // What is due already and was not looked at yet stays due: a change is no way to lose an occurrence.
        if let Some(due) = before.next.filter(|due| *due <= now && row.value.enabled) {
            row.value.next = Some(due);
        }
        let mut batch = Batch::new();
        move_due(&mut batch, id, before.next, row.value.next)?;
        WINDOW.replace(&mut batch, &row)?;
        match house.store.commit(batch).await {
            Ok(_) => return Ok(row.value),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(busy(id))
}

/// Moves a window in the index of what is due, in the commit that writes its row.
pub(super) fn move_due(
    batch: &mut Batch,
    id: &WindowId,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<(), WindowError> {
    if from == to {
        return Ok(());
    }
    if let Some(from) = from {
        WINDOW_DUE.delete(batch, &(from, id.clone()));
    }
    if let Some(to) = to {
        WINDOW_DUE.put(batch, &(to, id.clone()), &Mark {})?;
    }
    Ok(())
}

pub(super) fn busy(id: &WindowId) -> WindowError {
    crate::error::Refusal::unavailable(format!("window {id} is being changed by somebody else: try again"))
        .into()
}

/// Sets and removes tags of a window.
pub async fn change_tags(
    house: &House,
    id: &WindowId,
    set: &Tags,
    remove: &[String],
) -> Result<Tags, WindowError> {
    for _ in 0..COMMIT_ATTEMPTS {
        let mut row = row(house, id).await?;
        row.value.tags.retain(|key, _| !remove.contains(key));
        check_tags(set, &row.value.tags)?;
        row.value.tags.extend(set.clone());
        let mut batch = Batch::new();
        WINDOW.replace(&mut batch, &row)?;
        match house.store.commit(batch).await {
            Ok(_) => return Ok(row.value.tags),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(busy(id))
}

/// Deletes a window with its targets and tasks, and cancels the execution that is open. What is known of its
/// executions stays as long as that of others. Answers whether there was one.
pub async fn delete(house: &House, id: &WindowId, by: &str) -> Result<bool, WindowError> {
    for _ in 0..COMMIT_ATTEMPTS {
        let Some(row) = WINDOW.get(&*house.store, id).await? else { return Ok(false) };
        let mut batch = Batch::new();
        if let Some(open) = &row.value.open
            && let Some(mut execution) = WINDOW_EXECUTION.get(&*house.store, open).await?
            && execution.value.cancel.is_none()
        {
            execution.value.cancel = Some(Reason::WindowDeleted { by: by.to_owned() });
            WINDOW_EXECUTION.replace(&mut batch, &execution)?;
        }
        for (target, _) in super::targets::all(house, id).await? {
            WINDOW_TARGET.delete(&mut batch, &(id.clone(), target));
        }
        for (task, _) in super::tasks::all(house, id).await? {
            WINDOW_TASK.delete(&mut batch, &(id.clone(), task));
        }
        move_due(&mut batch, id, row.value.next, None)?;
        WINDOW.delete_at(&mut batch, id, row.revision);
        match house.store.commit(batch).await {
            Ok(_) => return Ok(true),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(busy(id))
}
