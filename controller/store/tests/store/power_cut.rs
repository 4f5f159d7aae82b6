//! The power is cut at many moments of a recorded write load.
//!
//! The load runs with `record.c` preloaded, which writes down every file operation and every printed acknowledgement
//! in their order. From that record `disk` knows at every moment what had really been synced. A cut keeps that, and
//! of what was written since nothing, everything, or a random part torn at sectors. On each such disk the store must
//! open, hold every commit acknowledged before the cut, and no half of another one.

use std::path::{Path, PathBuf};
use std::process::Command;

use fleetwright_store::{SledSettings, SledStore, Store};

use self::disk::{Disk, Survivors, Syncs};
use self::record::{Operation, Record};
use crate::{acknowledged, program, workload};

mod disk;
mod record;

const TASKS: usize = 16;

#[tokio::test]
async fn a_power_cut_loses_nothing_acknowledged_and_leaves_no_half() {
    let cuts =
        std::env::var("FLEETWRIGHT_POWER_CUTS").map_or(60, |cuts| cuts.parse().expect("a number of cuts"));
    let record = record_load(60);
    let lost = cut_power(&record, Syncs::AsRecorded, cuts).await;
    assert!(lost.is_empty(), "{} of {cuts} cuts broke the promise:\n{}", lost.len(), lost.join("\n"));
}

/// The proof that the test above can fail, and that sled's own flush is not enough.
#[tokio::test]
async fn without_fdatasync_a_power_cut_loses_acknowledged_commits() {
    let record = record_load(10);
    let lost = cut_power(&record, Syncs::WithoutFdatasync, 20).await;
    assert!(!lost.is_empty());
}

/// Cuts the power at `cuts` moments and tells what was not as promised.
async fn cut_power(record: &Record, syncs: Syncs, cuts: usize) -> Vec<String> {
    let mut lost = Vec::new();
    let mut disk = Disk::new(record.root_inode, syncs);
    let mut printed = String::new();
    let mut moments = moments(record, cuts).into_iter().peekable();
    let operations = record.operations().chain([Operation::End]);
    for (at, operation) in operations.enumerate() {
        while moments.next_if_eq(&at).is_some() {
            let survivors = match at % 4 {
                0 => Survivors::Nothing,
                1 => Survivors::Everything,
                _ => Survivors::Random(at as u64),
            };
            if let Err(why) = open_after_cut(&disk, survivors, &printed).await {
                lost.push(format!(
                    "cut before operation {at}, {survivors:?} of the unsynced survives: {why}"
                ));
            }
        }
        match operation {
            Operation::Print(text) => printed.push_str(text),
            other => disk.apply(other),
        }
    }
    lost
}

/// Where to cut: half of the moments right behind an acknowledgement, half of them anywhere.
fn moments(record: &Record, cuts: usize) -> Vec<usize> {
    let prints =
        record.operations().enumerate().filter(|(_, operation)| matches!(operation, Operation::Print(_)));
    let prints: Vec<usize> = prints.map(|(at, _)| at + 1).collect();
    let all = record.operations().count();
    let mut random = disk::Random::new(cuts as u64);
    let mut moments: Vec<usize> = (0..cuts)
        .map(|cut| if cut % 2 == 0 { prints[random.below(prints.len())] } else { random.below(all + 1) })
        .collect();
    moments.sort_unstable();
    moments
}

async fn open_after_cut(disk: &Disk<'_>, survivors: Survivors, printed: &str) -> Result<(), String> {
    let folder = scratch();
    disk.write_to(folder.path(), survivors);
    let path = folder.path().join("store");
    let open = || SledStore::open(&path, SledSettings { reserve_bytes: 0, ..SledSettings::default() });
    let told = acknowledged::parse(printed);
    let store = open().map_err(|error| chain(&error))?;
    acknowledged::check(&store, &told, TASKS).await?;
    // What survived must also carry on: written to, closed and opened once more.
    let found = workload::found(&store, 0).await?;
    let (number, before) = found.map_or((0, None), |(number, revision)| (number, Some(revision)));
    let next = workload::batch(0, number + 1, before);
    let revision = store.commit(next).await.map_err(|error| chain(&error))?;
    drop(store);
    let store = open().map_err(|error| chain(&error))?;
    if store.revision() != revision {
        return Err(format!("revision {} after opening again, not {revision}", store.revision()));
    }
    acknowledged::check(&store, &told, TASKS).await
}

/// Runs the load and records it.
fn record_load(commits: u32) -> Record {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().canonicalize().unwrap().join("disk");
    std::fs::create_dir(&below).unwrap();
    let to = folder.path().join("record");
    let load = Command::new(program::store_load())
        .args(["write".as_ref(), below.join("store").as_os_str()])
        .args([TASKS.to_string(), commits.to_string()])
        .env("LD_PRELOAD", build_recorder(folder.path()))
        .env("RECORD_BELOW", &below)
        .env("RECORD_TO", &to)
        .output()
        .unwrap();
    assert!(load.status.success(), "{}", String::from_utf8_lossy(&load.stderr));
    Record::read(&below, &to)
}

/// Compiles the preloaded library.
pub(crate) fn build_recorder(folder: &Path) -> PathBuf {
    let library = folder.join("record.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/power_cut/record.c");
    let compiler =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).output();
    let compiler = compiler.expect("a C compiler, `cc`");
    assert!(compiler.status.success(), "{}", String::from_utf8_lossy(&compiler.stderr));
    library
}

/// A folder in memory where there is one: what a cut left needs no disk of its own.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
