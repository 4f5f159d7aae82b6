//! What the controller confirmed, and what it has not confirmed yet.
//!
//! ```text
//!            take                    sent                 confirmed: it is what is held
//!   held ───────────► change waits ───────► change sent ──────────────────────────────► held
//!                        ▲  ▲                  │  │  refused: dropped, held stays
//!                        │  └──────────────────┘  │
//!                        │   connection lost      └─ send all: nothing is held, everything is collected anew
//! ```
//!
//! Only hashes are remembered, in memory and in a file, and the items of a change until it is answered. A file that is
//! lost or old is no harm: the controller sees that the two sides do not have the same before, and asks for all.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use fleetwright_platform::SharedPlatform;
use fleetwright_proto::agent::inventory_ack::Outcome;
use fleetwright_proto::agent::{Inventory, InventoryAck, InventoryType};
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::inventory::ItemHash;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use super::changes::{self, Held, HeldType};
use super::{Gathered, TYPE_MAX_BYTES};
use crate::executor::wire::ClockOffset;
use crate::explain::explain;
use crate::replace;

/// What became of a change, by its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) seq: u64,
    pub(crate) verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing was answered yet, or everything is to be sent again.
    None,
    Confirmed,
    /// With the controller's words.
    Refused(String),
}

/// Whether a collection says all that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Types that are not in it stay as they were told.
    These,
    /// Types that are not in it are gone.
    All,
}

#[derive(Debug)]
pub(crate) struct Keeper {
    state: Mutex<State>,
    file: Option<PathBuf>,
    platform: SharedPlatform,
    changed: Notify,
    wants_all: Notify,
    answers: watch::Sender<Answer>,
}

#[derive(Debug, Default)]
struct State {
    held: Held,
    change: Option<Change>,
    is_sent: bool,
    last_seq: u64,
    offset: ClockOffset,
}

/// What the controller has not confirmed.
#[derive(Debug)]
struct Change {
    seq: u64,
    captured: Timestamp,
    types: Vec<InventoryType>,
    extent: Extent,
    /// What is held when it is confirmed.
    after: Held,
}

impl Keeper {
    /// What an earlier agent wrote down is taken up; what cannot be read counts as nothing.
    pub(crate) fn open(file: Option<PathBuf>, platform: SharedPlatform) -> Self {
        let held = file.as_deref().and_then(|file| std::fs::read(file).ok()).map(|text| read(&text));
        let held = held.unwrap_or_default().unwrap_or_default();
        Self {
            state: Mutex::new(State { held, ..State::default() }),
            file,
            platform,
            changed: Notify::new(),
            wants_all: Notify::new(),
            answers: watch::channel(Answer { seq: 0, verdict: Verdict::None }).0,
        }
    }

    /// Takes in what was collected. What was waiting and is not in it still waits. Returns the number by which it is
    /// answered.
    pub(crate) fn take(&self, gathered: Vec<Gathered>, extent: Extent, now: Timestamp) -> u64 {
        let mut state = self.lock();
        let earlier = if extent == Extent::These { state.change.take() } else { None };
        let nothing = Held::new();
        let held = if extent == Extent::All { &nothing } else { &state.held };
        let (mut after, mut types) = (held.clone(), Vec::new());
        let mut names = Vec::with_capacity(gathered.len());
        for gathered in gathered {
            let name = gathered.type_name.clone();
            let (now, said) = changes::change(held.get(&name), gathered);
            after.insert(name.clone(), now);
            types.extend(said);
            names.push(name);
        }
        let mut extent = extent;
        if let Some(earlier) = earlier {
            // Everything that was to be told at once is told with what is newer of it.
            if earlier.extent == Extent::All {
                extent = Extent::All;
                let is_gone = |name: &String| !names.contains(name) && !earlier.after.contains_key(name);
                after.retain(|name, _| !is_gone(name));
            }
            for told in earlier.types.into_iter().filter(|told| !names.contains(&told.type_name)) {
                if let Some(now) = earlier.after.get(&told.type_name) {
                    after.insert(told.type_name.clone(), now.clone());
                }
                types.push(told);
            }
        }
        state.last_seq += 1;
        let (seq, captured) = (state.last_seq, state.offset.controller_time(now));
        state.change = Some(Change { seq, captured, types, extent, after });
        state.is_sent = false;
        drop(state);
        self.changed.notify_one();
        seq
    }

    /// A connection begins: nothing that was sent before is on its way any more.
    pub(crate) fn connected(&self, offset: ClockOffset) {
        let mut state = self.lock();
        state.offset = offset;
        state.is_sent = false;
    }

    pub(crate) fn disconnected(&self) {
        self.lock().is_sent = false;
        self.changed.notify_one();
    }

    /// Completes when there may be something to send. For one listener.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What waits to be sent, in pieces; it counts as sent from here on.
    pub(crate) fn to_send(&self) -> Vec<Inventory> {
        let mut state = self.lock();
        if state.is_sent {
            return Vec::new();
        }
        let Some(change) = &state.change else { return Vec::new() };
        let whole = Inventory {
            seq: change.seq,
            captured_ms: change.captured.millis(),
            holds: changes::digest(&change.after).to_vec().into(),
            types: change.types.clone(),
            more: false,
            whole: change.extent == Extent::All,
        };
        state.is_sent = true;
        drop(state);
        changes::pieces(whole)
    }

    /// Whether a change is on its way: a new one would not know what it is a change of.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.lock();
        state.is_sent && state.change.is_some()
    }

    /// The controller has answered. An answer to what is no longer waited for says nothing.
    pub(crate) fn answered(&self, ack: InventoryAck) {
        let mut state = self.lock();
        let Some(change) = state.change.take_if(|change| change.seq == ack.seq) else { return };
        state.is_sent = false;
        let verdict = match ack.outcome() {
            Outcome::Confirmed => {
                state.held = change.after;
                Verdict::Confirmed
            }
            Outcome::SendWhole => {
                state.held = Held::new();
                Verdict::None
            }
            Outcome::Refused | Outcome::Unspecified => Verdict::Refused(ack.detail),
        };
        let text = (!change.types.is_empty() || verdict == Verdict::None).then(|| write(&state.held));
        drop(state);
        if let Some(text) = text {
            self.write(&text);
        }
        match &verdict {
            Verdict::None => {
                tracing::info!("the controller asks for the whole inventory");
                self.wants_all.notify_one();
            }
            Verdict::Confirmed => tracing::debug!("the inventory is confirmed"),
            Verdict::Refused(detail) => {
                tracing::warn!("the controller does not keep the inventory: {detail}");
            }
        }
        self.answers.send_replace(Answer { seq: ack.seq, verdict });
    }

    /// Completes when the controller has asked for everything. For one listener.
    pub(crate) async fn wants_all(&self) {
        self.wants_all.notified().await;
    }

    pub(crate) fn answers(&self) -> watch::Receiver<Answer> {
        self.answers.subscribe()
    }

    fn write(&self, text: &[u8]) {
        let Some(file) = &self.file else { return };
        // Lost, it is told anew.
        if let Err(error) = replace::quickly(&*self.platform, file, text) {
            tracing::warn!("what the controller confirmed is not written down: {}", explain(&error));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The form on the disk.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    format: u32,
    types: Vec<WrittenType>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WrittenType {
    name: String,
    schema: String,
    hashes: String,
}

const FORMAT: u32 = 1;

fn write(held: &Held) -> Vec<u8> {
    let types = held.iter().map(|(name, held)| WrittenType {
        name: name.clone(),
        schema: held.schema_version.clone(),
        hashes: BASE64.encode(held.hashes.iter().flat_map(|hash| hash.to_be_bytes()).collect::<Vec<_>>()),
    });
    let written = Written { format: FORMAT, types: types.collect() };
    serde_json::to_vec(&written).expect("it has no map with keys that are not text")
}

fn read(text: &[u8]) -> Option<Held> {
    if text.len() > TYPE_MAX_BYTES {
        return None;
    }
    let written: Written =
        serde_json::from_slice(text).ok().filter(|written: &Written| written.format == FORMAT)?;
    let mut held = Held::new();
    for told in written.types {
        let bytes = BASE64.decode(&told.hashes).ok()?;
        let hashes: Vec<ItemHash> = bytes
            .chunks(8)
            .map(|hash| Some(u64::from_be_bytes(hash.try_into().ok()?)))
            .collect::<Option<_>>()?;
        held.insert(told.name, HeldType { schema_version: told.schema, hashes: hashes.into() });
    }
    Some(held)
}

/// A keeper that everything in one agent shares.
pub(crate) type SharedKeeper = Arc<Keeper>;

#[cfg(test)]
mod tests {
    use fleetwright_platform::fake::FakePlatform;
    use fleetwright_platform::{Item, Platform};
    use fleetwright_proto::clock::SystemClock;

    use super::*;

    fn platform() -> SharedPlatform {
        let fake: Arc<dyn Platform> = Arc::new(FakePlatform::numbered(1, Arc::new(SystemClock)));
        fake
    }

    fn gathered(name: &str, version: &str) -> Gathered {
        Gathered::new(name, "1.0", vec![Item::from([("Version".to_owned(), version.to_owned())])])
    }

    fn names(sent: &[Inventory]) -> Vec<&str> {
        sent.iter().flat_map(|piece| &piece.types).map(|told| told.type_name.as_str()).collect()
    }

    fn ack(seq: u64, outcome: Outcome) -> InventoryAck {
        InventoryAck { seq, outcome: outcome.into(), detail: "no room".to_owned() }
    }

    fn take(keeper: &Keeper, gathered: &[Gathered], extent: Extent) -> u64 {
        keeper.take(gathered.to_vec(), extent, Timestamp::default())
    }

    #[test]
    fn a_change_is_said_until_it_is_confirmed_and_then_no_more() {
        let keeper = Keeper::open(None, platform());
        assert!(keeper.to_send().is_empty());
        let seq = take(&keeper, &[gathered("A", "1")], Extent::These);
        assert_eq!(names(&keeper.to_send()), ["A"]);
        assert!(keeper.to_send().is_empty() && keeper.is_busy());
        keeper.disconnected();
        keeper.connected(ClockOffset::default());
        assert_eq!(names(&keeper.to_send()), ["A"]);
        keeper.answered(ack(seq + 7, Outcome::Confirmed));
        assert!(keeper.is_busy());
        keeper.answered(ack(seq, Outcome::Confirmed));
        assert_eq!(*keeper.answers().borrow(), Answer { seq, verdict: Verdict::Confirmed });
        take(&keeper, &[gathered("A", "1")], Extent::These);
        let sent = keeper.to_send();
        assert_eq!((names(&sent).len(), sent.len(), sent[0].holds.len()), (0, 1, 16));
    }

    #[test]
    fn what_waits_is_not_forgotten_when_something_else_is_collected() {
        let keeper = Keeper::open(None, platform());
        take(&keeper, &[gathered("A", "1"), gathered("B", "1")], Extent::These);
        take(&keeper, &[gathered("B", "2")], Extent::These);
        let sent = keeper.to_send();
        assert_eq!(names(&sent), ["B", "A"]);
        assert_eq!(sent[0].types[0].added[0].attributes["Version"], "2");
        take(&keeper, &[gathered("C", "1")], Extent::All);
        take(&keeper, &[gathered("D", "1")], Extent::These);
        let sent = keeper.to_send();
        assert!(sent[0].whole);
        assert_eq!(names(&sent), ["D", "C"]);
    }

    #[test]
    fn all_is_sent_when_the_controller_has_another_before() {
        let keeper = Keeper::open(None, platform());
        let seq = take(&keeper, &[gathered("A", "1")], Extent::These);
        keeper.to_send();
        keeper.answered(ack(seq, Outcome::SendWhole));
        take(&keeper, &[gathered("A", "1")], Extent::All);
        let sent = keeper.to_send();
        assert!(sent[0].whole && sent[0].types[0].base.is_empty());
    }

    #[test]
    fn a_refusal_is_told_and_changes_nothing() {
        let keeper = Keeper::open(None, platform());
        let seq = take(&keeper, &[gathered("A", "1")], Extent::These);
        keeper.to_send();
        keeper.answered(ack(seq, Outcome::Refused));
        assert_eq!(keeper.answers().borrow().verdict, Verdict::Refused("no room".to_owned()));
        take(&keeper, &[gathered("A", "1")], Extent::These);
        assert_eq!(names(&keeper.to_send()), ["A"]);
    }

    #[test]
    fn what_was_confirmed_is_known_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("inventory.json");
        let open = || Keeper::open(Some(file.clone()), platform());
        let keeper = open();
        let seq = take(&keeper, &[gathered("A", "1")], Extent::These);
        keeper.to_send();
        keeper.answered(ack(seq, Outcome::Confirmed));
        let keeper = open();
        take(&keeper, &[gathered("A", "1")], Extent::These);
        assert!(names(&keeper.to_send()).is_empty());
        for broken in [
            "",
            "{",
            r#"{"format":2,"types":[]}"#,
            r#"{"format":1,"types":[{"name":"A","schema":"1","hashes":"AA"}]}"#,
        ] {
            std::fs::write(&file, broken).unwrap();
            let keeper = open();
            take(&keeper, &[gathered("A", "1")], Extent::These);
            assert_eq!(names(&keeper.to_send()), ["A"], "{broken}");
        }
    }
}
