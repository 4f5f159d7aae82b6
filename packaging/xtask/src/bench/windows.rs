//! What maintenance windows cost: thousands of them at rest, and how soon one over a whole fleet starts.
//!
//! ```text
//! controller ──► rest ──► N windows are made ──► rest ──► M agents connect ──► a window over all of them opens
//!                CPU                            CPU, RSS, disk                 record, command, first and last node
//! ```
//!
//! The windows that rest are due in years. Moments of the start are the controller's own, which it keeps with what it
//! did; they are counted from the moment for which the window was scheduled.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::controller::Controller;
use super::figures::Figures;
use super::process::disk_bytes;
use super::run_lines::percentile;
use super::simulator::Simulator;
use crate::run;

/// Command lines that make windows at the same time.
const MAKERS: u32 = 8;
/// After the last window was made, and after the last agent has connected.
const SETTLING: Duration = Duration::from_secs(5);
/// How far ahead the window is scheduled that is measured.
const AHEAD: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) windows: u32,
    pub(crate) agents: u32,
    pub(crate) rest: Duration,
}

pub(crate) fn measure(settings: &Settings) -> Result<Figures> {
    let mut figures = Figures::default();
    figures.number("windows", settings.windows.into());
    figures.number("agents", settings.agents.into());
    let controller = Controller::start()?;
    run::say(&format!("{} windows at {}", settings.windows, controller.address));
    at_rest(&controller, settings, &mut figures)?;
    start(&controller, settings, &mut figures)?;
    Ok(figures)
}

fn at_rest(controller: &Controller, settings: &Settings, figures: &mut Figures) -> Result<()> {
    thread::park_timeout(SETTLING);
    let without = cpu_per_minute(controller, settings.rest)?;
    let (disk, rss) = (disk_bytes(controller.data()), controller.process.rss_bytes()?);
    let (begun, before) = (Instant::now(), controller.process.cpu()?);
    make_windows(controller, settings.windows)?;
    let making = controller.process.cpu()? - before;
    figures.number("make_seconds", begun.elapsed().as_secs_f64());
    figures.number("make_controller_cpu_us", making.as_secs_f64() * 1e6 / f64::from(settings.windows));
    thread::park_timeout(SETTLING);
    let with = cpu_per_minute(controller, settings.rest)?;
    figures.number("rest_controller_cpu_seconds_per_minute", with);
    figures.number("rest_without_windows_controller_cpu_seconds_per_minute", without);
    let each = |now: u64, before: u64| now.saturating_sub(before) as f64 / f64::from(settings.windows);
    figures.number("rest_disk_bytes_per_window", each(disk_bytes(controller.data()), disk));
    figures.number("rest_rss_bytes_per_window", each(controller.process.rss_bytes()?, rss));
    Ok(())
}

fn cpu_per_minute(controller: &Controller, rest: Duration) -> Result<f64> {
    let before = controller.process.cpu_of_threads()?;
    thread::park_timeout(rest);
    let used = controller.process.cpu_of_threads()?.saturating_sub(before);
    Ok(60.0 * used.as_secs_f64() / rest.as_secs_f64())
}

/// Windows that open in years, made by several operators at once.
fn make_windows(controller: &Controller, windows: u32) -> Result<()> {
    let next = AtomicU32::new(0);
    let make = || -> Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= windows {
                return Ok(());
            }
            let (name, year) = (format!("rests-{number}"), 2090 + number % 100);
            let schedule = format!("cron({} {} ? * SUN#2 {year})", number % 60, number % 24);
            types(
                controller,
                &[
                    "window",
                    "create",
                    "--name",
                    &name,
                    "--schedule",
                    &schedule,
                    "--timezone",
                    "Europe/Berlin",
                    "--duration",
                    "4",
                    "--cutoff",
                    "1",
                ],
            )?;
        }
    };
    thread::scope(|scope| {
        let makers: Vec<_> = (0..MAKERS.min(windows)).map(|_| scope.spawn(make)).collect();
        makers.into_iter().try_for_each(|maker| match maker.join() {
            Ok(made) => made,
            Err(_) => bail!("a maker of windows ended"),
        })
    })
}

fn types(controller: &Controller, words: &[&str]) -> Result<Value> {
    let output = controller.operator().args(words).args(["-o", "json"]).output()?;
    if !output.status.success() {
        bail!("`fleetwright {}` failed: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
}

fn start(controller: &Controller, settings: &Settings, figures: &mut Figures) -> Result<()> {
    let activation = controller.activate(settings.agents)?;
    let simulator = Simulator::start(controller, &activation, settings.agents)?;
    simulator.event("enrolled")?;
    simulator.event("connected")?;
    simulator.rest(SETTLING)?;
    let name = "over-all";
    let schedule = at(std::time::SystemTime::now() + AHEAD)?;
    types(
        controller,
        &["window", "create", "--name", name, "--schedule", &schedule, "--duration", "1", "--cutoff", "0"],
    )?;
    let target = types(controller, &["window", "target", "add", name, "--target", "all"])?;
    let target = target["target_id"].as_str().context("a target has an id")?;
    types(
        controller,
        &[
            "window",
            "task",
            "add",
            name,
            "--target-id",
            target,
            "--max-concurrency",
            "100%",
            "--",
            "exit",
            "0",
        ],
    )?;
    let execution = ended(controller, name)?;
    ensure!(execution["status"] == "SUCCESS", "the window did not succeed: {execution:#}");
    let scheduled = moment(&execution["scheduled_at"])?;
    let after = |value: &Value| Ok::<_, anyhow::Error>(1_000.0 * (moment(value)? - scheduled).as_secs_f64());
    figures.number("start_execution_ms", after(&execution["started_at"])?);
    let invocation = &execution["tasks"][0]["invocations"][0];
    figures.number("start_command_ms", after(&invocation["started_at"])?);
    let command = invocation["command_id"].as_str().context("a task that succeeded has a command")?;
    let shown = types(controller, &["command", "show", command])?;
    let mut began = Vec::new();
    for one in shown["invocations"].as_array().context("a command has invocations")? {
        began.push(moment(&one["started_at"])?.checked_sub(scheduled).unwrap_or_default());
    }
    ensure!(began.len() == settings.agents as usize, "{} of {} nodes ran", began.len(), settings.agents);
    began.sort_unstable();
    for (key, percent) in [("start_first_node_ms", 0), ("start_p50_node_ms", 50), ("start_last_node_ms", 100)]
    {
        figures.number(key, 1_000.0 * percentile(&began, percent).as_secs_f64());
    }
    figures.number("end_execution_ms", after(&execution["finished_at"])?);
    Ok(())
}

/// The only execution of a window, once it has ended.
fn ended(controller: &Controller, name: &str) -> Result<Value> {
    let deadline = Instant::now() + AHEAD + PATIENCE;
    while Instant::now() < deadline {
        let listed = types(controller, &["window", "executions", name])?;
        if let Some(execution) = listed.get(0).filter(|execution| !execution["finished_at"].is_null()) {
            let id = execution["id"].as_str().context("an execution has an id")?;
            return types(controller, &["window", "executions", name, id]);
        }
        thread::park_timeout(LOOK_AGAIN);
    }
    bail!("the window did not end within {PATIENCE:?}")
}

/// A schedule for that moment, to the second, in UTC.
fn at(moment: std::time::SystemTime) -> Result<String> {
    let text = humantime::format_rfc3339_seconds(moment).to_string();
    let text = text.strip_suffix('Z').context("a moment in UTC ends with Z")?;
    Ok(format!("at({text})"))
}

/// Since the Unix epoch.
fn moment(value: &Value) -> Result<Duration> {
    let text = value.as_str().with_context(|| format!("not a moment: {value}"))?;
    let moment = humantime::parse_rfc3339(text).with_context(|| format!("not a moment: {text}"))?;
    Ok(moment.duration_since(std::time::UNIX_EPOCH)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_and_written() {
        let then = moment(&Value::from("2026-11-04T02:00:00.250Z")).unwrap();
        assert_eq!(then.subsec_millis(), 250);
        assert_eq!(at(std::time::UNIX_EPOCH + then).unwrap(), "at(2026-11-04T02:00:00)");
        assert!(moment(&Value::Null).is_err());
    }
}
