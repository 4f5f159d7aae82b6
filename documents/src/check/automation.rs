//! Automation documents (reference, section 8): attributes of steps, where they lead, variables, outputs.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{Check, Entry, find, find_input};
use crate::action::Action;
use crate::document::{Otherwise, ParameterType, Runbook, RunbookStep, Step, StepOutput, Variable};
use crate::problems::{Path, nearest, shown};
use crate::substitute;
use crate::tree::Node;

const STEP_KEYS: [&str; 12] = [
    "name",
    "action",
    "description",
    "inputs",
    "maxAttempts",
    "timeoutSeconds",
    "onFailure",
    "onCancel",
    "isCritical",
    "isEnd",
    "nextStep",
    "outputs",
];

impl Check<'_, '_> {
    pub(super) fn runbook(&mut self, top: &[Entry]) -> Runbook {
        let path = Path::Root;
        let assume_role = self.optional_text(top, "assumeRole", &path);
        if let Some(entry) = find(top, "assumeRole")
            && assume_role.as_deref().is_some_and(|role| role.contains("ssm:"))
            && assume_role.as_deref().is_some_and(crate::values::has_reference)
        {
            let help = "name the role, or refer to a parameter of the document";
            let message = "assumeRole cannot refer to a stored parameter";
            self.problems.error("bad-reference", &entry.value.span, &path.key("assumeRole"), message, help);
        }
        Runbook {
            assume_role,
            variables: self.variables(top),
            outputs: self.document_outputs(top),
            files: find(top, "files")
                .and_then(|entry| entry.value.entries())
                .map_or_else(Vec::new, |files| files.iter().map(|file| file.key.clone()).collect()),
        }
    }

    fn variables(&mut self, top: &[Entry]) -> Vec<Variable> {
        let path = Path::Root.key("variables");
        let Some(entry) = find(top, "variables").filter(|entry| !entry.value.is_null()) else {
            return Vec::new();
        };
        let Some(entries) = entry.value.entries() else {
            let message = format!("found {}", entry.value.kind());
            self.problems.error(
                "wrong-type",
                &entry.value.span,
                &path,
                message,
                "write a map from name to definition",
            );
            return Vec::new();
        };
        entries
            .iter()
            .map(|entry| {
                let path = path.key(&entry.key);
                let attributes = entry.value.entries().unwrap_or_default();
                self.warn_unknown(attributes, &["type", "default", "description"], &path, "a variable");
                let value_type = self.parameter_type(entry, attributes, &path);
                let default = find(attributes, "default").filter(|default| !default.value.is_null());
                let default =
                    default.map(|default| self.default(&default.value, &value_type, &path.key("default")));
                Variable { name: entry.key.clone(), value_type, default }
            })
            .collect()
    }

    fn document_outputs(&mut self, top: &[Entry]) -> Vec<String> {
        let path = Path::Root.key("outputs");
        let Some(entry) = find(top, "outputs").filter(|entry| !entry.value.is_null()) else {
            return Vec::new();
        };
        let Some(items) = entry.value.items() else {
            let message = format!("found {}", entry.value.kind());
            self.problems.error(
                "wrong-type",
                &entry.value.span,
                &path,
                message,
                "write a list of step.Output",
            );
            return Vec::new();
        };
        items.iter().filter_map(Node::scalar).map(str::to_owned).collect()
    }

    pub(super) fn runbook_step(&mut self, node: &Node, path: &Path<'_>) -> Option<Step> {
        let Some(entries) = node.entries() else {
            let message = format!("a step is {}", node.kind());
            self.problems.error(
                "wrong-type",
                &node.span,
                path,
                message,
                "write a map with name, action and inputs",
            );
            return None;
        };
        self.warn_unknown(entries, &STEP_KEYS, path, "a step");
        let name = self.step_name(node, entries, path);
        let action = self.step_action(node, entries, path);
        let runbook = self.attributes(entries, path);
        let inputs = find(entries, "inputs").map(|entry| &entry.value);
        let (name, action) = (name?, action?);
        self.runbook_inputs(action, inputs, node, &path.key("inputs"));
        let inputs = inputs.map_or(Json::Null, Node::to_json);
        Some(Step {
            name,
            action,
            precondition: None,
            inputs,
            settings: Json::Null,
            runbook: Some(Box::new(runbook)),
        })
    }

    fn attributes(&mut self, entries: &[Entry], path: &Path<'_>) -> RunbookStep {
        RunbookStep {
            max_attempts: self
                .number(entries, "maxAttempts", path)
                .and_then(|count| u32::try_from(count).ok()),
            timeout_seconds: self.number(entries, "timeoutSeconds", path),
            on_failure: self.otherwise(entries, "onFailure", path),
            on_cancel: self.otherwise(entries, "onCancel", path),
            is_critical: self.flag(entries, "isCritical", path),
            is_end: self.flag(entries, "isEnd", path).unwrap_or_default(),
            next_step: self.optional_text(entries, "nextStep", path),
            outputs: self.step_outputs(entries, path),
        }
    }

    /// A number from 1, as number or text; none when it is a reference.
    fn number(&mut self, entries: &[Entry], key: &str, path: &Path<'_>) -> Option<u64> {
        let entry = find(entries, key).filter(|entry| !entry.value.is_null())?;
        let text = entry.value.scalar().unwrap_or_default();
        let number = text.trim().replace(',', "").parse().ok().filter(|number| *number > 0);
        if number.is_none() && !text.contains("{{") {
            let found = entry
                .value
                .scalar()
                .map_or_else(|| entry.value.kind().to_owned(), |text| format!("`{}`", shown(text)));
            let message = format!("{found} is no count");
            self.problems.error(
                "bad-count",
                &entry.value.span,
                &path.key(key),
                message,
                "write a whole number from 1",
            );
        }
        number
    }

    fn flag(&mut self, entries: &[Entry], key: &str, path: &Path<'_>) -> Option<bool> {
        let entry = find(entries, key).filter(|entry| !entry.value.is_null())?;
        let text = entry.value.scalar().unwrap_or_default();
        if text.eq_ignore_ascii_case("true") {
            return Some(true);
        }
        if !text.eq_ignore_ascii_case("false") && !text.contains("{{") {
            let message = format!("found {}", entry.value.kind());
            self.problems.error(
                "wrong-type",
                &entry.value.span,
                &path.key(key),
                message,
                "write true or false",
            );
        }
        Some(false)
    }

    fn otherwise(&mut self, entries: &[Entry], key: &str, path: &Path<'_>) -> Otherwise {
        let Some(entry) = find(entries, key).filter(|entry| !entry.value.is_null()) else {
            return Otherwise::Abort;
        };
        let text = entry.value.scalar().unwrap_or_default();
        match text {
            _ if text.eq_ignore_ascii_case("abort") => Otherwise::Abort,
            _ if text.eq_ignore_ascii_case("continue") && key == "onFailure" => Otherwise::Continue,
            _ => match text.strip_prefix("step:") {
                Some(step) => Otherwise::Step(step.trim().to_owned()),
                None => {
                    let message = format!("`{}` says nothing", shown(text));
                    let words = if key == "onFailure" {
                        "Abort, Continue or step:NAME"
                    } else {
                        "Abort or step:NAME"
                    };
                    let help = format!("use {words}");
                    self.problems.error("bad-flow", &entry.value.span, &path.key(key), message, help);
                    Otherwise::Abort
                }
            },
        }
    }

    fn step_outputs(&mut self, entries: &[Entry], path: &Path<'_>) -> Vec<StepOutput> {
        let path = path.key("outputs");
        let Some(entry) = find(entries, "outputs").filter(|entry| !entry.value.is_null()) else {
            return Vec::new();
        };
        let Some(items) = entry.value.items() else {
            let message = format!("found {}", entry.value.kind());
            self.problems.error(
                "wrong-type",
                &entry.value.span,
                &path,
                message,
                "write a list of Name, Selector and Type",
            );
            return Vec::new();
        };
        let mut outputs = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = path.index(index);
            let attributes = item.entries().unwrap_or_default();
            let text = |key: &str| find_input(attributes, key).and_then(|entry| entry.value.scalar());
            let (Some(name), Some(selector)) = (text("Name"), text("Selector")) else {
                let help = "write Name, Selector and Type";
                self.problems.error(
                    "bad-output",
                    &item.span,
                    &path,
                    "an output has no Name or no Selector",
                    help,
                );
                continue;
            };
            let type_name = text("Type").unwrap_or("String");
            let value_type = ParameterType::from_name(type_name).unwrap_or_else(|| {
                let span = find_input(attributes, "Type").map_or(&item.span, |entry| &entry.value.span);
                let message = format!("there is no type `{}`", shown(type_name));
                let help = format!("use one of {}", ParameterType::NAMES.join(", "));
                self.problems.error("unknown-type", span, &path.key("Type"), message, help);
                ParameterType::String
            });
            outputs.push(StepOutput { name: name.to_owned(), selector: selector.to_owned(), value_type });
        }
        outputs
    }

    /// That every step that is named exists, and that no path of steps without a choice runs in a circle.
    pub(super) fn runbook_flow(
        &mut self,
        steps_node: &Node,
        path: &Path<'_>,
        steps: &[Step],
        names: &BTreeSet<String>,
    ) {
        for (index, node) in steps_node.items().unwrap_or_default().iter().enumerate() {
            self.targets_of(node, &path.index(index), names);
        }
        if let Some(index) = circle(steps) {
            let span = steps_node
                .items()
                .and_then(|items| items.get(index))
                .map_or(&steps_node.span, |node| &node.span);
            let message = format!("the steps after `{}` lead back to it for ever", shown(&steps[index].name));
            let help = "use aws:loop to repeat steps, or aws:branch to leave the circle";
            self.problems.error(
                "endless-steps",
                &(span.start..span.start),
                &path.index(index),
                message,
                help,
            );
        }
    }

    fn targets_of(&mut self, step: &Node, path: &Path<'_>, names: &BTreeSet<String>) {
        let Some(entries) = step.entries() else { return };
        for key in ["nextStep", "onFailure", "onCancel"] {
            let Some(entry) = find(entries, key) else { continue };
            let Some(text) = entry.value.scalar() else { continue };
            let target =
                if key == "nextStep" { Some(text) } else { text.strip_prefix("step:").map(str::trim) };
            if let Some(target) = target {
                self.target(target, entry, &path.key(key), names);
            }
        }
        let Some(inputs) = find(entries, "inputs").and_then(|entry| entry.value.entries()) else { return };
        let path = path.key("inputs");
        if let Some(entry) = find_input(inputs, "Default") {
            self.branch_target(entry, &path, names, step);
        }
        for (index, choice) in find_input(inputs, "Choices")
            .and_then(|entry| entry.value.items())
            .unwrap_or_default()
            .iter()
            .enumerate()
        {
            if let Some(entry) = choice.entries().and_then(|entries| find_input(entries, "NextStep")) {
                self.branch_target(entry, &path.key("Choices").index(index), names, step);
            }
        }
        if let Some(entry) = find_input(inputs, "Steps") {
            for (index, node) in entry.value.items().unwrap_or_default().iter().enumerate() {
                self.targets_of(node, &path.key("Steps").index(index), names);
            }
        }
    }

    fn branch_target(&mut self, entry: &Entry, path: &Path<'_>, names: &BTreeSet<String>, step: &Node) {
        let is_branch = step
            .entries()
            .and_then(|entries| find(entries, "action"))
            .is_some_and(|action| action.value.scalar() == Some(Action::Branch.name()));
        if let Some(target) = entry.value.scalar().filter(|_| is_branch) {
            self.target(target, entry, &path.key(&entry.key), names);
        }
    }

    fn target(&mut self, name: &str, entry: &Entry, path: &Path<'_>, names: &BTreeSet<String>) {
        if names.contains(name) || substitute::whole_token(name).is_some() {
            return;
        }
        let message = format!("there is no step `{}`", shown(name));
        let help = nearest(name, names.iter().map(String::as_str)).map_or_else(
            || "name a step of the document".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        self.problems.error("unknown-step", &entry.value.span, path, message, help);
    }
}

/// A step from which the steps lead back to it when all of them succeed and nothing can be chosen.
fn circle(steps: &[Step]) -> Option<usize> {
    let place = |name: &str| steps.iter().position(|step| step.name == name);
    let next = |index: usize| {
        let step = &steps[index];
        let runbook = step.runbook.as_ref()?;
        if runbook.is_end || step.action == Action::Branch {
            return None;
        }
        match &runbook.next_step {
            Some(name) => place(name),
            None => Some(index + 1).filter(|next| *next < steps.len()),
        }
    };
    // Each step has one successor, so a walk that is longer than the list has met a step twice.
    let after: Vec<Option<usize>> = (0..steps.len()).map(next).collect();
    let mut at = Some(0).filter(|_| !steps.is_empty());
    for _ in 0..=steps.len() {
        at = after[at?];
    }
    at
}
