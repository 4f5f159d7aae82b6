//! What the system knows of a process, and the end of processes that were started here.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};

/// How often a peak of memory is looked for.
const SAMPLING: Duration = Duration::from_millis(10);

/// A process that was started here and ends with this value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    folder: PathBuf,
}

/// What has been used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// User and system time, in steps of the system's clock tick.
    pub(crate) cpu: Duration,
    /// What reached the disk, or is on the way there.
    pub(crate) written_bytes: u64,
}

impl Process {
    pub(crate) fn new(child: Child) -> Self {
        let folder = PathBuf::from(format!("/proc/{}", child.id()));
        Self { child, folder }
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(crate) fn rss_bytes(&self) -> Result<u64> {
        rss_bytes(&self.folder)
    }

    pub(crate) fn used(&self) -> Result<Used> {
        let io = self.read("io")?;
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        let written_bytes = written.and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        Ok(Used { cpu: self.cpu()?, written_bytes })
    }

    /// User and system time, also of one that has ended and was not waited for yet.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = self.read("stat")?;
        // The name is in brackets and may hold anything; user and system time are the 12th and 13th field after it.
        let fields: Vec<_> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        let per_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_secs_f64((ticks(11) + ticks(12)) as f64 / per_second as f64))
    }

    /// CPU time of the threads that there are now, to the nanosecond. Threads that ended are not in it.
    pub(crate) fn cpu_of_threads(&self) -> Result<Duration> {
        let mut nanos = 0;
        for task in self.tasks()? {
            let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
            nanos += text.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanos))
    }

    pub(crate) fn threads(&self) -> Result<usize> {
        Ok(self.tasks()?.len())
    }

    /// Looks for the peak of resident memory until told to end.
    pub(crate) fn watch_peak(&self) -> PeakWatch {
        let (folder, (end, ended)) = (self.folder.clone(), mpsc::channel::<()>());
        let thread = std::thread::spawn(move || {
            let mut peak = 0;
            loop {
                peak = peak.max(rss_bytes(&folder).unwrap_or(0));
                if ended.recv_timeout(SAMPLING) != Err(RecvTimeoutError::Timeout) {
                    return peak;
                }
            }
        });
        PeakWatch { end, thread }
    }

    fn tasks(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(self.folder.join("task")).context("the process is gone")?;
        Ok(entries.flatten().map(|entry| entry.path()).collect())
    }

    fn read(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.folder.join(name)).context("the process is gone")
    }
}

impl Drop for Process {
    /// Asks it to end, and waits for that.
    fn drop(&mut self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let (Ok(None), Some(id)) = (self.child.try_wait(), id) {
            // Gone already is as good.
            let _ = kill_process(id, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

/// See [`Process::watch_peak`].
#[derive(Debug)]
pub(crate) struct PeakWatch {
    end: mpsc::Sender<()>,
    thread: JoinHandle<u64>,
}

impl PeakWatch {
    pub(crate) fn peak_bytes(self) -> u64 {
        drop(self.end);
        self.thread.join().unwrap_or(0)
    }
}

fn rss_bytes(process: &Path) -> Result<u64> {
    let text = fs::read_to_string(process.join("statm")).context("the process is gone")?;
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
    Ok(pages * rustix::param::page_size() as u64)
}

/// Blocks on the disk below a folder, bytes.
pub(crate) fn disk_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
            Ok(metadata) => metadata.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// Programs that are started from here inherit it: a controller holds one file for each agent.
pub(crate) fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Without it the programs say themselves that they have too few.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// A folder that goes away with the value; in memory when that is wanted and there is such a place.
pub(crate) fn folder(place: Place) -> Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix(OsStr::new("fleetwright-bench-"));
    let folder = match place {
        Place::Memory if memory.is_dir() => builder.tempdir_in(memory),
        Place::Memory | Place::Disk => builder.tempdir(),
    };
    folder.context("cannot make a temporary folder")
}

/// Where a temporary folder lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Disk,
    /// For the simulated hosts, whose disks are not those that are measured.
    Memory,
}
/// Runs a command of an operator, or says what it complained of.
pub(super) fn succeed(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("`fleetwright` ended with {}: {}", output.status, complaint.trim());
    }
    Ok(())
}
