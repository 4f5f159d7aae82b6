//! Reads the inputs of one action into its type and collects everything that is wrong with them, each with its place.
//!
//! The same reading serves twice: at check time a text with a reference in it is not known yet and passes; when a plan is
//! made everything has its value. Keys are found without regard to case, as SSM's agent decodes them, and a number may
//! be written as a text.

use serde_json::{Map, Value};

use crate::problems::shown;
use crate::substitute;
use crate::values;

/// Unknown keys of one map beyond this many are not told: looking for what was meant costs more than all other checks.
const UNKNOWN_LIMIT: usize = 50;

/// What a value that is still to be replaced means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The document's text: `{{ name }}` stands for a value that is not known.
    Written,
    /// Parameters are filled in; braces that are left belong to somebody else.
    Bound,
}

/// A step on the way to a value inside the inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Missing,
    Wrong,
    /// A key that nobody asked for: a warning, the agent of AWS ignores it as well.
    Unknown,
}

/// Something that is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputProblem {
    /// From the map of inputs.
    pub(crate) path: Vec<Segment>,
    pub(crate) fault: Fault,
    /// A whole fragment; of an unknown key nothing.
    pub(crate) message: String,
    pub(crate) help: String,
}

/// The keys of one map, and what was asked of them.
#[derive(Debug)]
pub(crate) struct Fields<'v> {
    entries: Option<&'v Map<String, Value>>,
    stage: Stage,
    at: Vec<Segment>,
    asked: Vec<&'static str>,
    problems: Vec<InputProblem>,
}

impl<'v> Fields<'v> {
    pub(crate) fn new(inputs: &'v Value, stage: Stage) -> Self {
        Self { entries: inputs.as_object(), stage, at: Vec::new(), asked: Vec::new(), problems: Vec::new() }
    }

    /// Everything that was found, unknown keys last.
    pub(crate) fn finish(mut self) -> Vec<InputProblem> {
        self.report_unknown();
        self.problems
    }

    /// Marks keys as known without reading them.
    pub(crate) fn ignore(&mut self, keys: &[&'static str]) {
        self.asked.extend(keys);
    }

    fn report_unknown(&mut self) {
        let Some(entries) = self.entries else { return };
        let unknown: Vec<&String> = entries
            .keys()
            .filter(|key| !self.asked.iter().any(|known| known.eq_ignore_ascii_case(key)))
            .take(UNKNOWN_LIMIT)
            .collect();
        for key in unknown {
            let help = crate::problems::nearest(key, self.asked.iter().copied())
                .map_or_else(String::new, |near| format!("did you mean `{near}`?"));
            self.report(vec![Segment::Key(key.clone())], Fault::Unknown, String::new(), help);
        }
    }

    /// The value as it stands; of several spellings of the key the last in the map counts. `Null` is no value.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<&'v Value> {
        self.asked.push(key);
        let entries = self.entries?;
        let (_, value) = entries.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(key))?;
        (!value.is_null()).then_some(value)
    }

    /// Whether the value is not known before parameters are filled in.
    pub(crate) fn is_open(&self, value: &Value) -> bool {
        self.stage == Stage::Written && has_token(value)
    }

    pub(crate) fn wrong(&mut self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        self.report(vec![Segment::Key(key.to_owned())], Fault::Wrong, message.into(), help.into());
    }

    pub(crate) fn missing(&mut self, key: &str) {
        let (message, help) = (format!("`{key}` is missing"), format!("add `{key}`"));
        self.report(vec![Segment::Key(key.to_owned())], Fault::Missing, message, help);
    }

    fn report(&mut self, below: Vec<Segment>, fault: Fault, message: String, help: String) {
        let path = self.at.iter().cloned().chain(below).collect();
        self.problems.push(InputProblem { path, fault, message, help });
    }

    fn found(&mut self, key: &str, value: &Value, help: &str) {
        self.wrong(key, format!("found {}", kind(value)), help);
    }

    /// A text, none when it is empty. Numbers and truth values are texts as well.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        if self.is_open(value) {
            return None;
        }
        let text = values::scalar_text(value);
        if text.is_none() {
            self.found(key, value, "write a text");
        }
        text.filter(|text| !text.is_empty())
    }

    pub(crate) fn required_text(&mut self, key: &'static str) -> Option<String> {
        if self.lacks(key) {
            self.missing(key);
        }
        self.text(key)
    }

    /// A text without what a shell could take for more than a text. It must have no control characters either.
    pub(crate) fn plain_text(&mut self, key: &'static str, forbidden: &str) -> Option<String> {
        let text = self.text(key)?;
        let is_bad = |character: &char| character.is_control() || forbidden.contains(*character);
        let Some(bad) = text.chars().find(is_bad) else { return Some(text) };
        let help = format!("write it without control characters and {}", spaced(forbidden));
        self.wrong(key, format!("`{}` has the character {bad:?}", shown(&text)), help);
        None
    }

    pub(crate) fn required_plain_text(&mut self, key: &'static str, forbidden: &str) -> Option<String> {
        if self.lacks(key) {
            self.missing(key);
        }
        self.plain_text(key, forbidden)
    }

    /// Whether a value is missing, or is an empty text although it is needed.
    fn lacks(&mut self, key: &'static str) -> bool {
        let lacks =
            self.value(key).is_none_or(|value| value.as_str().is_some_and(|text| text.trim().is_empty()));
        self.asked.pop();
        lacks
    }

    /// One of some words, without regard to case.
    pub(crate) fn choice<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let chosen = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.trim()));
        if chosen.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(key, format!("found `{}`", shown(&text)), format!("use one of {}", words.join(", ")));
        }
        chosen.map(|(_, choice)| *choice)
    }

    pub(crate) fn required_choice<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        if self.lacks(key) {
            self.missing(key);
        }
        self.choice(key, words)
    }

    pub(crate) fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.choice(key, &[("true", true), ("false", false)])
    }

    /// A whole number from `least`.
    pub(crate) fn number(&mut self, key: &'static str, least: u64) -> Option<u64> {
        let text = self.text(key)?;
        let number = text.trim().parse().ok().filter(|number| *number >= least);
        if number.is_none() {
            let help = format!("write a whole number from {least}");
            self.wrong(key, format!("found `{}`", shown(&text)), help);
        }
        number
    }

    /// A list of texts; a text is a list of one. What is empty is left out. None when it is not known yet.
    pub(crate) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let Some(value) = self.value(key) else { return Some(Vec::new()) };
        if self.is_open(value) {
            return None;
        }
        let items = match value {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        let texts: Option<Vec<String>> = items.iter().map(values::scalar_text).collect();
        if texts.is_none() {
            self.wrong(key, "found a list or map in the list", "write a list of texts");
        }
        Some(texts?.into_iter().filter(|text| !text.is_empty()).collect())
    }

    /// A map, or JSON text of one. An empty text is an empty map; none when it is missing or not known yet.
    pub(crate) fn map(&mut self, key: &'static str) -> Option<Map<String, Value>> {
        match self.structure(key, "write a map, or JSON text of one")? {
            Value::Object(entries) => Some(entries),
            Value::String(text) if text.trim().is_empty() => Some(Map::new()),
            other => {
                self.found(key, &other, "write a map, or JSON text of one");
                None
            }
        }
    }

    /// A list of maps, or JSON text of one; empty when it is missing.
    pub(crate) fn maps(&mut self, key: &'static str) -> Option<Vec<Value>> {
        let help = "write a list of maps, or JSON text of one";
        match self.structure(key, help) {
            None => None,
            Some(Value::Array(items)) if items.iter().all(Value::is_object) => Some(items),
            Some(Value::String(text)) if text.trim().is_empty() => Some(Vec::new()),
            Some(other) => {
                self.found(key, &other, help);
                None
            }
        }
    }

    /// A value that may be carried as JSON text.
    fn structure(&mut self, key: &'static str, help: &str) -> Option<Value> {
        let value = self.value(key)?;
        let Value::String(text) = value else { return Some(value.clone()) };
        if self.is_open(value) {
            return None;
        }
        if text.trim().is_empty() {
            return Some(value.clone());
        }
        let read = serde_json::from_str(text);
        if let Err(error) = &read {
            self.wrong(key, format!("the text is no JSON: {error}"), help);
        }
        read.ok()
    }

    /// Reads a map inside this one. `path` leads to it from here.
    pub(crate) fn within<T>(
        &mut self,
        path: &[Segment],
        entries: &Map<String, Value>,
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> T {
        let mut inner = Fields {
            entries: Some(entries),
            stage: self.stage,
            at: self.at.iter().chain(path).cloned().collect(),
            asked: Vec::new(),
            problems: Vec::new(),
        };
        let result = read(&mut inner);
        inner.report_unknown();
        self.problems.append(&mut inner.problems);
        result
    }
}

/// Whether a reference stands anywhere in the value.
fn has_token(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            substitute::pieces(text).any(|piece| matches!(piece, substitute::Piece::Token { .. }))
        }
        Value::Array(items) => items.iter().any(has_token),
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn spaced(characters: &str) -> String {
    characters.chars().map(String::from).collect::<Vec<_>>().join(" ")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
