//! `cargo xtask bench`: the figures that say whether Fleetwright is light and fast, with the machine they were measured
//! on.
//!
//! ```text
//!   release programs ──► a controller, a simulator or an agent, each a process ──► /proc and their own words ──► figures
//! ```
//!
//! Everything runs on this machine, over loopback, with TLS on and a store on the disk of the temporary folder. What is
//! measured is the programs as they are delivered: this crate links none of them.

mod agent;
mod agent_parameters;
pub(crate) mod controller;
mod etcd;
mod figures;
mod fleet;
mod machine;
mod process;
mod real_agent;
mod run_lines;
mod simulator;
mod ssm;
mod windows;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::run;
use figures::Figures;

/// What `cargo xtask dev` builds as well. The simulator is built by itself: in one build with it the programs would get
/// what only the simulator asks for of their dependencies.
const PROGRAMS: &[&str] = &["fleetwright-controller", "fleetwright-agent"];
const SIMULATOR: &[&str] = &["fleetwright-simulator"];
const LOAD: &[&str] = &["fleetwright-load"];

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// A controller with simulated agents: enrolment, memory and CPU at rest, a no-op to all, a cut of all links
    #[command(after_long_help = "Example:\n  cargo xtask bench fleet --agents 1000,10000 --json fleet.json")]
    Fleet(FleetArguments),
    /// A controller and one real agent: memory, CPU and disk of the agent, and how long `fleetwright run` takes
    #[command(after_long_help = "Example:\n  cargo xtask bench agent --json agent.json")]
    Agent(AgentArguments),
    /// A controller with many maintenance windows: what they cost at rest, and how soon one over all agents starts
    #[command(after_long_help = "Example:\n  cargo xtask bench windows --agents 10000 --json windows.json")]
    Windows(WindowsArguments),
    /// Parameters on hosts: reads from a real agent's memory, and how long a change takes to many simulated ones
    #[command(
        after_long_help = "Example:\n  cargo xtask bench agent-parameters --json agent-parameters.json"
    )]
    AgentParameters(AgentParametersArguments),
    /// A controller's SSM door, plain and with TLS, and etcd beside it where it is installed
    #[command(after_long_help = "Example:\n  cargo xtask bench ssm --json ssm.json")]
    Ssm(SsmArguments),
}

#[derive(Debug, Args)]
pub(crate) struct SsmArguments {
    /// For how long each question is asked
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct FleetArguments {
    /// How many agents; several sizes are measured one after the other and compared
    #[arg(long, value_name = "N[,N…]", value_delimiter = ',', default_value = "1000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    agents: Vec<u32>,
    /// For how long the fleet is left alone to see what it costs at rest
    #[arg(long, value_name = "N", default_value_t = 30)]
    rest_seconds: u64,
    /// How often the no-op is sent; latencies are those of the round with the median total
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct AgentArguments {
    /// For how long the agent is left alone to see what it costs at rest
    #[arg(long, value_name = "N", default_value_t = 60)]
    rest_seconds: u64,
    /// How often `fleetwright run` is timed
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct WindowsArguments {
    /// How many windows rest
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=50_000))]
    windows: u32,
    /// Over how many agents the window opens whose start is measured
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    agents: u32,
    /// For how long the controller is left alone to see what windows cost at rest
    #[arg(long, value_name = "N", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    rest_seconds: u64,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct AgentParametersArguments {
    /// How often a parameter is read from the real agent, on each of its endpoints
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    reads: u32,
    /// How many simulated hosts hold the value that changes
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    agents: u32,
    /// How often it changes; the median counts
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    #[command(flatten)]
    common: Common,
}

/// What every bench takes.
#[derive(Debug, Args)]
struct Common {
    /// Where to write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure the release programs that are there, and do not build them anew
    #[arg(long)]
    no_build: bool,
}

impl Common {
    fn make_ready(&self, builds: &[&[&str]]) -> Result<()> {
        for packages in builds.iter().filter(|_| !self.no_build) {
            let packages = packages.iter().flat_map(|package| ["--package", *package]);
            run::cargo(&["build", "--release"].into_iter().chain(packages).collect::<Vec<_>>())?;
        }
        Ok(())
    }
}

pub(crate) fn perform(bench: Bench) -> Result<()> {
    let (mut figures, common) = match bench {
        Bench::Fleet(arguments) => (fleet(&arguments)?, arguments.common),
        Bench::Agent(arguments) => (agent(&arguments)?, arguments.common),
        Bench::Windows(arguments) => (windows(&arguments)?, arguments.common),
        Bench::AgentParameters(arguments) => (agent_parameters(&arguments)?, arguments.common),
        Bench::Ssm(arguments) => (ssm(&arguments)?, arguments.common),
    };
    machine::describe(&mut figures);
    finish(&figures, common.json.as_deref())
}

fn fleet(arguments: &FleetArguments) -> Result<Figures> {
    arguments.common.make_ready(&[PROGRAMS, SIMULATOR])?;
    process::raise_file_limit();
    let mut sizes = arguments.agents.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let settings =
        fleet::Settings { rest: Duration::from_secs(arguments.rest_seconds), rounds: arguments.rounds };
    let mut measured = Vec::new();
    for agents in sizes {
        let figures = fleet::measure(agents, &settings).with_context(|| format!("{agents} agents"))?;
        // What is one of several is shown as soon as it is there; a single one is shown at the end.
        if arguments.agents.len() > 1 {
            run::say(&figures.table());
        }
        measured.push((agents, figures));
    }
    Ok(figures::of_sizes(measured))
}

fn agent(arguments: &AgentArguments) -> Result<Figures> {
    arguments.common.make_ready(&[PROGRAMS])?;
    agent::measure(Duration::from_secs(arguments.rest_seconds), arguments.runs)
}

fn windows(arguments: &WindowsArguments) -> Result<Figures> {
    arguments.common.make_ready(&[PROGRAMS, SIMULATOR])?;
    process::raise_file_limit();
    let rest = Duration::from_secs(arguments.rest_seconds);
    let settings = windows::Settings { windows: arguments.windows, agents: arguments.agents, rest };
    windows::measure(&settings)
}

fn agent_parameters(arguments: &AgentParametersArguments) -> Result<Figures> {
    arguments.common.make_ready(&[PROGRAMS, SIMULATOR])?;
    process::raise_file_limit();
    agent_parameters::measure(arguments.reads, arguments.agents, arguments.rounds)
}

fn ssm(arguments: &SsmArguments) -> Result<Figures> {
    arguments.common.make_ready(&[PROGRAMS, LOAD])?;
    ssm::measure(&ssm::Settings { seconds: arguments.seconds })
}

fn finish(figures: &Figures, json: Option<&Path>) -> Result<()> {
    run::say(&figures.table());
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&figures.to_json())?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
        run::say(&format!("written to {}", path.display()));
    }
    Ok(())
}
