//! The language of scripts on a fake host: one command a line.
//!
//! | Line | What it does |
//! |---|---|
//! | `echo TEXT` | prints the text and a line feed |
//! | `complain TEXT` | the same on the error output |
//! | `print N` | prints N bytes |
//! | `sleep N` | waits N seconds on the fleet's clock |
//! | `hang` | waits for ever |
//! | `ignore-terminate` | from now on only a kill ends it |
//! | `signal N` | ends as if by signal N |
//! | `exit N` | ends with the exit code |
//!
//! Empty lines and lines that begin with `#` do nothing. Any other line is a command that is not found, as in a
//! shell: 127 is the exit code when it was the last.

use std::time::Duration;

use fleetwright_proto::clock::SharedClock;
use tokio::io::{AsyncWriteExt, DuplexStream};

use super::child::Running;
use crate::Ended;

const EXIT_NOT_FOUND: i32 = 127;
const FILLING: [u8; 4096] = [b'x'; 4096];

/// Runs the lines to their end. Output that nobody reads any more is lost, as in a pipe that was closed.
pub(super) async fn run(
    text: &str,
    running: &Running,
    clock: &SharedClock,
    mut stdout: DuplexStream,
    mut stderr: DuplexStream,
) -> Ended {
    let mut code = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        code = 0;
        match (verb, rest.trim().parse::<i32>()) {
            ("echo", _) => say(&mut stdout, rest).await,
            ("complain", _) => say(&mut stderr, rest).await,
            ("print", Ok(bytes)) => print(&mut stdout, usize::try_from(bytes).unwrap_or(0)).await,
            ("sleep", Ok(seconds)) => clock.sleep(Duration::from_secs(seconds.unsigned_abs().into())).await,
            ("hang", _) => std::future::pending().await,
            ("ignore-terminate", _) => running.ignore_terminate(),
            ("signal", Ok(signal)) => return Ended::Signalled(signal),
            ("exit", Ok(code)) => return Ended::Exited(code),
            _ => {
                say(&mut stderr, &format!("{verb}: not found")).await;
                code = EXIT_NOT_FOUND;
            }
        }
    }
    Ended::Exited(code)
}

async fn say(output: &mut DuplexStream, text: &str) {
    let _closed = output.write_all(format!("{text}\n").as_bytes()).await;
}

async fn print(output: &mut DuplexStream, mut bytes: usize) {
    while bytes > 0 {
        let piece = bytes.min(FILLING.len());
        if output.write_all(&FILLING[..piece]).await.is_err() {
            return;
        }
        bytes -= piece;
    }
}
