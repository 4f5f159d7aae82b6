//! A write load whose every commit can be checked afterwards: each task overwrites four keys that must always agree
//! and moves a short queue along, all in one commit. Shared by the crash tests and the program that they crash.

use bytes::Bytes;
use fleetwright_store::{Batch, Condition, Entry, Revision, Store};

const PARTS: usize = 4;
const QUEUE: u64 = 8;

/// Commit `number` (from 1) of a task. `before` is the revision of the task's last commit.
pub(crate) fn batch(task: usize, number: u64, before: Option<Revision>) -> Batch {
    let mut batch = Batch::new();
    let first = part_key(task, 0);
    batch.require(match before {
        Some(revision) => Condition::At(first.clone(), revision),
        None => Condition::Absent(first),
    });
    for part in 0..PARTS {
        batch.put(part_key(task, part), part_value(task, part, number));
    }
    batch.put(queue_key(task, number), number.to_string());
    if number > QUEUE {
        batch.delete(queue_key(task, number - QUEUE));
    }
    batch
}

/// The last commit of a task that the store holds, with its revision; an error tells what is not whole.
pub(crate) async fn found(store: &dyn Store, task: usize) -> Result<Option<(u64, Revision)>, String> {
    let prefix = format!("pair/{task:03}/");
    let parts = store.scan(prefix.as_bytes(), None, 100).await.map_err(|error| error.to_string())?;
    let prefix = format!("queue/{task:03}/");
    let queue = store.scan(prefix.as_bytes(), None, 100).await.map_err(|error| error.to_string())?;
    let Some(first) = parts.first() else {
        return if queue.is_empty() {
            Ok(None)
        } else {
            Err(format!("task {task}: a queue without its pairs"))
        };
    };
    let number = number_of(first)?;
    for part in 0..PARTS {
        let whole = parts.get(part).is_some_and(|entry| {
            entry.key == part_key(task, part)
                && entry.value == part_value(task, part, number)
                && entry.revision == first.revision
        });
        if !whole {
            return Err(format!("task {task}: part {part} is not that of commit {number}"));
        }
    }
    let wanted = (number.saturating_sub(QUEUE) + 1..=number).map(|number| queue_key(task, number));
    if !queue.iter().map(|entry| &entry.key).eq(wanted.collect::<Vec<_>>().iter()) {
        return Err(format!("task {task}: the queue is not that of commit {number}"));
    }
    Ok(Some((number, first.revision)))
}

fn part_key(task: usize, part: usize) -> Bytes {
    format!("pair/{task:03}/{part}").into()
}

fn queue_key(task: usize, number: u64) -> Bytes {
    format!("queue/{task:03}/{number:012}").into()
}

/// The number, then bytes that are different in every commit, up to some kilobytes.
fn part_value(task: usize, part: usize, number: u64) -> Bytes {
    let seed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ ((task * PARTS + part) as u64);
    let length = usize::try_from(seed >> 40).expect("24 bits") % 3000;
    let filling =
        (0..length).map(|at| seed.rotate_left(u32::try_from(at % 64).expect("small")).to_le_bytes()[0]);
    number.to_be_bytes().into_iter().chain(filling).collect()
}

fn number_of(entry: &Entry) -> Result<u64, String> {
    let number = entry.value.first_chunk().ok_or("a value is too short")?;
    Ok(u64::from_be_bytes(*number))
}
