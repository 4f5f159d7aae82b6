//! Documents that steps name, and the files of packages: what only the controller has.
//!
//! A step waits a while for a controller that cannot be reached, since it may be restarting; what the controller itself
//! refuses is final. How the bytes travel is not known here.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;

use super::{How, Task};

/// How long a controller that cannot be reached is tried.
const PATIENCE: Duration = Duration::from_secs(300);
const RETRY: Duration = Duration::from_secs(2);

/// A document as the registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    pub name: String,
    pub version: String,
    pub content: String,
    /// For example `Command` or `Package`.
    pub document_type: String,
    pub attachments: Vec<StoredAttachment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAttachment {
    pub name: String,
    pub bytes: u64,
    /// Hexadecimal digits.
    pub sha256: String,
}

/// Why something of the library cannot be had. One line for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    #[error("the controller cannot be reached: {0}")]
    Unreachable(String),
    #[error("{0}")]
    Refused(String),
}

/// What the calls of [`Library`] return.
pub type Fetching<T> = Pin<Box<dyn Future<Output = Result<T, LibraryError>> + Send>>;

/// The pieces of a file, in order.
pub type Pieces = BoxStream<'static, Result<Bytes, LibraryError>>;

/// Where documents come from.
pub trait Library: fmt::Debug + Send + Sync {
    /// An empty version is the default one.
    fn document(&self, name: &str, version: &str) -> Fetching<StoredDocument>;

    fn attachment(&self, document: &str, version: &str, attachment: &str) -> Fetching<Pieces>;
}

/// A library that everything in one agent shares.
pub type SharedLibrary = Arc<dyn Library>;

/// The document, or how the step ends without it.
pub(super) async fn document(
    name: &str,
    version: Option<&str>,
    task: &Task<'_>,
) -> Result<StoredDocument, How> {
    let clock = &task.tools.clock;
    let give_up = clock.now().plus(PATIENCE);
    loop {
        let fetching = task.tools.library.document(name, version.unwrap_or_default());
        let fetched = tokio::select! {
            fetched = fetching => fetched,
            () = task.cancel.cancelled() => return Err(How::Cancelled),
        };
        let problem = match fetched {
            Ok(document) => return Ok(document),
            Err(LibraryError::Unreachable(_)) if clock.now() < give_up => {
                tokio::select! {
                    () = clock.sleep(RETRY) => continue,
                    () = task.cancel.cancelled() => return Err(How::Cancelled),
                }
            }
            Err(problem) => problem,
        };
        return Err(How::Failed(format!("the document `{name}` cannot be had: {problem}")));
    }
}

#[cfg(test)]
pub(super) mod fake {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use futures::StreamExt;

    use super::*;

    /// Holds what a test puts in. A name that is not there is refused.
    #[derive(Debug, Default)]
    pub(in crate::steps) struct FakeLibrary {
        pub(in crate::steps) documents: BTreeMap<String, StoredDocument>,
        /// How many of the next calls find nobody.
        pub(in crate::steps) unreachable: Mutex<u32>,
        /// Attached files, by their names.
        pub(in crate::steps) files: BTreeMap<String, Bytes>,
    }

    impl FakeLibrary {
        pub(in crate::steps) fn with(documents: &[(&str, &str)]) -> Self {
            let stored = |name: &str, content: &str| StoredDocument {
                name: name.to_owned(),
                version: "1".to_owned(),
                content: content.to_owned(),
                document_type: "Command".to_owned(),
                attachments: Vec::new(),
            };
            let documents =
                documents.iter().map(|(name, content)| ((*name).to_owned(), stored(name, content)));
            Self { documents: documents.collect(), ..Self::default() }
        }
    }

    impl Library for FakeLibrary {
        fn document(&self, name: &str, _version: &str) -> Fetching<StoredDocument> {
            let mut unreachable = self.unreachable.lock().unwrap();
            let found = if *unreachable > 0 {
                *unreachable -= 1;
                Err(LibraryError::Unreachable("nobody is there".to_owned()))
            } else {
                let refused = || LibraryError::Refused(format!("there is no document `{name}`"));
                self.documents.get(name).cloned().ok_or_else(refused)
            };
            Box::pin(std::future::ready(found))
        }

        fn attachment(&self, _document: &str, _version: &str, attachment: &str) -> Fetching<Pieces> {
            let refused = LibraryError::Refused(format!("there is no attachment `{attachment}`"));
            let pieces = self.files.get(attachment).cloned().ok_or(refused).map(|file| {
                let pieces: Vec<_> =
                    file.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
                futures::stream::iter(pieces).boxed()
            });
            Box::pin(std::future::ready(pieces))
        }
    }
}
