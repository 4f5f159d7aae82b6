//! Change calendars: when nothing is to be started. They are documents of type ChangeCalendar, and change as those do.
//!
//! Windows and associations ask [`get`] and obey; a calendar that cannot be read counts as closed.

mod event;
pub mod ical;
mod lines;
mod rule;
mod times;

use std::collections::BTreeMap;

use bytes::Bytes;
use fleetwright_proto::clock::Timestamp;

use self::ical::{Calendar, CalendarFault};
use crate::documents::fault::{DocumentError, Fault};
use crate::documents::kinds::{DocumentType, Format};
use crate::documents::list::{self, Filter};
use crate::documents::names::Reference;
use crate::documents::write::{self, NewDocument, VersionWish};
use crate::documents::{delete, find};
use crate::error::{Kind, Refusal};
use crate::house::House;
use crate::nodes::records::Tags;

/// Why a calendar cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CalendarError {
    pub kind: CalendarErrorKind,
    pub message: String,
}

/// SSM's errors of calendars; a refusal that has nothing to do with them keeps its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarErrorKind {
    InvalidDocument,
    InvalidDocumentType,
    UnsupportedCalendar,
    Validation,
    Other(Kind),
}

impl CalendarErrorKind {
    /// The name of the error in SSM's API; None for what the API has no name for.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::InvalidDocument => "InvalidDocument",
            Self::InvalidDocumentType => "InvalidDocumentType",
            Self::UnsupportedCalendar => "UnsupportedCalendarException",
            Self::Validation => "ValidationException",
            Self::Other(_) => return None,
        })
    }

    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::InvalidDocument => Kind::NotFound,
            Self::InvalidDocumentType | Self::UnsupportedCalendar | Self::Validation => Kind::Invalid,
            Self::Other(kind) => kind,
        }
    }
}

impl From<DocumentError> for CalendarError {
    fn from(error: DocumentError) -> Self {
        let kind = match error.fault {
            Fault::InvalidDocument | Fault::InvalidDocumentVersion => CalendarErrorKind::InvalidDocument,
            Fault::InvalidDocumentType => CalendarErrorKind::InvalidDocumentType,
            fault => CalendarErrorKind::Other(fault.kind()),
        };
        Self { kind, message: error.message }
    }
}

impl From<CalendarError> for Refusal {
    fn from(error: CalendarError) -> Self {
        Self { kind: error.kind.kind(), message: error.message }
    }
}

/// A calendar with the document that holds it.
#[derive(Debug, Clone)]
pub struct Kept {
    pub view: find::View,
    pub text: Bytes,
    pub calendar: Calendar,
}

impl Kept {
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        // A moment that no calendar reaches is outside of every event.
        crate::windows::records::instant(at).is_none_or(|at| self.calendar.is_open_at(at))
    }
}

/// Whether something may be started, and when that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub open: bool,
    pub at: Timestamp,
    pub next_transition: Option<Timestamp>,
}

/// A calendar, by its name or ARN.
pub async fn get(house: &House, name: &str) -> Result<Kept, CalendarError> {
    let found = find::get(house, &Reference::parse(name, "")?).await?;
    if found.view.document_type != DocumentType::ChangeCalendar {
        return Err(CalendarError {
            kind: CalendarErrorKind::InvalidDocumentType,
            message: format!(
                "{} is of type {}, and not a calendar",
                found.view.name, found.view.document_type
            ),
        });
    }
    let calendar = parse(&found.content).map_err(|fault| CalendarError {
        kind: CalendarErrorKind::UnsupportedCalendar,
        message: format!("calendar {} cannot be read: {fault}", found.view.name),
    })?;
    Ok(Kept { view: found.view, text: found.content, calendar })
}

fn parse(text: &[u8]) -> Result<Calendar, CalendarFault> {
    let text = std::str::from_utf8(text)
        .map_err(|_| CalendarFault { line: 1, message: "the text is not UTF-8".to_owned() })?;
    Calendar::parse(text)
}

/// Makes a calendar or a new default version of it. Durable when this returns.
pub async fn put(house: &House, name: &str, text: Bytes, author: &str) -> Result<Kept, CalendarError> {
    parse(&text).map_err(|fault| CalendarError {
        kind: CalendarErrorKind::Validation,
        message: format!("the calendar cannot be read: {fault}"),
    })?;
    let version = VersionWish {
        content: text.clone(),
        format: Some(Format::Text),
        author: author.to_owned(),
        ..VersionWish::default()
    };
    match get(house, name).await {
        Ok(known) if known.text == text => return Ok(known),
        Ok(_) => {
            let view = write::update(house, name, "$LATEST", version).await?;
            write::set_default(house, name, &view.version.to_string()).await?;
        }
        // One that cannot be read is there to be put right.
        Err(error) if error.kind == CalendarErrorKind::UnsupportedCalendar => {
            let view = write::update(house, name, "$LATEST", version).await?;
            write::set_default(house, name, &view.version.to_string()).await?;
        }
        Err(error) if error.kind == CalendarErrorKind::InvalidDocument => {
            let document_type = Some(DocumentType::ChangeCalendar);
            let new = NewDocument { name: name.to_owned(), document_type, tags: Tags::new(), version };
            write::create(house, new).await?;
        }
        Err(error) => return Err(error),
    }
    get(house, name).await
}

/// The names of all calendars.
pub async fn names(house: &House) -> Result<Vec<String>, CalendarError> {
    let filter = Filter::parse("DocumentType", vec![DocumentType::ChangeCalendar.name().to_owned()])?;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = list::list(house, std::slice::from_ref(&filter), "", after, 500).await?;
        found.extend(page.into_iter().map(|view| view.name));
        if next.is_none() {
            return Ok(found);
        }
        after = next;
    }
}

/// Deletes a calendar. Windows that name it start nothing until another one has its name.
pub async fn delete(house: &House, name: &str) -> Result<(), CalendarError> {
    let known = find::get(house, &Reference::parse(name, "")?).await?;
    if known.view.document_type != DocumentType::ChangeCalendar {
        return Err(CalendarError {
            kind: CalendarErrorKind::InvalidDocumentType,
            message: format!(
                "{} is of type {}, and not a calendar",
                known.view.name, known.view.document_type
            ),
        });
    }
    Ok(delete::delete(house, name).await?)
}

/// Most calendars of one question.
pub const ASKED_MAX: usize = 100;

/// Whether all of these calendars are open at a moment (reference, section 8.9), and when that changes.
pub async fn state(house: &House, names: &[String], at: Timestamp) -> Result<State, CalendarError> {
    let wrong = |message: String| CalendarError { kind: CalendarErrorKind::Validation, message };
    if names.is_empty() {
        return Err(wrong("no calendar is named".to_owned()));
    }
    if names.len() > ASKED_MAX {
        return Err(wrong(format!(
            "{} calendars are too many for one question: {ASKED_MAX} at most",
            names.len()
        )));
    }
    let start = crate::windows::records::instant(at)
        .ok_or_else(|| wrong(format!("{} ms is a moment that no calendar reaches", at.millis())))?;
    let mut calendars = BTreeMap::new();
    for name in names {
        calendars.insert(name.clone(), get(house, name).await?.calendar);
    }
    let open = |at| calendars.values().all(|calendar| calendar.is_open_at(at));
    let (now, mut moment) = (open(start), start);
    let mut next_transition = None;
    let mut work = Calendar::question();
    while !work.is_used_up() {
        let next = calendars.values().filter_map(|one| one.next_transition(moment, &mut work)).min();
        let Some(next) = next else { break };
        if open(next) != now {
            next_transition = Some(Timestamp::from_millis(next.timestamp_millis()));
            break;
        }
        moment = next;
    }
    Ok(State { open: now, at, next_transition })
}
