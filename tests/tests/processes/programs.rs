//! Processes of a test: started, watched, ended by id, and never left behind.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// Between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// No command line that a test types takes longer.
const TYPED_MAX: Duration = Duration::from_secs(60);
/// Lines of a log that a failing test shows.
const LOG_LINES: usize = 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Fleetwright,
    Agent,
}

impl Program {
    /// A command with an environment of its own: nothing of the person who runs the tests gets in.
    pub(crate) fn command(self, home: &Path) -> Command {
        let mut command = Command::new(self.path());
        command.env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", home);
        command
    }

    pub(crate) fn path(self) -> PathBuf {
        let name = match self {
            Self::Fleetwright => "fleetwright",
            Self::Agent => "fleetwright-agent",
        };
        let test = std::env::current_exe().unwrap();
        let path = test.ancestors().nth(2).unwrap().join(name);
        assert!(
            path.exists(),
            "{} is not there: run `cargo build -p fleetwright-controller -p fleetwright-agent` first",
            path.display()
        );
        path
    }
}

/// Looks until there is an answer, and shows the last thing that was seen when there never is.
pub(crate) fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + within;
    loop {
        match look() {
            Ok(answer) => return answer,
            Err(seen) if Instant::now() > deadline => {
                panic!("{what}: not within {within:?}; last seen: {seen}")
            }
            Err(_) => thread::park_timeout(LOOK_AGAIN),
        }
    }
}

/// A process in the background. Its output goes to a log; dropping it is SIGKILL.
pub(crate) struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Appends to the log, so that it tells of every process that had this place.
    pub(crate) fn spawn(name: &str, command: &mut Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).unwrap();
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Self { name: name.to_owned(), child, log: log.to_owned() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // A process that has not been waited for keeps its id: this hits no other.
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// SIGTERM, and the end that follows.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let name = self.name.clone();
        until(&format!("{name} stops"), Duration::from_secs(15), || self.ended().ok_or_else(|| self.log()))
    }

    /// SIGKILL.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
            eprintln!("--- log of {}\n{last}\n---", self.name);
        }
    }
}

/// How something typed on a command line ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) typed: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    /// Runs it to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let typed = format!("{command:?}");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let read_stdout = thread::spawn(move || {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).map(|_| bytes)
        });
        let read_stderr = thread::spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).map(|_| bytes)
        });
        let deadline = Instant::now() + TYPED_MAX;
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if Instant::now() > deadline => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    break None;
                }
                None => thread::park_timeout(Duration::from_millis(2)),
            }
        };
        let stdout = read_stdout.join().unwrap().unwrap();
        let stderr = String::from_utf8_lossy(&read_stderr.join().unwrap().unwrap()).into_owned();
        assert!(status.is_some(), "{typed} did not end within {TYPED_MAX:?}\n{stderr}");
        Self { typed, code: status.and_then(|status| status.code()), stdout, stderr }
    }

    /// The end that was wanted, or everything that is known about the other one.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\nstdout: {}\nstderr: {}", self.typed, self.text(), self.stderr);
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{}: {error}\n{}{}", self.typed, self.text(), self.stderr))
    }
}

/// Whether a process with this id runs; one that has ended and was not waited for does not.
pub(crate) fn is_alive(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| {
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
    })
}

/// A figure in KiB out of `/proc/ID/status`.
pub(crate) fn memory_kib(id: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
