//! Who is connected, and when each node was last heard.
//!
//! A *line* is a node's open stream in this process. The moments when it opens and closes are rows; in between the
//! line itself knows when the node was last heard, and [`flush`] writes that now and then. A row that says "open"
//! after a restart means only that nobody saw the end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use fleetwright_store::Batch;
use tokio::sync::{Notify, watch};

use super::records::PresenceRecord;
use crate::error::Refusal;
use crate::house::House;
use crate::records::Pages;
use crate::tables::PRESENCE;

/// How often [`flush`] is due: what a controller that is killed may forget of "last seen".
pub const FLUSH_INTERVAL: Duration = Duration::from_secs(300);

/// Rows of one commit of [`flush`].
const FLUSH_BATCH: usize = 512;

/// Why a line is to be closed from this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// A newer stream of the same node is here.
    Replaced,
    /// The node no longer belongs to the fleet.
    Deregistered,
    /// The controller stops.
    Stopping,
}

/// The lines of this process.
#[derive(Debug, Default)]
pub struct Lines {
    open: Mutex<HashMap<NodeId, Arc<LineState>>>,
    next_generation: AtomicU64,
    /// Grows when a line opens or closes, for whoever waits for nodes.
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct LineState {
    generation: u64,
    connected: Timestamp,
    last_seen: AtomicI64,
    mail: Notify,
    /// The mailbox has entries that this line has not looked at.
    mailbox: AtomicBool,
    /// The node's associations may be others than those that it has.
    associations: AtomicBool,
    /// What the node holds of parameters may be another now.
    parameters: AtomicBool,
    closing: watch::Sender<Option<Closing>>,
}

/// A node's open stream, for the door that serves it. The line is open until [`close`] or until this is dropped.
#[derive(Debug)]
pub struct Line {
    node: NodeId,
    state: Arc<LineState>,
    lines: Arc<Lines>,
}

impl Lines {
    /// Opens a line; an older one of the same node is told to close.
    #[must_use]
    pub fn open(self: &Arc<Self>, node: &NodeId, now: Timestamp) -> Line {
        let state = Arc::new(LineState {
            generation: self.next_generation.fetch_add(1, Ordering::Relaxed),
            connected: now,
            last_seen: AtomicI64::new(now.millis()),
            mail: Notify::new(),
            mailbox: AtomicBool::new(true),
            associations: AtomicBool::new(true),
            parameters: AtomicBool::new(false),
            closing: watch::Sender::new(None),
        });
        let older = self.lock().insert(node.clone(), state.clone());
        if let Some(older) = older {
            older.closing.send_replace(Some(Closing::Replaced));
        }
        self.changed();
        Line { node: node.clone(), state, lines: self.clone() }
    }

    /// When the node was last heard, if it is connected here.
    #[must_use]
    pub fn last_seen(&self, node: &NodeId) -> Option<Timestamp> {
        self.lock().get(node).map(|state| Timestamp::from_millis(state.last_seen.load(Ordering::Relaxed)))
    }

    #[must_use]
    pub fn is_open(&self, node: &NodeId) -> bool {
        self.lock().contains_key(node)
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Tells the node's line that its mailbox has something new.
    pub fn nudge(&self, node: &NodeId) {
        if let Some(state) = self.lock().get(node) {
            state.mailbox.store(true, Ordering::Relaxed);
            state.mail.notify_one();
        }
    }

    /// Tells the lines of these nodes that a command is there for them.
    pub fn nudge_each(&self, nodes: &[NodeId]) {
        let open = self.lock();
        for state in nodes.iter().filter_map(|node| open.get(node)) {
            state.mail.notify_one();
        }
    }

    /// Tells all lines that there may be something new for them.
    pub fn nudge_all(&self) {
        for state in self.lock().values() {
            state.mailbox.store(true, Ordering::Relaxed);
            state.mail.notify_one();
        }
    }

    /// Tells the node's line that its associations may be others.
    pub fn nudge_associations(&self, node: &NodeId) {
        if let Some(state) = self.lock().get(node) {
            state.associations.store(true, Ordering::Relaxed);
            state.mail.notify_one();
        }
    }

    /// Tells all lines that their nodes' associations may be others.
    pub fn nudge_associations_of_all(&self) {
        for state in self.lock().values() {
            state.associations.store(true, Ordering::Relaxed);
            state.mail.notify_one();
        }
    }

    /// Tells the node's line that parameters that the node holds may be others.
    pub fn nudge_parameters(&self, node: &NodeId) {
        if let Some(state) = self.lock().get(node) {
            state.parameters.store(true, Ordering::Relaxed);
            state.mail.notify_one();
        }
    }

    /// Tells the node's line to close.
    pub fn ask_to_close(&self, node: &NodeId, why: Closing) {
        if let Some(state) = self.lock().get(node) {
            state.closing.send_replace(Some(why));
        }
    }

    /// Tells all lines to close.
    pub fn ask_all_to_close(&self, why: Closing) {
        for state in self.lock().values() {
            state.closing.send_replace(Some(why));
        }
    }

    /// Completes when a line opened or closed after this was called.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<NodeId, Arc<LineState>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    #[must_use]
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// The node said something.
    pub fn heard(&self, now: Timestamp) {
        self.state.last_seen.store(now.millis(), Ordering::Relaxed);
    }

    /// When the node last said something.
    #[must_use]
    pub fn last_seen(&self) -> Timestamp {
        Timestamp::from_millis(self.state.last_seen.load(Ordering::Relaxed))
    }

    /// Completes when there may be something new to deliver.
    pub async fn mail(&self) {
        self.state.mail.notified().await;
    }

    /// Whether the mailbox may have something new since this was last asked.
    #[must_use]
    pub fn look_into_mailbox(&self) -> bool {
        self.state.mailbox.swap(false, Ordering::Relaxed)
    }

    /// Whether the node's associations may be others since this was last asked.
    #[must_use]
    pub fn look_at_associations(&self) -> bool {
        self.state.associations.swap(false, Ordering::Relaxed)
    }

    /// Whether parameters that the node holds may be others since this was last asked.
    #[must_use]
    pub fn look_at_parameters(&self) -> bool {
        self.state.parameters.swap(false, Ordering::Relaxed)
    }

    /// Completes when the line is to be closed.
    pub async fn closing(&self) -> Closing {
        let mut closing = self.state.closing.subscribe();
        match closing.wait_for(Option::is_some).await {
            Ok(why) => (*why).unwrap_or(Closing::Stopping),
            Err(_) => Closing::Stopping,
        }
    }

    fn is_current(&self) -> bool {
        self.lines.lock().get(&self.node).is_some_and(|state| state.generation == self.state.generation)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.is_current() {
            self.lines.lock().remove(&self.node);
            self.lines.changed();
        }
    }
}

/// Writes that the line is open. Durable before anything of the mailbox may be delivered on it: from this row others
/// judge what the node may have received.
pub async fn record_open(house: &House, line: &Line) -> Result<(), Refusal> {
    let now = line.state.connected;
    write(house, line.node(), &PresenceRecord { connected: now, disconnected: None, last_seen: now }).await
}

/// Writes that the line is closed, unless a newer one of the same node is open.
pub async fn close(house: &House, line: Line) -> Result<(), Refusal> {
    if !line.is_current() {
        return Ok(());
    }
    let record = PresenceRecord {
        connected: line.state.connected,
        disconnected: Some(house.clock.now()),
        last_seen: line.last_seen(),
    };
    let node = line.node().clone();
    drop(line);
    write(house, &node, &record).await
}

/// Writes when each connected node was last heard.
pub async fn flush(house: &House) -> Result<(), Refusal> {
    let rows: Vec<_> = house
        .lines
        .lock()
        .iter()
        .map(|(node, state)| {
            let last_seen = Timestamp::from_millis(state.last_seen.load(Ordering::Relaxed));
            (node.clone(), PresenceRecord { connected: state.connected, disconnected: None, last_seen })
        })
        .collect();
    for chunk in rows.chunks(FLUSH_BATCH) {
        let mut batch = Batch::new();
        for (node, record) in chunk.iter().filter(|(node, _)| house.lines.is_open(node)) {
            PRESENCE.put(&mut batch, node, record)?;
        }
        house.store.commit(batch).await?;
    }
    Ok(())
}

/// A node that was deregistered meanwhile gets no row.
async fn write(house: &House, node: &NodeId, record: &PresenceRecord) -> Result<(), Refusal> {
    let mut batch = Batch::new();
    batch.require(crate::tables::NODE.exists(node));
    PRESENCE.put(&mut batch, node, record)?;
    match house.store.commit(batch).await {
        Ok(_) | Err(fleetwright_store::CommitError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Ends the rows that an earlier run of this controller left open: nothing was delivered after it ended.
/// To be done before the first line opens.
pub async fn close_stale(house: &House) -> Result<(), Refusal> {
    let now = house.clock.now();
    let mut pages = Pages::of(&PRESENCE, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        let mut batch = Batch::new();
        for mut row in rows.into_iter().filter(|row| row.value.disconnected.is_none()) {
            row.value.disconnected = Some(now);
            PRESENCE.replace(&mut batch, &row)?;
        }
        house.store.commit(batch).await?;
    }
    Ok(())
}
