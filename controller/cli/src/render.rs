//! Data on its way to stdout: as a table for people, as JSON for programs.
//!
//! A table fits the terminal by wrapping cells; without a terminal each row is one line, however long, so that
//! `grep` and `awk` see whole rows. Everything in a table is escaped, because much of it was said by hosts.

pub(crate) mod time;

use std::io::{self, Write};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::escape::escape;
use crate::io::Io;

/// Columns that are not wider than this are never wrapped, characters.
const UNBROKEN_MAX: u16 = 14;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people; may change from release to release
    #[default]
    Table,
    /// One JSON document, indented
    Json,
    /// One JSON object a line
    Jsonl,
}

/// Prints a list: an array in JSON, an object a line in JSON lines. An empty table says so on stderr.
pub(crate) fn list<T: Serialize>(
    io: &mut Io,
    format: Format,
    rows: &[T],
    header: &[&str],
    cells: impl Fn(&T) -> Vec<String>,
) -> io::Result<()> {
    match format {
        Format::Json => json(io, &rows),
        Format::Jsonl => rows.iter().try_for_each(|row| json_line(io, row)),
        Format::Table if rows.is_empty() => {
            io.note("nothing to list");
            Ok(())
        }
        Format::Table => {
            let table = columns(io.width, header, rows.iter().map(cells));
            io.line(&table)
        }
    }
}

/// Prints one thing: an object in both JSON formats, its fields one below the other for people. Fields without a
/// value are left out there.
pub(crate) fn one<T: Serialize>(
    io: &mut Io,
    format: Format,
    value: &T,
    fields: impl for<'a> FnOnce(&'a T) -> Vec<(&'a str, String)>,
) -> io::Result<()> {
    match format {
        Format::Json => json(io, value),
        Format::Jsonl => json_line(io, value),
        Format::Table => {
            let text = fields_text(fields(value).iter().map(|(name, value)| (*name, value.as_str())));
            io.line(&text)
        }
    }
}

/// Names and values in two columns; a value of several lines stays in its column.
pub(crate) fn fields_text<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let fields: Vec<_> = fields
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (escape(name), value.trim_end_matches('\n')))
        .collect();
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (name, value) in &fields {
        for (at, line) in value.split('\n').enumerate() {
            let name = if at == 0 { name } else { "" };
            lines.push(format!("{name:<width$}  {}", escape(line)));
        }
    }
    lines.join("\n")
}

/// Rows under a header, without lines around them.
pub(crate) fn columns(
    width: Option<u16>,
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().map(|name| name.to_uppercase()));
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width.max(40)),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    for row in rows {
        table.add_row(row.iter().map(|cell| escape(cell).into_owned()));
    }
    let widths = table.column_max_content_widths();
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        // What is copied or compared stays in one piece; names and texts give way.
        if at == 0 || widths.get(at).is_some_and(|width| *width <= UNBROKEN_MAX) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

pub(crate) fn json<T: Serialize>(io: &mut Io, value: &T) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut io.stdout, value).map_err(io::Error::from)?;
    io.stdout.write_all(b"\n")?;
    io.stdout.flush()
}

pub(crate) fn json_line<T: Serialize>(io: &mut Io, value: &T) -> io::Result<()> {
    // Written in one go, so that whoever follows never sees half a line.
    let mut line = serde_json::to_vec(value).map_err(io::Error::from)?;
    line.push(b'\n');
    io.stdout.write_all(&line)?;
    io.stdout.flush()
}

/// `KEY=VALUE` pairs in one cell.
pub(crate) fn tags<'a>(tags: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    tags.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        vec![
            row([
                "mi-0123456789abcdef0",
                "web-1",
                "env=prod, role=frontend, team=a-rather-long-name-for-a-team",
            ]),
            row(["mi-0123456789abcdef1", "evil\u{1b}[2J\nname", ""]),
        ]
    }

    #[test]
    fn a_table_wraps_on_a_terminal_and_not_in_a_pipe() {
        let header = ["node", "name", "tags"];
        insta::assert_snapshot!("columns_80", columns(Some(80), &header, rows()));
        insta::assert_snapshot!("columns_piped", columns(None, &header, rows()));
        assert!(columns(Some(80), &header, rows()).lines().all(|line| line.chars().count() <= 80));
        assert_eq!(columns(None, &header, rows()).lines().count(), 3);
    }

    #[test]
    fn fields_are_aligned_and_empty_ones_left_out() {
        let text =
            fields_text([("name", "web-1"), ("comment", ""), ("script", "a\nb\n"), ("host", "\u{1b}x")]);
        assert_eq!(text, "name    web-1\nscript  a\n        b\nhost    \\u{1b}x");
    }
}
