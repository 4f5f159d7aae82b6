//! `fleetwright.control.v1.Documents`.

use std::sync::Arc;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::control::documents_server::Documents;
use fleetwright_proto::control::{
    ChangeDocumentTagsRequest, ChangeDocumentTagsResponse, CreateDocumentRequest, CreateDocumentResponse,
    DeleteDocumentRequest, DeleteDocumentResponse, Document, DocumentAttachment, DocumentParameter,
    DocumentShare, DocumentVersionContent, ListDocumentsRequest, ListDocumentsResponse, ListVersionsRequest,
    ListVersionsResponse, ReadDocumentRequest, ReadDocumentResponse, RequiredDocument,
    SetDefaultVersionRequest, SetDefaultVersionResponse, ShareDocumentRequest, ShareDocumentResponse,
    UpdateDocumentRequest, UpdateDocumentResponse, UploadAttachmentRequest, UploadAttachmentResponse,
};
use tonic::{Request, Response, Status, Streaming};

use super::page;
use crate::access::policy::{Action, Resource};
use crate::documents::attachments::{AttachmentWish, Upload};
use crate::documents::delete;
use crate::documents::fault::DocumentError;
use crate::documents::find::{self, View};
use crate::documents::kinds::{DocumentType, Format};
use crate::documents::list::{self, Filter};
use crate::documents::names::{DocumentName, Reference};
use crate::documents::records::Requirement;
use crate::documents::share::{self, ShareWish, Shares};
use crate::documents::write::{self, NewDocument, VersionWish};
use crate::doors::access::{Asker, operator};
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::records::Tags;

/// Translates between the wire and [`crate::documents`].
#[derive(Debug)]
pub struct DocumentsDoor {
    house: Arc<House>,
}

impl DocumentsDoor {
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }

    /// Whether the caller may do this with the document, under whichever of its names he called it.
    async fn ask(&self, asker: &Asker, action: Action, called: &str) -> Result<(), Refusal> {
        let name = Reference::parse(called, "")?.name.to_string();
        let tags = find::tags_of(&self.house, &name).await?;
        asker.may_do(&self.house, action, &Resource::Document { name: &name, tags: &tags })
    }
}

#[tonic::async_trait]
impl Documents for DocumentsDoor {
    async fn create_document(
        &self,
        request: Request<CreateDocumentRequest>,
    ) -> Result<Response<CreateDocumentResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let author = asker.principal.name.to_string();
        let CreateDocumentRequest { name, document_type, version, requires, tags } = request.into_inner();
        let tags: Tags = tags.into_iter().collect();
        asker.may(&self.house, &Resource::Document { name: &name, tags: &tags })?;
        let mut version = version_wish(version.unwrap_or_default(), author)?;
        version.requires = Some(requires.into_iter().map(requirement).collect());
        let document_type = said(&document_type, DocumentType::parse)?;
        let wish = NewDocument { name, document_type, tags, version };
        let created = write::create(&self.house, wish).await?;
        Ok(Response::new(CreateDocumentResponse { document: Some(document(created)) }))
    }

    async fn update_document(
        &self,
        request: Request<UpdateDocumentRequest>,
    ) -> Result<Response<UpdateDocumentResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let author = asker.principal.name.to_string();
        let UpdateDocumentRequest { name, latest_version, version } = request.into_inner();
        self.ask(&asker, asker.action, &name).await?;
        let wish = version_wish(version.unwrap_or_default(), author)?;
        let updated = write::update(&self.house, &name, &latest_version, wish).await?;
        Ok(Response::new(UpdateDocumentResponse { document: Some(document(updated)) }))
    }

    async fn set_default_version(
        &self,
        request: Request<SetDefaultVersionRequest>,
    ) -> Result<Response<SetDefaultVersionResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let SetDefaultVersionRequest { name, version } = request.into_inner();
        self.ask(&asker, asker.action, &name).await?;
        let changed = write::set_default(&self.house, &name, &version).await?;
        Ok(Response::new(SetDefaultVersionResponse { document: Some(document(changed)) }))
    }

    async fn read_document(
        &self,
        request: Request<ReadDocumentRequest>,
    ) -> Result<Response<ReadDocumentResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let ReadDocumentRequest { name, version } = request.into_inner();
        self.ask(&asker, asker.action, &name).await?;
        let reference = Reference::parse(&name, &version)?;
        let found = find::describe(&self.house, &reference).await?;
        let parameters = found.parameters.into_iter().map(|parameter| DocumentParameter {
            name: parameter.name,
            r#type: parameter.value_type,
            description: parameter.description,
            default_value: parameter.default,
        });
        Ok(Response::new(ReadDocumentResponse {
            document: Some(document(found.view)),
            content: found.content,
            description: found.description,
            parameters: parameters.collect(),
        }))
    }

    async fn list_documents(
        &self,
        request: Request<ListDocumentsRequest>,
    ) -> Result<Response<ListDocumentsResponse>, Status> {
        let caller = operator(request.extensions())?;
        let ListDocumentsRequest { filters, page_size, page_token } = request.into_inner();
        let filters: Vec<_> = filters
            .into_iter()
            .map(|filter| Filter::parse(&filter.key, filter.values))
            .collect::<Result<_, _>>()?;
        let after = page::after::<String>(&page_token)?.map(|name| DocumentName::parse(&name));
        let after = after.transpose()?;
        let (found, next) = list::list(&self.house, &filters, &caller, after, page::size(page_size)).await?;
        Ok(Response::new(ListDocumentsResponse {
            documents: found.into_iter().map(document).collect(),
            next_page_token: page::token(next.map(|name| name.to_string())),
        }))
    }

    async fn list_versions(
        &self,
        request: Request<ListVersionsRequest>,
    ) -> Result<Response<ListVersionsResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let ListVersionsRequest { name, page_size, page_token } = request.into_inner();
        self.ask(&asker, asker.action, &name).await?;
        let after = page::after(&page_token)?;
        let (found, next) = list::versions(&self.house, &name, after, page::size(page_size)).await?;
        let versions = found.into_iter().map(document).collect();
        Ok(Response::new(ListVersionsResponse { versions, next_page_token: page::token(next) }))
    }

    async fn delete_document(
        &self,
        request: Request<DeleteDocumentRequest>,
    ) -> Result<Response<DeleteDocumentResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let DeleteDocumentRequest { name, version } = request.into_inner();
        self.ask(&asker, asker.action, &name).await?;
        let deleted = match version.as_str() {
            "" => delete::delete(&self.house, &name).await,
            version => delete::delete_version(&self.house, &name, version).await,
        };
        deleted?;
        Ok(Response::new(DeleteDocumentResponse {}))
    }

    async fn share_document(
        &self,
        request: Request<ShareDocumentRequest>,
    ) -> Result<Response<ShareDocumentResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let by = asker.principal.name.to_string();
        let ShareDocumentRequest { name, add, remove, version } = request.into_inner();
        let looks_only = add.is_empty() && remove.is_empty();
        let action = if looks_only { Action::DescribeDocumentPermission } else { asker.action };
        self.ask(&asker, action, &name).await?;
        let shares = if looks_only {
            share::list(&self.house, &name).await
        } else {
            share::change(&self.house, ShareWish { name, add, remove, version, by }).await
        };
        let shares = wire_shares(shares?);
        Ok(Response::new(ShareDocumentResponse { shares }))
    }

    async fn change_document_tags(
        &self,
        request: Request<ChangeDocumentTagsRequest>,
    ) -> Result<Response<ChangeDocumentTagsResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let ChangeDocumentTagsRequest { name, set, remove } = request.into_inner();
        if !set.is_empty() || remove.is_empty() {
            self.ask(&asker, Action::AddTagsToResource, &name).await?;
        }
        if !remove.is_empty() {
            self.ask(&asker, Action::RemoveTagsFromResource, &name).await?;
        }
        let set = set.into_iter().collect();
        let tags = write::change_tags(&self.house, &name, set, &remove).await?;
        Ok(Response::new(ChangeDocumentTagsResponse { tags: tags.into_iter().collect() }))
    }

    async fn upload_attachment(
        &self,
        request: Request<Streaming<UploadAttachmentRequest>>,
    ) -> Result<Response<UploadAttachmentResponse>, Status> {
        let by = operator(request.extensions())?;
        let mut pieces = request.into_inner();
        let mut upload = Upload::start(&self.house);
        while let Some(piece) = pieces.message().await? {
            upload.add(&piece.data).await?;
        }
        let (id, record) = upload.finish(&by).await?;
        Ok(Response::new(UploadAttachmentResponse {
            upload_id: id.to_string(),
            bytes: record.bytes,
            sha256: record.sha256,
        }))
    }
}

/// Nothing is None.
fn said<T>(text: &str, parse: impl Fn(&str) -> Result<T, DocumentError>) -> Result<Option<T>, DocumentError> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn version_wish(version: DocumentVersionContent, author: String) -> Result<VersionWish, DocumentError> {
    let DocumentVersionContent {
        content,
        format,
        version_name,
        display_name,
        target_type,
        attachments,
        replace_attachments,
    } = version;
    let attachments = attachments.into_iter().map(|file| match file.upload_id.as_str() {
        "" => Ok(AttachmentWish::Kept { name: file.name }),
        upload => Ok(AttachmentWish::Uploaded { upload: upload.parse()?, name: file.name }),
    });
    let attachments = attachments.collect::<Result<Vec<_>, DocumentError>>()?;
    Ok(VersionWish {
        content,
        format: said(&format, Format::parse)?,
        version_name: some(version_name),
        display_name: some(display_name),
        target_type: some(target_type),
        requires: None,
        attachments: (replace_attachments || !attachments.is_empty()).then_some(attachments),
        author,
    })
}

fn requirement(wire: RequiredDocument) -> Requirement {
    let RequiredDocument { name, version, version_name, require_type } = wire;
    Requirement {
        name,
        version: some(version),
        version_name: some(version_name),
        require_type: some(require_type),
    }
}

fn wire_shares(shares: Shares) -> Vec<DocumentShare> {
    let share = |(principal, record): (String, crate::documents::records::ShareRecord)| DocumentShare {
        principal,
        version: record.version.unwrap_or_default(),
        shared_ms: record.shared.millis(),
        shared_by: record.shared_by,
    };
    shares.into_iter().map(share).collect()
}

fn document(view: View) -> Document {
    let requires = view.requires.into_iter().map(|required| RequiredDocument {
        name: required.name,
        version: required.version.unwrap_or_default(),
        version_name: required.version_name.unwrap_or_default(),
        require_type: required.require_type.unwrap_or_default(),
    });
    let attachments = view.attachments.into_iter().map(|file| DocumentAttachment {
        name: file.name,
        bytes: file.bytes,
        sha256: file.sha256,
    });
    Document {
        name: view.name,
        owner: view.owner.name().to_owned(),
        document_type: view.document_type.name().to_owned(),
        version: view.version,
        version_name: view.version_name.unwrap_or_default(),
        display_name: view.display_name.unwrap_or_default(),
        default_version: view.default_version,
        latest_version: view.latest_version,
        created_ms: view.created.map_or(0, Timestamp::millis),
        author: view.author,
        format: view.format.name().to_owned(),
        bytes: view.bytes,
        sha256: view.sha256,
        sha1: view.sha1,
        schema_version: view.schema_version.unwrap_or_default(),
        platform_types: view.platform_types,
        target_type: view.target_type.unwrap_or_default(),
        requires: requires.collect(),
        attachments: attachments.collect(),
        tags: view.tags.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests;
