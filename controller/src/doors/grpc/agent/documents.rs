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

#[cfg(test)]
mod tests {
    use fleetwright_proto::agent::{GetAttachmentRequest, GetDocumentRequest};
    use futures::TryStreamExt;

    use super::*;
    use crate::documents::attachments::{AttachmentWish, Upload};
    use crate::documents::kinds::{DocumentType, HashType};
    use crate::documents::write::{self, NewDocument, VersionWish};
    use crate::error::Kind;
    use crate::tests::{TestHouse, test_house};

    const FILE_BYTES: usize = 1_300_000;

    async fn with_package() -> (TestHouse, Vec<u8>) {
        let test = test_house();
        let file: Vec<u8> = (0..FILE_BYTES).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let mut upload = Upload::start(&test.house);
        upload.add(&file).await.unwrap();
        let (upload, _) = upload.finish("ada").await.unwrap();
        let manifest = r#"{"schemaVersion":"2.0","version":"1.0","packages":{"_any":{"_any":{"_any":{"file":"tool.zip"}}}},"files":{"tool.zip":{"checksums":{"sha256":"SUM"}}}}"#
            .replace("SUM", &HashType::Sha256.of(&file));
        let wish = NewDocument {
            name: "Tool".to_owned(),
            document_type: Some(DocumentType::Package),
            tags: crate::nodes::records::Tags::new(),
            version: VersionWish {
                content: manifest.into(),
                attachments: Some(vec![AttachmentWish::Uploaded { name: "tool.zip".to_owned(), upload }]),
                ..VersionWish::default()
            },
        };
        write::create(&test.house, wish).await.unwrap();
        (test, file)
    }

    #[tokio::test]
    async fn a_node_gets_texts_and_files() {
        let (TestHouse { house, _folder, .. }, file) = with_package().await;
        let request = |name: &str| GetDocumentRequest { name: name.to_owned(), version: String::new() };
        let shipped = document(&house, &request("AWS-RunShellScript")).await.unwrap();
        assert_eq!((shipped.document_type.as_str(), shipped.version.as_str()), ("Command", "1"));
        assert_eq!(HashType::Sha256.of(&shipped.content), shipped.sha256);
        let tool = document(&house, &request("Tool:1")).await.unwrap();
        assert_eq!((tool.document_type.as_str(), tool.attachments[0].bytes), ("Package", FILE_BYTES as u64));
        assert_eq!(document(&house, &request("Nobody")).await.unwrap_err().kind, Kind::NotFound);

        let wanted = |name: &str| GetAttachmentRequest {
            document_name: "Tool".to_owned(),
            document_version: "$LATEST".to_owned(),
            attachment: name.to_owned(),
        };
        let house = Arc::new(house);
        let pieces = attachment(house.clone(), &wanted("tool.zip")).await.unwrap();
        let pieces: Vec<_> = pieces.try_collect().await.unwrap();
        assert!(pieces.iter().all(|piece| !piece.data.is_empty() && piece.data.len() <= PIECE_BYTES));
        let back: Vec<u8> = pieces.iter().flat_map(|piece| piece.data.iter().copied()).collect();
        assert!(back == file);
        let Err(missing) = attachment(house, &wanted("other.zip")).await else { panic!() };
        assert!(missing.message.contains("no attachment `other.zip`"), "{missing}");
    }
}
