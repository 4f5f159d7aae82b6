//! Whether a text may be kept as a document of a kind, and what can be read from it. Pure.
//!
//! | kind | what is asked of the text |
//! | --- | --- |
//! | Command | what the document engine accepts, with steps for nodes |
//! | Policy | the same, in schema 2.0 to 2.0.3 |
//! | Automation | what the document engine accepts, in schema 0.3 |
//! | Session | a map with schemaVersion 1.0 and a session type |
//! | Package | a manifest: a map with schemaVersion 2.0, packages and files |
//! | ChangeCalendar | a calendar between BEGIN:VCALENDAR and END:VCALENDAR |
//! | ApplicationConfiguration | JSON, YAML, or any text when its format is TEXT |
//! | every other | a map in JSON or YAML |

use fleetwright_documents::{Document, Kind, Platform, read_data};
use serde_json::Value;

use super::fault::{DocumentError, Fault};
use super::kinds::{DocumentType, Format};

/// The size of a document's text (reference, section 1.12).
pub const CONTENT_MAX_BYTES: usize = fleetwright_proto::DOCUMENT_MAX_BYTES;
const SESSION_TYPES: [&str; 4] = ["Standard_Stream", "InteractiveCommands", "NonInteractiveCommands", "Port"];

/// What a text says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    pub format: Format,
    pub schema_version: Option<String>,
    pub description: Option<String>,
    /// SSM's names, in its order. Empty for what runs on no node.
    pub platform_types: Vec<String>,
    pub parameters: Vec<ParameterInfo>,
    /// Of a package: each file with the SHA-256 that the manifest says, when it says one.
    pub files: Vec<(String, Option<String>)>,
}

/// A declared parameter as SSM describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterInfo {
    pub name: String,
    /// Every type but String is a StringList to SSM's enum; this is the declared one.
    pub value_type: String,
    pub description: String,
    /// As text: JSON unless it is a text itself.
    pub default: Option<String>,
}

/// Reads a text that is to be kept, or one that was.
pub fn read(kind: DocumentType, format: Option<Format>, bytes: &[u8]) -> Result<Content, DocumentError> {
    if bytes.len() > CONTENT_MAX_BYTES {
        return Err(Fault::MaxDocumentSizeExceeded
            .because(format!("the document is {} bytes: {CONTENT_MAX_BYTES} at most", bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        invalid(format!("byte {} of the document is no UTF-8: save it as UTF-8", error.valid_up_to()))
    })?;
    if text.trim().is_empty() {
        return Err(invalid("the document is empty"));
    }
    let format = settled_format(kind, format, text)?;
    match kind {
        DocumentType::Command | DocumentType::Policy | DocumentType::Automation => steps(kind, format, bytes),
        DocumentType::ChangeCalendar => calendar(format, text),
        _ if format == Format::Text => Ok(plain(format)),
        DocumentType::Session => session(format, &map(text)?),
        DocumentType::Package => manifest(format, &map(text)?),
        DocumentType::ApplicationConfiguration => data(text).map(|_| plain(format)),
        _ => map(text).map(|value| described(format, &value)),
    }
}

/// The format that was said, if the text is written in it; else the one that the text is written in.
fn settled_format(kind: DocumentType, said: Option<Format>, text: &str) -> Result<Format, DocumentError> {
    let json = serde_json::from_str::<serde::de::IgnoredAny>(text.trim_start_matches('\u{feff}'));
    match (said, json) {
        (None, _) if kind == DocumentType::ChangeCalendar => Ok(Format::Text),
        (None | Some(Format::Json), Ok(_)) => Ok(Format::Json),
        (None, Err(_)) => Ok(Format::Yaml),
        (Some(Format::Json), Err(error)) => {
            Err(invalid(format!("the document is said to be JSON, and is not: {error}")))
        }
        (Some(Format::Text), _) if !kind.may_be_text() => {
            Err(invalid(format!("a document of type {kind} is written in JSON or YAML, not as TEXT")))
        }
        (Some(format), _) => Ok(format),
    }
}

fn steps(kind: DocumentType, format: Format, bytes: &[u8]) -> Result<Content, DocumentError> {
    let checked = fleetwright_documents::parse(bytes).map_err(|problems| {
        let schema = problems.iter().any(|problem| {
            matches!(problem.code, "unknown-schema-version" | "no-schema-version" | "session-document")
        });
        let fault = if schema { Fault::InvalidDocumentSchemaVersion } else { Fault::InvalidDocumentContent };
        fault.because(format!("the document has errors:\n{problems}"))
    })?;
    let document = checked.document;
    let schema = document.schema_version();
    let fits = match kind {
        DocumentType::Automation => document.kind() == Kind::Automation,
        DocumentType::Policy => schema.may_be_policy(),
        _ => document.kind() == Kind::Command,
    };
    if !fits {
        let wanted = match kind {
            DocumentType::Automation => "0.3",
            DocumentType::Policy => "2.0",
            _ => "2.2, 2.0 or 1.2",
        };
        return Err(Fault::InvalidDocumentSchemaVersion.because(format!(
            "the document has schema version {}, and a document of type {kind} has {wanted}",
            schema.name()
        )));
    }
    Ok(Content {
        format,
        schema_version: Some(schema.name().to_owned()),
        description: document.description().map(str::to_owned),
        platform_types: platforms(&document),
        parameters: document.parameters().iter().map(parameter).collect(),
        files: Vec::new(),
    })
}

/// What runs at the controller suits nodes of every platform, as SSM says it.
fn platforms(document: &Document) -> Vec<String> {
    let every = document.kind() == Kind::Automation;
    let suits = |platform: &Platform| every || document.platforms().any(|known| known == *platform);
    Platform::ALL
        .iter()
        .filter(|platform| suits(platform))
        .map(|platform| platform.name().to_owned())
        .collect()
}

fn parameter(parameter: &fleetwright_documents::Parameter) -> ParameterInfo {
    ParameterInfo {
        name: parameter.name.clone(),
        value_type: parameter.value_type.name(),
        description: parameter.description.clone().unwrap_or_default(),
        default: parameter.default.as_ref().map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }),
    }
}

fn calendar(format: Format, text: &str) -> Result<Content, DocumentError> {
    let text = text.trim();
    if format == Format::Text && text.starts_with("BEGIN:VCALENDAR") && text.ends_with("END:VCALENDAR") {
        return Ok(plain(format));
    }
    Err(invalid("a ChangeCalendar is TEXT that begins with BEGIN:VCALENDAR and ends with END:VCALENDAR"))
}

fn session(format: Format, value: &Value) -> Result<Content, DocumentError> {
    let schema = scalar(value, "schemaVersion");
    if schema.as_deref() != Some("1.0") {
        return Err(Fault::InvalidDocumentSchemaVersion.because(format!(
            "a Session document has schemaVersion 1.0, and this one has {}",
            schema.as_deref().unwrap_or("none")
        )));
    }
    match scalar(value, "sessionType") {
        Some(found) if SESSION_TYPES.contains(&found.as_str()) => Ok(described(format, value)),
        found => Err(invalid(format!(
            "sessionType: found {}; it is one of {}",
            found.map_or_else(|| "none".to_owned(), |found| format!("`{}`", super::names::shown(&found))),
            SESSION_TYPES.join(", ")
        ))),
    }
}

fn manifest(format: Format, value: &Value) -> Result<Content, DocumentError> {
    if scalar(value, "schemaVersion").as_deref() != Some("2.0") {
        return Err(Fault::InvalidDocumentSchemaVersion.because("a package manifest has schemaVersion 2.0"));
    }
    let packages = value.get("packages").and_then(Value::as_object).filter(|packages| !packages.is_empty());
    let packages =
        packages.ok_or_else(|| invalid("packages: the manifest says for no platform which file it takes"))?;
    let files = value.get("files").and_then(Value::as_object).filter(|files| !files.is_empty());
    let files = files.ok_or_else(|| invalid("files: the manifest names no file"))?;
    for named in named_files(value.get("packages")) {
        if !files.contains_key(&named) {
            return Err(invalid(format!(
                "packages: the file `{}` is not among files",
                super::names::shown(&named)
            )));
        }
    }
    let sha256 = |file: &Value| {
        let sum = file.get("checksums").and_then(|sums| sums.get("sha256")).and_then(Value::as_str);
        sum.map(str::to_ascii_lowercase)
    };
    Ok(Content {
        platform_types: package_platforms(packages.keys().map(String::as_str)),
        files: files.iter().map(|(name, file)| (name.clone(), sha256(file))).collect(),
        ..described(format, value)
    })
}

/// Every `file` below a platform, a version and an architecture.
fn named_files(packages: Option<&Value>) -> Vec<String> {
    let below = |value: &Value| -> Vec<Value> {
        value.as_object().map(|map| map.values().cloned().collect()).unwrap_or_default()
    };
    let platforms = packages.map(below).unwrap_or_default();
    let architectures = platforms.iter().flat_map(below).flat_map(|version| below(&version));
    architectures.filter_map(|target| target.get("file")?.as_str().map(str::to_owned)).collect()
}

fn package_platforms<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found = [false; 3];
    for name in names {
        match name.to_ascii_lowercase().as_str() {
            "_any" => found = [true; 3],
            "windows" => found[1] = true,
            "macos" | "mac" => found[2] = true,
            _ => found[0] = true,
        }
    }
    let known = Platform::ALL.iter().zip(found).filter(|(_, found)| *found);
    known.map(|(platform, _)| platform.name().to_owned()).collect()
}

fn data(text: &str) -> Result<Value, DocumentError> {
    read_data(text).map_err(|problems| invalid(format!("the document has errors:\n{problems}")))
}

fn map(text: &str) -> Result<Value, DocumentError> {
    let value = data(text)?;
    if value.is_object() { Ok(value) } else { Err(invalid("the document is not a map")) }
}

fn described(format: Format, value: &Value) -> Content {
    let schema_version = scalar(value, "schemaVersion");
    Content { schema_version, description: scalar(value, "description"), ..plain(format) }
}

fn plain(format: Format) -> Content {
    Content {
        format,
        schema_version: None,
        description: None,
        platform_types: Vec::new(),
        parameters: Vec::new(),
        files: Vec::new(),
    }
}

/// A scalar as text, whatever its type: authors write 2.0 and "2.0" for the same thing.
fn scalar(value: &Value, key: &str) -> Option<String> {
    match value.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn invalid(message: impl Into<String>) -> DocumentError {
    Fault::InvalidDocumentContent.because(message)
}
