//! What the command line reads and writes, and what it knows of its surroundings: streams, terminals, environment,
//! clock and Ctrl-C. Everything comes in from outside, so that a test is one more surroundings.
//!
//! Data goes to stdout, everything said to a person goes to stderr. A closed stdout is not an error of ours: see
//! [`crate::failure::Failure::is_broken_pipe`].

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::pin::Pin;
use std::sync::Arc;

use fleetwright_proto::clock::{SharedClock, SystemClock};

/// Completes when the person wants to stop.
pub type Interrupt = Pin<Box<dyn Future<Output = ()>>>;

/// Which of the three streams a person sits at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terminals {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

/// The environment variables that matter, taken once.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Only `FLEETWRIGHT_*` and `NO_COLOR`; what is not UTF-8 is taken as unset.
    #[must_use]
    pub fn process() -> Self {
        let known = |name: &str| name.starts_with("FLEETWRIGHT_") || name == "NO_COLOR";
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| known(name))
            .collect()
    }

    /// An empty value counts as unset.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// The surroundings of one run.
pub struct Io {
    pub stdin: Box<dyn Read>,
    pub stdout: Box<dyn Write>,
    pub stderr: Box<dyn Write>,
    pub terminals: Terminals,
    /// Columns of the terminal at stdout.
    pub width: Option<u16>,
    pub environment: Environment,
    pub clock: SharedClock,
    /// Polled only while there is something to interrupt, so that Ctrl-C keeps its usual meaning otherwise.
    pub interrupt: Interrupt,
}

impl Io {
    /// The surroundings of this process. Needs a tokio runtime only once the interrupt is polled.
    #[must_use]
    pub fn process() -> Self {
        Self {
            stdin: Box::new(io::stdin()),
            stdout: Box::new(io::stdout()),
            stderr: Box::new(io::stderr()),
            terminals: Terminals {
                stdin: io::stdin().is_terminal(),
                stdout: io::stdout().is_terminal(),
                stderr: io::stderr().is_terminal(),
            },
            width: terminal_size::terminal_size().map(|(width, _)| width.0),
            environment: Environment::process(),
            clock: Arc::new(SystemClock),
            interrupt: Box::pin(async {
                if tokio::signal::ctrl_c().await.is_err() {
                    // No handler could be set: Ctrl-C ends the process, as it does without us.
                    std::future::pending::<()>().await;
                }
            }),
        }
    }

    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.stdout, "{text}")?;
        self.stdout.flush()
    }

    /// Says something to a person. A stderr that is gone is nobody's loss.
    pub(crate) fn note(&mut self, text: &str) {
        let _ = writeln!(self.stderr, "{text}");
        let _ = self.stderr.flush();
    }

    /// Whether somebody is there to answer a question.
    pub(crate) fn can_ask(&self) -> bool {
        self.terminals.stdin && self.terminals.stderr
    }

    /// Asks for a line that is not shown while it is typed.
    pub fn ask_secret(&mut self, question: &str) -> io::Result<String> {
        write!(self.stderr, "{question}")?;
        self.stderr.flush()?;
        let mut answer = String::new();
        {
            let _hidden = Hidden::begin();
            // Byte by byte: what follows the line is the next answer's.
            let mut bytes = Vec::new();
            let mut byte = [0];
            while self.stdin.read(&mut byte)? == 1 && byte[0] != b'\n' {
                bytes.push(byte[0]);
            }
            answer.push_str(std::str::from_utf8(&bytes).map_err(io::Error::other)?.trim_end_matches('\r'));
        }
        writeln!(self.stderr)?;
        Ok(answer)
    }

    /// Asks a yes-or-no question; anything but yes is no.
    pub(crate) fn confirm(&mut self, question: &str) -> io::Result<bool> {
        write!(self.stderr, "{question} [y/N] ")?;
        self.stderr.flush()?;
        let mut answer = String::new();
        io::BufReader::new(&mut self.stdin).read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

/// The terminal at stdin without echo, as long as this lives. Where stdin is no terminal nothing is changed.
struct Hidden(Option<rustix::termios::Termios>);

impl Hidden {
    fn begin() -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let Ok(before) = tcgetattr(io::stdin()) else { return Self(None) };
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        let set = tcsetattr(io::stdin(), OptionalActions::Flush, &hidden);
        Self(set.ok().map(|()| before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // The terminal has gone: there is nothing to put back.
            let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Flush, before);
        }
    }
}

/// A new file that only its owner reads.
pub(crate) fn new_private_file(path: &std::path::Path) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::File::options().write(true).create_new(true).mode(0o600).open(path)
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io")
            .field("terminals", &self.terminals)
            .field("width", &self.width)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
