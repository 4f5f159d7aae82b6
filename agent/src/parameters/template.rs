//! Texts with parameters in them: `{{ssm:NAME}}` and, for a SecureString, `{{ssm-secure:NAME}}`. Pure.
//!
//! Blanks around the words are allowed. Whatever else stands between double braces is left as it is, so that templates
//! of other tools pass through.

use std::fmt;

/// A text in its pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Parameter(Slot),
}

/// A place that a value is to be put into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub name: String,
    pub takes: Takes,
    pub at: Position,
}

/// Which parameters a slot takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// `ssm`: everything but secrets.
    Plain,
    /// `ssm-secure`.
    Secrets,
}

/// Counted from one; columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// What is wrong in a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("{0}: `{{{{` is not closed by `}}}}` on its line")]
    Open(Position),
    #[error(
        "{at}: `{name}` is no name of a parameter: letters, digits and . - _ / and a selector behind a colon"
    )]
    Name { at: Position, name: String },
}

impl Template {
    /// # Errors
    /// When a slot is not closed or names nothing that can be a parameter.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let (mut plain, mut rest) = (String::new(), text);
        while let Some(begin) = rest.find("{{") {
            let (before, slot) = rest.split_at(begin);
            plain.push_str(before);
            let inside = &slot[2..];
            let Some((takes, named)) = word(inside) else {
                plain.push_str("{{");
                rest = inside;
                continue;
            };
            let at = position(text, text.len() - slot.len());
            let line_end = named.find('\n').unwrap_or(named.len());
            let end = named[..line_end].find("}}").ok_or(TemplateError::Open(at))?;
            let name = named[..end].trim();
            if !is_name(name) {
                return Err(TemplateError::Name { at, name: name.escape_debug().to_string() });
            }
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Parameter(Slot { name: name.to_owned(), takes, at }));
            rest = &named[end + 2..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Parameter(slot) => Some(slot),
            Piece::Text(_) => None,
        })
    }

    /// The text with a value in each slot, in their order.
    #[must_use]
    pub fn filled(&self, values: &[String]) -> String {
        let mut values = values.iter();
        let parts = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Parameter(_) => values.next().map(String::as_str).unwrap_or_default(),
        });
        parts.collect()
    }
}

/// What a slot begins with, and what follows it.
fn word(inside: &str) -> Option<(Takes, &str)> {
    let inside = inside.trim_start_matches([' ', '\t']);
    let (takes, rest) = match inside.strip_prefix("ssm-secure") {
        Some(rest) => (Takes::Secrets, rest),
        None => (Takes::Plain, inside.strip_prefix("ssm")?),
    };
    Some((takes, rest.trim_start_matches([' ', '\t']).strip_prefix(':')?))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/:".contains(&byte))
}

fn position(text: &str, at: usize) -> Position {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Position { line, column }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, slots: &[(&str, Takes, usize, usize)], filled: &str) {
        let template = Template::parse(text).unwrap();
        let found: Vec<_> = template
            .slots()
            .map(|slot| (slot.name.as_str(), slot.takes, slot.at.line, slot.at.column))
            .collect();
        assert_eq!(found, slots);
        let values: Vec<_> = found.iter().map(|(name, ..)| format!("<{name}>")).collect();
        assert_eq!(template.filled(&values), filled);
    }

    #[test]
    fn slots_are_found_where_they_stand() {
        use Takes::{Plain, Secrets};
        check("", &[], "");
        check("nothing {{ here }} {x}", &[], "nothing {{ here }} {x}");
        check("a={{ssm:/app/a}}\n", &[("/app/a", Plain, 1, 3)], "a=</app/a>\n");
        check(
            "ü {{ ssm-secure : /app/p:2 }}{{ssm:b:prod}}\n{{{{ssm:c}}}}",
            &[("/app/p:2", Secrets, 1, 3), ("b:prod", Plain, 1, 30), ("c", Plain, 2, 3)],
            "ü </app/p:2><b:prod>\n{{<c>}}",
        );
        check("{{ssmx:a}} {{ ssm }}", &[], "{{ssmx:a}} {{ ssm }}");
    }

    #[test]
    fn a_slip_is_told_with_its_place() {
        for (text, wanted) in [
            ("x\n  {{ssm:a\n}}", "line 2, column 3: `{{` is not closed"),
            ("{{ssm:}}", "line 1, column 1: `` is no name"),
            ("{{ssm:a b}}", "line 1, column 1: `a b` is no name"),
        ] {
            let error = Template::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{error}");
        }
    }
}
