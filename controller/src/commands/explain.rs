//! Why: the state of a command or an invocation with what led to it and what will end it.
//!
//! It reads the same records and asks the same pure functions that decided; nothing is guessed from logs.

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{CommandId, NodeId};

use super::notify::{NoticeState, Notify};
use super::operations::{self, counts, seen_state};
use super::records::{CommandRecord, InvocationRecord, StepRecord};
use super::state::status_details;
use crate::error::Refusal;
use crate::house::House;
use crate::records::{Pages, rfc3339};
use crate::tables::{NOTICE, PRESENCE};

/// One fact and its value, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    pub name: &'static str,
    pub value: String,
}

/// An answer to "why": the reason, and the facts behind it in the order of importance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub code: String,
    pub text: String,
    pub values: Vec<(String, String)>,
    pub facts: Vec<Fact>,
}

/// Why a command is in its state.
pub async fn command(house: &House, id: &CommandId) -> Result<Explanation, Refusal> {
    let record = operations::get(house, id).await?;
    let counts = counts(house, id, &record).await?;
    let status = operations::status(&record, &counts);
    let (code, text) = match &record.outcome {
        Some(outcome) => (outcome.verdict.code().to_owned(), outcome.verdict.text()),
        None => ("Open".to_owned(), open_text(&record, &counts)),
    };
    let mut facts = vec![
        fact("status", operations::status_details(&record, status)),
        fact("reason", &text),
        fact("document", format!("{} version {}", record.document.name, record.document.version)),
        fact("requested", format!("{} by {}", rfc3339(record.requested), record.requested_by)),
        fact(
            "nodes",
            format!(
                "{} in all: {} succeeded, {} failed, {} timed out, {} cancelled, {} open",
                record.target_count,
                counts.success,
                counts.failed,
                counts.timed_out,
                counts.cancelled,
                counts.open()
            ),
        ),
        fact(
            "max concurrency",
            limit(record.max_concurrency, record.max_concurrency.concurrency(record.target_count)),
        ),
        fact("max errors", limit(record.max_errors, record.max_errors.errors(record.target_count))),
        fact("errors", counts.errors.to_string()),
    ];
    if let Some(wish) = &record.cancel {
        facts.push(fact("cancelled", format!("{} by {}", rfc3339(wish.at), wish.by)));
    }
    match &record.outcome {
        Some(outcome) => facts.push(fact("finished", rfc3339(outcome.finished))),
        None => facts.push(fact("ends at the latest", rfc3339(record.answer_by()))),
    }
    if let Some(notify) = &record.notify {
        facts.extend(notices(house, id, notify).await?);
    }
    Ok(Explanation { code, text, values: Vec::new(), facts })
}

/// What became of the notifications. Of those that are not delivered the first few are told with what they met.
async fn notices(house: &House, id: &CommandId, notify: &Notify) -> Result<Vec<Fact>, Refusal> {
    const TOLD_MAX: usize = 5;
    let (mut delivered, mut waiting, mut given_up) = (0u32, 0u32, 0u32);
    let mut told = Vec::new();
    let mut pages = Pages::of(&NOTICE, id.clone());
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in rows {
            let (name, notice) = (row.key.1, row.value);
            let problem = notice.problem.unwrap_or_else(|| "not tried yet".to_owned());
            let text = match notice.state {
                NoticeState::Delivered => {
                    delivered += 1;
                    continue;
                }
                NoticeState::Waiting => {
                    waiting += 1;
                    format!(
                        "{name}: {problem}; {} attempts, the next {}",
                        notice.attempts,
                        rfc3339(notice.next)
                    )
                }
                NoticeState::GivenUp => {
                    given_up += 1;
                    format!("{name}: given up after {} attempts: {problem}", notice.attempts)
                }
            };
            if told.len() < TOLD_MAX {
                told.push(fact("notification", text));
            }
        }
    }
    let host = notify.url.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    let sum = format!(
        "to {}: {delivered} delivered, {waiting} waiting, {given_up} given up",
        host.unwrap_or_default()
    );
    Ok(std::iter::once(fact("notifications", sum)).chain(told).collect())
}

fn open_text(record: &CommandRecord, counts: &super::tally::Counts) -> String {
    let waiting_for = [
        (counts.in_progress, "at work"),
        (counts.pending, "not started"),
        (counts.delayed, "waiting for their node"),
        (counts.cancelling, "being cancelled"),
    ];
    let parts: Vec<_> = waiting_for
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if record.targets_written { parts.join(", ") } else { "its nodes are being written".to_owned() }
}

fn limit(written: super::limits::Limit, number: u32) -> String {
    let written = written.to_string();
    if written == number.to_string() { written } else { format!("{written}, which is {number}") }
}

/// Why an invocation is in its state.
pub async fn invocation(house: &House, id: &CommandId, node: &NodeId) -> Result<Explanation, Refusal> {
    let command = operations::get(house, id).await?;
    let record = operations::invocation(house, id, node).await?;
    let (state, reason) = seen_state(house, node, &record);
    let mut facts = vec![
        fact("status", status_details(state, &reason)),
        fact("reason", reason.text()),
        fact("node", connection(house, node).await?),
        fact("requested", rfc3339(command.requested)),
    ];
    facts.extend(history(&record, &command));
    push_steps(&record.steps, "", &mut facts);
    if let Some(late) = &record.late {
        facts.push(fact("reported later", format!("{:?} at {}", late.state, rfc3339(late.at))));
    }
    Ok(Explanation { code: reason.code(), text: reason.text(), values: reason.values(), facts })
}

fn history(record: &InvocationRecord, command: &CommandRecord) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut push = |name, moment: Option<Timestamp>| {
        if let Some(moment) = moment {
            facts.push(fact(name, rfc3339(moment)));
        }
    };
    push("put into the mailbox", record.dispatched.map(|dispatch| dispatch.at));
    push("started", record.started);
    push("finished", record.finished);
    if let Some(wish) = &record.cancel {
        facts.push(fact("cancelled", format!("{} by {}", rfc3339(wish.at), wish.by)));
    }
    if !record.state.is_final() {
        facts.push(fact("delivery time-out", rfc3339(command.deliver_by())));
        facts.push(fact("ends at the latest", rfc3339(command.answer_by())));
    }
    facts
}

/// Each step, and below it the steps of the document that it ran.
fn push_steps(steps: &[StepRecord], outer: &str, facts: &mut Vec<Fact>) {
    for one in steps {
        facts.push(step(one, outer));
        push_steps(&one.inner, &format!("{outer}{} / ", one.name), facts);
    }
}

fn step(step: &StepRecord, outer: &str) -> Fact {
    let mut value = format!("{outer}{} ({}): {:?}", step.name, step.action, step.status);
    if let Some(code) = step.exit_code {
        value.push_str(&format!(", exit code {code}"));
    }
    if let Some(signal) = step.signal {
        value.push_str(&format!(", killed by signal {signal}"));
    }
    if !step.detail.is_empty() {
        value.push_str(&format!(", {}", step.detail));
    }
    fact("step", value)
}

async fn connection(house: &House, node: &NodeId) -> Result<String, Refusal> {
    if let Some(last_seen) = house.lines.last_seen(node) {
        return Ok(format!("{node} is connected, last heard {}", rfc3339(last_seen)));
    }
    let presence = PRESENCE.get(&*house.store, node).await?;
    Ok(match presence {
        Some(row) => format!("{node} is not connected, last seen {}", rfc3339(row.value.last_seen)),
        None => format!("{node} has never connected"),
    })
}

fn fact(name: &'static str, value: impl Into<String>) -> Fact {
    Fact { name, value: value.into() }
}
