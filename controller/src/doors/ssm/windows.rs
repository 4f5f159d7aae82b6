//! Maintenance windows, their targets and when they open, in the API's shapes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::views::{Identity, Registered, Shown, TargetView, WindowView};
use super::call::{Answer, Call, Tag, answer};
use super::fault::Fault;
use super::tags;
use crate::calendars::{self, CalendarError};
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::records::NodeRecord;
use crate::nodes::targets::{self as selectors, Selector};
use crate::nodes::{groups, operations as nodes};
use crate::windows::check;
use crate::windows::fault::{Fault as WindowFault, WindowError};
use crate::windows::ids::{TargetId, WindowId};
use crate::windows::operations::{self, Change, NewWindow, WindowWish};
use crate::windows::records::{ResourceType, WindowRecord, instant};
use crate::windows::targets::{self, NewTarget, Safety, TargetWish};

mod executions;
mod shapes;
mod tasks;
mod views;

pub(super) use executions::{
    cancel_execution, execution, execution_task, execution_tasks, executions, invocation, invocations,
};
pub(super) use shapes::{
    CALENDAR_STATE, CREATE, DEREGISTER_TARGET, EXECUTION, FOR_TARGET, INVOCATION, LIST, OF_EXECUTION,
    OF_TASK_RUN, OF_WINDOW, REGISTER_TARGET, REGISTER_TASK, SCHEDULED, TASK, TASK_RUN, UPDATE, UPDATE_TARGET,
    UPDATE_TASK, WINDOW,
};
pub(super) use tasks::{deregister_task, register_task, task, tasks, update_task};

/// The page of lists that do not say how much they want.
const PAGE: usize = 50;
/// Windows read at once.
const WINDOWS_AT_ONCE: usize = 500;
/// Occurrences told of one question, over all its pages: a schedule has no end, and whoever reads all pages wants one.
const SCHEDULED_MAX: usize = 500;

impl From<WindowError> for Fault {
    fn from(error: WindowError) -> Self {
        match error.fault.name() {
            Some(name) => Self::new(name, error.message),
            None => Refusal::from(error).into(),
        }
    }
}

impl From<CalendarError> for Fault {
    fn from(error: CalendarError) -> Self {
        match error.kind.name() {
            Some(name) => Self::new(name, error.message),
            None => Refusal::from(error).into(),
        }
    }
}

/// An id whose form was checked; one of another form names nothing.
fn id<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Fault> {
    text.parse().map_err(|error: T::Err| Fault::validation(error.to_string()))
}

/// A target as the API has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Target {
    #[serde(default)]
    key: String,
    #[serde(default)]
    values: Vec<String>,
}

fn pairs(targets: Vec<Target>) -> Vec<(String, Vec<String>)> {
    targets.into_iter().map(|target| (target.key, target.values)).collect()
}

/// A filter as the API has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    #[serde(default)]
    key: String,
    #[serde(default)]
    values: Vec<String>,
}

/// Refuses filters of keys that the operation does not know.
fn known(filters: &[Filter], keys: &[&str]) -> Result<(), Fault> {
    match filters.iter().find(|filter| !keys.contains(&filter.key.as_str())) {
        None => Ok(()),
        Some(filter) => Err(Fault::validation(format!(
            "`{}` is not a filter of this operation: {}",
            filter.key.chars().take(80).collect::<String>().escape_debug(),
            keys.join(", ")
        ))),
    }
}

/// Whether each filter of this key takes the text.
fn takes(filters: &[Filter], key: &str, text: &str) -> bool {
    filters
        .iter()
        .filter(|filter| filter.key == key)
        .all(|filter| filter.values.iter().any(|value| value == text))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Settings {
    window_id: Option<String>,
    name: Option<String>,
    description: Option<String>,
    start_date: Option<String>,
    end_date: Option<String>,
    schedule: Option<String>,
    schedule_timezone: Option<String>,
    schedule_offset: Option<u32>,
    duration: Option<u32>,
    cutoff: Option<u32>,
    allow_unassociated_targets: Option<bool>,
    enabled: Option<bool>,
    replace: Option<bool>,
    client_token: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

impl Settings {
    fn wish(self) -> WindowWish {
        WindowWish {
            name: self.name,
            description: self.description,
            schedule: self.schedule,
            timezone: self.schedule_timezone,
            offset_days: self.schedule_offset,
            start: self.start_date,
            end: self.end_date,
            duration_hours: self.duration,
            cutoff_hours: self.cutoff,
            allow_unassociated_targets: self.allow_unassociated_targets,
            enabled: self.enabled,
            ..WindowWish::default()
        }
    }

    fn change(&self) -> Change {
        if self.replace == Some(true) { Change::Replace } else { Change::Keep }
    }
}

pub(super) async fn create(call: Call<'_>, input: Value) -> Answer {
    let mut settings: Settings = Call::read(input)?;
    let new = NewWindow {
        tags: tags::set(std::mem::take(&mut settings.tags))?,
        client_token: settings.client_token.take().unwrap_or_default(),
        created_by: call.by(),
        wish: settings.wish(),
    };
    let id = operations::create(call.house, new).await?;
    answer(&Registered { window_id: Some(id.to_string()), ..Registered::default() })
}

pub(super) async fn get(call: Call<'_>, input: Value) -> Answer {
    let id = window_id(input)?;
    let record = operations::get(call.house, &id).await?;
    answer(&WindowView::of(&id, &record, Shown::Whole))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfWindow {
    window_id: String,
    #[serde(default)]
    filters: Vec<Filter>,
}

fn window_id(input: Value) -> Result<WindowId, Fault> {
    let OfWindow { window_id, .. } = Call::read(input)?;
    id(&window_id)
}

pub(super) async fn update(call: Call<'_>, input: Value) -> Answer {
    let settings: Settings = Call::read(input)?;
    let id = id(settings.window_id.as_deref().unwrap_or_default())?;
    let change = settings.change();
    let record = operations::update(call.house, &id, settings.wish(), change).await?;
    answer(&WindowView::of(&id, &record, Shown::Settings))
}

/// The API says nothing of a window that does not exist.
pub(super) async fn delete(call: Call<'_>, input: Value) -> Answer {
    let id = window_id(input)?;
    operations::delete(call.house, &id, &call.by()).await?;
    answer(&Registered { window_id: Some(id.to_string()), ..Registered::default() })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filtered {
    #[serde(default)]
    filters: Vec<Filter>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Windows {
    window_identities: Vec<Identity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) async fn list(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, PAGE);
    let Filtered { filters } = Call::read(input)?;
    known(&filters, &["Name", "Enabled"])?;
    let passes = |window: &WindowRecord| {
        takes(&filters, "Name", &window.name)
            && filters.iter().filter(|filter| filter.key == "Enabled").all(|filter| {
                filter.values.iter().any(|value| value.eq_ignore_ascii_case(&window.enabled.to_string()))
            })
    };
    let (found, next) = operations::list(call.house, passes, page.after()?, page.size).await?;
    let window_identities = found.iter().map(|(id, record)| Identity::of(id, record)).collect();
    answer(&Windows { window_identities, next_token: page.token(next) })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Targeted {
    window_id: Option<String>,
    #[serde(default)]
    targets: Vec<Target>,
    #[serde(default)]
    filters: Vec<Filter>,
}

/// The windows that have a target which takes one of the nodes that are asked about, or names what is asked about.
async fn windows_for(call: &Call<'_>, targets: Vec<Target>) -> Result<Vec<(WindowId, WindowRecord)>, Fault> {
    let asked = check::selectors(pairs(targets))?;
    // Whoever asks about what is not there asks about nobody.
    let wanted = nodes::matching(call.house, &asked).await.unwrap_or_default();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = operations::list(call.house, |_| true, after, WINDOWS_AT_ONCE).await?;
        for (id, record) in page {
            if takes_one_of(call.house, &id, &asked, &wanted).await? {
                found.push((id, record));
            }
        }
        if next.is_none() {
            return Ok(found);
        }
        after = next;
    }
}

async fn takes_one_of(
    house: &House,
    window: &WindowId,
    asked: &[Selector],
    wanted: &[(NodeId, NodeRecord)],
) -> Result<bool, Fault> {
    for (_, target) in targets::all(house, window).await? {
        if target.targets.iter().any(|selector| asked.contains(selector)) {
            return Ok(true);
        }
        // A target that names a group which is not there takes nobody.
        let Ok(groups) = groups::named(house, &target.targets).await else { continue };
        if wanted.iter().any(|(id, node)| selectors::matches(&target.targets, &groups, id, node)) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ForTarget {
    window_identities: Vec<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    window_id: String,
    name: String,
}

pub(super) async fn for_target(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, PAGE);
    let Targeted { targets, .. } = Call::read(input)?;
    let after: Option<WindowId> = page.after()?;
    let mut found = windows_for(&call, targets).await?;
    found.retain(|(id, _)| after.as_ref().is_none_or(|after| id > after));
    let next =
        (found.len() > page.size).then(|| found.get(page.size - 1).map(|(id, _)| id.clone())).flatten();
    found.truncate(page.size);
    let named = found.into_iter().map(|(id, record)| Named { window_id: id.into(), name: record.name });
    answer(&ForTarget { window_identities: named.collect(), next_token: page.token(next) })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Schedule {
    scheduled_window_executions: Vec<Scheduled>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Scheduled {
    window_id: String,
    name: String,
    execution_time: String,
}

/// Where the next page of a schedule goes on: behind this occurrence, after so many.
type ScheduledAfter = (Timestamp, WindowId, usize);

/// When windows open, the earliest first: of one window, of those of a target, or of all.
pub(super) async fn schedule(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, PAGE);
    let Targeted { window_id, targets, filters } = Call::read(input)?;
    known(&filters, &["ScheduledBefore", "ScheduledAfter"])?;
    let (before, not_before) = (bound(&filters, "ScheduledBefore")?, bound(&filters, "ScheduledAfter")?);
    let windows = match (window_id, targets.is_empty()) {
        (Some(text), _) => {
            let id = id(&text)?;
            let record = operations::get(call.house, &id).await?;
            vec![(id, record)]
        }
        (None, false) => windows_for(&call, targets).await?,
        (None, true) => operations::list(call.house, |_| true, None, operations::WINDOWS_MAX).await?.0,
    };
    let after: Option<ScheduledAfter> = page.after()?;
    let told = after.as_ref().map_or(0, |(_, _, told)| *told);
    let now = call.house.clock.now();
    let from = after.as_ref().map_or_else(|| not_before.unwrap_or(now).max(now), |(at, ..)| *at);
    // The next occurrence of each window, the earliest on top.
    let mut next = BinaryHeap::new();
    for (place, (id, record)) in windows.iter().enumerate().filter(|(_, (_, record))| record.enabled) {
        // What the last page ended with may stand at the moment from which this one starts.
        let mut at = record.next_after(Timestamp::from_millis(from.millis() - 1));
        if let (Some((last, last_id, _)), Some(first)) = (&after, at)
            && (first, id) <= (*last, last_id)
        {
            at = record.next_after(first);
        }
        next.extend(at.map(|at| Reverse((at, id, place))));
    }
    let size = page.size.min(SCHEDULED_MAX - told.min(SCHEDULED_MAX));
    let (mut found, mut last) = (Vec::new(), None);
    while let Some(Reverse((at, id, place))) = next.pop() {
        let record = &windows[place].1;
        if before.is_some_and(|before| at >= before) {
            break;
        }
        if found.len() >= size {
            last = last.filter(|(_, _, told)| *told < SCHEDULED_MAX);
            return answer(&Schedule { scheduled_window_executions: found, next_token: page.token(last) });
        }
        found.push(Scheduled {
            window_id: id.to_string(),
            name: record.name.clone(),
            execution_time: views::moment(record, at),
        });
        last = Some((at, id.clone(), told + found.len()));
        next.extend(record.next_after(at).map(|at| Reverse((at, id, place))));
    }
    answer(&Schedule { scheduled_window_executions: found, next_token: None })
}

/// The moment that a filter gives.
fn bound(filters: &[Filter], key: &str) -> Result<Option<Timestamp>, Fault> {
    let said = filters.iter().find(|filter| filter.key == key).and_then(|filter| filter.values.first());
    Ok(said.map(|text| check::date(key, text)).transpose()?.map(|date| date.at))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TargetSettings {
    window_id: String,
    window_target_id: Option<String>,
    resource_type: Option<ResourceType>,
    targets: Option<Vec<Target>>,
    owner_information: Option<String>,
    name: Option<String>,
    description: Option<String>,
    client_token: Option<String>,
    replace: Option<bool>,
    safe: Option<bool>,
}

impl TargetSettings {
    fn wish(&mut self) -> TargetWish {
        TargetWish {
            targets: self.targets.take().map(pairs),
            owner_information: self.owner_information.take(),
            name: self.name.take(),
            description: self.description.take(),
        }
    }

    fn target(&self) -> Result<TargetId, Fault> {
        id(self.window_target_id.as_deref().unwrap_or_default())
    }
}

pub(super) async fn register_target(call: Call<'_>, input: Value) -> Answer {
    let mut settings: TargetSettings = Call::read(input)?;
    let new = NewTarget {
        window: id(&settings.window_id)?,
        resource_type: settings.resource_type,
        wish: settings.wish(),
        client_token: settings.client_token.unwrap_or_default(),
    };
    let id = targets::register(call.house, new).await?;
    answer(&Registered { window_target_id: Some(id.to_string()), ..Registered::default() })
}

pub(super) async fn update_target(call: Call<'_>, input: Value) -> Answer {
    let mut settings: TargetSettings = Call::read(input)?;
    let (window, target) = (id(&settings.window_id)?, settings.target()?);
    let change = if settings.replace == Some(true) { Change::Replace } else { Change::Keep };
    let wish = settings.wish();
    let record = targets::update(call.house, &window, &target, wish, change, Some(&call.caller)).await?;
    answer(&TargetView::of(&window, &target, &record, Shown::Settings))
}

pub(super) async fn deregister_target(call: Call<'_>, input: Value) -> Answer {
    let settings: TargetSettings = Call::read(input)?;
    let (window, target) = (id(&settings.window_id)?, settings.target()?);
    let safety = if settings.safe == Some(true) { Safety::Safe } else { Safety::Unsafe };
    targets::deregister(call.house, &window, &target, safety).await?;
    answer(&Registered {
        window_id: Some(window.to_string()),
        window_target_id: Some(target.to_string()),
        ..Registered::default()
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Targets {
    targets: Vec<TargetView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) async fn targets(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, PAGE);
    let OfWindow { window_id, filters } = Call::read(input)?;
    known(&filters, &["Type", "WindowTargetId", "OwnerInformation"])?;
    let window: WindowId = id(&window_id)?;
    operations::get(call.house, &window).await?;
    let after: Option<TargetId> = page.after()?;
    let all = targets::all(call.house, &window).await?.into_iter().filter(|(id, record)| {
        after.as_ref().is_none_or(|after| id > after)
            && takes(&filters, "Type", record.resource_type.name())
            && takes(&filters, "WindowTargetId", id.as_str())
            && takes(&filters, "OwnerInformation", &record.owner_information)
    });
    let (found, next) = one_page(all, page.size, |(id, _)| id.clone());
    let targets =
        found.iter().map(|(id, record)| TargetView::of(&window, id, record, Shown::Whole)).collect();
    answer(&Targets { targets, next_token: page.token(next) })
}

/// The first rows, and the key of the last of them when there are more.
fn one_page<T, K>(rows: impl Iterator<Item = T>, size: usize, key: impl Fn(&T) -> K) -> (Vec<T>, Option<K>) {
    let mut found: Vec<_> = rows.take(size + 1).collect();
    let more = found.len() > size;
    found.truncate(size);
    let next = if more { found.last().map(key) } else { None };
    (found, next)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CalendarQuestion {
    calendar_names: Vec<String>,
    at_time: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CalendarState {
    state: &'static str,
    at_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_transition_time: Option<String>,
}

pub(super) async fn calendar_state(call: Call<'_>, input: Value) -> Answer {
    let CalendarQuestion { calendar_names, at_time } = Call::read(input)?;
    let at = match at_time.as_deref() {
        None | Some("") => call.house.clock.now(),
        Some(text) => check::date("AtTime", text)?.at,
    };
    let state = calendars::state(call.house, &calendar_names, at).await?;
    let shown = |moment: Timestamp| {
        let form =
            |moment: chrono::DateTime<chrono::Utc>| moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        instant(moment).map(form).unwrap_or_default()
    };
    answer(&CalendarState {
        state: if state.open { "OPEN" } else { "CLOSED" },
        at_time: shown(state.at),
        next_transition_time: state.next_transition.map(shown),
    })
}

/// What the API does not have here.
fn not_available(message: String) -> Fault {
    WindowError { fault: WindowFault::FeatureNotAvailable, message }.into()
}
