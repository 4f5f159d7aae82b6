//! The text format of Prometheus, version 0.0.4. Knows no meaning of any metric.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Kind, METRICS};

/// What a page in this format is called over HTTP.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page in the making. Lines of one metric stand together, whatever order they came in.
#[derive(Debug, Default)]
pub(super) struct Page {
    lines: BTreeMap<&'static str, String>,
}

impl Page {
    pub(super) fn plain(&mut self, name: &'static str, value: u64) {
        self.line(name, format_args!("{name} {value}"));
    }

    pub(super) fn fraction(&mut self, name: &'static str, value: f64) {
        self.line(name, format_args!("{name} {value}"));
    }

    pub(super) fn labelled(&mut self, name: &'static str, label: &str, word: &str, value: u64) {
        self.line(name, format_args!("{name}{{{label}=\"{}\"}} {value}", escaped(word)));
    }

    /// `buckets` holds the count of each bucket alone; the format wants them added up.
    pub(super) fn histogram(&mut self, name: &'static str, buckets: &[(f64, u64)], count: u64, sum: f64) {
        let mut below = 0;
        for (bound, here) in buckets {
            below += here;
            self.line(name, format_args!("{name}_bucket{{le=\"{bound}\"}} {below}"));
        }
        // Read one after the other while others count: the whole is never less than its parts.
        let count = count.max(below);
        self.line(name, format_args!("{name}_bucket{{le=\"+Inf\"}} {count}"));
        self.line(name, format_args!("{name}_sum {sum}"));
        self.line(name, format_args!("{name}_count {count}"));
    }

    fn line(&mut self, name: &'static str, line: std::fmt::Arguments<'_>) {
        let lines = self.lines.entry(name).or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{line}");
    }

    /// In the order of the table; what is not in it is not shown.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for metric in METRICS {
            let Some(lines) = self.lines.get(metric.name) else { continue };
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            let _ = write!(text, "# HELP {0} {1}\n# TYPE {0} {kind}\n{lines}", metric.name, metric.help);
        }
        text
    }

    #[cfg(test)]
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.lines.keys().copied()
    }
}

fn escaped(word: &str) -> String {
    word.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
