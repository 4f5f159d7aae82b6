//! One fleet on this machine: a controller, its agents, and an operator who types.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::programs::{Ended, Program, Running, until};

/// A start or a connection takes much less; a busy machine may need it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A controller's folder, address and process. The folder goes last, when nothing runs in it any more.
pub(crate) struct Site {
    controller: Option<Running>,
    pub(crate) operator: Operator,
    log_level: LogLevel,
    folder: TempDir,
}

/// How much controller and agents log.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LogLevel {
    Info,
    Trace,
}

/// Somebody who has the operator's certificate of a site and types.
#[derive(Debug, Clone)]
pub(crate) struct Operator {
    pub(crate) home: PathBuf,
    pub(crate) address: SocketAddr,
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// An enrolled host and its agent.
pub(crate) struct Host {
    pub(crate) node: String,
    state: PathBuf,
    home: PathBuf,
    log_level: LogLevel,
    agent: Option<Running>,
}

/// What a host needs to join.
#[derive(Debug, Clone)]
pub(crate) struct Activation {
    pub(crate) id: String,
    pub(crate) code: String,
    pub(crate) authority: String,
}

impl Site {
    pub(crate) fn start() -> Self {
        Self::start_logging(LogLevel::Info)
    }

    pub(crate) fn start_logging(log_level: LogLevel) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let operator = Operator {
            home: folder.path().to_owned(),
            address: free_address(),
            authority: data.join("authority/authority.pem"),
            certificate: data.join("operator/admin.pem"),
            key: data.join("operator/admin.key"),
        };
        let mut site = Self { controller: None, operator, log_level, folder };
        let config = format!(
            "listen = \"{}\"\ndata_dir = \"{}\"\n[agents]\nheartbeat_seconds = 2\n",
            site.operator.address,
            site.data().display()
        );
        std::fs::write(site.config(), config).unwrap();
        site.start_controller();
        site
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("fleetwright.toml")
    }

    pub(crate) fn controller(&self) -> &Running {
        self.controller.as_ref().expect("the controller runs")
    }

    /// At the same address as before. Returns when it serves.
    pub(crate) fn start_controller(&mut self) {
        let mut command = Program::Fleetwright.command(self.path());
        command.arg("serve").arg("--config").arg(self.config()).env("FLEETWRIGHT_LOG", self.log_level.name());
        let log = self.path().join("controller.log");
        let before = ready_lines(&std::fs::read_to_string(&log).unwrap_or_default());
        let mut running = Running::spawn("controller", &mut command, &log);
        until("the controller is ready", PATIENCE, || {
            let log = running.log();
            match running.ended() {
                Some(status) => panic!("the controller ended with {status}"),
                None if ready_lines(&log) > before => Ok(()),
                None => Err(log),
            }
        });
        self.controller = Some(running);
    }

    pub(crate) fn kill_controller(&mut self) {
        self.controller.take().expect("the controller runs").kill();
    }

    pub(crate) fn types(&self, words: &[&str]) -> Ended {
        self.operator.types(words)
    }

    /// Runs a script on all nodes and gives its report.
    #[track_caller]
    pub(crate) fn runs(&self, code: i32, options: &[&str], script: &str) -> Value {
        let words = [&["run", "--target", "all", "-o", "json"], options, &["--", script]].concat();
        self.types(&words).expect_code(code).json()
    }

    pub(crate) fn activation(&self, options: &[&str]) -> Activation {
        let words = [&["activation", "create", "-o", "json"], options].concat();
        let made = self.types(&words).expect_code(0).json();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Activation {
            id: text("activation_id"),
            code: text("activation_code"),
            authority: text("authority_fingerprint"),
        }
    }

    /// A host that has joined; its agent does not run yet.
    pub(crate) fn host(&self, name: &str) -> Host {
        let activation = self.activation(&["--name", name]);
        let state = self.path().join(name);
        let enrolled = self.enrol(&activation, &state).expect_code(0);
        Host {
            node: enrolled.text().trim().to_owned(),
            state,
            home: self.path().to_owned(),
            log_level: self.log_level,
            agent: None,
        }
    }

    pub(crate) fn enrol(&self, activation: &Activation, state: &Path) -> Ended {
        enrol(self.path(), &self.operator.address.to_string(), activation, state)
    }

    /// Waits for so many connected nodes.
    pub(crate) fn wait_for_nodes(&self, count: usize) {
        until(&format!("{count} nodes are connected"), PATIENCE, || {
            let listed = self.types(&["node", "list", "-o", "json"]).expect_code(0).json();
            let nodes = listed.as_array().unwrap();
            let online = nodes.iter().filter(|node| node["ping_status"] == "Online").count();
            if online == count { Ok(()) } else { Err(listed.to_string()) }
        });
    }
}

impl LogLevel {
    fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Trace => "trace",
        }
    }
}

impl Operator {
    /// The command line, ready for its arguments.
    pub(crate) fn command(&self) -> Command {
        let mut command = Program::Fleetwright.command(&self.home);
        command
            .env("FLEETWRIGHT_ADDR", self.address.to_string())
            .env("FLEETWRIGHT_AUTHORITY", &self.authority)
            .env("FLEETWRIGHT_CERTIFICATE", &self.certificate)
            .env("FLEETWRIGHT_KEY", &self.key);
        command
    }

    pub(crate) fn types(&self, words: &[&str]) -> Ended {
        Ended::of(self.command().args(words))
    }
}

impl Host {
    pub(crate) fn start(&mut self) {
        self.start_with(&[]);
    }

    pub(crate) fn start_with(&mut self, options: &[&str]) {
        let mut command = Program::Agent.command(&self.home);
        command
            .arg("run")
            .args(options)
            .arg("--state-dir")
            .arg(&self.state)
            .env("FLEETWRIGHT_LOG", self.log_level.name());
        self.agent = Some(Running::spawn(&self.node, &mut command, &self.state.with_extension("log")));
    }

    pub(crate) fn agent(&self) -> &Running {
        self.agent.as_ref().expect("the agent runs")
    }

    pub(crate) fn kill(&mut self) {
        self.agent.take().expect("the agent runs").kill();
    }

    pub(crate) fn state(&self) -> &Path {
        &self.state
    }
}

/// Enrols with the code on standard input, where no list of processes shows it.
pub(crate) fn enrol(home: &Path, controller: &str, activation: &Activation, state: &Path) -> Ended {
    let code = home.join("code");
    std::fs::File::create(&code).unwrap().write_all(activation.code.as_bytes()).unwrap();
    let mut command = Program::Agent.command(home);
    command
        .args(["enroll", "--controller", controller, "--activation-id", &activation.id])
        .args(["--authority", &activation.authority, "--activation-code-file", "-", "--state-dir"])
        .arg(state)
        .stdin(Stdio::from(std::fs::File::open(code).unwrap()));
    Ended::of(&mut command)
}

/// A port that was free a moment ago: a controller that is killed comes back on it.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn ready_lines(log: &str) -> usize {
    log.lines().filter(|line| line.contains(" ready ")).count()
}
