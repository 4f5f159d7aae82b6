//! `aws:cloudWatch`, which AWS no longer develops (reference, section 2.15).

use serde_json::{Map, Value};

use crate::script;

#[derive(Debug, Clone, PartialEq)]
pub struct CloudWatch {
    pub enabled: bool,
    /// The configuration of another program, as the document wrote it.
    pub configuration: Map<String, Value>,
}

/// The inputs are the configuration or JSON text of it; whether it is on stands in the settings.
pub(super) fn read(inputs: &Value, settings: &Value) -> Result<CloudWatch, String> {
    let inputs = script::input(inputs, "properties").unwrap_or(inputs);
    let configuration = match inputs {
        Value::Object(configuration) => configuration.clone(),
        Value::Null => Map::new(),
        Value::String(text) if text.trim().is_empty() => Map::new(),
        Value::String(text) => serde_json::from_str(text)
            .map_err(|error| format!("the properties are no JSON text of a map: {error}"))?,
        _ => return Err("the properties are no map, and no JSON text of one".to_owned()),
    };
    let enabled = match script::input(settings, "startType").and_then(Value::as_str) {
        Some(word) if word.eq_ignore_ascii_case("Enabled") => true,
        Some(word) if word.eq_ignore_ascii_case("Disabled") => false,
        _ => return Err("settings.startType is missing; write Enabled or Disabled".to_owned()),
    };
    Ok(CloudWatch { enabled, configuration })
}
