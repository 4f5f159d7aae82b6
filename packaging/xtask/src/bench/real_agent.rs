//! A real agent of a controller, as a process of its own with a state folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::controller::Controller;
use super::process::{Process, succeed};
use crate::run;

/// Joins this host to the fleet.
pub(super) fn enrol(controller: &Controller, state: &Path) -> Result<()> {
    let activation = controller.activate(1)?;
    let enrolled = Command::new(program())
        .args(["enroll", "--controller", &controller.address, "--activation-id", &activation.id])
        .args(["--authority", &activation.fingerprint, "--activation-code-file"])
        .arg(&activation.code_file)
        .arg("--state-dir")
        .arg(state)
        .stdout(Stdio::null())
        .status()?;
    ensure!(enrolled.success(), "the agent could not enrol: {enrolled}");
    Ok(())
}

/// Starts the agent of a host that has joined, and waits until the controller sees it.
pub(super) fn start(controller: &Controller, state: &Path) -> Result<Process> {
    let agent = Command::new(program())
        .args(["run", "--state-dir"])
        .arg(state)
        .env("FLEETWRIGHT_LOG", "error")
        .spawn()
        .context("cannot start the agent")?;
    let agent = Process::new(agent);
    succeed(controller.operator().args(["node", "wait", "--target", "all"]))?;
    Ok(agent)
}

pub(super) fn program() -> PathBuf {
    run::release("fleetwright-agent")
}
