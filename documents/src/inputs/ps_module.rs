//! `aws:psModule`: a PowerShell module and lines that use it (reference, section 2.11).

use std::time::Duration;

use serde_json::Value;

use super::applications::hash;
use super::fields::Fields;
use crate::script;
use crate::substitute;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PsModule {
    /// An archive that is unpacked among the host's modules; none when only the lines are to run.
    pub source: Option<String>,
    /// SHA-256 in hexadecimal digits.
    pub source_hash: Option<String>,
    pub lines: Vec<String>,
    pub working_directory: Option<String>,
    pub timeout: Duration,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Option<PsModule> {
    let source = fields.text("source");
    let source_hash = hash(fields, "sourceHash");
    let lines = lines(fields);
    let working_directory = fields.text("workingDirectory");
    let timeout = fields
        .value("timeoutSeconds")
        .and_then(|value| script::seconds(&substitute::embedded(value)))
        .map_or(script::DEFAULT_TIMEOUT, Duration::from_secs);
    Some(PsModule { source, source_hash, lines: lines?, working_directory, timeout })
}

/// Empty lines count: they are part of a script.
fn lines(fields: &mut Fields<'_>) -> Option<Vec<String>> {
    let Some(value) = fields.value("runCommand") else { return Some(Vec::new()) };
    if let Value::String(text) = value
        && text.is_empty()
    {
        return Some(Vec::new());
    }
    if fields.is_open(value) {
        return None;
    }
    let lines = script::lines(value);
    if let Err(message) = &lines {
        fields.wrong("runCommand", message.clone(), "write a list of lines");
    }
    lines.ok()
}
