//! A controller and one real agent on this machine.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::controller::Controller;
use super::figures::Figures;
use super::process::{Place, Process, disk_bytes, folder};
use super::run_lines::percentile;
use crate::run;

/// Not timed: caches of the system, first connections.
const WARM_UP: u32 = 3;
/// Threads that waited for a disk end by themselves before the rest is measured; their CPU time ends with them.
const SETTLING: Duration = Duration::from_secs(15);

pub(crate) fn measure(rest: Duration, runs: u32) -> Result<Figures> {
    let mut figures = Figures::default();
    let controller = Controller::start()?;
    let state = folder(Place::Disk)?;
    let program = run::release("fleetwright-agent");
    let activation = controller.activate(1)?;
    let enrolled = Command::new(&program)
        .args(["enroll", "--controller", &controller.address, "--activation-id", &activation.id])
        .args(["--authority", &activation.fingerprint, "--activation-code-file"])
        .arg(&activation.code_file)
        .arg("--state-dir")
        .arg(state.path())
        .stdout(Stdio::null())
        .status()?;
    ensure!(enrolled.success(), "the agent could not enrol: {enrolled}");
    let agent = Command::new(&program)
        .args(["run", "--state-dir"])
        .arg(state.path())
        .env("FLEETWRIGHT_LOG", "error")
        .spawn()
        .context("cannot start the agent")?;
    let agent = Process::new(agent);
    succeed(controller.operator().args(["node", "wait", "--target", "all"]))?;

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
    figures.number("agent_binary_bytes", fs::metadata(&program)?.len() as f64);
    figures.number("agent_disk_bytes", disk_bytes(state.path()) as f64);
    Ok(figures)
}

pub(super) fn succeed(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("`fleetwright` ended with {}: {}", output.status, complaint.trim());
    }
    Ok(())
}

/// Lets time pass: what is measured is what happens without anybody doing anything.
fn pause(time: Duration) {
    let (_nobody, silence) = channel::<()>();
    let _ = silence.recv_timeout(time);
}
