//! The inputs of Automation actions: what must be there, and the few values that are a closed set (reference, 8.3, 8.4).

use super::{Check, Entry, find_input, start_of};
use crate::action::Action;
use crate::problems::{Path, nearest, shown};
use crate::substitute;
use crate::tree::Node;

/// What an action cannot do without. Of the names in one group, one is needed.
fn required(action: Action) -> &'static [&'static [&'static str]] {
    match action {
        Action::Approve => &[&["Approvers", "EnhancedApprovals"]],
        Action::AssertAwsResourceProperty | Action::WaitForAwsResourceProperty => {
            &[&["Service"], &["Api"], &["PropertySelector"], &["DesiredValues"]]
        }
        Action::Branch => &[&["Choices"]],
        Action::ChangeInstanceState => &[&["InstanceIds"], &["DesiredState"]],
        Action::CopyImage => &[&["SourceImageId"], &["SourceRegion"], &["ImageName"]],
        Action::CreateImage => &[&["InstanceId"], &["ImageName"]],
        Action::CreateStack | Action::DeleteStack => &[&["StackName"]],
        Action::CreateTags => &[&["ResourceIds"], &["Tags"]],
        Action::DeleteImage => &[&["ImageId"]],
        Action::ExecuteAutomation | Action::RunCommand => &[&["DocumentName"]],
        Action::ExecuteAwsApi => &[&["Service"], &["Api"]],
        Action::ExecuteScript => &[&["Runtime"], &["Script", "Attachment"]],
        Action::ExecuteStateMachine => &[&["stateMachineArn"]],
        Action::InvokeLambdaFunction => &[&["FunctionName"]],
        Action::InvokeWebhook => &[&["IntegrationName"]],
        Action::Loop => &[&["Steps"], &["Iterators", "LoopCondition"]],
        Action::RunInstances => &[&["ImageId", "LaunchTemplate"]],
        Action::Sleep => &[&["Duration", "Timestamp"]],
        Action::UpdateVariable => &[&["Name"], &["Value"]],
        _ => &[],
    }
}

/// Pairs that exclude each other.
const EXCLUSIVE: [(Action, &str, &str); 2] =
    [(Action::Loop, "Iterators", "LoopCondition"), (Action::Sleep, "Duration", "Timestamp")];

const OPERATORS: [&str; 11] = [
    "StringEquals",
    "EqualsIgnoreCase",
    "StartsWith",
    "EndsWith",
    "Contains",
    "NumericEquals",
    "NumericGreater",
    "NumericLesser",
    "NumericGreaterOrEquals",
    "NumericLesserOrEquals",
    "BooleanEquals",
];

impl Check<'_, '_> {
    pub(super) fn runbook_inputs(
        &mut self,
        action: Action,
        inputs: Option<&Node>,
        step: &Node,
        path: &Path<'_>,
    ) {
        let entries = match inputs {
            Some(node) if !node.is_null() => match node.entries() {
                Some(entries) => entries,
                None => {
                    let message = format!("found {}", node.kind());
                    self.problems.error("wrong-type", &node.span, path, message, "write a map of inputs");
                    return;
                }
            },
            _ => &[],
        };
        for group in required(action) {
            if !group.iter().any(|key| find_input(entries, key).is_some()) {
                let span = inputs.filter(|node| !node.is_null()).map_or_else(|| start_of(step), start_of);
                let message = format!("{action} has no `{}`", group.join("` or `"));
                let help = format!("add `{}`", group[0]);
                self.problems.error("missing-input", &span, &path.key(group[0]), message, help);
            }
        }
        for (_, one, other) in EXCLUSIVE.iter().filter(|(of, ..)| *of == action) {
            if let (Some(_), Some(entry)) = (find_input(entries, one), find_input(entries, other)) {
                let message = format!("{action} has both `{one}` and `{other}`");
                self.problems.error(
                    "exclusive-inputs",
                    &entry.key_span,
                    &path.key(other),
                    message,
                    "remove one of them",
                );
            }
        }
        match action {
            Action::Branch => self.choices(entries, path),
            Action::Loop => self.inner_steps(entries, path),
            Action::ChangeInstanceState => self.desired_state(entries, path),
            Action::Sleep => self.duration(entries, path),
            _ => {}
        }
    }

    fn desired_state(&mut self, entries: &[Entry], path: &Path<'_>) {
        let Some(entry) = find_input(entries, "DesiredState") else { return };
        let text = entry.value.scalar().unwrap_or_default();
        if !["running", "stopped", "terminated"].contains(&text) && !text.contains("{{") {
            let message = format!("`{}` is no state of an instance", shown(text));
            let help = "use running, stopped or terminated";
            self.problems.error("bad-value", &entry.value.span, &path.key(&entry.key), message, help);
        }
    }

    fn duration(&mut self, entries: &[Entry], path: &Path<'_>) {
        let Some(entry) = find_input(entries, "Duration") else { return };
        let text = entry.value.scalar().unwrap_or_default();
        if !text.contains("{{") && !is_duration(text) {
            let message = format!("`{}` is no duration", shown(text));
            let help = "write it as in ISO 8601, for example PT10M for ten minutes";
            self.problems.error("bad-value", &entry.value.span, &path.key(&entry.key), message, help);
        }
    }

    /// SSM repeats at most a hundred times.
    fn max_iterations(&mut self, entries: &[Entry], path: &Path<'_>) {
        let Some(entry) = find_input(entries, "MaxIterations") else { return };
        let text = entry.value.scalar().unwrap_or_default();
        let count = text.trim().parse::<u32>().ok().filter(|count| (1..=100).contains(count));
        if !text.contains("{{") && count.is_none() {
            let message = format!("`{}` is no count of iterations", shown(text));
            let help = "write a number from 1 to 100";
            self.problems.error("bad-count", &entry.value.span, &path.key(&entry.key), message, help);
        }
    }

    fn choices(&mut self, entries: &[Entry], path: &Path<'_>) {
        let Some(entry) = find_input(entries, "Choices") else { return };
        let path = path.key(&entry.key);
        let Some(items) = entry.value.items().filter(|items| !items.is_empty()) else {
            self.problems.error(
                "bad-choice",
                &entry.value.span,
                &path,
                "there are no choices",
                "write a list of choices",
            );
            return;
        };
        for (index, item) in items.iter().enumerate() {
            let path = path.index(index);
            if item.entries().is_none_or(|choice| find_input(choice, "NextStep").is_none()) {
                let help = "add NextStep with the name of a step";
                self.problems.error("bad-choice", &start_of(item), &path, "the choice leads nowhere", help);
            }
            self.condition(item, &path);
        }
    }

    /// `And`, `Or` and `Not` over comparisons of a `Variable`.
    fn condition(&mut self, node: &Node, path: &Path<'_>) {
        let Some(entries) = node.entries() else {
            let message = format!("a condition is {}", node.kind());
            self.problems.error(
                "bad-choice",
                &node.span,
                path,
                message,
                "write a map with Variable and an operator",
            );
            return;
        };
        let mut combined = false;
        for word in ["And", "Or"] {
            let Some(entry) = find_input(entries, word) else { continue };
            combined = true;
            let path = path.key(word);
            let items = entry.value.items().unwrap_or_default();
            if items.is_empty() {
                let message = format!("`{word}` has no conditions");
                let help = "write a list of conditions";
                self.problems.error("bad-choice", &entry.value.span, &path, message, help);
            }
            for (index, item) in items.iter().enumerate() {
                self.condition(item, &path.index(index));
            }
        }
        if let Some(entry) = find_input(entries, "Not") {
            combined = true;
            self.condition(&entry.value, &path.key("Not"));
        }
        if combined {
            return;
        }
        if find_input(entries, "Variable").is_none() {
            let help = "add Variable with a reference, or combine conditions with And, Or, Not";
            self.problems.error("bad-choice", &start_of(node), path, "the condition compares nothing", help);
        }
        let operator = entries.iter().find(|entry| !["Variable", "NextStep"].contains(&entry.key.as_str()));
        match operator {
            Some(entry) if !OPERATORS.contains(&entry.key.as_str()) => {
                let message = format!("there is no operator `{}`", shown(&entry.key));
                let help = nearest(&entry.key, OPERATORS).map_or_else(
                    || format!("use one of {}", OPERATORS.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                self.problems.error("bad-choice", &entry.key_span, &path.key(&entry.key), message, help);
            }
            Some(_) => {}
            None => {
                let help = format!("use one of {}", OPERATORS.join(", "));
                self.problems.error(
                    "bad-choice",
                    &start_of(node),
                    path,
                    "the condition has no operator",
                    help,
                );
            }
        }
    }

    fn inner_steps(&mut self, entries: &[Entry], path: &Path<'_>) {
        if let Some(entry) = find_input(entries, "LoopCondition") {
            self.condition(&entry.value, &path.key(&entry.key));
        }
        self.max_iterations(entries, path);
        let Some(entry) = find_input(entries, "Steps") else { return };
        let path = path.key(&entry.key);
        let Some(items) = entry.value.items().filter(|items| !items.is_empty()) else {
            // The steps of a loop may be left to a reference; anything else is a mistake.
            if entry.value.scalar().and_then(substitute::whole_token).is_none() {
                self.problems.error(
                    "no-steps",
                    &entry.value.span,
                    &path,
                    "the loop has no steps",
                    "write a list of steps",
                );
            }
            return;
        };
        for (index, item) in items.iter().enumerate() {
            self.runbook_step(item, &path.index(index));
        }
    }
}

/// `P1DT2H3M4.5S` and the like: days and weeks before `T`, hours, minutes and seconds after it.
fn is_duration(text: &str) -> bool {
    let Some(rest) = text.trim().strip_prefix('P') else { return false };
    let (days, time) = match rest.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (rest, None),
    };
    let is_part = |part: &str, units: &str| {
        part.split_inclusive(|character: char| character.is_ascii_alphabetic()).all(|piece| {
            let number = piece.trim_end_matches(|character: char| units.contains(character));
            number.len() + 1 == piece.len()
                && number.starts_with(|first: char| first.is_ascii_digit())
                && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        })
    };
    let says_something = !days.is_empty() || time.is_some_and(|time| !time.is_empty());
    says_something
        && is_part(days, "YMWD")
        && time.is_none_or(|time| !time.is_empty() && is_part(time, "HMS"))
}
