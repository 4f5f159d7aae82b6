//! The invocations of an open command, those included that have no row of their own yet.
//!
//! ```text
//! command-targets            command-wave                invocation
//! the node waits ──sent──► the node is to take it ──first news──► a row: the truth from then on
//! ```
//!
//! A command names its nodes in a few rows and says whom it was sent to in one row for each wave; an invocation gets
//! a row with the first news of it. So what an idle fleet answers at once is written once for each node. Whoever
//! decides from an invocation without a row writes its first row under the conditions of [`Found::write`], and so
//! only one does.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::{Batch, CommitError, Row};

use super::records::{CommandRecord, Dispatch, InvocationRecord, WaveRecord};
use super::report::InvocationKey;
use super::state::{self, Presence};
use crate::error::Refusal;
use crate::house::House;
use crate::records::{COMMIT_ATTEMPTS, Pages, With, next_key, note_unreadable};
use crate::tables::{COMMAND, COMMAND_TARGETS, COMMAND_WAVE, INVOCATION};

/// Nodes of one row of targets: well below what a value may be long.
pub(crate) const TARGETS_ROW_NODES: usize = 500;

/// What is known of an invocation without a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its turn has not come.
    Waiting,
    /// It was sent, to a node that was there or away.
    Sent { dispatch: Dispatch, away: bool },
}

impl Standing {
    /// The invocation as it stands.
    #[must_use]
    pub fn record(self, command: &CommandRecord) -> InvocationRecord {
        let waiting = state::waiting(command);
        match self {
            Self::Waiting => waiting,
            Self::Sent { dispatch, away: false } => state::dispatched(waiting, dispatch, Presence::Connected),
            Self::Sent { dispatch, away: true } => {
                state::dispatched(waiting, dispatch, Presence::Away { last_seen: None })
            }
        }
    }
}

impl WaveRecord {
    /// The nodes of the wave with how they stand by it.
    pub fn standings(&self) -> impl Iterator<Item = (&NodeId, Standing)> {
        let sent = |away| Standing::Sent { dispatch: self.dispatch, away };
        let connected = self.connected.iter().map(move |node| (node, sent(false)));
        connected.chain(self.away.iter().map(move |node| (node, sent(true))))
    }
}

/// An invocation that was found, with what its next record replaces.
#[derive(Debug)]
pub struct Found {
    pub key: InvocationKey,
    pub record: InvocationRecord,
    basis: Basis,
}

#[derive(Debug)]
enum Basis {
    Row(Box<Row<InvocationKey, InvocationRecord>>),
    /// Sent; it stays so until somebody writes the row.
    Sent,
    /// Waiting, as long as there is no wave of this number.
    Waiting {
        waves: u64,
    },
}

impl Found {
    /// One of which no row was seen, after so many waves.
    #[must_use]
    pub fn without_row(key: InvocationKey, standing: Standing, waves: u64, command: &CommandRecord) -> Self {
        let basis = match standing {
            Standing::Waiting => Basis::Waiting { waves },
            Standing::Sent { .. } => Basis::Sent,
        };
        Self { key, record: standing.record(command), basis }
    }

    /// Writes its next record. The commit conflicts when it is no longer as it was found.
    pub fn write(self, batch: &mut Batch, record: InvocationRecord) -> Result<(), Refusal> {
        match self.basis {
            Basis::Row(row) => INVOCATION.replace(batch, &row.with(record))?,
            Basis::Sent => INVOCATION.insert(batch, &self.key, &record)?,
            Basis::Waiting { waves } => {
                batch.require(COMMAND_WAVE.absent(&(self.key.0.clone(), waves)));
                INVOCATION.insert(batch, &self.key, &record)?;
            }
        }
        Ok(())
    }
}

impl From<Row<InvocationKey, InvocationRecord>> for Found {
    fn from(row: Row<InvocationKey, InvocationRecord>) -> Self {
        Self { key: row.key.clone(), record: row.value.clone(), basis: Basis::Row(Box::new(row)) }
    }
}

/// The nodes of a command as its targets and waves say: what an invocation is that has no row.
#[derive(Debug, Default)]
pub struct Roster {
    standings: BTreeMap<NodeId, Standing>,
    waves: u64,
}

impl Roster {
    /// Reads it. To be read before the rows of invocations, which then are at least as new.
    pub async fn read(house: &House, id: &CommandId) -> Result<Self, Refusal> {
        let mut roster = Self::default();
        let mut targets = Pages::of(&COMMAND_TARGETS, id.clone());
        while let Some(rows) = targets.next(&*house.store).await? {
            for row in rows {
                roster.standings.extend(row.value.nodes.into_iter().map(|node| (node, Standing::Waiting)));
            }
        }
        let mut waves = Pages::of(&COMMAND_WAVE, id.clone());
        while let Some(rows) = waves.next(&*house.store).await? {
            for row in rows {
                roster.waves = row.key.1 + 1;
                roster
                    .standings
                    .extend(row.value.standings().map(|(node, standing)| (node.clone(), standing)));
            }
        }
        Ok(roster)
    }

    /// As [`Roster::read`]; empty for a command that has ended, because every invocation of it has its row.
    pub async fn of(house: &House, id: &CommandId, command: &CommandRecord) -> Result<Self, Refusal> {
        if command.outcome.is_some() { Ok(Self::default()) } else { Self::read(house, id).await }
    }

    pub fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        self.standings.keys()
    }

    /// An invocation that was seen to have no row.
    #[must_use]
    pub fn find(&self, key: &InvocationKey, command: &CommandRecord) -> Option<Found> {
        let standing = *self.standings.get(&key.1)?;
        Some(Found::without_row(key.clone(), standing, self.waves, command))
    }
}

/// An invocation as it stands now; None when the command is not for this node, or is not kept any more.
pub async fn find(house: &House, key: &InvocationKey) -> Result<Option<Found>, Refusal> {
    if let Some(row) = INVOCATION.get(&*house.store, key).await? {
        return Ok(Some(row.into()));
    }
    // What was sent to a node is known here before the node can answer, unless this process has just begun to look.
    if let Some(found) = house.lives.sent(key) {
        return Ok(Some(found));
    }
    let Some(command) = COMMAND.get(&*house.store, &key.0).await? else { return Ok(None) };
    let roster = Roster::of(house, &key.0, &command.value).await?;
    // A row that came while the roster was read is newer than the roster.
    match INVOCATION.get(&*house.store, key).await? {
        Some(row) => Ok(Some(row.into())),
        None => Ok(roster.find(key, &command.value)),
    }
}

/// Writes what `decide` makes of an invocation, decided anew when somebody else has changed it meanwhile. Nothing is
/// written when it makes nothing of it, or when there is no such invocation.
pub async fn change(
    house: &House,
    key: &InvocationKey,
    decide: impl Fn(InvocationRecord) -> Option<InvocationRecord>,
) -> Result<(), Refusal> {
    for _ in 0..COMMIT_ATTEMPTS {
        let Some(found) = find(house, key).await? else { return Ok(()) };
        let Some(record) = decide(found.record.clone()) else { return Ok(()) };
        let mut batch = Batch::new();
        found.write(&mut batch, record)?;
        match house.store.commit(batch).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(contended(key))
}

/// The answer when others were always faster.
pub(super) fn contended((command, node): &InvocationKey) -> Refusal {
    Refusal::unavailable(format!("{command} on {node} is being changed from several sides: try again"))
}

/// As [`find`], by somebody who has read the roster.
pub async fn find_in(
    house: &House,
    roster: &Roster,
    key: &InvocationKey,
    command: &CommandRecord,
) -> Result<Option<Found>, Refusal> {
    match INVOCATION.get(&*house.store, key).await? {
        Some(row) => Ok(Some(row.into())),
        None => Ok(roster.find(key, command)),
    }
}

/// Some invocations of a command by node id, and where the next page starts.
pub async fn page(
    house: &House,
    roster: &Roster,
    id: &CommandId,
    command: &CommandRecord,
    after: Option<&InvocationKey>,
    limit: usize,
) -> Result<(Vec<Found>, Option<InvocationKey>), Refusal> {
    let page = INVOCATION.scan(&*house.store, id, after, limit).await?;
    note_unreadable("invocation", &page.unreadable);
    let end = next_key(&page, limit);
    let rows: HashMap<NodeId, Row<_, _>> =
        page.rows.into_iter().map(|row| (row.key.1.clone(), row)).collect();
    Ok(merge(rows, roster, id, command, after, end.as_ref(), limit))
}

fn merge(
    mut rows: HashMap<NodeId, Row<InvocationKey, InvocationRecord>>,
    roster: &Roster,
    id: &CommandId,
    command: &CommandRecord,
    after: Option<&InvocationKey>,
    end: Option<&InvocationKey>,
    limit: usize,
) -> (Vec<Found>, Option<InvocationKey>) {
    let from = after.map_or(Bound::Unbounded, |(_, node)| Bound::Excluded(node));
    let until = end.map_or(Bound::Unbounded, |(_, node)| Bound::Included(node));
    let mut nodes: Vec<NodeId> =
        roster.standings.range((from, until)).map(|(node, _)| node.clone()).collect();
    nodes.extend(rows.keys().filter(|node| !roster.standings.contains_key(*node)).cloned());
    nodes.sort_unstable();
    let more = end.is_some() || nodes.len() > limit;
    nodes.truncate(limit);
    let found: Vec<Found> = nodes
        .into_iter()
        .filter_map(|node| match rows.remove(&node) {
            Some(row) => Some(row.into()),
            None => roster.find(&(id.clone(), node), command),
        })
        .collect();
    let next = found.last().filter(|_| more).map(|found| found.key.clone());
    (found, next)
}

#[cfg(test)]
mod tests;
