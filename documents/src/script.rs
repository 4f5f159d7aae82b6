//! The inputs of `aws:runShellScript` and `aws:runPowerShellScript` (reference, section 2.4), parameters filled in; and
//! of `fleetwright:runCmdScript`, which is the same for hosts and scripts of Windows without PowerShell.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::action::Action;
use crate::bind::Bound;
use crate::document::{Document, Interpolation};
use crate::substitute;

/// For a step that says nothing, or nothing usable.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);

/// What runs a script's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interpreter {
    /// `sh`, unless the first line names another.
    Shell,
    PowerShell,
    /// The command prompt of Windows.
    Cmd,
}

impl Interpreter {
    fn of(action: Action) -> Self {
        match action {
            Action::RunPowerShellScript => Self::PowerShell,
            Action::RunCmdScript => Self::Cmd,
            _ => Self::Shell,
        }
    }
}

/// Before a script for [`Interpreter::Cmd`] that refers to variables: such references are not read as a part of the
/// line, whatever stands in the variable.
const CMD_VARIABLES: &str = "@setlocal EnableDelayedExpansion";

/// A script as the agent runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptInputs {
    pub interpreter: Interpreter,
    /// To be joined with line feeds, and one at the end.
    pub lines: Vec<String>,
    /// Absolute, or relative to where content is downloaded. None when the document leaves it empty.
    pub working_directory: Option<String>,
    pub timeout: Duration,
    /// The `environment` input and `SSM_<name>` for the parameters.
    pub environment: BTreeMap<String, String>,
}

/// A time-out in seconds from 5 to 172,800; thousands may be separated by commas. None for anything else.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let seconds: f64 = text.trim().replace(',', "").parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
    (5.0..=172_800.0).contains(&seconds).then_some(seconds as u64)
}

/// The value of an input, by its name without regard to case; of several spellings the last in the map counts.
pub(crate) fn input<'i>(inputs: &'i Value, key: &str) -> Option<&'i Value> {
    inputs.as_object()?.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
}

/// The time-out that inputs ask for, parameters filled in already.
pub(crate) fn timeout(inputs: &Value) -> Duration {
    input(inputs, "timeoutSeconds")
        .and_then(|value| seconds(&substitute::embedded(value)))
        .map_or(DEFAULT_TIMEOUT, Duration::from_secs)
}

/// The script of a step, or in one line why there is none.
pub(crate) fn inputs(
    action: Action,
    document: &Document,
    bound: &Bound,
    inputs: &Value,
) -> Result<ScriptInputs, String> {
    let lookup = |name: &str| bound.get(name);
    let interpreter = Interpreter::of(action);
    let variables = variable_references(interpreter, document);
    let in_script = |name: &str| variables.get(name).or_else(|| bound.get(name));
    let command = input(inputs, "runCommand").ok_or("it has no runCommand")?;
    let filled = substitute::value(inputs, &lookup);
    let mut lines = lines(&substitute::value(command, &in_script))?;
    if interpreter == Interpreter::Cmd && !variables.is_empty() {
        lines.insert(0, CMD_VARIABLES.to_owned());
    }
    Ok(ScriptInputs {
        interpreter,
        lines,
        working_directory: match input(&filled, "workingDirectory") {
            Some(Value::String(path)) if !path.is_empty() => Some(path.clone()),
            _ => None,
        },
        timeout: timeout(&filled),
        environment: environment(document, bound, input(&filled, "environment"))?,
    })
}

pub(crate) fn lines(command: &Value) -> Result<Vec<String>, String> {
    match command {
        Value::Array(items) => items
            .iter()
            .map(|item| match item {
                Value::Null => Ok(String::new()),
                Value::Array(_) | Value::Object(_) => Err("a line of runCommand is a list or map".to_owned()),
                scalar => Ok(substitute::embedded(scalar)),
            })
            .collect(),
        Value::String(text) => Ok(vec![text.clone()]),
        _ => Err("runCommand is no list of lines".to_owned()),
    }
}

/// For each parameter with `interpolationType: ENV_VAR`, what its token becomes in a script (reference, 1.13).
fn variable_references(interpreter: Interpreter, document: &Document) -> BTreeMap<String, Value> {
    document
        .parameters
        .iter()
        .filter(|parameter| parameter.interpolation == Interpolation::Environment)
        .map(|parameter| {
            let name = &parameter.name;
            let reference = match interpreter {
                Interpreter::Shell => format!("${{SSM_{name}}}"),
                Interpreter::PowerShell => format!("${{env:SSM_{name}}}"),
                Interpreter::Cmd => format!("!SSM_{name}!"),
            };
            (name.clone(), Value::String(reference))
        })
        .collect()
}

/// `SSM_<name>` for every scalar parameter and every ENV_VAR one, the step's own variables over them.
fn environment(
    document: &Document,
    bound: &Bound,
    own: Option<&Value>,
) -> Result<BTreeMap<String, String>, String> {
    let mut environment = BTreeMap::new();
    for parameter in &document.parameters {
        let Some(value) = bound.get(&parameter.name) else { continue };
        let is_scalar = !value.is_array() && !value.is_object() && !value.is_null();
        if (is_scalar || parameter.interpolation == Interpolation::Environment)
            && is_variable(&parameter.name)
        {
            environment.insert(format!("SSM_{}", parameter.name), substitute::embedded(value));
        }
    }
    let empty = Map::new();
    let own = match own {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(own)) => own,
        Some(_) => return Err("environment is no map".to_owned()),
    };
    for (name, value) in own {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err("environment has a variable whose name cannot be one".to_owned());
        }
        environment.insert(name.clone(), substitute::embedded(value));
    }
    Ok(environment)
}

fn is_variable(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
