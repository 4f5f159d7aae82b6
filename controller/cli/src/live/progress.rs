//! One line on stderr that says how far a command is, drawn over and over in the same place. Only on a terminal.

use fleetwright_proto::control::{Invocation, InvocationState};

use super::{Known, is_final};
use crate::escape::escape;
use crate::io::Io;

#[derive(Debug)]
pub(super) struct Progress {
    enabled: bool,
    drawn: bool,
}

impl Progress {
    pub(super) fn new(io: &Io) -> Self {
        Self { enabled: io.terminals.stderr, drawn: false }
    }

    pub(super) fn draw(&mut self, io: &mut Io, known: &Known) {
        if !self.enabled {
            return;
        }
        let width = usize::from(io.width.unwrap_or(80)).saturating_sub(1);
        let text: String = line(known).chars().take(width).collect();
        let _ = write!(io.stderr, "\r\x1b[2K{text}");
        let _ = io.stderr.flush();
        self.drawn = true;
    }

    /// Makes room for a line of output.
    pub(super) fn clear(&mut self, io: &mut Io) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(io.stderr, "\r\x1b[2K");
            let _ = io.stderr.flush();
        }
    }
}

/// `3 of 10 finished, 1 not successful; waiting for web-1, web-2`
pub(super) fn line(known: &Known) -> String {
    let states = known.invocations.values().map(Invocation::state);
    let finished = states.clone().filter(|state| is_final(*state)).count();
    let unsuccessful = states.filter(|state| is_final(*state) && *state != InvocationState::Success).count();
    let mut line = format!("{finished} of {} finished", known.targets());
    if unsuccessful > 0 {
        line.push_str(&format!(", {unsuccessful} not successful"));
    }
    let mut waiting = known.invocations.values().filter(|invocation| !is_final(invocation.state()));
    if let Some(first) = waiting.next() {
        let name = if first.node_name.is_empty() { &first.node_id } else { &first.node_name };
        line.push_str(&format!("; waiting for {} ({})", escape(name), escape(&first.status_details)));
    }
    match waiting.count() {
        0 => {}
        more => line.push_str(&format!(" and {more} more")),
    }
    line
}
