//! A text in the other notation: JSON written as YAML, YAML as JSON. The order of keys stays; comments and anchors are of
//! the notation and do not.

use crate::check::MAX_DOCUMENT_BYTES;
use crate::diagnostic::Diagnostics;
use crate::problems::{Path, Problems};
use crate::tree::{self, Entry, Node, Value};

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    Json,
    Yaml,
}

/// The same values, written as told.
///
/// # Errors
///
/// What keeps the text from being read, with its place.
pub fn written_as(text: &str, notation: Notation) -> Result<String, Diagnostics> {
    let looked_at = if text.len() > MAX_DOCUMENT_BYTES { "" } else { text };
    let mut problems = Problems::new(looked_at);
    if text.len() > MAX_DOCUMENT_BYTES {
        let message = format!("the text has {} bytes", text.len());
        let help = format!("at most {MAX_DOCUMENT_BYTES} are allowed");
        problems.error("too-large", &(0..0), &Path::Root, message, help);
        return Err(problems.finish());
    }
    let root = match tree::read(looked_at, &mut problems) {
        Some(root) if !problems.has_errors() => root,
        _ => return Err(problems.finish()),
    };
    let mut written = String::with_capacity(text.len() * 2);
    match notation {
        Notation::Json => json(&root, 0, &mut written),
        Notation::Yaml => yaml(&root, 0, Place::Root, &mut written),
    }
    if !written.ends_with('\n') {
        written.push('\n');
    }
    Ok(written)
}

fn indent(depth: usize, written: &mut String) {
    (0..depth).for_each(|_| written.push_str("  "));
}

fn json(node: &Node, depth: usize, written: &mut String) {
    match &node.value {
        Value::List(items) if !items.is_empty() => {
            written.push('[');
            for (at, item) in items.iter().enumerate() {
                written.push_str(if at == 0 { "\n" } else { ",\n" });
                indent(depth + 1, written);
                json(item, depth + 1, written);
            }
            written.push('\n');
            indent(depth, written);
            written.push(']');
        }
        Value::Map(entries) if !entries.is_empty() => {
            written.push('{');
            for (at, entry) in entries.iter().enumerate() {
                written.push_str(if at == 0 { "\n" } else { ",\n" });
                indent(depth + 1, written);
                written.push_str(&quoted(&entry.key));
                written.push_str(": ");
                json(&entry.value, depth + 1, written);
            }
            written.push('\n');
            indent(depth, written);
            written.push('}');
        }
        _ => written.push_str(&node.to_json().to_string()),
    }
}

/// Where a YAML value stands: it decides what has to be between it and what is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    AfterKey,
    AfterDash,
}

fn yaml(node: &Node, depth: usize, place: Place, written: &mut String) {
    match &node.value {
        Value::List(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                begin_line(at, depth, place, written);
                written.push('-');
                yaml(item, depth + 1, Place::AfterDash, written);
            }
        }
        Value::Map(entries) if !entries.is_empty() => {
            for (at, Entry { key, value, .. }) in entries.iter().enumerate() {
                begin_line(at, depth, place, written);
                written.push_str(&plain_or_quoted(key));
                written.push(':');
                // A list stands under its key, not deeper.
                let deeper = usize::from(!matches!(&value.value, Value::List(items) if !items.is_empty()));
                yaml(value, depth + deeper, Place::AfterKey, written);
            }
        }
        scalar => {
            if place != Place::Root {
                written.push(' ');
            }
            match scalar {
                Value::List(_) => written.push_str("[]"),
                Value::Map(_) => written.push_str("{}"),
                Value::Text(text) if is_block(text) => block(text, depth, written),
                Value::Text(text) => written.push_str(&plain_or_quoted(text)),
                _ => written.push_str(&node.to_json().to_string()),
            }
            written.push('\n');
        }
    }
}

/// The first entry of what stands behind a dash stands on its line.
fn begin_line(at: usize, depth: usize, place: Place, written: &mut String) {
    match (at, place) {
        (0, Place::AfterDash) => written.push(' '),
        (0, Place::AfterKey) => {
            written.push('\n');
            indent(depth, written);
        }
        _ => indent(depth, written),
    }
}

/// Lines that can stand as they are.
fn is_block(text: &str) -> bool {
    let is_plain = |c: char| c == '\n' || c == '\t' || !is_special(c);
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.starts_with([' ', '\t', '\n'])
        && !body.ends_with('\n')
        && text.chars().all(is_plain)
}

fn block(text: &str, depth: usize, written: &mut String) {
    let body = text.strip_suffix('\n').unwrap_or(text);
    written.push_str(if body.len() == text.len() { "|-" } else { "|" });
    for line in body.split('\n') {
        written.push('\n');
        if !line.is_empty() {
            indent(depth.max(1), written);
            written.push_str(line);
        }
    }
}

/// What a reader of YAML does not take as it is, or takes for the end of a line.
fn is_special(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn plain_or_quoted(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Words that mean nothing but themselves to every reader of YAML.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 12] =
        ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "~"];
    let inner = |c: char| c.is_ascii_alphanumeric() || "_-./ ".contains(c) || c == ':';
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_')
        && text.chars().all(inner)
        && !text.contains(": ")
        && !text.ends_with([' ', ':'])
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// In double quotes, with escapes that JSON and YAML both know.
fn quoted(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for c in text.chars() {
        match c {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\t' => written.push_str("\\t"),
            '\r' => written.push_str("\\r"),
            c if is_special(c) => written.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => written.push(c),
        }
    }
    written.push('"');
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(text: &str) -> serde_json::Value {
        let mut problems = Problems::new(text);
        let node = tree::read(text, &mut problems).unwrap_or_else(|| panic!("{}\n{text}", problems.finish()));
        node.to_json()
    }

    #[track_caller]
    fn check(text: &str) {
        for notation in [Notation::Json, Notation::Yaml] {
            let written = written_as(text, notation).unwrap();
            assert_eq!(bare(&written), bare(text), "{notation:?}:\n{written}");
            assert_eq!(written_as(&written, notation).unwrap(), written, "it is written once and for all");
        }
    }

    #[test]
    fn the_library_says_the_same_in_both() {
        for shipped in crate::library::all() {
            check(shipped.text);
        }
    }

    #[test]
    fn every_text_comes_back() {
        let texts = [
            "",
            " ",
            "a",
            "a ",
            " a",
            "a: b",
            "a:b",
            "a:",
            "#",
            "a #b",
            "- a",
            "yes",
            "No",
            "null",
            "~",
            "1",
            "1.0",
            "0x1f",
            "2020-01-01",
            "{{ a }}",
            "[a]",
            "\"",
            "'",
            "\\",
            "a\nb",
            "a\nb\n",
            "a\n\nb\n\n",
            "\na",
            " a\nb",
            "a\r\nb",
            "a\tb\n\tc",
            "é\u{2028}x",
            "\u{85}",
            "\u{7f}\u{0}",
            "😀",
            "&a",
            "*a",
            "!a",
            "%a",
            "@a",
            "`a",
            "?",
            "- ",
            "---",
            "...",
            "a\n---\nb",
            "=",
            "key: |\n  x",
        ];
        for text in texts {
            let value = serde_json::json!({ "k": text, "l": [text, [text], { "m": text }], text: 1 });
            check(&value.to_string());
        }
        for value in [
            "{\"a\": {}, \"b\": [], \"c\": [[], {}, [[1]]], \"d\": null, \"e\": 2.5, \"f\": true}",
            "{\"a\": [{\"b\": [{\"c\": 1}]}]}",
        ] {
            check(value);
        }
    }

    #[test]
    fn a_document_reads_as_people_write_it() {
        let text = r#"{"schemaVersion": "2.2", "mainSteps": [{"name": "run", "inputs": {"runCommand": ["echo one", "a\nb\n"]}}]}"#;
        let wanted = "schemaVersion: \"2.2\"\nmainSteps:\n- name: run\n  inputs:\n    runCommand:\n    - echo one\n    - |\n      a\n      b\n";
        assert_eq!(written_as(text, Notation::Yaml).unwrap(), wanted);
        assert!(written_as("a: [", Notation::Json).is_err());
    }
}
