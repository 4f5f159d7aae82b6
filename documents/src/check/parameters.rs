//! The declared parameters: types, defaults and rules (reference, section 1.4).

use serde_json::Value as Json;

use super::{Check, Entry, find};
use crate::bind::ParameterError;
use crate::document::{Interpolation, Kind, Parameter, ParameterType, Rules};
use crate::problems::{Path, nearest, shown};
use crate::rules;
use crate::tree::Node;

/// What SSM takes in one call (reference, section 1.12).
const MAX_PARAMETERS: usize = 200;

const KEYS: [&str; 13] = [
    "type",
    "description",
    "default",
    "allowedValues",
    "allowedPattern",
    "minChars",
    "maxChars",
    "minItems",
    "maxItems",
    "displayType",
    "interpolationType",
    "noEcho",
    "sensitive",
];

impl Check<'_, '_> {
    pub(super) fn parameters(&mut self, top: &[Entry]) -> Vec<Parameter> {
        let path = Path::Root.key("parameters");
        let Some(entry) = find(top, "parameters") else { return Vec::new() };
        if entry.value.is_null() {
            return Vec::new();
        }
        let Some(entries) = entry.value.entries() else {
            let message = format!("found {}", entry.value.kind());
            self.problems.error(
                "wrong-type",
                &entry.value.span,
                &path,
                message,
                "write a map from name to definition",
            );
            return Vec::new();
        };
        if entries.len() > MAX_PARAMETERS {
            let message = format!("the document declares {} parameters", entries.len());
            let help = format!("at most {MAX_PARAMETERS} are allowed");
            self.problems.error("too-many-parameters", &entry.key_span, &path, message, help);
            return Vec::new();
        }
        let mut parameters: Vec<Parameter> = Vec::with_capacity(entries.len());
        for entry in entries {
            let parameter = self.parameter(entry, &path.key(&entry.key));
            if let Some(known) = parameters.iter_mut().find(|known| known.name == entry.key) {
                *known = parameter;
            } else {
                parameters.push(parameter);
            }
        }
        parameters
    }

    fn parameter(&mut self, entry: &Entry, path: &Path<'_>) -> Parameter {
        self.parameter_name(entry, path);
        let none = [];
        let attributes = entry.value.entries().unwrap_or_else(|| {
            let message = format!("the definition is {}", entry.value.kind());
            self.problems.error(
                "wrong-type",
                &entry.value.span,
                path,
                message,
                "write a map with at least a type",
            );
            &none
        });
        self.warn_unknown(attributes, &KEYS, path, "a parameter");
        let value_type = self.parameter_type(entry, attributes, path);
        let rules = self.rules(attributes, path);
        let default = find(attributes, "default")
            .filter(|default| !default.value.is_null())
            .map(|default| self.default(&default.value, &value_type, &path.key("default")));
        let parameter = Parameter {
            name: entry.key.clone(),
            value_type,
            description: self.optional_text(attributes, "description", path),
            default,
            rules,
            interpolation: self.interpolation(attributes, path),
            secret: ["noEcho", "sensitive"].iter().any(|key| {
                find(attributes, key)
                    .and_then(|entry| entry.value.scalar())
                    .is_some_and(|text| text.eq_ignore_ascii_case("true"))
            }),
        };
        self.default_obeys(attributes, &parameter, path);
        parameter
    }

    /// An empty default stands for a value that was not given, whatever the rules say.
    fn default_obeys(&mut self, attributes: &[Entry], parameter: &Parameter, path: &Path<'_>) {
        let (Some(entry), Some(value)) = (find(attributes, "default"), &parameter.default) else { return };
        let is_empty = match value {
            Json::String(text) => text.is_empty(),
            Json::Array(items) => items.is_empty(),
            Json::Object(entries) => entries.is_empty(),
            _ => false,
        };
        if is_empty {
            return;
        }
        let (span, path) = (&entry.value.span, path.key("default"));
        for error in rules::errors_without_pattern(parameter, value) {
            let help = "change the default or the rule";
            match error {
                ParameterError::NotAllowed { found, allowed, .. } => {
                    let help = format!("use one of {}", shown(&allowed.join(", ")));
                    self.problems.error(
                        "bad-default",
                        span,
                        &path,
                        format!("the default {found} is not allowed"),
                        help,
                    );
                }
                ParameterError::Length { found, unit, wanted, .. } => {
                    let message = format!("the default has {found} {unit}, {wanted} are allowed");
                    self.problems.error("bad-default", span, &path, message, help);
                }
                // Patterns are for values that callers give.
                _ => {}
            }
        }
    }

    fn pattern(&mut self, attributes: &[Entry], path: &Path<'_>) -> Option<String> {
        let pattern = self.optional_text(attributes, "allowedPattern", path)?;
        if let (Err(error), Some(entry)) =
            (crate::java_pattern::check(&pattern), find(attributes, "allowedPattern"))
        {
            let help = "write a regular expression in Java's dialect";
            let path = path.key("allowedPattern");
            self.problems.error("bad-pattern", &entry.value.span, &path, error.to_string(), help);
        }
        Some(pattern)
    }

    fn parameter_name(&mut self, entry: &Entry, path: &Path<'_>) {
        let name = &entry.key;
        let allowed = |extra: &[char]| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|character| character.is_ascii_alphanumeric() || extra.contains(&character))
        };
        if !allowed(&['_', '-', '.']) {
            let message = format!("`{}` cannot be the name of a parameter", shown(name));
            self.problems.error(
                "bad-parameter-name",
                &entry.key_span,
                path,
                message,
                "use letters and digits",
            );
        } else if self.schema.kind() != Kind::Automation && !allowed(&[]) {
            let message = format!("`{}` has other characters than letters and digits", shown(name));
            let help = "AWS's agent leaves references to it unreplaced; here they are replaced";
            self.problems.warn("unportable-parameter-name", &entry.key_span, path, message, help);
        }
    }

    pub(super) fn parameter_type(
        &mut self,
        entry: &Entry,
        attributes: &[Entry],
        path: &Path<'_>,
    ) -> ParameterType {
        let path = path.key("type");
        let help = || format!("use one of {}", ParameterType::NAMES.join(", "));
        let Some(found) = find(attributes, "type") else {
            if entry.value.entries().is_some() {
                self.problems.error("no-type", &entry.key_span, &path, "the type is missing", help());
            }
            return ParameterType::String;
        };
        let name = found.value.scalar().unwrap_or_default();
        ParameterType::from_name(name).unwrap_or_else(|| {
            let message = format!("there is no parameter type `{}`", shown(name));
            let help = nearest(name, ParameterType::NAMES)
                .map_or_else(help, |near| format!("did you mean `{near}`?"));
            self.problems.error("unknown-type", &found.value.span, &path, message, help);
            ParameterType::String
        })
    }

    fn interpolation(&mut self, attributes: &[Entry], path: &Path<'_>) -> Interpolation {
        let Some(entry) = find(attributes, "interpolationType") else { return Interpolation::Paste };
        if entry.value.scalar() == Some("ENV_VAR") {
            return Interpolation::Environment;
        }
        if !entry.value.is_null() {
            let message = "the value is not known";
            self.problems.error(
                "bad-interpolation",
                &entry.value.span,
                &path.key("interpolationType"),
                message,
                "use ENV_VAR",
            );
        }
        Interpolation::Paste
    }

    fn rules(&mut self, attributes: &[Entry], path: &Path<'_>) -> Rules {
        let allowed_values = find(attributes, "allowedValues").map_or_else(Vec::new, |entry| {
            if entry.value.items().is_none() && !entry.value.is_null() {
                let message = format!("found {}", entry.value.kind());
                self.problems.error(
                    "wrong-type",
                    &entry.value.span,
                    &path.key("allowedValues"),
                    message,
                    "write a list",
                );
            }
            let items = entry.value.items().unwrap_or_default();
            items.iter().filter_map(Node::scalar).map(str::to_owned).collect()
        });
        let rules = Rules {
            allowed_values,
            allowed_pattern: self.pattern(attributes, path),
            min_chars: self.count(attributes, "minChars", path),
            max_chars: self.count(attributes, "maxChars", path),
            min_items: self.count(attributes, "minItems", path),
            max_items: self.count(attributes, "maxItems", path),
        };
        for (key, min, max) in
            [("minChars", rules.min_chars, rules.max_chars), ("minItems", rules.min_items, rules.max_items)]
        {
            if let (Some(min), Some(max), Some(entry)) = (min, max, find(attributes, key))
                && min > max
            {
                let message = format!("at least {min} and at most {max} cannot both hold");
                let help = "change one of the two";
                self.problems.error("bad-count", &entry.value.span, &path.key(key), message, help);
            }
        }
        rules
    }

    /// A number, or a text that is one.
    fn count(&mut self, attributes: &[Entry], key: &str, path: &Path<'_>) -> Option<u64> {
        let entry = find(attributes, key)?;
        if entry.value.is_null() {
            return None;
        }
        let count = entry.value.scalar().and_then(|text| text.trim().parse().ok());
        if count.is_none() {
            let found = entry
                .value
                .scalar()
                .map_or_else(|| entry.value.kind().to_owned(), |text| format!("`{}`", shown(text)));
            let message = format!("{found} is no count");
            self.problems.error(
                "bad-count",
                &entry.value.span,
                &path.key(key),
                message,
                "write a number from 0",
            );
        }
        count
    }

    /// The default in its native type; a text that reads as the type is taken as it.
    pub(super) fn default(&mut self, node: &Node, value_type: &ParameterType, path: &Path<'_>) -> Json {
        let json = node.to_json();
        match crate::values::native(&json, value_type) {
            Some(native) => native,
            None => {
                let message = format!("the default is {}", node.kind());
                let help = format!(
                    "a parameter of type {} needs {}",
                    value_type.name(),
                    crate::values::wanted(value_type)
                );
                self.problems.error("bad-default", &node.span, path, message, help);
                json
            }
        }
    }
}
