//! Collects findings while a document is checked: knows the text's lines and draws field paths.
//!
//! The number of findings is bounded, so that a hostile document cannot make its report larger than itself.

use std::fmt;
use std::ops::Range;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};

/// Findings beyond this many are dropped; the last one kept says so.
const LIMIT: usize = 200;

/// Where a value sits, as a list of borrowed segments: walking a document allocates nothing for its paths.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    pub(crate) fn key(&'a self, key: &'a str) -> Path<'a> {
        Path::Key(self, key)
    }

    pub(crate) fn index(&'a self, index: usize) -> Path<'a> {
        Path::Index(self, index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(Path::Root, key) => f.write_str(&shown(key)),
            Path::Key(parent, key) => write!(f, "{parent}.{}", shown(key)),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// The findings so far, about one text.
#[derive(Debug)]
pub(crate) struct Problems<'t> {
    text: &'t str,
    line_starts: Vec<usize>,
    found: Vec<Diagnostic>,
    dropped: usize,
}

impl<'t> Problems<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, line_starts, found: Vec::new(), dropped: 0 }
    }

    pub(crate) fn error(
        &mut self,
        code: &'static str,
        span: &Range<usize>,
        path: &Path<'_>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Error, code, span, path, message.into(), help.into());
    }

    pub(crate) fn warn(
        &mut self,
        code: &'static str,
        span: &Range<usize>,
        path: &Path<'_>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Warning, code, span, path, message.into(), help.into());
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.found.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    pub(crate) fn finish(mut self) -> Diagnostics {
        if self.dropped > 0 {
            let message = format!("{} more findings are not shown", self.dropped);
            let end = self.text.len()..self.text.len();
            self.dropped = 0;
            self.found.pop();
            self.push(Severity::Warning, "too-many-findings", &end, &Path::Root, message, String::new());
        }
        self.found.into()
    }

    fn push(
        &mut self,
        severity: Severity,
        code: &'static str,
        span: &Range<usize>,
        path: &Path<'_>,
        message: String,
        help: String,
    ) {
        // An error must not be lost behind warnings: it takes the place of one.
        if self.found.len() >= LIMIT {
            self.dropped += 1;
            let Some(place) = self.found.iter().rposition(|kept| kept.severity > severity) else { return };
            self.found.remove(place);
        }
        let (line, column) = self.position(span.start);
        let path = path.to_string();
        self.found.push(Diagnostic { severity, code, message, help, path, span: span.clone(), line, column });
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        // An offset inside a character cannot happen for spans of readers; counting bytes then is still a place.
        let column = self.text.get(start..offset).map_or(offset - start, |before| before.chars().count());
        (line, column + 1)
    }
}

/// A text of the document as a message may show it: one line, bounded, without control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut line: String = text
        .chars()
        .take(60)
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect();
    if text.chars().nth(60).is_some() {
        line.push('…');
    }
    line
}

/// The candidate that a person most likely meant, or none when nothing is near.
pub(crate) fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.get(..text.len().min(80))?.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&text, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| {
            *distance <= candidate.len().min(text.len()).div_ceil(3)
                && *distance < candidate.len().min(text.len())
        })
        .min()
        .map(|(_, candidate)| candidate)
}
