//! This process, as the kernel sees it: what Prometheus' own clients show of theirs, under their names.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// What was found.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) cpu_seconds: f64,
    pub(super) resident_bytes: u64,
    pub(super) open_fds: u64,
    pub(super) max_fds: u64,
    pub(super) started_seconds: f64,
}

/// None where there is no /proc.
pub(super) fn look() -> Option<Process> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name stands in brackets and may hold anything; the fields are counted behind it (man 5 proc).
    let fields: Vec<u64> =
        stat.rsplit(')').next()?.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
    let (user, system, started, pages) = (fields.get(11)?, fields.get(12)?, fields.get(19)?, fields.get(21)?);
    let booted: u64 = fs::read_to_string("/proc/stat")
        .ok()?
        .lines()
        .find_map(|line| line.strip_prefix("btime "))
        .and_then(|text| text.trim().parse().ok())?;
    Some(Process {
        cpu_seconds: seconds(user + system),
        resident_bytes: pages * page_size() as u64,
        open_fds: fs::read_dir("/proc/self/fd").ok()?.count() as u64,
        // No limit is shown as the largest number.
        max_fds: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        started_seconds: seconds(started + booted * clock_ticks_per_second()),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a moment and a sum for a graph")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_started_before_now() {
        let process = look().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(
            process.started_seconds <= now + 1.0 && process.started_seconds > now - 3600.0,
            "{process:?}"
        );
        assert!(process.resident_bytes > 1 << 20 && process.open_fds >= 3, "{process:?}");
        assert!(process.max_fds >= process.open_fds, "{process:?}");
    }
}
