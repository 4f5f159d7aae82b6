//! A controller and a simulated fleet, from nothing to the return from a cut of all links.
//!
//! ```text
//! controller ──► N enrol ──► N connect ──► rest ──► no-op × rounds ──► cut, all return
//!    RSS           disk                    RSS, CPU    CPU, written       peak RSS
//! ```
//!
//! Results of the no-op are counted when `fleetwright run` prints them. The controller tells it only what is durable,
//! so these latencies hold everything: start of the program, TLS, delivery, execution, commit, and the way back.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::controller::{Activation, Controller};
use super::figures::Figures;
use super::process::{Place, Process, disk_bytes, folder};
use super::run_lines::Results;
use crate::run;

/// For what follows connecting: agents tell their first inventory within half a minute.
const FIRST_INVENTORIES: Duration = Duration::from_secs(40);
/// For what follows work: commits, and memory that is given back.
const SETTLING: Duration = Duration::from_secs(5);
/// After the last agent is back, memory may still grow.
const AFTER_THE_HERD: Duration = Duration::from_secs(2);
/// What the simulated hosts are told to run; see `fleetwright-simulator --help`.
const NOOP: [&str; 2] = ["exit", "0"];

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) rest: Duration,
    pub(crate) rounds: u32,
}

pub(crate) fn measure(agents: u32, settings: &Settings) -> Result<Figures> {
    let mut figures = Figures::default();
    figures.number("agents", agents.into());
    let controller = Controller::start()?;
    run::say(&format!("{agents} agents at {}", controller.address));
    let empty_rss = controller.process.rss_bytes()?;
    let mut simulator = enrol(&controller, agents, &mut figures)?;
    rest(&controller, &simulator, agents, empty_rss, settings.rest, &mut figures)?;
    noop(&controller, &simulator, agents, settings.rounds, &mut figures)?;
    herd(&controller, &mut simulator, agents, &mut figures)?;
    simulator.order("status")?;
    let status = simulator.event("status")?;
    let executed = u64::from(agents) * u64::from(settings.rounds);
    ensure!(status["executed_twice"] == 0, "a script was executed twice: {status}");
    ensure!(status["executed"] == executed, "not every script was executed: {status}");
    figures.number("noop_executed_twice", 0.0);
    figures.number("simulator_rss_bytes", simulator.process.rss_bytes()? as f64);
    Ok(figures)
}

fn enrol(controller: &Controller, agents: u32, figures: &mut Figures) -> Result<Simulator> {
    let activation = controller.activate(agents)?;
    let (disk, before) = (disk_bytes(controller.data()), controller.process.cpu()?);
    let simulator = Simulator::start(controller, &activation, agents)?;
    let enrolled = simulator.event("enrolled")?;
    let seconds = enrolled["seconds"].as_f64().unwrap_or(f64::NAN);
    let (enrolling, hosts) = (controller.process.cpu()? - before, simulator.process.cpu()?);
    figures.number("enroll_seconds", seconds);
    figures.number("enroll_per_second", f64::from(agents) / seconds);
    figures.number("enroll_retries", enrolled["retries"].as_f64().unwrap_or(f64::NAN));
    figures.number("enroll_controller_cpu_us", micros_each(enrolling, agents));
    figures.number("enroll_simulator_cpu_us", micros_each(hosts, agents));
    let connected = simulator.event("connected")?;
    figures.number("connect_seconds", connected["seconds"].as_f64().unwrap_or(f64::NAN));
    simulator.rest(FIRST_INVENTORIES)?;
    figures.number("disk_bytes_per_node", per(disk_bytes(controller.data()).saturating_sub(disk), agents));
    Ok(simulator)
}

fn rest(
    controller: &Controller,
    simulator: &Simulator,
    agents: u32,
    empty_rss: u64,
    rest: Duration,
    figures: &mut Figures,
) -> Result<()> {
    let before = controller.process.cpu()?;
    simulator.rest(rest)?;
    let cpu = controller.process.cpu()? - before;
    let rss = controller.process.rss_bytes()?;
    let minutes = rest.as_secs_f64() / 60.0;
    figures.number("idle_controller_cpu_percent", 100.0 * cpu.as_secs_f64() / rest.as_secs_f64());
    figures.number("idle_controller_cpu_us_per_agent_minute", micros_each(cpu, agents) / minutes);
    figures.number("empty_controller_rss_bytes", empty_rss as f64);
    figures.number("idle_controller_rss_bytes", rss as f64);
    figures.number("idle_bytes_per_agent", per(rss.saturating_sub(empty_rss), agents));
    Ok(())
}

fn noop(
    controller: &Controller,
    simulator: &Simulator,
    agents: u32,
    rounds: u32,
    figures: &mut Figures,
) -> Result<()> {
    let (before, hosts_before) = (controller.process.used()?, simulator.process.cpu()?);
    let mut measured = Vec::new();
    for _ in 0..rounds {
        let mut command = controller.operator();
        command.args(["run", "--target", "all", "--yes", "--max-concurrency", "100%", "-o", "jsonl", "--"]);
        measured.push(Results::of(command.args(NOOP), agents)?);
    }
    let (after, hosts_after) = (controller.process.used()?, simulator.process.cpu()?);
    measured.sort_by_key(|results| results.whole);
    let median = &measured[measured.len() / 2];
    for (key, percent) in
        [("noop_first_ms", 0), ("noop_p50_ms", 50), ("noop_p99_ms", 99), ("noop_all_ms", 100)]
    {
        figures.number(key, 1_000.0 * median.percentile(percent).as_secs_f64());
    }
    let invocations = agents * rounds;
    figures.number("noop_rounds", rounds.into());
    figures.number("noop_controller_cpu_us", micros_each(after.cpu - before.cpu, invocations));
    // What the others had of the same processors meanwhile.
    let operator = measured.iter().map(|results| results.cpu).sum();
    figures.number("noop_operator_cpu_us", micros_each(operator, invocations));
    figures.number("noop_simulator_cpu_us", micros_each(hosts_after - hosts_before, invocations));
    figures.number("noop_written_bytes", per(after.written_bytes - before.written_bytes, invocations));
    Ok(())
}

fn herd(
    controller: &Controller,
    simulator: &mut Simulator,
    agents: u32,
    figures: &mut Figures,
) -> Result<()> {
    simulator.rest(SETTLING)?;
    let (steady, before) = (controller.process.rss_bytes()?, controller.process.cpu()?);
    let hosts_before = simulator.process.cpu()?;
    let peak = controller.process.watch_peak();
    simulator.order("cut")?;
    let back = simulator.event("back")?;
    let (cpu, hosts) = (controller.process.cpu()? - before, simulator.process.cpu()? - hosts_before);
    simulator.rest(AFTER_THE_HERD)?;
    let peak = peak.peak_bytes();
    ensure!(back["missing"] == 0, "agents did not come back: {back}");
    let seconds = back["seconds"].as_f64().unwrap_or(f64::NAN);
    figures.number("reconnect_seconds", seconds);
    figures.number("reconnect_p99_seconds", back["p99_seconds"].as_f64().unwrap_or(f64::NAN));
    figures.number("reconnect_per_second", f64::from(agents) / seconds);
    figures.number("reconnect_controller_cpu_us", micros_each(cpu, agents));
    figures.number("reconnect_simulator_cpu_us", micros_each(hosts, agents));
    figures.number("reconnect_peak_rss_bytes", peak as f64);
    figures.number("reconnect_peak_ratio", peak as f64 / steady as f64);
    Ok(())
}

fn per(total: u64, count: u32) -> f64 {
    total as f64 / f64::from(count)
}

fn micros_each(total: Duration, count: u32) -> f64 {
    total.as_secs_f64() * 1e6 / f64::from(count)
}

/// The simulator as a process. It ends with this value, and by itself when this program is killed.
struct Simulator {
    process: Process,
    orders: ChildStdin,
    lines: Receiver<String>,
    _folder: TempDir,
}

impl Simulator {
    fn start(controller: &Controller, activation: &Activation, agents: u32) -> Result<Self> {
        let folder = folder(Place::Memory)?;
        let mut child = Command::new(run::release("fleetwright-simulator"))
            .args(["--agents", &agents.to_string(), "--controller", &controller.address])
            .args(["--activation-id", &activation.id, "--authority", &activation.fingerprint])
            .arg("--activation-code-file")
            .arg(&activation.code_file)
            .arg("--identities")
            .arg(folder.path().join("identities"))
            .arg("--scratch")
            .arg(folder.path().join("scratch"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the simulator")?;
        let orders = child.stdin.take().context("standard input is a pipe")?;
        let stdout = child.stdout.take().context("standard output is a pipe")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            // Whoever listened is gone when nobody takes a line.
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Ok(Self { process: Process::new(child), orders, lines, _folder: folder })
    }

    fn order(&mut self, order: &str) -> Result<()> {
        writeln!(self.orders, "{order}").context("the simulator takes no orders")
    }

    fn event(&self, wanted: &str) -> Result<Value> {
        let line = self.lines.recv().context("the simulator ended")?;
        let event: Value = serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?;
        ensure!(event["event"] == wanted, "the simulator says {line} instead of {wanted}");
        Ok(event)
    }

    /// Lets the fleet be. Nothing is to be heard from it meanwhile.
    fn rest(&self, time: Duration) -> Result<()> {
        match self.lines.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => bail!("the simulator ended"),
            Ok(line) => bail!("the simulator says {line}"),
        }
    }
}
