//! A document's text as a tree that remembers where everything stands, the same for JSON and YAML.
//!
//! JSON is tried first: JSON indented with tabs is no YAML. Two maintained readers give positions and bounded
//! nesting: `jsonc-parser` with every leniency switched off, and `granit-parser` (the parser under serde-saphyr)
//! through its events. A tree is bounded in depth and in size whatever the text says, aliases included.

use std::ops::Range;

use serde_json::{Map, Number, Value as Json};

use crate::problems::{Path, Problems};

mod json;
mod yaml;

/// Lists and maps inside each other beyond this depth are refused: real documents use about ten levels.
const MAX_DEPTH: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As it is written: `2.2` and `2.20` are different schema versions.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// In the order of the text, duplicates included.
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) value: Node,
}

/// Reads JSON, or else YAML. On failure the problem is reported and there is no tree.
///
/// A text that begins as only JSON does is JSON: read as YAML it would be accepted with a comma too many. One that
/// begins with no bracket is no JSON that could be a document.
pub(crate) fn read(text: &str, problems: &mut Problems<'_>) -> Option<Node> {
    let read = if begins_as_json(text) {
        json::read(text)
    } else if text.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '[']) {
        json::read(text).or_else(|_| yaml::read(text))
    } else {
        yaml::read(text)
    };
    match read {
        Ok(node) => Some(node),
        Err(error) => {
            problems.error(error.code, &error.span, &Path::Root, error.message, error.help);
            None
        }
    }
}

/// Whether the first brace is followed by a key in double quotes, or the first line is no part of such a text but the
/// second one is.
fn begins_as_json(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let is_key = |text: &str| text.trim_start().starts_with('"');
    match text.strip_prefix('{') {
        Some(inner) => is_key(inner) || inner.trim_start().starts_with('}'),
        None => {
            let mut lines = text.lines().skip(1).filter(|line| !line.trim().is_empty());
            lines.next().is_some_and(|line| is_key(line) && line.trim_end().ends_with([',', '{', '[']))
        }
    }
}

/// Why a text is not a tree.
#[derive(Debug)]
struct ReadError {
    code: &'static str,
    span: Range<usize>,
    message: String,
    help: String,
}

impl Node {
    /// The value as JSON. A number that JSON cannot hold stays text; of duplicate keys the last one counts.
    pub(crate) fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(text) => number(text),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(entries) => Json::Object(
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// A scalar as text, whatever its type: authors write 60 and "60" for the same thing.
    pub(crate) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Number(text) => Some(text),
            Value::Bool(true) => Some("true"),
            Value::Bool(false) => Some("false"),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    pub(crate) fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// What the value is, for a message.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

fn number(text: &str) -> Json {
    if let Ok(value) = text.parse::<i64>() {
        return value.into();
    }
    if let Ok(value) = text.parse::<u64>() {
        return value.into();
    }
    text.parse::<f64>()
        .ok()
        .and_then(Number::from_f64)
        .map_or_else(|| Json::String(text.to_owned()), Json::Number)
}
