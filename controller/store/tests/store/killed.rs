//! SIGKILL in the middle of a write load, again and again on one folder: every acknowledged commit is found whole,
//! and no half of another one.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use fleetwright_store::{SledSettings, SledStore};

use crate::acknowledged::{self, Acknowledged};
use crate::program;

const ROUNDS: u64 = 25;
const TASKS: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigkill_loses_nothing_acknowledged_and_leaves_no_half() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut acknowledged = Acknowledged::new();
    for round in 0..ROUNDS {
        // Some rounds end in the first commits after opening, some in the thick of it.
        let printed = write_until_killed(&path, (round * 7919) % 800 + 1);
        acknowledged.extend(acknowledged::parse(&printed));
        let store = SledStore::open(&path, SledSettings::default()).unwrap();
        let checked = acknowledged::check(&store, &acknowledged, TASKS).await;
        assert_eq!(checked, Ok(()), "round {round}, after {} acknowledgements", printed.lines().count());
    }
    assert!(acknowledged.values().sum::<u64>() > ROUNDS, "the load did next to nothing: {acknowledged:?}");
}

/// Everything that the load acknowledged until it was killed, soon after its `lines`th line.
fn write_until_killed(path: &std::path::Path, lines: u64) -> String {
    let mut load = Command::new(program::store_load())
        .args(["write".as_ref(), path.as_os_str(), TASKS.to_string().as_ref(), "1000000".as_ref()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(load.stdout.take().unwrap());
    let mut printed = String::new();
    for _ in 0..lines {
        let read = output.read_line(&mut printed).unwrap();
        assert!(read > 0, "the load ended by itself, with {}", load.wait().unwrap());
    }
    load.kill().unwrap();
    output.read_to_string(&mut printed).unwrap();
    load.wait().unwrap();
    printed
}
