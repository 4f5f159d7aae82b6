//! The controller's documents, for steps that name one: each call on a connection of its own, which ends with it.
//!
//! Such calls are seldom, and the one stream of the link is not to wait behind the file of a package.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use fleetwright_proto::agent::{GetAttachmentRequest, GetDocumentRequest};
use futures::StreamExt;
use tonic::{Code, Status};

use super::channel::{self, Client};
use super::{Connector, LinkProblem};
use crate::identity::Identity;
use crate::steps::library::{Fetching, Library, LibraryError, Pieces, StoredAttachment, StoredDocument};
use crate::tls;

/// The library of the controller that an agent belongs to.
#[derive(Clone)]
pub(crate) struct ControllerLibrary {
    pub(crate) connector: Arc<dyn Connector>,
    /// As the link has it: it is renewed there.
    pub(crate) identity: Arc<Mutex<Identity>>,
}

impl fmt::Debug for ControllerLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControllerLibrary").field("connector", &self.connector).finish_non_exhaustive()
    }
}

impl ControllerLibrary {
    async fn client(&self) -> Result<Client, LibraryError> {
        let identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let unreachable = |problem: LinkProblem| LibraryError::Unreachable(problem.explain());
        let tls = tls::as_node(&identity).map_err(LinkProblem::from).map_err(unreachable)?;
        channel::connect(&*self.connector, &identity.controller, tls).await.map_err(unreachable)
    }
}

impl Library for ControllerLibrary {
    fn document(&self, name: &str, version: &str) -> Fetching<StoredDocument> {
        let library = self.clone();
        let request = GetDocumentRequest { name: name.to_owned(), version: version.to_owned() };
        Box::pin(async move {
            let mut client = library.client().await?;
            let found = client.get_document(request).await.map_err(|status| of_status(&status))?.into_inner();
            let attachments = found.attachments.into_iter().map(|attachment| StoredAttachment {
                name: attachment.name,
                bytes: attachment.bytes,
                sha256: attachment.sha256,
            });
            let content = String::from_utf8(found.content.to_vec())
                .map_err(|_| LibraryError::Refused("its text is not UTF-8".to_owned()))?;
            Ok(StoredDocument {
                name: found.name,
                version: found.version,
                content,
                document_type: found.document_type,
                attachments: attachments.collect(),
            })
        })
    }

    fn attachment(&self, document: &str, version: &str, attachment: &str) -> Fetching<Pieces> {
        let library = self.clone();
        let request = GetAttachmentRequest {
            document_name: document.to_owned(),
            document_version: version.to_owned(),
            attachment: attachment.to_owned(),
        };
        Box::pin(async move {
            let mut client = library.client().await?;
            let pieces =
                client.get_attachment(request).await.map_err(|status| of_status(&status))?.into_inner();
            Ok(pieces.map(|piece| piece.map(|piece| piece.data).map_err(|status| of_status(&status))).boxed())
        })
    }
}

/// What only the network or a controller that restarts says, and what the controller means.
fn of_status(status: &Status) -> LibraryError {
    let text = status.message().to_owned();
    match status.code() {
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded | Code::Internal => {
            LibraryError::Unreachable(text)
        }
        Code::Unimplemented => {
            LibraryError::Refused("this controller is too old to give documents".to_owned())
        }
        _ => LibraryError::Refused(text),
    }
}
