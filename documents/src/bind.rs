//! Parameter values: what a caller gives, completed with defaults, typed and held against the rules (reference, 1.4).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::document::{Document, Parameter, ParameterType};
use crate::problems::{nearest, shown};
use crate::rules;
use crate::substitute::{self, Piece};
use crate::values;

/// All values together, as the document's size is limited (reference, section 1.12).
const MAX_VALUES_BYTES: usize = 64 * 1024;

/// A secret with fewer bytes cannot be told from ordinary text.
const SHORTEST_SECRET: usize = 4;

/// The values of all parameters, in their native types.
#[derive(Clone, PartialEq)]
pub struct Bound {
    values: BTreeMap<String, Value>,
    secret: BTreeSet<String>,
    /// Stored parameters by the text of their tokens, for example `ssm:/a/b:3`.
    stored: BTreeMap<String, Value>,
    /// Stored secrets by the text of their tokens, for example `ssm-secure:token`. They are pasted nowhere.
    opened: BTreeMap<String, String>,
}

impl std::fmt::Debug for Bound {
    /// Secret values are hidden here as well: what is printed for debugging ends in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bound({})", self.redacted_json())
    }
}

/// Why a value cannot be bound. A secret value is never in the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    #[error("the document has no parameter `{name}`{}", did_you_mean(.nearest.as_deref()))]
    Unknown { name: String, nearest: Option<String> },
    #[error("parameter `{name}` has no value and no default")]
    Missing { name: String },
    #[error("parameter `{name}` is {found}; it takes {wanted}")]
    WrongType { name: String, found: String, wanted: &'static str },
    #[error("parameter `{name}` is {found}; it takes one of {}", .allowed.join(", "))]
    NotAllowed { name: String, found: String, allowed: Vec<String> },
    #[error("parameter `{name}` is {found}; it must match {pattern}")]
    NoMatch { name: String, found: String, pattern: String },
    #[error("parameter `{name}` cannot be matched with {pattern}: {why}")]
    Pattern { name: String, pattern: String, why: String },
    #[error("parameter `{name}` has {found} {unit}; it takes {wanted}")]
    Length { name: String, found: u64, unit: &'static str, wanted: String },
    #[error("parameter `{name}` has a NUL character, which no script can receive")]
    Nul { name: String },
    #[error("the parameters have {found} bytes together; at most {MAX_VALUES_BYTES} are allowed")]
    TooLarge { found: usize },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

/// Why JSON is not what [`Document::bind`] made for this document.
#[derive(Debug, thiserror::Error)]
pub enum BoundJsonError {
    #[error("the parameters are not a JSON object")]
    NotAnObject(#[source] Option<serde_json::Error>),
    #[error("the parameters do not hold `{0}`, which the document declares")]
    Missing(String),
    #[error("the parameters hold `{0}`, which the document does not declare")]
    Unknown(String),
}

/// A value that lives outside the document: `{{ssm:name}}`, `{{ssm:name:3}}`, `{{ssm-secure:name}}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    pub name: String,
    /// A version or a label.
    pub selector: Option<String>,
    /// Whether it was asked for with `ssm-secure:`.
    pub secure: bool,
}

/// What stands before the name of a stored secret in a token.
const SECURE: &str = "ssm-secure:";

impl Reference {
    fn token(&self) -> String {
        format!("{}{self}", if self.secure { SECURE } else { "ssm:" })
    }

    pub(crate) fn from_token(name: &str) -> Option<Self> {
        let (secure, rest) = match name.strip_prefix(SECURE) {
            Some(rest) => (true, rest),
            None => (false, name.strip_prefix("ssm:")?),
        };
        let (name, selector) = match rest.split_once(':') {
            Some((name, selector)) => (name, Some(selector.to_owned())),
            None => (rest, None),
        };
        (!name.is_empty()).then(|| Self { name: name.to_owned(), selector, secure })
    }
}

impl Document {
    /// Values for all parameters from the texts that a caller gives, as SSM's wire has them.
    ///
    /// A default counts as it stands: its author wrote it beside the rules.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the values, in the order of the declarations, unknown names last.
    pub fn bind(&self, arguments: &BTreeMap<String, Vec<String>>) -> Result<Bound, Vec<ParameterError>> {
        let mut errors = Vec::new();
        let mut values = BTreeMap::new();
        for parameter in &self.parameters {
            match (arguments.get(&parameter.name), &parameter.default) {
                (Some(texts), _) => match given(parameter, texts) {
                    Ok(value) => {
                        errors.extend(rules::errors(parameter, &value));
                        values.insert(parameter.name.clone(), value);
                    }
                    Err(error) => errors.push(error),
                },
                (None, Some(default)) => {
                    values.insert(parameter.name.clone(), default.clone());
                }
                (None, None) => errors.push(ParameterError::Missing { name: parameter.name.clone() }),
            }
        }
        for name in arguments.keys().filter(|name| self.parameter(name).is_none()) {
            let declared = self.parameters.iter().map(|parameter| parameter.name.as_str());
            let nearest = nearest(name, declared).map(str::to_owned);
            errors.push(ParameterError::Unknown { name: shown(name), nearest });
        }
        let found = arguments.values().flatten().map(String::len).sum();
        if found > MAX_VALUES_BYTES {
            errors.push(ParameterError::TooLarge { found });
        }
        if errors.is_empty() { Ok(self.bound(values)) } else { Err(errors) }
    }

    /// Reads back what [`Bound::to_json`] wrote. The values were checked when they were bound.
    ///
    /// # Errors
    ///
    /// When the JSON is no object or its names are not the declared ones.
    pub fn bound_from_json(&self, json: &[u8]) -> Result<Bound, BoundJsonError> {
        let value = serde_json::from_slice(json).map_err(|error| BoundJsonError::NotAnObject(Some(error)))?;
        let Value::Object(entries) = value else { return Err(BoundJsonError::NotAnObject(None)) };
        // What was resolved stands beside the parameters, under its token: no name has a colon.
        let (tokens, entries): (Map<_, _>, Map<_, _>) =
            entries.into_iter().partition(|(name, _)| Reference::from_token(name).is_some());
        if let Some(unknown) = entries.keys().find(|name| self.parameter(name).is_none()) {
            return Err(BoundJsonError::Unknown(shown(unknown)));
        }
        if let Some(missing) = self.parameters.iter().find(|parameter| !entries.contains_key(&parameter.name))
        {
            return Err(BoundJsonError::Missing(missing.name.clone()));
        }
        let mut bound = self.bound(entries.into_iter().collect());
        for (token, value) in tokens {
            match value {
                Value::String(secret) if token.starts_with(SECURE) => {
                    drop(bound.opened.insert(token, secret));
                }
                value => drop(bound.stored.insert(token, value)),
            }
        }
        Ok(bound)
    }

    /// The stored parameters that the values and the steps refer to, each once.
    #[must_use]
    pub fn references(&self, bound: &Bound) -> BTreeSet<Reference> {
        let mut found = BTreeSet::new();
        for value in bound.values.values() {
            collect_references(value, &mut found);
        }
        for step in &self.steps {
            collect_references(&step.inputs, &mut found);
            collect_references(&step.settings, &mut found);
        }
        found
    }

    fn bound(&self, values: BTreeMap<String, Value>) -> Bound {
        let secret = self
            .parameters
            .iter()
            .filter(|parameter| parameter.secret)
            .map(|parameter| parameter.name.clone())
            .collect();
        Bound { values, secret, stored: BTreeMap::new(), opened: BTreeMap::new() }
    }
}

impl Bound {
    /// The value of a parameter, or of a stored one that was resolved.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name).or_else(|| self.stored.get(name))
    }

    /// The same values with the tokens of stored parameters replaced.
    pub(crate) fn resolved(&self, stored: BTreeMap<String, Value>) -> Self {
        let replaced = |value| substitute::value(value, &|token| stored.get(token));
        let values = self.values.iter().map(|(name, value)| (name.clone(), replaced(value))).collect();
        Self { values, secret: self.secret.clone(), stored, opened: self.opened.clone() }
    }

    /// The same values with secrets for the one action that takes them.
    #[must_use]
    pub fn with_secrets(mut self, secrets: BTreeMap<Reference, String>) -> Self {
        self.opened = secrets.into_iter().map(|(reference, value)| (reference.token(), value)).collect();
        self
    }

    /// The stored secret that a reference points to, when it was resolved.
    pub(crate) fn opened(&self, reference: &Reference) -> Option<&str> {
        self.opened.get(&reference.token()).map(String::as_str)
    }

    /// Whether anything in it must be sealed where it is kept.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        !self.secret.is_empty() || !self.opened.is_empty()
    }

    /// The texts of all secret values, for whoever masks them in what people see. Texts of a few characters are left
    /// out: masking them would hide everything and protect nothing.
    #[must_use]
    pub fn secret_texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for name in &self.secret {
            if let Some(value) = self.values.get(name) {
                collect_texts(value, &mut texts);
            }
        }
        texts.extend(self.opened.values().cloned());
        texts.retain(|text| text.len() >= SHORTEST_SECRET);
        texts.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        texts.dedup();
        texts
    }

    /// By name, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }

    #[must_use]
    pub fn is_secret(&self, name: &str) -> bool {
        self.secret.contains(name)
    }

    /// The whole truth, for the wire and the journal only.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut entries: Map<String, Value> =
            self.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        entries.extend(self.stored.iter().map(|(token, value)| (token.clone(), value.clone())));
        entries.extend(self.opened.iter().map(|(token, value)| (token.clone(), Value::from(value.as_str()))));
        Value::Object(entries).to_string()
    }

    /// For people: secret values are replaced by `****`.
    #[must_use]
    pub fn redacted_json(&self) -> String {
        let shown = |name: &str, value: &Value| match self.is_secret(name) {
            true => Value::from("****"),
            false => value.clone(),
        };
        let entries: Map<String, Value> =
            self.iter().map(|(name, value)| (name.to_owned(), shown(name, value))).collect();
        Value::Object(entries).to_string()
    }
}

fn given(parameter: &Parameter, texts: &[String]) -> Result<Value, ParameterError> {
    let name = || parameter.name.clone();
    if texts.iter().any(|text| text.contains('\0')) {
        return Err(ParameterError::Nul { name: name() });
    }
    let is_list = matches!(
        parameter.value_type,
        ParameterType::StringList | ParameterType::AwsList(_) | ParameterType::MapList
    );
    let written = match texts {
        [text] if !matches!(parameter.value_type, ParameterType::StringList | ParameterType::AwsList(_)) => {
            Value::from(text.as_str())
        }
        _ if parameter.value_type == ParameterType::MapList => {
            // Several texts are the maps of the list, one in each.
            texts.iter().map(|text| serde_json::from_str(text).unwrap_or(Value::Null)).collect()
        }
        _ if is_list => texts.iter().map(String::as_str).collect(),
        _ => {
            let found =
                if texts.is_empty() { "empty".to_owned() } else { format!("a list of {}", texts.len()) };
            let wanted = values::wanted(&parameter.value_type);
            return Err(ParameterError::WrongType { name: name(), found, wanted });
        }
    };
    values::native(&written, &parameter.value_type).ok_or_else(|| ParameterError::WrongType {
        name: name(),
        found: rules::found(parameter, &texts.join(", ")),
        wanted: values::wanted(&parameter.value_type),
    })
}

/// A value's text, and the texts inside it.
fn collect_texts(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(entries) => entries.values().for_each(|item| collect_texts(item, texts)),
        Value::Null | Value::Bool(_) => {}
        scalar => texts.push(substitute::embedded(scalar)),
    }
}

fn collect_references(value: &Value, found: &mut BTreeSet<Reference>) {
    match value {
        Value::String(text) => found.extend(substitute::pieces(text).filter_map(|piece| match piece {
            Piece::Token { name, .. } => Reference::from_token(name),
            Piece::Text(_) => None,
        })),
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        Value::Object(entries) => entries.values().for_each(|item| collect_references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
