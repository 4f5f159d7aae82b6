//! A controller and an operator who types: `fleet.types("run --target all -- uptime")`.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use clap::{CommandFactory, Parser};
use fleetwright_cli::{Environment, Exit, GlobalOptions, Interrupt, Io, OperatorCommand, Terminals};
use fleetwright_proto::clock::{Clock, ManualClock, SharedClock, SystemClock, Timestamp};
use fleetwright_proto::control::watch_command_response::Event;
use fleetwright_proto::control::*;

use crate::controller::{FakeController, Script};
use crate::pki::{Authority, OperatorFiles};

/// 2026-11-23T12:00:00Z, milliseconds.
pub(crate) const NOW_MS: i64 = 1_795_435_200_000;
pub(crate) const COMMAND: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";
pub(crate) const WEB: &str = "mi-0123456789abcdef0";
pub(crate) const DB: &str = "mi-0123456789abcdef1";

/// The binary's arguments, as far as they are ours.
#[derive(Debug, Parser)]
#[command(name = "fleetwright")]
pub(crate) struct Program {
    #[command(flatten)]
    globals: GlobalOptions,
    #[command(subcommand)]
    command: OperatorCommand,
}

pub(crate) fn program() -> clap::Command {
    Program::command().term_width(80)
}

/// What came out.
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    /// Everything in one text, for golden files.
    pub(crate) fn text(&self) -> String {
        let stdout = String::from_utf8_lossy(&self.stdout);
        format!("exit {}\n--- stdout\n{stdout}--- stderr\n{}", self.exit.code(), self.stderr)
    }

    #[track_caller]
    pub(crate) fn check(&self, exit: Exit, stdout: &str, stderr: &str) {
        let want = format!("exit {}\n--- stdout\n{stdout}--- stderr\n{stderr}", exit.code());
        assert_eq!(self.text(), want);
    }
}

/// A stream that a test can read afterwards.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    pub(crate) fn taken(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until `text` was written. A test that waits in vain fails with what was written instead.
    pub(crate) async fn until(&self, text: &str) {
        let written = || String::from_utf8_lossy(&self.taken()).contains(text);
        let waiting = async {
            while !written() {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(20), waiting).await;
        assert!(waited.is_ok(), "no {text:?} in {:?}", String::from_utf8_lossy(&self.taken()));
    }
}

impl Write for Buffer {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where an operator sits, as far as a test wants it to differ.
pub(crate) struct Seat {
    pub(crate) stdin: &'static str,
    pub(crate) terminals: Terminals,
    pub(crate) clock: SharedClock,
    pub(crate) interrupt: Interrupt,
    pub(crate) stdout: Buffer,
    pub(crate) stderr: Buffer,
    /// Where data goes instead of stdout.
    pub(crate) pipe: Option<Box<dyn Write>>,
}

impl Default for Seat {
    fn default() -> Self {
        Self {
            stdin: "",
            terminals: Terminals::default(),
            clock: Arc::new(ManualClock::starting_at(Timestamp::from_millis(NOW_MS))),
            interrupt: Box::pin(std::future::pending()),
            stdout: Buffer::default(),
            stderr: Buffer::default(),
            pipe: None,
        }
    }
}

impl Seat {
    pub(crate) fn at_terminal(answer: &'static str) -> Self {
        let terminals = Terminals { stdin: true, stdout: true, stderr: true };
        Self { stdin: answer, terminals, ..Self::default() }
    }

    pub(crate) fn with_real_time() -> Self {
        Self { clock: Arc::new(SystemClock), ..Self::default() }
    }
}

pub(crate) struct Fleet {
    pub(crate) controller: FakeController,
    pub(crate) operator: OperatorFiles,
}

impl Fleet {
    pub(crate) async fn start(script: Script) -> Self {
        let authority = Authority::new();
        let controller = FakeController::start(authority.server_config("127.0.0.1", 4000), script).await;
        Self { controller, operator: authority.operator() }
    }

    pub(crate) async fn types(&self, line: &str) -> Ended {
        self.types_at(Seat::default(), line).await
    }

    pub(crate) async fn types_at(&self, seat: Seat, line: &str) -> Ended {
        let environment = environment(&self.controller.address.to_string(), &self.operator);
        types(environment, seat, line).await
    }
}

pub(crate) fn environment(address: &str, files: &OperatorFiles) -> Environment {
    let text = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    [
        ("FLEETWRIGHT_ADDR", address.to_owned()),
        ("FLEETWRIGHT_AUTHORITY", text(files.authority())),
        ("FLEETWRIGHT_CERTIFICATE", text(files.certificate())),
        ("FLEETWRIGHT_KEY", text(files.key())),
        ("FLEETWRIGHT_CONFIG", text(files.folder().join("config.toml"))),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

/// Words of `line` are split at spaces; a `~` in a word stands for a space.
pub(crate) async fn types(environment: Environment, seat: Seat, line: &str) -> Ended {
    let words = line.split_whitespace().map(|word| word.replace('~', " "));
    let (stdout, stderr) = (seat.stdout, seat.stderr);
    let exit = match Program::try_parse_from(std::iter::once("fleetwright".to_owned()).chain(words)) {
        Err(error) => {
            stderr.clone().write_all(error.to_string().as_bytes()).unwrap();
            Exit::Usage
        }
        Ok(program) => {
            let mut io = Io {
                stdin: Box::new(seat.stdin.as_bytes()),
                stdout: seat.pipe.unwrap_or_else(|| Box::new(stdout.clone())),
                stderr: Box::new(stderr.clone()),
                terminals: seat.terminals,
                width: seat.terminals.stdout.then_some(80),
                environment,
                clock: seat.clock,
                interrupt: seat.interrupt,
            };
            fleetwright_cli::run(program.globals, program.command, &mut io).await
        }
    };
    Ended { exit, stdout: stdout.taken(), stderr: String::from_utf8(stderr.taken()).unwrap() }
}

pub(crate) fn node(node_id: &str, name: &str) -> Node {
    Node {
        node_id: node_id.into(),
        name: name.into(),
        ping_status: PingStatus::Online.into(),
        last_seen_ms: NOW_MS - 12_000,
        registered_ms: NOW_MS - 90_000_000,
        activation_id: COMMAND.into(),
        tags: [("env".to_owned(), "prod".to_owned())].into(),
        agent_version: "0.1.0".into(),
        computer_name: name.into(),
        ip_address: "192.0.2.7".into(),
        platform_type: "Linux".into(),
        platform_name: "Debian GNU/Linux".into(),
        platform_version: "13".into(),
        kernel_version: "6.12.0".into(),
        architecture: "x86_64".into(),
        cpus: 4,
        memory_bytes: 8 << 30,
        certificate_expires_ms: NOW_MS + 86_400_000,
    }
}

pub(crate) fn command(status: CommandStatus, details: &str, targets: u32) -> Command {
    Command {
        command_id: COMMAND.into(),
        document_name: "AWS-RunShellScript".into(),
        document_version: "1".into(),
        parameters: r#"{"commands":["uptime"],"executionTimeout":["600"]}"#.into(),
        targets: vec![Target { key: "tag:env".into(), values: vec!["prod".into()] }],
        max_concurrency: "50".into(),
        max_errors: "0".into(),
        delivery_timeout_ms: 3_600_000,
        comment: "monday".into(),
        requested_by: "operator".into(),
        requested_ms: NOW_MS - 1_500,
        finished_ms: NOW_MS,
        status: status.into(),
        status_details: details.into(),
        reason: Some(reason("AllTargetsEnded", "every target has ended")),
        counts: Some(Counts { targets, success: targets, ..Counts::default() }),
        expires_ms: NOW_MS + 30 * 86_400_000,
    }
}

pub(crate) fn invocation(node_id: &str, name: &str, state: InvocationState, details: &str) -> Invocation {
    Invocation {
        command_id: COMMAND.into(),
        node_id: node_id.into(),
        node_name: name.into(),
        state: state.into(),
        status_details: details.into(),
        reason: Some(reason("StepEnded", "step run ended with exit code 3")),
        requested_ms: NOW_MS - 1_500,
        started_ms: NOW_MS - 1_000,
        finished_ms: NOW_MS,
        deadline_ms: 0,
        steps: vec![Step {
            name: "run".into(),
            action: "aws:runShellScript".into(),
            status: details.into(),
            exit_code: Some(3),
            started_ms: NOW_MS - 1_000,
            finished_ms: NOW_MS,
            ..Step::default()
        }],
    }
}

fn reason(code: &str, text: &str) -> Reason {
    Reason { code: code.into(), text: text.into(), values: [("exit_code".to_owned(), "3".to_owned())].into() }
}

pub(crate) fn chunk(node_id: &str, stderr: bool, offset: u64, data: impl Into<Vec<u8>>) -> OutputChunk {
    OutputChunk { node_id: node_id.into(), step: 0, stderr, offset, data: data.into().into() }
}

pub(crate) fn event(event: impl Into<Told>) -> WatchCommandResponse {
    WatchCommandResponse { event: Some(event.into().0) }
}

/// An event, from what it is about.
pub(crate) struct Told(Event);

impl From<Command> for Told {
    fn from(command: Command) -> Self {
        Self(Event::Command(command))
    }
}

impl From<Invocation> for Told {
    fn from(invocation: Invocation) -> Self {
        Self(Event::Invocation(invocation))
    }
}

impl From<OutputChunk> for Told {
    fn from(chunk: OutputChunk) -> Self {
        Self(Event::Output(chunk))
    }
}

/// Moves `clock` on until the test ends, so that whoever sleeps on it wakes.
pub(crate) fn keep_moving(clock: &ManualClock, by: std::time::Duration) -> tokio::task::JoinHandle<()> {
    let clock = clock.clone();
    tokio::spawn(async move {
        loop {
            clock.advance(by);
            SystemClock.sleep(std::time::Duration::from_millis(1)).await;
        }
    })
}
