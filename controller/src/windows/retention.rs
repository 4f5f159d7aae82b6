//! Nothing grows for ever: executions that have ended go by age, and by number in a window that is due often; tokens
//! go after a day.

use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_store::Batch;

use super::executions::TimeKey;
use super::ids::WindowId;
use crate::error::Refusal;
use crate::house::House;
use crate::records::Pages;
use crate::tables::{WINDOW_EXECUTION, WINDOW_EXECUTION_TIME, WINDOW_TASK_RUN, WINDOW_TOKEN};

/// How often [`run_once`] is due.
pub const INTERVAL: Duration = Duration::from_secs(3600);
/// Executions kept of one window.
pub const EXECUTIONS_MAX: usize = 1_000;
/// How long a client's token is known.
const TOKENS: Duration = Duration::from_secs(24 * 3600);

/// Deletes what is not to be kept.
pub async fn run_once(house: &House) -> Result<(), Refusal> {
    let now = house.clock.now().millis();
    let before = |age: Duration| {
        Timestamp::from_millis(now.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
    };
    let oldest = before(house.limits.keep_commands);
    let mut counted: (Option<WindowId>, usize) = (None, 0);
    let mut pages = Pages::of(&WINDOW_EXECUTION_TIME, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in rows {
            if counted.0.as_ref() != Some(&row.key.0) {
                counted = (Some(row.key.0.clone()), 0);
            }
            counted.1 += 1;
            let old = row.key.1.0 < u64::try_from(oldest.millis()).unwrap_or(0);
            if old || counted.1 > EXECUTIONS_MAX {
                forget(house, &row.key).await?;
            }
        }
    }
    let oldest = before(TOKENS);
    let mut tokens = Pages::of(&WINDOW_TOKEN, ());
    while let Some(rows) = tokens.next(&*house.store).await? {
        let mut batch = Batch::new();
        for row in rows.into_iter().filter(|row| row.value.at < oldest) {
            WINDOW_TOKEN.delete_at(&mut batch, &row.key, row.revision);
        }
        if !batch.is_empty() {
            house.store.commit(batch).await?;
        }
    }
    Ok(())
}

/// Deletes an execution that has ended, in one commit.
async fn forget(house: &House, key: &TimeKey) -> Result<(), Refusal> {
    let mut batch = Batch::new();
    if let Some(row) = WINDOW_EXECUTION.get(&*house.store, &key.2).await? {
        if !row.value.state.is_final() {
            return Ok(());
        }
        for run in &row.value.tasks {
            WINDOW_TASK_RUN.delete(&mut batch, &(key.2.clone(), run.clone()));
        }
        WINDOW_EXECUTION.delete_at(&mut batch, &key.2, row.revision);
    }
    WINDOW_EXECUTION_TIME.delete(&mut batch, key);
    house.store.commit(batch).await?;
    Ok(())
}
