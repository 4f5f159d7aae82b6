//! What only Automation documents have (reference, section 8): attributes of steps, variables, outputs.

use serde_json::Value;

use super::ParameterType;

/// The parts of an Automation document beside its parameters and steps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Runbook {
    /// An ARN, or a reference to a parameter.
    pub assume_role: Option<String>,
    pub variables: Vec<Variable>,
    /// `step.Output`, in the order of the text.
    pub outputs: Vec<String>,
    /// Names of attached files.
    pub files: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    pub name: String,
    pub value_type: ParameterType,
    pub default: Option<Value>,
}

/// How a step of an Automation document goes on (reference, section 8.2). Numbers may still be references, and are
/// none here then.
#[derive(Debug, Clone, PartialEq)]
pub struct RunbookStep {
    pub max_attempts: Option<u32>,
    pub timeout_seconds: Option<u64>,
    pub on_failure: Otherwise,
    pub on_cancel: Otherwise,
    /// None when the document does not say: then a failure counts unless `onFailure` is `Continue`.
    pub is_critical: Option<bool>,
    pub is_end: bool,
    pub next_step: Option<String>,
    pub outputs: Vec<StepOutput>,
}

impl RunbookStep {
    /// Whether a failure of the step fails the execution.
    #[must_use]
    pub fn counts_as_critical(&self) -> bool {
        self.is_critical.unwrap_or(self.on_failure != Otherwise::Continue)
    }
}

/// Where an execution goes when a step fails or is cancelled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Otherwise {
    #[default]
    Abort,
    Continue,
    /// The chain that begins at this step.
    Step(String),
}

/// A value that a step takes out of its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOutput {
    pub name: String,
    /// A JSONPath, for example `$.Reservations[0].ReservationId`.
    pub selector: String,
    pub value_type: ParameterType,
}
