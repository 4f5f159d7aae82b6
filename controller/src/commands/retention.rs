//! Nothing grows for ever: finished commands go by age, with everything that is kept under their id.

use std::collections::BTreeSet;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::CommandId;
use fleetwright_store::Batch;

use super::history::{self, TimeKey};
use super::payload;
use super::records::CommandRecord;
use super::shipped;
use crate::error::Refusal;
use crate::house::House;
use crate::records::{Pages, delete_below};
use crate::tables::{
    ACTIVATION, ASSOCIATION_PRINTED, COMMAND, COMMAND_TARGETS, COMMAND_TIME, COMMAND_TOKEN, COMMAND_WAVE,
    INVOCATION, NOTICE, NOTICE_OPEN, OUTPUT, OUTPUT_LENGTH,
};

/// How often [`Retention::run_once`] is due.
pub const INTERVAL: std::time::Duration = std::time::Duration::from_secs(3600);
/// Commands deleted in one run; the rest waits for the next.
const RUN_MAX: usize = 10_000;

/// What one run remembers for the next.
#[derive(Debug, Default)]
pub struct Retention {
    /// Had blobs and no record. A blob is written before its record, so only who is still without one the next time
    /// was left by a crash.
    without_record: BTreeSet<CommandId>,
}

impl Retention {
    /// Deletes what is older than the limits say, and what crashes left behind. Returns how many commands went.
    pub async fn run_once(&mut self, house: &House) -> Result<usize, Refusal> {
        let keep = i64::try_from(house.limits.keep_commands.as_millis()).unwrap_or(i64::MAX);
        let oldest = Timestamp::from_millis(house.clock.now().millis().saturating_sub(keep));
        delete_activations(house, oldest).await?;
        self.delete_left_blobs(house).await?;
        shipped::keep_all(house).await?;
        let deleted = delete_commands(house, oldest).await?;
        shipped::delete_unused(house).await?;
        Ok(deleted)
    }

    async fn delete_left_blobs(&mut self, house: &House) -> Result<(), Refusal> {
        let mut found = BTreeSet::new();
        for blob in house.blobs.list(Some(&payload::FOLDER.parse()?)).await? {
            let path = blob.path.to_string();
            found.extend(path.split('/').nth(1).and_then(|part| part.parse::<CommandId>().ok()));
        }
        let mut without_record = BTreeSet::new();
        for id in found {
            let printed = ASSOCIATION_PRINTED.scan(&*house.store, &id, None, 1).await?;
            if COMMAND.get(&*house.store, &id).await?.is_some() || !printed.rows.is_empty() {
                continue;
            }
            if self.without_record.contains(&id) {
                house.blobs.delete_prefix(&payload::folder(&id).parse()?).await?;
            } else {
                without_record.insert(id);
            }
        }
        self.without_record = without_record;
        Ok(())
    }
}

async fn delete_commands(house: &House, oldest: Timestamp) -> Result<usize, Refusal> {
    let start = history::before(oldest);
    let page = COMMAND_TIME.scan(&*house.store, &(), start.as_ref(), RUN_MAX).await?;
    let mut deleted = 0;
    for mark in page.rows {
        let id = mark.key.1.clone();
        let row = COMMAND.get(&*house.store, &id).await?;
        // A command may be allowed to stay open for longer than finished ones are kept.
        if row.as_ref().is_some_and(|row| row.value.outcome.is_none()) {
            continue;
        }
        delete(house, &id, &mark.key, row.map(|row| row.value)).await?;
        deleted += 1;
    }
    Ok(deleted)
}

/// The rows that lead to a command go last: killed in between, the next run finds the rest again.
async fn delete(
    house: &House,
    id: &CommandId,
    mark: &TimeKey,
    record: Option<CommandRecord>,
) -> Result<(), Refusal> {
    house.blobs.delete_prefix(&payload::folder(id).parse()?).await?;
    delete_below(&*house.store, &OUTPUT, id.clone()).await?;
    delete_below(&*house.store, &OUTPUT_LENGTH, id.clone()).await?;
    delete_below(&*house.store, &INVOCATION, id.clone()).await?;
    delete_below(&*house.store, &COMMAND_WAVE, id.clone()).await?;
    delete_below(&*house.store, &COMMAND_TARGETS, id.clone()).await?;
    delete_below(&*house.store, &NOTICE, id.clone()).await?;
    let mut batch = Batch::new();
    if let Some(record) = &record {
        history::forget(&mut batch, id, record);
        if let Some(token) = &record.client_token {
            COMMAND_TOKEN.delete(&mut batch, token);
        }
    }
    NOTICE_OPEN.delete(&mut batch, id);
    COMMAND.delete(&mut batch, id);
    COMMAND_TIME.delete(&mut batch, mark);
    house.store.commit(batch).await?;
    Ok(())
}

async fn delete_activations(house: &House, oldest: Timestamp) -> Result<(), Refusal> {
    let mut pages = Pages::of(&ACTIVATION, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        let mut batch = Batch::new();
        for row in rows.into_iter().filter(|row| row.value.expired(oldest)) {
            ACTIVATION.delete(&mut batch, &row.key);
        }
        house.store.commit(batch).await?;
    }
    Ok(())
}
