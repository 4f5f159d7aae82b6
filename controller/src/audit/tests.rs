//! The log over a real house, and everything that somebody could do to it behind our back.

use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::{Clock, Timestamp};
use fleetwright_store::Batch;

use super::chain::{Event, Head, Outcome};
use super::log::{self, join, lines_of};
use super::prune::{self, Bounds};
use super::read::{self, Filter};
use super::records::{Block, HeadRecord};
use super::repeats;
use crate::house::House;
use crate::tables::{AUDIT, AUDIT_HEAD, AUDIT_PENDING};
use crate::tests::{TestHouse, test_house};

fn event(at: Timestamp, who: &str) -> Event {
    Event {
        at,
        who: who.to_owned(),
        action: "GetParameter".to_owned(),
        on: "parameter /a".to_owned(),
        from: "192.0.2.7".to_owned(),
        outcome: Outcome::Done,
        detail: String::new(),
    }
}

async fn join_all(house: &House) {
    while join(house).await.unwrap() {}
}

/// A house with so many lines, in rows of a few each.
async fn with_lines(lines: usize) -> TestHouse {
    let test = test_house();
    for part in 0..lines.div_ceil(3) {
        for at in part * 3..((part + 1) * 3).min(lines) {
            test.house.audit.note(event(test.clock.now(), &format!("op{at}"))).unwrap();
        }
        join_all(&test.house).await;
        test.clock.advance(Duration::from_secs(3600));
    }
    test
}

async fn verdict(house: &House) -> String {
    let verdict = read::verify(house).await.unwrap();
    match verdict.broken {
        None => format!("{} lines", verdict.lines),
        Some(broken) => broken.to_string(),
    }
}

async fn blocks(house: &House) -> Vec<(u64, Block)> {
    let page = AUDIT.scan(&*house.store, &(), None, 1000).await.unwrap();
    page.rows.into_iter().map(|row| (row.key, row.value)).collect()
}

#[tokio::test]
async fn events_of_commits_and_of_memory_join_one_chain() {
    let test = test_house();
    let house = &test.house;
    assert_eq!(verdict(house).await, "0 lines");
    let mut batch = Batch::new();
    house.audit.add(&mut batch, event(test.clock.now(), "committed")).unwrap();
    house.store.commit(batch).await.unwrap();
    house.audit.note(event(test.clock.now(), "noted")).unwrap();
    join_all(house).await;
    assert_eq!(verdict(house).await, "2 lines");
    assert!(AUDIT_PENDING.scan(&*house.store, &(), None, 9).await.unwrap().rows.is_empty());
    assert_eq!(house.audit.waiting(), 0);
    let lines = read::newest(house, &Filter::default(), 0, 10).await.unwrap();
    let seen: Vec<_> = lines.iter().map(|line| (line.seq, line.who.as_str(), line.at.as_str())).collect();
    assert_eq!(
        seen,
        [(1, "noted", "2026-09-21T14:13:20.000Z"), (2, "committed", "2026-09-21T14:13:20.000Z")]
    );
}

#[tokio::test]
async fn a_change_that_was_not_committed_is_not_in_the_log() {
    let test = test_house();
    let mut batch = Batch::new();
    test.house.audit.add(&mut batch, event(test.clock.now(), "ada")).unwrap();
    batch.require(AUDIT_PENDING.exists(&"nothing of that name".to_owned()));
    assert!(test.house.store.commit(batch).await.is_err());
    join_all(&test.house).await;
    assert_eq!(verdict(&test.house).await, "0 lines");
}

#[tokio::test]
async fn a_note_that_is_waited_for_is_durable() {
    let test = test_house();
    let now = test.clock.now();
    let house = Arc::new(test.house);
    let running = tokio::spawn(log::run(house.clone()));
    house.audit.note_durably(event(now, "ada")).await.unwrap();
    assert_eq!(verdict(&house).await, "1 lines");
    running.abort();
}

#[tokio::test]
async fn who_waits_hears_when_nothing_can_be_written() {
    let test = with_lines(1).await;
    let house = &test.house;
    let mut row = AUDIT_HEAD.get(&*house.store, &"head".to_owned()).await.unwrap().unwrap();
    row.value.signature = "00".to_owned();
    let mut batch = Batch::new();
    AUDIT_HEAD.replace(&mut batch, &row).unwrap();
    house.store.commit(batch).await.unwrap();
    let (heard, joined) =
        tokio::join!(house.audit.note_durably(event(test.clock.now(), "ada")), async { join(house).await });
    assert!(heard.unwrap_err().message.contains("cannot be written now"));
    assert!(joined.is_err());
    assert_eq!(house.audit.waiting(), 1, "it is tried again");
}

#[tokio::test]
async fn whatever_is_done_to_a_line_is_found_and_named() {
    type Touch<'a> = &'a dyn Fn(&mut Vec<(u64, Block)>);
    let check = async |touch: Touch<'_>, want: &str| {
        let test = with_lines(9).await;
        assert_eq!(verdict(&test.house).await, "9 lines");
        let mut rows = blocks(&test.house).await;
        let mut batch = Batch::new();
        for (key, _) in &rows {
            AUDIT.delete(&mut batch, key);
        }
        test.house.store.commit(batch).await.unwrap();
        touch(&mut rows);
        let mut batch = Batch::new();
        for (key, block) in &rows {
            AUDIT.put(&mut batch, key, block).unwrap();
        }
        test.house.store.commit(batch).await.unwrap();
        let got = verdict(&test.house).await;
        assert!(got.starts_with(want), "{got} instead of {want}");
    };
    check(&|_| {}, "9 lines").await;
    check(&|rows| rows[1].1.0[1] = rows[1].1.0[1].replace("op4", "eve"), "record 5 is broken: its text")
        .await;
    check(&|rows| drop(rows[1].1.0.remove(1)), "record 5 is broken: record 6 stands").await;
    check(&|rows| rows[1].1.0.swap(0, 1), "record 4 is broken: record 5 stands").await;
    check(&|rows| drop(rows.remove(1)), "record 4 is broken: record 7 stands").await;
    check(&|rows| drop(rows.remove(0)), "record 1 is broken: record 4 stands").await;
    check(&|rows| drop(rows.remove(2)), "record 7 is broken: it is missing, and 3 in all").await;
    check(&|rows| drop(rows[2].1.0.pop()), "record 9 is broken: it is missing").await;
    check(&|rows| rows[0].1.0[0] = "no JSON".to_owned(), "record 1 is broken: it cannot be read").await;
    check(&|rows| rows.clear(), "record 1 is broken: it is missing, and 9").await;
    // A whole chain of one's own, well hashed: only the signature tells.
    let forge = |rows: &mut Vec<(u64, Block)>| {
        let mut head = Head::new();
        for (_, block) in rows {
            for line in &mut block.0 {
                *line = head.append(&event(Timestamp::default(), "eve")).unwrap();
            }
        }
    };
    check(&forge, "record 9 is broken: it is not the record that the signed head ends with").await;
    // Lines behind the end.
    let append = |rows: &mut Vec<(u64, Block)>| {
        let line = rows[2].1.0[2].clone();
        rows.push((10, Block(vec![line])));
    };
    check(&append, "record 10 is broken: the signed head does not know it").await;
}

#[tokio::test]
async fn a_head_of_somebody_else_is_found_and_never_signed_over() {
    let test = with_lines(3).await;
    let house = &test.house;
    let mut row = AUDIT_HEAD.get(&*house.store, &"head".to_owned()).await.unwrap().unwrap();
    let honest = row.value.clone();
    // A head that hides the last line, or the first, with the old signature.
    let hidden = Head { next_seq: 3, ..honest.head.clone() };
    let begun = Head { first_seq: 2, ..honest.head.clone() };
    for head in [hidden, begun] {
        row.value = HeadRecord { head, ..honest.clone() };
        let mut batch = Batch::new();
        AUDIT_HEAD.put(&mut batch, &row.key, &row.value).unwrap();
        house.store.commit(batch).await.unwrap();
        assert!(verdict(house).await.contains("was not signed by this fleet's authority"));
        house.audit.note(event(test.clock.now(), "ada")).unwrap();
        let error = join(house).await.unwrap_err();
        assert!(error.message.contains("not signed by this fleet"), "{error}");
        let bounds = Bounds { age: Duration::ZERO, lines: 0 };
        assert!(prune::run_once(house, bounds).await.is_err());
    }
    // Without any head the lines are nobody's.
    let mut batch = Batch::new();
    AUDIT_HEAD.delete(&mut batch, &row.key);
    house.store.commit(batch).await.unwrap();
    assert!(verdict(house).await.contains("no signed head"));
    // What was noted meanwhile still waits.
    assert_eq!(house.audit.waiting(), 2);
}

#[tokio::test]
async fn what_is_old_or_too_much_goes_and_the_rest_can_be_verified() {
    let test = with_lines(12).await;
    let house = &test.house;
    let year = Duration::from_secs(365 * 24 * 3600);
    prune::run_once(house, Bounds { age: year, lines: 100 }).await.unwrap();
    assert_eq!(verdict(house).await, "12 lines");
    prune::run_once(house, Bounds { age: year, lines: 7 }).await.unwrap();
    assert_eq!(verdict(house).await, "6 lines");
    // Two of the four rows are left, of two hours and one hour ago.
    prune::run_once(house, Bounds { age: Duration::from_secs(2 * 3600), lines: 100 }).await.unwrap();
    assert_eq!(verdict(house).await, "3 lines");
    house.audit.note(event(test.clock.now(), "ada")).unwrap();
    join_all(house).await;
    assert_eq!(verdict(house).await, "4 lines");
    let lines = read::newest(house, &Filter::default(), 0, 100).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.seq).collect::<Vec<_>>(), [10, 11, 12, 13]);
    // A beginning that is cut off behind our back is not a pruned one.
    let mut batch = Batch::new();
    AUDIT.delete(&mut batch, &12);
    house.store.commit(batch).await.unwrap();
    assert!(verdict(house).await.starts_with("record 10 is broken"));
}

#[tokio::test]
async fn the_newest_lines_are_found_by_what_they_say() {
    let test = with_lines(10).await;
    let house = &test.house;
    let seqs = async |filter: Filter, before: u64, limit: usize| {
        let lines = read::newest(house, &filter, before, limit).await.unwrap();
        lines.iter().map(|line| line.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(Filter::default(), 0, 3).await, [8, 9, 10]);
    assert_eq!(seqs(Filter::default(), 8, 2).await, [6, 7]);
    assert_eq!(seqs(Filter { who: "op4".to_owned(), ..Filter::default() }, 0, 9).await, [5]);
    assert_eq!(seqs(Filter { outcome: Some(Outcome::Denied), ..Filter::default() }, 0, 9).await, [0u64; 0]);
    assert_eq!(seqs(Filter { on: "meter /a".to_owned(), ..Filter::default() }, 3, 9).await, [1, 2]);
}

#[tokio::test]
async fn whoever_knocks_without_end_is_counted() {
    let test = test_house();
    let house = &test.house;
    let denied =
        || Event { outcome: Outcome::Denied, detail: "no".to_owned(), ..event(test.clock.now(), "eve") };
    assert!(house.audit.repeats.first(denied()).is_some());
    for _ in 0..1000 {
        assert!(house.audit.repeats.first(denied()).is_none());
    }
    log::note_repeats(house, test.clock.now()).unwrap();
    assert_eq!(house.audit.waiting(), 0, "its minute is not over");
    test.clock.advance(repeats::INTERVAL);
    log::note_repeats(house, test.clock.now()).unwrap();
    log::note_repeats(house, test.clock.now()).unwrap();
    join_all(house).await;
    let lines = read::newest(house, &Filter::default(), 0, 9).await.unwrap();
    let details: Vec<_> = lines.iter().map(|line| line.detail.as_str()).collect();
    assert_eq!(details, ["1000 more times within a minute; the last: no"]);
    // Thousands of different ones are counted by where they come from.
    for at in 0..20_000 {
        let _ = house.audit.repeats.first(Event { on: format!("parameter /{at}"), ..denied() });
    }
    test.clock.advance(repeats::INTERVAL);
    assert_eq!(house.audit.repeats.due(test.clock.now()).len(), 1);
}

#[tokio::test]
async fn a_log_that_cannot_be_written_takes_no_more() {
    let test = test_house();
    for _ in 0..log::QUEUE_MAX {
        test.house.audit.note(event(test.clock.now(), "ada")).unwrap();
    }
    let error = test.house.audit.note(event(test.clock.now(), "ada")).unwrap_err();
    assert!(error.message.contains("nothing is done that would not be in it"), "{error}");
    join_all(&test.house).await;
    assert_eq!(verdict(&test.house).await, format!("{} lines", log::QUEUE_MAX));
}

#[tokio::test]
async fn a_text_without_end_is_cut() {
    let test = test_house();
    let long = Event { on: "x".repeat(100_000), ..event(test.clock.now(), "a\n\"b") };
    test.house.audit.note(long).unwrap();
    join_all(&test.house).await;
    let lines = read::newest(&test.house, &Filter::default(), 0, 1).await.unwrap();
    assert_eq!(lines[0].on.chars().count(), 513);
    assert_eq!(lines[0].who, "a\n\"b");
    assert_eq!(verdict(&test.house).await, "1 lines");
}

#[test]
fn names_come_in_lines_that_are_not_cut() {
    assert_eq!(lines_of(["/a", "/b", "/a"].into_iter()), ["/a, /b"]);
    let long = "n".repeat(300);
    assert_eq!(lines_of([long.as_str(), "/b", &format!("{long}2")].into_iter()).len(), 2);
    assert!(lines_of(std::iter::empty()).is_empty());
}
