//! Reading commands and invocations back.

use fleetwright_proto::ids::{CommandId, NodeId};

use super::records::{CommandRecord, InvocationRecord};
use super::report::InvocationKey;
use super::roster::{self, Found, Roster};
use super::state::{Reason, State};
use super::tally::{Counts, Tally};
use crate::error::Refusal;
use crate::house::House;
use crate::records::Pages;
use crate::tables::{COMMAND, INVOCATION};

/// The answer to a command that does not exist.
#[must_use]
pub fn unknown(id: &CommandId) -> Refusal {
    Refusal::not_found(format!("there is no command {id}: `command list` shows those that are kept"))
}

/// A command.
pub async fn get(house: &House, id: &CommandId) -> Result<CommandRecord, Refusal> {
    Ok(COMMAND.get(&*house.store, id).await?.ok_or_else(|| unknown(id))?.value)
}

/// An invocation.
pub async fn invocation(house: &House, id: &CommandId, node: &NodeId) -> Result<InvocationRecord, Refusal> {
    let key = (id.clone(), node.clone());
    let found = roster::find(house, &key).await?;
    found.map(|found| found.record).ok_or_else(|| {
        Refusal::not_found(format!(
            "command {id} was not sent to {node}: `command show {id}` lists its nodes"
        ))
    })
}

/// The counts of a command's invocations. A finished command's stand in its record, an open one's are at hand.
pub async fn counts(house: &House, id: &CommandId, record: &CommandRecord) -> Result<Counts, Refusal> {
    if let Some(outcome) = &record.outcome {
        return Ok(outcome.counts);
    }
    if let Some(counts) = house.lives.counts(id) {
        return Ok(counts);
    }
    let mut tally = Tally::default();
    for node in Roster::read(house, id).await?.nodes() {
        tally.note_target(node, record);
    }
    let mut pages = Pages::of(&INVOCATION, id.clone());
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in &rows {
            tally.note(&row.key.1, &row.value, row.revision);
        }
    }
    Ok(tally.counts())
}

/// A page of a command's invocations and where the next one starts.
pub type Invocations = (Vec<(NodeId, InvocationRecord)>, Option<InvocationKey>);

/// The invocations of a command in these states (none named: in all), by node id.
pub async fn invocations(
    house: &House,
    id: &CommandId,
    states: &[State],
    after: Option<InvocationKey>,
    limit: usize,
) -> Result<Invocations, Refusal> {
    let command = get(house, id).await?;
    let roster = Roster::of(house, id, &command).await?;
    let (mut found, mut after) = (Vec::new(), after);
    loop {
        let (page, next) = roster::page(house, &roster, id, &command, after.as_ref(), limit).await?;
        after = next;
        for Found { key, record, .. } in page {
            let (state, _) = seen_state(house, &key.1, &record);
            if !states.is_empty() && !states.contains(&state) {
                continue;
            }
            found.push((key.1.clone(), record));
            if found.len() >= limit {
                return Ok((found, Some(key)));
            }
        }
        if after.is_none() {
            return Ok((found, None));
        }
    }
}

/// A command's status (reference, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Pending,
    InProgress,
    Cancelling,
    Success,
    Failed,
    TimedOut,
    Cancelled,
}

impl Status {
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::InProgress | Self::Cancelling)
    }
}

/// The status of a command with these counts.
#[must_use]
pub fn status(record: &CommandRecord, counts: &Counts) -> Status {
    use super::tally::Verdict;
    match record.outcome.as_ref().map(|outcome| &outcome.verdict) {
        Some(Verdict::Success {}) => Status::Success,
        Some(Verdict::Failed { .. } | Verdict::Incomplete { .. } | Verdict::NoTargets {}) => Status::Failed,
        Some(Verdict::ExecutionTimedOut { .. } | Verdict::DeliveryTimedOut { .. }) => Status::TimedOut,
        Some(Verdict::Cancelled { .. } | Verdict::SendInterrupted {}) => Status::Cancelled,
        None if record.cancel.is_some() => Status::Cancelling,
        None if counts.pending + counts.delayed == counts.total() => Status::Pending,
        None => Status::InProgress,
    }
}

/// SSM's words for a command's status.
#[must_use]
pub fn status_details(record: &CommandRecord, status: Status) -> &'static str {
    match (&record.outcome, status) {
        (Some(outcome), _) => outcome.verdict.status_details(),
        (None, Status::Pending) => "Pending",
        (None, Status::Cancelling) => "Cancelling",
        (None, _) => "In Progress",
    }
}

/// What an invocation's state looks like from outside: a node that went away meanwhile delays what it has not taken.
#[must_use]
pub fn seen_state(house: &House, node: &NodeId, record: &InvocationRecord) -> (State, Reason) {
    match (record.state, record.dispatched) {
        (State::Pending, Some(_)) if !house.lines.is_open(node) => {
            (State::Delayed, Reason::NodeAway { last_seen: house.lines.last_seen(node) })
        }
        (State::Delayed, Some(_))
            if house.lines.is_open(node) && matches!(record.reason, Reason::NodeAway { .. }) =>
        {
            (State::Pending, Reason::InMailbox {})
        }
        _ => (record.state, record.reason.clone()),
    }
}
