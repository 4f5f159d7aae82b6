//! The lines of iCalendar text: folded ones joined, each with its name, its parameters and its value. Pure.

use std::collections::BTreeMap;

use super::ical::CalendarFault;

/// One content line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Of its first part, counted from 1.
    pub(super) number: usize,
    /// In capitals.
    pub(super) name: String,
    /// Names in capitals.
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) value: String,
}

impl Line {
    pub(super) fn fault(&self, message: String) -> CalendarFault {
        CalendarFault { line: self.number, message }
    }
}

/// Every line that is not empty.
pub(super) fn read(text: &str) -> Result<Vec<Line>, CalendarFault> {
    let mut joined: Vec<(usize, String)> = Vec::new();
    for (at, part) in text.lines().enumerate() {
        match (part.strip_prefix([' ', '\t']), joined.last_mut()) {
            (Some(more), Some((_, line))) => line.push_str(more),
            _ if part.trim().is_empty() => {}
            _ => joined.push((at + 1, part.trim_end().to_owned())),
        }
    }
    joined.into_iter().map(|(number, line)| split(number, &line)).collect()
}

fn split(number: usize, line: &str) -> Result<Line, CalendarFault> {
    let mut quoted = false;
    let mut marks = line.char_indices().filter(|(_, letter)| {
        quoted ^= *letter == '"';
        !quoted && matches!(letter, ':' | ';')
    });
    let mut pieces = Vec::new();
    let mut from = 0;
    let value = loop {
        match marks.next() {
            Some((at, ':')) => {
                pieces.push(&line[from..at]);
                break &line[at + 1..];
            }
            Some((at, _)) => {
                pieces.push(&line[from..at]);
                from = at + 1;
            }
            None => {
                let message = "this is no line of a calendar: NAME:VALUE".to_owned();
                return Err(CalendarFault { line: number, message });
            }
        }
    };
    let mut pieces = pieces.into_iter();
    let name = pieces.next().unwrap_or_default().to_ascii_uppercase();
    let parameters = pieces
        .filter_map(|piece| piece.split_once('='))
        .map(|(name, value)| (name.to_ascii_uppercase(), value.trim_matches('"').to_owned()))
        .collect();
    Ok(Line { number, name, parameters, value: value.to_owned() })
}
