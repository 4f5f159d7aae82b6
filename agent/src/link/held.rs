//! Answers to deliveries that are held back for a moment: most commands are over by then, and their final report says
//! that they were accepted as well. One message, and one commit at the controller, instead of three.
//!
//! Held is only what is journaled already. When the connection ends it is forgotten: the controller delivers again and
//! hears of a duplicate.

use std::collections::HashMap;
use std::time::Duration;

use fleetwright_proto::ids::CommandId;
use tokio::time::Instant;

/// For the answer and for progress: long enough for a script that does little on a busy host, short enough for
/// whoever watches.
const HOLD: Duration = Duration::from_secs(1);
/// For a little output, which somebody may be waiting for: too short for a person to notice.
const HOLD_OUTPUT: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(super) struct Held {
    answers: HashMap<CommandId, Answer>,
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    seq: u64,
    since: Instant,
}

impl Answer {
    fn until(self) -> Instant {
        self.since + HOLD
    }

    fn output_until(self) -> Instant {
        self.since + HOLD_OUTPUT
    }
}

impl Held {
    pub(super) fn hold(&mut self, command: CommandId, seq: u64, now: Instant) {
        self.answers.insert(command, Answer { seq, since: now });
    }

    pub(super) fn holds(&self, command: &CommandId) -> bool {
        self.answers.contains_key(command)
    }

    /// Whether a little output of the command is not sent yet.
    pub(super) fn holds_output(&self, command: &CommandId, now: Instant) -> bool {
        self.answers.get(command).is_some_and(|answer| now < answer.output_until())
    }

    /// The delivery whose answer is held no longer.
    pub(super) fn release(&mut self, command: &CommandId) -> Option<u64> {
        self.answers.remove(command).map(|answer| answer.seq)
    }

    /// The deliveries whose time is over, oldest first.
    pub(super) fn release_due(&mut self, now: Instant) -> Vec<u64> {
        let mut due: Vec<_> = self
            .answers
            .extract_if(|_, answer| answer.until() <= now)
            .map(|(_, answer)| answer.seq)
            .collect();
        due.sort_unstable();
        due
    }

    /// When something of what is held at `now` is to be looked at again.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let moments = self.answers.values().flat_map(|answer| [answer.output_until(), answer.until()]);
        moments.filter(|moment| *moment > now).min().or_else(|| self.answers.values().next().map(|_| now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_given_once() {
        let (mut held, now) = (Held::default(), Instant::now());
        let [first, second, third] = [(); 3].map(|()| CommandId::random());
        held.hold(second.clone(), 8, now);
        held.hold(first.clone(), 7, now);
        held.hold(third.clone(), 9, now + HOLD);
        assert!(held.holds(&first) && held.holds_output(&first, now));
        assert!(!held.holds_output(&first, now + HOLD_OUTPUT));
        assert_eq!(held.next_due(now), Some(now + HOLD_OUTPUT));
        assert_eq!(held.next_due(now + HOLD_OUTPUT), Some(now + HOLD));
        assert!(held.release_due(now).is_empty());
        assert_eq!(held.release_due(now + HOLD), [7, 8]);
        assert_eq!((held.holds(&first), held.release(&first)), (false, None));
        assert_eq!(held.next_due(now + 3 * HOLD), Some(now + 3 * HOLD), "what is overdue is due");
        assert_eq!((held.release(&third), held.next_due(now)), (Some(9), None));
    }
}
