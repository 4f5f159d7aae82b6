//! Parameters on hosts: reads from one real agent, and a change that many simulated hosts hold.
//!
//! ```text
//! one agent: get × N on its socket, kept alive ──► and on 127.0.0.1
//! N hosts hold a value ──► put (a process of the operator's) ──► the last of them holds the new one
//! ```
//!
//! A change is timed from before its put is started, so the start of that program and its TLS handshake are in it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::controller::Controller;
use super::figures::Figures;
use super::process::{Place, folder, succeed};
use super::real_agent;
use super::run_lines::percentile;
use super::simulator::Simulator;

/// Not timed: the first one is asked of the controller.
const WARM_UP: u32 = 200;
const NAME: &str = "/bench/value";
const POLICY: &str =
    "permit(principal is Node, action == Action::\"GetParameter\", resource in Path::\"/bench\");";

pub(crate) fn measure(reads: u32, agents: u32, rounds: u32) -> Result<Figures> {
    let mut figures = Figures::default();
    let controller = Controller::start()?;
    let files = folder(Place::Memory)?;
    let policy = files.path().join("hosts.cedar");
    fs::write(&policy, POLICY)?;
    succeed(controller.operator().args(["access", "policy", "put", "hosts"]).arg(&policy))?;
    put(&controller, files.path(), 0)?;
    one_agent(&controller, reads, &mut figures)?;
    many_hosts(&controller, files.path(), agents, rounds, &mut figures)?;
    Ok(figures)
}

/// A secret, from a file.
fn put(controller: &Controller, files: &Path, round: u32) -> Result<()> {
    let value = files.join("value");
    fs::write(&value, format!("a value of some length, in round {round}"))?;
    let mut command = controller.operator();
    command.args(["parameter", "put", NAME, "--type", "SecureString", "--overwrite", "--value-file"]);
    succeed(command.arg(&value))
}

fn one_agent(controller: &Controller, reads: u32, figures: &mut Figures) -> Result<()> {
    let state = folder(Place::Disk)?;
    real_agent::enrol(controller, state.path())?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    fs::write(state.path().join("agent.toml"), format!("[parameters]\nport = {port}\n"))?;
    let agent = real_agent::start(controller, state.path())?;

    let socket = UnixStream::connect(state.path().join("parameters.sock"))?;
    let times = timed(socket, "", reads)?;
    figures.number("agent_read_p50_us", micros(percentile(&times, 50)));
    figures.number("agent_read_p99_us", micros(percentile(&times, 99)));
    figures.number("agent_reads_per_second", f64::from(reads) / times.iter().sum::<Duration>().as_secs_f64());
    let token = fs::read_to_string(state.path().join("parameters.token"))?;
    let shown = format!("X-Aws-Parameters-Secrets-Token: {token}\r\n");
    let loopback = TcpStream::connect(("127.0.0.1", port))?;
    loopback.set_nodelay(true)?;
    let times = timed(loopback, &shown, reads)?;
    figures.number("agent_read_loopback_p50_us", micros(percentile(&times, 50)));
    figures.number("agent_read_loopback_p99_us", micros(percentile(&times, 99)));
    figures.number("agent_reads", reads.into());
    figures.number("agent_giving_rss_bytes", agent.rss_bytes()? as f64);
    Ok(())
}

/// How long each read took, in order of length.
fn timed<S: Read + Write>(stream: S, headers: &str, reads: u32) -> Result<Vec<Duration>> {
    let request = format!(
        "GET /systemsmanager/parameters/get?name={NAME}&withDecryption=true HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
    );
    let mut stream = BufReader::new(stream);
    let mut times = Vec::with_capacity(reads as usize);
    for read in 0..WARM_UP + reads {
        let begun = Instant::now();
        stream.get_mut().write_all(request.as_bytes())?;
        let body = answer(&mut stream)?;
        if read >= WARM_UP {
            times.push(begun.elapsed());
        }
        ensure!(body.contains("a value of some length"), "the agent answers {body}");
    }
    times.sort_unstable();
    Ok(times)
}

fn answer(stream: &mut impl BufRead) -> Result<String> {
    let (mut line, mut length) = (String::new(), None);
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            bail!("the agent hung up");
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = Some(value.trim().parse::<usize>()?);
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length.context("an answer tells its length")?];
    stream.read_exact(&mut body)?;
    Ok(String::from_utf8(body)?)
}

fn many_hosts(
    controller: &Controller,
    files: &Path,
    agents: u32,
    rounds: u32,
    figures: &mut Figures,
) -> Result<()> {
    let activation = controller.activate(agents)?;
    let mut simulator = Simulator::start(controller, &activation, agents)?;
    simulator.event("enrolled")?;
    simulator.event("connected")?;
    simulator.order(&format!("read {NAME}"))?;
    let read = simulator.event("read")?;
    ensure!(read["missing"] == 0, "not every host reads the parameter: {read}");
    let first_ms = 1_000.0 * read["seconds"].as_f64().unwrap_or(f64::NAN);
    figures.number(&format!("first_read_by_{agents}_ms"), first_ms);
    let cpu = controller.process.cpu()?;
    let mut times = Vec::new();
    for round in 1..=rounds {
        simulator.order(&format!("await {NAME} {}", round + 1))?;
        let begun = Instant::now();
        put(controller, files, round)?;
        let holds = simulator.event("holds")?;
        times.push(begun.elapsed());
        ensure!(holds["missing"] == 0, "not every host has the change: {holds}");
    }
    times.sort_unstable();
    let millis = |time: Duration| 1_000.0 * time.as_secs_f64();
    figures.number(&format!("changed_value_visible_on_{agents}_ms"), millis(times[times.len() / 2]));
    figures.number(&format!("changed_value_visible_on_{agents}_worst_ms"), millis(times[times.len() - 1]));
    let spent = (controller.process.cpu()? - cpu).as_secs_f64() * 1e6;
    figures.number("change_controller_cpu_us_per_host", spent / f64::from(rounds) / f64::from(agents));
    figures.number("change_rounds", rounds.into());
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
