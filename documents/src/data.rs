//! Texts that are kept among documents and have no steps: configurations, manifests, policies. All that is known of
//! them is that they are JSON or YAML.

use serde_json::Value;

use crate::check::MAX_DOCUMENT_BYTES;
use crate::diagnostic::Diagnostics;
use crate::problems::{Path, Problems};
use crate::tree;

/// Reads JSON, or else YAML, under the bounds of size and depth that documents have.
///
/// # Errors
///
/// What keeps the text from being read, with its place.
pub fn read_data(text: &str) -> Result<Value, Diagnostics> {
    let looked_at = if text.len() > MAX_DOCUMENT_BYTES { "" } else { text };
    let mut problems = Problems::new(looked_at);
    if text.len() > MAX_DOCUMENT_BYTES {
        let message = format!("the text has {} bytes", text.len());
        let help = format!("at most {MAX_DOCUMENT_BYTES} are allowed");
        problems.error("too-large", &(0..0), &Path::Root, message, help);
        return Err(problems.finish());
    }
    match tree::read(looked_at, &mut problems) {
        Some(node) if !problems.has_errors() => Ok(node.to_json()),
        _ => Err(problems.finish()),
    }
}
