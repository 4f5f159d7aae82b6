//! Documents on their way to the controller: read, checked here first, files uploaded, then sent.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use fleetwright_documents::render::{Colours, render};
use fleetwright_proto::DOCUMENT_MAX_BYTES;
use fleetwright_proto::control::{
    AttachmentSource, CreateDocumentRequest, DocumentVersionContent, RequiredDocument,
    SetDefaultVersionRequest, UpdateDocumentRequest, UploadAttachmentRequest,
};

use super::super::Asked;
use super::registry::{client, print_changed};
use crate::arguments::document::{DocumentError, read_at_most, read_document};
use crate::arguments::tag::Tag;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::operator::Operator;

/// Bytes of one message of an upload.
const PIECE_BYTES: usize = 256 * 1024;
/// What the engine checks; every other type is for the controller to judge.
const CHECKED_TYPES: [&str; 4] = ["", "Command", "Policy", "Automation"];

#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// Name of the document: 3 to 128 letters, digits, dots, _ and -
    name: String,
    /// File with the text, or - for standard input
    file: PathBuf,
    /// What it is for: Command, Policy, Automation, Session, Package, ... [default: Command or Automation, as the text
    /// says]
    #[arg(long = "type", value_name = "TYPE", default_value = "", hide_default_value = true)]
    document_type: String,
    /// Tag of the document; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<Tag>,
    /// Document without which this one is of no use; may be repeated
    #[arg(long = "requires", value_name = "NAME[:VERSION]")]
    requires: Vec<String>,
    #[command(flatten)]
    version: VersionArgs,
}

#[derive(Debug, Clone, Args)]
pub struct UpdateArgs {
    /// Name of the document
    name: String,
    /// File with the text, or - for standard input
    file: PathBuf,
    /// The latest version as you know it: refused if there is a newer one
    #[arg(long, value_name = "N", default_value = "", hide_default_value = true)]
    latest: String,
    /// Make the new version the default one
    #[arg(long)]
    set_default: bool,
    #[command(flatten)]
    version: VersionArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct VersionArgs {
    /// JSON, YAML or TEXT [default: as the text is written]
    #[arg(long, value_name = "FORMAT", default_value = "", hide_default_value = true)]
    format: String,
    /// Name of this version
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    version_name: String,
    /// Name for people
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    display_name: String,
    /// What it can run on, for example /AWS::EC2::Instance
    #[arg(long, value_name = "TYPE", default_value = "", hide_default_value = true)]
    target_type: String,
    /// File that belongs to it, of a package for one; may be repeated
    #[arg(long = "attach", value_name = "FILE")]
    attach: Vec<PathBuf>,
}

pub(super) async fn create(io: &mut Io, asked: &Asked, args: CreateArgs) -> Result<Exit, Failure> {
    let content = checked(io, &args.file, &args.document_type)?;
    let operator = Operator::connect(&asked.flags, io).await?;
    let request = CreateDocumentRequest {
        name: args.name,
        document_type: args.document_type,
        version: Some(version(&operator, args.version, content).await?),
        requires: args.requires.iter().map(|text| required(text)).collect(),
        tags: args.tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
    };
    let answer = client(&operator).create_document(request).await?.into_inner();
    let document = answer.document.ok_or(Failure::IncompleteAnswer("document"))?;
    print_changed(io, asked, &document.into(), "created")
}

pub(super) async fn update(io: &mut Io, asked: &Asked, args: UpdateArgs) -> Result<Exit, Failure> {
    // Of which type the document is, only the controller knows.
    let content = read(io, &args.file)?;
    let operator = Operator::connect(&asked.flags, io).await?;
    let request = UpdateDocumentRequest {
        name: args.name.clone(),
        latest_version: args.latest,
        version: Some(version(&operator, args.version, content).await?),
    };
    let answer = client(&operator).update_document(request).await?.into_inner();
    let mut document = answer.document.ok_or(Failure::IncompleteAnswer("document"))?;
    if !args.set_default {
        return print_changed(io, asked, &document.into(), "created; it is not the default version");
    }
    let request = SetDefaultVersionRequest { name: args.name, version: document.version.to_string() };
    let answer = client(&operator).set_default_version(request).await?.into_inner();
    document = answer.document.ok_or(Failure::IncompleteAnswer("document"))?;
    print_changed(io, asked, &document.into(), "created; it is the default version from now on")
}

fn read(io: &mut Io, path: &Path) -> Result<Vec<u8>, Failure> {
    let content = if path.as_os_str() == "-" {
        let failed = |source| DocumentError::ReadDocument { path: path.into(), source };
        let content = read_at_most(&mut io.stdin, DOCUMENT_MAX_BYTES).map_err(failed);
        content.and_then(|content| content.ok_or_else(|| DocumentError::DocumentTooLong(path.into())))
    } else {
        read_document(path)
    };
    Ok(content.map_err(crate::arguments::ArgumentError::from)?)
}

/// Reads a text and checks what can be checked without the controller. Everything that is wrong is drawn.
fn checked(io: &mut Io, path: &Path, document_type: &str) -> Result<Vec<u8>, Failure> {
    let content = read(io, path)?;
    if !CHECKED_TYPES.contains(&document_type) {
        return Ok(content);
    }
    if let Err(problems) = fleetwright_documents::parse(&content) {
        let plain = !io.terminals.stderr || io.environment.get("NO_COLOR").is_some();
        let colours = if plain { Colours::Off } else { Colours::On };
        let name = path.display().to_string();
        io.note(&render(&problems, &crate::escape::escape(&name), &content, colours));
        return Err(Failure::DocumentRefused { path: name });
    }
    Ok(content)
}

async fn version(
    operator: &Operator,
    args: VersionArgs,
    content: Vec<u8>,
) -> Result<DocumentVersionContent, Failure> {
    let mut attachments = Vec::with_capacity(args.attach.len());
    for path in &args.attach {
        attachments.push(upload(operator, path).await?);
    }
    Ok(DocumentVersionContent {
        content: content.into(),
        format: args.format,
        version_name: args.version_name,
        display_name: args.display_name,
        target_type: args.target_type,
        attachments,
        replace_attachments: false,
    })
}

/// Sends a file in pieces; it goes by its own name.
async fn upload(operator: &Operator, path: &Path) -> Result<AttachmentSource, Failure> {
    let failed = |source| {
        let path = path.to_owned();
        crate::arguments::ArgumentError::Attachment { path, source }
    };
    let mut file = std::fs::File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(std::io::ErrorKind::IsADirectory.into()).into());
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // A file that cannot be read to its end ends the upload short, and the digest then differs.
    let (problem, noted) = tokio::sync::oneshot::channel();
    let mut problem = Some(problem);
    let pieces = std::iter::from_fn(move || {
        let mut piece = vec![0; PIECE_BYTES];
        match file.read(&mut piece) {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                Some(UploadAttachmentRequest { data: piece.into() })
            }
            Err(error) => {
                problem.take().map(|problem| problem.send(error));
                None
            }
        }
    });
    let answer = client(operator).upload_attachment(tokio_stream::iter(pieces)).await?.into_inner();
    if let Ok(error) = noted.await {
        return Err(failed(error).into());
    }
    Ok(AttachmentSource { name, upload_id: answer.upload_id })
}

fn required(text: &str) -> RequiredDocument {
    let (name, version) = text.split_once(':').unwrap_or((text, ""));
    RequiredDocument { name: name.into(), version: version.into(), ..Default::default() }
}
