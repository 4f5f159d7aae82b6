//! Every `{{ name }}` of a document, compared with what the document declares.
//!
//! Braces have other owners too: Go and Jinja templates, Python's f-strings, style sheets. What cannot be a reference
//! by its form is left alone without a word. A plain name that nobody declared is an error, unless the text shows that
//! it is a template of another language: then it is a warning.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Check, Entry, find, find_input};
use crate::document::{Kind, Parameter, Runbook};
use crate::problems::{Path, nearest, shown};
use crate::substitute::{self, Piece};
use crate::tree::{Node, Value};

/// `{{ global:NAME }}` (reference, section 8.6).
const GLOBALS: [&str; 5] = ["ACCOUNT_ID", "REGION", "DATE", "DATE_TIME", "AWS_PARTITION"];

/// What a document declares and references may name.
pub(super) struct Names {
    parameters: BTreeSet<String>,
    variables: BTreeSet<String>,
    /// The steps inside loops too.
    pub(super) steps: BTreeSet<String>,
}

impl Names {
    pub(super) fn of(top: &[Entry], parameters: &[Parameter], runbook: Option<&Runbook>) -> Self {
        let mut steps = BTreeSet::new();
        if let Some(entry) = find(top, "mainSteps") {
            collect_steps(&entry.value, &mut steps);
        }
        Self {
            parameters: parameters.iter().map(|parameter| parameter.name.clone()).collect(),
            variables: runbook.map_or_else(BTreeSet::new, |runbook| {
                runbook.variables.iter().map(|variable| variable.name.clone()).collect()
            }),
            steps,
        }
    }

    /// What is wrong with a token of an Automation document: message and help.
    fn automation_problem(&self, name: &str) -> Option<(String, String)> {
        let among = |names: &BTreeSet<String>, name: &str, what: &str| {
            if names.contains(name) {
                return None;
            }
            let help = nearest(name, names.iter().map(String::as_str)).map_or_else(
                || format!("declare the {what}, or name another"),
                |near| format!("did you mean `{near}`?"),
            );
            Some((format!("there is no {what} `{}`", shown(name)), help))
        };
        if let Some(variable) = name.strip_prefix("variable:") {
            // Of a map or list, what follows the name leads inside.
            let end = variable.find(['.', '[']).unwrap_or(variable.len());
            return among(&self.variables, &variable[..end], "variable");
        }
        if let Some(global) = name.strip_prefix("global:") {
            return (!GLOBALS.contains(&global)).then(|| {
                (
                    format!("there is no global `{}`", shown(global)),
                    format!("use one of {}", GLOBALS.join(", ")),
                )
            });
        }
        if name.contains(':') || name.contains('/') {
            return None;
        }
        match name.split_once('.') {
            _ if self.parameters.contains(name) => None,
            Some(("loop" | "", _)) => None,
            Some((step, _)) if is_name(step) && !self.parameters.contains(step) => {
                among(&self.steps, step, "step")
            }
            Some(_) => None,
            None if is_name(name) => self.undeclared(name),
            None => None,
        }
    }

    fn undeclared(&self, name: &str) -> Option<(String, String)> {
        if self.parameters.contains(name) {
            return None;
        }
        let help = nearest(name, self.parameters.iter().map(String::as_str))
            .map_or_else(|| "declare it in parameters".to_owned(), |near| format!("did you mean `{near}`?"));
        Some((format!("no parameter `{}` is declared", shown(name)), help))
    }
}

impl Check<'_, '_> {
    pub(super) fn references(&mut self, top: &[Entry], names: &Names) {
        let keys: &[&str] = match self.schema.kind() {
            Kind::Automation => &["mainSteps", "assumeRole", "outputs"],
            _ => &["mainSteps", "runtimeConfig"],
        };
        for entry in keys.iter().filter_map(|key| find(top, key)) {
            self.references_in(&entry.value, names, &Path::Root.key(&entry.key));
        }
        if self.schema.kind() == Kind::Automation {
            self.output_references(top, names);
        }
    }

    /// The document's outputs name steps without braces.
    fn output_references(&mut self, top: &[Entry], names: &Names) {
        let path = Path::Root.key("outputs");
        let items = find(top, "outputs").and_then(|entry| entry.value.items()).unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            let Some(text) = item.scalar().filter(|text| !text.contains("{{")) else { continue };
            if let Some((step, _)) = text.split_once('.').filter(|(step, _)| !names.steps.contains(*step)) {
                let message = format!("there is no step `{}`", shown(step));
                let help = nearest(step, names.steps.iter().map(String::as_str))
                    .map_or_else(|| "write step.Output".to_owned(), |near| format!("did you mean `{near}`?"));
                self.problems.error("unknown-step", &item.span, &path.index(index), message, help);
            }
        }
    }

    fn references_in(&mut self, node: &Node, names: &Names, path: &Path<'_>) {
        match &node.value {
            Value::Text(text) if text.contains('{') => self.references_of(text, node, names, path),
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.references_in(item, names, &path.index(index));
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    self.references_in(&entry.value, names, &path.key(&entry.key));
                }
            }
            _ => {}
        }
    }

    fn references_of(&mut self, text: &str, node: &Node, names: &Names, path: &Path<'_>) {
        let mut problems = Vec::new();
        let mut tokens = 0;
        for piece in substitute::pieces(text) {
            let Piece::Token { name, .. } = piece else { continue };
            let problem = match self.schema.kind() {
                Kind::Automation => names.automation_problem(name),
                // What AWS's agent takes for the name of a parameter; the rest belongs to somebody else.
                _ if name.bytes().all(|byte| byte.is_ascii_alphanumeric()) && is_name(name) => {
                    names.undeclared(name)
                }
                _ => None,
            };
            problems.extend(problem.map(|problem| (tokens, problem)));
            tokens += 1;
        }
        if problems.is_empty() {
            return;
        }
        let places = self.places(text, &node.span);
        let template = is_template(text);
        for (token, (message, help)) in problems {
            let span = places.get(token).cloned().flatten().unwrap_or_else(|| node.span.clone());
            if template {
                let help = "the braces are left as they are";
                self.problems.warn("undeclared-reference", &span, path, message, help);
            } else {
                self.problems.error("undeclared-reference", &span, path, message, help);
            }
        }
    }

    /// Where the tokens of a value stand in the source.
    fn places(&self, text: &str, span: &Range<usize>) -> Vec<Option<Range<usize>>> {
        let mut searched = span.clone();
        let tokens = substitute::pieces(text).filter_map(|piece| match piece {
            Piece::Token { whole, .. } => Some(whole),
            Piece::Text(_) => None,
        });
        tokens.map(|whole| self.place(whole, &mut searched)).collect()
    }

    /// Where a token stands in the source; `searched` is what is left of the value after the tokens before it.
    fn place(&self, token: &str, searched: &mut Range<usize>) -> Option<Range<usize>> {
        let start = searched.start + self.text.get(searched.clone())?.find(token)?;
        searched.start = start + token.len();
        Some(start..searched.start)
    }
}

fn collect_steps(steps: &Node, names: &mut BTreeSet<String>) {
    for step in steps.items().unwrap_or_default().iter().filter_map(Node::entries) {
        names.extend(find(step, "name").and_then(|entry| entry.value.scalar()).map(str::to_owned));
        let inputs = find(step, "inputs").and_then(|entry| entry.value.entries()).unwrap_or_default();
        if let Some(inner) = find_input(inputs, "Steps") {
            collect_steps(&inner.value, names);
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Whether a text is written in a template language: a block, an f-string, or braces around something that is no name.
fn is_template(text: &str) -> bool {
    text.contains("{%")
        || text.contains(".format(")
        || has_format_string(text)
        || substitute::pieces(text).any(|piece| match piece {
            Piece::Text(text) => has_other_braces(text),
            Piece::Token { name, .. } => name.starts_with('.'),
        })
}

/// Python's `f"…"` and `f'…'`, in which doubled braces stand for single ones.
fn has_format_string(text: &str) -> bool {
    ["f\"", "f'"]
        .iter()
        .flat_map(|mark| text.match_indices(mark))
        .any(|(at, _)| text[..at].chars().next_back().is_none_or(|before| " \t\n(,=[{+:".contains(before)))
}

/// `{{ … }}` around something that is no name. Of many opening braces only the last can be one.
fn has_other_braces(text: &str) -> bool {
    text.split("{{").skip(1).any(|inner| inner.contains("}}") && !inner.starts_with('{'))
}
