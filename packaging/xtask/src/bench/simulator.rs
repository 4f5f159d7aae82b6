//! The simulator of a fleet as a process: ordered line by line, and heard line by line.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::controller::{Activation, Controller};
use super::process::{Place, Process, folder};
use crate::run;

/// The simulator as a process. It ends with this value, and by itself when this program is killed.
pub(crate) struct Simulator {
    pub(crate) process: Process,
    orders: ChildStdin,
    lines: Receiver<String>,
    _folder: TempDir,
}

impl Simulator {
    pub(crate) fn start(controller: &Controller, activation: &Activation, agents: u32) -> Result<Self> {
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

    pub(crate) fn order(&mut self, order: &str) -> Result<()> {
        writeln!(self.orders, "{order}").context("the simulator takes no orders")
    }

    pub(crate) fn event(&self, wanted: &str) -> Result<Value> {
        let line = self.lines.recv().context("the simulator ended")?;
        let event: Value = serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?;
        ensure!(event["event"] == wanted, "the simulator says {line} instead of {wanted}");
        Ok(event)
    }

    /// Lets the fleet be. Nothing is to be heard from it meanwhile.
    pub(crate) fn rest(&self, time: Duration) -> Result<()> {
        match self.lines.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => bail!("the simulator ended"),
            Ok(line) => bail!("the simulator says {line}"),
        }
    }
}
