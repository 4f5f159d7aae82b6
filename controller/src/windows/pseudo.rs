//! Pseudo-parameters: what a task's parameters may say about the window in which they are used (reference,
//! section 9.6). Pure.

use std::collections::BTreeMap;

use super::fault::WindowError;
use super::ids::{ExecutionId, InvocationId, TargetId, TaskId, TaskRunId, WindowId};
use super::records::{ResourceType, Work};

/// What stands for the tokens.
#[derive(Debug, Clone)]
pub struct Values<'a> {
    pub window: &'a WindowId,
    pub task: &'a TaskId,
    pub target: Option<&'a TargetId>,
    pub target_type: ResourceType,
    pub execution: &'a ExecutionId,
    pub task_run: &'a TaskRunId,
    pub invocation: &'a InvocationId,
}

/// Tokens that a command cannot have: its nodes are only known when it runs.
const NOT_FOR_COMMANDS: [&str; 2] = ["TARGET_ID", "RESOURCE_ID"];
const KNOWN: [&str; 9] = [
    "RESOURCE_ID",
    "TARGET_ID",
    "TARGET_TYPE",
    "WINDOW_ID",
    "WINDOW_TASK_ID",
    "WINDOW_TARGET_ID",
    "WINDOW_EXECUTION_ID",
    "TASK_EXECUTION_ID",
    "INVOCATION_ID",
];
/// A token that begins so and is not known is a slip, and not a placeholder of somebody else.
const OURS: [&str; 5] = ["RESOURCE_", "TARGET_", "WINDOW_", "TASK_", "INVOCATION_"];

/// Refuses tokens that mean nothing where they stand.
pub(super) fn check(work: &Work) -> Result<(), WindowError> {
    for (name, values) in work.parameters() {
        for token in values.iter().flat_map(|value| tokens(value)).map(|token| token.name) {
            if matches!(work, Work::RunCommand(_)) && NOT_FOR_COMMANDS.contains(&token) {
                return Err(super::check::wrong(format!(
                    "parameter {}: {{{{{token}}}}} is not for RUN_COMMAND tasks, whose nodes are known when they run",
                    super::check::shown(name)
                )));
            }
            if !KNOWN.contains(&token) && OURS.iter().any(|ours| token.starts_with(ours)) {
                return Err(super::check::wrong(format!(
                    "parameter {}: {{{{{token}}}}} is not a pseudo-parameter: {} are",
                    super::check::shown(name),
                    KNOWN.join(", ")
                )));
            }
        }
    }
    Ok(())
}

/// The parameters with what their tokens stand for.
#[must_use]
pub fn fill(
    parameters: &BTreeMap<String, Vec<String>>,
    values: &Values<'_>,
) -> BTreeMap<String, Vec<String>> {
    let fill = |text: &String| {
        let mut filled = String::with_capacity(text.len());
        let mut done = 0;
        for token in tokens(text) {
            let Some(value) = values.of(token.name) else { continue };
            filled.push_str(&text[done..token.start]);
            filled.push_str(value);
            done = token.end;
        }
        filled.push_str(&text[done..]);
        filled
    };
    parameters.iter().map(|(name, texts)| (name.clone(), texts.iter().map(fill).collect())).collect()
}

impl Values<'_> {
    fn of(&self, token: &str) -> Option<&str> {
        Some(match token {
            "WINDOW_ID" => self.window.as_str(),
            "WINDOW_TASK_ID" => self.task.as_str(),
            "WINDOW_TARGET_ID" => self.target.map_or("", TargetId::as_str),
            "TARGET_TYPE" => self.target_type.name(),
            "WINDOW_EXECUTION_ID" => self.execution.as_str(),
            "TASK_EXECUTION_ID" => self.task_run.as_str(),
            "INVOCATION_ID" => self.invocation.as_str(),
            _ => return None,
        })
    }
}

struct Token<'a> {
    name: &'a str,
    start: usize,
    end: usize,
}

/// Every `{{NAME}}` of capitals and underscores, with blanks inside or not.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("{{") {
        let start = from + at;
        let Some(length) = text[start + 2..].find("}}") else { break };
        let name = text[start + 2..start + 2 + length].trim();
        if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
            found.push(Token { name, start, end: start + 4 + length });
            from = start + 4 + length;
        } else {
            from = start + 2;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::records::RunCommand;

    fn parameters(text: &str) -> BTreeMap<String, Vec<String>> {
        BTreeMap::from([("commands".to_owned(), vec![text.to_owned()])])
    }

    #[test]
    fn tokens_are_filled_and_other_text_stays() {
        let (window, task) = ("mw-0123456789abcdef0".parse().unwrap(), TaskId::random());
        let execution = ExecutionId::of(&window, fleetwright_proto::clock::Timestamp::from_millis(1));
        let run = TaskRunId::of(&execution, &task);
        let invocation = InvocationId::of(&run, 0);
        let values = Values {
            window: &window,
            task: &task,
            target: None,
            target_type: ResourceType::Instance,
            execution: &execution,
            task_run: &run,
            invocation: &invocation,
        };
        for (text, expected) in [
            ("echo {{WINDOW_ID}}", "echo mw-0123456789abcdef0".to_owned()),
            ("{{ WINDOW_EXECUTION_ID }}{{TARGET_TYPE}}", format!("{execution}INSTANCE")),
            ("{{ commands }} {{ssm:x}} {{WINDOW_ID", "{{ commands }} {{ssm:x}} {{WINDOW_ID".to_owned()),
            ("{{{{WINDOW_ID}}}}", "{{mw-0123456789abcdef0}}".to_owned()),
            ("größe {{WINDOW_ID}} ü", "größe mw-0123456789abcdef0 ü".to_owned()),
        ] {
            assert_eq!(fill(&parameters(text), &values)["commands"], [expected], "{text}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let check = |text: &str| {
            let run = RunCommand { parameters: parameters(text), ..RunCommand::default() };
            super::check(&Work::RunCommand(run)).map_err(|error| error.message)
        };
        assert!(check("{{WINDOW_ID}} {{OTHER}} {{ x }}").is_ok());
        assert!(check("{{TARGET_ID}}").unwrap_err().contains("not for RUN_COMMAND"));
        assert!(check("{{WINDOW_IDENTITY}}").unwrap_err().contains("not a pseudo-parameter"));
    }
}
