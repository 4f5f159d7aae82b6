//! The rules of a parameter, held against a value of the right type (reference, section 1.4).

use serde_json::Value;

use crate::bind::ParameterError;
use crate::document::{Parameter, Rules};
use crate::problems::shown;
use crate::{substitute, values};

/// Everything that the rules hold against a value of the right type.
pub(crate) fn errors(parameter: &Parameter, value: &Value) -> Vec<ParameterError> {
    let mut errors = errors_without_pattern(parameter, value);
    let Some(pattern) = &parameter.rules.allowed_pattern else { return errors };
    errors.extend(texts(value).iter().filter_map(|text| pattern_error(parameter, pattern, text)));
    errors
}

/// The same for a default: its author wrote the pattern beside it, and matching costs more than all other checks.
pub(crate) fn errors_without_pattern(parameter: &Parameter, value: &Value) -> Vec<ParameterError> {
    let mut errors = Vec::new();
    let rules = &parameter.rules;
    if let Value::Array(items) = value {
        errors.extend(length_error(parameter, items.len(), "items", rules.min_items, rules.max_items));
    }
    if let Value::Object(entries) = value {
        errors.extend(length_error(parameter, entries.len(), "items", rules.min_items, rules.max_items));
    }
    for text in texts(value) {
        errors.extend(text_errors(parameter, rules, &text));
    }
    errors
}

/// What the rules are held against, each element of a list by itself. A reference has no value yet.
fn texts(value: &Value) -> Vec<String> {
    let texts: Vec<String> = match value {
        Value::Array(items) => items.iter().map(substitute::embedded).collect(),
        other => vec![substitute::embedded(other)],
    };
    texts.into_iter().filter(|text| !values::has_reference(text)).collect()
}

fn text_errors(parameter: &Parameter, rules: &Rules, text: &str) -> Vec<ParameterError> {
    let mut errors = Vec::new();
    let name = || parameter.name.clone();
    if !rules.allowed_values.is_empty() && !rules.allowed_values.iter().any(|allowed| allowed == text) {
        let allowed = rules.allowed_values.clone();
        errors.push(ParameterError::NotAllowed { name: name(), found: found(parameter, text), allowed });
    }
    errors.extend(length_error(
        parameter,
        text.chars().count(),
        "characters",
        rules.min_chars,
        rules.max_chars,
    ));
    errors
}

fn pattern_error(parameter: &Parameter, pattern: &str, text: &str) -> Option<ParameterError> {
    let (name, pattern_shown) = (parameter.name.clone(), shown(pattern));
    match crate::java_pattern::matches(pattern, text) {
        Ok(true) => None,
        Ok(false) => {
            Some(ParameterError::NoMatch { name, found: found(parameter, text), pattern: pattern_shown })
        }
        Err(why) => Some(ParameterError::Pattern { name, pattern: pattern_shown, why: why.to_string() }),
    }
}

fn length_error(
    parameter: &Parameter,
    length: usize,
    unit: &'static str,
    min: Option<u64>,
    max: Option<u64>,
) -> Option<ParameterError> {
    let length = length as u64;
    let wanted = match (min, max) {
        (Some(min), _) if length < min => format!("at least {min}"),
        (_, Some(max)) if length > max => format!("at most {max}"),
        _ => return None,
    };
    Some(ParameterError::Length { name: parameter.name.clone(), found: length, unit, wanted })
}

/// A value as a message may show it.
pub(crate) fn found(parameter: &Parameter, text: &str) -> String {
    if parameter.secret { "not right".to_owned() } else { format!("`{}`", shown(text)) }
}
