//! Findings are put: all of a type at once, or some beside those that are there.

use std::collections::{BTreeMap, BTreeSet};

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use fleetwright_store::{Batch, CommitError, Row};

use super::records::{Counts, Execution, FindingRecord, SetRecord, Severity, Standing};
use crate::error::Refusal;
use crate::house::House;
use crate::records::{COMMIT_ATTEMPTS, Pages};
use crate::tables::{COMPLIANCE_FINDING, COMPLIANCE_SET, NODE};

/// Most findings of one type on one node (reference, section 11.5).
pub const FINDINGS_MAX: usize = 10_000;
/// Most types on one node.
pub const TYPES_MAX: usize = 10;
const TYPE_MAX_CHARS: usize = 100;
const ID_MAX_CHARS: usize = 100;
const TITLE_MAX_CHARS: usize = 500;
const DETAIL_NAME_MAX_CHARS: usize = 64;
const DETAIL_MAX_CHARS: usize = 4_096;
/// One finding, bytes.
const FINDING_MAX_BYTES: usize = 24 * 1024;
/// All findings of one call, bytes.
const TOTAL_MAX_BYTES: usize = 8 * 1024 * 1024;
const EXECUTION_ID_MAX_CHARS: usize = 100;
const EXECUTION_KIND_MAX_CHARS: usize = 50;
/// Bytes and rows of one commit.
const BATCH_BYTES: usize = 128 * 1024;
const BATCH_ROWS: usize = 1_000;

/// What becomes of the findings that are not among those that are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload {
    /// They are gone.
    Complete,
    /// They stay.
    Partial,
}

/// One finding that is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFinding {
    pub id: String,
    pub title: String,
    pub severity: Severity,
    pub standing: Standing,
    pub details: BTreeMap<String, String>,
}

/// Findings of one type on one node.
#[derive(Debug, Clone)]
pub struct Wish {
    pub node: NodeId,
    pub compliance_type: String,
    pub execution: Execution,
    pub content_hash: String,
    pub upload: Upload,
    pub findings: Vec<NewFinding>,
}

/// Puts findings. Durable when this returns. The same content again changes nothing.
pub async fn put(house: &House, wish: Wish) -> Result<(), Refusal> {
    check(&wish)?;
    let key = (wish.node.clone(), wish.compliance_type.clone());
    let before = COMPLIANCE_SET.get(&*house.store, &key).await?;
    let is_same = |row: &Row<_, SetRecord>| {
        !wish.content_hash.is_empty() && row.value.content_hash == wish.content_hash
    };
    if before.as_ref().is_some_and(is_same) {
        return Ok(());
    }
    if before.is_none() {
        refuse_too_many_types(house, &wish.node).await?;
    }
    match (wish.upload, before) {
        (Upload::Partial, Some(before)) => merge(house, &wish, before.value.generation).await,
        _ => replace(house, &wish).await,
    }
}

async fn refuse_too_many_types(house: &House, node: &NodeId) -> Result<(), Refusal> {
    let known = COMPLIANCE_SET.scan(&*house.store, node, None, TYPES_MAX).await?;
    if known.rows.len() < TYPES_MAX {
        return Ok(());
    }
    Err(Refusal::exhausted(format!("{node} has findings of {TYPES_MAX} types already, which is the most")))
}

/// A number that no other put has.
fn new_generation() -> u64 {
    u64::from_be_bytes(uuid::Uuid::new_v4().as_bytes()[..8].try_into().unwrap_or_default())
}

async fn replace(house: &House, wish: &Wish) -> Result<(), Refusal> {
    let generation = new_generation();
    write(house, wish, generation).await?;
    let mut counts = Counts::default();
    wish.findings.iter().for_each(|finding| counts.add(&record(finding)));
    commit_set(house, wish, generation, &counts).await?;
    delete_others(house, &wish.node, &wish.compliance_type, generation).await
}

async fn merge(house: &House, wish: &Wish, generation: u64) -> Result<(), Refusal> {
    let of = (wish.node.clone(), wish.compliance_type.clone(), generation);
    let (mut ids, mut counts) = (BTreeSet::new(), Counts::default());
    let new: BTreeSet<_> = wish.findings.iter().map(|finding| finding.id.as_str()).collect();
    let mut pages = Pages::of(&COMPLIANCE_FINDING, of);
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in rows.into_iter().filter(|row| !new.contains(row.key.3.as_str())) {
            counts.add(&row.value);
            ids.insert(row.key.3);
        }
    }
    let total = ids.len() + new.len();
    if total > FINDINGS_MAX {
        return Err(Refusal::exhausted(format!(
            "{} would have {total} findings of {}: {FINDINGS_MAX} at most",
            wish.node, wish.compliance_type
        )));
    }
    wish.findings.iter().for_each(|finding| counts.add(&record(finding)));
    write(house, wish, generation).await?;
    commit_set(house, wish, generation, &counts).await
}

fn record(finding: &NewFinding) -> FindingRecord {
    FindingRecord {
        title: finding.title.clone(),
        severity: finding.severity,
        standing: finding.standing,
        details: finding.details.clone(),
    }
}

async fn write(house: &House, wish: &Wish, generation: u64) -> Result<(), Refusal> {
    let mut batch = Batch::new();
    batch.require(NODE.exists(&wish.node));
    for finding in &wish.findings {
        let key = (wish.node.clone(), wish.compliance_type.clone(), generation, finding.id.clone());
        COMPLIANCE_FINDING.put(&mut batch, &key, &record(finding))?;
        if batch.size_bytes() >= BATCH_BYTES || batch.items() >= BATCH_ROWS {
            commit(house, std::mem::take(&mut batch), &wish.node).await?;
            batch.require(NODE.exists(&wish.node));
        }
    }
    commit(house, batch, &wish.node).await
}

async fn commit(house: &House, batch: Batch, node: &NodeId) -> Result<(), Refusal> {
    match house.store.commit(batch).await {
        Ok(_) => Ok(()),
        Err(CommitError::Conflict { .. }) => Err(crate::nodes::targets::unknown_node(node.as_str())),
        Err(error) => Err(error.into()),
    }
}

/// From this commit on these findings count.
async fn commit_set(house: &House, wish: &Wish, generation: u64, counts: &Counts) -> Result<(), Refusal> {
    let key = (wish.node.clone(), wish.compliance_type.clone());
    for _ in 0..COMMIT_ATTEMPTS {
        let set = SetRecord {
            generation,
            execution: wish.execution.clone(),
            content_hash: wish.content_hash.clone(),
            changed: house.clock.now(),
            counts: counts.clone(),
        };
        let mut batch = Batch::new();
        batch.require(NODE.exists(&wish.node));
        match COMPLIANCE_SET.get(&*house.store, &key).await? {
            Some(mut row) => {
                row.value = set;
                COMPLIANCE_SET.replace(&mut batch, &row)?;
            }
            None => COMPLIANCE_SET.insert(&mut batch, &key, &set)?,
        }
        match house.store.commit(batch).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict { .. }) if NODE.get(&*house.store, &wish.node).await?.is_none() => {
                return Err(crate::nodes::targets::unknown_node(wish.node.as_str()));
            }
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::unavailable(format!("the findings of {} change too often at this moment", wish.node)))
}

/// What earlier puts left, also those that were stopped in the middle.
async fn delete_others(
    house: &House,
    node: &NodeId,
    compliance_type: &str,
    generation: u64,
) -> Result<(), Refusal> {
    let mut pages = Pages::of(&COMPLIANCE_FINDING, (node.clone(), compliance_type.to_owned()));
    while let Some(rows) = pages.next(&*house.store).await? {
        let mut batch = Batch::new();
        for row in rows.iter().filter(|row| row.key.2 != generation) {
            COMPLIANCE_FINDING.delete(&mut batch, &row.key);
        }
        house.store.commit(batch).await?;
    }
    Ok(())
}

/// Everything of a node that has left.
pub async fn forget(house: &House, node: &NodeId) -> Result<(), Refusal> {
    let mut sets = Pages::of(&COMPLIANCE_SET, node.clone());
    while let Some(rows) = sets.next(&*house.store).await? {
        let mut batch = Batch::new();
        rows.iter().for_each(|row| COMPLIANCE_SET.delete(&mut batch, &row.key));
        house.store.commit(batch).await?;
    }
    let mut findings = Pages::of(&COMPLIANCE_FINDING, node.clone());
    while let Some(rows) = findings.next(&*house.store).await? {
        let mut batch = Batch::new();
        rows.iter().for_each(|row| COMPLIANCE_FINDING.delete(&mut batch, &row.key));
        house.store.commit(batch).await?;
    }
    Ok(())
}

/// `Association`, `Patch`, or `Custom:NAME` (reference, section 11.5).
pub fn check_type(compliance_type: &str) -> Result<(), Refusal> {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let name = compliance_type.strip_prefix("Custom:").unwrap_or(compliance_type);
    let mut letters = name.chars();
    let first = letters.next().is_some_and(|letter| word(letter) || letter == '-');
    let rest = letters.as_str();
    if first
        && !rest.is_empty()
        && rest.chars().all(word)
        && compliance_type.chars().count() <= TYPE_MAX_CHARS
    {
        return Ok(());
    }
    let shown: String = compliance_type.chars().take(TYPE_MAX_CHARS).collect();
    Err(Refusal::invalid(format!(
        "`{}` is not a compliance type: Association, Patch, or Custom: and at least two letters, digits or _",
        shown.escape_debug()
    )))
}

fn check(wish: &Wish) -> Result<(), Refusal> {
    check_type(&wish.compliance_type)?;
    if wish.execution.at == Timestamp::default() {
        return Err(Refusal::invalid("it is not said when it was found: the execution has a time"));
    }
    if wish.execution.id.chars().count() > EXECUTION_ID_MAX_CHARS {
        return Err(Refusal::invalid(format!(
            "the execution id is longer than {EXECUTION_ID_MAX_CHARS} characters"
        )));
    }
    if wish.execution.kind.chars().count() > EXECUTION_KIND_MAX_CHARS {
        return Err(Refusal::invalid(format!(
            "the execution type is longer than {EXECUTION_KIND_MAX_CHARS} characters"
        )));
    }
    if wish.findings.len() > FINDINGS_MAX {
        return Err(Refusal::exhausted(format!(
            "{} findings are too many: {FINDINGS_MAX} at most",
            wish.findings.len()
        )));
    }
    let (mut ids, mut total) = (BTreeSet::new(), 0);
    for finding in &wish.findings {
        total += check_finding(finding)?;
        if !ids.insert(&finding.id) {
            return Err(Refusal::invalid(format!(
                "finding `{}` is put twice at once",
                finding.id.escape_debug()
            )));
        }
    }
    if total > TOTAL_MAX_BYTES {
        return Err(Refusal::exhausted(format!(
            "the findings have {} KiB: {} KiB at most",
            total.div_ceil(1024),
            TOTAL_MAX_BYTES / 1024
        )));
    }
    Ok(())
}

/// Its bytes.
fn check_finding(finding: &NewFinding) -> Result<usize, Refusal> {
    let shown = finding.id.chars().take(ID_MAX_CHARS).collect::<String>().escape_debug().to_string();
    let id_chars = finding.id.chars().count();
    if id_chars == 0 || id_chars > ID_MAX_CHARS {
        return Err(Refusal::invalid(format!(
            "`{shown}` is not the id of a finding: 1 to {ID_MAX_CHARS} characters"
        )));
    }
    if finding.title.chars().count() > TITLE_MAX_CHARS {
        return Err(Refusal::invalid(format!(
            "the title of finding `{shown}` is longer than {TITLE_MAX_CHARS} characters"
        )));
    }
    for (name, value) in &finding.details {
        let chars = name.chars().count();
        if chars == 0 || chars > DETAIL_NAME_MAX_CHARS || value.chars().count() > DETAIL_MAX_CHARS {
            return Err(Refusal::invalid(format!(
                "a detail of finding `{shown}` is not good: names have 1 to {DETAIL_NAME_MAX_CHARS} characters, values \
                 {DETAIL_MAX_CHARS} at most"
            )));
        }
    }
    let details: usize = finding.details.iter().map(|(name, value)| name.len() + value.len() + 6).sum();
    let bytes = finding.id.len() + finding.title.len() + details;
    if bytes > FINDING_MAX_BYTES {
        return Err(Refusal::exhausted(format!(
            "finding `{shown}` has {bytes} bytes: {FINDING_MAX_BYTES} at most"
        )));
    }
    Ok(bytes)
}
