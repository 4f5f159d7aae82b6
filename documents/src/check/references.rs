//! Every `{{ name }}` of a document, compared with the parameters that it declares.
//!
//! Braces have other owners too: Go and Jinja templates, Python's f-strings, style sheets. What cannot be a reference
//! by its form is left alone without a word. A plain name that nobody declared is an error, unless the text shows that
//! it is a template of another language: then it is a warning.

use std::ops::Range;

use super::{Check, Entry, find};
use crate::document::Parameter;
use crate::problems::{Path, nearest, shown};
use crate::substitute::{self, Piece};
use crate::tree::{Node, Value};

impl Check<'_, '_> {
    pub(super) fn references(&mut self, top: &[Entry], parameters: &[Parameter]) {
        for key in ["mainSteps", "runtimeConfig"] {
            if let Some(entry) = find(top, key) {
                self.references_in(&entry.value, parameters, &Path::Root.key(key));
            }
        }
    }

    fn references_in(&mut self, node: &Node, parameters: &[Parameter], path: &Path<'_>) {
        match &node.value {
            Value::Text(text) if text.contains("{{") => self.references_of(text, node, parameters, path),
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.references_in(item, parameters, &path.index(index));
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    self.references_in(&entry.value, parameters, &path.key(&entry.key));
                }
            }
            _ => {}
        }
    }

    fn references_of(&mut self, text: &str, node: &Node, parameters: &[Parameter], path: &Path<'_>) {
        let mut searched = node.span.clone();
        let mut template = None;
        for piece in substitute::pieces(text) {
            let Piece::Token { whole, name } = piece else { continue };
            let span = self.place(whole, &mut searched).unwrap_or_else(|| node.span.clone());
            if !is_plain_name(name) || parameters.iter().any(|parameter| parameter.name == name) {
                continue;
            }
            let message = format!("no parameter `{}` is declared", shown(name));
            let near = nearest(name, parameters.iter().map(|parameter| parameter.name.as_str()));
            if *template.get_or_insert_with(|| is_template(text)) {
                let help = "the braces are left as they are";
                self.problems.warn("undeclared-parameter", &span, path, message, help);
                continue;
            }
            let help = near.map_or_else(
                || "declare it in parameters".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            self.problems.error("undeclared-parameter", &span, path, message, help);
        }
    }

    /// Where a token stands in the source; `searched` is what is left of the value after the tokens before it.
    fn place(&self, token: &str, searched: &mut Range<usize>) -> Option<Range<usize>> {
        let start = searched.start + self.text.get(searched.clone())?.find(token)?;
        searched.start = start + token.len();
        Some(start..searched.start)
    }
}

/// What AWS's agent takes for the name of a parameter. Everything else between braces belongs to somebody else.
fn is_plain_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !name.as_bytes()[0].is_ascii_digit()
}

/// Whether a text is written in a template language: a block, or braces around something that is no name.
fn is_template(text: &str) -> bool {
    text.contains("{%")
        || substitute::pieces(text).any(|piece| match piece {
            Piece::Text(text) => text.match_indices("{{").any(|(at, _)| {
                let inner = text[at + 2..].trim_start();
                inner.contains("}}") && !inner.starts_with('{')
            }),
            Piece::Token { name, .. } => name.starts_with('.'),
        })
}
