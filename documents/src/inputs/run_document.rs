//! `aws:runDocument`: another document as a step (reference, section 2.6).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::Fields;
use crate::problems::Problems;
use crate::{substitute, tree, values};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDocument {
    pub document: InnerDocument,
    /// Ready to be bound to the inner document: a list gives its elements, a map its JSON text.
    pub parameters: BTreeMap<String, Vec<String>>,
}

/// Which document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InnerDocument {
    /// Of the registry. A name may be an ARN.
    Registered { name: String, version: Option<String> },
    /// A file, absolute or relative to where content is downloaded; or a folder with one document in it.
    LocalPath(String),
}

pub(super) fn read(fields: &mut Fields<'_>) -> Option<RunDocument> {
    let is_local = fields.required_choice("documentType", &[("SSMDocument", false), ("LocalPath", true)]);
    let path = fields.required_text("documentPath");
    let parameters = parameters(fields);
    let path = path?;
    let document = if is_local? {
        InnerDocument::LocalPath(path)
    } else {
        let (name, version) = name_and_version(&path);
        InnerDocument::Registered { name, version }
    };
    Some(RunDocument { document, parameters: parameters? })
}

/// `name`, `name:version`, or an ARN whose last part is one of them.
pub(super) fn name_and_version(path: &str) -> (String, Option<String>) {
    let path = path.trim();
    let last = path.rfind('/').map_or(0, |slash| slash + 1);
    match path[last..].split_once(':') {
        Some((name, version)) if !path.starts_with("arn:") || last > 0 => {
            let version = Some(version.to_owned()).filter(|version| !version.is_empty());
            (format!("{}{name}", &path[..last]), version)
        }
        _ => (path.to_owned(), None),
    }
}

/// A map, or JSON or YAML text of one. What is null was not given.
fn parameters(fields: &mut Fields<'_>) -> Option<BTreeMap<String, Vec<String>>> {
    let key = "documentParameters";
    let Some(value) = fields.value(key) else { return Some(BTreeMap::new()) };
    if fields.is_open(value) {
        return None;
    }
    let help = "write a map from parameter to value, or JSON or YAML text of one";
    let read = match value {
        Value::String(text) if text.trim().is_empty() => Some(Value::Object(Map::new())),
        Value::String(text) => tree::read(text, &mut Problems::new(text)).map(|node| node.to_json()),
        other => Some(other.clone()),
    };
    let Some(Value::Object(entries)) = read else {
        fields.wrong(key, "it is no map of parameters", help);
        return None;
    };
    let given = entries.into_iter().filter(|(_, value)| !value.is_null());
    Some(given.map(|(name, value)| (name, texts(&value))).collect())
}

/// A value as a caller would give it.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) if items.iter().all(|item| values::scalar_text(item).is_some()) => {
            items.iter().filter_map(values::scalar_text).collect()
        }
        other => vec![substitute::embedded(other)],
    }
}
