//! An exported audit log, checked without a controller: every hash is that of its line, every line follows from the one
//! before, and the end is the one that the head tells. The form of a line is told at the controller's `audit::chain`.

use std::io::{self, BufRead};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::data::audit::{Broken, Verified};

const HASH_FIELD: &str = ",\"hash\":\"";
const HASH_CHARS: usize = 64;

#[derive(Deserialize)]
struct Line {
    seq: u64,
    previous: String,
    hash: String,
}

#[derive(Deserialize)]
struct Last {
    head: Head,
}

#[derive(Deserialize)]
struct Head {
    first_seq: u64,
    first_previous: String,
    next_seq: u64,
    last_hash: String,
}

/// Where the walk is.
#[derive(Default)]
struct Walk {
    lines: u64,
    first: Option<(u64, String)>,
    /// The number of the next line, and the hash of the last.
    at: Option<(u64, String)>,
    ended: bool,
}

/// Checks lines to their end or to the first that is broken.
pub(super) fn verify(lines: impl BufRead) -> io::Result<Verified> {
    let mut walk = Walk::default();
    let mut broken = None;
    for line in lines.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        if let Err(found) = walk.step(&line) {
            broken = Some(found);
            break;
        }
    }
    if broken.is_none() && walk.at.is_some() && !walk.ended {
        let seq = walk.at.as_ref().map_or(1, |(next, _)| *next);
        broken = Some(Broken {
            seq,
            why: "the file ends without the head: lines may be missing at the end".into(),
        });
    }
    let last_hash = walk.at.map(|(_, hash)| hash).unwrap_or_default();
    Ok(Verified { intact: broken.is_none(), lines: walk.lines, last_hash, broken })
}

impl Walk {
    fn step(&mut self, line: &str) -> Result<(), Broken> {
        let next = self.at.as_ref().map_or(1, |(next, _)| *next);
        let broken = |why: &str| Broken { seq: next, why: why.to_owned() };
        if self.ended {
            return Err(broken("it stands behind the head, which does not know it"));
        }
        if let Ok(Last { head }) = serde_json::from_str(line) {
            return self.end(&head);
        }
        let parsed: Line = serde_json::from_str(line).map_err(|_| broken("it cannot be read"))?;
        let body = line.len().checked_sub(HASH_FIELD.len() + HASH_CHARS + 2).and_then(|end| line.get(..end));
        let body = body.filter(|body| line[body.len()..].starts_with(HASH_FIELD));
        let body = body.ok_or_else(|| broken("it has no hash at its end"))?;
        if let Some((_, hash)) = &self.at {
            if parsed.seq != next {
                return Err(broken(&format!("record {} stands in its place", parsed.seq)));
            }
            if parsed.previous != *hash {
                return Err(broken("it does not follow from the record before it"));
            }
        }
        let at = if self.at.is_some() { next } else { parsed.seq };
        if hex(&Sha256::digest(format!("{body}}}").as_bytes())) != parsed.hash {
            let why = "its text was altered: its hash is that of another text".to_owned();
            return Err(Broken { seq: at, why });
        }
        if self.first.is_none() {
            self.first = Some((parsed.seq, parsed.previous));
        }
        self.lines += 1;
        self.at = Some((at + 1, parsed.hash));
        Ok(())
    }

    fn end(&mut self, head: &Head) -> Result<(), Broken> {
        let (first_seq, first_previous) = match &self.first {
            Some((seq, previous)) => (*seq, previous.as_str()),
            None => (head.next_seq, head.last_hash.as_str()),
        };
        let (next, last_hash) = match &self.at {
            Some((next, hash)) => (*next, hash.as_str()),
            None => (head.first_seq, head.first_previous.as_str()),
        };
        if first_seq != head.first_seq || first_previous != head.first_previous {
            return Err(Broken { seq: head.first_seq, why: "it is missing at the beginning".to_owned() });
        }
        if next != head.next_seq || last_hash != head.last_hash {
            return Err(Broken {
                seq: next.min(head.next_seq),
                why: "the end is not the one that the head tells".to_owned(),
            });
        }
        self.at = Some((next, last_hash.to_owned()));
        self.ended = true;
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three lines and their head, as a controller writes them.
    fn exported() -> Vec<String> {
        let mut previous = "0".repeat(64);
        let mut lines = Vec::new();
        for seq in 1..=3 {
            let body = format!(r#"{{"seq":{seq},"who":"ada","previous":"{previous}""#);
            let hash = hex(&Sha256::digest(format!("{body}}}").as_bytes()));
            lines.push(format!(r#"{body},"hash":"{hash}"}}"#));
            previous = hash;
        }
        let zero = "0".repeat(64);
        lines.push(format!(
            r#"{{"head":{{"first_seq":1,"first_previous":"{zero}","next_seq":4,"last_hash":"{previous}"}},"signature":"00"}}"#
        ));
        lines
    }

    fn check(lines: &[String], want: Option<(u64, &str)>) {
        let verified = verify(lines.join("\n").as_bytes()).unwrap();
        match (verified.broken, want) {
            (None, None) => {}
            (Some(broken), Some((seq, why))) => {
                assert_eq!(broken.seq, seq, "{broken:?}");
                assert!(broken.why.contains(why), "{broken:?}");
            }
            (got, want) => panic!("{got:?} instead of {want:?}"),
        }
    }

    #[test]
    fn what_was_touched_is_named() {
        let good = exported();
        check(&good, None);
        check(&[], None);
        let touched = |touch: &dyn Fn(&mut Vec<String>)| {
            let mut lines = exported();
            touch(&mut lines);
            lines
        };
        check(&touched(&|lines| lines[1] = lines[1].replace("ada", "eve")), Some((2, "altered")));
        check(&touched(&|lines| drop(lines.remove(1))), Some((2, "record 3 stands")));
        check(&touched(&|lines| lines.swap(0, 1)), Some((3, "record 1 stands")));
        check(&touched(&|lines| drop(lines.remove(0))), Some((1, "missing at the beginning")));
        check(&touched(&|lines| drop(lines.remove(2))), Some((3, "the end is not")));
        check(&touched(&|lines| drop(lines.pop())), Some((4, "without the head")));
        check(&touched(&|lines| lines.insert(1, "{}".to_owned())), Some((2, "cannot be read")));
        // Hashed anew by whoever altered it: the next one tells.
        let forged = touched(&|lines| {
            let body = lines[1].split(",\"hash\"").next().unwrap().replace("ada", "eve");
            let hash = hex(&Sha256::digest(format!("{body}}}").as_bytes()));
            lines[1] = format!(r#"{body},"hash":"{hash}"}}"#);
        });
        check(&forged, Some((3, "does not follow")));
    }
}
