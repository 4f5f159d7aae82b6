//! What the input of an operation may look like, and what is said of one that does not: clients send what is too long,
//! too many or of no known word, and the service says so (reference, "Validation").
//!
//! A shape is a table that stands beside its operation. Whatever passed its shape can be read into the operation's
//! input; nulls count as absent, and members that nobody knows are passed over, as SSM does.

use std::fmt::{self, Write};
use std::sync::OnceLock;

use fancy_regex::Regex;
use serde_json::Value;

use super::fault::Fault;

/// What a value may be.
#[derive(Debug)]
pub(super) enum Shape {
    Text {
        least: usize,
        most: usize,
        pattern: Option<&'static Pattern>,
    },
    /// One of these, exactly.
    Word(&'static [&'static str]),
    Number {
        least: i64,
        most: i64,
    },
    Flag,
    /// Seconds since the Unix epoch, with fractions.
    Moment,
    List {
        of: &'static Shape,
        least: usize,
        most: usize,
    },
    /// Any texts to values of this shape.
    Map(&'static Shape),
    Structure(&'static [Member]),
}

/// A member of a structure.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) shape: &'static Shape,
}

/// A pattern of the API, which a whole text must match.
#[derive(Debug)]
pub(super) struct Pattern {
    text: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

/// Nothing more is asked of it.
pub(super) const ANY_TEXT: Shape = text(0, usize::MAX);

pub(super) const fn text(least: usize, most: usize) -> Shape {
    Shape::Text { least, most, pattern: None }
}

pub(super) const fn matching(pattern: &'static Pattern) -> Shape {
    Shape::Text { least: 0, most: usize::MAX, pattern: Some(pattern) }
}

pub(super) const fn list(of: &'static Shape, least: usize, most: usize) -> Shape {
    Shape::List { of, least, most }
}

/// A structure: each member with `!` when it is required and `?` when it is not.
macro_rules! structure {
    ($($name:literal $required:tt $shape:expr),* $(,)?) => {
        $crate::doors::ssm::shape::Shape::Structure(&[$(
            $crate::doors::ssm::shape::Member {
                name: $name,
                required: $crate::doors::ssm::shape::structure!(@ $required),
                shape: &$shape,
            }
        ),*])
    };
    (@ !) => { true };
    (@ ?) => { false };
}
pub(super) use structure;

impl Pattern {
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    fn matches(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| {
            // The API's letters are those of ASCII where it does not name others.
            let ascii = self.text.replace(r"\w", "[a-zA-Z0-9_]");
            Regex::new(&format!(r"\A(?:{ascii})\z")).ok()
        });
        compiled.as_ref().is_some_and(|regex| regex.is_match(text).unwrap_or(false))
    }

    #[cfg(test)]
    pub(super) fn compiles(&self) -> bool {
        self.matches("");
        matches!(self.compiled.get(), Some(Some(_)))
    }
}

/// Longest value that is repeated to the caller, characters.
const SHOWN_CHARS: usize = 200;
/// Violations that are told at once.
const TOLD_MAX: usize = 10;

/// Checks an input and takes its nulls out.
pub(super) fn check(shape: &Shape, input: &mut Value) -> Result<(), Fault> {
    let mut violations = Vec::new();
    visit(shape, input, &mut Place::default(), &mut violations)?;
    if violations.is_empty() {
        return Ok(());
    }
    let count = violations.len();
    violations.truncate(TOLD_MAX);
    // SSM ends the sentence about a number, and no other.
    if let [only] = violations.as_mut_slice()
        && only.contains("Member must have value ")
    {
        only.push('.');
    }
    Err(Fault::validation(format!(
        "{count} validation error{} detected: {}",
        if count == 1 { "" } else { "s" },
        violations.join("; ")
    )))
}

/// Where a value stands. It is written down only for a violation: nearly all inputs have none.
#[derive(Debug, Default)]
struct Place(Vec<Part>);

#[derive(Debug)]
enum Part {
    Member(&'static str),
    Key(String),
    /// Counted from one.
    Item(usize),
}

impl Place {
    fn within<T>(&mut self, part: Part, then: impl FnOnce(&mut Self) -> T) -> T {
        self.0.push(part);
        let result = then(self);
        self.0.pop();
        result
    }
}

/// As the API writes it: `parameterFilters.1.member.key`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "." })?;
            match part {
                Part::Member(name) => {
                    let (first, rest) = name.split_at_checked(1).unwrap_or((name, ""));
                    write!(f, "{}{rest}", first.to_ascii_lowercase())?;
                }
                Part::Key(key) => f.write_str(key)?,
                Part::Item(number) => write!(f, "{number}.member")?,
            }
        }
        Ok(())
    }
}

fn visit(shape: &Shape, value: &mut Value, place: &mut Place, told: &mut Vec<String>) -> Result<(), Fault> {
    match (shape, value) {
        (Shape::Structure(members), Value::Object(object)) => {
            object.retain(|_, value| !value.is_null());
            for member in *members {
                match object.get_mut(member.name) {
                    Some(value) => {
                        place.within(Part::Member(member.name), |place| {
                            visit(member.shape, value, place, told)
                        })?;
                    }
                    None if member.required => place.within(Part::Member(member.name), |place| {
                        told.push(violation("null", place, "Member must not be null"));
                    }),
                    None => {}
                }
            }
            Ok(())
        }
        (Shape::List { of, least, most }, Value::Array(items)) => {
            items.retain(|item| !item.is_null());
            check_length(items.len(), *least, *most, place, || shown_list(items), told);
            visit_items(of, items, place, told)
        }
        (Shape::Map(of), Value::Object(object)) => {
            object.retain(|_, value| !value.is_null());
            for (key, value) in object {
                place.within(Part::Key(key.clone()), |place| visit(of, value, place, told))?;
            }
            Ok(())
        }
        (Shape::Flag, Value::Bool(_)) => Ok(()),
        (Shape::Moment, Value::Number(_)) => Ok(()),
        (Shape::Number { least, most }, Value::Number(number)) => {
            let Some(number) = number.as_i64() else {
                return Err(other_type(place, "a whole number", "another number"));
            };
            check_number(number, *least, *most, place, told);
            Ok(())
        }
        (Shape::Text { .. } | Shape::Word(_), Value::String(text)) => {
            if let Some(constraint) = text_violation(shape, text) {
                told.push(violation(&shown(text), place, &constraint));
            }
            Ok(())
        }
        (shape, value) => Err(other_type(place, wanted(shape), found(value))),
    }
}

/// A list of texts is told as a whole when one of them is not good, as the API does.
fn visit_items(
    of: &Shape,
    items: &mut [Value],
    place: &mut Place,
    told: &mut Vec<String>,
) -> Result<(), Fault> {
    if !matches!(of, Shape::Text { .. } | Shape::Word(_)) {
        for (at, item) in items.iter_mut().enumerate() {
            place.within(Part::Item(at + 1), |place| visit(of, item, place, told))?;
        }
        return Ok(());
    }
    let mut first = None;
    for item in &*items {
        let Value::String(text) = item else { return Err(other_type(place, wanted(of), found(item))) };
        first = first.or_else(|| text_violation(of, text));
    }
    if let Some(constraint) = first {
        let constraint = format!("Member must satisfy constraint: [{constraint}]");
        told.push(violation(&shown_list(items), place, &constraint));
    }
    Ok(())
}

fn text_violation(shape: &Shape, text: &str) -> Option<String> {
    match shape {
        Shape::Text { least, most, pattern } => {
            let length = text.chars().count();
            if length < *least {
                return Some(at_least("length", *least));
            }
            if length > *most {
                return Some(at_most("length", *most));
            }
            let pattern = pattern.filter(|pattern| !pattern.matches(text))?;
            Some(format!("Member must satisfy regular expression pattern: {}", pattern.text))
        }
        Shape::Word(words) if !words.contains(&text) => {
            Some(format!("Member must satisfy enum value set: [{}]", words.join(", ")))
        }
        _ => None,
    }
}

fn check_length(
    length: usize,
    least: usize,
    most: usize,
    place: &Place,
    shown: impl Fn() -> String,
    told: &mut Vec<String>,
) {
    if length < least {
        told.push(violation(&shown(), place, &at_least("length", least)));
    }
    if length > most {
        told.push(violation(&shown(), place, &at_most("length", most)));
    }
}

fn check_number(number: i64, least: i64, most: i64, place: &Place, told: &mut Vec<String>) {
    if number < least {
        told.push(violation(&number.to_string(), place, &at_least("value", least)));
    }
    if number > most {
        told.push(violation(&number.to_string(), place, &at_most("value", most)));
    }
}

fn at_least(what: &str, least: impl std::fmt::Display) -> String {
    format!("Member must have {what} greater than or equal to {least}")
}

fn at_most(what: &str, most: impl std::fmt::Display) -> String {
    format!("Member must have {what} less than or equal to {most}")
}

fn violation(value: &str, place: &Place, constraint: &str) -> String {
    let value = if value == "null" { value.to_owned() } else { format!("'{value}'") };
    format!("Value {value} at '{place}' failed to satisfy constraint: {constraint}")
}

fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        cut.push('…');
    }
    cut
}

fn shown_list(items: &[Value]) -> String {
    let mut line = "[".to_owned();
    for (at, item) in items.iter().enumerate() {
        if line.len() > SHOWN_CHARS {
            line.push('…');
            break;
        }
        let comma = if at == 0 { "" } else { ", " };
        let item = item.as_str().map_or_else(|| "…".to_owned(), shown);
        // Writing to a String does not fail.
        let _ = write!(line, "{comma}{item}");
    }
    line.push(']');
    line
}

fn wanted(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text { .. } | Shape::Word(_) => "a string",
        Shape::Number { .. } => "a whole number",
        Shape::Flag => "true or false",
        Shape::Moment => "a number of seconds",
        Shape::List { .. } => "a list",
        Shape::Map(_) | Shape::Structure(_) => "an object",
    }
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn other_type(place: &Place, wanted: &str, found: &str) -> Fault {
    let place = if place.0.is_empty() { "the input".to_owned() } else { place.to_string() };
    Fault::new("SerializationException", format!("{place} is {found}, and {wanted} is expected"))
}

#[cfg(test)]
mod tests;
