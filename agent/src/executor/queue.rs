//! Which commands wait and which run. Pure bookkeeping; whoever begins a command runs it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fleetwright_proto::ids::CommandId;
use tokio_util::sync::CancellationToken;

use super::Load;

/// How a running command is told to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop {
    pub(super) token: CancellationToken,
    interrupted: Arc<AtomicBool>,
}

impl Stop {
    /// Whether the agent's own end is the reason, and not the wish of an operator.
    pub(super) fn is_interruption(&self) -> bool {
        self.interrupted.load(Ordering::Acquire)
    }

    pub(super) fn stopped_by(&self) -> StoppedBy {
        if self.is_interruption() { StoppedBy::Agent } else { StoppedBy::Operator }
    }
}

/// Who wanted a stopped step to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoppedBy {
    Agent,
    Operator,
}

#[derive(Debug)]
pub(super) struct Queue {
    workers: usize,
    waiting: VecDeque<CommandId>,
    running: HashMap<CommandId, Running>,
    intake: Intake,
}

#[derive(Debug)]
struct Running {
    stop: Stop,
    /// Of the host, or of the agent by another build.
    wants_restart: bool,
}

impl Running {
    fn interrupt(&self) {
        self.stop.interrupted.store(true, Ordering::Release);
        self.stop.token.cancel();
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Intake {
    Open,
    /// The agent stops: nothing begins any more.
    Closed,
}

/// Where a cancelled command was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is out of the queue now.
    Waiting,
    Running,
    Nowhere,
}

impl Queue {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            workers: workers.max(1),
            waiting: VecDeque::new(),
            running: HashMap::new(),
            intake: Intake::Open,
        }
    }

    pub(super) fn push(&mut self, command: CommandId) {
        self.waiting.push_back(command);
    }

    /// Puts a command back that was taken out in vain.
    pub(super) fn push_front(&mut self, command: CommandId) {
        self.waiting.push_front(command);
    }

    /// The next command if a worker is free, which is its from now on.
    pub(super) fn begin_next(&mut self) -> Option<(CommandId, Stop)> {
        let restart_wanted = self.running.values().any(|running| running.wants_restart);
        if self.intake == Intake::Closed || restart_wanted || self.running.len() >= self.workers {
            return None;
        }
        let command = self.waiting.pop_front()?;
        let stop = Stop::default();
        self.running.insert(command.clone(), Running { stop: stop.clone(), wants_restart: false });
        Some((command, stop))
    }

    pub(super) fn end(&mut self, command: &CommandId) {
        self.running.remove(command);
    }

    /// Takes a waiting command out, or finds it running.
    pub(super) fn take_waiting(&mut self, command: &CommandId) -> Found {
        if let Some(at) = self.waiting.iter().position(|waiting| waiting == command) {
            self.waiting.remove(at);
            return Found::Waiting;
        }
        if self.running.contains_key(command) { Found::Running } else { Found::Nowhere }
    }

    pub(super) fn cancel(&self, command: &CommandId) {
        if let Some(running) = self.running.get(command) {
            running.stop.token.cancel();
        }
    }

    pub(super) fn interrupt_all(&self) {
        self.running.values().for_each(Running::interrupt);
    }

    pub(super) fn close(&mut self) {
        self.intake = Intake::Closed;
        // Who only waits for a restart of the host or the agent has nothing to come to an end with.
        self.running.values().filter(|running| running.wants_restart).for_each(Running::interrupt);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.intake == Intake::Closed
    }

    pub(super) fn want_restart(&mut self, command: &CommandId, wants_restart: bool) {
        if let Some(running) = self.running.get_mut(command) {
            running.wants_restart = wants_restart;
            if wants_restart && self.intake == Intake::Closed {
                running.interrupt();
            }
        }
    }

    /// Whether everybody who runs waits for a restart of the host or the agent.
    pub(super) fn may_reboot(&self) -> bool {
        self.running.values().all(|running| running.wants_restart)
    }

    pub(super) fn is_waiting(&self, command: &CommandId) -> bool {
        self.waiting.contains(command)
    }

    pub(super) fn load(&self) -> Load {
        Load { waiting: self.waiting.len(), running: self.running.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_only_waits_for_a_restart_holds_up_none() {
        for waits_first in [true, false] {
            let (mut queue, command) = (Queue::new(1), CommandId::random());
            queue.push(command.clone());
            let (_, stop) = queue.begin_next().unwrap();
            if waits_first {
                queue.want_restart(&command, true);
                assert!(!stop.token.is_cancelled() && queue.may_reboot());
                queue.close();
            } else {
                queue.close();
                assert!(!stop.token.is_cancelled());
                queue.want_restart(&command, true);
            }
            assert!(stop.token.is_cancelled() && stop.is_interruption(), "waits first: {waits_first}");
        }
    }
}
