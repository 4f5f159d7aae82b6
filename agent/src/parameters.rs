//! Parameters for the applications of this host: asked of the controller once, held under a lease, told anew when they
//! change, and given from memory.
//!
//! ```text
//!  application ──► endpoint ──► Parameters ──held──► answer
//!                                  │  ▲
//!                         not held │  │ states: values, changes, refusals
//!                                  ▼  │
//!                                 link ⇄ controller               keeper ──► sealed file
//! ```
//!
//! - `query` says what can be asked for, `cache` what is held and until when, `lease` by which time; all pure.
//! - `sealed` is the file that outlives a reboot; `keeper` writes it. No reader ever waits for a disk.
//! - [`endpoint`] is what applications talk to, [`client`] how the command line does; [`template`] and [`environment`]
//!   say what the verbs make of the answers.
//!
//! What this host may read is decided by the controller and nobody else: a right that ends, or a parameter that is
//! deleted, is gone here with the controller's next word. Without a word it is gone when the lease is over.

mod cache;
pub mod client;
pub mod endpoint;
pub mod environment;
mod keeper;
mod lease;
mod query;
mod sealed;
pub mod settings;
pub mod template;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fleetwright_proto::agent::parameter_state::State as Said;
use fleetwright_proto::agent::{
    HoldParameters, ParameterRefused, ParameterState, ParameterStates, WantedParameter,
};
use fleetwright_proto::clock::{SharedClock, Timestamp};
use tokio::sync::{Notify, oneshot, watch};

use crate::explain::date;
pub use cache::CacheLimits;
use cache::{Cache, Look};
pub(crate) use keeper::Keeper;
use lease::LeaseClock;
pub use query::{Decryption, Given, Query, QueryError, Value};
pub use settings::ParameterSettings;

/// For the controller's answer to somebody who waits.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Different queries that may wait for the controller at once.
const WAITING_MAX: usize = 256;
/// Queries of one message: it has room for so many of the longest.
const QUERIES_AT_ONCE: usize = 256;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The controller's words.
    #[error("{message}")]
    Refused { code: String, message: String },
    /// The controller's words for that it cannot tell now.
    #[error("{0}")]
    Later(String),
    #[error("parameter {name} is not held on this host, and the controller cannot be reached")]
    Away { name: String },
    #[error(
        "the lease of parameter {name} is over: the controller, which cannot be reached, confirmed it last at {}",
        date(*.confirmed)
    )]
    LeaseOver { name: String, confirmed: Timestamp },
    #[error("the controller did not answer within {} s for parameter {name}", ANSWER_WITHIN.as_secs())]
    NoAnswer { name: String },
    #[error("{WAITING_MAX} parameters wait for the controller already: try again in a moment")]
    Busy,
}

/// The parameters that this host holds. See the head of this module.
#[derive(Debug)]
pub struct Parameters {
    state: Mutex<State>,
    clock: LeaseClock,
    /// There is something to say to the controller.
    to_say: Notify,
    /// What is held is another than what is written down.
    to_write: Notify,
    /// Grows with every answer and change.
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    cache: Cache,
    link: Link,
    /// What the controller has not answered yet on this connection.
    asked: HashSet<Query>,
    wanted: Vec<Query>,
    released: Vec<Query>,
    waiting: HashMap<Query, Vec<oneshot::Sender<Answer>>>,
}

type Answer = Result<Given, ReadError>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// The agent has just started: whoever asks waits for the end of its first try to connect.
    Starting,
    Up,
    Down,
}

impl Parameters {
    /// Nothing is held yet.
    #[must_use]
    pub fn new(limits: CacheLimits, clock: SharedClock) -> Self {
        Self::going_on(limits, clock, sealed::Written::default(), None)
    }

    fn going_on(
        limits: CacheLimits,
        clock: SharedClock,
        written: sealed::Written,
        at: Option<Timestamp>,
    ) -> Self {
        let clock = LeaseClock::starting(clock, at);
        let mut cache = Cache::new(limits);
        cache.restore(written.entries);
        cache.expire(clock.now());
        let state = State {
            cache,
            link: Link::Starting,
            asked: HashSet::new(),
            wanted: Vec::new(),
            released: Vec::new(),
            waiting: HashMap::new(),
        };
        Self {
            state: Mutex::new(state),
            clock,
            to_say: Notify::new(),
            to_write: Notify::new(),
            changes: watch::Sender::new(0),
        }
    }

    /// What is held, or what the controller answers. Returns at once when it is held.
    ///
    /// # Errors
    /// When the controller refuses it, or cannot be asked and nothing is held within its lease.
    pub async fn get(&self, query: &Query) -> Answer {
        let answer = match self.look_or_ask(query)? {
            Asked::Held(given) => return Ok(given),
            Asked::Waiting(answer) => answer,
        };
        match tokio::time::timeout(ANSWER_WITHIN, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(self.unreachable(query)),
            Err(_) => Err(ReadError::NoAnswer { name: query.to_string() }),
        }
    }

    /// What is held, without asking anybody.
    #[must_use]
    pub fn held(&self, query: &Query) -> Option<Given> {
        match self.lock().find(query, self.clock.now()) {
            Look::Fresh(given) => Some(given),
            Look::LeaseOver(_) | Look::Missing => None,
        }
    }

    /// Changes with every answer and every change that the controller tells.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How many queries are held, and about how many bytes they take.
    #[must_use]
    pub fn used(&self) -> (usize, usize) {
        self.lock().cache.used()
    }

    fn look_or_ask(&self, query: &Query) -> Result<Asked, ReadError> {
        let mut state = self.lock();
        if let Look::Fresh(given) = state.find(query, self.clock.now()) {
            return Ok(Asked::Held(given));
        }
        if state.link == Link::Down {
            drop(state);
            return Err(self.unreachable(query));
        }
        if state.waiting.len() >= WAITING_MAX && !state.waiting.contains_key(query) {
            return Err(ReadError::Busy);
        }
        let (answer, waiting) = oneshot::channel();
        state.waiting.entry(query.clone()).or_default().push(answer);
        if state.link == Link::Up && state.ask(query) {
            self.to_say.notify_one();
        }
        Ok(Asked::Waiting(waiting))
    }

    /// Why there is nothing while the controller cannot be asked.
    fn unreachable(&self, query: &Query) -> ReadError {
        let name = query.to_string();
        match self.lock().find(query, self.clock.now()) {
            Look::LeaseOver(confirmed) => ReadError::LeaseOver { name, confirmed },
            Look::Fresh(_) | Look::Missing => ReadError::Away { name },
        }
    }

    /// Completes when [`Parameters::to_send`] has something.
    pub(crate) async fn changed(&self) {
        self.to_say.notified().await;
    }

    /// What the controller is to be told now.
    pub(crate) fn to_send(&self) -> Vec<HoldParameters> {
        let mut state = self.lock();
        let released = std::mem::take(&mut state.released);
        let wanted: Vec<_> = std::mem::take(&mut state.wanted)
            .into_iter()
            .map(|query| {
                let token = state.cache.token(&query);
                (query, token)
            })
            .collect();
        if wanted.is_empty() && released.is_empty() {
            return Vec::new();
        }
        messages(wanted, &released)
    }

    /// The controller said welcome. What it is to be told first.
    pub(crate) fn connected(&self) -> Vec<HoldParameters> {
        let mut state = self.lock();
        let by_ms = self.clock.set();
        state.cache.shift(by_ms);
        state.cache.heard(self.clock.now());
        state.link = Link::Up;
        state.wanted.clear();
        state.released.clear();
        let mut held = state.cache.tokens();
        let waited_for = state.waiting.keys().filter(|query| !state.cache.holds(query));
        held.extend(waited_for.map(|query| (query.clone(), Bytes::new())));
        state.asked = held.iter().map(|(query, _)| query.clone()).collect();
        let mut messages = messages(held, &[]);
        if let Some(first) = messages.first_mut() {
            first.whole = true;
        }
        messages
    }

    /// The controller said something, and with it that what is live is as it was.
    pub(crate) fn heard(&self) {
        let now = self.clock.now();
        self.lock().cache.heard(now);
    }

    /// The link ended, or a try to connect. Whoever waits hears it.
    pub(crate) fn disconnected(&self) {
        let mut state = self.lock();
        state.link = Link::Down;
        state.cache.lose_contact();
        state.asked.clear();
        state.wanted.clear();
        state.released.clear();
        state.waiting.clear();
    }

    /// Takes up what the controller tells.
    pub(crate) fn told(&self, states: ParameterStates) {
        let mut told = Told::default();
        {
            let mut state = self.lock();
            for said in states.states {
                state.told(said, &mut told);
            }
            state.cache.expire(self.clock.now());
        }
        if told.to_say {
            self.to_say.notify_one();
        }
        if told.to_write {
            self.to_write.notify_one();
        }
        self.changes.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Asked {
    Held(Given),
    Waiting(oneshot::Receiver<Answer>),
}

/// What follows from what was told.
#[derive(Debug, Default)]
struct Told {
    to_say: bool,
    to_write: bool,
}

impl State {
    /// A parameter that is no secret answers with and without its decryption.
    fn find(&mut self, query: &Query, now: Timestamp) -> Look {
        let look = self.cache.look(query, now);
        if matches!(look, Look::Fresh(_)) {
            return look;
        }
        let other = query.otherwise().map(|other| self.cache.look(&other, now));
        match other {
            Some(Look::Fresh(Given::Value(value))) if !value.is_secret() => Look::Fresh(Given::Value(value)),
            _ => look,
        }
    }

    /// Whether it has to be said.
    fn ask(&mut self, query: &Query) -> bool {
        let is_new = self.asked.insert(query.clone());
        if is_new {
            self.wanted.push(query.clone());
        }
        is_new
    }

    fn answer(&mut self, query: &Query, answer: &Answer) {
        for waiting in self.waiting.remove(query).into_iter().flatten() {
            // Whoever waited may have gone away.
            let _ = waiting.send(answer.clone());
        }
    }

    fn told(&mut self, said: ParameterState, told: &mut Told) {
        let Some(query) = said.query.and_then(Query::of_wire) else { return };
        let was_asked = self.asked.remove(&query);
        // It was released, and the controller has not heard that yet.
        if !was_asked && !self.cache.holds(&query) {
            return;
        }
        match said.state {
            Some(Said::Value(value)) => {
                let token = value.token.clone();
                self.keep(&query, Given::Value(Value::from(value).into()), token, told);
            }
            Some(Said::Names(names)) => {
                for name in &names.names {
                    if let Ok(query) = Query::value(name, Decryption::Yes)
                        && !self.cache.holds(&query)
                    {
                        told.to_say |= self.ask(&query);
                    }
                }
                self.keep(&query, Given::Names(names.names.into()), names.token, told);
            }
            Some(Said::Unchanged(_)) => {
                if self.cache.confirm(&query) {
                    self.answer_held(&query);
                } else {
                    // Its value went away while the controller was asked: without a token it is given anew.
                    told.to_say |= self.ask(&query);
                }
            }
            Some(Said::Refused(refused)) => self.refused(&query, refused, told),
            // A newer controller may say what this build does not know.
            None => {}
        }
    }

    fn keep(&mut self, query: &Query, given: Given, token: Bytes, told: &mut Told) {
        told.to_write = true;
        let gone = self.cache.keep(query.clone(), given.clone(), token);
        told.to_say |= !gone.is_empty();
        self.released.extend(gone);
        self.answer(query, &Ok(given));
    }

    fn answer_held(&mut self, query: &Query) {
        if let Look::Fresh(given) = self.cache.look(query, Timestamp::default()) {
            self.answer(query, &Ok(given));
        }
    }

    fn refused(&mut self, query: &Query, refused: ParameterRefused, told: &mut Told) {
        let ParameterRefused { code, message, later } = refused;
        if later {
            self.cache.doubt(query);
            return self.answer(query, &Err(ReadError::Later(message)));
        }
        told.to_write |= self.cache.remove(query);
        self.answer(query, &Err(ReadError::Refused { code, message }));
    }
}

/// What goes makes room for what comes.
fn messages(wanted: Vec<(Query, Bytes)>, released: &[Query]) -> Vec<HoldParameters> {
    let released = released.chunks(QUERIES_AT_ONCE).map(|part| HoldParameters {
        released: part.iter().map(Query::to_wire).collect(),
        ..HoldParameters::default()
    });
    let wanted: Vec<_> = wanted
        .into_iter()
        .map(|(query, has)| WantedParameter { query: Some(query.to_wire()), has })
        .collect();
    let wanted = wanted
        .chunks(QUERIES_AT_ONCE)
        .map(|part| HoldParameters { wanted: part.to_vec(), ..HoldParameters::default() });
    released.chain(wanted).collect()
}

#[cfg(test)]
#[path = "parameters/tests.rs"]
mod tests;
