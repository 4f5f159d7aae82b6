//! What is said on stderr when a command has finished, or when somebody leaves before.

use std::time::Duration;

use fleetwright_proto::control::{Invocation, InvocationState};

use super::Known;
use crate::escape::escape;
use crate::render::time::took;

/// Targets that are named one by one; the rest is counted.
const NAMED_MAX: usize = 20;

/// One line for each target that did not succeed, and one for the whole.
pub(super) fn lines(known: &Known) -> Vec<String> {
    let unsuccessful: Vec<&Invocation> = known
        .invocations
        .values()
        .filter(|invocation| invocation.state() != InvocationState::Success)
        .collect();
    let mut lines: Vec<String> =
        unsuccessful.iter().take(NAMED_MAX).map(|invocation| target_line(invocation)).collect();
    if unsuccessful.len() > NAMED_MAX {
        lines.push(format!("and {} more", unsuccessful.len() - NAMED_MAX));
    }
    lines.push(whole_line(known, unsuccessful.first().copied()));
    lines
}

/// Said to somebody who leaves while the command runs on.
pub(crate) fn how_to_go_on(command_id: &str) -> String {
    let id = escape(command_id);
    format!(
        "command {id} goes on\n  follow it:  fleetwright command output --follow {id}\n  \
         cancel it:  fleetwright command cancel {id}"
    )
}

fn target_line(invocation: &Invocation) -> String {
    let name = if invocation.node_name.is_empty() { &invocation.node_id } else { &invocation.node_name };
    let reason =
        invocation.reason.as_ref().map(|reason| reason.text.as_str()).filter(|text| !text.is_empty());
    let details = escape(&invocation.status_details);
    match reason {
        Some(reason) => format!("{}: {details}: {}", escape(name), escape(reason)),
        None => format!("{}: {details}", escape(name)),
    }
}

/// `command ID: Success, 3 of 3 succeeded in 1.2 s`
fn whole_line(known: &Known, unsuccessful: Option<&Invocation>) -> String {
    let command = &known.command;
    let id = escape(&command.command_id);
    let count = |state| known.invocations.values().filter(|invocation| invocation.state() == state).count();
    let succeeded = count(InvocationState::Success);
    let mut line = format!(
        "command {id}: {}, {succeeded} of {} succeeded",
        escape(&command.status_details),
        known.targets()
    );
    let others = [
        (InvocationState::Failed, "failed"),
        (InvocationState::TimedOut, "timed out"),
        (InvocationState::Cancelled, "cancelled"),
    ];
    for (state, word) in others {
        match count(state) {
            0 => {}
            many => line.push_str(&format!(", {many} {word}")),
        }
    }
    if command.finished_ms > command.requested_ms {
        let millis = command.finished_ms.abs_diff(command.requested_ms);
        line.push_str(&format!(" in {}", took(Duration::from_millis(millis))));
    }
    match unsuccessful {
        Some(invocation) => {
            line.push_str(&format!("\n  why:  fleetwright why {id} {}", escape(&invocation.node_id)));
        }
        None if known.invocations.is_empty() => line.push_str(&format!("\n  why:  fleetwright why {id}")),
        None => {}
    }
    line
}
