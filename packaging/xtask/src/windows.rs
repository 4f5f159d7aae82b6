//! The Windows side, checked and built from Linux.
//!
//! A toolchain with the target `x86_64-pc-windows-gnu` is needed: cargo's own after `rustup target add`, or another
//! one whose cargo `FLEETWRIGHT_WINDOWS_CARGO` names (a program that takes cargo's arguments and knows the target).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run;

const TARGET: &str = "x86_64-pc-windows-gnu";
/// What runs on Windows hosts.
const PACKAGES: [&str; 2] = ["fleetwright-platform", "fleetwright-agent"];

/// Of the workspace's manifest: little work to build, and fast enough.
const PROFILE: &str = "wine";

/// What was built.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) agent: PathBuf,
}

impl Built {
    /// Where it lies.
    pub(crate) fn folder(&self) -> &Path {
        self.agent.parent().unwrap_or(Path::new("."))
    }
}

enum Toolchain {
    /// Its cargo knows the target by itself.
    Named(PathBuf),
    /// The target was added to the toolchain in use.
    Added,
}

/// Checks, or fails when there is no toolchain for it.
pub(crate) fn check() -> Result<()> {
    match toolchain() {
        Some(toolchain) => check_with(&toolchain),
        None => bail!("no Windows toolchain: rustup target add {TARGET}, or set FLEETWRIGHT_WINDOWS_CARGO"),
    }
}

/// Checks where there is a toolchain, and says so where there is none.
pub(crate) fn check_where_possible() -> Result<()> {
    match toolchain() {
        Some(toolchain) => check_with(&toolchain),
        None => {
            run::say("the Windows side was NOT checked: no Windows toolchain on this machine");
            Ok(())
        }
    }
}

/// Builds the agent, if there is a toolchain for it.
pub(crate) fn build_for_wine() -> Result<Option<Built>> {
    let Some(toolchain) = toolchain() else { return Ok(None) };
    let mut command = match &toolchain {
        Toolchain::Named(cargo) => Command::new(cargo),
        Toolchain::Added => Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
    };
    command.args(["build", "--profile", PROFILE, "--message-format", "json-render-diagnostics"]);
    command.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    if let Toolchain::Added = toolchain {
        command.args(["--target", TARGET]);
    }
    run::say(&format!("$ cargo build --profile {PROFILE} for {TARGET}"));
    let output = command.current_dir(run::root()).stderr(Stdio::inherit()).output();
    let output = output.context("cannot start the cargo for Windows")?;
    if !output.status.success() {
        bail!("the agent cannot be built for Windows: cargo ended with {}", output.status);
    }
    let told = String::from_utf8_lossy(&output.stdout);
    let agent = told.lines().filter_map(executable).find(|path| path.ends_with("fleetwright-agent.exe"));
    Ok(Some(Built { agent: agent.context("cargo does not say where the agent is")? }))
}

/// The program that a message of cargo tells of.
fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    message["executable"].as_str().map(PathBuf::from)
}

fn check_with(toolchain: &Toolchain) -> Result<()> {
    let packages = PACKAGES.iter().flat_map(|package| ["--package", package]);
    match toolchain {
        Toolchain::Named(cargo) => {
            let arguments: Vec<_> = ["check"].into_iter().chain(packages).map(str::to_owned).collect();
            run::program(cargo, &arguments)
        }
        Toolchain::Added => {
            let arguments: Vec<_> = ["check", "--target", TARGET].into_iter().chain(packages).collect();
            run::cargo(&arguments)
        }
    }
}

fn toolchain() -> Option<Toolchain> {
    if let Some(cargo) = std::env::var_os("FLEETWRIGHT_WINDOWS_CARGO") {
        return Some(Toolchain::Named(cargo.into()));
    }
    let listed = Command::new("rustup").args(["target", "list", "--installed"]).output().ok()?;
    let added = String::from_utf8_lossy(&listed.stdout).lines().any(|line| line.trim() == TARGET);
    added.then_some(Toolchain::Added)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_what_cargo_tells() {
        let told = r#"{"reason":"compiler-artifact","executable":"/t/fleetwright-agent.exe"}"#;
        assert_eq!(executable(told), Some(PathBuf::from("/t/fleetwright-agent.exe")));
        for other in [r#"{"reason":"compiler-artifact","executable":null}"#, "   Compiling x"] {
            assert_eq!(executable(other), None, "{other}");
        }
    }
}
