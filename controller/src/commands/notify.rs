//! Notifications: an operator's program hears of a command, or of each of its invocations, by a signed webhook
//! (reference, section 3.13).
//!
//! ```text
//!  states of a command ──plan──► notices, one row for each event ──► delivered, or given up with its reason
//! ```
//!
//! What is owed follows from the states in the store and is compared with the notices that exist; so a controller that
//! is killed between a state and its notice owes it still when it starts again. A notice is sent until a receiver has
//! answered 2xx, always under the same id: a receiver that sees an id twice may forget the second.

pub mod outbox;
pub mod receiver;
pub mod sign;

use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{CommandId, NodeId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::operations::Status;
use super::records::CommandRecord;
use super::state::State;
use crate::error::Refusal;
use crate::records::{json_record, rfc3339};

/// Longest address of a receiver, bytes.
const URL_MAX_BYTES: usize = 2048;
/// A notice that nobody took for this long is given up.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);
const BACK_OFF_FIRST: Duration = Duration::from_secs(2);
const BACK_OFF_LAST: Duration = Duration::from_secs(3600);

/// SSM's events of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Event {
    InProgress,
    Success,
    TimedOut,
    Cancelled,
    Failed,
}

impl Event {
    const ALL: [Self; 5] = [Self::InProgress, Self::Success, Self::TimedOut, Self::Cancelled, Self::Failed];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Success => "Success",
            Self::TimedOut => "TimedOut",
            Self::Cancelled => "Cancelled",
            Self::Failed => "Failed",
        }
    }
}

/// SSM's types of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum About {
    Command,
    Invocation,
}

impl About {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Command => "Command",
            Self::Invocation => "Invocation",
        }
    }
}

/// What a command's caller wants to hear, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    pub url: String,
    pub events: Vec<Event>,
    pub about: About,
}

/// Whether an address without TLS may be used beyond this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    LoopbackOnly,
    Anywhere,
}

impl Notify {
    /// Checks what a caller wrote. No event is all events; no type is SSM's default, the command.
    pub fn parse(url: &str, events: &[String], about: &str, plain: PlainHttp) -> Result<Self, Refusal> {
        check_url(url, plain)?;
        let mut wanted: Vec<Event> = Vec::new();
        for text in events {
            match Event::ALL.iter().find(|event| event.word() == text) {
                Some(event) => wanted.push(*event),
                None if text == "All" => wanted.extend(Event::ALL),
                None => {
                    return Err(Refusal::invalid(format!(
                        "`{}` is no event of a notification: All, InProgress, Success, TimedOut, Cancelled or Failed",
                        text.escape_debug()
                    )));
                }
            }
        }
        if wanted.is_empty() {
            wanted.extend(Event::ALL);
        }
        wanted.sort();
        wanted.dedup();
        let about = match about {
            "" | "Command" => About::Command,
            "Invocation" => About::Invocation,
            other => {
                return Err(Refusal::invalid(format!(
                    "`{}` is no type of a notification: Command or Invocation",
                    other.escape_debug()
                )));
            }
        };
        Ok(Self { url: url.to_owned(), events: wanted, about })
    }
}

fn check_url(url: &str, plain: PlainHttp) -> Result<(), Refusal> {
    // The address itself is not repeated: people put tokens into it.
    let wrong = |why: &str| Refusal::invalid(format!("the address for notifications {why}"));
    if url.len() > URL_MAX_BYTES {
        return Err(wrong(&format!("is longer than {URL_MAX_BYTES} bytes")));
    }
    let uri: http::Uri = url.parse().map_err(|_| wrong("is no URL: write https://HOST/PATH"))?;
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(wrong("is no URL: write https://HOST/PATH"));
    };
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(wrong("holds a user name or password: leave them out, every notice is signed"));
    }
    match scheme {
        "https" => Ok(()),
        "http" if plain == PlainHttp::Anywhere || is_loopback(host) => Ok(()),
        "http" => Err(wrong("is plain http beyond this host: write https, or set notifications.plain_http")),
        _ => Err(wrong("is neither https nor http")),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// What a notice is about: the command as a whole or its part on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Command,
    Node(NodeId),
}

/// The events that a status of a command tells. Whoever has ended has been at work, unless it never left.
#[must_use]
pub fn command_events(status: Status, worked: bool) -> Vec<Event> {
    let last = match status {
        Status::Pending => return Vec::new(),
        Status::InProgress | Status::Cancelling => return vec![Event::InProgress],
        Status::Success => Event::Success,
        Status::Failed => Event::Failed,
        Status::TimedOut => Event::TimedOut,
        Status::Cancelled => Event::Cancelled,
    };
    if worked { vec![Event::InProgress, last] } else { vec![last] }
}

/// The events that a state of an invocation tells.
#[must_use]
pub fn invocation_events(state: State, worked: bool) -> Vec<Event> {
    let last = match state {
        State::Pending | State::Delayed => return Vec::new(),
        State::InProgress | State::Cancelling => return vec![Event::InProgress],
        State::Success => Event::Success,
        State::Failed => Event::Failed,
        State::TimedOut => Event::TimedOut,
        State::Cancelled => Event::Cancelled,
    };
    if worked { vec![Event::InProgress, last] } else { vec![last] }
}

/// One thing to be told, as it is kept until somebody took it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeRecord {
    /// The same for every attempt.
    pub id: String,
    /// What is sent, to the byte.
    pub body: String,
    pub created: Timestamp,
    pub attempts: u32,
    /// When it is to be sent (again).
    pub next: Timestamp,
    pub state: NoticeState,
    /// What the last attempt met.
    pub problem: Option<String>,
}
json_record!(NoticeRecord, 1);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoticeState {
    Waiting,
    Delivered,
    GivenUp,
}

/// The key of a notice below its command: the same event of the same subject has one notice for ever.
#[must_use]
pub fn notice_name(subject: &Subject, event: Event) -> String {
    match subject {
        Subject::Command => format!("command {}", event.word()),
        Subject::Node(node) => format!("{node} {}", event.word()),
    }
}

/// A new notice. `details` are SSM's words for the state at this moment.
#[must_use]
pub fn notice(
    id: &CommandId,
    command: &CommandRecord,
    subject: &Subject,
    event: Event,
    details: &str,
    now: Timestamp,
) -> NoticeRecord {
    let name = notice_name(subject, event);
    let digest = hex::encode(Sha256::digest(format!("{id} {name}")));
    let details = if event == Event::InProgress { "In Progress" } else { details };
    let mut data = serde_json::json!({
        "commandId": id.as_str(),
        "documentName": command.document.name,
        "status": event.word(),
        "statusDetails": details,
        "requestedDateTime": rfc3339(command.requested),
    });
    if let Subject::Node(node) = subject {
        data["instanceId"] = node.as_str().into();
    }
    let kind = if *subject == Subject::Command { "command.status" } else { "invocation.status" };
    let body = serde_json::json!({ "type": kind, "timestamp": rfc3339(now), "data": data });
    NoticeRecord {
        id: format!("msg_{}", &digest[..32]),
        body: body.to_string(),
        created: now,
        attempts: 0,
        next: now,
        state: NoticeState::Waiting,
        problem: None,
    }
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    Taken,
    /// The receiver said that it is gone for good.
    Gone,
    Failed(String),
}

/// The notice after an attempt.
#[must_use]
pub fn attempted(mut record: NoticeRecord, attempt: Attempt, now: Timestamp) -> NoticeRecord {
    record.attempts = record.attempts.saturating_add(1);
    match attempt {
        Attempt::Taken => (record.state, record.problem) = (NoticeState::Delivered, None),
        Attempt::Gone => {
            record.state = NoticeState::GivenUp;
            record.problem = Some("the receiver answered 410: it is gone".to_owned());
        }
        Attempt::Failed(problem) => {
            record.next = now.plus(back_off(&record));
            if record.created.plus(GIVE_UP_AFTER) <= record.next {
                record.state = NoticeState::GivenUp;
            }
            record.problem = Some(problem);
        }
    }
    record
}

/// Doubles with every attempt up to an hour; a part of it, drawn from the notice's own id, keeps many notices to one
/// receiver from coming all at once.
fn back_off(record: &NoticeRecord) -> Duration {
    let doubled = BACK_OFF_FIRST.saturating_mul(1 << record.attempts.saturating_sub(1).min(12));
    let whole = doubled.min(BACK_OFF_LAST);
    let digest = Sha256::digest(format!("{} {}", record.id, record.attempts));
    whole / 2 + whole / 2 * u32::from(digest[0]) / 255
}

#[cfg(test)]
mod tests;
