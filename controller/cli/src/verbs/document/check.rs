//! `fleetwright document check`: what the controller would say about documents, said here. Asks no controller.

use std::path::PathBuf;

use clap::Args;
use fleetwright_documents::render::{Colours, render};
use fleetwright_documents::{Diagnostics, parse};

use super::super::Asked;
use super::files::{self, DocumentFile};
use crate::data::document::{CheckedDocument, Finding};
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::render::{self, Format};

#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Files and folders, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Refuse documents with warnings as well
    #[arg(long)]
    deny_warnings: bool,
}

/// A file, and what there is to say about it.
struct Checked {
    file: DocumentFile,
    findings: Diagnostics,
    shown: CheckedDocument,
}

pub(crate) fn run(io: &mut Io, asked: &Asked, args: &CheckArgs) -> Result<Exit, Failure> {
    let files = files::read(&args.paths, &mut io.stdin)?;
    let checked: Vec<Checked> = files.into_iter().map(|file| check(file, args.deny_warnings)).collect();
    match asked.format {
        Format::Table => draw(io, &checked)?,
        format => {
            let rows: Vec<&CheckedDocument> = checked.iter().map(|checked| &checked.shown).collect();
            render::list(io, format, &rows, &[], |_| Vec::new())?;
        }
    }
    let refused = checked.iter().filter(|checked| !checked.shown.accepted).count();
    Ok(if refused == 0 { Exit::Done } else { Exit::TargetFailed })
}

fn check(file: DocumentFile, deny_warnings: bool) -> Checked {
    let (schema_version, findings) = match parse(&file.text) {
        Ok(checked) => (Some(checked.document.schema_version().name()), checked.warnings),
        Err(findings) => (None, findings),
    };
    let warnings = findings.warnings();
    let shown = CheckedDocument {
        path: file.name.clone(),
        accepted: schema_version.is_some() && (warnings == 0 || !deny_warnings),
        schema_version,
        errors: findings.len() - warnings,
        warnings,
        findings: findings.iter().map(Finding::from).collect(),
    };
    Checked { file, findings, shown }
}

fn draw(io: &mut Io, checked: &[Checked]) -> Result<(), Failure> {
    let plain = !io.terminals.stdout || io.environment.get("NO_COLOR").is_some();
    let colours = if plain { Colours::Off } else { Colours::On };
    for one in checked.iter().filter(|one| !one.findings.is_empty()) {
        let drawn = render(&one.findings, &escape(&one.file.name), &one.file.text, colours);
        io.line(&format!("{drawn}\n"))?;
    }
    io.note(&summary(checked));
    Ok(())
}

fn summary(checked: &[Checked]) -> String {
    let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    let accepted = checked.iter().filter(|one| one.shown.accepted).count();
    let sum = |of: fn(&CheckedDocument) -> usize| checked.iter().map(|one| of(&one.shown)).sum();
    format!(
        "{}: {accepted} accepted, {} refused; {}, {}",
        count(checked.len(), "document"),
        checked.len() - accepted,
        count(sum(|shown| shown.errors), "error"),
        count(sum(|shown| shown.warnings), "warning"),
    )
}
