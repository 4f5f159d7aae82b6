//! JSON into a tree: strict RFC 8259, with positions.

use std::ops::Range;

use jsonc_parser::ast::{ObjectPropName, Value as Ast};
use jsonc_parser::common::Ranged;
use jsonc_parser::errors::ParseErrorKind;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::{Entry, MAX_DEPTH, Node, ReadError, Value};

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(super) fn read(text: &str) -> Result<Node, ReadError> {
    // A byte order mark is one character that the reader does not know; a space of the same length keeps positions.
    let unmarked;
    let text = if text.starts_with('\u{feff}') {
        unmarked = text.replacen('\u{feff}', "   ", 1);
        &unmarked
    } else {
        text
    };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &STRICT).map_err(|error| {
        if let Some(at) = open_at_line_end(text) {
            return unclosed(at);
        }
        let range = error.range();
        match error.kind() {
            ParseErrorKind::UnterminatedObject | ParseErrorKind::UnterminatedArray => {
                let end = text.trim_end().len();
                let opened = 1 + text[..range.start].matches('\n').count();
                refused(end..end, format!("the text ends, but what begins in line {opened} is not closed"))
            }
            kind => refused(range.start..range.end, lower_first(&kind.to_string())),
        }
    })?;
    let Some(value) = parsed.value else {
        return Err(refused(0..0, "the text is empty".to_owned()));
    };
    node(text, value, 0)
}

/// The reader lets a text in quotes run over lines. A missing quote is then found lines later, or swallows what follows.
fn one_line(text: &str, range: &Range<usize>) -> Result<(), ReadError> {
    match text.get(range.clone()).and_then(|quoted| quoted.find('\n')) {
        Some(at) => Err(unclosed(range.start + at)),
        None => Ok(()),
    }
}

fn unclosed(at: usize) -> ReadError {
    refused(at..at, "a text is not closed on its line".to_owned())
}

/// Where a line ends in the middle of a text in quotes.
fn open_at_line_end(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    text.bytes().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'\n' if quoted => return true,
            _ => {}
        }
        false
    })
}

fn node(text: &str, value: Ast<'_>, depth: usize) -> Result<Node, ReadError> {
    let range = value.range();
    let span = range.start..range.end;
    if depth > MAX_DEPTH {
        return Err(ReadError {
            code: "too-deep",
            span,
            message: format!("lists and maps are nested more than {MAX_DEPTH} deep"),
            help: "flatten the document".to_owned(),
        });
    }
    let value = match value {
        Ast::NullKeyword(_) => Value::Null,
        Ast::BooleanLit(literal) => Value::Bool(literal.value),
        Ast::NumberLit(literal) => Value::Number(literal.value.to_owned()),
        Ast::StringLit(literal) => {
            one_line(text, &span)?;
            Value::Text(literal.value.into_owned())
        }
        Ast::Array(array) => Value::List(
            array.elements.into_iter().map(|item| node(text, item, depth + 1)).collect::<Result<_, _>>()?,
        ),
        Ast::Object(object) => Value::Map(
            object
                .properties
                .into_iter()
                .map(|property| {
                    let range = property.name.range();
                    let key_span = range.start..range.end;
                    one_line(text, &key_span)?;
                    let key = match property.name {
                        ObjectPropName::String(literal) => literal.value.into_owned(),
                        ObjectPropName::Word(word) => word.value.to_owned(),
                    };
                    let value = node(text, property.value, depth + 1)?;
                    Ok(Entry { key, key_span, value })
                })
                .collect::<Result<_, _>>()?,
        ),
    };
    Ok(Node { span, value })
}

fn refused(span: Range<usize>, message: String) -> ReadError {
    ReadError {
        code: "malformed-json",
        span,
        message,
        help: "the document must be well-formed JSON or YAML".to_owned(),
    }
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}
