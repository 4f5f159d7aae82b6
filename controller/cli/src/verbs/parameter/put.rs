//! `fleetwright parameter put`: where a value comes from, and what it must not come from.

use std::path::{Path, PathBuf};

use clap::Args;
use fleetwright_proto::control::{ListParametersRequest, ParameterFilter, PutParameterRequest};

use super::super::Asked;
use super::{all, client};
use crate::arguments::ArgumentError;
use crate::arguments::document::read_at_most;
use crate::arguments::tag::Tag;
use crate::data::parameter::Made;
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::operator::Operator;
use crate::render::{self, Format};

/// What is read of a value; the controller says how long it may be.
const VALUE_MAX_BYTES: usize = 64 * 1024;
const SECRET: &str = "SecureString";

#[derive(Debug, Clone, Args)]
pub struct PutArgs {
    /// Name of the parameter
    name: String,
    /// Value of a String or StringList; a secret is never an argument
    #[arg(value_name = "VALUE", conflicts_with = "value_file")]
    value: Option<String>,
    /// File with the value, or - for standard input
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,
    /// Take the value as it is, with a line end at its end
    #[arg(long)]
    exact: bool,
    /// String, StringList or SecureString [default: String, or what it is]
    #[arg(long = "type", value_name = "TYPE", default_value = "", hide_default_value = true)]
    parameter_type: String,
    /// Key that seals a SecureString [default: alias/aws/ssm, or the one that it has]
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    key: String,
    /// Give a parameter that is there a new version
    #[arg(long)]
    overwrite: bool,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Pattern that every value must match as a whole; nothing takes it away
    #[arg(long, value_name = "REGEX")]
    allowed_pattern: Option<String>,
    /// Standard, Advanced or Intelligent-Tiering
    #[arg(long, value_name = "TIER", default_value = "", hide_default_value = true)]
    tier: String,
    /// Policies in SSM's JSON; [{}] takes them away
    #[arg(long, value_name = "JSON", default_value = "", hide_default_value = true)]
    policies: String,
    /// What the value is, for example aws:ec2:image [default: text]
    #[arg(long, value_name = "TYPE", default_value = "", hide_default_value = true)]
    data_type: String,
    /// Tag of a new parameter; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<Tag>,
}

pub(super) async fn run(io: &mut Io, asked: &Asked, args: PutArgs) -> Result<Exit, Failure> {
    // Said before anything else is done, and before the controller is asked: it stands in the shell's history already.
    if args.value.is_some() && args.parameter_type == SECRET {
        return Err(ArgumentError::SecretInArguments.into());
    }
    if args.value.is_some() && !args.key.is_empty() {
        return Err(ArgumentError::SecretInArguments.into());
    }
    let operator = Operator::connect(&asked.flags, io).await?;
    let existing = existing_type(&operator, &args).await?;
    if args.value.is_some() && existing.as_deref() == Some(SECRET) {
        return Err(ArgumentError::SecretInArguments.into());
    }
    let parameter_type = match (args.parameter_type.as_str(), existing) {
        ("", None) => "String".to_owned(),
        (said, _) => said.to_owned(),
    };
    let value = match (args.value, &args.value_file) {
        (Some(value), _) => value,
        (None, Some(path)) => from_file(io, path, args.exact)?,
        (None, None) if io.can_ask() => io.ask_secret(&format!("Value of {}: ", escape(&args.name)))?,
        (None, None) => return Err(ArgumentError::NoValue.into()),
    };
    let request = PutParameterRequest {
        name: args.name.clone(),
        value,
        r#type: parameter_type,
        key_id: args.key,
        overwrite: args.overwrite,
        description: args.description,
        allowed_pattern: args.allowed_pattern,
        tags: args.tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
        tier: args.tier,
        policies: args.policies,
        data_type: args.data_type,
    };
    let answer = client(&operator).put_parameter(request).await?.into_inner();
    let made = Made { name: args.name, version: answer.version, tier: answer.tier };
    match asked.format {
        Format::Table => io.note(&format!("version {} of {}", made.version, escape(&made.name))),
        _ => render::one(io, asked.format, &made, |_| Vec::new())?,
    }
    Ok(Exit::Done)
}

/// The type of the parameter that is overwritten. Its value is not asked for.
async fn existing_type(operator: &Operator, args: &PutArgs) -> Result<Option<String>, Failure> {
    if !args.overwrite {
        return Ok(None);
    }
    let filter =
        ParameterFilter { key: "Name".into(), option: "Equals".into(), values: vec![args.name.clone()] };
    let request = ListParametersRequest { filters: vec![filter], ..ListParametersRequest::default() };
    Ok(all(operator, request).await?.pop().map(|found| found.r#type))
}

pub(crate) fn from_file(io: &mut Io, path: &Path, exact: bool) -> Result<String, Failure> {
    let cannot = |source| ArgumentError::ValueFile { path: path.to_owned(), source };
    let read = match path.as_os_str() == "-" {
        true => read_at_most(&mut io.stdin, VALUE_MAX_BYTES),
        false => std::fs::File::open(path).and_then(|file| read_at_most(file, VALUE_MAX_BYTES)),
    };
    let bytes = read.map_err(cannot)?.ok_or(ArgumentError::ValueTooLong)?;
    let mut text = String::from_utf8(bytes).map_err(|_| ArgumentError::ValueNotText)?;
    if !exact && text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}
