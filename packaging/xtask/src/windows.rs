//! The Windows side, checked and built from Linux.
//!
//! A toolchain with the target `x86_64-pc-windows-gnu` is needed: cargo's own after `rustup target add`, or another
//! one whose cargo `FLEETWRIGHT_WINDOWS_CARGO` names (a program that takes cargo's arguments and knows the target).

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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

/// A build that goes on beside everything else, with what is left of the processors.
#[derive(Debug)]
pub(crate) struct Building {
    child: Child,
    told: File,
    problems: File,
}

/// Begins to build the agent, if there is a toolchain for it.
pub(crate) fn begin_build() -> Result<Option<Building>> {
    let Some(toolchain) = toolchain() else { return Ok(None) };
    let mut command = Command::new("nice");
    command.args(["-n", "19"]);
    match &toolchain {
        Toolchain::Named(cargo) => command.arg(cargo),
        Toolchain::Added => command.arg(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
    };
    command.args(["build", "--profile", PROFILE, "--message-format", "json-render-diagnostics"]);
    command.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    if let Toolchain::Added = toolchain {
        // Beside the other builds, not after them.
        command.args(["--target", TARGET, "--target-dir"]).arg(run::target().join("windows"));
    }
    run::say(&format!("$ cargo build --profile {PROFILE} for {TARGET}, beside the rest"));
    let (told, problems) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdin(Stdio::null()).stdout(told.try_clone()?).stderr(problems.try_clone()?);
    let child = command.current_dir(run::root()).spawn().context("cannot start the cargo for Windows")?;
    Ok(Some(Building { child, told, problems }))
}

impl Building {
    pub(crate) fn finish(mut self) -> Result<Built> {
        let status = self.child.wait().context("cannot wait for the cargo for Windows")?;
        if !status.success() {
            bail!(
                "the agent cannot be built for Windows: cargo ended with {status}\n{}",
                text(&mut self.problems)?
            );
        }
        let told = text(&mut self.told)?;
        let agent = told.lines().filter_map(executable).find(|path| path.ends_with("fleetwright-agent.exe"));
        Ok(Built { agent: agent.context("cargo does not say where the agent is")? })
    }
}

impl Drop for Building {
    /// Nobody waits for it any more.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(file: &mut File) -> Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text).context("cannot read what cargo told")?;
    Ok(text)
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
