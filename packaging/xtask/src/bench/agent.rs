//! A controller and one real agent on this machine.

use std::fs;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::controller::Controller;
use super::figures::Figures;
use super::process::{Place, disk_bytes, folder, succeed};
use super::real_agent;
use super::run_lines::percentile;

/// Not timed: caches of the system, first connections.
const WARM_UP: u32 = 3;
/// Threads that waited for a disk end by themselves before the rest is measured; their CPU time ends with them.
const SETTLING: Duration = Duration::from_secs(15);

pub(crate) fn measure(rest: Duration, runs: u32) -> Result<Figures> {
    let mut figures = Figures::default();
    let controller = Controller::start()?;
    let state = folder(Place::Disk)?;
    real_agent::enrol(&controller, state.path())?;
    let agent = real_agent::start(&controller, state.path())?;

    let mut times = Vec::new();
    for run in 0..WARM_UP + runs {
        let begun = Instant::now();
        succeed(controller.operator().args(["run", "--target", "all", "--yes", "--", "true"]))?;
        if run >= WARM_UP {
            times.push(begun.elapsed());
        }
    }
    times.sort_unstable();
    figures.number("run_true_ms", 1_000.0 * percentile(&times, 50).as_secs_f64());
    figures.number("run_true_p99_ms", 1_000.0 * percentile(&times, 99).as_secs_f64());
    figures.number("run_true_runs", runs.into());

    pause(SETTLING);
    let (cpu, begun) = (agent.cpu_of_threads()?, Instant::now());
    pause(rest);
    let share = (agent.cpu_of_threads()? - cpu).as_secs_f64() / begun.elapsed().as_secs_f64();
    figures.number("agent_cpu_seconds_per_hour", 3_600.0 * share);
    figures.number("agent_rss_bytes", agent.rss_bytes()? as f64);
    figures.number("agent_threads", agent.threads()? as f64);
    figures.number("agent_binary_bytes", fs::metadata(real_agent::program())?.len() as f64);
    figures.number("agent_disk_bytes", disk_bytes(state.path()) as f64);
    Ok(figures)
}

/// Lets time pass: what is measured is what happens without anybody doing anything.
fn pause(time: Duration) {
    let (_nobody, silence) = channel::<()>();
    let _ = silence.recv_timeout(time);
}
