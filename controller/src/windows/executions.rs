//! What became of occurrences: read back, and cancelled.

use fleetwright_store::{Batch, CommitError, Reverse};

use super::fault::{Fault, WindowError};
use super::ids::{ExecutionId, TaskRunId, WindowId};
use super::records::{ExecutionRecord, Reason, TaskRunRecord};
use crate::house::House;
use crate::records::{COMMIT_ATTEMPTS, next_key};
use crate::tables::{WINDOW_EXECUTION, WINDOW_EXECUTION_TIME, WINDOW_TASK_RUN};

/// Where a list of executions goes on.
pub type TimeKey = (WindowId, Reverse<u64>, ExecutionId);

/// A page of executions and where the next one starts.
pub type Executions = (Vec<(ExecutionId, ExecutionRecord)>, Option<TimeKey>);

fn unknown(id: &ExecutionId) -> WindowError {
    Fault::DoesNotExist.because(format!(
        "Window execution {id} does not exist: `window executions` shows those that are kept"
    ))
}

/// An execution.
pub async fn get(house: &House, id: &ExecutionId) -> Result<ExecutionRecord, WindowError> {
    let row = WINDOW_EXECUTION.get(&*house.store, id).await?;
    row.map(|row| row.value).ok_or_else(|| unknown(id))
}

/// Of which window an execution is, if there is one.
pub async fn window_of(house: &House, id: &ExecutionId) -> Result<Option<WindowId>, WindowError> {
    Ok(WINDOW_EXECUTION.get(&*house.store, id).await?.map(|row| row.value.window))
}

/// The executions of a window that pass, newest first.
pub async fn list(
    house: &House,
    window: &WindowId,
    passes: impl Fn(&ExecutionRecord) -> bool,
    after: Option<TimeKey>,
    limit: usize,
) -> Result<Executions, WindowError> {
    let (mut found, mut after) = (Vec::new(), after);
    loop {
        let page = WINDOW_EXECUTION_TIME.scan(&*house.store, window, after.as_ref(), limit).await?;
        after = next_key(&page, limit);
        for row in page.rows {
            let id = row.key.2.clone();
            let Some(execution) = WINDOW_EXECUTION.get(&*house.store, &id).await? else { continue };
            if passes(&execution.value) {
                found.push((id, execution.value));
                if found.len() >= limit {
                    return Ok((found, Some(row.key)));
                }
            }
        }
        if after.is_none() {
            return Ok((found, None));
        }
    }
}

/// The tasks of an execution, in the order in which they run.
pub async fn tasks(
    house: &House,
    id: &ExecutionId,
) -> Result<(ExecutionRecord, Vec<(TaskRunId, TaskRunRecord)>), WindowError> {
    let execution = get(house, id).await?;
    let mut found = Vec::with_capacity(execution.tasks.len());
    for run in &execution.tasks {
        let row = WINDOW_TASK_RUN.get(&*house.store, &(id.clone(), run.clone())).await?;
        found.extend(row.map(|row| (row.key.1, row.value)));
    }
    Ok((execution, found))
}

/// A task in an execution.
pub async fn task(house: &House, id: &ExecutionId, run: &TaskRunId) -> Result<TaskRunRecord, WindowError> {
    get(house, id).await?;
    let row = WINDOW_TASK_RUN.get(&*house.store, &(id.clone(), run.clone())).await?;
    row.map(|row| row.value).ok_or_else(|| {
        Fault::DoesNotExist
            .because(format!("Window execution {id} has no task {run}: `window executions` shows its tasks"))
    })
}

/// Cancels an execution: nothing more is started, what runs is asked to stop. Durable when this returns: the wish.
/// Cancelling what has ended changes nothing.
pub async fn cancel(house: &House, id: &ExecutionId, by: &str) -> Result<ExecutionRecord, WindowError> {
    for _ in 0..COMMIT_ATTEMPTS {
        let mut row = WINDOW_EXECUTION.get(&*house.store, id).await?.ok_or_else(|| unknown(id))?;
        if row.value.state.is_final() || row.value.cancel.is_some() {
            return Ok(row.value);
        }
        row.value.cancel = Some(Reason::Cancelled { by: by.to_owned() });
        row.value.state = super::records::State::Cancelling;
        let mut batch = Batch::new();
        WINDOW_EXECUTION.replace(&mut batch, &row)?;
        match house.store.commit(batch).await {
            Ok(_) => return Ok(row.value),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(crate::error::Refusal::unavailable(format!("execution {id} is being changed: try again")).into())
}
