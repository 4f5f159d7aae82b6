//! Typed tables over a store.

use fleetwright_proto::ids::NodeId;
use fleetwright_store::{
    Batch, Codec, CommitError, Condition, Decoded, Kept, MemoryStore, Record, RecordError, Reverse, Revision,
    RowChange, Store, Table, TableError, WatchError,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Host {
    name: String,
}

impl Record for Host {
    const FORMAT: u16 = 1;
}

/// Bytes as they are, without JSON around them.
#[derive(Debug, PartialEq)]
struct Chunk(Vec<u8>);

impl Codec for Chunk {
    fn encode(&self, _kept: &Kept) -> Result<Vec<u8>, RecordError> {
        Ok(self.0.clone())
    }

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, RecordError> {
        Ok(Decoded { value: Self(bytes.to_vec()), kept: Kept::default() })
    }
}

const HOSTS: Table<String, Host> = Table::new("host");
const HOSTS_BY_SITE: Table<(String, Reverse<u64>), Host> = Table::new("host-by-site");
const CHUNKS: Table<(NodeId, u64), Chunk> = Table::new("chunk");

fn host(name: &str) -> Host {
    Host { name: name.to_owned() }
}

fn key(text: &str) -> String {
    text.to_owned()
}

/// A store with hosts of these names under keys of the same.
async fn with_hosts(names: &[&str]) -> MemoryStore {
    let store = MemoryStore::new();
    let mut batch = Batch::new();
    for name in names {
        HOSTS.insert(&mut batch, &key(name), &host(name)).unwrap();
    }
    store.commit(batch).await.unwrap();
    store
}

async fn write_raw(store: &MemoryStore, key: &[u8], value: &str) {
    let mut batch = Batch::new();
    batch.put(key.to_vec(), value.to_owned());
    store.commit(batch).await.unwrap();
}

#[test]
fn keys_begin_with_the_tables_name() {
    assert_eq!(HOSTS.key_bytes(&key("web")), &b"host\x00\x01web\x00\x01"[..]);
    let site = (key("bern"), Reverse(1));
    let wanted = &b"host-by-site\x00\x01bern\x00\x01\xff\xff\xff\xff\xff\xff\xff\xfe"[..];
    assert_eq!(HOSTS_BY_SITE.key_bytes(&site), wanted);
}

#[tokio::test]
async fn a_row_is_inserted_once() {
    let store = with_hosts(&["a"]).await;
    let mut batch = Batch::new();
    HOSTS.insert(&mut batch, &key("a"), &host("other")).unwrap();
    assert!(matches!(store.commit(batch).await, Err(CommitError::Conflict { .. })));
    assert_eq!(HOSTS.get(&store, &key("a")).await.unwrap().unwrap().value, host("a"));
    assert!(HOSTS.get(&store, &key("b")).await.unwrap().is_none());
}

#[tokio::test]
async fn a_row_is_replaced_as_it_was_read_or_not_at_all() {
    let store = with_hosts(&["a"]).await;
    let mut first = HOSTS.get(&store, &key("a")).await.unwrap().unwrap();
    let mut second = first.clone();
    for (row, name, wanted) in [(&mut first, "1", true), (&mut second, "2", false)] {
        row.value.name = key(name);
        let mut batch = Batch::new();
        HOSTS.replace(&mut batch, row).unwrap();
        assert_eq!(store.commit(batch).await.is_ok(), wanted, "writer {name}");
    }
    let mut batch = Batch::new();
    HOSTS.delete_at(&mut batch, &first.key, first.revision);
    assert!(matches!(store.commit(batch).await, Err(CommitError::Conflict { .. })));
    assert_eq!(HOSTS.get(&store, &key("a")).await.unwrap().unwrap().value, host("1"));
}

#[tokio::test]
async fn unknown_fields_survive_a_replace() {
    let store = MemoryStore::new();
    write_raw(&store, &HOSTS.key_bytes(&key("a")), r#"{"format":1,"name":"a","colour":"blue"}"#).await;
    let mut row = HOSTS.get(&store, &key("a")).await.unwrap().unwrap();
    row.value.name = key("b");
    let mut batch = Batch::new();
    HOSTS.replace(&mut batch, &row).unwrap();
    store.commit(batch).await.unwrap();
    let stored = store.get(&HOSTS.key_bytes(&key("a"))).await.unwrap().unwrap();
    assert_eq!(stored.value, r#"{"format":1,"name":"b","colour":"blue"}"#);
}

#[tokio::test]
async fn a_scan_stays_in_its_table_and_below_its_prefix() {
    let store = with_hosts(&["a", "ab", "b"]).await;
    let mut batch = Batch::new();
    for (site, number) in [("bern", 1), ("bern", 2), ("bernau", 3)] {
        HOSTS_BY_SITE.put(&mut batch, &(key(site), Reverse(number)), &host(site)).unwrap();
    }
    store.commit(batch).await.unwrap();
    let page = HOSTS.scan(&store, &(), None, 10).await.unwrap();
    assert_eq!(page.rows.iter().map(|row| &row.key[..]).collect::<Vec<_>>(), ["a", "ab", "b"]);
    let page = HOSTS.scan(&store, &(), Some(&key("a")), 1).await.unwrap();
    assert_eq!(page.rows[0].key, "ab");
    let page = HOSTS_BY_SITE.scan(&store, &key("bern"), None, 10).await.unwrap();
    assert_eq!(page.rows.iter().map(|row| row.key.1.0).collect::<Vec<_>>(), [2, 1], "newest first");
}

#[tokio::test]
async fn an_unreadable_row_never_breaks_a_list() {
    let store = with_hosts(&["a", "c", "e"]).await;
    write_raw(&store, &HOSTS.key_bytes(&key("b")), "{}").await;
    write_raw(&store, b"host\x00\x01d", "{}").await;
    let page = HOSTS.scan(&store, &(), None, 2).await.unwrap();
    assert_eq!(page.rows.iter().map(|row| &row.key[..]).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(page.unreadable[0].key, r"host\x00\x01b\x00\x01");
    assert_eq!(page.unreadable[0].why, "the record cannot be read: missing field `name` at line 1 column 2");
    let rest = HOSTS.scan(&store, &(), Some(&page.rows[1].key), 2).await.unwrap();
    assert_eq!(rest.rows.iter().map(|row| &row.key[..]).collect::<Vec<_>>(), ["e"]);
    assert_eq!(rest.unreadable[0].why, "a text in the key is not terminated, not escaped or not UTF-8");
    let error = HOSTS.get(&store, &key("b")).await.unwrap_err();
    assert!(matches!(error, TableError::Unreadable { .. }), "{error:?}");
    assert_eq!(error.to_string(), r"row host\x00\x01b\x00\x01 of table host cannot be read");
}

#[tokio::test]
async fn a_codec_of_its_own_stores_bytes_as_they_are() {
    let store = MemoryStore::new();
    let chunk = (NodeId::random(), 7);
    let mut batch = Batch::new();
    CHUNKS.put(&mut batch, &chunk, &Chunk(vec![0, 0xff])).unwrap();
    store.commit(batch).await.unwrap();
    assert_eq!(store.get(&CHUNKS.key_bytes(&chunk)).await.unwrap().unwrap().value, &[0, 0xff][..]);
    let page = CHUNKS.scan(&store, &chunk.0, None, 10).await.unwrap();
    assert_eq!(page.rows[0].value, Chunk(vec![0, 0xff]));
}

#[tokio::test]
async fn a_watch_gives_typed_rows_of_its_table() -> Result<(), WatchError> {
    let store = with_hosts(&["a"]).await;
    let mut all = store.watch(b"", Revision::ZERO);
    let mut batch = Batch::new();
    HOSTS.delete(&mut batch, &key("a"));
    HOSTS.put(&mut batch, &key("b"), &host("b")).unwrap();
    HOSTS_BY_SITE.put(&mut batch, &(key("bern"), Reverse(1)), &host("b")).unwrap();
    batch.put(HOSTS.key_bytes(&key("c")), "not JSON").require(HOSTS.exists(&key("a")));
    let revision = store.commit(batch).await.unwrap();
    all.next().await?;
    let change = all.next().await?;
    let seen: Vec<String> = HOSTS
        .decode_change(&change)
        .map(|row| match row {
            RowChange::Put(row) => format!("{} = {} at {}", row.key, row.value.name, row.revision),
            RowChange::Deleted(key) => format!("{key} is gone"),
            RowChange::Unreadable(row) => format!("{} cannot be read", row.key),
        })
        .collect();
    assert_eq!(
        seen,
        [
            "a is gone".to_owned(),
            format!("b = b at {revision}"),
            r"host\x00\x01c\x00\x01 cannot be read".to_owned()
        ]
    );
    let mut of_table = HOSTS.watch(&store, &(), revision);
    let mut batch = Batch::new();
    batch.require(HOSTS.absent(&key("a"))).require(Condition::Exists(HOSTS.key_bytes(&key("b"))));
    HOSTS_BY_SITE.delete(&mut batch, &(key("bern"), Reverse(1)));
    store.commit(batch).await.unwrap();
    assert!(of_table.try_next().is_none(), "another table's commit");
    Ok(())
}

#[tokio::test]
async fn rows_are_counted_as_far_as_is_asked_and_unreadable_ones_with_them() {
    let names: Vec<_> = (0..1_345).map(|number| format!("host-{number}")).collect();
    let store = with_hosts(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    write_raw(&store, &HOSTS.key_bytes(&key("broken")), "not JSON").await;
    for (most, count) in [(0, 0), (1, 1), (1_000, 1_000), (1_345, 1_345), (9_999, 1_346)] {
        assert_eq!(HOSTS.count(&store, &(), most).await.unwrap(), count, "of at most {most}");
    }
    assert_eq!(HOSTS_BY_SITE.count(&store, &(), 10).await.unwrap(), 0);
}
