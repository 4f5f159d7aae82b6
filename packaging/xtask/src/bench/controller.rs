//! A controller as a process of its own, and its operator's command line.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use super::process::{Place, Process, folder};
use crate::run;

/// It, and its data, go away with this value.
#[derive(Debug)]
pub(crate) struct Controller {
    pub(crate) process: Process,
    pub(crate) address: String,
    /// Where it answers SSM's API without TLS, if it was told to.
    pub(crate) ssm_address: Option<String>,
    program: PathBuf,
    data: PathBuf,
    _folder: TempDir,
}

/// What hosts need to join.
#[derive(Debug)]
pub(crate) struct Activation {
    pub(crate) id: String,
    /// A file, so that the code is in no list of processes.
    pub(crate) code_file: PathBuf,
    pub(crate) fingerprint: String,
}

impl Controller {
    /// Starts the release program.
    pub(crate) fn start() -> Result<Self> {
        Self::of(run::release("fleetwright"), "")
    }

    /// As [`Controller::start`], with more in its configuration.
    pub(crate) fn start_with(more: &str) -> Result<Self> {
        Self::of(run::release("fleetwright"), more)
    }

    /// Starts one on a free port of 127.0.0.1 with default settings, but for what is said of `more`, and waits until it is
    /// ready.
    pub(crate) fn of(program: PathBuf, more: &str) -> Result<Self> {
        let folder = folder(Place::Disk)?;
        let (data, config) = (folder.path().join("data"), folder.path().join("fleetwright.toml"));
        fs::write(&config, format!("listen = \"127.0.0.1:0\"\ndata_dir = {:?}\n{more}", data.display()))?;
        let mut child = Command::new(&program)
            .args(["serve", "--log-format", "json", "--config"])
            .arg(&config)
            .env_remove("FLEETWRIGHT_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start the controller")?;
        let stderr = child.stderr.take().context("the controller's log is a pipe")?;
        let mut process = Process::new(child);
        let mut log = BufReader::new(stderr).lines();
        let Some(Ready { address, ssm_address }) =
            log.by_ref().map_while(Result::ok).find_map(|line| ready_at(&line))
        else {
            bail!("the controller ended with {}", process.child().wait()?);
        };
        // The log is read to its end, or the controller would wait for room in the pipe.
        std::thread::spawn(move || {
            log.map_while(Result::ok).filter(|line| is_warning(line)).for_each(|line| run::say(&line));
        });
        Ok(Self { process, address, ssm_address, program, data, _folder: folder })
    }

    /// The command line of the operator, without a verb.
    pub(crate) fn operator(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env("FLEETWRIGHT_ADDR", &self.address)
            .env("FLEETWRIGHT_AUTHORITY", self.data.join("authority/authority.pem"))
            .env("FLEETWRIGHT_CERTIFICATE", self.data.join("operator/admin.pem"))
            .env("FLEETWRIGHT_KEY", self.data.join("operator/admin.key"))
            .env_remove("FLEETWRIGHT_CONTEXT")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn activate(&self, hosts: u32) -> Result<Activation> {
        let mut command = self.operator();
        command.args(["activation", "create", "-o", "json", "--limit", &hosts.to_string()]);
        let output = command.output()?;
        if !output.status.success() {
            bail!(
                "`fleetwright activation create` failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let made: Value = serde_json::from_slice(&output.stdout)?;
        let field =
            |name: &str| made[name].as_str().map(str::to_owned).context("an activation lacks a field");
        let code_file = self.data.with_file_name("code");
        fs::write(&code_file, field("activation_code")?)?;
        Ok(Activation {
            id: field("activation_id")?,
            code_file,
            fingerprint: field("authority_fingerprint")?,
        })
    }

    /// Everything that the controller keeps.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }
}

/// Where a controller that is ready listens.
#[derive(Debug, PartialEq, Eq)]
struct Ready {
    address: String,
    ssm_address: Option<String>,
}

/// What the log line says that says that the controller is ready.
fn ready_at(line: &str) -> Option<Ready> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = &line["fields"];
    let field = |name: &str| fields[name].as_str().map(str::to_owned);
    let ready = || Some(Ready { address: field("address")?, ssm_address: field("ssm") });
    (fields["message"] == "ready").then(ready)?
}

/// The controller logs as it does by default; what it says of every node that joins is of no interest here.
fn is_warning(line: &str) -> bool {
    serde_json::from_str::<Value>(line).map_or(true, |line| line["level"] != "INFO")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_the_address_and_what_is_wrong() {
        let ready = r#"{"level":"INFO","fields":{"message":"ready","address":"127.0.0.1:7443"}}"#;
        let at = |ssm: Option<&str>| Ready {
            address: "127.0.0.1:7443".to_owned(),
            ssm_address: ssm.map(str::to_owned),
        };
        assert_eq!(ready_at(ready), Some(at(None)));
        let plain = r#"{"fields":{"message":"ready","address":"127.0.0.1:7443","ssm":"127.0.0.1:80"}}"#;
        assert_eq!(ready_at(plain), Some(at(Some("127.0.0.1:80"))));
        let table = [
            (ready, false),
            (r#"{"level":"WARN","fields":{"message":"a node's stream was ended"}}"#, true),
            ("thread 'main' panicked", true),
        ];
        for (line, warning) in table {
            assert_eq!(is_warning(line), warning, "{line}");
        }
        assert_eq!(ready_at(table[1].0).or(ready_at(table[2].0)), None);
    }
}
