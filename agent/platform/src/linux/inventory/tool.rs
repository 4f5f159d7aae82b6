//! Runs one of the host's own programs and takes what it prints, with a bound on bytes and time.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::HostError;

/// A list that is longer than this is not a list that a host has.
const OUTPUT_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// A database that is locked for longer is said to be, and asked again at the next collection.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What `program` prints. Messages are in English, whatever the host speaks.
pub(super) fn output(program: &Path, arguments: &[&str]) -> Result<Vec<u8>, HostError> {
    output_within(program, arguments, TIMEOUT)
}

fn output_within(program: &Path, arguments: &[&str], timeout: Duration) -> Result<Vec<u8>, HostError> {
    let doing = || format!("run {} {}", program.display(), arguments.first().copied().unwrap_or_default());
    let failed = |source| HostError::Io { doing: doing(), source };
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .env("SYSTEMD_COLORS", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (done, ended) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        // A message is short; what a program complains about at length is cut.
        let complaint = std::thread::spawn(move || read(stderr, 4 * 1024).unwrap_or_default());
        let read = read(stdout, OUTPUT_MAX_BYTES);
        // Nobody listens any more when it took too long.
        drop(done.send((read, complaint.join().unwrap_or_default())));
    });
    let said = ended.recv_timeout(timeout);
    if said.is_err() {
        // It may have ended in this moment.
        drop(child.kill());
    }
    let status = child.wait().map_err(failed)?;
    let Ok((printed, complaint)) = said else {
        let late = format!("it was not done after {} s", timeout.as_secs());
        return Err(failed(io::Error::new(io::ErrorKind::TimedOut, late)));
    };
    drop(reader.join());
    let printed = printed.map_err(failed)?;
    if printed.len() as u64 > OUTPUT_MAX_BYTES {
        return Err(failed(io::Error::other("it printed more than 16 MiB")));
    }
    if !status.success() {
        let complaint = String::from_utf8_lossy(&complaint);
        return Err(failed(io::Error::other(format!("{status}: {}", complaint.trim()))));
    }
    Ok(printed)
}

/// Up to one byte more than `most`, so that too much can be told; the rest is read and let go.
fn read(from: Option<impl Read>, most: u64) -> io::Result<Vec<u8>> {
    let Some(mut from) = from else { return Ok(Vec::new()) };
    let mut read = Vec::new();
    from.by_ref().take(most + 1).read_to_end(&mut read)?;
    io::copy(&mut from, &mut io::sink())?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, timeout: Duration) -> Result<Vec<u8>, String> {
        output_within(Path::new("/bin/sh"), &["-c", script], timeout).map_err(|error| match error {
            HostError::Io { doing, source } => format!("{doing}: {source}"),
            other => other.to_string(),
        })
    }

    #[test]
    fn a_program_is_read_to_its_end_and_believed_when_it_succeeds() {
        assert_eq!(sh("echo one; echo two", TIMEOUT).unwrap(), b"one\ntwo\n");
        let error = sh("echo x; echo no such database >&2; exit 3", TIMEOUT).unwrap_err();
        assert!(error.contains("exit status: 3: no such database"), "{error}");
    }

    #[test]
    fn one_that_hangs_is_ended() {
        let error = sh("exec sleep 1000", Duration::from_millis(50)).unwrap_err();
        assert!(error.contains("was not done"), "{error}");
    }

    #[test]
    fn one_that_is_not_there_is_named() {
        let error = output(Path::new("/nowhere/rpm"), &["-qa"]).unwrap_err().to_string();
        assert!(error.contains("/nowhere/rpm -qa"), "{error}");
    }
}
