//! `fleetwright parameter`: configuration and secrets.

use clap::{Args, Subcommand};
use fleetwright_proto::control::parameters_client::ParametersClient;
use fleetwright_proto::control::{
    ChangeParameterTagsRequest, DeleteParameterRequest, GetParameterHistoryRequest, GetParameterRequest,
    LabelParameterRequest, ListParametersRequest, ParameterFilter,
};

use super::Asked;
use crate::arguments::ArgumentError;
use crate::arguments::tag::{self, Tag};
use crate::connection::Channel;
use crate::data::parameter::{Labelled, Parameter};
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::{Operator, PAGE_SIZE};
use crate::render::{self, Format, time};

pub(crate) mod put;
pub(crate) mod transfer;
pub(crate) mod tree;

/// What stands where a secret would.
const COVERED: &str = "(secret: --decrypt shows it)";

#[derive(Debug, Clone, Subcommand)]
pub enum ParameterVerb {
    /// Put a parameter: make it, or with --overwrite give it a new version
    #[command(
        long_about = "Put a parameter: make it, or with --overwrite give it a new version.\n\nThe value of a SecureString \
            is never an argument, which others on this host could read: it comes from a file, from standard input \
            (--value-file -), or is asked for. Of a file or of standard input one line end at the end is left out, \
            unless --exact.",
        after_long_help = help::ending(&[
            "fleetwright parameter put /app/url https://app.example",
            "fleetwright parameter put /app/hosts web-1,web-2 --type StringList",
            "fleetwright parameter put /app/password --type SecureString",
            "fleetwright parameter put /app/token --type SecureString --value-file -",
            "fleetwright parameter put /app/url https://new.example --overwrite",
        ]),
    )]
    Put(put::PutArgs),
    /// Show a parameter: NAME, NAME:VERSION or NAME:LABEL
    #[command(after_long_help = help::ending(&[
        "fleetwright parameter get /app/url",
        "fleetwright parameter get /app/url:prod --raw",
        "fleetwright parameter get /app/password --decrypt",
    ]))]
    Get(GetArgs),
    /// List parameters, by name
    #[command(after_long_help = help::ending(&[
        "fleetwright parameter list",
        "fleetwright parameter list /app --values",
        "fleetwright parameter list --type SecureString --tag team=web",
    ]))]
    List(ListArgs),
    /// Draw the hierarchy below a path
    #[command(after_long_help = help::ending(&["fleetwright parameter tree", "fleetwright parameter tree /app"]))]
    Tree {
        /// Path to begin at
        #[arg(value_name = "PATH", default_value = "/")]
        path: String,
    },
    /// Show every version of a parameter that is kept, oldest first
    #[command(after_long_help = help::ending(&["fleetwright parameter history /app/url"]))]
    History {
        /// Name of the parameter
        name: String,
        /// Open secrets and show their values
        #[arg(long, visible_alias = "show")]
        decrypt: bool,
    },
    /// Attach labels to a version; a label that another version has moves
    #[command(after_long_help = help::ending(&[
        "fleetwright parameter label /app/url prod",
        "fleetwright parameter label /app/url prod --parameter-version 3",
    ]))]
    Label(LabelArgs),
    /// Take labels from a version
    #[command(after_long_help = help::ending(&["fleetwright parameter unlabel /app/url prod --parameter-version 3"]))]
    Unlabel(UnlabelArgs),
    /// Set and remove tags, or show them
    #[command(after_long_help = help::ending(&[
        "fleetwright parameter tag /app/url team=web",
        "fleetwright parameter tag /app/url --remove team",
    ]))]
    Tag(TagArgs),
    /// Delete parameters with all their versions
    #[command(after_long_help = help::ending(&["fleetwright parameter delete /app/url --yes"]))]
    Delete(DeleteArgs),
    /// Write parameters with their values as JSON, for `parameter import`
    #[command(
        long_about = "Write parameters with their values as JSON, for `parameter import`.\n\nSecrets are left out, and said \
            to be, unless --decrypt; then the file has them in clear. It is made for its owner alone.",
        after_long_help = help::ending(&[
            "fleetwright parameter export /app",
            "fleetwright parameter export /app --decrypt --to app.json",
        ]),
    )]
    Export(transfer::ExportArgs),
    /// Put every parameter of a file that `parameter export` wrote
    #[command(after_long_help = help::ending(&[
        "fleetwright parameter import app.json",
        "fleetwright parameter import app.json --overwrite",
        "fleetwright parameter import - < app.json",
    ]))]
    Import(transfer::ImportArgs),
}

#[derive(Debug, Clone, Args)]
pub struct GetArgs {
    /// Name of the parameter, with :VERSION or :LABEL for another than the latest version
    name: String,
    /// Open a secret and show its value
    #[arg(long, visible_alias = "show")]
    decrypt: bool,
    /// Print the value and nothing else
    #[arg(long)]
    raw: bool,
}

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Path to list; all levels below it
    #[arg(value_name = "PATH", default_value = "", hide_default_value = true)]
    path: String,
    /// Only the level below the path
    #[arg(long)]
    one_level: bool,
    /// Only those whose name contains this
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Only those of this type: String, StringList or SecureString
    #[arg(long = "type", value_name = "TYPE")]
    parameter_type: Option<String>,
    /// Only those with this tag; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<Tag>,
    /// Show the values of those that are no secrets
    #[arg(long)]
    values: bool,
    /// Open secrets and show their values, too
    #[arg(long, visible_alias = "show")]
    decrypt: bool,
}

#[derive(Debug, Clone, Args)]
pub struct LabelArgs {
    /// Name of the parameter
    name: String,
    /// Labels to attach
    #[arg(required = true, value_name = "LABEL")]
    labels: Vec<String>,
    /// Version that gets them [default: the latest]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    parameter_version: u64,
}

#[derive(Debug, Clone, Args)]
pub struct UnlabelArgs {
    /// Name of the parameter
    name: String,
    /// Labels to take
    #[arg(required = true, value_name = "LABEL")]
    labels: Vec<String>,
    /// Version that has them
    #[arg(long, value_name = "N", required = true)]
    parameter_version: u64,
}

#[derive(Debug, Clone, Args)]
pub struct TagArgs {
    /// Name of the parameter
    name: String,
    /// Tags to set
    #[arg(value_name = "KEY=VALUE")]
    set: Vec<Tag>,
    /// Key of a tag to remove; may be repeated
    #[arg(long, value_name = "KEY", value_parser = tag::key)]
    remove: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub struct DeleteArgs {
    /// Names of the parameters
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: ParameterVerb) -> Result<Exit, Failure> {
    match verb {
        ParameterVerb::Put(args) => put::run(io, asked, args).await,
        ParameterVerb::Get(args) => get(io, asked, args).await,
        ParameterVerb::List(args) => list(io, asked, args).await,
        ParameterVerb::Tree { path } => tree::run(io, asked, path).await,
        ParameterVerb::History { name, decrypt } => history(io, asked, name, decrypt).await,
        ParameterVerb::Label(LabelArgs { name, labels, parameter_version: version }) => {
            let request = LabelParameterRequest { name, version, add: labels, remove: Vec::new() };
            label(io, asked, request).await
        }
        ParameterVerb::Unlabel(UnlabelArgs { name, labels, parameter_version: version }) => {
            let request = LabelParameterRequest { name, version, add: Vec::new(), remove: labels };
            label(io, asked, request).await
        }
        ParameterVerb::Tag(args) => tag(io, asked, args).await,
        ParameterVerb::Delete(args) => delete(io, asked, args).await,
        ParameterVerb::Export(args) => transfer::export(io, asked, args).await,
        ParameterVerb::Import(args) => transfer::import(io, asked, args).await,
    }
}

pub(super) fn client(operator: &Operator) -> ParametersClient<Channel> {
    ParametersClient::with_origin(operator.channel(), operator.channel().origin())
        .max_decoding_message_size(64 * fleetwright_proto::MESSAGE_MAX_BYTES)
}

async fn get(io: &mut Io, asked: &Asked, args: GetArgs) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let GetArgs { name, decrypt, raw } = args;
    let answer = client(&operator).get_parameter(GetParameterRequest { name, decrypt }).await?.into_inner();
    let found = Parameter::from(answer.parameter.ok_or(Failure::IncompleteAnswer("parameter"))?);
    if raw {
        let value = found.value.as_ref().ok_or_else(|| ArgumentError::Secret(found.name.clone()))?;
        io.line(value)?;
        return Ok(Exit::Done);
    }
    let now = io.clock.now();
    render::one(io, asked.format, &found, |found| fields(found, now))?;
    Ok(Exit::Done)
}

fn fields(found: &Parameter, now: fleetwright_proto::clock::Timestamp) -> Vec<(&'static str, String)> {
    vec![
        ("parameter", found.name.clone()),
        ("value", found.value.clone().unwrap_or_else(|| COVERED.to_owned())),
        ("type", found.parameter_type.clone()),
        ("version", found.version.to_string()),
        ("data type", found.data_type.clone()),
        ("key", found.key.clone()),
        ("modified", time::absolute(now, found.modified_at)),
    ]
}

/// Every parameter below a path, all pages of them.
pub(super) async fn all(
    operator: &Operator,
    mut request: ListParametersRequest,
) -> Result<Vec<fleetwright_proto::control::Parameter>, Failure> {
    let mut found = Vec::new();
    request.page_size = PAGE_SIZE;
    loop {
        let page = client(operator).list_parameters(request.clone()).await?.into_inner();
        found.extend(page.parameters);
        if page.next_page_token.is_empty() {
            return Ok(found);
        }
        request.page_token = page.next_page_token;
    }
}

async fn list(io: &mut Io, asked: &Asked, args: ListArgs) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let filter = |key: &str, option: &str, value: String| ParameterFilter {
        key: key.to_owned(),
        option: option.to_owned(),
        values: vec![value],
    };
    let name = args.name.map(|text| filter("Name", "Contains", text));
    let of_type = args.parameter_type.map(|text| filter("Type", "Equals", text));
    let tags = args.tags.into_iter().map(|tag| filter(&format!("tag:{}", tag.key), "Equals", tag.value));
    let request = ListParametersRequest {
        path: args.path,
        one_level: args.one_level,
        filters: name.into_iter().chain(of_type).chain(tags).collect(),
        values: args.values || args.decrypt,
        decrypt: args.decrypt,
        ..ListParametersRequest::default()
    };
    let with_values = request.values;
    let found: Vec<_> = all(&operator, request).await?.into_iter().map(Parameter::from).collect();
    let now = io.clock.now();
    let mut header = vec!["parameter", "type", "version", "modified", "by"];
    header.push(if with_values { "value" } else { "description" });
    render::list(io, asked.format, &found, &header, |found| {
        let value = || found.value.clone().unwrap_or_else(|| COVERED.to_owned());
        vec![
            found.name.clone(),
            found.parameter_type.clone(),
            found.version.to_string(),
            time::relative(now, found.modified_at),
            found.modified_by.clone(),
            if with_values { value() } else { found.description.clone() },
        ]
    })?;
    Ok(Exit::Done)
}

async fn history(io: &mut Io, asked: &Asked, name: String, decrypt: bool) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let mut versions: Vec<Parameter> = Vec::new();
    let mut page_token = String::new();
    loop {
        let request =
            GetParameterHistoryRequest { name: name.clone(), decrypt, page_size: PAGE_SIZE, page_token };
        let page = client(&operator).get_parameter_history(request).await?.into_inner();
        versions.extend(page.versions.into_iter().map(Parameter::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let now = io.clock.now();
    let header = ["version", "value", "labels", "modified", "by"];
    render::list(io, asked.format, &versions, &header, |version| {
        vec![
            version.version.to_string(),
            version.value.clone().unwrap_or_else(|| COVERED.to_owned()),
            version.labels.join(", "),
            time::relative(now, version.modified_at),
            version.modified_by.clone(),
        ]
    })?;
    Ok(Exit::Done)
}

async fn label(io: &mut Io, asked: &Asked, request: LabelParameterRequest) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let name = request.name.clone();
    let answer = client(&operator).label_parameter(request).await?.into_inner();
    let bad = !answer.invalid.is_empty();
    let done = Labelled { name, version: answer.version, removed: answer.removed, invalid: answer.invalid };
    match asked.format {
        Format::Table => io.note(&format!("version {} of {}", done.version, escape(&done.name))),
        _ => render::one(io, asked.format, &done, |_| Vec::new())?,
    }
    if bad {
        return Err(ArgumentError::BadLabels(done.invalid.join(", ")).into());
    }
    Ok(Exit::Done)
}

async fn tag(io: &mut Io, asked: &Asked, args: TagArgs) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let set = args.set.into_iter().map(|tag| (tag.key, tag.value)).collect();
    let request = ChangeParameterTagsRequest { name: args.name, set, remove: args.remove };
    let answer = client(&operator).change_parameter_tags(request).await?.into_inner();
    let tags: std::collections::BTreeMap<_, _> = answer.tags.into_iter().collect();
    match asked.format {
        Format::Table => io.line(&escape(&render::tags(&tags)))?,
        _ => render::one(io, asked.format, &tags, |_| Vec::new())?,
    }
    Ok(Exit::Done)
}

async fn delete(io: &mut Io, asked: &Asked, args: DeleteArgs) -> Result<Exit, Failure> {
    if !args.yes {
        if !io.can_ask() {
            return Err(ArgumentError::DeleteWantsYes.into());
        }
        let names: Vec<_> = args.names.iter().map(|name| escape(name)).collect();
        if !io.confirm(&format!("Delete {} with all versions?", names.join(", ")))? {
            return Err(Failure::NotConfirmed);
        }
    }
    let operator = Operator::connect(&asked.flags, io).await?;
    for name in args.names {
        client(&operator).delete_parameter(DeleteParameterRequest { name: name.clone() }).await?;
        io.note(&format!("deleted parameter {}", escape(&name)));
    }
    Ok(Exit::Done)
}
