//! `mainSteps` of schema 2.x: names, actions, preconditions (reference, sections 1.3 and 1.8).

use serde_json::Value as Json;

use super::{Check, Entry, find, start_of};
use crate::action::{Action, Platform};
use crate::document::{Kind, Step};
use crate::precondition::{Clause, Precondition};
use crate::problems::{Path, nearest, shown};
use crate::substitute::{self, Piece};
use crate::tree::Node;

const KEYS: [&str; 5] = ["action", "name", "inputs", "precondition", "settings"];

/// Words of Automation documents that SSM accepts on a step of a Command document and never acts on.
const IDLE_KEYS: [(&str, &str); 9] = [
    ("timeoutSeconds", "write it inside inputs"),
    ("onFailure", "write it inside inputs, as exit or successAndExit"),
    ("maxAttempts", "there is no retry in a Command document; retry inside the script"),
    ("isEnd", "write onSuccess: exit inside inputs"),
    ("isCritical", "a step fails its document unless inputs.onFailure is successAndExit"),
    ("nextStep", "steps run in the order in which they are written"),
    ("onCancel", "a cancelled command runs no further step"),
    ("outputs", "outputs belong to Automation documents"),
    ("description", ""),
];

impl Check<'_, '_> {
    pub(super) fn main_steps(&mut self, root: &Node, top: &[Entry]) -> Vec<Step> {
        let path = Path::Root.key("mainSteps");
        let Some(entry) = find(top, "mainSteps") else {
            let help = if find(top, "runtimeConfig").is_some() {
                "runtimeConfig belongs to schema 1.2; write mainSteps"
            } else {
                "write a list of steps"
            };
            self.problems.error("no-steps", &start_of(root), &path, "the document has no steps", help);
            return Vec::new();
        };
        let items = entry.value.items().unwrap_or_default();
        if items.is_empty() {
            let message = match entry.value.items() {
                Some(_) => "the list of steps is empty".to_owned(),
                None => format!("found {}", entry.value.kind()),
            };
            self.problems.error(
                "no-steps",
                &entry.value.span,
                &path,
                message,
                "write a list of at least one step",
            );
        }
        let mut steps: Vec<Step> = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = path.index(index);
            let step = match self.schema.kind() {
                Kind::Automation => self.runbook_step(item, &path),
                _ => self.step(item, &path, index + 1 == items.len()),
            };
            let Some(step) = step else { continue };
            if steps.iter().any(|known| known.name == step.name) {
                self.duplicate_step(item, &step.name, &path.key("name"));
            }
            steps.push(step);
        }
        steps
    }

    /// An Automation document finds steps by their names, a Command document by their places.
    fn duplicate_step(&mut self, step: &Node, name: &str, path: &Path<'_>) {
        let entry = step.entries().and_then(|entries| find(entries, "name"));
        let span = entry.map_or(&step.span, |entry| &entry.value.span);
        let message = format!("an earlier step is named `{}` as well", shown(name));
        let help = "give each step its own name";
        match self.schema.kind() {
            Kind::Automation => self.problems.error("duplicate-step", span, path, message, help),
            _ => self.problems.warn("duplicate-step", span, path, message, help),
        }
    }

    fn step(&mut self, node: &Node, path: &Path<'_>, is_last: bool) -> Option<Step> {
        let Some(entries) = node.entries() else {
            let message = format!("a step is {}", node.kind());
            self.problems.error(
                "wrong-type",
                &node.span,
                path,
                message,
                "write a map with action, name and inputs",
            );
            return None;
        };
        self.step_keys(entries, path);
        let name = self.step_name(node, entries, path);
        let action = self.step_action(node, entries, path);
        let precondition = find(entries, "precondition")
            .filter(|entry| !entry.value.is_null())
            .and_then(|entry| self.precondition(entry, &path.key("precondition")));
        let inputs = find(entries, "inputs").map(|entry| &entry.value);
        let (name, action) = (name?, action?);
        self.inputs(action, inputs, node, &path.key("inputs"), is_last);
        let json = |key: &str| find(entries, key).map_or(Json::Null, |entry| entry.value.to_json());
        Some(Step {
            name,
            action,
            precondition,
            inputs: json("inputs"),
            settings: json("settings"),
            runbook: None,
        })
    }

    fn step_keys(&mut self, entries: &[Entry], path: &Path<'_>) {
        let known: Vec<&str> = KEYS.iter().copied().chain(IDLE_KEYS.iter().map(|(key, _)| *key)).collect();
        self.warn_unknown(entries, &known, path, "a step");
        for (key, help) in IDLE_KEYS.iter().filter(|(_, help)| !help.is_empty()) {
            if let Some(entry) = find(entries, key) {
                let message = format!("`{key}` of a step has no effect in a Command document");
                self.problems.warn("idle-key", &entry.key_span, &path.key(key), message, *help);
            }
        }
    }

    pub(super) fn step_name(&mut self, node: &Node, entries: &[Entry], path: &Path<'_>) -> Option<String> {
        let path = path.key("name");
        let help = "give the step a name of letters, digits, _ and -";
        let Some(entry) = find(entries, "name").filter(|entry| !entry.value.is_null()) else {
            self.problems.error("no-step-name", &start_of(node), &path, "the step has no name", help);
            return None;
        };
        let name = entry.value.scalar().filter(|name| !name.trim().is_empty());
        if name.is_none() {
            self.problems.error("no-step-name", &entry.value.span, &path, "the step has no name", help);
        }
        name.map(str::to_owned)
    }

    pub(super) fn step_action(&mut self, node: &Node, entries: &[Entry], path: &Path<'_>) -> Option<Action> {
        let path = path.key("action");
        let Some(entry) = find(entries, "action").filter(|entry| !entry.value.is_null()) else {
            let help = "write for example action: aws:runShellScript";
            self.problems.error("no-action", &start_of(node), &path, "the step has no action", help);
            return None;
        };
        let name = entry.value.scalar().unwrap_or_default();
        self.action(name, &entry.value.span, &path)
    }

    pub(super) fn action(
        &mut self,
        name: &str,
        span: &std::ops::Range<usize>,
        path: &Path<'_>,
    ) -> Option<Action> {
        let on_nodes = self.schema.kind() != Kind::Automation;
        let usable = || {
            Action::ALL.iter().filter(|action| action.runs_on_nodes() == on_nodes).map(|action| action.name())
        };
        match Action::from_name(name) {
            Some(action) if action.runs_on_nodes() == on_nodes => return Some(action),
            Some(action) => {
                let (kind, version) = if on_nodes { ("an Automation", "0.3") } else { ("a Command", "2.2") };
                let message = format!("{action} belongs to {kind} document");
                let help = format!("such a document has schemaVersion {version}");
                self.problems.error("misplaced-action", span, path, message, help);
            }
            None => {
                let message = format!("there is no action `{}`", shown(name));
                let help = nearest(name, usable()).map_or_else(
                    || format!("the actions are {}", usable().collect::<Vec<_>>().join(", ")),
                    |near| format!("did you mean {near}?"),
                );
                self.problems.error("unknown-action", span, path, message, help);
            }
        }
        None
    }

    fn precondition(&mut self, entry: &Entry, path: &Path<'_>) -> Option<Precondition> {
        if !self.schema.has_preconditions() {
            let message = format!("schema {} has no preconditions and fails the step", self.schema.name());
            self.problems.warn("idle-precondition", &entry.key_span, path, message, "use schemaVersion 2.2");
        }
        let Some(operators) = entry.value.entries() else {
            let message = format!("found {}", entry.value.kind());
            let help = "write StringEquals with a list of two texts";
            self.problems.error("bad-precondition", &entry.value.span, path, message, help);
            return None;
        };
        let clauses =
            operators.iter().filter_map(|operator| self.clause(operator, &path.key(&operator.key))).collect();
        Some(Precondition { clauses })
    }

    fn clause(&mut self, operator: &Entry, path: &Path<'_>) -> Option<Clause> {
        if operator.key != "StringEquals" {
            let message = format!("there is no operator `{}`", shown(&operator.key));
            self.problems.error("bad-precondition", &operator.key_span, path, message, "use StringEquals");
            return None;
        }
        let arguments: Option<Vec<&str>> =
            operator.value.items().map(|items| items.iter().filter_map(Node::scalar).collect());
        let refuse = |check: &mut Self, message: &str, help: &str| {
            check.problems.error("bad-precondition", &operator.value.span, path, message, help);
            None
        };
        let Some([left, right]) = arguments.as_deref() else {
            return refuse(
                self,
                "StringEquals does not have two texts",
                "write for example [platformType, Linux]",
            );
        };
        let references =
            |text: &str| substitute::pieces(text).any(|piece| matches!(piece, Piece::Token { .. }));
        if [left, right].into_iter().any(|text| text.contains("{{") && crate::values::has_reference(text)) {
            return refuse(
                self,
                "a precondition cannot refer to a stored parameter",
                "refer to a parameter of the document",
            );
        }
        for (word, other) in [(left, right), (right, left)] {
            if *word != "platformType" {
                continue;
            }
            if references(other) {
                return refuse(
                    self,
                    "platformType is compared with a reference",
                    "name Linux, Windows or MacOS",
                );
            }
            if Platform::from_name(other).is_none() {
                let message = format!("there is no platform `{}`, so the step never runs", shown(other));
                self.problems.warn(
                    "unknown-platform",
                    &operator.value.span,
                    path,
                    message,
                    "name Linux, Windows or MacOS",
                );
            }
            return Some(Clause::Platform((*other).to_owned()));
        }
        if left == right {
            return refuse(self, "both sides are the same", "compare a parameter with a value");
        }
        if !references(left) && !references(right) {
            return refuse(
                self,
                "neither side is platformType or refers to a parameter",
                "write for example [\"{{ mode }}\", \"full\"]",
            );
        }
        Some(Clause::Equal((*left).to_owned(), (*right).to_owned()))
    }
}
