//! How a store is at this moment, and what it has done since it was opened: for health checks and metrics.
//!
//! Counters only grow. Nothing here decides anything.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::contract::StoreError;

/// How a store is. Cheap to ask: it is asked before every piece of new work.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// Why commits that write are refused now; `None`: they are taken.
    pub refuses: Option<StoreError>,
    /// The disk below the store; `None` when there is none or it does not tell.
    pub space: Option<Space>,
}

/// The room on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub free_bytes: u64,
    pub total_bytes: u64,
}

impl Space {
    /// Of the disk that a folder lies on; `None` when it does not tell.
    #[must_use]
    pub fn of_disk(folder: &Path) -> Option<Self> {
        let disk = rustix::fs::statvfs(folder).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Some(Self { free_bytes: bytes(disk.f_bavail), total_bytes: bytes(disk.f_blocks) })
    }
}

/// What a store has done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Work {
    /// Commits that were answered with a revision.
    pub commits: u64,
    /// Commits that were answered with a conflict.
    pub conflicts: u64,
    /// Commits that were refused because the disk was full or the engine had failed.
    pub failures: u64,
    /// Seconds from taking a group of commits to its answers.
    pub group_seconds: Distribution,
    /// Commits of one group.
    pub group_commits: Distribution,
}

/// How many values lay at or below each bound.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distribution {
    /// Ascending; the count is of this bucket alone. Values above the last bound are in `count` only.
    pub buckets: Vec<(f64, u64)>,
    pub count: u64,
    pub sum: f64,
}

const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
const COMMITS: [f64; 6] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0];

#[derive(Debug, Default)]
pub(crate) struct WorkCounters {
    commits: AtomicU64,
    conflicts: AtomicU64,
    failures: AtomicU64,
    seconds: Buckets<{ SECONDS.len() }>,
    group_sizes: Buckets<{ COMMITS.len() }>,
}

#[derive(Debug)]
struct Buckets<const N: usize> {
    counts: [AtomicU64; N],
    count: AtomicU64,
    /// In millionths: there is no atomic fraction.
    sum_millionths: AtomicU64,
}

impl<const N: usize> Default for Buckets<N> {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            count: AtomicU64::new(0),
            sum_millionths: AtomicU64::new(0),
        }
    }
}

impl<const N: usize> Buckets<N> {
    fn note(&self, bounds: &[f64; N], value: f64, millionths: u64) {
        if let Some(at) = bounds.iter().position(|bound| value <= *bound) {
            self.counts[at].fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_millionths.fetch_add(millionths, Ordering::Relaxed);
    }

    #[expect(clippy::cast_precision_loss, reason = "a sum for a graph")]
    fn read(&self, bounds: &[f64; N]) -> Distribution {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Distribution {
            buckets: bounds.iter().copied().zip(self.counts.iter().map(count)).collect(),
            count: count(&self.count),
            sum: count(&self.sum_millionths) as f64 / 1e6,
        }
    }
}

impl WorkCounters {
    /// A group was answered: so many commits each way.
    pub(crate) fn note_group(&self, commits: u64, conflicts: u64, failures: u64, took: Duration) {
        self.commits.fetch_add(commits, Ordering::Relaxed);
        self.conflicts.fetch_add(conflicts, Ordering::Relaxed);
        self.failures.fetch_add(failures, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.seconds.note(&SECONDS, took.as_secs_f64(), micros);
        let size = commits + conflicts + failures;
        let exact = u32::try_from(size).unwrap_or(u32::MAX);
        self.group_sizes.note(&COMMITS, f64::from(exact), size.saturating_mul(1_000_000));
    }

    pub(crate) fn read(&self) -> Work {
        Work {
            commits: self.commits.load(Ordering::Relaxed),
            conflicts: self.conflicts.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            group_seconds: self.seconds.read(&SECONDS),
            group_commits: self.group_sizes.read(&COMMITS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_counted_where_it_lies() {
        let counters = WorkCounters::default();
        counters.note_group(1, 0, 0, Duration::from_millis(1));
        counters.note_group(3, 1, 0, Duration::from_millis(30));
        counters.note_group(0, 0, 2000, Duration::from_secs(60));
        let work = counters.read();
        assert_eq!((work.commits, work.conflicts, work.failures), (4, 1, 2000));
        let filled = |of: &Distribution| -> Vec<f64> {
            of.buckets.iter().filter(|(_, count)| *count > 0).map(|(bound, _)| *bound).collect()
        };
        assert_eq!(filled(&work.group_seconds), [0.001, 0.05]);
        assert_eq!(filled(&work.group_commits), [1.0, 4.0]);
        assert_eq!((work.group_seconds.count, work.group_seconds.sum), (3, 60.031));
        assert_eq!(work.group_commits.sum, 2005.0);
    }
}
