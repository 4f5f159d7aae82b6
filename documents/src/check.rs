//! From text to [`Document`]: every rule that can be told before a document runs, all findings at once.
//!
//! Strict where a mistake would be silent, lenient where existing documents rely on it: an unknown key or a step-level
//! `timeoutSeconds` is a warning, a reference to a parameter that is not declared is an error.

use std::ops::Range;

use crate::diagnostic::Diagnostics;
use crate::document::{Document, Kind, SchemaVersion};
use crate::problems::{Path, Problems, nearest, shown};
use crate::tree::{self, Entry, Node};

mod automation;
mod automation_inputs;
mod inputs;
mod parameters;
mod references;
mod runtime_config;
mod steps;

/// The size of a document (reference, section 1.12).
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024;

/// A document that may be used, and what its author should still know.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    pub document: Document,
    pub warnings: Diagnostics,
}

/// Reads and checks a document: JSON first, then YAML.
///
/// # Errors
///
/// Everything that is wrong with it, together with the warnings.
pub fn parse(text: &[u8]) -> Result<Checked, Diagnostics> {
    let (valid, invalid_from) = match std::str::from_utf8(text) {
        Ok(valid) => (valid, None),
        Err(error) => {
            (std::str::from_utf8(&text[..error.valid_up_to()]).unwrap_or_default(), Some(error.valid_up_to()))
        }
    };
    // A text that is refused for its size is not looked at: the cost of a refusal does not grow with it.
    let looked_at = if text.len() > MAX_DOCUMENT_BYTES { "" } else { valid };
    let mut problems = Problems::new(looked_at);
    if text.len() > MAX_DOCUMENT_BYTES {
        let message = format!("the document has {} bytes", text.len());
        let help = format!(
            "at most {MAX_DOCUMENT_BYTES} are allowed; move scripts out and fetch them with aws:downloadContent"
        );
        problems.error("too-large", &(0..0), &Path::Root, message, help);
        return Err(problems.finish());
    }
    if let Some(at) = invalid_from {
        problems.error(
            "not-utf-8",
            &(at..at),
            &Path::Root,
            "this byte is no UTF-8",
            "save the document as UTF-8",
        );
        return Err(problems.finish());
    }
    let document = tree::read(valid, &mut problems).and_then(|root| check(valid, &root, &mut problems));
    match document {
        Some(document) if !problems.has_errors() => Ok(Checked { document, warnings: problems.finish() }),
        _ => Err(problems.finish()),
    }
}

/// What the checks of one document share.
struct Check<'a, 't> {
    text: &'t str,
    schema: SchemaVersion,
    problems: &'a mut Problems<'t>,
}

fn check<'t>(text: &'t str, root: &Node, problems: &mut Problems<'t>) -> Option<Document> {
    let Some(top) = root.entries() else {
        let message = format!("the document is {}", root.kind());
        problems.error(
            "not-a-map",
            &root.span,
            &Path::Root,
            message,
            "write a map with schemaVersion and mainSteps",
        );
        return None;
    };
    warn_duplicates(root, &Path::Root, problems);
    let schema = schema_version(root, top, problems)?;
    let mut check = Check { text, schema, problems };
    check.warn_unknown(top, top_level_keys(schema), &Path::Root, "the document");
    let description = check.optional_text(top, "description", &Path::Root);
    let parameters = check.parameters(top);
    let steps = if schema.uses_runtime_config() {
        check.runtime_config(root, top)
    } else {
        check.main_steps(root, top)
    };
    let runbook = (schema.kind() == Kind::Automation).then(|| check.runbook(top));
    let names = references::Names::of(top, &parameters, runbook.as_ref());
    if let (Some(_), Some(entry)) = (&runbook, find(top, "mainSteps")) {
        check.runbook_flow(&entry.value, &Path::Root.key("mainSteps"), &steps, &names.steps);
    }
    check.references(top, &names);
    Some(Document { schema, description, parameters, steps, runbook })
}

fn schema_version(root: &Node, top: &[Entry], problems: &mut Problems<'_>) -> Option<SchemaVersion> {
    let path = Path::Root.key("schemaVersion");
    let known = "use 2.2 for Command, 2.0 for Policy, 0.3 for Automation; 1.2 and 2.0.x run as well";
    let Some(entry) = find(top, "schemaVersion") else {
        problems.error("no-schema-version", &start_of(root), &path, "schemaVersion is missing", known);
        return None;
    };
    let version = entry.value.scalar().and_then(SchemaVersion::from_name);
    if version.is_none() {
        let found = entry
            .value
            .scalar()
            .map_or_else(|| entry.value.kind().to_owned(), |text| format!("`{}`", shown(text)));
        let message = format!("schema version {found} is not supported");
        problems.error("unknown-schema-version", &entry.value.span, &path, message, known);
    } else if version == Some(SchemaVersion::V1_0) && find(top, "sessionType").is_some() {
        let message = "a Session document cannot be run as a command";
        problems.error(
            "session-document",
            &entry.value.span,
            &path,
            message,
            "use a Command or Automation document",
        );
        return None;
    }
    version
}

fn top_level_keys(schema: SchemaVersion) -> &'static [&'static str] {
    match schema.kind() {
        Kind::Automation => &[
            "schemaVersion",
            "description",
            "assumeRole",
            "parameters",
            "variables",
            "mainSteps",
            "outputs",
            "files",
            "$schema",
        ],
        _ if schema.uses_runtime_config() => {
            &["schemaVersion", "description", "parameters", "runtimeConfig", "$schema"]
        }
        _ => &["schemaVersion", "description", "parameters", "mainSteps", "$schema"],
    }
}

impl Check<'_, '_> {
    fn warn_unknown(&mut self, entries: &[Entry], known: &[&str], path: &Path<'_>, place: &str) {
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let message = format!("`{}` means nothing in {place} and is ignored", shown(&entry.key));
            let help = nearest(&entry.key, known.iter().copied())
                .map_or_else(String::new, |near| format!("did you mean `{near}`?"));
            self.problems.warn("unknown-key", &entry.key_span, &path.key(&entry.key), message, help);
        }
    }

    /// A text where one is allowed to be missing; anything but a scalar is reported.
    fn optional_text(&mut self, entries: &[Entry], key: &str, path: &Path<'_>) -> Option<String> {
        let entry = find(entries, key)?;
        if entry.value.is_null() {
            return None;
        }
        let text = entry.value.scalar();
        if text.is_none() {
            let message = format!("found {}", entry.value.kind());
            self.problems.error("wrong-type", &entry.value.span, &path.key(key), message, "write a text");
        }
        text.map(str::to_owned)
    }
}

/// The entry that counts: of duplicates the last, as in every JSON reader that people have.
pub(crate) fn find<'n>(entries: &'n [Entry], key: &str) -> Option<&'n Entry> {
    entries.iter().rev().find(|entry| entry.key == key)
}

/// The same without regard to case, as SSM decodes the inputs of an action.
fn find_input<'n>(entries: &'n [Entry], key: &str) -> Option<&'n Entry> {
    entries.iter().rev().find(|entry| entry.key.eq_ignore_ascii_case(key))
}

/// Where to point when something is missing in a value.
pub(crate) fn start_of(node: &Node) -> Range<usize> {
    node.span.start..(node.span.start + 1).min(node.span.end)
}

fn warn_duplicates(node: &Node, path: &Path<'_>, problems: &mut Problems<'_>) {
    if let Some(items) = node.items() {
        for (index, item) in items.iter().enumerate() {
            warn_duplicates(item, &path.index(index), problems);
        }
    }
    let Some(entries) = node.entries() else { return };
    let mut keys: Vec<(&str, usize)> =
        entries.iter().enumerate().map(|(index, entry)| (entry.key.as_str(), index)).collect();
    keys.sort_unstable();
    for pair in keys.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        let entry = &entries[pair[0].1];
        let message = format!("`{}` is written more than once, only the last one counts", shown(&entry.key));
        problems.warn("duplicate-key", &entry.key_span, &path.key(&entry.key), message, "remove the others");
    }
    for entry in entries {
        warn_duplicates(&entry.value, &path.key(&entry.key), problems);
    }
}
