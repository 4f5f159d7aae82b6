//! A document that was checked, as printed.

use fleetwright_documents::{Diagnostic, Severity};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct CheckedDocument {
    /// As it was named, or found below what was named; `-` for standard input.
    pub(crate) path: String,
    pub(crate) accepted: bool,
    /// None when the document is refused.
    pub(crate) schema_version: Option<&'static str>,
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
    pub(crate) findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) severity: &'static str,
    pub(crate) code: &'static str,
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// Empty for the whole document.
    pub(crate) field: String,
    pub(crate) message: String,
    /// What would be right; empty when the message says it.
    pub(crate) help: String,
}

impl From<&Diagnostic> for Finding {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            severity: match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            code: diagnostic.code,
            line: diagnostic.line,
            column: diagnostic.column,
            field: diagnostic.path.clone(),
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
        }
    }
}
