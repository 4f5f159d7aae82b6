//! The log as it is read: the last lines, all lines, and whether they are what was written.

use super::chain::{Broken, Head, Line, Outcome, Walk};
use super::log::HEAD;
use super::records::HeadRecord;
use crate::error::Refusal;
use crate::house::House;
use crate::tables::{AUDIT, AUDIT_HEAD};

/// Rows read at once.
const BLOCKS_AT_ONCE: usize = 32;
/// Numbers that are looked through at once, backwards.
const WINDOW: u64 = 2048;
/// The most lines of one answer.
pub const LIST_MAX: usize = 1000;

/// Which lines are wanted; empty texts want all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub who: String,
    pub action: String,
    /// A part of what it was about.
    pub on: String,
    pub outcome: Option<Outcome>,
}

impl Filter {
    fn takes(&self, line: &Line) -> bool {
        let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        is(&self.who, &line.who)
            && is(&self.action, &line.action)
            && line.on.contains(&self.on)
            && self.outcome.is_none_or(|outcome| outcome == line.outcome)
    }
}

/// The signed head, checked or not; a log that holds nothing yet has none.
pub async fn head(house: &House) -> Result<Option<HeadRecord>, Refusal> {
    Ok(AUDIT_HEAD.get(&*house.store, &HEAD.to_owned()).await?.map(|row| row.value))
}

/// Lines from `after` on, as they are kept, at most so many rows of them; None at the end.
pub async fn lines(house: &House, after: u64) -> Result<Option<(Vec<String>, u64)>, Refusal> {
    let after = after.checked_sub(1).filter(|before| *before > 0);
    let page = AUDIT.scan(&*house.store, &(), after.as_ref(), BLOCKS_AT_ONCE).await?;
    if let Some(unreadable) = page.unreadable.first() {
        return Err(Refusal::internal(format!("a row of the audit log cannot be read: {}", unreadable.why)));
    }
    let Some(last) = page.rows.last().map(|row| row.key) else { return Ok(None) };
    Ok(Some((page.rows.into_iter().flat_map(|row| row.value.0).collect(), last)))
}

/// The number of a line; None when it cannot be read.
#[must_use]
pub fn seq(line: &str) -> Option<u64> {
    serde_json::from_str::<Line>(line).ok().map(|line| line.seq)
}

/// The newest lines that the filter takes, before the line `before` (0: from the end), newest last.
pub async fn newest(house: &House, filter: &Filter, before: u64, limit: usize) -> Result<Vec<Line>, Refusal> {
    let Some(HeadRecord { head, .. }) = head(house).await? else { return Ok(Vec::new()) };
    let limit = limit.clamp(1, LIST_MAX);
    let mut end = if before == 0 { head.next_seq } else { before.min(head.next_seq) };
    let mut found: Vec<Line> = Vec::new();
    while end > head.first_seq && found.len() < limit {
        let start = end.saturating_sub(WINDOW).max(head.first_seq);
        let mut window = between(house, start, end).await?;
        window.retain(|line| filter.takes(line));
        window.append(&mut found);
        found = window;
        end = start;
    }
    let surplus = found.len().saturating_sub(limit);
    Ok(found.split_off(surplus))
}

async fn between(house: &House, start: u64, end: u64) -> Result<Vec<Line>, Refusal> {
    let mut found = Vec::new();
    let mut next = start;
    while next < end {
        let Some((texts, last)) = lines(house, next).await? else { break };
        for text in texts {
            let line: Line = serde_json::from_str(&text).map_err(|_| {
                Refusal::internal("a line of the audit log cannot be read: `audit verify` says which")
            })?;
            if (start..end).contains(&line.seq) {
                found.push(line);
            }
        }
        next = last + 1;
    }
    Ok(found)
}

/// What a whole chain was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub head: Head,
    pub lines: u64,
    /// The first thing that is wrong.
    pub broken: Option<Broken>,
}

/// Walks the whole chain, from the beginning to the end that the signed head tells. Lines may join it and be pruned
/// from it meanwhile: a chain whose beginning moved is walked again.
pub async fn verify(house: &House) -> Result<Verdict, Refusal> {
    loop {
        let Some(record) = head(house).await? else {
            let broken = match lines(house, 0).await {
                Ok(None) => None,
                _ => Some(Broken { seq: 1, why: "there are records, and no signed head".to_owned() }),
            };
            return Ok(Verdict { head: Head::new(), lines: 0, broken });
        };
        let first_seq = record.head.first_seq;
        let verdict = walk(house, record).await?;
        let now_first = head(house).await?.map(|record| record.head.first_seq);
        if verdict.broken.is_none() || now_first == Some(first_seq) {
            return Ok(verdict);
        }
    }
}

async fn walk(house: &House, record: HeadRecord) -> Result<Verdict, Refusal> {
    let mut head = record.head.clone();
    let first_seq = head.first_seq;
    let done = |head: Head, walk: &Walk, broken| Verdict { head, lines: walk.next_seq() - first_seq, broken };
    let mut walk = Walk::from_head(&head);
    if let Err(broken) = signed(house, &record) {
        return Ok(done(head, &walk, Some(broken)));
    }
    let mut after = 0;
    loop {
        let page = match lines(house, after).await {
            Ok(page) => page,
            Err(error) => {
                let broken = Broken { seq: walk.next_seq(), why: error.message };
                return Ok(done(head, &walk, Some(broken)));
            }
        };
        let Some((texts, last)) = page else {
            let broken = walk.end(&head).err();
            return Ok(done(head, &walk, broken));
        };
        for text in &texts {
            if walk.next_seq() == head.next_seq {
                // Beyond the end of the head that was read: there has to be a newer one that knows of it.
                let newer = self::head(house).await?.unwrap_or_else(|| record.clone());
                let checked = walk.end(&head).and_then(|()| signed(house, &newer));
                if let Err(broken) = checked.and_then(|()| known(&walk, &newer.head)) {
                    return Ok(done(head, &walk, Some(broken)));
                }
                head = newer.head;
            }
            if let Err(broken) = walk.step(text) {
                return Ok(done(head, &walk, Some(broken)));
            }
        }
        after = last + 1;
    }
}

fn known(walk: &Walk, head: &Head) -> Result<(), Broken> {
    if head.next_seq > walk.next_seq() {
        return Ok(());
    }
    Err(Broken { seq: walk.next_seq(), why: "the signed head does not know it".to_owned() })
}

fn signed(house: &House, record: &HeadRecord) -> Result<(), Broken> {
    if house.authority.signed(record.head.message().as_bytes(), &record.signature) {
        return Ok(());
    }
    let why = "the head of the log was not signed by this fleet's authority".to_owned();
    Err(Broken { seq: record.head.first_seq, why })
}
