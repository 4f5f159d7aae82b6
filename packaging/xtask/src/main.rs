//! `cargo xtask`: the workspace's tasks. CI runs what a developer runs.

mod bench;
mod boot;
mod clients;
mod package;
mod run;
mod windows;
mod wine;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use run::cargo;

/// Tasks of the Fleetwright workspace
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Program {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build the release programs and start a controller and an agent for this host
    Dev {
        /// Passed on to `fleetwright dev`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Everything that has to hold before a push: format, lints, tests, and the Windows side where it can be checked
    Test,
    /// Real SSM clients (the AWS command line, boto3, SDKs of JavaScript and Rust, libraries) against the programs
    TestClients,
    /// Format and lints only
    Lint,
    /// Type-check the agent for x86_64-pc-windows-gnu
    CheckWindows,
    /// The agent for Windows under Wine: installed, enrolled, used, updated and removed
    TestWine {
        /// Take the controller from this folder instead of building it
        #[arg(long, value_name = "DIR")]
        programs: Option<PathBuf>,
    },
    /// Measure the release programs on this machine
    #[command(subcommand)]
    Bench(bench::Bench),
    Package(package::PackageArguments),
    TestBoot(boot::BootArguments),
}

fn main() -> ExitCode {
    match perform(Program::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<()> {
    match task {
        Task::Dev { arguments } => dev(&arguments),
        Task::Test => test(),
        Task::TestClients => test_clients(),
        Task::Lint => lint(),
        Task::CheckWindows => windows::check(),
        Task::TestWine { programs } => test_wine(programs),
        Task::Bench(bench) => bench::perform(bench),
        Task::Package(arguments) => package::perform(&arguments),
        Task::TestBoot(arguments) => boot::perform(&arguments),
    }
}

fn dev(arguments: &[String]) -> Result<()> {
    run::say("building the release programs (some minutes the first time)");
    cargo(&["build", "--release", "--package", "fleetwright-controller", "--package", "fleetwright-agent"])?;
    run::program(&run::release("fleetwright"), &[&["dev".to_owned()], arguments].concat())
}

fn test() -> Result<()> {
    lint()?;
    // The tests of real processes run the programs as they are delivered.
    cargo(&["build", "--workspace", "--bins"])?;
    cargo(&["test", "--workspace", "--no-fail-fast"])?;
    clients::test()?;
    boot::test_where_possible()?;
    windows::check_where_possible()
}

fn test_wine(programs: Option<PathBuf>) -> Result<()> {
    let Some(programs) = programs else {
        cargo(&["build", "--workspace", "--bins"])?;
        return wine::test(&run::debug("fleetwright"));
    };
    wine::test(&programs.join("fleetwright"))
}

fn test_clients() -> Result<()> {
    cargo(&["build", "--workspace", "--bins"])?;
    clients::test()
}

fn lint() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])
}
