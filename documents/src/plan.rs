//! What each step of a document will do on a host: the decision table of the reference, section 1.8.
//!
//! A plan is made once, before the first step. What depends on the results of earlier steps is [`crate::flow`]'s.

use std::time::Duration;

use serde_json::Value;

use crate::action::{Action, Platform};
use crate::bind::Bound;
use crate::document::{Document, Step};
use crate::flow::{OnFailure, OnSuccess, StepFlow};
use crate::inputs::{self, StepInputs};
use crate::script;
use crate::substitute;

/// What a plan must know of the host.
#[derive(Clone, Copy)]
pub struct HostTraits<'a> {
    pub platform: Platform,
    /// Whether the agent has a handler for the action.
    pub supports: &'a dyn Fn(&Action) -> bool,
}

impl std::fmt::Debug for HostTraits<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostTraits").field("platform", &self.platform).finish_non_exhaustive()
    }
}

/// The steps of a document on one host, in the order in which they run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub platform: Platform,
    pub steps: Vec<PlannedStep>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PlannedStep {
    pub name: String,
    pub action: Action,
    pub decision: Decision,
    /// How long the step's process may run.
    pub timeout: Duration,
    pub flow: StepFlow,
}

#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are as many as a document has steps, and most of them run"
)]
pub enum Decision {
    Run(StepInputs),
    Skip { reason: SkipReason },
    Fail { reason: FailReason },
}

/// Why a step does not run and is no failure. Displayed in the step's result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    #[error("{action} does not exist on {platform}")]
    OtherPlatform { action: Action, platform: Platform },
    #[error("unsatisfied preconditions")]
    Precondition,
    #[error("step `{step}` asked for the end of the document")]
    ExitRequested { step: String },
    #[error("the command was cancelled")]
    Cancelled,
}

/// Why a step fails without having run. Displayed in the step's result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FailReason {
    #[error("{action} does not exist on {platform}; schema 2.2 would skip the step")]
    OtherPlatform { action: Action, platform: Platform },
    #[error("this agent cannot run {action}")]
    Unsupported { action: Action },
    #[error("preconditions are not supported prior to schema 2.2")]
    PreconditionTooNew,
    #[error("the inputs of {action} cannot be used: {why}")]
    BadInputs { action: Action, why: String },
}

impl Document {
    /// What each step will do on such a host.
    #[must_use]
    pub fn plan(&self, bound: &Bound, host: &HostTraits<'_>) -> Plan {
        let last = self.steps.len().saturating_sub(1);
        let steps = self
            .steps
            .iter()
            .enumerate()
            .map(|(index, step)| {
                let filled = substitute::value(&step.inputs, &|name| bound.get(name));
                let mut flow = step_flow(&filled);
                flow.finally &= index == last;
                PlannedStep {
                    name: step.name.clone(),
                    action: step.action,
                    timeout: script::timeout(&filled),
                    decision: self.decide(step, &filled, bound, host),
                    flow,
                }
            })
            .collect();
        Plan { platform: host.platform, steps }
    }

    /// The sum of the time-outs of all steps; a step without one counts 3600 seconds (reference, section 3.3).
    #[must_use]
    pub fn execution_timeout(&self, bound: &Bound) -> Duration {
        self.steps
            .iter()
            .map(|step| script::timeout(&substitute::value(&step.inputs, &|name| bound.get(name))))
            .sum()
    }

    fn decide(&self, step: &Step, filled: &Value, bound: &Bound, host: &HostTraits<'_>) -> Decision {
        let (action, platform) = (step.action, host.platform);
        let modern = self.schema.has_preconditions();
        let fail = |reason| Decision::Fail { reason };
        if !action.exists_on(platform) {
            return if modern {
                Decision::Skip { reason: SkipReason::OtherPlatform { action, platform } }
            } else {
                fail(FailReason::OtherPlatform { action, platform })
            };
        }
        if let Some(precondition) = &step.precondition {
            if !modern {
                return fail(FailReason::PreconditionTooNew);
            }
            if !precondition.holds(platform, &|name| bound.get(name)) {
                return Decision::Skip { reason: SkipReason::Precondition };
            }
        }
        if !(host.supports)(&action) {
            return fail(FailReason::Unsupported { action });
        }
        let inputs = if action.is_script() {
            script::inputs(action, self, bound, &step.inputs).map(StepInputs::RunScript)
        } else {
            let settings = substitute::value(&step.settings, &|name| bound.get(name));
            inputs::bound(action, filled, &settings).map(|inputs| match inputs {
                StepInputs::DownloadContent(download) => {
                    StepInputs::DownloadContent(download.opened(&|reference| bound.opened(reference)))
                }
                other => other,
            })
        };
        match inputs {
            Ok(inputs) => Decision::Run(inputs),
            Err(why) => fail(FailReason::BadInputs { action, why }),
        }
    }
}

/// Values are compared literally; anything else has no effect (reference, section 1.10).
fn step_flow(inputs: &Value) -> StepFlow {
    let text = |key: &str| script::input(inputs, key).map(substitute::embedded);
    StepFlow {
        on_failure: match text("onFailure").as_deref() {
            Some("exit") => OnFailure::Exit,
            Some("successAndExit") => OnFailure::SuccessAndExit,
            _ => OnFailure::Continue,
        },
        on_success: match text("onSuccess").as_deref() {
            Some("exit") => OnSuccess::Exit,
            _ => OnSuccess::Continue,
        },
        finally: text("finallyStep").as_deref() == Some("true"),
    }
}
