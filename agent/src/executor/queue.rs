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
    wants_reboot: bool,
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
        let reboot_wanted = self.running.values().any(|running| running.wants_reboot);
        if self.intake == Intake::Closed || reboot_wanted || self.running.len() >= self.workers {
            return None;
        }
        let command = self.waiting.pop_front()?;
        let stop = Stop::default();
        self.running.insert(command.clone(), Running { stop: stop.clone(), wants_reboot: false });
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
        for running in self.running.values() {
            running.stop.interrupted.store(true, Ordering::Release);
            running.stop.token.cancel();
        }
    }

    pub(super) fn close(&mut self) {
        self.intake = Intake::Closed;
        // Who only waits for a reboot has nothing to come to an end with.
        for running in self.running.values().filter(|running| running.wants_reboot) {
            running.stop.interrupted.store(true, Ordering::Release);
            running.stop.token.cancel();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.intake == Intake::Closed
    }

    pub(super) fn want_reboot(&mut self, command: &CommandId, wants_reboot: bool) {
        if let Some(running) = self.running.get_mut(command) {
            running.wants_reboot = wants_reboot;
        }
    }

    /// Whether everybody who runs waits for the reboot.
    pub(super) fn may_reboot(&self) -> bool {
        self.running.values().all(|running| running.wants_reboot)
    }

    pub(super) fn is_waiting(&self, command: &CommandId) -> bool {
        self.waiting.contains(command)
    }

    pub(super) fn load(&self) -> Load {
        Load { waiting: self.waiting.len(), running: self.running.len() }
    }
}
