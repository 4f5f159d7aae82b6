//! What this host holds, in memory: answers with the moment until which they may be used. Pure; time comes in.
//!
//! ```text
//!            kept, confirmed                    the link ends             the lease is over
//! (nothing) ───────────────► live ───────────────────────────► of then ──────────────────► empty
//!                             ▲ └── refused: gone                 │ confirmed, given anew     │
//!                             └───────────────────────────────────┴───────────────────────────┘
//! ```
//!
//! What is live was confirmed by everything that the controller has said since. An empty entry has no value any more; it
//! is remembered so that it can be told why, and asked for when the controller is back. Beyond the bounds, what was not
//! used for longest goes first.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use fleetwright_proto::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::query::{Given, Query, Value};

/// What an entry takes beside its texts, about.
const ENTRY_BYTES: usize = 256;

/// How much is held, and for how long after the last word of the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    pub entries: usize,
    pub bytes: usize,
    pub lease: Duration,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self { entries: 1_000, bytes: 4 << 20, lease: Duration::from_secs(24 * 3600) }
    }
}

/// What is there for a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    Fresh(Given),
    /// It was held; the controller confirmed it last at this moment.
    LeaseOver(Timestamp),
    Missing,
}

#[derive(Debug)]
struct Entry {
    given: Option<Given>,
    token: Bytes,
    confirmed: Confirmed,
    used: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Confirmed {
    /// By whatever the controller says.
    Live,
    At(Timestamp),
}

/// An entry as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    query: Query,
    confirmed_ms: Timestamp,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    names: Option<Vec<String>>,
}

#[derive(Debug)]
pub(super) struct Cache {
    entries: HashMap<Query, Entry>,
    bytes: usize,
    limits: CacheLimits,
    uses: u64,
    /// When the controller was last heard.
    contact: Timestamp,
}

impl Entry {
    fn bytes(&self, query: &Query) -> usize {
        ENTRY_BYTES + query.bytes() + self.given.as_ref().map_or(0, Given::bytes)
    }
}

impl Cache {
    pub(super) fn new(limits: CacheLimits) -> Self {
        Self { entries: HashMap::new(), bytes: 0, limits, uses: 0, contact: Timestamp::default() }
    }

    /// The controller said something.
    pub(super) fn heard(&mut self, now: Timestamp) {
        self.contact = now;
    }

    pub(super) fn look(&mut self, query: &Query, now: Timestamp) -> Look {
        self.uses += 1;
        let Some(entry) = self.entries.get_mut(query) else { return Look::Missing };
        let confirmed = match entry.confirmed {
            Confirmed::Live => self.contact,
            Confirmed::At(moment) => moment,
        };
        match &entry.given {
            Some(given) if confirmed.until(now) <= self.limits.lease => {
                entry.used = self.uses;
                Look::Fresh(given.clone())
            }
            _ => Look::LeaseOver(confirmed),
        }
    }

    pub(super) fn holds(&self, query: &Query) -> bool {
        self.entries.contains_key(query)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn used(&self) -> (usize, usize) {
        (self.entries.len(), self.bytes)
    }

    /// Keeps an answer, which is live. Returns what had to go for it.
    pub(super) fn keep(&mut self, query: Query, given: Given, token: Bytes) -> Vec<Query> {
        self.remove(&query);
        self.uses += 1;
        let entry = Entry { given: Some(given), token, confirmed: Confirmed::Live, used: self.uses };
        self.insert(query, entry)
    }

    fn insert(&mut self, query: Query, entry: Entry) -> Vec<Query> {
        self.bytes += entry.bytes(&query);
        self.entries.insert(query, entry);
        let mut gone = Vec::new();
        while self.entries.len() > self.limits.entries || self.bytes > self.limits.bytes {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(query, _)| query.clone()) else { break };
            self.remove(&oldest);
            gone.push(oldest);
        }
        gone
    }

    /// The controller says that it is still as it is held. False when it is not held any more.
    pub(super) fn confirm(&mut self, query: &Query) -> bool {
        match self.entries.get_mut(query) {
            Some(entry) if entry.given.is_some() => {
                entry.confirmed = Confirmed::Live;
                true
            }
            _ => false,
        }
    }

    /// The controller cannot tell now how it is.
    pub(super) fn doubt(&mut self, query: &Query) {
        let contact = self.contact;
        if let Some(entry) = self.entries.get_mut(query)
            && entry.confirmed == Confirmed::Live
        {
            entry.confirmed = Confirmed::At(contact);
        }
    }

    /// Whether it was held.
    pub(super) fn remove(&mut self, query: &Query) -> bool {
        let Some(entry) = self.entries.remove(query) else { return false };
        self.bytes -= entry.bytes(query);
        true
    }

    /// The link ended: leases run from the last word.
    pub(super) fn lose_contact(&mut self) {
        for entry in self.entries.values_mut().filter(|entry| entry.confirmed == Confirmed::Live) {
            entry.confirmed = Confirmed::At(self.contact);
        }
    }

    /// The clock that leases are measured with was set: they are as old as before.
    pub(super) fn shift(&mut self, by_ms: i64) {
        let moved = |moment: Timestamp| Timestamp::from_millis(moment.millis().saturating_add(by_ms));
        for entry in self.entries.values_mut() {
            if let Confirmed::At(moment) = entry.confirmed {
                entry.confirmed = Confirmed::At(moved(moment));
            }
        }
        self.contact = moved(self.contact);
    }

    /// Takes the values away whose lease is over. Whether there were any.
    pub(super) fn expire(&mut self, now: Timestamp) -> bool {
        let (lease, contact) = (self.limits.lease, self.contact);
        let mut freed = 0;
        for entry in self.entries.values_mut().filter(|entry| entry.given.is_some()) {
            let confirmed = match entry.confirmed {
                Confirmed::Live => contact,
                Confirmed::At(moment) => moment,
            };
            if confirmed.until(now) > lease {
                freed += entry.given.take().map_or(0, |given| given.bytes());
                (entry.token, entry.confirmed) = (Bytes::new(), Confirmed::At(confirmed));
            }
        }
        self.bytes -= freed;
        freed > 0
    }

    /// Every query with the token of what is held for it.
    pub(super) fn tokens(&self) -> Vec<(Query, Bytes)> {
        self.entries.iter().map(|(query, entry)| (query.clone(), entry.token.clone())).collect()
    }

    pub(super) fn token(&self, query: &Query) -> Bytes {
        self.entries.get(query).map(|entry| entry.token.clone()).unwrap_or_default()
    }

    pub(super) fn written(&self) -> Vec<Kept> {
        let written = |(query, entry): (&Query, &Entry)| {
            let (value, names) = match &entry.given {
                Some(Given::Value(value)) => (Some(Value::clone(value)), None),
                Some(Given::Names(names)) => (None, Some(Vec::clone(names))),
                None => (None, None),
            };
            let confirmed_ms = match entry.confirmed {
                Confirmed::Live => self.contact,
                Confirmed::At(moment) => moment,
            };
            Kept { query: query.clone(), confirmed_ms, token: hex::encode(&entry.token), value, names }
        };
        self.entries.iter().map(written).collect()
    }

    /// Takes up what was written down, as far as there is room.
    pub(super) fn restore(&mut self, kept: Vec<Kept>) {
        for kept in kept {
            let given = match (kept.value, kept.names) {
                (Some(value), _) => Some(Given::Value(value.into())),
                (None, Some(names)) => Some(Given::Names(names.into())),
                (None, None) => None,
            };
            // Without a token the controller gives it anew.
            let token = hex::decode(&kept.token).unwrap_or_default().into();
            let confirmed = Confirmed::At(kept.confirmed_ms);
            drop(self.insert(kept.query, Entry { given, token, confirmed, used: 0 }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::query::Decryption;
    use super::*;

    const LEASE: Duration = Duration::from_secs(100);

    fn cache(entries: usize, bytes: usize) -> Cache {
        Cache::new(CacheLimits { entries, bytes, lease: LEASE })
    }

    fn query(text: &str) -> Query {
        Query::value(text, Decryption::No).unwrap()
    }

    fn given(text: &str) -> Given {
        Given::Value(
            Value {
                name: "n".to_owned(),
                parameter_type: "String".to_owned(),
                text: text.to_owned(),
                version: 1,
                selector: None,
                modified_ms: 0,
                data_type: "text".to_owned(),
                arn: String::new(),
            }
            .into(),
        )
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1_000)
    }

    fn kept(cache: &mut Cache, text: &str) {
        drop(cache.keep(query(text), given(text), Bytes::from_static(b"t")));
    }

    #[test]
    fn a_lease_runs_from_the_last_word_of_the_controller() {
        let mut cache = cache(9, 1 << 20);
        cache.heard(at(0));
        kept(&mut cache, "a");
        assert_eq!(cache.look(&query("a"), at(100)), Look::Fresh(given("a")));
        assert_eq!(cache.look(&query("a"), at(101)), Look::LeaseOver(at(0)), "live, and silent for too long");
        cache.heard(at(50));
        cache.lose_contact();
        cache.heard(at(60));
        assert_eq!(cache.look(&query("a"), at(150)), Look::Fresh(given("a")));
        assert_eq!(
            cache.look(&query("a"), at(151)),
            Look::LeaseOver(at(50)),
            "what is heard later is no word on it"
        );
        assert!(!cache.expire(at(150)) && cache.expire(at(151)) && !cache.expire(at(152)));
        assert_eq!(cache.look(&query("a"), at(0)), Look::LeaseOver(at(50)), "its value is gone");
        assert!(!cache.confirm(&query("a")), "what is not held cannot be confirmed");
        assert_eq!(cache.token(&query("a")), Bytes::new());
        kept(&mut cache, "a");
        assert_eq!(cache.look(&query("a"), at(150)), Look::Fresh(given("a")));
        assert_eq!(cache.look(&query("b"), at(0)), Look::Missing);
    }

    #[test]
    fn a_doubt_stops_confirmations_until_the_next_answer() {
        let mut cache = cache(9, 1 << 20);
        cache.heard(at(0));
        kept(&mut cache, "a");
        cache.doubt(&query("a"));
        cache.heard(at(90));
        assert_eq!(cache.look(&query("a"), at(101)), Look::LeaseOver(at(0)));
        assert!(cache.confirm(&query("a")));
        assert_eq!(cache.look(&query("a"), at(101)), Look::Fresh(given("a")));
    }

    #[test]
    fn beyond_the_bounds_what_was_not_used_for_longest_goes() {
        let mut cache = cache(2, 1 << 20);
        cache.heard(at(0));
        kept(&mut cache, "a");
        kept(&mut cache, "b");
        cache.look(&query("a"), at(0));
        assert_eq!(cache.keep(query("c"), given("c"), Bytes::new()), [query("b")]);
        assert_eq!(cache.used().0, 2);
        let mut small = self::cache(9, 3_000);
        kept(&mut small, &"x".repeat(300));
        assert_eq!(small.keep(query("c"), given(&"y".repeat(2_000)), Bytes::new()).len(), 1);
        assert_eq!(small.keep(query("d"), given(&"y".repeat(4_000)), Bytes::new()), [query("c"), query("d")]);
        assert_eq!(small.used(), (0, 0));
    }

    #[test]
    fn what_is_written_down_is_as_it_was() {
        let mut cache = cache(9, 1 << 20);
        cache.heard(at(7));
        kept(&mut cache, "a");
        let names = Given::Names(vec!["/x/y".to_owned()].into());
        drop(cache.keep(Query::below("/x").unwrap(), names.clone(), Bytes::from_static(b"n")));
        let text = serde_json::to_vec(&cache.written()).unwrap();
        let mut again = self::cache(9, 1 << 20);
        again.restore(serde_json::from_slice(&text).unwrap());
        assert_eq!(again.used(), cache.used());
        assert_eq!(again.look(&query("a"), at(107)), Look::Fresh(given("a")));
        assert_eq!(again.look(&Query::below("/x").unwrap(), at(107)), Look::Fresh(names));
        assert_eq!(again.look(&query("a"), at(108)), Look::LeaseOver(at(7)));
        assert_eq!(again.token(&query("a")), Bytes::from_static(b"t"));
    }

    #[test]
    fn leases_are_as_old_as_before_when_the_clock_is_set() {
        let mut cache = cache(9, 1 << 20);
        cache.heard(at(1_000));
        kept(&mut cache, "a");
        cache.lose_contact();
        cache.shift(-900_000);
        assert_eq!(cache.look(&query("a"), at(200)), Look::Fresh(given("a")));
        assert_eq!(cache.look(&query("a"), at(201)), Look::LeaseOver(at(100)));
    }
}
