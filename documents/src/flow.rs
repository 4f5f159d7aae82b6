//! Which step comes next, what a process's end means, and what the document's status is (reference, 1.10 and 2.3).
//!
//! ```text
//!            ┌────────────── Run(i) ──► outcome of i ───────────┐
//! results ──►│ Skip(i) / Fail(i): outcome without a process ────┼──► results ──► … ──► Done(verdict)
//!            └ RebootThen(i): the host restarts, i runs again ──┘
//! ```
//!
//! The decision is recomputed from the stored results before every step, so it is the same after a restart of the
//! agent. After a reboot the caller takes the outcome that asked for it out of the results.

use crate::action::Platform;
use crate::plan::{Decision, FailReason, Plan, SkipReason};

/// A script's way to end its document with success, or with failure.
const EXIT_WITH_SUCCESS: i32 = 168;
const EXIT_WITH_FAILURE: i32 = 169;
/// What a shell reports for a child that was killed.
const KILLED: i32 = 137;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    #[default]
    Continue,
    Exit,
    /// The failure counts as success, and the document ends.
    SuccessAndExit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnSuccess {
    #[default]
    Continue,
    Exit,
}

/// What a step's result means for the steps after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepFlow {
    pub on_failure: OnFailure,
    pub on_success: OnSuccess,
    /// The step runs although an earlier one asked for the end. Set on a last step only.
    pub finally: bool,
}

/// The status of a step that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepStatus {
    Success,
    /// It asked for a reboot, after which it runs again.
    SuccessAndReboot,
    Failed,
    TimedOut,
    Cancelled,
    Skipped,
    /// The agent or the host stopped in the middle of it.
    Interrupted,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StepOutcome {
    pub status: StepStatus,
    /// SSM's response code: the exit code, or what stands for it.
    pub code: i32,
}

/// How a step's process ended, before any meaning is given to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProcessEnd {
    Exited(i32),
    /// By a signal that the agent did not send.
    Killed {
        signal: i32,
    },
    /// Killed by the agent, at the step's time-out.
    TimedOut,
    /// Killed by the agent, because the command was cancelled.
    Cancelled,
    /// There never was a process.
    NotStarted,
    /// The agent or the host stopped, and nobody saw the end.
    Interrupted,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Run(usize),
    /// Record the step as skipped, or as cancelled when the command was.
    Skip(usize, SkipReason),
    /// Record the step as failed without running it.
    Fail(usize, FailReason),
    /// Restart the host, then run this step again.
    RebootThen(usize),
    Done(Verdict),
}

/// The status of a document that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    Success,
    Failed,
    TimedOut,
    Cancelled,
    Interrupted,
}

impl StepOutcome {
    /// A step that was skipped: code 0, and cancelled when the command was.
    #[must_use]
    pub fn skipped(reason: &SkipReason) -> Self {
        match reason {
            SkipReason::Cancelled => Self { status: StepStatus::Cancelled, code: 1 },
            _ => Self { status: StepStatus::Skipped, code: 0 },
        }
    }

    /// A step that failed before it could run.
    #[must_use]
    pub fn failed() -> Self {
        Self { status: StepStatus::Failed, code: 1 }
    }

    /// What the end of a step's process means.
    #[must_use]
    pub fn of_process(end: ProcessEnd, platform: Platform, flow: StepFlow) -> Self {
        let outcome = match end {
            ProcessEnd::Exited(code) => exited(code, platform),
            ProcessEnd::Killed { .. } => Self { status: StepStatus::Failed, code: -1 },
            ProcessEnd::TimedOut => Self { status: StepStatus::TimedOut, code: stopped_code(platform) },
            ProcessEnd::Cancelled => Self { status: StepStatus::Cancelled, code: stopped_code(platform) },
            ProcessEnd::NotStarted => Self::failed(),
            ProcessEnd::Interrupted => Self { status: StepStatus::Interrupted, code: -1 },
        };
        if outcome.status == StepStatus::Failed && flow.on_failure == OnFailure::SuccessAndExit {
            return Self { status: StepStatus::Success, code: EXIT_WITH_SUCCESS };
        }
        outcome
    }

    /// Whether the steps after it are to be skipped.
    fn asks_for_exit(self, flow: StepFlow) -> bool {
        match self.status {
            StepStatus::Success => self.code == EXIT_WITH_SUCCESS || flow.on_success == OnSuccess::Exit,
            StepStatus::Failed => self.code == EXIT_WITH_FAILURE || flow.on_failure == OnFailure::Exit,
            _ => false,
        }
    }
}

/// The reference, section 2.3.
fn exited(code: i32, platform: Platform) -> StepOutcome {
    let status = match (code, platform) {
        (0 | EXIT_WITH_SUCCESS, _) => StepStatus::Success,
        (194, Platform::Linux | Platform::MacOs) | (3010, Platform::Windows) => StepStatus::SuccessAndReboot,
        (KILLED, Platform::Linux | Platform::MacOs) | (-1, Platform::Windows) => StepStatus::TimedOut,
        _ => StepStatus::Failed,
    };
    StepOutcome { status, code }
}

/// The code of a process that the agent stopped.
fn stopped_code(platform: Platform) -> i32 {
    if platform == Platform::Windows { -1 } else { KILLED }
}

/// The next thing to do. `results` has one place for each step of the plan, in order.
#[must_use]
pub fn next(plan: &Plan, results: &[Option<StepOutcome>]) -> Next {
    let mut exit_asked_by = None;
    let mut cancelled = false;
    for (index, step) in plan.steps.iter().enumerate() {
        let Some(outcome) = results.get(index).copied().flatten() else {
            if cancelled {
                return Next::Skip(index, SkipReason::Cancelled);
            }
            if let Some(step) = exit_asked_by.filter(|_| !step.flow.finally) {
                return Next::Skip(index, SkipReason::ExitRequested { step });
            }
            return match &step.decision {
                Decision::Run(_) => Next::Run(index),
                Decision::Skip { reason } => Next::Skip(index, reason.clone()),
                Decision::Fail { reason } => Next::Fail(index, reason.clone()),
            };
        };
        match outcome.status {
            StepStatus::SuccessAndReboot => return Next::RebootThen(index),
            StepStatus::Interrupted => return Next::Done(Verdict::Interrupted),
            StepStatus::Cancelled => cancelled = true,
            _ => {}
        }
        if exit_asked_by.is_none() && outcome.asks_for_exit(step.flow) {
            exit_asked_by = Some(step.name.clone());
        }
    }
    Next::Done(verdict(results))
}

/// The document's status from those of its steps: the first rule that holds (reference, section 1.10).
fn verdict(results: &[Option<StepOutcome>]) -> Verdict {
    let any = |status| results.iter().flatten().any(|outcome| outcome.status == status);
    if any(StepStatus::Failed) {
        Verdict::Failed
    } else if any(StepStatus::TimedOut) {
        Verdict::TimedOut
    } else if any(StepStatus::Cancelled) {
        Verdict::Cancelled
    } else {
        Verdict::Success
    }
}
