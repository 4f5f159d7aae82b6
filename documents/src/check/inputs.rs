//! The inputs of a step, as far as they can be judged before parameters have values (reference, sections 1.10 and 2).

use super::{Check, Entry, find_input, start_of};
use crate::action::Action;
use crate::inputs::fields::{Fault, InputProblem, Segment};
use crate::problems::{Path, nearest, shown};
use crate::script;
use crate::substitute;
use crate::tree::Node;

/// Inputs that every action understands.
const FLOW_KEYS: [&str; 3] = ["onFailure", "onSuccess", "finallyStep"];

/// The two script actions' inputs: those that must be there, and those that may.
const SCRIPT_INPUTS: (&[&str], &[&str]) =
    (&["runCommand"], &["workingDirectory", "timeoutSeconds", "environment", "id"]);

impl Check<'_, '_> {
    pub(super) fn inputs(
        &mut self,
        action: Action,
        inputs: Option<&Node>,
        step: &Node,
        path: &Path<'_>,
        is_last: bool,
    ) {
        let entries = match inputs {
            Some(node) if !node.is_null() => {
                let Some(entries) = node.entries() else {
                    // A whole parameter can stand for the inputs; then there is nothing to judge yet.
                    if !is_whole_reference(node) {
                        let message = format!("found {}", node.kind());
                        self.problems.error("wrong-type", &node.span, path, message, "write a map of inputs");
                    }
                    return;
                };
                entries
            }
            _ => &[],
        };
        if action.is_script() {
            self.required_script_inputs(action, inputs, entries, step, path);
            self.script_inputs(entries, path);
        } else {
            self.typed_inputs(action, inputs, step, path);
        }
        self.flow_inputs(entries, path, is_last);
    }

    fn required_script_inputs(
        &mut self,
        action: Action,
        inputs: Option<&Node>,
        entries: &[Entry],
        step: &Node,
        path: &Path<'_>,
    ) {
        let (required, optional) = SCRIPT_INPUTS;
        for key in required {
            if find_input(entries, key).is_none_or(|entry| entry.value.is_null()) {
                let span = inputs.filter(|node| !node.is_null()).map_or_else(|| start_of(step), start_of);
                let message = format!("{action} has no `{key}`");
                self.problems.error("missing-input", &span, &path.key(key), message, format!("add `{key}`"));
            }
        }
        self.warn_unknown_inputs(action, entries, required, optional, path);
    }

    /// The inputs of every other action, read as a plan reads them; each finding is put where its value stands.
    fn typed_inputs(&mut self, action: Action, inputs: Option<&Node>, step: &Node, path: &Path<'_>) {
        let json = inputs.map_or(serde_json::Value::Null, Node::to_json);
        let written = inputs.filter(|node| !node.is_null()).unwrap_or(step);
        for problem in crate::inputs::problems(action, &json) {
            self.typed_problem(action, &problem, &problem.path, written, path);
        }
    }

    /// Follows the path of a finding into the tree and reports it at the last value that is there.
    fn typed_problem(
        &mut self,
        action: Action,
        problem: &InputProblem,
        rest: &[Segment],
        node: &Node,
        path: &Path<'_>,
    ) {
        let Some((segment, rest)) = rest.split_first() else {
            let (message, help) = (problem.message.clone(), problem.help.clone());
            return self.problems.error("bad-input", &node.span, path, message, help);
        };
        match segment {
            Segment::Index(index) => {
                let path = path.index(*index);
                let item = node.items().and_then(|items| items.get(*index)).unwrap_or(node);
                self.typed_problem(action, problem, rest, item, &path);
            }
            Segment::Key(key) => {
                let entry = node.entries().and_then(|entries| find_input(entries, key));
                let path = path.key(entry.map_or(key, |entry| &entry.key));
                match (entry, problem.fault) {
                    (Some(entry), Fault::Unknown) if rest.is_empty() => {
                        let message = format!("{action} has no input `{}`, it is ignored", shown(key));
                        self.problems.warn(
                            "unknown-input",
                            &entry.key_span,
                            &path,
                            message,
                            problem.help.clone(),
                        );
                    }
                    (None, Fault::Unknown) => {}
                    (_, Fault::Missing) if rest.is_empty() => {
                        let span = entry.map_or_else(|| start_of(node), |entry| entry.value.span.clone());
                        let message = format!("{action} has no `{key}`");
                        self.problems.error("missing-input", &span, &path, message, problem.help.clone());
                    }
                    (Some(entry), _) => self.typed_problem(action, problem, rest, &entry.value, &path),
                    (None, _) => {
                        let (message, help) = (problem.message.clone(), problem.help.clone());
                        self.problems.error("bad-input", &node.span, &path, message, help);
                    }
                }
            }
        }
    }

    fn warn_unknown_inputs(
        &mut self,
        action: Action,
        entries: &[Entry],
        required: &[&str],
        optional: &[&str],
        path: &Path<'_>,
    ) {
        let known = || required.iter().chain(optional).chain(&FLOW_KEYS).copied();
        for entry in entries.iter().filter(|entry| !known().any(|key| key.eq_ignore_ascii_case(&entry.key))) {
            let message = format!("{action} has no input `{}`, it is ignored", shown(&entry.key));
            let help = nearest(&entry.key, known())
                .map_or_else(String::new, |near| format!("did you mean `{near}`?"));
            self.problems.warn("unknown-input", &entry.key_span, &path.key(&entry.key), message, help);
        }
    }

    fn script_inputs(&mut self, entries: &[Entry], path: &Path<'_>) {
        if let Some(entry) = find_input(entries, "runCommand") {
            self.run_command(entry, &path.key(&entry.key));
        }
        if let Some(entry) = find_input(entries, "timeoutSeconds") {
            self.script_timeout(entry, &path.key(&entry.key));
        }
        if let Some(entry) = find_input(entries, "workingDirectory")
            && !entry.value.is_null()
            && entry.value.scalar().is_none()
        {
            let message = format!("found {}", entry.value.kind());
            self.problems.error(
                "wrong-type",
                &entry.value.span,
                &path.key(&entry.key),
                message,
                "write a path",
            );
        }
        if let Some(entry) = find_input(entries, "environment")
            && !entry.value.is_null()
            && entry.value.entries().is_none()
            && !is_whole_reference(&entry.value)
        {
            let message = format!("found {}", entry.value.kind());
            let help = "write a map from variable to value";
            self.problems.error("wrong-type", &entry.value.span, &path.key(&entry.key), message, help);
        }
    }

    fn run_command(&mut self, entry: &Entry, path: &Path<'_>) {
        let Some(lines) = entry.value.items() else {
            match entry.value.scalar() {
                Some(_) if is_whole_reference(&entry.value) => {}
                Some(_) => {
                    let help = "write a list of lines; AWS's agent refuses a text here";
                    self.problems.warn(
                        "text-for-list",
                        &entry.value.span,
                        path,
                        "a text stands for the list of lines",
                        help,
                    );
                }
                None if entry.value.is_null() => {}
                None => {
                    let message = format!("found {}", entry.value.kind());
                    self.problems.error(
                        "wrong-type",
                        &entry.value.span,
                        path,
                        message,
                        "write a list of lines",
                    );
                }
            }
            return;
        };
        for (index, line) in lines.iter().enumerate() {
            if line.scalar().is_none() && !line.is_null() {
                let message = format!("a line is {}", line.kind());
                let help = "put the line in quotes: a colon or bracket in it reads as a map or list";
                self.problems.error("wrong-type", &line.span, &path.index(index), message, help);
            }
        }
    }

    fn script_timeout(&mut self, entry: &Entry, path: &Path<'_>) {
        let Some(text) = entry.value.scalar() else {
            if !entry.value.is_null() {
                let message = format!("found {}", entry.value.kind());
                self.problems.error(
                    "wrong-type",
                    &entry.value.span,
                    path,
                    message,
                    "write a number of seconds",
                );
            }
            return;
        };
        if text.contains("{{") {
            return;
        }
        let help = "write a number of seconds from 5 to 172800";
        match script::seconds(text) {
            None => {
                let message = format!("`{}` cannot be used, so 3600 seconds are", shown(text));
                self.problems.warn("bad-timeout", &entry.value.span, path, message, help);
            }
            Some(seconds) if text.contains(',') => {
                let message = format!("`{}` is read as {seconds}; AWS's agent would use 3600", shown(text));
                self.problems.warn("bad-timeout", &entry.value.span, path, message, help);
            }
            Some(_) => {}
        }
    }

    fn flow_inputs(&mut self, entries: &[Entry], path: &Path<'_>, is_last: bool) {
        let rules: [(&str, &[&str]); 3] = [
            ("onFailure", &["exit", "successAndExit"]),
            ("onSuccess", &["exit"]),
            ("finallyStep", &["true", "false"]),
        ];
        for (key, values) in rules {
            let Some(entry) = find_input(entries, key) else { continue };
            let path = path.key(&entry.key);
            let text = entry.value.scalar().unwrap_or_default();
            if !values.contains(&text) && !text.contains("{{") {
                let message = format!("`{}` has no effect", shown(text));
                let help = format!("use {}", values.join(" or "));
                self.problems.warn("idle-flow", &entry.value.span, &path, message, help);
            }
            if key == "finallyStep" && text == "true" && !is_last {
                let help = "move the step to the end";
                self.problems.warn(
                    "idle-flow",
                    &entry.value.span,
                    &path,
                    "finallyStep counts only on the last step",
                    help,
                );
            }
        }
    }
}

/// A parameter that stands for the whole value: then there is nothing to judge before it has one.
fn is_whole_reference(node: &Node) -> bool {
    node.scalar().and_then(substitute::whole_token).is_some()
}
