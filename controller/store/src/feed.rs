//! The feed: recent commits in memory, and the watches that follow them.
//!
//! Commits are kept in a ring with limits of number and bytes. A watch holds no changes of its own, only the
//! revisions that concern it; when the ring has dropped one that was not yet read, the watch is told so and ends.
//! A publisher therefore never waits for a watcher, and a sleeping watcher costs a commit nothing: watches are found
//! by the prefixes of the keys that were written.
//!
//! ```text
//! following ──a needed commit left the ring, or the engine was opened again──► compacted (scan again, watch anew)
//!     └───────the store closed───────────────────────────────────────────────► closed
//! ```

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::batch::Write;
use crate::contract::{Revision, Unit, Usage};

/// One commit, as a watch sees it: only the writes below its prefix, in the order in which they were batched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub revision: Revision,
    pub writes: Arc<[Write]>,
}

/// Why a watch ended. Every later call answers the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// Scan the range again, and watch from the revision taken before that scan.
    #[error("commits that this watch has not seen are no longer in memory")]
    Compacted,
    #[error("the store is closed")]
    Closed,
}

/// How much of the past a feed keeps for watches that fall behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedLimits {
    pub commits: usize,
    pub bytes: usize,
}

impl Default for FeedLimits {
    fn default() -> Self {
        Self { commits: 16 * 1024, bytes: 8 * 1024 * 1024 }
    }
}

/// What a [`Feed`] holds at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FeedUsage {
    pub(crate) commits: usize,
    pub(crate) bytes: usize,
    pub(crate) watches: usize,
}

impl FeedUsage {
    pub(crate) fn against(self, limits: FeedLimits) -> [Usage; 3] {
        let row = |name, used: usize, limit: Option<usize>, unit| Usage {
            name,
            used: Some(used as u64),
            limit: limit.map(|limit| limit as u64),
            unit,
        };
        [
            row("history", self.commits, Some(limits.commits), Unit::Commits),
            row("history memory", self.bytes, Some(limits.bytes), Unit::Bytes),
            row("watches", self.watches, None, Unit::Watches),
        ]
    }
}

/// The publishing side; clones share one feed.
#[derive(Clone)]
pub(crate) struct Feed {
    state: Arc<Mutex<FeedState>>,
}

struct FeedState {
    limits: FeedLimits,
    /// Everything up to here has left the ring, or was never in it.
    floor: Revision,
    last: Revision,
    ring: VecDeque<Change>,
    ring_bytes: usize,
    followers: HashMap<u64, Follower>,
    next_follower: u64,
    by_prefix: HashMap<Bytes, Vec<u64>>,
    /// How many followers have a prefix of that length: the lengths worth looking up for a key.
    prefix_lengths: BTreeMap<usize, usize>,
    closed: bool,
}

struct Follower {
    prefix: Bytes,
    /// Revisions in the ring that concern this follower and were not read yet.
    pending: VecDeque<Revision>,
    compacted: bool,
    wake: Arc<Notify>,
}

impl Feed {
    pub(crate) fn starting_at(revision: Revision, limits: FeedLimits) -> Self {
        let state = FeedState {
            limits,
            floor: revision,
            last: revision,
            ring: VecDeque::new(),
            ring_bytes: 0,
            followers: HashMap::new(),
            next_follower: 0,
            by_prefix: HashMap::new(),
            prefix_lengths: BTreeMap::new(),
            closed: false,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The last published commit.
    pub(crate) fn revision(&self) -> Revision {
        self.lock().last
    }

    pub(crate) fn usage(&self) -> FeedUsage {
        let state = self.lock();
        FeedUsage { commits: state.ring.len(), bytes: state.ring_bytes, watches: state.followers.len() }
    }

    pub(crate) fn watch(&self, prefix: &[u8], from: Revision) -> Watch {
        let wake = Arc::new(Notify::new());
        let id = self.lock().follow(Bytes::copy_from_slice(prefix), from, wake.clone());
        Watch { feed: self.clone(), id, wake }
    }

    /// Appends commits in the order of their revisions.
    pub(crate) fn publish(&self, changes: impl IntoIterator<Item = Change>) {
        let mut state = self.lock();
        for change in changes {
            state.append(change);
        }
    }

    /// Forgets the past: the store was opened again at `revision`, and what happened in between is not known.
    pub(crate) fn restart_at(&self, revision: Revision) {
        let mut state = self.lock();
        state.last = state.last.max(revision);
        state.floor = state.last;
        state.ring.clear();
        state.ring_bytes = 0;
        for follower in state.followers.values_mut() {
            follower.compact();
        }
    }

    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        for follower in state.followers.values() {
            follower.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, FeedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("last", &self.revision()).finish_non_exhaustive()
    }
}

impl FeedState {
    fn follow(&mut self, prefix: Bytes, from: Revision, wake: Arc<Notify>) -> u64 {
        let compacted = from < self.floor;
        let past = self.ring.iter().filter(|change| change.revision > from && touches(change, &prefix));
        let pending = if compacted { VecDeque::new() } else { past.map(|change| change.revision).collect() };
        let id = self.next_follower;
        self.next_follower += 1;
        self.by_prefix.entry(prefix.clone()).or_default().push(id);
        *self.prefix_lengths.entry(prefix.len()).or_default() += 1;
        self.followers.insert(id, Follower { prefix, pending, compacted, wake });
        id
    }

    fn unfollow(&mut self, id: u64) {
        let Some(follower) = self.followers.remove(&id) else { return };
        if let Some(ids) = self.by_prefix.get_mut(&follower.prefix) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_prefix.remove(&follower.prefix);
            }
        }
        if let Some(count) = self.prefix_lengths.get_mut(&follower.prefix.len()) {
            *count -= 1;
            if *count == 0 {
                self.prefix_lengths.remove(&follower.prefix.len());
            }
        }
    }

    fn append(&mut self, change: Change) {
        debug_assert!(change.revision > self.last, "commits are published in order");
        self.last = change.revision;
        for write in change.writes.iter() {
            self.announce(change.revision, write.key());
        }
        self.ring_bytes += bytes_of(&change);
        self.ring.push_back(change);
        while self.ring.len() > self.limits.commits || self.ring_bytes > self.limits.bytes {
            let Some(oldest) = self.ring.pop_front() else { break };
            self.ring_bytes -= bytes_of(&oldest);
            self.floor = oldest.revision;
            self.drop_for_followers(&oldest);
        }
    }

    fn announce(&mut self, revision: Revision, key: &[u8]) {
        for length in self.prefix_lengths.keys().take_while(|length| **length <= key.len()) {
            for id in self.by_prefix.get(&key[..*length]).into_iter().flatten() {
                let Some(follower) = self.followers.get_mut(id) else { continue };
                if !follower.compacted && follower.pending.back() != Some(&revision) {
                    follower.pending.push_back(revision);
                    follower.wake.notify_one();
                }
            }
        }
    }

    /// Whoever has not read `oldest` yet has missed it.
    fn drop_for_followers(&mut self, oldest: &Change) {
        for write in oldest.writes.iter() {
            let key = write.key();
            for length in self.prefix_lengths.keys().take_while(|length| **length <= key.len()) {
                for id in self.by_prefix.get(&key[..*length]).into_iter().flatten() {
                    let Some(follower) = self.followers.get_mut(id) else { continue };
                    if follower.pending.front() == Some(&oldest.revision) {
                        follower.compact();
                    }
                }
            }
        }
    }

    /// The next change of a follower, or why there is none; `None` when it has to wait.
    fn take(&mut self, id: u64) -> Option<Result<Change, WatchError>> {
        let follower = self.followers.get_mut(&id)?;
        if follower.compacted {
            return Some(Err(WatchError::Compacted));
        }
        let Some(revision) = follower.pending.pop_front() else {
            return self.closed.then_some(Err(WatchError::Closed));
        };
        let at = self.ring.partition_point(|change| change.revision < revision);
        Some(Ok(narrow(&self.ring[at], &follower.prefix)))
    }
}

impl Follower {
    fn compact(&mut self) {
        self.compacted = true;
        self.pending = VecDeque::new();
        self.wake.notify_one();
    }
}

/// Follows the commits below one prefix; see `Store::watch`.
pub struct Watch {
    feed: Feed,
    id: u64,
    wake: Arc<Notify>,
}

impl Watch {
    /// The next commit below the prefix, when there is one. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Change, WatchError> {
        loop {
            if let Some(answer) = self.try_next() {
                return answer;
            }
            self.wake.notified().await;
        }
    }

    /// As [`Watch::next`], but `None` when it would wait.
    pub fn try_next(&mut self) -> Option<Result<Change, WatchError>> {
        self.feed.lock().take(self.id)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.feed.lock().unfollow(self.id);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("id", &self.id).finish_non_exhaustive()
    }
}

fn touches(change: &Change, prefix: &[u8]) -> bool {
    change.writes.iter().any(|write| write.key().starts_with(prefix))
}

/// The change with the writes below `prefix` only; shares them when that is all of them.
fn narrow(change: &Change, prefix: &[u8]) -> Change {
    if change.writes.iter().all(|write| write.key().starts_with(prefix)) {
        return change.clone();
    }
    let below = change.writes.iter().filter(|write| write.key().starts_with(prefix));
    Change { revision: change.revision, writes: below.cloned().collect() }
}

/// What a change takes of the ring's byte limit: its keys and values, and what the ring needs to hold them.
fn bytes_of(change: &Change) -> usize {
    let held = size_of::<Change>() + change.writes.len() * size_of::<Write>();
    held + change.writes.iter().map(Write::size_bytes).sum::<usize>()
}
