//! Checks the documents whose paths are given and prints what there is to say about each.
//!
//! `cargo run -p fleetwright-documents --example check -- FILE…`; exits with 1 when a document is refused.

#![expect(clippy::print_stdout, reason = "printing is what this program is for")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut refused = false;
    for path in std::env::args().skip(1) {
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) => {
                println!("{path}: cannot be read: {error}");
                refused = true;
                continue;
            }
        };
        let findings = match fleetwright_documents::parse(&text) {
            Ok(checked) => {
                println!("{path}: accepted, schema {}", checked.document.schema_version().name());
                checked.warnings
            }
            Err(diagnostics) => {
                println!("{path}: refused");
                refused = true;
                diagnostics
            }
        };
        for finding in &findings {
            println!("  {finding}");
        }
    }
    if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
