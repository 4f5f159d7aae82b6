//! What all rooms share of keeping records.

use fleetwright_store::{
    Batch, Codec, CommitError, KeyPrefix, Page, Row, Store, StoreError, Table, TableKey, Unreadable,
};

/// How often an operation tries again when somebody else changed the same rows at the same moment.
pub(crate) const COMMIT_ATTEMPTS: usize = 32;

/// Declares a serde struct as a JSON record of the store with its format version.
macro_rules! json_record {
    ($record:ty, $format:literal) => {
        impl ::fleetwright_store::Record for $record {
            const FORMAT: u16 = $format;
        }
    };
}
pub(crate) use json_record;

/// A row that cannot be read never breaks a list; it is said in the log, once for each list that met it.
pub(crate) fn note_unreadable(table: &str, unreadable: &[Unreadable]) {
    for row in unreadable {
        tracing::error!(table, key = row.key, why = row.why, "a stored row cannot be read and is left out");
    }
}

/// A moment for people: RFC 3339 in UTC, to the second.
#[must_use]
pub(crate) fn rfc3339(moment: fleetwright_proto::clock::Timestamp) -> String {
    use time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::from_unix_timestamp(moment.millis().div_euclid(1000))
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{} ms", moment.millis()))
}

/// The same to the millisecond.
#[must_use]
pub(crate) fn rfc3339_millis(moment: fleetwright_proto::clock::Timestamp) -> String {
    let seconds = rfc3339(moment);
    let millis = moment.millis().rem_euclid(1000);
    seconds.strip_suffix('Z').map_or_else(|| seconds.clone(), |start| format!("{start}.{millis:03}Z"))
}

/// Rows read at once by [`Pages`].
const PAGE_ROWS: usize = 512;

/// Every row below a prefix, a page at a time, so that no table is ever in memory whole.
#[derive(Debug)]
pub(crate) struct Pages<'a, K, V, P> {
    table: &'a Table<K, V>,
    prefix: P,
    after: Option<K>,
    ended: bool,
}

impl<'a, K: TableKey, V: Codec, P: KeyPrefix<K>> Pages<'a, K, V, P> {
    pub(crate) fn of(table: &'a Table<K, V>, prefix: P) -> Self {
        Self { table, prefix, after: None, ended: false }
    }

    /// The next rows; None after the last. Rows that cannot be read are said in the log and left out.
    pub(crate) async fn next(&mut self, store: &dyn Store) -> Result<Option<Vec<Row<K, V>>>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        let page = self.table.scan(store, &self.prefix, self.after.as_ref(), PAGE_ROWS).await?;
        note_unreadable(self.table.name(), &page.unreadable);
        self.after = next_key(&page, PAGE_ROWS);
        self.ended = self.after.is_none();
        Ok(Some(page.rows))
    }
}

/// Deletes every row below a prefix, a page at a time. Stopped in between, it is to be called again.
pub(crate) async fn delete_below<K: TableKey, V: Codec>(
    store: &dyn Store,
    table: &Table<K, V>,
    prefix: impl KeyPrefix<K>,
) -> Result<(), CommitError> {
    let mut pages = Pages::of(table, prefix);
    while let Some(rows) = pages.next(store).await? {
        let mut batch = Batch::new();
        for row in rows {
            table.delete(&mut batch, &row.key);
        }
        store.commit(batch).await?;
    }
    Ok(())
}

/// Where the page after this one starts; None when this was the last of pages of `limit` rows.
pub(crate) fn next_key<K: Clone, V>(page: &Page<K, V>, limit: usize) -> Option<K> {
    let last = page.rows.last().filter(|_| page.rows.len() >= limit);
    last.map(|row| row.key.clone())
}

/// A row with another value, to be written back.
pub(crate) trait With<V> {
    #[must_use]
    fn with(self, value: V) -> Self;
}

impl<K, V> With<V> for Row<K, V> {
    fn with(mut self, value: V) -> Self {
        self.value = value;
        self
    }
}
