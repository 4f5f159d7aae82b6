//! `fleetwright document`: the documents that the controller keeps.

use clap::{Args, Subcommand, ValueEnum};
use fleetwright_documents::{Notation, written_as};
use fleetwright_proto::control::documents_client::DocumentsClient;
use fleetwright_proto::control::{
    ChangeDocumentTagsRequest, DeleteDocumentRequest, DocumentFilter, ListDocumentsRequest,
    ListVersionsRequest, ReadDocumentRequest, SetDefaultVersionRequest, ShareDocumentRequest,
};

use super::super::Asked;
use super::write;
use crate::arguments::ArgumentError;
use crate::arguments::tag::{self, Tag};
use crate::connection::Channel;
use crate::data::registry::{Document, Share, ShownDocument};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::{Operator, PAGE_SIZE};
use crate::render::{self, Format, time};

#[derive(Debug, Clone, Subcommand)]
pub enum RegistryVerb {
    /// List documents, shipped ones among them
    #[command(after_long_help = help::ending(&[
        "fleetwright document list",
        "fleetwright document list --owner self --tag team=web",
        "fleetwright document list --type Automation -o jsonl | jq -r .name",
    ]))]
    List(ListArgs),
    /// Show a document: what it is for, its parameters, its text
    #[command(disable_version_flag = true, after_long_help = help::ending(&[
        "fleetwright document show AWS-RunShellScript",
        "fleetwright document show Disk --version 3 --content > disk.yaml",
    ]))]
    Show(ShowArgs),
    /// Make a document from a file, with its version 1
    #[command(
        long_about = "Make a document from a file, with its version 1.\n\nType and format are told from the text; it is \
            checked here before the controller is asked.",
        after_long_help = help::ending(&[
            "fleetwright document create Disk ./disk.yaml",
            "fleetwright document create Tool ./manifest.json --type Package --attach ./tool.zip",
            "generate-document | fleetwright document create Disk - --tag team=web",
        ]),
    )]
    Create(write::CreateArgs),
    /// Add a version to a document; the default version stays unless told otherwise
    #[command(after_long_help = help::ending(&[
        "fleetwright document update Disk ./disk.yaml",
        "fleetwright document update Disk ./disk.yaml --latest 3 --version-name release-4 --set-default",
    ]))]
    Update(write::UpdateArgs),
    /// Delete a document with all its versions, or one version of it; what runs keeps running
    #[command(disable_version_flag = true, after_long_help = help::ending(&[
        "fleetwright document delete Disk --yes",
        "fleetwright document delete Disk --version 2",
    ]))]
    Delete {
        /// Name of the document
        name: String,
        /// Only this version: a number or a version name
        #[arg(long, value_name = "VERSION")]
        version: Option<String>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// List the versions of a document, oldest first
    #[command(after_long_help = help::ending(&["fleetwright document versions Disk"]))]
    Versions {
        /// Name of the document
        name: String,
    },
    /// Say which version runs when none is named
    #[command(disable_version_flag = true, after_long_help = help::ending(&[
        "fleetwright document set-default Disk 3",
        "fleetwright document set-default Disk '$LATEST'",
    ]))]
    SetDefault {
        /// Name of the document
        name: String,
        /// A number, $LATEST or a version name
        version: String,
    },
    /// Share a document with operators, nodes or accounts, or say with whom it is shared
    #[command(disable_version_flag = true, after_long_help = help::ending(&[
        "fleetwright document share Disk",
        "fleetwright document share Disk bob 123456789012",
        "fleetwright document share Disk --remove bob",
    ]))]
    Share(ShareArgs),
    /// Set tags of a document; a tag that it has gets the new value
    #[command(after_long_help = help::ending(&["fleetwright document tag Disk team=web"]))]
    Tag(TagArgs),
    /// Remove tags of a document
    #[command(after_long_help = help::ending(&["fleetwright document untag Disk team"]))]
    Untag {
        /// Name of the document
        name: String,
        /// Keys of the tags to remove
        #[arg(required = true, value_name = "KEY", value_parser = tag::key)]
        keys: Vec<String>,
    },
}

#[derive(Debug, Clone, Args)]
pub struct TagArgs {
    /// Name of the document
    name: String,
    /// Tags to set
    #[arg(required = true, value_name = "KEY=VALUE")]
    tags: Vec<Tag>,
}

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only documents whose name begins so; may be repeated
    #[arg(long = "name", value_name = "BEGINNING")]
    names: Vec<String>,
    /// Only documents of this owner
    #[arg(long, value_enum)]
    owner: Option<Owner>,
    /// Only documents of this type, for example Command or Automation; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only documents for this platform: Linux, Windows or MacOS; may be repeated
    #[arg(long = "platform", value_name = "NAME")]
    platforms: Vec<String>,
    /// Only documents with this tag; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<Tag>,
}

/// Whose documents are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Owner {
    /// Shipped with the controller
    Amazon,
    /// Made here
    #[value(name = "self")]
    Fleet,
    /// Shared with you by name
    Private,
    /// Shared with everybody
    Public,
}

impl Owner {
    fn name(self) -> &'static str {
        match self {
            Self::Amazon => "Amazon",
            Self::Fleet => "Self",
            Self::Private => "Private",
            Self::Public => "Public",
        }
    }
}

#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// Name of the document, NAME:VERSION, or an ARN
    name: String,
    /// A number, $LATEST, $DEFAULT or a version name [default: the default version]
    #[arg(long, value_name = "VERSION", default_value = "", hide_default_value = true)]
    version: String,
    /// Print the text and nothing else, exactly as it was written
    #[arg(long)]
    content: bool,
    /// The text in this notation, whichever it was written in
    #[arg(long, value_enum, value_name = "NOTATION")]
    r#as: Option<NotationName>,
}

/// JSON or YAML, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NotationName {
    Json,
    Yaml,
}

impl From<NotationName> for Notation {
    fn from(name: NotationName) -> Self {
        match name {
            NotationName::Json => Self::Json,
            NotationName::Yaml => Self::Yaml,
        }
    }
}

#[derive(Debug, Clone, Args)]
pub struct ShareArgs {
    /// Name of the document
    name: String,
    /// Names of operators or nodes, account ids, or all
    #[arg(value_name = "PRINCIPAL")]
    add: Vec<String>,
    /// With whom it is no longer shared; may be repeated
    #[arg(long, value_name = "PRINCIPAL")]
    remove: Vec<String>,
    /// Which version: a number, $LATEST, $DEFAULT or All [default: the default version]
    #[arg(long, value_name = "VERSION", default_value = "", hide_default_value = true)]
    version: String,
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: RegistryVerb) -> Result<Exit, Failure> {
    match verb {
        RegistryVerb::List(args) => list(io, asked, args).await,
        RegistryVerb::Show(args) => show(io, asked, args).await,
        RegistryVerb::Create(args) => write::create(io, asked, args).await,
        RegistryVerb::Update(args) => write::update(io, asked, args).await,
        RegistryVerb::Delete { name, version, yes } => delete(io, asked, name, version, yes).await,
        RegistryVerb::Versions { name } => versions(io, asked, name).await,
        RegistryVerb::SetDefault { name, version } => set_default(io, asked, name, version).await,
        RegistryVerb::Share(args) => share(io, asked, args).await,
        RegistryVerb::Tag(TagArgs { name, tags }) => {
            let set = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
            change_tags(io, asked, ChangeDocumentTagsRequest { name, set, remove: Vec::new() }).await
        }
        RegistryVerb::Untag { name, keys: remove } => {
            change_tags(io, asked, ChangeDocumentTagsRequest { name, remove, ..Default::default() }).await
        }
    }
}

pub(super) fn client(operator: &Operator) -> DocumentsClient<Channel> {
    DocumentsClient::with_origin(operator.channel(), operator.channel().origin())
        .max_decoding_message_size(fleetwright_proto::MESSAGE_MAX_BYTES)
}

async fn list(io: &mut Io, asked: &Asked, args: ListArgs) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let mut documents = Vec::new();
    let mut request =
        ListDocumentsRequest { filters: filters(args), page_size: PAGE_SIZE, ..Default::default() };
    loop {
        let page = client(&operator).list_documents(request.clone()).await?.into_inner();
        documents.extend(page.documents.into_iter().map(Document::from));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let header = ["document", "owner", "type", "version", "format", "platforms", "tags"];
    render::list(io, asked.format, &documents, &header, |document| {
        let latest = if document.latest_version == document.version {
            document.version.to_string()
        } else {
            format!("{} of {}", document.version, document.latest_version)
        };
        vec![
            document.name.clone(),
            document.owner.clone(),
            document.document_type.clone(),
            latest,
            document.format.clone(),
            document.platform_types.join(", "),
            render::tags(&document.tags),
        ]
    })?;
    Ok(Exit::Done)
}

fn filters(args: ListArgs) -> Vec<DocumentFilter> {
    let owner = args.owner.map(|owner| owner.name().to_owned()).into_iter().collect();
    let listed = [
        ("Name", args.names),
        ("Owner", owner),
        ("DocumentType", args.types),
        ("PlatformTypes", args.platforms),
    ];
    let listed = listed.into_iter().filter(|(_, values)| !values.is_empty());
    let mut filters: Vec<_> =
        listed.map(|(key, values)| DocumentFilter { key: key.to_owned(), values }).collect();
    filters.extend(
        args.tags
            .into_iter()
            .map(|tag| DocumentFilter { key: format!("tag:{}", tag.key), values: vec![tag.value] }),
    );
    filters
}

async fn show(io: &mut Io, asked: &Asked, args: ShowArgs) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let request = ReadDocumentRequest { name: args.name, version: args.version };
    let mut answer = client(&operator).read_document(request).await?.into_inner();
    if let Some(notation) = args.r#as {
        let text = String::from_utf8_lossy(&answer.content);
        let written = written_as(&text, notation.into());
        answer.content = written.map_err(|_| ArgumentError::NoOtherNotation)?.into();
    }
    if args.content {
        io.stdout.write_all(&answer.content)?;
        io.stdout.flush()?;
        return Ok(Exit::Done);
    }
    let shown = ShownDocument {
        document: answer.document.ok_or(Failure::IncompleteAnswer("document"))?.into(),
        description: answer.description,
        parameters: answer.parameters.into_iter().map(Into::into).collect(),
        content: String::from_utf8_lossy(&answer.content).into_owned(),
    };
    let now = io.clock.now();
    render::one(io, asked.format, &shown, |shown| {
        let mut fields = fields(&shown.document, now);
        let parameters = shown.parameters.iter().map(|parameter| match &parameter.default_value {
            Some(default) => format!("{} ({}, {default})", parameter.name, parameter.value_type),
            None => format!("{} ({}, required)", parameter.name, parameter.value_type),
        });
        fields.push(("parameters", parameters.collect::<Vec<_>>().join("\n")));
        fields.push(("description", shown.description.clone()));
        fields
    })?;
    Ok(Exit::Done)
}

/// What the table of one document says, empty fields among it.
pub(super) fn fields(
    document: &Document,
    now: fleetwright_proto::clock::Timestamp,
) -> Vec<(&'static str, String)> {
    let requires = document.requires.iter().map(|required| match required.version.as_str() {
        "" => required.name.clone(),
        version => format!("{}:{version}", required.name),
    });
    let attachments = document.attachments.iter().map(|file| format!("{} ({} bytes)", file.name, file.bytes));
    vec![
        ("document", document.name.clone()),
        ("display name", document.display_name.clone()),
        ("owner", document.owner.clone()),
        ("type", document.document_type.clone()),
        ("version", document.version.to_string()),
        ("version name", document.version_name.clone()),
        ("default version", document.default_version.to_string()),
        ("latest version", document.latest_version.to_string()),
        ("created", document.created_at.map(|at| time::absolute(now, Some(at))).unwrap_or_default()),
        ("author", document.author.clone()),
        ("format", document.format.clone()),
        ("schema", document.schema_version.clone()),
        ("platforms", document.platform_types.join(", ")),
        ("target type", document.target_type.clone()),
        ("requires", requires.collect::<Vec<_>>().join(", ")),
        ("attachments", attachments.collect::<Vec<_>>().join(", ")),
        ("tags", render::tags(&document.tags)),
        ("sha256", document.sha256.clone()),
    ]
}

async fn versions(io: &mut Io, asked: &Asked, name: String) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let mut versions: Vec<Document> = Vec::new();
    let mut request = ListVersionsRequest { name, page_size: PAGE_SIZE, page_token: String::new() };
    loop {
        let page = client(&operator).list_versions(request.clone()).await?.into_inner();
        versions.extend(page.versions.into_iter().map(Document::from));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let now = io.clock.now();
    let header = ["version", "name", "default", "created", "author", "format", "bytes", "sha256"];
    render::list(io, asked.format, &versions, &header, |version| {
        vec![
            version.version.to_string(),
            version.version_name.clone(),
            if version.is_default { "yes".into() } else { String::new() },
            version.created_at.map(|at| time::relative(now, Some(at))).unwrap_or_default(),
            version.author.clone(),
            version.format.clone(),
            version.bytes.to_string(),
            version.sha256.chars().take(12).collect(),
        ]
    })?;
    Ok(Exit::Done)
}

async fn set_default(io: &mut Io, asked: &Asked, name: String, version: String) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let answer = client(&operator).set_default_version(SetDefaultVersionRequest { name, version }).await?;
    let document = answer.into_inner().document.ok_or(Failure::IncompleteAnswer("document"))?;
    print_changed(io, asked, &document.into(), "is the default version from now on")
}

/// The document as it is now: a line for people, all of it for programs.
pub(super) fn print_changed(
    io: &mut Io,
    asked: &Asked,
    document: &Document,
    said: &str,
) -> Result<Exit, Failure> {
    match asked.format {
        Format::Table => io.note(&format!("version {} of {} {said}", document.version, document.name)),
        Format::Json => render::json(io, document)?,
        Format::Jsonl => render::json_line(io, document)?,
    }
    Ok(Exit::Done)
}

async fn delete(
    io: &mut Io,
    asked: &Asked,
    name: String,
    version: Option<String>,
    yes: bool,
) -> Result<Exit, Failure> {
    let what = match &version {
        Some(version) => format!("version {version} of {name}"),
        None => format!("document {name} with all its versions"),
    };
    if !yes {
        if !io.can_ask() {
            return Err(ArgumentError::DocumentDeleteWantsYes.into());
        }
        if !io.confirm(&format!("delete {what}?"))? {
            return Err(Failure::NotConfirmed);
        }
    }
    let operator = Operator::connect(&asked.flags, io).await?;
    let request = DeleteDocumentRequest { name, version: version.unwrap_or_default() };
    client(&operator).delete_document(request).await?;
    io.note(&format!("deleted {what}"));
    Ok(Exit::Done)
}

async fn share(io: &mut Io, asked: &Asked, args: ShareArgs) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let ShareArgs { name, add, remove, version } = args;
    let request = ShareDocumentRequest { name, add, remove, version };
    let answer = client(&operator).share_document(request).await?.into_inner();
    let shares: Vec<Share> = answer.shares.into_iter().map(Share::from).collect();
    let now = io.clock.now();
    render::list(io, asked.format, &shares, &["principal", "version", "shared", "by"], |share| {
        vec![
            share.principal.clone(),
            if share.version.is_empty() { "$DEFAULT".into() } else { share.version.clone() },
            time::relative(now, share.shared_at),
            share.shared_by.clone(),
        ]
    })?;
    Ok(Exit::Done)
}

async fn change_tags(
    io: &mut Io,
    asked: &Asked,
    request: ChangeDocumentTagsRequest,
) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let name = request.name.clone();
    let tags = client(&operator).change_document_tags(request).await?.into_inner().tags;
    let tags: std::collections::BTreeMap<_, _> = tags.into_iter().collect();
    match asked.format {
        Format::Table if tags.is_empty() => io.note(&format!("{name} has no tags")),
        Format::Table => io.line(&render::tags(&tags))?,
        Format::Json => render::json(io, &tags)?,
        Format::Jsonl => render::json_line(io, &tags)?,
    }
    Ok(Exit::Done)
}
