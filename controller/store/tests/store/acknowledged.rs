//! What the load was told, and whether the store still knows it.

use std::collections::BTreeMap;

use fleetwright_store::Store;

use crate::workload;

/// The last commit that was acknowledged to each task.
pub(crate) type Acknowledged = BTreeMap<usize, u64>;

/// Every acknowledged commit is there whole, and no half of another one.
pub(crate) async fn check(
    store: &dyn Store,
    acknowledged: &Acknowledged,
    tasks: usize,
) -> Result<(), String> {
    for task in 0..tasks {
        let found = workload::found(store, task).await?;
        let number = found.map_or(0, |(number, _)| number);
        let wanted = acknowledged.get(&task).copied().unwrap_or(0);
        if number < wanted {
            return Err(format!(
                "task {task}: commit {wanted} was acknowledged, the last one found is {number}"
            ));
        }
        if found.is_some_and(|(_, revision)| revision > store.revision()) {
            return Err(format!("task {task}: commit {number} is newer than the store's revision"));
        }
    }
    Ok(())
}

/// Reads what the load prints for each acknowledged commit: `task number`. An unfinished last line is no answer.
pub(crate) fn parse(printed: &str) -> Acknowledged {
    let whole_lines = printed.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let mut acknowledged = Acknowledged::new();
    for line in whole_lines.lines() {
        let (task, number) = line.split_once(' ').expect("a task and a number");
        let (task, number): (usize, u64) = (task.parse().expect("a task"), number.parse().expect("a number"));
        let last = acknowledged.entry(task).or_default();
        *last = number.max(*last);
    }
    acknowledged
}
