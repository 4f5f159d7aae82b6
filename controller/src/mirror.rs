//! A table in memory, as fresh as the store: for rows that are read far more often than they are written.
//!
//! A reader first takes over every commit that its watch has been told of, and only then looks. The store tells its
//! watches of a commit before it answers the writer, so whoever was answered finds what was written, and nobody sees
//! what is not durable. Whatever the mirror cannot follow (a watch that fell behind, a row of a newer release) makes it
//! forget everything and read the table again.
//!
//! ```text
//! empty ── first look: scan, then watch ──► filled ── commits of the watch ──► filled
//!   ▲                                          │
//!   └──────── fell behind, cannot read ────────┘
//! ```
//!
//! Keys are always in memory. Values are, up to a bound; beyond it some are away, and are read from the store.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fleetwright_store::{
    Codec, Row, RowChange, Store, StoreError, Table, TableError, TableKey, Watch, WatchError,
};

use crate::records::Pages;

/// A row as the mirror has it.
#[derive(Debug)]
pub(crate) enum Held<K, V> {
    Here(Arc<Row<K, V>>),
    /// The bound was reached: it is read from the store.
    Away,
}

impl<K, V> Clone for Held<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Here(row) => Self::Here(row.clone()),
            Self::Away => Self::Away,
        }
    }
}

/// See the head of this module.
#[derive(Debug)]
pub(crate) struct Mirror<K: 'static, V: 'static> {
    table: &'static Table<K, V>,
    bound_bytes: usize,
    /// About how many bytes a value takes.
    weigh: fn(&V) -> usize,
    state: Mutex<Option<Filled<K, V>>>,
    filling: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Filled<K, V> {
    watch: Watch,
    rows: BTreeMap<K, Held<K, V>>,
    bytes: usize,
    /// Where the next value is taken from when the bound is reached.
    hand: Option<K>,
}

impl<K: TableKey + Ord, V: Codec> Mirror<K, V> {
    pub(crate) fn of(table: &'static Table<K, V>, bound_bytes: usize, weigh: fn(&V) -> usize) -> Self {
        Self { table, bound_bytes, weigh, state: Mutex::new(None), filling: tokio::sync::Mutex::new(()) }
    }

    /// One row.
    pub(crate) async fn get(&self, store: &dyn Store, key: &K) -> Result<Option<Arc<Row<K, V>>>, TableError> {
        let held = self.look(store, |rows| rows.get(key).cloned()).await?;
        self.row(store, key, held).await
    }

    /// The row behind what a look found under the key.
    pub(crate) async fn row(
        &self,
        store: &dyn Store,
        key: &K,
        held: Option<Held<K, V>>,
    ) -> Result<Option<Arc<Row<K, V>>>, TableError> {
        match held {
            None => Ok(None),
            Some(Held::Here(row)) => Ok(Some(row)),
            Some(Held::Away) => Ok(self.table.get(store, key).await?.map(Arc::new)),
        }
    }

    /// Looks at all rows at once. `look` holds up every other reader: it must be short.
    pub(crate) async fn look<R>(
        &self,
        store: &dyn Store,
        look: impl FnOnce(&BTreeMap<K, Held<K, V>>) -> R,
    ) -> Result<R, StoreError> {
        loop {
            if let Some(filled) = self.caught_up().as_ref() {
                return Ok(look(&filled.rows));
            }
            self.fill(store).await?;
        }
    }

    /// The state with every commit in it that the watch has been told of; None when it has to be filled.
    fn caught_up(&self) -> MutexGuard<'_, Option<Filled<K, V>>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(filled) = state.as_mut()
            && !filled.catch_up(self)
        {
            *state = None;
        }
        state
    }

    async fn fill(&self, store: &dyn Store) -> Result<(), StoreError> {
        let _only_one = self.filling.lock().await;
        if self.caught_up().is_some() {
            return Ok(());
        }
        let watch = self.table.watch(store, &(), store.revision());
        let mut filled = Filled { watch, rows: BTreeMap::new(), bytes: 0, hand: None };
        let mut pages = Pages::of(self.table, ());
        while let Some(rows) = pages.next(store).await? {
            rows.into_iter().for_each(|row| filled.put(self, row));
        }
        // A store that closes ends its watches: only the scan says why.
        if !filled.catch_up(self) {
            store.get(&[0]).await?;
            tokio::task::yield_now().await;
            return Ok(());
        }
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = Some(filled);
        Ok(())
    }
}

impl<K: TableKey + Ord, V: Codec> Filled<K, V> {
    /// False when this cannot be followed any further.
    fn catch_up(&mut self, mirror: &Mirror<K, V>) -> bool {
        loop {
            let change = match self.watch.try_next() {
                None => return true,
                Some(Ok(change)) => change,
                Some(Err(WatchError::Compacted | WatchError::Closed)) => return false,
            };
            for change in mirror.table.decode_change(&change) {
                match change {
                    RowChange::Put(row) => self.put(mirror, row),
                    RowChange::Deleted(key) => self.delete(mirror, &key),
                    RowChange::Unreadable(_) => return false,
                }
            }
        }
    }

    fn put(&mut self, mirror: &Mirror<K, V>, row: Row<K, V>) {
        self.delete(mirror, &row.key);
        let (key, bytes) = (row.key.clone(), (mirror.weigh)(&row.value));
        self.rows.insert(key.clone(), Held::Here(Arc::new(row)));
        self.bytes += bytes;
        while self.bytes > mirror.bound_bytes && self.send_one_away(mirror, &key) {}
    }

    fn delete(&mut self, mirror: &Mirror<K, V>, key: &K) {
        if let Some(Held::Here(row)) = self.rows.remove(key) {
            self.bytes -= (mirror.weigh)(&row.value);
        }
    }

    /// The next value behind the hand goes; the one that has just come stays. False when there is none.
    fn send_one_away(&mut self, mirror: &Mirror<K, V>, but: &K) -> bool {
        let from = self.hand.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let is_here = |(key, held): &(&K, &mut Held<K, V>)| matches!(held, Held::Here(_)) && *key != but;
        let after_hand =
            self.rows.range_mut((from, Bound::Unbounded)).find(is_here).map(|(key, _)| key.clone());
        let found = after_hand.or_else(|| self.rows.iter_mut().find(is_here).map(|(key, _)| key.clone()));
        let Some(key) = found else { return false };
        if let Some(Held::Here(row)) = self.rows.insert(key.clone(), Held::Away) {
            self.bytes -= (mirror.weigh)(&row.value);
        }
        self.hand = Some(key);
        true
    }
}

#[cfg(test)]
mod tests {
    use fleetwright_store::{Batch, FeedLimits, MemoryStore};

    use super::*;
    use crate::documents::records::VersionNumber;

    const TABLE: Table<String, VersionNumber> = Table::new("mirrored");

    fn mirror(bound_bytes: usize) -> Mirror<String, VersionNumber> {
        Mirror::of(&TABLE, bound_bytes, |_| 10)
    }

    async fn put(store: &dyn Store, key: &str, version: u64) {
        let mut batch = Batch::new();
        TABLE.put(&mut batch, &key.to_owned(), &VersionNumber { version }).unwrap();
        store.commit(batch).await.unwrap();
    }

    async fn delete(store: &dyn Store, key: &str) {
        let mut batch = Batch::new();
        TABLE.delete(&mut batch, &key.to_owned());
        store.commit(batch).await.unwrap();
    }

    async fn check(mirror: &Mirror<String, VersionNumber>, store: &dyn Store, wanted: &[(&str, u64)]) {
        let keys = mirror.look(store, |rows| rows.keys().cloned().collect::<Vec<_>>()).await.unwrap();
        let mut found = Vec::new();
        for key in &keys {
            let row = mirror.get(store, key).await.unwrap().unwrap();
            found.push((key.as_str(), row.value.version));
        }
        assert_eq!(found, wanted);
    }

    #[tokio::test]
    async fn whoever_was_answered_finds_what_was_written() {
        let store = MemoryStore::new();
        let mirror = mirror(1000);
        put(&store, "a", 1).await;
        check(&mirror, &store, &[("a", 1)]).await;
        put(&store, "a", 2).await;
        put(&store, "b", 1).await;
        check(&mirror, &store, &[("a", 2), ("b", 1)]).await;
        delete(&store, "a").await;
        check(&mirror, &store, &[("b", 1)]).await;
        assert!(mirror.get(&store, &"a".to_owned()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_mirror_that_fell_behind_reads_the_table_again() {
        let store = MemoryStore::with_feed(FeedLimits { commits: 2, bytes: 1 << 20 });
        let mirror = mirror(1000);
        check(&mirror, &store, &[]).await;
        for version in 1..=9 {
            put(&store, "a", version).await;
        }
        check(&mirror, &store, &[("a", 9)]).await;
    }

    #[tokio::test]
    async fn beyond_the_bound_values_are_away_and_still_found() {
        let store = MemoryStore::new();
        let mirror = mirror(25);
        for version in 1..=9_u64 {
            put(&store, &format!("k{version}"), version).await;
            let row = mirror.get(&store, &format!("k{version}")).await.unwrap().unwrap();
            assert_eq!(row.value.version, version);
        }
        let here = |rows: &BTreeMap<_, Held<_, _>>| {
            rows.values().filter(|held| matches!(held, Held::Here(_))).count()
        };
        assert_eq!(mirror.look(&store, here).await.unwrap(), 2);
        let wanted: Vec<(String, u64)> = (1..=9).map(|version| (format!("k{version}"), version)).collect();
        let wanted: Vec<(&str, u64)> = wanted.iter().map(|(key, version)| (key.as_str(), *version)).collect();
        check(&mirror, &store, &wanted).await;
    }
}
