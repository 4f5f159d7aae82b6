//! One execution carried on: its records are read, [`plan`] says what to do, and that is done. Whatever is killed
//! when, the next look at the records goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::CommandId;
use fleetwright_store::{Batch, CommitError, Row};

use super::fault::WindowError;
use super::ids::{ExecutionId, InvocationId, TaskRunId};
use super::plan::{self, CommandEnd, Facts, Move};
use super::pseudo::{self, Values};
use super::records::{
    ExecutionRecord, InvocationRecord, Reason, ResourceType, RunCommand, State, TaskRecord, TaskRunRecord,
    TaskTargets, Work,
};
use super::rights;
use crate::calendars;
use crate::commands::cancel;
use crate::commands::operations::{self as commands, Status};
use crate::commands::records::CommandRecord;
use crate::commands::send::{self, DocumentHash, NotifyWish, Wanted, WhenEmpty, Wish};
use crate::commands::tally::Verdict;
use crate::documents::kinds::HashType;
use crate::error::{Kind, Refusal};
use crate::house::House;
use crate::lease::Term;
use crate::tables::{
    COMMAND, COMMAND_TOKEN, WINDOW, WINDOW_EXECUTION, WINDOW_EXECUTION_OPEN, WINDOW_TARGET, WINDOW_TASK_RUN,
};

/// When a command that could not be sent is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How often a command is sent anew of which a crash left only half written, and nothing sent.
const SENDS_MAX: usize = 16;

type TaskRunRow = Row<(ExecutionId, TaskRunId), TaskRunRecord>;

/// An execution as it was read.
struct Found {
    execution: Row<ExecutionId, ExecutionRecord>,
    tasks: Vec<TaskRunRow>,
    ended: BTreeMap<CommandId, CommandEnd>,
    closed: Option<Reason>,
}

/// What an execution waits for.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// It has ended.
    pub(super) over: bool,
    pub(super) until: Option<Timestamp>,
    pub(super) commands: BTreeSet<CommandId>,
}

/// Carries an execution on as far as it goes now.
pub(super) async fn advance(house: &House, term: &Term, id: &ExecutionId) -> Result<Waiting, WindowError> {
    let mut held_back = BTreeSet::new();
    loop {
        let Some(found) = load(house, id).await? else {
            return Ok(Waiting { over: true, ..Waiting::default() });
        };
        let now = house.clock.now();
        let tasks: Vec<_> = found.tasks.iter().map(|row| (row.key.1.clone(), row.value.clone())).collect();
        let facts = Facts {
            now,
            execution: &found.execution.value,
            tasks: &tasks,
            ended: &found.ended,
            closed: found.closed.as_ref(),
            held_back: &held_back,
        };
        let moves = plan::next(&facts);
        if moves.is_empty() {
            return Ok(waiting(&found, now, !held_back.is_empty()));
        }
        apply(house, term, found, moves, &mut held_back).await?;
    }
}

fn waiting(found: &Found, now: Timestamp, retry: bool) -> Waiting {
    let execution = &found.execution.value;
    let invocations = found.tasks.iter().flat_map(|row| &row.value.invocations);
    let open = invocations.filter(|one| !one.state.is_final());
    let look = plan::next_look(execution, now);
    let retry = retry.then(|| now.plus(RETRY_AFTER));
    Waiting {
        over: execution.state.is_final(),
        until: look.into_iter().chain(retry).min(),
        commands: open.filter_map(|one| one.command.clone()).collect(),
    }
}

async fn load(house: &House, id: &ExecutionId) -> Result<Option<Found>, WindowError> {
    let Some(execution) = WINDOW_EXECUTION.get(&*house.store, id).await? else { return Ok(None) };
    let (mut tasks, mut ended) = (Vec::new(), BTreeMap::new());
    for run in &execution.value.tasks {
        tasks.extend(WINDOW_TASK_RUN.get(&*house.store, &(id.clone(), run.clone())).await?);
    }
    for one in tasks.iter().flat_map(|row: &TaskRunRow| &row.value.invocations) {
        if let Some(command) = &one.command
            && let Some(end) = command_end(house, command).await?
        {
            ended.insert(command.clone(), end);
        }
    }
    let closed = if execution.value.state.is_final() {
        None
    } else {
        closed(house, &execution.value.calendars, house.clock.now()).await
    };
    Ok(Some(Found { execution, tasks, ended, closed }))
}

/// Why nothing may be started at that moment. A calendar that cannot be read may be closed.
pub(super) async fn closed(house: &House, names: &[String], at: Timestamp) -> Option<Reason> {
    for name in names {
        match calendars::get(house, name).await {
            Ok(calendar) if calendar.is_open(at) => {}
            Ok(_) => return Some(Reason::Blackout { calendar: name.clone() }),
            Err(error) => {
                return Some(Reason::NoCalendar { calendar: name.clone(), problem: error.message });
            }
        }
    }
    None
}

async fn command_end(house: &House, id: &CommandId) -> Result<Option<CommandEnd>, WindowError> {
    let Some(row) = COMMAND.get(&*house.store, id).await? else {
        let reason = Reason::CommandGone {};
        return Ok(Some(CommandEnd { state: State::Failed, reason, over_limit: false }));
    };
    Ok(row.value.outcome.as_ref().map(|outcome| {
        let status = commands::status(&row.value, &outcome.counts);
        let state = match status {
            Status::Success => State::Success,
            Status::TimedOut => State::TimedOut,
            Status::Cancelled => State::Cancelled,
            _ => State::Failed,
        };
        let details = commands::status_details(&row.value, status).to_owned();
        let reason = match state {
            State::Success => Reason::Succeeded {},
            _ => Reason::Command { details, text: outcome.verdict.text() },
        };
        let over_limit = matches!(
            outcome.verdict,
            Verdict::Failed { errors, limit } | Verdict::ExecutionTimedOut { errors, limit } if errors > limit
        );
        CommandEnd { state, reason, over_limit }
    }))
}

/// Makes the moves; one that meets a conflict is decided anew from what is there then.
async fn apply(
    house: &House,
    term: &Term,
    mut found: Found,
    moves: Vec<Move>,
    held_back: &mut BTreeSet<(usize, usize)>,
) -> Result<(), WindowError> {
    let now = house.clock.now();
    let mut changed = BTreeSet::new();
    for step in moves {
        match step {
            Move::StartTask(at) => {
                let row = &mut found.tasks[at];
                lay_out(house, &found.execution.value, row, now).await?;
                changed.insert(at);
            }
            Move::EndTask(at, state, reason) => {
                let run = &mut found.tasks[at].value;
                (run.state, run.reason, run.finished) = (state, reason, Some(now));
                changed.insert(at);
            }
            Move::EndInvocation(at, place, state, reason) => {
                end(&mut found.tasks[at].value.invocations[place], state, reason, now);
                changed.insert(at);
            }
            Move::DropInvocation(at, place, state, reason) => {
                let one = &mut found.tasks[at].value.invocations[place];
                match sent_already(house, &one.id).await? {
                    Some((command, record)) => adopt(one, command, record.requested),
                    None => end(one, state, reason, now),
                }
                changed.insert(at);
            }
            Move::CancelInvocation(at, place) => {
                let execution = &found.execution.value;
                let one = &mut found.tasks[at].value.invocations[place];
                if let Some(command) = &one.command {
                    cancel::cancel(house, command, &[], &canceller(execution)).await?;
                }
                one.state = State::Cancelling;
                one.reason = execution.cancel.clone().unwrap_or(Reason::EndOfWindow { end: execution.end });
                found.tasks[at].value.state = State::Cancelling;
                changed.insert(at);
            }
            Move::Send(at, place) => {
                if !begin(house, &found.execution, &mut found.tasks[at], place, now).await? {
                    held_back.insert((at, place));
                }
                changed.insert(at);
            }
            Move::EndExecution(state, reason) => {
                return finish(house, term, found.execution, state, reason).await;
            }
        }
    }
    write(house, term, found.tasks, &changed).await
}

fn canceller(execution: &ExecutionRecord) -> String {
    match &execution.cancel {
        Some(Reason::Cancelled { by } | Reason::WindowDeleted { by }) => by.clone(),
        _ => format!("window {}", execution.window),
    }
}

fn end(one: &mut InvocationRecord, state: State, reason: Reason, now: Timestamp) {
    (one.state, one.reason, one.finished) = (state, reason, Some(now));
}

fn adopt(one: &mut InvocationRecord, command: CommandId, started: Timestamp) {
    (one.command, one.state, one.reason) = (Some(command), State::InProgress, Reason::AtWork {});
    one.started = Some(started);
}

async fn write(
    house: &House,
    term: &Term,
    tasks: Vec<TaskRunRow>,
    changed: &BTreeSet<usize>,
) -> Result<(), WindowError> {
    for row in changed.iter().filter_map(|at| tasks.get(*at)) {
        let mut batch = Batch::new();
        term.require(&mut batch);
        WINDOW_TASK_RUN.replace(&mut batch, row)?;
        match house.store.commit(batch).await {
            Ok(_) => {}
            Err(CommitError::Conflict { .. }) => return Err(superseded()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The lease is gone, or the row was changed: whoever holds the lease decides from the rows.
fn superseded() -> WindowError {
    Refusal::conflict("the execution was changed meanwhile, or another controller carries it on").into()
}

async fn lay_out(
    house: &House,
    execution: &ExecutionRecord,
    row: &mut TaskRunRow,
    now: Timestamp,
) -> Result<(), WindowError> {
    let targets: Vec<_> = match &row.value.task.targets {
        TaskTargets::Window(ids) => ids.iter().cloned().map(Some).collect(),
        TaskTargets::Nodes(_) | TaskTargets::None => vec![None],
    };
    let mut invocations = Vec::with_capacity(targets.len());
    for (place, target) in targets.into_iter().enumerate() {
        let known = match &target {
            Some(id) => {
                let row = WINDOW_TARGET.get(&*house.store, &(execution.window.clone(), id.clone())).await?;
                row.map(|row| row.value)
            }
            None => None,
        };
        invocations.push(InvocationRecord {
            id: InvocationId::of(&row.key.1, place),
            target,
            target_type: known.as_ref().map(|target| target.resource_type),
            owner_information: known.map(|target| target.owner_information).unwrap_or_default(),
            command: None,
            state: State::Pending,
            reason: Reason::WaitingForTurn {},
            started: None,
            finished: None,
        });
    }
    let run = &mut row.value;
    (run.state, run.reason, run.started) = (State::InProgress, Reason::AtWork {}, Some(now));
    run.invocations = invocations;
    Ok(())
}

/// The token under which an invocation's command is sent: the same one whoever sends it.
fn token(id: &InvocationId, send: usize) -> String {
    if send == 0 { id.to_string() } else { format!("{id}-{send}") }
}

/// The command of an invocation that was sent, also when nobody had the time to note it. A half-written one counts as
/// not sent: nothing of it was.
async fn sent_already(
    house: &House,
    id: &InvocationId,
) -> Result<Option<(CommandId, CommandRecord)>, WindowError> {
    Ok(find_sent(house, id).await?.ok())
}

/// The command that was sent, or under which number to send it.
async fn find_sent(
    house: &House,
    id: &InvocationId,
) -> Result<Result<(CommandId, CommandRecord), usize>, WindowError> {
    for send in 0..SENDS_MAX {
        let Some(row) = COMMAND_TOKEN.get(&*house.store, &token(id, send)).await? else {
            return Ok(Err(send));
        };
        let Some(command) = COMMAND.get(&*house.store, &row.value.command).await? else { continue };
        let half_written = command.value.outcome.as_ref().map(|outcome| &outcome.verdict);
        if !matches!(half_written, Some(Verdict::SendInterrupted {})) {
            return Ok(Ok((row.value.command, command.value)));
        }
    }
    Ok(Err(SENDS_MAX))
}

/// Sends an invocation's command, or ends the invocation with what is against it. False: not now.
async fn begin(
    house: &House,
    execution: &Row<ExecutionId, ExecutionRecord>,
    row: &mut TaskRunRow,
    place: usize,
    now: Timestamp,
) -> Result<bool, WindowError> {
    let one = &row.value.invocations[place];
    let send = match find_sent(house, &one.id).await? {
        Ok((command, record)) => {
            adopt(&mut row.value.invocations[place], command, record.requested);
            return Ok(true);
        }
        Err(send) => send,
    };
    let wish = wish(house, execution, row, place, token(&one.id, send)).await?;
    let sent = match wish {
        Ok(wish) => send::send(house, wish).await,
        Err(reason) => {
            end(&mut row.value.invocations[place], State::Failed, reason, now);
            return Ok(true);
        }
    };
    let one = &mut row.value.invocations[place];
    match sent {
        Ok((command, record)) => adopt(one, command, record.requested),
        Err(problem) if passes_by_itself(problem.kind) => {
            one.reason = Reason::NotSentYet { problem: problem.message };
            return Ok(false);
        }
        Err(problem) => {
            let reason = refused(&row.value.task, problem);
            end(&mut row.value.invocations[place], State::Failed, reason, now);
        }
    }
    Ok(true)
}

fn refused(task: &TaskRecord, refusal: Refusal) -> Reason {
    let problem = refusal.message;
    match &task.registrar {
        Some(registrar) if refusal.kind == Kind::Denied => {
            Reason::NotAllowed { registrar: registrar.name.clone(), problem }
        }
        _ => Reason::Refused { problem },
    }
}

fn passes_by_itself(kind: Kind) -> bool {
    matches!(kind, Kind::Unavailable | Kind::Conflict | Kind::Exhausted | Kind::TimedOut)
}

async fn wish(
    house: &House,
    execution: &Row<ExecutionId, ExecutionRecord>,
    row: &TaskRunRow,
    place: usize,
    client_token: String,
) -> Result<Result<Wish, Reason>, WindowError> {
    let one = &row.value.invocations[place];
    let task = &row.value.task;
    let Work::RunCommand(run) = &task.work else { return Ok(Err(Reason::NoAutomation {})) };
    let asked_by = match rights::acting(house, task) {
        Ok(asked_by) => asked_by,
        Err(reason) => return Ok(Err(reason)),
    };
    let (targets, target_type) = match (&one.target, &task.targets) {
        (Some(id), _) => {
            let key = (execution.value.window.clone(), id.clone());
            let Some(target) = WINDOW_TARGET.get(&*house.store, &key).await? else {
                return Ok(Err(Reason::TargetGone { target: id.clone() }));
            };
            let parts = target.value.targets.iter().map(|selector| {
                let (key, values) = selector.parts();
                (key, values.to_vec())
            });
            (parts.collect(), target.value.resource_type)
        }
        (None, TaskTargets::Nodes(names)) => {
            (vec![("InstanceIds".to_owned(), names.clone())], ResourceType::Instance)
        }
        (None, _) => (Vec::new(), ResourceType::Instance),
    };
    let values = Values {
        window: &execution.value.window,
        task: &row.value.task_id,
        target: one.target.as_ref(),
        target_type,
        execution: &execution.key,
        task_run: &row.key.1,
        invocation: &one.id,
    };
    let limit = |limit: Option<crate::commands::limits::Limit>| limit.map(|limit| limit.to_string());
    Ok(Ok(Wish {
        document: document(&task.document, run),
        parameters: pseudo::fill(&run.parameters, &values),
        targets,
        max_concurrency: limit(task.max_concurrency).unwrap_or_default(),
        max_errors: limit(task.max_errors).unwrap_or_default(),
        delivery_timeout: Duration::from_secs(run.timeout_seconds.unwrap_or(0).into()),
        comment: run.comment.clone(),
        client_token,
        requested_by: format!("window {}", execution.value.window),
        asked_by,
        when_empty: WhenEmpty::Keep,
        notify: run.notify.as_ref().map(|notify| NotifyWish {
            url: notify.url.clone(),
            events: notify.events.clone(),
            about: notify.about.clone(),
        }),
    }))
}

fn document(name: &str, run: &RunCommand) -> Wanted {
    let hash = run.hash.as_ref().and_then(|hash| {
        let hash_type = HashType::parse(&hash.hash_type).ok()?;
        Some(DocumentHash { hash_type, hash: hash.hash.clone() })
    });
    Wanted::Named { name: name.to_owned(), version: run.version.clone(), hash }
}

async fn finish(
    house: &House,
    term: &Term,
    mut execution: Row<ExecutionId, ExecutionRecord>,
    state: State,
    reason: Reason,
) -> Result<(), WindowError> {
    let id = execution.key.clone();
    execution.value.state = state;
    execution.value.reason = reason;
    execution.value.finished = Some(house.clock.now());
    let mut batch = Batch::new();
    term.require(&mut batch);
    WINDOW_EXECUTION.replace(&mut batch, &execution)?;
    WINDOW_EXECUTION_OPEN.delete(&mut batch, &id);
    if let Some(mut window) = WINDOW.get(&*house.store, &execution.value.window).await?
        && window.value.open.as_ref() == Some(&id)
    {
        window.value.open = None;
        WINDOW.replace(&mut batch, &window)?;
    }
    match house.store.commit(batch).await {
        Ok(_) => Ok(()),
        Err(CommitError::Conflict { .. }) => Err(superseded()),
        Err(error) => Err(error.into()),
    }
}
