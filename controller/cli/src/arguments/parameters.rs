//! `--parameters`: all parameters of a document at once, from a file, standard input, or as JSON on the command line.
//!
//! The text is a map from name to value, in JSON or YAML. A list of plain values is a list; what is deeper is JSON text,
//! as SSM takes it for a StringMap or a MapList.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;

use fleetwright_documents::read_data;
use fleetwright_proto::control::ParameterValues;
use serde_json::Value;

use super::document::read_at_most;

/// The engine reads no longer text.
const TEXT_MAX_BYTES: usize = fleetwright_proto::DOCUMENT_MAX_BYTES;

/// Where the parameters stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parameters {
    Text(String),
    File(PathBuf),
    Stdin,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ParametersError {
    #[error("cannot read the parameters from {place}")]
    Read { place: String, source: std::io::Error },
    #[error("the parameters from {place} are longer than {TEXT_MAX_BYTES} bytes")]
    TooLong { place: String },
    #[error("the parameters from {place} are not UTF-8 text")]
    NotText { place: String },
    #[error("the parameters from {place} cannot be read: {problem}")]
    NotData { place: String, problem: String },
    #[error("the parameters from {place} are no map: write NAME: VALUE for each of them")]
    NoMap { place: String },
    #[error("both --parameters and --parameter {name} want standard input: give one of them a file")]
    TwoFromStdin { name: String },
}

impl FromStr for Parameters {
    type Err = Infallible;

    /// `@FILE`, `file://FILE` and `FILE` are the same; what begins with a brace is JSON itself.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        if text == "-" {
            return Ok(Self::Stdin);
        }
        if text.trim_start().starts_with('{') {
            return Ok(Self::Text(text.into()));
        }
        let path = text.strip_prefix("file://").or_else(|| text.strip_prefix('@')).unwrap_or(text);
        Ok(Self::File(path.into()))
    }
}

impl Parameters {
    fn place(&self) -> String {
        match self {
            Self::Text(_) => "the command line".into(),
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "standard input".into(),
        }
    }

    /// The values by name.
    pub(crate) fn read(
        &self,
        stdin: &mut dyn Read,
    ) -> Result<BTreeMap<String, ParameterValues>, ParametersError> {
        let place = self.place();
        let bytes = match self {
            Self::Text(text) => Ok(Some(text.clone().into_bytes())),
            Self::File(path) => std::fs::File::open(path).and_then(|file| read_at_most(file, TEXT_MAX_BYTES)),
            Self::Stdin => read_at_most(stdin, TEXT_MAX_BYTES),
        };
        let text = match bytes {
            Err(source) => return Err(ParametersError::Read { place, source }),
            Ok(None) => return Err(ParametersError::TooLong { place }),
            Ok(Some(bytes)) => String::from_utf8(bytes),
        };
        let Ok(text) = text else { return Err(ParametersError::NotText { place }) };
        let data = read_data(&text).map_err(|problems| {
            let problem = problems.iter().next().map(ToString::to_string).unwrap_or_default();
            ParametersError::NotData { place: place.clone(), problem }
        })?;
        let Value::Object(entries) = data else { return Err(ParametersError::NoMap { place }) };
        Ok(entries
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, values(&value)))
            .collect())
    }
}

fn values(value: &Value) -> ParameterValues {
    let values = match value {
        Value::Array(items) if !items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().map(text).collect()
        }
        other => vec![text(other)],
    };
    ParameterValues { values }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, Vec<String>>, String> {
        let parameters: Parameters = "-".parse().unwrap();
        let read = parameters.read(&mut text.as_bytes()).map_err(|error| error.to_string())?;
        Ok(read.into_iter().map(|(name, values)| (name, values.values)).collect())
    }

    #[test]
    fn a_place_says_so_by_how_it_begins() {
        let file = |path: &str| Parameters::File(path.into());
        for (text, expected) in [
            ("p.json", file("p.json")),
            ("@p.yaml", file("p.yaml")),
            ("file://p.yaml", file("p.yaml")),
            ("-", Parameters::Stdin),
            ("{\"a\": [\"b\"]}", Parameters::Text("{\"a\": [\"b\"]}".into())),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn values_are_texts_lists_and_json() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        for text in [
            r#"{"commands": ["ls", "date"], "limit": 90, "on": true, "map": {"a": 1}, "maps": [{"a": 1}], "none": null}"#,
            "commands: [ls, date]\nlimit: 90\non: true\nmap: {a: 1}\nmaps:\n- a: 1\nnone:\n",
        ] {
            let read = read(text).unwrap();
            assert_eq!(read["commands"], texts(&["ls", "date"]));
            assert_eq!((&read["limit"], &read["on"]), (&texts(&["90"]), &texts(&["true"])));
            assert_eq!((&read["map"], &read["maps"]), (&texts(&["{\"a\":1}"]), &texts(&["[{\"a\":1}]"])));
            assert!(!read.contains_key("none"));
        }
    }

    #[test]
    fn a_refusal_says_where_and_what() {
        let long = "x".repeat(TEXT_MAX_BYTES + 1);
        for (text, expected) in [
            ("[a]", "the parameters from standard input are no map: write NAME: VALUE for each of them"),
            ("a: [", "the parameters from standard input cannot be read: "),
            (long.as_str(), "the parameters from standard input are longer than 65536 bytes"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        let missing: Parameters = "/no/such/file".parse().unwrap();
        let error = missing.read(&mut "".as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the parameters from /no/such/file");
    }
}
