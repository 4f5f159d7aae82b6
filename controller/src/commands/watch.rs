//! Following a command: everything that is known of it, then everything that happens, until its final state.
//!
//! ```text
//! start ──► output so far ──► invocations so far ──► live changes ──► the command's final state ──► end
//!               ▲                                        │
//!               └──── the follower was too slow ◄────────┘   (nothing is sent twice, nothing is left out)
//! ```

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::{Change, RowChange, Watch, WatchError};

use super::operations;
use super::output::{OutputKey, StreamKey, bytes_of, place};
use super::records::{CommandRecord, InvocationRecord, OutputRow, WaveRecord};
use super::report::InvocationKey;
use super::roster::{self, Roster};
use super::state::State;
use super::tally::Counts;
use crate::error::Refusal;
use crate::house::House;
use crate::records::next_key;
use crate::tables::{COMMAND, COMMAND_WAVE, INVOCATION, OUTPUT};

/// Rows read at once while catching up.
const PAGE: usize = 64;

/// Something that a follower is told.
#[derive(Debug, Clone)]
pub enum Event {
    Command(Box<CommandRecord>, Counts),
    Invocation(NodeId, Box<InvocationRecord>),
    Output { stream: StreamKey, offset: u64, data: Bytes },
}

/// Whether a follower wants what the steps print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Wanted,
    Unwanted,
}

#[derive(Debug)]
enum Phase {
    Start,
    Outputs {
        after: Option<OutputKey>,
        then: Then,
    },
    /// The roster was read before the first page of rows.
    Invocations {
        roster: Option<Roster>,
        after: Option<InvocationKey>,
        then: Then,
    },
    Live,
    Ended,
}

/// Whether the command was final before the catching up began: only then is all of it in the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOnLive,
    End,
}

/// One follower of one command.
#[derive(Debug)]
pub struct Follower {
    house: Arc<House>,
    command: CommandId,
    output: Output,
    phase: Phase,
    watch: Option<Watch>,
    queue: VecDeque<Event>,
    /// Up to where each stream was sent.
    sent: HashMap<(NodeId, u64), u64>,
}

impl Follower {
    /// Follows a command; refuses one that does not exist.
    pub async fn new(house: Arc<House>, command: CommandId, output: Output) -> Result<Self, Refusal> {
        operations::get(&house, &command).await?;
        let (queue, sent) = (VecDeque::new(), HashMap::new());
        Ok(Self { house, command, output, phase: Phase::Start, watch: None, queue, sent })
    }

    /// The next event; None after the final state.
    pub async fn next(&mut self) -> Result<Option<Event>, Refusal> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            match std::mem::replace(&mut self.phase, Phase::Ended) {
                Phase::Start => self.start().await?,
                Phase::Outputs { after, then } => self.outputs(after, then).await?,
                Phase::Invocations { roster, after, then } => self.invocations(roster, after, then).await?,
                Phase::Live => self.live().await?,
                Phase::Ended => return Ok(None),
            }
        }
    }

    async fn start(&mut self) -> Result<(), Refusal> {
        self.watch = Some(self.house.store.watch(b"", self.house.store.revision()));
        let record = operations::get(&self.house, &self.command).await?;
        let then = if record.outcome.is_some() { Then::End } else { Then::GoOnLive };
        if then == Then::GoOnLive {
            self.push_command(record).await?;
        }
        self.phase = match self.output {
            Output::Wanted => Phase::Outputs { after: None, then },
            Output::Unwanted => Phase::Invocations { roster: None, after: None, then },
        };
        Ok(())
    }

    async fn outputs(&mut self, after: Option<OutputKey>, then: Then) -> Result<(), Refusal> {
        let page = OUTPUT.scan(&*self.house.store, &self.command, after.as_ref(), PAGE).await?;
        let next = next_key(&page, PAGE);
        for row in page.rows {
            self.push_output(&row.key, &row.value).await?;
        }
        self.phase = match next {
            Some(after) => Phase::Outputs { after: Some(after), then },
            None => Phase::Invocations { roster: None, after: None, then },
        };
        Ok(())
    }

    async fn invocations(
        &mut self,
        roster: Option<Roster>,
        after: Option<InvocationKey>,
        then: Then,
    ) -> Result<(), Refusal> {
        let command = operations::get(&self.house, &self.command).await?;
        let roster = match roster {
            Some(roster) => roster,
            None => Roster::of(&self.house, &self.command, &command).await?,
        };
        let page = roster::page(&self.house, &roster, &self.command, &command, after.as_ref(), PAGE);
        let (found, next) = page.await?;
        for found in found {
            self.queue.push_back(Event::Invocation(found.key.1, Box::new(found.record)));
        }
        self.phase = match (next, then) {
            (Some(after), then) => Phase::Invocations { roster: Some(roster), after: Some(after), then },
            (None, Then::GoOnLive) => Phase::Live,
            (None, Then::End) => {
                let record = operations::get(&self.house, &self.command).await?;
                self.push_command(record).await?;
                Phase::Ended
            }
        };
        Ok(())
    }

    async fn live(&mut self) -> Result<(), Refusal> {
        self.phase = Phase::Live;
        let Some(watch) = &mut self.watch else {
            self.phase = Phase::Start;
            return Ok(());
        };
        match watch.next().await {
            Ok(change) => self.note(&change).await,
            Err(WatchError::Compacted) => {
                self.phase = Phase::Start;
                Ok(())
            }
            Err(WatchError::Closed) => Err(Refusal::unavailable("the controller is stopping")),
        }
    }

    /// Output first: what a step printed is told before the state that ends it.
    async fn note(&mut self, change: &Change) -> Result<(), Refusal> {
        if self.output == Output::Wanted {
            for change in OUTPUT.decode_change(change) {
                if let RowChange::Put(row) = change
                    && row.key.0 == self.command
                {
                    self.push_output(&row.key, &row.value).await?;
                }
            }
        }
        for change in INVOCATION.decode_change(change) {
            if let RowChange::Put(row) = change
                && row.key.0 == self.command
            {
                self.queue.push_back(Event::Invocation(row.key.1, Box::new(row.value)));
            }
        }
        for change in COMMAND_WAVE.decode_change(change) {
            if let RowChange::Put(row) = change
                && row.key.0 == self.command
            {
                self.push_away(&row.value).await?;
            }
        }
        for change in COMMAND.decode_change(change) {
            if let RowChange::Put(row) = change
                && row.key == self.command
            {
                if row.value.outcome.is_some() {
                    self.phase = Phase::Ended;
                }
                self.push_command(row.value).await?;
            }
        }
        Ok(())
    }

    /// Of nodes that are there something new is heard at once; those that are away are told as such.
    async fn push_away(&mut self, wave: &WaveRecord) -> Result<(), Refusal> {
        if wave.away.is_empty() {
            return Ok(());
        }
        let command = operations::get(&self.house, &self.command).await?;
        for (node, standing) in wave.standings() {
            let record = standing.record(&command);
            if record.state == State::Delayed {
                self.queue.push_back(Event::Invocation(node.clone(), Box::new(record)));
            }
        }
        Ok(())
    }

    async fn push_command(&mut self, record: CommandRecord) -> Result<(), Refusal> {
        let counts = operations::counts(&self.house, &self.command, &record).await?;
        self.queue.push_back(Event::Command(Box::new(record), counts));
        Ok(())
    }

    async fn push_output(&mut self, key: &OutputKey, row: &OutputRow) -> Result<(), Refusal> {
        let Some((stream, offset)) = place(key) else { return Ok(()) };
        let sent = self.sent.entry((key.1.clone(), key.2)).or_default();
        if offset < *sent {
            return Ok(());
        }
        *sent = offset + row.bytes();
        let data = bytes_of(&self.house, &stream, offset, row).await?;
        self.queue.push_back(Event::Output { stream, offset, data });
        Ok(())
    }
}
