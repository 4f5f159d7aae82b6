//! What a step has that runs without a command: no journal and no library. For whoever measures or tests one step.

use std::io;

use super::library::{Fetching, Library, LibraryError, Pieces, StoredDocument};
use super::{InnerJournal, InnerStart, Recorded};
use crate::journal::StepRecord;

/// Refuses everything that needs a command.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Alone {
    fn refuses<T: Send + 'static>() -> Fetching<T> {
        let refusal = LibraryError::Refused("this step belongs to no controller".to_owned());
        Box::pin(std::future::ready(Err(refusal)))
    }
}

impl InnerJournal for Alone {
    fn started(&self, _start: InnerStart) -> Recorded {
        Box::pin(std::future::ready(Err(io::Error::other("this step has no journal"))))
    }

    fn finished(&self, _inner: Vec<u32>, _result: StepRecord) -> Recorded {
        Box::pin(std::future::ready(Err(io::Error::other("this step has no journal"))))
    }

    fn results(&self, _inner: &[u32]) -> Vec<(u32, StepRecord)> {
        Vec::new()
    }

    fn is_stopping(&self) -> bool {
        false
    }

    fn begins_nothing_more(&self) -> bool {
        false
    }
}

impl Library for Alone {
    fn document(&self, _name: &str, _version: &str) -> Fetching<StoredDocument> {
        Self::refuses()
    }

    fn attachment(&self, _document: &str, _version: &str, _attachment: &str) -> Fetching<Pieces> {
        Self::refuses()
    }
}
