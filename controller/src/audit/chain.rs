//! The chain itself, pure: lines, hashes, the signed head, and what is wrong with a chain that was touched.
//!
//! A line is a JSON object. Its last field `hash` is the SHA-256, in hex, of the text of the line without that field,
//! and its field `previous` is the hash of the line before. So `audit export` can be checked with any tool.

use fleetwright_proto::clock::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::records::rfc3339_millis;

/// What stands before the first line.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const HASH_FIELD: &str = ",\"hash\":\"";
const HASH_CHARS: usize = 64;
/// Longest text of a field, characters: nobody fills the log with one request.
const FIELD_MAX_CHARS: usize = 512;

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done,
    /// Nobody was allowed it.
    Denied,
    /// It was allowed, and did not happen, or not wholly.
    Failed,
}

/// What happened. Holds no secret, nor what could be guessed from one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub at: Timestamp,
    /// An operator's name, a node's id, or `controller`.
    pub who: String,
    /// The verb of policies.
    pub action: String,
    /// What it was about, as people read it.
    pub on: String,
    /// The door, and the address behind it.
    pub from: String,
    pub outcome: Outcome,
    /// Why it was denied, or what else is worth knowing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Event {
    /// Bytes of its texts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        [&self.who, &self.action, &self.on, &self.from, &self.detail].iter().map(|text| text.len()).sum()
    }

    /// The event with every text short enough for a line.
    #[must_use]
    pub fn trimmed(mut self) -> Self {
        for text in [&mut self.who, &mut self.action, &mut self.on, &mut self.from, &mut self.detail] {
            if text.chars().count() > FIELD_MAX_CHARS {
                *text = text.chars().take(FIELD_MAX_CHARS).collect::<String>() + "…";
            }
        }
        self
    }
}

/// A line of the chain, as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Line {
    pub seq: u64,
    pub at: String,
    pub at_ms: Timestamp,
    pub who: String,
    pub action: String,
    pub on: String,
    pub from: String,
    pub outcome: Outcome,
    #[serde(default)]
    pub detail: String,
    pub previous: String,
    pub hash: String,
}

#[derive(Serialize)]
struct Unhashed<'a> {
    seq: u64,
    at: String,
    at_ms: Timestamp,
    who: &'a str,
    action: &'a str,
    on: &'a str,
    from: &'a str,
    outcome: Outcome,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
    previous: &'a str,
}

/// Where a chain begins and ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The number of the first line that is kept, and the hash of the one before it.
    pub first_seq: u64,
    pub first_previous: String,
    /// The number that the next line gets, and the hash of the last one.
    pub next_seq: u64,
    pub last_hash: String,
}

impl Head {
    #[must_use]
    pub fn new() -> Self {
        Self { first_seq: 1, first_previous: GENESIS.to_owned(), next_seq: 1, last_hash: GENESIS.to_owned() }
    }

    /// What the authority signs.
    #[must_use]
    pub fn message(&self) -> String {
        let Self { first_seq, first_previous, next_seq, last_hash } = self;
        format!("fleetwright audit head 1\n{first_seq}\n{first_previous}\n{next_seq}\n{last_hash}\n")
    }

    /// How many lines are kept.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.next_seq.saturating_sub(self.first_seq)
    }

    /// The next line, which the head then ends with.
    pub fn append(&mut self, event: &Event) -> Result<String, serde_json::Error> {
        let unhashed = serde_json::to_string(&Unhashed {
            seq: self.next_seq,
            at: rfc3339_millis(event.at),
            at_ms: event.at,
            who: &event.who,
            action: &event.action,
            on: &event.on,
            from: &event.from,
            outcome: event.outcome,
            detail: &event.detail,
            previous: &self.last_hash,
        })?;
        let hash = digest(&unhashed);
        let line = format!("{}{HASH_FIELD}{hash}\"}}", &unhashed[..unhashed.len() - 1]);
        self.next_seq += 1;
        self.last_hash = hash;
        Ok(line)
    }
}

impl Default for Head {
    fn default() -> Self {
        Self::new()
    }
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// The first thing that is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} is broken: {why}")]
pub struct Broken {
    pub seq: u64,
    pub why: String,
}

/// A walk along a chain from its beginning.
#[derive(Debug, Clone)]
pub struct Walk {
    next_seq: u64,
    last_hash: String,
}

impl Walk {
    /// From where the head says that the chain begins.
    #[must_use]
    pub fn from_head(head: &Head) -> Self {
        Self { next_seq: head.first_seq, last_hash: head.first_previous.clone() }
    }

    /// From the first line of an export: what was before is not in it.
    pub fn from_first(line: &str) -> Result<Self, Broken> {
        let first = parse(line).map_err(|why| Broken { seq: 1, why })?;
        Ok(Self { next_seq: first.seq, last_hash: first.previous })
    }

    /// The next line, if it continues the chain.
    pub fn step(&mut self, line: &str) -> Result<Line, Broken> {
        let broken = |why: String| Broken { seq: self.next_seq, why };
        let parsed = parse(line).map_err(broken)?;
        if parsed.seq != self.next_seq {
            return Err(broken(format!("record {} stands in its place", parsed.seq)));
        }
        if parsed.previous != self.last_hash {
            return Err(broken("it does not follow from the record before it".to_owned()));
        }
        self.next_seq += 1;
        self.last_hash.clone_from(&parsed.hash);
        Ok(parsed)
    }

    /// Whether the chain ends where the head says that it does.
    pub fn end(&self, head: &Head) -> Result<(), Broken> {
        if self.next_seq < head.next_seq {
            let missing = head.next_seq - self.next_seq;
            return Err(Broken {
                seq: self.next_seq,
                why: format!("it is missing, and {missing} in all at the end"),
            });
        }
        if self.next_seq > head.next_seq {
            return Err(Broken { seq: head.next_seq, why: "the signed head does not know it".to_owned() });
        }
        if self.last_hash != head.last_hash {
            let seq = head.next_seq.saturating_sub(1);
            return Err(Broken {
                seq,
                why: "it is not the record that the signed head ends with".to_owned(),
            });
        }
        Ok(())
    }

    /// The number that the next line has.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The hash of the last line.
    #[must_use]
    pub fn last_hash(&self) -> &str {
        &self.last_hash
    }
}

/// Reads a line whose hash is that of its text.
fn parse(line: &str) -> Result<Line, String> {
    let parsed: Line = serde_json::from_str(line).map_err(|error| format!("it cannot be read: {error}"))?;
    let body = line.len().checked_sub(HASH_FIELD.len() + HASH_CHARS + 2);
    let body = body.and_then(|end| line.get(..end)).ok_or("it has no hash at its end")?;
    if line.get(body.len()..body.len() + HASH_FIELD.len()) != Some(HASH_FIELD) {
        return Err("it has no hash at its end".to_owned());
    }
    if digest(&format!("{body}}}")) != parsed.hash {
        return Err("its text was altered: its hash is that of another text".to_owned());
    }
    Ok(parsed)
}
