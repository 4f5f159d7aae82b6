//! Invocations of many commands in one list: newest command first, within a command by node.

use fleetwright_proto::ids::{CommandId, NodeId};

use super::history::{self, Filter, TimeKey, time_key};
use super::operations::{self, seen_state};
use super::records::{CommandRecord, InvocationRecord};
use super::roster;
use super::state::State;
use crate::error::Refusal;
use crate::house::House;

/// Commands read at once.
const COMMANDS: usize = 16;

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
        let found = match &self.wanted.filter.node {
            Some(node) if after.as_ref().is_some_and(|after| after >= node) => Vec::new(),
            Some(node) => self.only(id, node).await?,
            None => {
                let after = after.map(|node| (id.clone(), node));
                let room = self.limit - self.found.len();
                operations::invocations(self.house, id, &self.wanted.states, after, room).await?.0
            }
        };
        for (node, invocation) in found {
            self.found.push(Found { id: id.clone(), command: command.clone(), node, invocation });
        }
        let last = self.found.last().filter(|_| self.found.len() >= self.limit);
        Ok(last.map(|last| (time_key(id, command), last.node.clone())))
    }

    /// The invocation on one node, if there is one in a state that is wanted.
    async fn only(&self, id: &CommandId, node: &NodeId) -> Result<Vec<(NodeId, InvocationRecord)>, Refusal> {
        let found = roster::find(self.house, &(id.clone(), node.clone())).await?;
        let found = found.map(|found| found.record).filter(|record| {
            let (state, _) = seen_state(self.house, node, record);
            self.wanted.states.is_empty() || self.wanted.states.contains(&state)
        });
        Ok(found.into_iter().map(|record| (node.clone(), record)).collect())
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
