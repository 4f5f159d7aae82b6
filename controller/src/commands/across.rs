//! Invocations of many commands in one list: newest command first, within a command by node.

use fleetwright_proto::ids::{CommandId, NodeId};

use super::history::{self, Filter, TimeKey, time_key};
use super::operations::{self, seen_state};
use super::records::{CommandRecord, InvocationRecord};
use super::report::InvocationKey;
use super::state::State;
use crate::error::Refusal;
use crate::house::House;
use crate::records::next_key;
use crate::tables::INVOCATION;

/// Commands read at once.
const COMMANDS: usize = 16;
/// Invocations read at once.
const ROWS: usize = 128;

/// Which invocations are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// None: of every command that passes the filter.
    pub command: Option<CommandId>,
    pub filter: Filter,
    /// Empty: in any.
    pub states: Vec<State>,
}

/// An invocation with its command.
#[derive(Debug, Clone)]
pub struct Found {
    pub id: CommandId,
    pub command: CommandRecord,
    pub node: NodeId,
    pub invocation: InvocationRecord,
}

/// Where a list goes on: behind this node of this command.
pub type Position = (TimeKey, NodeId);

/// A page of invocations and where the next one starts.
pub async fn list(
    house: &House,
    wanted: &Wanted,
    after: Option<Position>,
    limit: usize,
) -> Result<(Vec<Found>, Option<Position>), Refusal> {
    let mut page = Page { house, wanted, limit, found: Vec::new() };
    let mut behind = after.as_ref().map(|(key, _)| key.clone());
    if let Some(((_, id), node)) = after
        && wanted.command.as_ref().is_none_or(|only| *only == id)
        && let Some(command) = history::passing(house, &wanted.filter, &id).await?
        && let Some(next) = page.add(&id, &command, Some(node)).await?
    {
        return Ok((page.found, Some(next)));
    }
    if let Some(id) = &wanted.command {
        let next = match history::passing(house, &wanted.filter, id).await? {
            Some(command) if behind.is_none() && history::in_time(&wanted.filter, &command) => {
                page.add(id, &command, None).await?
            }
            _ => None,
        };
        return Ok((page.found, next));
    }
    loop {
        let (commands, next) = history::list(house, &wanted.filter, behind, COMMANDS).await?;
        for (id, command) in commands {
            if let Some(next) = page.add(&id, &command, None).await? {
                return Ok((page.found, Some(next)));
            }
        }
        match next {
            None => return Ok((page.found, None)),
            next => behind = next,
        }
    }
}

struct Page<'a> {
    house: &'a House,
    wanted: &'a Wanted,
    limit: usize,
    found: Vec<Found>,
}

impl Page<'_> {
    /// Adds the invocations of a command behind a node. Some when the page is full: the place of its last one.
    async fn add(
        &mut self,
        id: &CommandId,
        command: &CommandRecord,
        after: Option<NodeId>,
    ) -> Result<Option<Position>, Refusal> {
        let mut after = after.map(|node| (id.clone(), node));
        if let Some(node) = &self.wanted.filter.node {
            let seen = after.as_ref().is_some_and(|(_, after)| after >= node);
            let row = INVOCATION.get(&*self.house.store, &(id.clone(), node.clone())).await?;
            return Ok(row.filter(|_| !seen).and_then(|row| self.take(command, row.key, row.value)));
        }
        loop {
            let page = INVOCATION.scan(&*self.house.store, id, after.as_ref(), ROWS).await?;
            crate::records::note_unreadable("invocation", &page.unreadable);
            let next = next_key(&page, ROWS);
            for row in page.rows {
                if let Some(full) = self.take(command, row.key, row.value) {
                    return Ok(Some(full));
                }
            }
            match next {
                None => return Ok(None),
                next => after = next,
            }
        }
    }

    fn take(
        &mut self,
        command: &CommandRecord,
        (id, node): InvocationKey,
        invocation: InvocationRecord,
    ) -> Option<Position> {
        let (state, _) = seen_state(self.house, &node, &invocation);
        if !self.wanted.states.is_empty() && !self.wanted.states.contains(&state) {
            return None;
        }
        let position = (time_key(&id, command), node.clone());
        self.found.push(Found { id, command: command.clone(), node, invocation });
        (self.found.len() >= self.limit).then_some(position)
    }
}

/// Whether a command passes a filter, also in time.
pub async fn passes(
    house: &House,
    filter: &Filter,
    id: &CommandId,
) -> Result<Option<CommandRecord>, Refusal> {
    operations::get(house, id).await?;
    let passing = history::passing(house, filter, id).await?;
    Ok(passing.filter(|command| history::in_time(filter, command)))
}
