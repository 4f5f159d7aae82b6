//! What is kept of windows, of what is registered with them, and of what became of each occurrence.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::CommandId;
use fleetwright_schedule::{Expression, Schedule, Zone};
use serde::{Deserialize, Serialize};

use super::ids::{ExecutionId, InvocationId, TargetId, TaskId, TaskRunId, WindowId};
use crate::commands::limits::Limit;
use crate::nodes::records::Tags;
use crate::nodes::targets::Selector;
use crate::records::json_record;

/// A window. Every change of the window, of its targets and of its tasks writes this row, so that two changes at once
/// cannot both succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowRecord {
    pub name: String,
    pub description: String,
    pub enabled: bool,
    /// As it was written; it was checked.
    pub schedule: String,
    /// None: UTC.
    pub timezone: Option<String>,
    pub offset_days: Option<u32>,
    pub start: Option<Date>,
    pub end: Option<Date>,
    pub duration_hours: u32,
    pub cutoff_hours: u32,
    /// How late an occurrence may start. None: until its cut-off.
    pub grace_minutes: Option<u32>,
    pub allow_unassociated_targets: bool,
    /// Names of calendars; while one of them is closed nothing is started.
    pub calendars: Vec<String>,
    pub tags: Tags,
    pub created: Timestamp,
    pub created_by: String,
    pub modified: Timestamp,
    /// From when a `rate()` without a start date counts.
    pub anchor: Timestamp,
    /// When it is due next; its row in the index of what is due is of the same commit.
    pub next: Option<Timestamp>,
    /// The occurrence that has not ended.
    pub open: Option<ExecutionId>,
}
json_record!(WindowRecord, 1);

/// A start or end date: as it was written, and what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Date {
    pub text: String,
    pub at: Timestamp,
}

impl WindowRecord {
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_secs(u64::from(self.duration_hours) * 3600)
    }

    /// How long after its start no task is started any more.
    #[must_use]
    pub fn open_for(&self) -> Duration {
        Duration::from_secs(u64::from(self.duration_hours.saturating_sub(self.cutoff_hours)) * 3600)
    }

    /// How late an occurrence may start.
    #[must_use]
    pub fn grace(&self) -> Duration {
        let cutoff = self.open_for();
        self.grace_minutes.map_or(cutoff, |minutes| cutoff.min(Duration::from_secs(u64::from(minutes) * 60)))
    }

    #[must_use]
    pub fn zone(&self) -> Zone {
        self.timezone.as_deref().and_then(|name| name.parse().ok()).unwrap_or_default()
    }

    /// The schedule. None when this release cannot read what an other one wrote.
    #[must_use]
    pub fn schedule(&self) -> Option<Schedule> {
        let expression: Expression = self.schedule.parse().ok()?;
        let schedule = Schedule::new(expression, instant(self.anchor)?).in_zone(self.zone());
        let schedule = match self.offset_days {
            Some(days) => schedule.put_off(days).ok()?,
            None => schedule,
        };
        let moment = |date: &Option<Date>| date.as_ref().and_then(|date| instant(date.at));
        schedule.active(moment(&self.start), moment(&self.end)).ok()
    }

    /// The first occurrence after a moment.
    #[must_use]
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let next = self.schedule()?.next_after(instant(moment)?)?;
        Some(Timestamp::from_millis(next.timestamp_millis()))
    }
}

pub(crate) fn instant(moment: Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(moment.millis())
}

/// What a registered target is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResourceType {
    #[serde(rename = "INSTANCE")]
    Instance,
    #[serde(rename = "RESOURCE_GROUP")]
    ResourceGroup,
}

impl ResourceType {
    /// SSM's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Instance => "INSTANCE",
            Self::ResourceGroup => "RESOURCE_GROUP",
        }
    }
}

/// Targets that were registered with a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetRecord {
    pub resource_type: ResourceType,
    pub targets: Vec<Selector>,
    pub owner_information: String,
    pub name: String,
    pub description: String,
    pub created: Timestamp,
}
json_record!(TargetRecord, 1);

/// A task that was registered with a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    pub name: String,
    pub description: String,
    /// A document's name or ARN.
    pub document: String,
    pub work: Work,
    pub targets: TaskTargets,
    /// Lower first; equal ones together.
    pub priority: u32,
    /// As it was written. None for a task without targets.
    pub max_concurrency: Option<Limit>,
    pub max_errors: Option<Limit>,
    pub cutoff: Cutoff,
    /// Runs only if another task of the window ended so.
    pub after: Option<After>,
    pub service_role: String,
    /// What SSM keeps for its callers and has no meaning here: deprecated parameters, logging, alarms, as JSON.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<String, serde_json::Value>,
    pub created: Timestamp,
    /// None: the controller itself, for what administrators registered before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registrar: Option<Registrar>,
}
json_record!(TaskRecord, 1);

/// Who stands for a task: the operator who registered it or was the last to change it, and when. It is done with what
/// he may do when it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registrar {
    pub name: String,
    pub at: Timestamp,
}

/// What a task does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    RunCommand(RunCommand),
    Automation { version: String, parameters: BTreeMap<String, Vec<String>> },
}

impl Work {
    /// SSM's word for the type of the task.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::RunCommand(_) => "RUN_COMMAND",
            Self::Automation { .. } => "AUTOMATION",
        }
    }

    #[must_use]
    pub fn parameters(&self) -> &BTreeMap<String, Vec<String>> {
        match self {
            Self::RunCommand(run) => &run.parameters,
            Self::Automation { parameters, .. } => parameters,
        }
    }
}

/// What a command of a task is sent with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCommand {
    /// Empty: the default version.
    pub version: String,
    pub hash: Option<TaskHash>,
    pub parameters: BTreeMap<String, Vec<String>>,
    pub comment: String,
    /// None: SSM's default.
    pub timeout_seconds: Option<u32>,
    pub notify: Option<TaskNotify>,
    /// Where SSM would put the output; kept for its callers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<String, serde_json::Value>,
}

/// The hash that the document's text must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskHash {
    pub hash_type: String,
    pub hash: String,
}

/// Who is to hear of the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskNotify {
    pub url: String,
    pub events: Vec<String>,
    pub about: String,
}

/// On what a task runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskTargets {
    /// Targets of the window, one after the other.
    Window(Vec<TargetId>),
    Nodes(Vec<String>),
    None,
}

/// What becomes of work that is still running when the window ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cutoff {
    #[default]
    #[serde(rename = "CONTINUE_TASK")]
    Continue,
    #[serde(rename = "CANCEL_TASK")]
    Cancel,
}

impl Cutoff {
    /// SSM's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Continue => "CONTINUE_TASK",
            Self::Cancel => "CANCEL_TASK",
        }
    }
}

/// A task runs only after another one ended so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    pub task: TaskId,
    pub result: Ended,
}

/// How the other task has to have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    Success,
    /// Any end that is no success.
    Failure,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Success => "succeeded",
            Self::Failure => "failed",
        })
    }
}

/// The closed set of states of an execution, a task in it and an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Pending,
    InProgress,
    Cancelling,
    Success,
    Failed,
    TimedOut,
    Cancelled,
    /// Never ran, for a reason that is no failure.
    Skipped,
}

impl State {
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::InProgress | Self::Cancelling)
    }

    /// Our word, in SSM's manner.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::InProgress => "IN_PROGRESS",
            Self::Cancelling => "CANCELLING",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Cancelled => "CANCELLED",
            Self::Skipped => "SKIPPED",
        }
    }

    /// SSM's word: it knows one kind of skipping.
    #[must_use]
    pub fn ssm_name(self, reason: &Reason) -> &'static str {
        match (self, reason) {
            (Self::Skipped, Reason::Overlapping { .. }) => "SKIPPED_OVERLAPPING",
            (Self::Skipped, _) => "CANCELLED",
            (state, _) => state.name(),
        }
    }
}

/// Why something is in its state: a closed list of codes with the values that explain them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Tasks of a lower priority number have not ended, or the task it depends on has not.
    WaitingForTurn {},
    AtWork {},
    /// Could not be sent yet; it is tried again.
    NotSentYet {
        problem: String,
    },
    Succeeded {},
    /// Nothing was registered that could run.
    NoTasks {},
    /// The execution before it had not ended.
    Overlapping {
        execution: ExecutionId,
    },
    /// Noticed later than its grace allows, by a controller that was started at `started`.
    Missed {
        noticed: Timestamp,
        started: Timestamp,
        grace_minutes: u64,
    },
    /// A calendar said that nothing may be started.
    Blackout {
        calendar: String,
    },
    /// A calendar could not be read, and nobody can say that it is open.
    NoCalendar {
        calendar: String,
        problem: String,
    },
    /// The other task did not end as it would have had to.
    ConditionNotMet {
        task: TaskId,
        wanted: Ended,
        found: State,
    },
    ConditionMissing {
        task: TaskId,
    },
    AfterCutoff {
        cutoff: Timestamp,
    },
    /// The window ended and the task asked to be cancelled then.
    EndOfWindow {
        end: Timestamp,
    },
    /// The command ended so.
    Command {
        details: String,
        text: String,
    },
    /// The command could not be sent.
    Refused {
        problem: String,
    },
    /// Whoever stands for the task may not do any more what it does.
    NotAllowed {
        registrar: String,
        problem: String,
    },
    CommandGone {},
    TargetGone {
        target: TargetId,
    },
    NoAutomation {},
    ErrorLimit {},
    Cancelled {
        by: String,
    },
    WindowDeleted {
        by: String,
    },
    /// What it is made of ended so.
    Parts {
        failed: u32,
        timed_out: u32,
        cancelled: u32,
        skipped: u32,
    },
}

impl Reason {
    /// The code and the values, for programs. The stored form is `{"Code": {"value": …}}`: one source for both.
    #[must_use]
    pub fn parts(&self) -> (String, Vec<(String, String)>) {
        let stored = serde_json::to_value(self).unwrap_or_default();
        let Some((code, values)) = stored.as_object().and_then(|object| object.iter().next()) else {
            return (String::new(), Vec::new());
        };
        let texts = values.as_object().into_iter().flatten().map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), text)
        });
        (code.clone(), texts.collect())
    }

    /// One line for people.
    #[must_use]
    pub fn text(&self) -> String {
        use crate::records::rfc3339;
        match self {
            Self::WaitingForTurn {} => "waits for the tasks before it".into(),
            Self::AtWork {} => "at work".into(),
            Self::NotSentYet { problem } => format!("not sent yet, tried again: {problem}"),
            Self::Succeeded {} => "succeeded".into(),
            Self::NoTasks {} => "the window had no task".into(),
            Self::Overlapping { execution } => format!("execution {execution} had not ended"),
            Self::Missed { noticed, started, grace_minutes } => format!(
                "missed: noticed at {}, later than its grace of {grace_minutes} minutes; the controller was started \
                 at {}",
                rfc3339(*noticed),
                rfc3339(*started)
            ),
            Self::Blackout { calendar } => format!("calendar {calendar} was closed"),
            Self::NoCalendar { calendar, problem } => {
                format!("calendar {calendar} could not be read, so that it may be closed: {problem}")
            }
            Self::ConditionNotMet { task, wanted, found } => {
                format!("it was to run if task {task} {wanted}, and that one ended {}", found.name())
            }
            Self::ConditionMissing { task } => {
                format!("it was to run after task {task}, which the window has not")
            }
            Self::AfterCutoff { cutoff } => format!("not started by the cut-off at {}", rfc3339(*cutoff)),
            Self::EndOfWindow { end } => format!("cancelled at the end of the window, {}", rfc3339(*end)),
            Self::Command { details, text } => format!("{details}: {text}"),
            Self::Refused { problem } => problem.clone(),
            Self::NotAllowed { registrar, problem } => {
                format!("operator {registrar}, who registered the task, may not do this now: {problem}")
            }
            Self::CommandGone {} => "its command is not kept any more".into(),
            Self::TargetGone { target } => {
                format!("target {target} is not registered with the window any more")
            }
            Self::NoAutomation {} => "this controller has no automation engine, and ran nothing".into(),
            Self::ErrorLimit {} => "not started: too many errors on the targets before it".into(),
            Self::Cancelled { by } => format!("cancelled by {by}"),
            Self::WindowDeleted { by } => format!("the window was deleted by {by}"),
            Self::Parts { failed, timed_out, cancelled, skipped } => {
                let parts = [
                    (failed, "failed"),
                    (timed_out, "timed out"),
                    (cancelled, "cancelled"),
                    (skipped, "skipped"),
                ];
                let told: Vec<_> = parts
                    .iter()
                    .filter(|(count, _)| **count > 0)
                    .map(|(count, what)| format!("{count} {what}"))
                    .collect();
                told.join(", ")
            }
        }
    }
}

/// One occurrence of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionRecord {
    pub window: WindowId,
    pub window_name: String,
    /// When it was due.
    pub scheduled: Timestamp,
    /// When it was started, or recorded as not started.
    pub started: Timestamp,
    pub cutoff: Timestamp,
    pub end: Timestamp,
    pub calendars: Vec<String>,
    pub state: State,
    pub reason: Reason,
    pub finished: Option<Timestamp>,
    /// In the order in which they run.
    pub tasks: Vec<TaskRunId>,
    pub cancel: Option<Reason>,
}
json_record!(ExecutionRecord, 1);

/// A task in an occurrence, as it was when the window opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRunRecord {
    pub task_id: TaskId,
    pub task: TaskRecord,
    pub state: State,
    pub reason: Reason,
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
    pub invocations: Vec<InvocationRecord>,
}
json_record!(TaskRunRecord, 1);

/// A task in an occurrence on one of its targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvocationRecord {
    pub id: InvocationId,
    /// None: the task names its nodes itself.
    pub target: Option<TargetId>,
    /// None: the task names its nodes itself, or the target was gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_type: Option<ResourceType>,
    pub owner_information: String,
    pub command: Option<CommandId>,
    pub state: State,
    pub reason: Reason,
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
}

/// What a client's token made, and of which request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowTokenRecord {
    pub made: String,
    /// SHA-256 of the request.
    pub request: String,
    pub at: Timestamp,
}
json_record!(WindowTokenRecord, 1);
