//! What every store promises, asked of each implementation by the same functions.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fleetwright_store::{
    BATCH_MAX_BYTES, BATCH_MAX_ITEMS, Batch, CommitError, Condition, FeedLimits, KEY_MAX_BYTES, MemoryStore,
    Revision, SharedStore, SledSettings, SledStore, VALUE_MAX_BYTES, Watch, WatchError, Write,
};

/// A store to be asked, and the folder that must outlive it.
struct Fixture {
    store: SharedStore,
    _folder: Option<tempfile::TempDir>,
}

fn memory(feed: FeedLimits) -> Fixture {
    Fixture { store: Arc::new(MemoryStore::with_feed(feed)), _folder: None }
}

fn sled(feed: FeedLimits) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let settings = SledSettings { feed, reserve_bytes: 0, ..SledSettings::default() };
    let store = SledStore::open(folder.path().join("store"), settings).unwrap();
    Fixture { store: Arc::new(store), _folder: Some(folder) }
}

/// One test for each implementation and promise.
macro_rules! promises {
    ($($promise:ident),+ $(,)?) => {
        mod memory_store {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(super::memory).await;
            })+
        }

        mod sled_store {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(super::sled).await;
            })+
        }
    };
}

promises! {
    a_new_store_is_empty,
    keys_are_scanned_in_order_of_bytes,
    a_prefix_selects_its_keys_and_no_other,
    pages_join_to_the_whole,
    conditions_decide,
    a_refused_batch_writes_nothing,
    limits_are_refused_by_name,
    revisions_grow_and_tell_the_last_write,
    a_barrier_takes_no_revision,
    concurrent_increments_lose_nothing,
    a_watch_sees_commits_below_its_prefix_once_and_in_order,
    a_watch_resumes_from_a_revision,
    a_watch_that_falls_behind_is_told,
    a_watch_from_the_forgotten_past_is_told,
    a_waiting_watch_wakes,
    a_watch_ends_with_its_store,
    usage_names_the_limits,
}

type Make = fn(FeedLimits) -> Fixture;

fn make(make: Make) -> Fixture {
    make(FeedLimits::default())
}

fn put(key: &str, value: &str) -> Batch {
    let mut batch = Batch::new();
    batch.put(key.to_owned(), value.to_owned());
    batch
}

fn requiring(condition: Condition) -> Batch {
    let mut batch = Batch::new();
    batch.require(condition);
    batch
}

async fn keys(store: &SharedStore, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Bytes> {
    store.scan(prefix, after, limit).await.unwrap().into_iter().map(|entry| entry.key).collect()
}

async fn a_new_store_is_empty(store: Make) {
    let Fixture { store, _folder } = make(store);
    assert_eq!(store.revision(), Revision::ZERO);
    assert_eq!(store.get(b"a").await.unwrap(), None);
    assert_eq!(store.get(b"").await.unwrap(), None);
    assert_eq!(store.scan(b"", None, 10).await.unwrap(), []);
}

async fn keys_are_scanned_in_order_of_bytes(store: Make) {
    let Fixture { store, _folder } = make(store);
    let wanted: [&[u8]; 7] = [b"\x00", b"\x00\x00", b"a", b"a\x00", b"aa", b"b", b"\xff\xff"];
    for key in wanted.iter().rev() {
        let mut batch = Batch::new();
        batch.put(key.to_vec(), "x");
        store.commit(batch).await.unwrap();
    }
    assert_eq!(keys(&store, b"", None, 100).await, wanted);
}

async fn a_prefix_selects_its_keys_and_no_other(store: Make) {
    let Fixture { store, _folder } = make(store);
    let mut batch = Batch::new();
    for key in [&b"a"[..], b"a/1", b"a/2", b"a0", b"b/1", b"\xff", b"\xff\xff"] {
        batch.put(key.to_vec(), "x");
    }
    store.commit(batch).await.unwrap();
    type Case = (&'static [u8], Option<&'static [u8]>, &'static [&'static [u8]]);
    let cases: [Case; 9] = [
        (b"a/", None, &[b"a/1", b"a/2"]),
        (b"a", None, &[b"a", b"a/1", b"a/2", b"a0"]),
        (b"a/", Some(b"a/1"), &[b"a/2"]),
        (b"a/", Some(b"a/2"), &[]),
        (b"a/", Some(b"a"), &[b"a/1", b"a/2"]),
        (b"a/", Some(b"b"), &[]),
        (b"\xff", None, &[b"\xff", b"\xff\xff"]),
        (b"\xff\xff\xff", None, &[]),
        (b"", Some(b"b/1"), &[b"\xff", b"\xff\xff"]),
    ];
    for (prefix, after, wanted) in cases {
        let found = keys(&store, prefix, after, 100).await;
        assert_eq!(found, wanted, "prefix {} after {after:?}", prefix.escape_ascii());
    }
}

async fn pages_join_to_the_whole(store: Make) {
    let Fixture { store, _folder } = make(store);
    let wanted: Vec<String> = (0..100).map(|at| format!("row/{at:03}")).collect();
    let mut batch = Batch::new();
    for key in &wanted {
        batch.put(key.clone(), "x");
    }
    store.commit(batch).await.unwrap();
    for size in [1, 7, 99, 100, 101] {
        let mut found: Vec<Bytes> = Vec::new();
        loop {
            let page = keys(&store, b"row/", found.last().map(|key| &key[..]), size).await;
            let ended = page.len() < size;
            found.extend(page);
            if ended {
                break;
            }
        }
        assert_eq!(found, wanted, "pages of {size}");
    }
    assert!(keys(&store, b"row/", None, 0).await.is_empty());
}

async fn conditions_decide(store: Make) {
    let Fixture { store, _folder } = make(store);
    let first = store.commit(put("a", "1")).await.unwrap();
    let second = store.commit(put("a", "2")).await.unwrap();
    let (a, b) = (Bytes::from("a"), Bytes::from("b"));
    let cases = [
        (Condition::Exists(a.clone()), true),
        (Condition::Exists(b.clone()), false),
        (Condition::Absent(a.clone()), false),
        (Condition::Absent(b.clone()), true),
        (Condition::At(a.clone(), first), false),
        (Condition::At(a.clone(), second), true),
        (Condition::At(b.clone(), second), false),
        (Condition::Exists(Bytes::new()), false),
    ];
    for (condition, holds) in cases {
        match store.commit(requiring(condition.clone())).await {
            Ok(revision) => assert!(holds && revision == second, "{condition:?}"),
            Err(CommitError::Conflict { key }) => assert!(!holds && key == *condition.key(), "{condition:?}"),
            Err(error) => panic!("{condition:?}: {error}"),
        }
    }
}

async fn a_refused_batch_writes_nothing(store: Make) {
    let Fixture { store, _folder } = make(store);
    let before = store.commit(put("a", "1")).await.unwrap();
    let mut batch = put("b", "2");
    batch.delete("a").require(Condition::Exists("b".into()));
    let error = store.commit(batch).await.unwrap_err();
    assert_eq!(error.to_string(), "key b is not as the commit expects it");
    assert_eq!(keys(&store, b"", None, 10).await, ["a"]);
    assert_eq!(store.revision(), before);
}

async fn limits_are_refused_by_name(store: Make) {
    let Fixture { store, _folder } = make(store);
    let with = |writes: Vec<(String, Vec<u8>)>| {
        let mut batch = Batch::new();
        for (key, value) in writes {
            batch.put(key, value);
        }
        batch
    };
    let long = |bytes: usize| "k".repeat(bytes);
    let many = |count: usize, bytes: usize| (0..count).map(|at| (at.to_string(), vec![0; bytes])).collect();
    let cases = [
        (
            with(vec![(long(1), vec![0; VALUE_MAX_BYTES + 1])]),
            "bytes in the value of key k: 32769 is more than the limit of 32768",
        ),
        (
            with(vec![(long(KEY_MAX_BYTES + 1), Vec::new())]),
            "bytes in the key that begins with kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk: 1025 is more than the limit of 1024",
        ),
        (with(vec![(String::new(), Vec::new())]), "an empty key cannot be written"),
        (with(vec![(long(1), vec![1]), (long(1), vec![2])]), "key k is written twice in one commit"),
        (
            with(many(BATCH_MAX_ITEMS + 1, 0)),
            "conditions and writes in one commit: 4097 is more than the limit of 4096",
        ),
        (
            with(many(9, BATCH_MAX_BYTES / 8 - 1)),
            "bytes in one commit: 294912 is more than the limit of 262144",
        ),
    ];
    for (batch, wanted) in cases {
        assert_eq!(store.commit(batch).await.unwrap_err().to_string(), wanted);
    }
    assert_eq!(store.revision(), Revision::ZERO);
    store.commit(with(vec![(long(KEY_MAX_BYTES), vec![7; VALUE_MAX_BYTES])])).await.unwrap();
    let stored = store.get(long(KEY_MAX_BYTES).as_bytes()).await.unwrap().unwrap();
    assert!(stored.value.len() == VALUE_MAX_BYTES && stored.value.iter().all(|byte| *byte == 7));
}

async fn revisions_grow_and_tell_the_last_write(store: Make) {
    let Fixture { store, _folder } = make(store);
    let first = store.commit(put("a", "1")).await.unwrap();
    let second = store.commit(put("b", "1")).await.unwrap();
    assert!(Revision::ZERO < first && first < second);
    assert_eq!(store.revision(), second);
    assert_eq!(store.get(b"a").await.unwrap().unwrap().revision, first);
    let mut batch = Batch::new();
    batch.delete("a");
    let third = store.commit(batch).await.unwrap();
    let fourth = store.commit(put("a", "2")).await.unwrap();
    assert!(second < third && third < fourth);
    let found = store.scan(b"", None, 10).await.unwrap();
    assert_eq!(found.iter().map(|entry| entry.revision).collect::<Vec<_>>(), [fourth, second]);
}

async fn a_barrier_takes_no_revision(store: Make) {
    let Fixture { store, _folder } = make(store);
    assert_eq!(store.commit(Batch::new()).await.unwrap(), Revision::ZERO);
    let written = store.commit(put("a", "1")).await.unwrap();
    let mut watch = store.watch(b"", written);
    assert_eq!(store.commit(requiring(Condition::At("a".into(), written))).await.unwrap(), written);
    assert_eq!(store.revision(), written);
    assert!(watch.try_next().is_none());
}

async fn concurrent_increments_lose_nothing(store: Make) {
    const TASKS: usize = 16;
    const INCREMENTS: usize = 20;
    let Fixture { store, _folder } = make(store);
    store.commit(put("counter", "0")).await.unwrap();
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(increments(store.clone(), INCREMENTS))).collect();
    let mut given = BTreeSet::new();
    for task in tasks {
        given.extend(task.await.unwrap());
    }
    let counter = store.get(b"counter").await.unwrap().unwrap();
    assert_eq!(counter.value, (TASKS * INCREMENTS).to_string());
    assert_eq!(given.len(), TASKS * INCREMENTS, "a revision was given twice");
}

async fn increments(store: SharedStore, count: usize) -> Vec<Revision> {
    let mut given = Vec::new();
    while given.len() < count {
        let counter = store.get(b"counter").await.unwrap().unwrap();
        let value: usize = str::from_utf8(&counter.value).unwrap().parse().unwrap();
        let mut batch = put("counter", &(value + 1).to_string());
        batch.require(Condition::At("counter".into(), counter.revision));
        match store.commit(batch).await {
            Ok(revision) => given.push(revision),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    given
}

/// The changes that a watch has at hand, as `revision:key,key`.
fn seen(watch: &mut Watch) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some(change) = watch.try_next() {
        let change = change.unwrap();
        let name = |write: &Write| str::from_utf8(write.key()).unwrap().to_owned();
        let names: Vec<String> = change.writes.iter().map(name).collect();
        seen.push(format!("{}:{}", change.revision, names.join(",")));
    }
    seen
}

async fn a_watch_sees_commits_below_its_prefix_once_and_in_order(store: Make) {
    let Fixture { store, _folder } = make(store);
    let mut a = store.watch(b"a/", Revision::ZERO);
    let mut all = store.watch(b"", Revision::ZERO);
    store.commit(put("a/1", "x")).await.unwrap();
    store.commit(put("b/1", "x")).await.unwrap();
    let mut batch = put("a/2", "x");
    batch.put("b/2", "x").delete("a/1");
    store.commit(batch).await.unwrap();
    assert_eq!(seen(&mut a), ["1:a/1", "3:a/2,a/1"]);
    assert_eq!(seen(&mut all), ["1:a/1", "2:b/1", "3:a/2,b/2,a/1"]);
    assert!(a.try_next().is_none() && all.try_next().is_none());
}

async fn a_watch_resumes_from_a_revision(store: Make) {
    let Fixture { store, _folder } = make(store);
    for at in 1..=5 {
        store.commit(put(&format!("a/{at}"), "x")).await.unwrap();
    }
    let second = Revision::from_u64(2);
    assert_eq!(seen(&mut store.watch(b"a/", second)), ["3:a/3", "4:a/4", "5:a/5"]);
    assert_eq!(seen(&mut store.watch(b"a/4", second)), ["4:a/4"]);
    assert_eq!(seen(&mut store.watch(b"a/", store.revision())), [] as [&str; 0]);
}

const SMALL: FeedLimits = FeedLimits { commits: 4, bytes: 1024 * 1024 };

async fn a_watch_that_falls_behind_is_told(store: Make) {
    let Fixture { store, _folder } = store(SMALL);
    let mut slow = store.watch(b"a/", Revision::ZERO);
    let mut other = store.watch(b"b/", Revision::ZERO);
    store.commit(put("b/1", "x")).await.unwrap();
    assert_eq!(seen(&mut other), ["1:b/1"]);
    for at in 1..=5 {
        store.commit(put(&format!("a/{at}"), "x")).await.unwrap();
    }
    assert_eq!(slow.next().await, Err(WatchError::Compacted));
    assert_eq!(slow.next().await, Err(WatchError::Compacted));
    assert!(other.try_next().is_none(), "what concerns others does not make a watch fall behind");
    let mut again = store.watch(b"a/", store.revision());
    store.commit(put("a/6", "x")).await.unwrap();
    assert_eq!(seen(&mut again), ["7:a/6"]);
}

async fn a_watch_from_the_forgotten_past_is_told(store: Make) {
    let Fixture { store, _folder } = store(FeedLimits { commits: 1000, bytes: 2000 });
    for _ in 0..4 {
        store.commit(put("a/1", &"x".repeat(800))).await.unwrap();
    }
    assert_eq!(store.watch(b"a/", Revision::ZERO).try_next(), Some(Err(WatchError::Compacted)));
    assert_eq!(seen(&mut store.watch(b"a/", Revision::from_u64(3))), ["4:a/1"]);
}

async fn a_waiting_watch_wakes(store: Make) {
    let Fixture { store, _folder } = make(store);
    let mut watch = store.watch(b"a/", Revision::ZERO);
    let waiting = tokio::spawn(async move { watch.next().await });
    let revision = store.commit(put("a/1", "x")).await.unwrap();
    let change =
        tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("the watch wakes").unwrap();
    assert_eq!(change.unwrap().revision, revision);
}

async fn a_watch_ends_with_its_store(store: Make) {
    let Fixture { store, _folder } = make(store);
    let mut watch = store.watch(b"a/", Revision::ZERO);
    store.commit(put("a/1", "x")).await.unwrap();
    drop(store);
    assert_eq!(watch.next().await.unwrap().revision, Revision::from_u64(1));
    assert_eq!(watch.next().await, Err(WatchError::Closed));
}

async fn usage_names_the_limits(store: Make) {
    let Fixture { store, _folder } = store(SMALL);
    let _watch = store.watch(b"", Revision::ZERO);
    for at in 0..9 {
        store.commit(put(&format!("a/{at}"), "x")).await.unwrap();
    }
    let usage = store.usage();
    let row = |name| usage.iter().find(|usage| usage.name == name).unwrap();
    assert_eq!((row("history").used, row("history").limit), (Some(4), Some(4)));
    assert_eq!(row("watches").used, Some(1));
}
