//! `fleetwright run -o jsonl` as a stop-watch: every line is the result of one node, read from the controller after it
//! became durable there.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::process::Process;

/// When each result was here, from the start of the program.
#[derive(Debug)]
pub(crate) struct Results {
    /// Ascending.
    moments: Vec<Duration>,
    /// Until the program ended, its own start and summary included.
    pub(crate) whole: Duration,
    /// CPU time of the program.
    pub(crate) cpu: Duration,
}

impl Results {
    /// Runs the program to its end. Fails when it or any node does.
    pub(crate) fn of(command: &mut Command, nodes: u32) -> Result<Self> {
        let begun = Instant::now();
        let mut process = Process::new(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
        let stdout = process.child().stdout.take().context("standard output is a pipe")?;
        let mut moments = Vec::new();
        for line in BufReader::new(stdout).lines() {
            let (line, moment) = (line?, begun.elapsed());
            if line.starts_with(r#"{"type":"invocation""#) {
                if !line.contains(r#""state":"Success""#) {
                    bail!("a node failed: {line}");
                }
                moments.push(moment);
            }
        }
        let mut complaint = String::new();
        if let Some(mut stderr) = process.child().stderr.take() {
            stderr.read_to_string(&mut complaint)?;
        }
        let cpu = process.cpu()?;
        let status = process.child().wait()?;
        if !status.success() {
            bail!("`fleetwright run` ended with {status}: {}", complaint.trim());
        }
        if moments.len() != nodes as usize {
            bail!("{} of {nodes} nodes answered", moments.len());
        }
        Ok(Self { moments, whole: begun.elapsed(), cpu })
    }

    /// The moment by which so many of 100 were here; the first for 0.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        percentile(&self.moments, percent)
    }
}

/// Of values in ascending order.
pub(crate) fn percentile(ascending: &[Duration], percent: usize) -> Duration {
    let last = ascending.len().saturating_sub(1);
    ascending.get((last * percent).div_ceil(100)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let values: Vec<_> = (1..=200).map(Duration::from_secs).collect();
        let table = [(0, 1), (50, 101), (99, 199), (100, 200)];
        for (percent, wanted) in table {
            assert_eq!(percentile(&values, percent).as_secs(), wanted, "{percent}");
        }
        assert_eq!(percentile(&values[..1], 99).as_secs(), 1);
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }

    #[test]
    fn a_node_that_fails_is_not_a_result() {
        let lines = |state: &str| format!(r#"echo '{{"type":"invocation","state":"{state}"}}'"#);
        let measure = |script: &str, nodes| Results::of(Command::new("sh").args(["-c", script]), nodes);
        assert_eq!(measure(&lines("Success"), 1).unwrap().moments.len(), 1);
        assert!(measure(&lines("Failed"), 1).unwrap_err().to_string().contains("a node failed"));
        assert_eq!(measure(&lines("Success"), 2).unwrap_err().to_string(), "1 of 2 nodes answered");
        let error = measure("echo no >&2; exit 5", 0).unwrap_err().to_string();
        assert!(error.contains('5') && error.ends_with(": no"), "{error}");
    }
}
