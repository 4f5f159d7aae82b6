//! Values in their native types: what a parameter's type makes of a default or of texts given by a caller.

use serde_json::Value;

use crate::document::ParameterType;

/// The value in the type's native form, or none when it cannot be read so.
///
/// A text stands for any type that can be written as one; a text with a reference in it is left to be resolved later.
pub(crate) fn native(value: &Value, value_type: &ParameterType) -> Option<Value> {
    match (value_type, value) {
        (_, Value::String(text)) if has_reference(text) => Some(value.clone()),
        (ParameterType::String | ParameterType::Aws(_), _) => scalar_text(value).map(Value::String),
        (ParameterType::StringList | ParameterType::AwsList(_), Value::Array(items)) => items
            .iter()
            .map(|item| scalar_text(item).map(Value::String))
            .collect::<Option<Vec<_>>>()
            .map(Value::Array),
        (ParameterType::StringList | ParameterType::AwsList(_), Value::String(text)) => {
            Some(if text.is_empty() { Value::Array(Vec::new()) } else { Value::Array(vec![value.clone()]) })
        }
        (ParameterType::Integer, Value::Number(number)) => {
            number.as_i64().or_else(|| number.as_f64().and_then(whole)).map(Value::from)
        }
        (ParameterType::Integer, Value::String(text)) => text.trim().parse::<i64>().ok().map(Value::from),
        (ParameterType::Boolean, Value::Bool(_)) => Some(value.clone()),
        (ParameterType::Boolean, Value::String(text)) => match text.as_str() {
            "true" | "True" => Some(Value::Bool(true)),
            "false" | "False" => Some(Value::Bool(false)),
            _ => None,
        },
        (ParameterType::StringMap, Value::Object(_)) => Some(value.clone()),
        (ParameterType::MapList, Value::Array(items)) if items.iter().all(Value::is_object) => {
            Some(value.clone())
        }
        (ParameterType::StringMap | ParameterType::MapList, Value::String(text)) => written(text, value_type),
        _ => None,
    }
}

/// What a caller should write for the type.
pub(crate) fn wanted(value_type: &ParameterType) -> &'static str {
    match value_type {
        ParameterType::String | ParameterType::Aws(_) => "one text",
        ParameterType::StringList | ParameterType::AwsList(_) => "a list of texts",
        ParameterType::Integer => "a whole number",
        ParameterType::Boolean => "true or false",
        ParameterType::StringMap => "a map, or JSON text of one",
        ParameterType::MapList => "a list of maps, or JSON text of one",
    }
}

/// Whether the text refers to something outside the document: `{{ssm:…}}`, `{{global:…}}` and the like.
pub(crate) fn has_reference(text: &str) -> bool {
    crate::substitute::pieces(text)
        .any(|piece| matches!(piece, crate::substitute::Piece::Token { name, .. } if name.contains(':')))
}

/// A list or map carried as JSON text.
fn written(text: &str, value_type: &ParameterType) -> Option<Value> {
    if text.trim().is_empty() {
        let empty = if *value_type == ParameterType::MapList {
            Value::Array(Vec::new())
        } else {
            Value::Object(serde_json::Map::new())
        };
        return Some(empty);
    }
    let value = serde_json::from_str::<Value>(text).ok().filter(|value| !value.is_string())?;
    native(&value, value_type)
}

pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the bounds are checked in the same expression")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}
