//! Documents for the steps of nodes: texts, and files of packages in pieces.

use std::sync::Arc;

use bytes::Bytes;
use fleetwright_proto::agent::{
    Attachment, GetAttachmentRequest, GetAttachmentResponse, GetDocumentRequest, GetDocumentResponse,
};
use futures::stream::try_unfold;
use tokio_stream::Stream;
use tonic::Status;

use crate::documents::fault::Fault;
use crate::documents::find::{self, Found};
use crate::documents::names::{Reference, shown};
use crate::documents::{attachments, records};
use crate::error::Refusal;
use crate::house::House;

/// Bytes of one message.
const PIECE_BYTES: usize = 256 * 1024;

pub(super) async fn document(
    house: &House,
    request: &GetDocumentRequest,
) -> Result<GetDocumentResponse, Refusal> {
    let Found { view, content } =
        find::get(house, &Reference::parse(&request.name, &request.version)?).await?;
    Ok(GetDocumentResponse {
        name: view.name,
        version: view.version.to_string(),
        version_name: view.version_name.unwrap_or_default(),
        content,
        sha256: view.sha256,
        document_type: view.document_type.name().to_owned(),
        attachments: view.attachments.into_iter().map(attachment_info).collect(),
    })
}

fn attachment_info(file: records::Attachment) -> Attachment {
    Attachment { name: file.name, bytes: file.bytes, sha256: file.sha256 }
}

/// The pieces of a file. That it does not exist is told before the first.
pub(super) async fn attachment(
    house: Arc<House>,
    request: &GetAttachmentRequest,
) -> Result<impl Stream<Item = Result<GetAttachmentResponse, Status>> + Send + use<>, Refusal> {
    let reference = Reference::parse(&request.document_name, &request.document_version)?;
    let view = find::get(&house, &reference).await?.view;
    let file = view.attachments.into_iter().find(|file| file.name == request.attachment);
    let file = file.ok_or_else(|| {
        Fault::InvalidDocument.because(format!(
            "version {} of document {} has no attachment `{}`",
            view.version,
            view.name,
            shown(&request.attachment)
        ))
    })?;
    Ok(try_unfold((Bytes::new(), 0), move |(mut rest, mut offset): (Bytes, u64)| {
        let (house, file) = (house.clone(), file.clone());
        async move {
            if rest.is_empty() {
                match attachments::read(&house, &file, offset).await.map_err(Refusal::from)? {
                    Some(more) => rest = more,
                    None => return Ok(None),
                }
            }
            let data = rest.split_to(rest.len().min(PIECE_BYTES));
            offset += data.len() as u64;
            Ok(Some((GetAttachmentResponse { data }, (rest, offset))))
        }
    }))
}
