//! What nodes hold of parameters: who is told when one changes.
//!
//! ```text
//! hold ──► registered ──► given ──┐                     commit ──► follow ──► the holders of what changed
//!              ▲                  ▼                                                  │ nudge
//!              └────────────── held ◄── given anew, when its token is another ◄──────┘
//!                                 └── released, refused, or the stream ended: forgotten
//! ```
//!
//! A query is registered before it is answered, so that no change falls between the two. Everything is in memory and
//! goes with the stream: a node that comes back says what it holds, and gets what is not as it has it. How much can be
//! held is bounded, for each node and together.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fleetwright_proto::ids::NodeId;
use fleetwright_store::{RowChange, Watch, WatchError};
use tokio::sync::watch;

use super::fault::{Fault, ParameterError};
use super::give::{Given, Query, Subject, Token, give};
use super::names::ParameterKey;
use crate::audit::Event;
use crate::error::{Kind, Refusal};
use crate::house::House;
use crate::nodes::presence::Lines;
use crate::tables::{NODE, PARAMETER};

/// What all nodes of this controller may hold together.
pub const HELD_MAX: usize = 500_000;
/// What one node may hold: twice of what an agent keeps, since it lets go only when it has something newer.
pub const OF_NODE_MAX: usize = 8_192;

/// See the head of this module.
#[derive(Debug, Default)]
pub struct Held(Mutex<Registry>);

#[derive(Debug, Default)]
struct Registry {
    subjects: HashMap<Subject, BTreeSet<u64>>,
    holders: HashMap<u64, Told>,
    of_node: HashMap<NodeId, BTreeSet<u64>>,
    count: usize,
    next: u64,
}

/// What a holder has to look at.
#[derive(Debug)]
struct Told {
    node: NodeId,
    changed: HashSet<Subject>,
    /// Its policies or what they go by: everything.
    all: bool,
}

impl Held {
    /// How many queries are held.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().count
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A parameter was written or deleted.
    fn changed(&self, lines: &Lines, key: &ParameterKey, names: Names) {
        let nodes = {
            let mut registry = self.lock();
            let mut nodes = registry.tell(&Subject::Parameter(key.clone()));
            if names == Names::Others {
                let text = key.as_str();
                for (at, _) in text.match_indices('/') {
                    nodes.extend(registry.tell(&Subject::Below(text[..=at].to_owned())));
                }
            }
            nodes
        };
        nodes.iter().for_each(|node| lines.nudge_parameters(node));
    }

    /// What this node may read is perhaps another now.
    fn node_changed(&self, lines: &Lines, node: &NodeId) {
        let is_holder = {
            let mut registry = self.lock();
            let holders = registry.of_node.get(node).cloned().unwrap_or_default();
            holders.iter().for_each(|holder| registry.tell_all(*holder));
            !holders.is_empty()
        };
        if is_holder {
            lines.nudge_parameters(node);
        }
    }

    /// What anybody may read is perhaps another now.
    fn all_changed(&self, lines: &Lines) {
        let nodes: Vec<NodeId> = {
            let mut registry = self.lock();
            registry.holders.values_mut().for_each(|told| told.all = true);
            registry.of_node.keys().cloned().collect()
        };
        nodes.iter().for_each(|node| lines.nudge_parameters(node));
    }
}

/// Whether there are other names than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    AsBefore,
    Others,
}

impl Registry {
    fn tell(&mut self, subject: &Subject) -> Vec<NodeId> {
        let Some(holders) = self.subjects.get(subject) else { return Vec::new() };
        let mut nodes = Vec::with_capacity(holders.len());
        for holder in holders {
            if let Some(told) = self.holders.get_mut(holder) {
                told.changed.insert(subject.clone());
                nodes.push(told.node.clone());
            }
        }
        nodes
    }

    fn tell_all(&mut self, holder: u64) {
        if let Some(told) = self.holders.get_mut(&holder) {
            told.all = true;
        }
    }

    fn unregister(&mut self, holder: u64, subject: &Subject) {
        if let Some(holders) = self.subjects.get_mut(subject) {
            holders.remove(&holder);
            if holders.is_empty() {
                self.subjects.remove(subject);
            }
        }
    }
}

/// What a node asks for on its stream.
#[derive(Debug, Default)]
pub struct Wish {
    /// It holds nothing but what is wanted here.
    pub whole: bool,
    pub wanted: Vec<(Query, Token)>,
    pub released: Vec<Query>,
}

/// What a node is told of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Given(Given),
    Refused(ParameterError),
    /// It cannot be told now, for this reason; it is tried again.
    Later(String),
}

/// What one stream of a node holds. Forgotten when it is dropped.
#[derive(Debug)]
pub struct Holder {
    id: u64,
    node: NodeId,
    held: Arc<Held>,
    queries: BTreeMap<Query, (Subject, Token)>,
}

impl Holder {
    #[must_use]
    pub fn of(held: &Arc<Held>, node: &NodeId) -> Self {
        let mut registry = held.lock();
        let id = registry.next;
        registry.next += 1;
        registry.holders.insert(id, Told { node: node.clone(), changed: HashSet::new(), all: false });
        registry.of_node.entry(node.clone()).or_default().insert(id);
        drop(registry);
        Self { id, node: node.clone(), held: held.clone(), queries: BTreeMap::new() }
    }

    /// Holds what is wanted, and tells the state of each.
    pub async fn hold(&mut self, house: &House, wish: Wish) -> Vec<(Query, State)> {
        if wish.whole {
            let all: Vec<_> = self.queries.keys().cloned().collect();
            all.iter().for_each(|query| self.release(query));
        }
        wish.released.iter().for_each(|query| self.release(query));
        let (mut queries, mut refused) = (Vec::with_capacity(wish.wanted.len()), Vec::new());
        for (query, has) in wish.wanted {
            match self.register(&query, &has) {
                Ok(()) => queries.push(query),
                Err(state) => refused.push((query, state)),
            }
        }
        let mut states = self.states(house, queries).await;
        states.extend(refused);
        states
    }

    /// What is no longer as the node has it.
    pub async fn changes(&mut self, house: &House) -> Vec<(Query, State)> {
        let (changed, all) = {
            let mut registry = self.held.lock();
            let Some(told) = registry.holders.get_mut(&self.id) else { return Vec::new() };
            (std::mem::take(&mut told.changed), std::mem::take(&mut told.all))
        };
        let concerned = self.queries.iter().filter(|(_, (subject, _))| all || changed.contains(subject));
        let concerned: Vec<_> = concerned.map(|(query, _)| query.clone()).collect();
        let mut states = self.states(house, concerned).await;
        states.retain(|(_, state)| *state != State::Given(Given::Unchanged));
        states
    }

    /// Whether something is to be looked at again.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let registry = self.held.lock();
        registry.holders.get(&self.id).is_some_and(|told| told.all || !told.changed.is_empty())
    }

    /// What the node gets for registered queries now. One that is refused is held no longer. Secrets that were opened
    /// are in the audit log when this returns, or are not told.
    async fn states(&mut self, house: &House, queries: Vec<Query>) -> Vec<(Query, State)> {
        let (mut states, mut reads) = (Vec::with_capacity(queries.len()), Vec::new());
        let mut opened = HashSet::new();
        for query in queries {
            let has = self.token(&query);
            let state = match give(house, &self.node, &query, &has).await {
                Ok((given, read)) => {
                    if let Some(read) = read {
                        reads.push(read);
                        opened.insert(query.clone());
                    }
                    State::Given(given)
                }
                Err(error) if matches!(error.fault.kind(), Kind::Unavailable | Kind::TimedOut) => {
                    State::Later(error.message)
                }
                Err(error) => State::Refused(error),
            };
            states.push((query, state));
        }
        if let Err(refusal) = note(house, reads).await {
            for (_, state) in states.iter_mut().filter(|(query, _)| opened.contains(query)) {
                *state = State::Later(refusal.message.clone());
            }
        }
        for (query, state) in &states {
            self.settle(query, state);
        }
        states
    }

    fn token(&self, query: &Query) -> Token {
        self.queries.get(query).map(|(_, token)| token.clone()).unwrap_or_default()
    }

    fn settle(&mut self, query: &Query, state: &State) {
        match state {
            State::Given(Given::Value { token, .. } | Given::Names { token, .. }) => {
                if let Some((_, kept)) = self.queries.get_mut(query) {
                    kept.clone_from(token);
                }
            }
            State::Given(Given::Unchanged) => {}
            State::Later(_) => self.try_again(query),
            State::Refused(_) => self.release(query),
        }
    }

    /// The node keeps what it has. One that has nothing asks again by itself.
    fn try_again(&mut self, query: &Query) {
        if self.token(query).0.is_empty() {
            return self.release(query);
        }
        if let Some((subject, _)) = self.queries.get(query)
            && let Some(told) = self.held.lock().holders.get_mut(&self.id)
        {
            told.changed.insert(subject.clone());
        }
    }

    fn register(&mut self, query: &Query, has: &Token) -> Result<(), State> {
        let subject = query.subject().map_err(State::Refused)?;
        if let Some((_, token)) = self.queries.get_mut(query) {
            token.clone_from(has);
            return Ok(());
        }
        let mut registry = self.held.lock();
        if self.queries.len() >= OF_NODE_MAX {
            let most = format!("a node holds at most {OF_NODE_MAX} parameters at once");
            return Err(State::Refused(Fault::Other(Kind::Exhausted).because(most)));
        }
        if registry.count >= HELD_MAX {
            let most = format!("the nodes of this controller hold {HELD_MAX} parameters, and no more");
            return Err(State::Later(most));
        }
        registry.count += 1;
        registry.subjects.entry(subject.clone()).or_default().insert(self.id);
        drop(registry);
        self.queries.insert(query.clone(), (subject, has.clone()));
        Ok(())
    }

    fn release(&mut self, query: &Query) {
        let Some((subject, _)) = self.queries.remove(query) else { return };
        let others = self.queries.values().any(|(other, _)| *other == subject);
        let mut registry = self.held.lock();
        registry.count -= 1;
        if !others {
            registry.unregister(self.id, &subject);
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let mut registry = self.held.lock();
        registry.count -= self.queries.len();
        for (subject, _) in self.queries.values() {
            registry.unregister(self.id, subject);
        }
        registry.holders.remove(&self.id);
        if let Some(of_node) = registry.of_node.get_mut(&self.node) {
            of_node.remove(&self.id);
            if of_node.is_empty() {
                registry.of_node.remove(&self.node);
            }
        }
    }
}

/// Notes what was read, and waits until all of it is durable: the log joins events in their order.
async fn note(house: &House, mut reads: Vec<Event>) -> Result<(), Refusal> {
    let Some(last) = reads.pop() else { return Ok(()) };
    reads.into_iter().try_for_each(|read| house.audit.note(read))?;
    house.audit.note_durably(last).await
}

/// Tells the holders of whatever changes. Runs until the store closes.
pub async fn follow(house: Arc<House>) {
    loop {
        let from = house.store.revision();
        let mut changes = Changes {
            parameters: PARAMETER.watch(&*house.store, &(), from),
            nodes: NODE.watch(&*house.store, &(), from),
            policies: house.access.watch_policies(),
        };
        // What came before the watches were set up.
        house.held.all_changed(&house.lines);
        match changes.follow(&house).await {
            WatchError::Compacted => {}
            WatchError::Closed => return,
        }
    }
}

struct Changes {
    parameters: Watch,
    nodes: Watch,
    policies: watch::Receiver<u64>,
}

impl Changes {
    async fn follow(&mut self, house: &House) -> WatchError {
        let (held, lines) = (&house.held, &house.lines);
        loop {
            tokio::select! {
                change = self.parameters.next() => match change {
                    Ok(change) => for change in PARAMETER.decode_change(&change) {
                        match change {
                            // Its first version may be one that takes the name of another.
                            RowChange::Put(row) if row.value.version == 1 => {
                                held.changed(lines, &row.key, Names::Others);
                            }
                            RowChange::Put(row) => held.changed(lines, &row.key, Names::AsBefore),
                            RowChange::Deleted(key) => held.changed(lines, &key, Names::Others),
                            RowChange::Unreadable(_) => held.all_changed(lines),
                        }
                    },
                    Err(error) => return error,
                },
                change = self.nodes.next() => match change {
                    Ok(change) => for change in NODE.decode_change(&change) {
                        match change {
                            RowChange::Put(row) => held.node_changed(lines, &row.key),
                            RowChange::Deleted(node) => held.node_changed(lines, &node),
                            RowChange::Unreadable(_) => held.all_changed(lines),
                        }
                    },
                    Err(error) => return error,
                },
                // The sender is in the house.
                Ok(()) = self.policies.changed() => held.all_changed(lines),
            }
        }
    }
}

#[cfg(test)]
#[path = "held/tests.rs"]
mod tests;
