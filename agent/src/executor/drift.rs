//! What the steps of an association said that they changed, or found to be different.
//!
//! A script is trusted to know: a line on its standard output that begins with `fleetwright:changed` says that it put
//! something right, one with `fleetwright:different` that something is not as it should be and was left so. What follows
//! on the line is for people. Looked at is what the spool still has of the first [`LOOKED_AT_BYTES`] of each step.

use fleetwright_proto::ids::CommandId;

use crate::journal::{Command, Drift};
use crate::spool::{Spool, Stream, StreamId};

const CHANGED: &str = "fleetwright:changed";
const DIFFERENT: &str = "fleetwright:different";

const LOOKED_AT_BYTES: usize = 256 * 1024;
/// Lines of each kind that are kept, and their longest text.
const LINES_MAX: usize = 20;
const LINE_MAX_CHARS: usize = 200;

/// What all steps of a run said.
pub(super) fn said(spool: &Spool, id: &CommandId, command: &Command) -> Drift {
    let mut drift = Drift::default();
    for step in command.steps.keys() {
        let stream = StreamId { command: id.clone(), step: *step, stream: Stream::Stdout };
        read(&printed(spool, &stream), &mut drift);
    }
    drift
}

fn printed(spool: &Spool, stream: &StreamId) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < LOOKED_AT_BYTES {
        match spool.read_at(stream, bytes.len() as u64, LOOKED_AT_BYTES - bytes.len()) {
            Ok(data) if !data.is_empty() => bytes.extend(data),
            // The end, or it was sent and is gone from here.
            Ok(_) | Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read(text: &str, drift: &mut Drift) {
    for line in text.lines().map(str::trim_end) {
        let said =
            |marker| line.strip_prefix(marker).filter(|rest| rest.is_empty() || rest.starts_with([' ', ':']));
        let (kept, what) = match (said(CHANGED), said(DIFFERENT)) {
            (Some(what), _) => (&mut drift.changed, what),
            (None, Some(what)) => (&mut drift.different, what),
            (None, None) => continue,
        };
        if kept.len() < LINES_MAX {
            kept.push(what.trim_start_matches([':', ' ']).chars().take(LINE_MAX_CHARS).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, changed: &[&str], different: &[&str]) {
        let mut drift = Drift::default();
        read(text, &mut drift);
        assert_eq!((drift.changed, drift.different), (owned(changed), owned(different)), "{text}");
    }

    fn owned(lines: &[&str]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_script_says_what_it_did_on_lines_of_their_own() {
        check("", &[], &[]);
        check("all is well\n", &[], &[]);
        check("fleetwright:changed\n", &[""], &[]);
        check(
            "x\nfleetwright:changed /etc/motd\r\ny\nfleetwright:different: mode of /etc\n",
            &["/etc/motd"],
            &["mode of /etc"],
        );
        check("fleetwright:changedfile\n  fleetwright:changed indented\n", &[], &[]);
    }

    #[test]
    fn nobody_says_too_much() {
        let mut drift = Drift::default();
        let line = format!("fleetwright:changed {}\n", "x".repeat(1000));
        read(&line.repeat(1000), &mut drift);
        assert_eq!(drift.changed.len(), LINES_MAX);
        assert_eq!(drift.changed[0].len(), LINE_MAX_CHARS);
    }
}
