//! Stored parameters in the place of `{{ssm:name}}` (reference, sections 1.6 and 1.7).
//!
//! [`Document::references`] lists what a caller has to fetch, [`Document::resolve`] puts it in, and a plan made from the
//! result has no such reference left. A secret is never pasted: `{{ssm-secure:name}}` stays until the one action that
//! takes it, `aws:downloadContent`, resolves it itself. What a stored value contains is never looked at again.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bind::{Bound, Reference};
use crate::document::Document;
use crate::substitute::{self, Piece};

/// What a reference was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredValue {
    String(String),
    StringList(Vec<String>),
    /// Its value is not asked for: it must not be pasted.
    SecureString,
}

/// Why a reference cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error("there is no stored parameter `{0}`")]
    Missing(Reference),
    #[error(
        "the stored parameter `{0}` is a SecureString, which is never put into a text; refer to it as ssm-secure in aws:downloadContent"
    )]
    Secure(Reference),
    #[error("the stored parameter `{0}` is a StringList and can only be a whole element of a list")]
    ListInText(Reference),
}

impl std::fmt::Display for Reference {
    /// `name` or `name:selector`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        self.selector.as_ref().map_or(Ok(()), |selector| write!(f, ":{selector}"))
    }
}

impl Document {
    /// The values with every `{{ssm:name}}` replaced, in them and later in the steps.
    ///
    /// # Errors
    ///
    /// Everything that is not there, is a secret, or is a list in the place of a text, each reference once.
    pub fn resolve(
        &self,
        bound: &Bound,
        stored: &BTreeMap<Reference, StoredValue>,
    ) -> Result<Bound, Vec<ReferenceError>> {
        let mut errors = Vec::new();
        let mut tokens = BTreeMap::new();
        for reference in self.references(bound).into_iter().filter(|reference| !reference.secure) {
            let value = match stored.get(&reference) {
                None => Err(ReferenceError::Missing(reference.clone())),
                Some(StoredValue::SecureString) => Err(ReferenceError::Secure(reference.clone())),
                Some(StoredValue::StringList(_)) if self.is_in_text(bound, &reference) => {
                    Err(ReferenceError::ListInText(reference.clone()))
                }
                Some(StoredValue::StringList(list)) => Ok(list.iter().map(String::as_str).collect()),
                Some(StoredValue::String(text)) => Ok(Value::from(text.as_str())),
            };
            match value {
                Ok(value) => {
                    tokens.insert(format!("ssm:{reference}"), value);
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(bound.resolved(tokens)) } else { Err(errors) }
    }

    /// Whether the reference stands anywhere but as a whole element of a list.
    fn is_in_text(&self, bound: &Bound, reference: &Reference) -> bool {
        let token = format!("ssm:{reference}");
        let values = bound.iter().map(|(_, value)| value);
        let steps = self.steps.iter().flat_map(|step| [&step.inputs, &step.settings]);
        values.chain(steps).any(|value| stands_in_text(value, &token, false))
    }
}

fn stands_in_text(value: &Value, token: &str, is_element: bool) -> bool {
    match value {
        Value::String(text) if is_element && substitute::whole_token(text) == Some(token) => false,
        Value::String(text) => {
            substitute::pieces(text).any(|piece| matches!(piece, Piece::Token { name, .. } if name == token))
        }
        Value::Array(items) => items.iter().any(|item| stands_in_text(item, token, true)),
        Value::Object(entries) => entries.values().any(|item| stands_in_text(item, token, false)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decision, HostTraits, Platform, StepInputs, parse};

    fn reference(name: &str, selector: Option<&str>) -> Reference {
        Reference { name: name.to_owned(), selector: selector.map(str::to_owned), secure: false }
    }

    /// The lines of a script after its references are resolved, or what is told.
    fn resolved(lines: &str, stored: &[(Reference, StoredValue)]) -> String {
        let text = format!(
            "schemaVersion: '2.2'\nparameters: {{p: {{type: String, default: '{{{{ssm:/a/b}}}}'}}}}\nmainSteps:\n- name: a\n  action: aws:runShellScript\n  inputs: {{runCommand: {lines}}}\n"
        );
        let document = parse(text.as_bytes()).unwrap().document;
        let bound = document.bind(&BTreeMap::new()).unwrap();
        let bound = match document.resolve(&bound, &stored.iter().cloned().collect()) {
            Ok(bound) => bound,
            Err(errors) => {
                return errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            }
        };
        let host = HostTraits { platform: Platform::Linux, supports: &|_| true };
        let mut plan = document.plan(&bound, &host);
        match plan.steps.remove(0).decision {
            Decision::Run(StepInputs::RunScript(script)) => script.lines.join("|"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn values_take_the_place_of_references() {
        let stored = [
            (reference("/a/b", None), StoredValue::String("{{ p }} $(x)".to_owned())),
            (reference("list", Some("3")), StoredValue::StringList(vec!["x".to_owned(), "y".to_owned()])),
        ];
        for (lines, expected) in [
            ("['echo {{ p }}']", "echo {{ p }} $(x)"),
            ("['echo {{ ssm:/a/b }}']", "echo {{ p }} $(x)"),
            ("['{{ssm:list:3}}', end]", "x|y|end"),
            ("['{{ssm-secure:token}}', '{{ .Go }}']", "{{ssm-secure:token}}|{{ .Go }}"),
        ] {
            assert_eq!(resolved(lines, &stored), expected, "{lines}");
        }
    }

    #[test]
    fn what_cannot_be_resolved_is_told_at_once() {
        let stored = [
            (reference("/a/b", None), StoredValue::SecureString),
            (reference("list", None), StoredValue::StringList(Vec::new())),
        ];
        let told = resolved("['{{ssm:none:label}} {{ssm:list}}']", &stored);
        assert_eq!(
            told,
            "the stored parameter `/a/b` is a SecureString, which is never put into a text; refer to it as \
             ssm-secure in aws:downloadContent\n\
             the stored parameter `list` is a StringList and can only be a whole element of a list\n\
             there is no stored parameter `none:label`"
        );
    }
}
