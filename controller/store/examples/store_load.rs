//! A program to crash and to measure.
//!
//! ```text
//! store_load write FOLDER TASKS COMMITS   each task commits COMMITS times, half of them after opening the store anew;
//!                                         prints `task number` for each acknowledged commit
//! store_load fail FOLDER FLAG             commits before, while and after the file FLAG makes the disk fail; prints
//!                                         what it sees
//! store_load bench FOLDER WRITERS SECONDS VALUE_BYTES WRITES_PER_COMMIT
//! store_load records ROUNDS              encodes and decodes a record of 400 bytes
//! ```

#![expect(clippy::print_stdout, reason = "what it prints is its result")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use fleetwright_proto::clock::{Clock, SystemClock};
use fleetwright_store::{
    Batch, BlobPath, Blobs, Codec, CommitError, Kept, Record, SharedStore, SledSettings, SledStore,
    StoreError,
};

#[path = "../tests/store/workload.rs"]
mod workload;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["write", folder, tasks, commits] => {
            let (tasks, commits): (usize, u64) = (tasks.parse()?, commits.parse()?);
            write(folder, tasks, commits / 2).await?;
            write(folder, tasks, commits - commits / 2).await
        }
        ["fail", folder, flag] => meet_failure(folder, flag).await,
        ["bench", folder, writers, seconds, value_bytes, writes] => {
            let load = Bench { value_bytes: value_bytes.parse()?, writes: writes.parse()? };
            load.run(folder, writers.parse()?, Duration::from_secs(seconds.parse()?)).await
        }
        ["records", rounds] => measure_records(rounds.parse()?),
        _ => bail!(
            "usage: store_load write FOLDER TASKS COMMITS | fail FOLDER FLAG | bench FOLDER WRITERS SECONDS VALUE_BYTES WRITES | records ROUNDS"
        ),
    }
}

fn open(folder: &str) -> anyhow::Result<SharedStore> {
    let settings = SledSettings { reserve_bytes: 0, ..SledSettings::default() };
    Ok(Arc::new(SledStore::open(folder, settings)?))
}

async fn write(folder: &str, tasks: usize, commits: u64) -> anyhow::Result<()> {
    let store = open(folder)?;
    let tasks: Vec<_> =
        (0..tasks).map(|task| tokio::spawn(write_task(store.clone(), task, commits))).collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn write_task(store: SharedStore, task: usize, commits: u64) -> anyhow::Result<()> {
    let found = workload::found(&*store, task).await.map_err(anyhow::Error::msg)?;
    let (mut number, mut before) = found.map_or((0, None), |(number, revision)| (number, Some(revision)));
    for _ in 0..commits {
        number += 1;
        before = Some(store.commit(workload::batch(task, number, before)).await?);
        println!("{task} {number}");
    }
    Ok(())
}

async fn meet_failure(folder: &str, flag: &str) -> anyhow::Result<()> {
    let store = open(folder)?;
    let blobs = Blobs::open_folder(format!("{folder}-blobs"))?;
    let blob: BlobPath = "output/1".parse()?;
    let mut watch = store.watch(b"", store.revision());
    let put = |key: &'static str| {
        let mut batch = Batch::new();
        batch.put(key, "x");
        batch
    };
    println!("before: {}", told(store.commit(put("before")).await.map(|_| "committed")));
    watch.next().await?;
    std::fs::write(flag, "")?;
    println!("failing: {}", told(store.commit(put("failing")).await.map(|_| "committed")));
    println!("failing, a barrier: {}", told(store.commit(Batch::new()).await.map(|_| "committed")));
    println!("failing, a read: {}", told(store.get(b"before").await.map(|_| "found")));
    println!("failing, a blob: {}", put_blob(&blobs, &blob).await);
    std::fs::remove_file(flag)?;
    println!("after, a blob: {}", put_blob(&blobs, &blob).await);
    // The store tries once a second.
    let mut after = store.commit(put("after")).await;
    for _ in 0..30 {
        if !matches!(after, Err(CommitError::Store(StoreError::Full { .. }))) {
            break;
        }
        SystemClock.sleep(Duration::from_millis(100)).await;
        after = store.commit(put("after")).await;
    }
    println!("after: {}", told(after.as_ref().map(|_| "committed")));
    if after.is_ok() {
        println!("the watch: {}", told(watch.next().await.map(|_| "a change")));
        let found = store.scan(b"", None, 10).await?;
        let names: Vec<_> = found.iter().map(|entry| String::from_utf8_lossy(&entry.key)).collect();
        println!("found: {}", names.join(", "));
    }
    Ok(())
}

async fn put_blob(blobs: &Blobs, path: &BlobPath) -> String {
    match blobs.put(path, "x".into()).await {
        Ok(()) => "put".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// The answer, or the error with its causes.
fn told<E: std::error::Error>(answer: Result<&'static str, E>) -> String {
    let error = match answer {
        Ok(answer) => return answer.to_owned(),
        Err(error) => error,
    };
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Commits of `writes` values of `value_bytes` each, over a million keys.
#[derive(Clone, Copy)]
struct Bench {
    value_bytes: usize,
    writes: u64,
}

impl Bench {
    async fn run(self, folder: &str, writers: u64, time: Duration) -> anyhow::Result<()> {
        let store = open(folder)?;
        let committed = Arc::new(AtomicU64::new(0));
        let (began, cpu_began) = (Instant::now(), cpu_time()?);
        let tasks: Vec<_> = (0..writers)
            .map(|writer| tokio::spawn(self.write(store.clone(), writer, began + time, committed.clone())))
            .collect();
        for task in tasks {
            task.await??;
        }
        let (took, cpu) = (began.elapsed(), cpu_time()?.saturating_sub(cpu_began));
        let commits = committed.load(Ordering::Relaxed);
        println!(
            "{writers} writers, {} writes of {} bytes: {:.0} commits/s, {:.0} writes/s, {:.1} µs of CPU a commit",
            self.writes,
            self.value_bytes,
            commits as f64 / took.as_secs_f64(),
            (commits * self.writes) as f64 / took.as_secs_f64(),
            cpu.as_secs_f64() * 1e6 / commits as f64,
        );
        println!("{}", memory()?);
        for usage in store.usage() {
            println!("{usage:?}");
        }
        Ok(())
    }

    async fn write(
        self,
        store: SharedStore,
        writer: u64,
        until: Instant,
        committed: Arc<AtomicU64>,
    ) -> anyhow::Result<()> {
        let mut random = writer.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        while Instant::now() < until {
            let mut batch = Batch::new();
            for write in 0..self.writes {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let key = format!("bench/{:06}/{writer}/{write}", random % 1_000_000);
                batch.put(key, random.to_le_bytes().repeat(self.value_bytes / 8));
            }
            store.commit(batch).await?;
            committed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// A record of the usual size and kind.
#[derive(serde::Serialize, serde::Deserialize)]
struct Invocation {
    node: String,
    command: String,
    state: String,
    reason: Option<String>,
    created: u64,
    deadline: u64,
    parameters: Vec<String>,
}

impl Record for Invocation {
    const FORMAT: u16 = 1;
}

fn measure_records(rounds: u32) -> anyhow::Result<()> {
    let record = Invocation {
        node: "mi-0123456789abcdef0".to_owned(),
        command: "67e55044-10b1-426f-9247-bb680e5fe0c8".to_owned(),
        state: "in-progress".to_owned(),
        reason: None,
        created: 1_795_000_000_000,
        deadline: 1_795_000_600_000,
        parameters: vec!["systemctl restart nginx".to_owned(); 7],
    };
    let began = Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(std::hint::black_box(&record).encode(&Kept::default())?);
    }
    let (bytes, encoding) = (record.encode(&Kept::default())?, began.elapsed() / rounds);
    let began = Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(Invocation::decode(std::hint::black_box(&bytes))?);
    }
    println!("{} bytes: {encoding:?} to encode, {:?} to decode", bytes.len(), began.elapsed() / rounds);
    Ok(())
}

/// User and system time of this process.
fn cpu_time() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> =
        stat.rsplit(')').next().context("a name in brackets")?.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}

fn memory() -> anyhow::Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = |name| status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    Ok(format!("{} {}", line("VmRSS"), line("VmHWM")))
}
