//! The values that a command must not show: they are covered wherever its output and its results are kept.
//!
//! A value is found in the bytes that a step prints, also when it comes in two pieces. What is encoded is not found, and
//! neither are values so short that they stand in every second text.

use std::fmt;
use std::sync::Arc;

use fleetwright_documents::Bound;
use serde_json::Value;

/// Shorter values would cover half of an innocent output.
const SHORTEST_BYTES: usize = 4;
const COVER: &[u8] = b"****";

/// A set of secret values. Clones share it.
#[derive(Clone, Default)]
pub struct Secrets {
    /// The longest first, so that a value inside a longer one does not uncover the rest of it.
    values: Arc<Vec<Vec<u8>>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.values.len())
    }
}

impl Secrets {
    /// Those of the parameters whose values are to be hidden.
    #[must_use]
    pub fn of(bound: &Bound) -> Self {
        let mut found = Vec::new();
        bound
            .iter()
            .filter(|(name, _)| bound.is_secret(name))
            .for_each(|(_, value)| texts(value, &mut found));
        found.extend(bound.secret_texts());
        Self::default().and(found)
    }

    /// These and more.
    #[must_use]
    pub fn and(&self, more: impl IntoIterator<Item = String>) -> Self {
        let mut values: Vec<Vec<u8>> = self.values.to_vec();
        values.extend(more.into_iter().map(String::into_bytes).filter(|value| value.len() >= SHORTEST_BYTES));
        values.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Self { values: Arc::new(values) }
    }

    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let other = other.values.iter().filter_map(|value| String::from_utf8(value.clone()).ok());
        self.and(other)
    }

    pub(crate) fn masker(&self) -> Option<Masker> {
        (!self.values.is_empty()).then(|| Masker::new(self.clone()))
    }

    /// The text with every value covered.
    #[must_use]
    pub fn cover(&self, text: &str) -> String {
        if self.values.is_empty() {
            return text.to_owned();
        }
        let mut masker = Masker::new(self.clone());
        let mut covered = masker.push(text.as_bytes());
        covered.extend(masker.finish());
        String::from_utf8_lossy(&covered).into_owned()
    }
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(entries) => entries.values().for_each(|item| texts(item, found)),
        Value::Number(number) => found.push(number.to_string()),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Covers values in a stream. It keeps back only what may be the beginning of a value.
#[derive(Debug)]
pub(crate) struct Masker {
    secrets: Secrets,
    held: Vec<u8>,
}

impl Masker {
    pub(crate) fn new(secrets: Secrets) -> Self {
        Self { secrets, held: Vec::new() }
    }

    /// What can be shown now.
    pub(crate) fn push(&mut self, data: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(data);
        self.take(false)
    }

    /// What was kept back: nothing follows that could complete it.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        self.take(true)
    }

    fn take(&mut self, is_end: bool) -> Vec<u8> {
        let mut begins = [false; 256];
        self.secrets.values.iter().for_each(|value| begins[usize::from(value[0])] = true);
        let mut shown = Vec::with_capacity(self.held.len());
        let mut at = 0;
        while at < self.held.len() {
            let rest = &self.held[at..];
            if !begins[usize::from(rest[0])] {
                shown.push(rest[0]);
                at += 1;
                continue;
            }
            // A longer value that may still be completed goes before a shorter one that is there already.
            let waits = !is_end
                && self
                    .secrets
                    .values
                    .iter()
                    .any(|value| value.len() > rest.len() && value.starts_with(rest));
            if waits {
                break;
            }
            match self.secrets.values.iter().find(|value| rest.starts_with(value)) {
                Some(value) => {
                    shown.extend_from_slice(COVER);
                    at += value.len();
                }
                None => {
                    shown.push(rest[0]);
                    at += 1;
                }
            }
        }
        self.held.drain(..at);
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[&str], text: &str, wanted: &str) {
        let secrets = Secrets::default().and(values.iter().map(ToString::to_string));
        assert_eq!(secrets.cover(text), wanted);
        for size in 1..=text.len().max(1) {
            let mut masker = Masker::new(secrets.clone());
            let mut shown = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                shown.extend(masker.push(piece));
                assert!(masker.held.len() < secrets.values.first().map_or(1, Vec::len));
            }
            shown.extend(masker.finish());
            assert_eq!(String::from_utf8_lossy(&shown), wanted, "in pieces of {size}");
        }
    }

    #[test]
    fn values_are_covered_wherever_a_piece_ends() {
        check(&[], "hunter2", "hunter2");
        check(&["hunter2"], "hunter2", "****");
        check(&["hunter2"], "a hunter2, hunter2b hunter", "a ****, ****b hunter");
        check(&["hunter2"], "hunthunter2", "hunt****");
        check(&["hunter2", "hunter"], "hunter hunter2", "**** ****");
        check(&["line one\nline two"], "x line one\nline two y", "x **** y");
        check(&["aaab"], "aaaaaab", "aaa****");
    }

    #[test]
    fn short_values_are_left_alone() {
        check(&["abc", ""], "abc", "abc");
    }

    #[test]
    fn values_are_not_shown_for_debugging() {
        let secrets = Secrets::default().and(["hunter2".to_owned()]);
        assert_eq!(format!("{secrets:?} {:?}", Masker::new(secrets.clone())).matches("hunter2").count(), 0);
    }
}
