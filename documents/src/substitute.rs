//! Replaces `{{ name }}` by parameter values (reference, section 1.5).
//!
//! One pass over the original text: what a value contains is never looked at again. Values go in verbatim; nothing
//! is escaped. A token that names no parameter, and braces of another meaning, stay as they are.

use serde_json::{Map, Value};

/// A piece of a text: either as it stands or a token `{{ name }}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    Text(&'t str),
    Token { whole: &'t str, name: &'t str },
}

/// Splits a text at its tokens. Of `{{{ name }}}` the inner pair is the token and one brace stays on each side.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    let mut pending = None;
    std::iter::from_fn(move || {
        if let Some(token) = pending.take() {
            return Some(token);
        }
        if rest.is_empty() {
            return None;
        }
        let Some((before, whole, name, after)) = next_token(rest) else {
            return Some(Piece::Text(std::mem::take(&mut rest)));
        };
        rest = after;
        let token = Piece::Token { whole, name };
        if before.is_empty() {
            return Some(token);
        }
        pending = Some(token);
        Some(Piece::Text(before))
    })
}

/// The name when the whole text is one token: then the value keeps its native type.
pub(crate) fn whole_token(text: &str) -> Option<&str> {
    let (before, _, name, after) = next_token(text)?;
    (before.is_empty() && after.is_empty()).then_some(name)
}

fn next_token(text: &str) -> Option<(&str, &str, &str, &str)> {
    let mut from = 0;
    // Looking for one byte costs a fraction of looking for two; most texts have no brace at all.
    while let Some(found) = text[from..].find('{') {
        let start = from + found;
        if let Some((length, name)) = token_at(&text[start..]) {
            return Some((&text[..start], &text[start..start + length], name, &text[start + length..]));
        }
        from = start + 1;
    }
    None
}

/// The length of the token that begins here, and its name.
fn token_at(text: &str) -> Option<(usize, &str)> {
    let inner = text.strip_prefix("{{")?.trim_start_matches(char::is_whitespace);
    let end = inner.find(|character: char| !is_name_character(character))?;
    let (name, rest) = inner.split_at(end);
    let rest = rest.trim_start_matches(char::is_whitespace).strip_prefix("}}")?;
    (!name.is_empty()).then_some((text.len() - rest.len(), name))
}

/// Wider than any parameter's name: `ssm:/a/b:3`, `variable:x`, `step.Output` are tokens of their own kinds.
fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.' | ':' | '/')
}

/// Replaces the tokens of a value, whatever its shape. Keys of maps are never replaced.
///
/// An element of a list that is one token with a list value is spliced into the list.
pub(crate) fn value<'v>(input: &Value, lookup: &impl Fn(&str) -> Option<&'v Value>) -> Value {
    match input {
        Value::String(text) => match whole_token(text).and_then(lookup) {
            Some(native) => native.clone(),
            None => Value::String(self::text(text, lookup)),
        },
        Value::Array(items) => {
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                let is_token = item.as_str().is_some_and(|text| whole_token(text).is_some());
                match value(item, lookup) {
                    Value::Array(elements) if is_token => list.extend(elements),
                    other => list.push(other),
                }
            }
            Value::Array(list)
        }
        Value::Object(entries) => Value::Object(
            entries.iter().map(|(key, item)| (key.clone(), value(item, lookup))).collect::<Map<_, _>>(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => input.clone(),
    }
}

/// Replaces the tokens inside a text.
pub(crate) fn text<'v>(input: &str, lookup: &impl Fn(&str) -> Option<&'v Value>) -> String {
    let mut output = String::with_capacity(input.len());
    for piece in pieces(input) {
        match piece {
            Piece::Text(text) => output.push_str(text),
            Piece::Token { whole, name } => match lookup(name) {
                Some(value) => output.push_str(&embedded(value)),
                None => output.push_str(whole),
            },
        }
    }
    output
}

/// A value inside a longer text: a text verbatim, everything else as compact JSON.
pub(crate) fn embedded(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
