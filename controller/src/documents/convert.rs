//! A document's text in the other format: JSON as YAML, YAML as JSON. Pure. Comments and layout do not survive.

use fleetwright_documents::read_data;
use serde_json::Value;

use super::fault::{DocumentError, Fault};
use super::kinds::Format;

/// The same data, written in this format.
pub fn text(text: &str, format: Format) -> Result<String, DocumentError> {
    if format == Format::Text {
        return Ok(text.to_owned());
    }
    let data = read_data(text).map_err(|_| {
        Fault::InvalidDocument
            .because(format!("the document is a plain text and cannot be shown as {format}"))
    })?;
    match format {
        Format::Yaml => {
            let mut yaml = String::new();
            block(&data, 0, &mut yaml);
            Ok(yaml.trim_start_matches('\n').to_owned() + "\n")
        }
        _ => Ok(format!("{data:#}")),
    }
}

/// Writes a value behind its key or dash: what has parts in block style, everything else as JSON, which YAML 1.2 reads
/// as it is.
fn block(value: &Value, depth: usize, yaml: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                line(depth, yaml);
                yaml.push_str(&scalar(key));
                yaml.push(':');
                block(value, depth + 1, yaml);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                line(depth, yaml);
                yaml.push('-');
                block(item, depth + 1, yaml);
            }
        }
        Value::String(text) => {
            yaml.push(' ');
            yaml.push_str(&scalar(text));
        }
        other => {
            yaml.push(' ');
            yaml.push_str(&other.to_string());
        }
    }
}

fn line(depth: usize, yaml: &mut String) {
    yaml.push('\n');
    yaml.extend(std::iter::repeat_n("  ", depth));
}

/// A word stands for itself where no reader takes it for anything else; every other text is quoted.
fn scalar(text: &str) -> String {
    const TAKEN: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let plain =
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/'));
    let taken = TAKEN.iter().any(|taken| text.eq_ignore_ascii_case(taken));
    if first && plain && !taken { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn data_survives_the_way_there_and_back() {
        let data = json!({
            "schemaVersion": "2.2", "empty": {}, "none": null, "list": [1, 2.5, true, [], ["a", {"b": []}]],
            "mainSteps": [{"action": "aws:runShellScript", "inputs": {"runCommand": ["echo 'a: b' # c", "", "no", "ä\n\"x\""]}}],
            "key: with # signs": "- dash", "on": "off",
        });
        let yaml = text(&data.to_string(), Format::Yaml).unwrap();
        assert_eq!(read_data(&yaml).unwrap(), data, "{yaml}");
        let json = text(&yaml, Format::Json).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), data);
        assert!(yaml.starts_with("schemaVersion: \"2.2\"\n"), "{yaml}");
    }

    #[test]
    fn a_plain_text_is_not_data() {
        assert_eq!(text("a: b: c", Format::Json).unwrap_err().fault, Fault::InvalidDocument);
        assert_eq!(text("a: b: c", Format::Text).unwrap(), "a: b: c");
    }
}
