//! `fleetwright access key`: what the AWS command line and SDKs sign their requests with.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use fleetwright_proto::control::{
    ChangeAccessKeyRequest, CreateAccessKeyRequest, DeleteAccessKeyRequest, ListAccessKeysRequest,
};

use super::client;
use crate::arguments::duration::duration;
use crate::connection::Address;
use crate::data::access::{AccessKey, NewAccessKey};
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::{Operator, PAGE_SIZE};
use crate::render::{self, time};
use crate::verbs::Asked;

#[derive(Debug, Clone, Subcommand)]
pub enum KeyVerb {
    /// Make an access key, and print its secret: the only time that it is shown
    #[command(
        long_about = "Make an access key, and print its secret: the only time that it is shown.\n\nThe AWS command line \
            and SDKs sign their requests to the controller with it. It may do what its operator may do.",
        after_long_help = help::ending(&[
            "fleetwright access key create",
            "fleetwright access key create --operator ci --expires-in 90d --description 'build server'",
            "fleetwright access key create --format env > ssm.env",
            "fleetwright access key create -o json | jq -r .secret_access_key",
        ]),
    )]
    Create(CreateArgs),
    /// List access keys; secrets are not shown
    #[command(after_long_help = help::ending(&[
        "fleetwright access key list",
        "fleetwright access key list --operator ci -o json",
    ]))]
    List {
        /// Only those of this operator
        #[arg(long, value_name = "NAME")]
        operator: Option<String>,
    },
    /// Let an access key in again
    #[command(after_long_help = help::ending(&["fleetwright access key enable AKIAIOSFODNN7EXAMPLE"]))]
    Enable(Which),
    /// Keep an access key out, from now on, until it is enabled
    #[command(after_long_help = help::ending(&["fleetwright access key disable AKIAIOSFODNN7EXAMPLE"]))]
    Disable(Which),
    /// End an access key for ever
    #[command(after_long_help = help::ending(&["fleetwright access key delete AKIAIOSFODNN7EXAMPLE"]))]
    Delete(Which),
}

#[derive(Debug, Clone, Args)]
pub struct Which {
    /// Id of the access key
    #[arg(value_name = "ACCESS_KEY_ID")]
    access_key_id: String,
}

#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// Whose it is [default: you]
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    operator: String,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// How long it can be used (12h, 90d) [default: until it is deleted]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    expires_in: Option<Duration>,
    /// Print it as the AWS command line and SDKs read it
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<KeyFormat>,
}

/// Forms that other programs read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KeyFormat {
    /// Environment variables, one NAME=VALUE a line
    Env,
}

pub(crate) async fn run(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    verb: KeyVerb,
) -> Result<Exit, Failure> {
    match verb {
        KeyVerb::Create(args) => create(io, asked, operator, args).await?,
        KeyVerb::List { operator: whose } => list(io, asked, operator, whose.unwrap_or_default()).await?,
        KeyVerb::Enable(Which { access_key_id }) => change(io, asked, operator, access_key_id, true).await?,
        KeyVerb::Disable(Which { access_key_id }) => {
            change(io, asked, operator, access_key_id, false).await?;
        }
        KeyVerb::Delete(Which { access_key_id }) => {
            let request = DeleteAccessKeyRequest { access_key_id: access_key_id.clone() };
            client(operator).delete_access_key(request).await?;
            io.note(&format!("deleted access key {}", escape(&access_key_id)));
        }
    }
    Ok(Exit::Done)
}

async fn create(io: &mut Io, asked: &Asked, operator: &Operator, args: CreateArgs) -> Result<(), Failure> {
    let CreateArgs { operator: whose, description, expires_in, format } = args;
    let request = CreateAccessKeyRequest {
        operator: whose,
        description,
        expires_in_ms: expires_in.map_or(0, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
    };
    let answer = client(operator).create_access_key(request).await?.into_inner();
    let key = AccessKey::from(answer.access_key.ok_or(Failure::IncompleteAnswer("access key"))?);
    let new = NewAccessKey { key, secret_access_key: answer.secret_access_key };
    if let Some(KeyFormat::Env) = format {
        let address = Address::parse(&operator.context.address)?;
        io.line(&environment(&new, &address, &operator.context.authority))?;
    } else {
        let now = io.clock.now();
        render::one(io, asked.format, &new, |new| {
            let mut fields = fields(&new.key, now);
            fields.insert(1, ("secret", new.secret_access_key.clone()));
            fields
        })?;
    }
    io.note("the secret is shown only now");
    Ok(())
}

/// What a shell or an env file takes; the SDKs find the controller and trust it by the last two.
fn environment(new: &NewAccessKey, address: &Address, authority: &std::path::Path) -> String {
    let authority = authority.display().to_string();
    let quoted =
        shlex::try_quote(&authority).map_or_else(|_| authority.clone(), std::borrow::Cow::into_owned);
    format!(
        "AWS_ACCESS_KEY_ID={}\nAWS_SECRET_ACCESS_KEY={}\nAWS_ENDPOINT_URL_SSM=https://{address}\n\
         AWS_CA_BUNDLE={quoted}",
        new.key.access_key_id, new.secret_access_key
    )
}

async fn list(io: &mut Io, asked: &Asked, operator: &Operator, whose: String) -> Result<(), Failure> {
    let mut keys: Vec<AccessKey> = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListAccessKeysRequest { operator: whose.clone(), page_size: PAGE_SIZE, page_token };
        let page = client(operator).list_access_keys(request).await?.into_inner();
        keys.extend(page.access_keys.into_iter().map(AccessKey::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let now = io.clock.now();
    let header = ["access key", "operator", "state", "last used", "expires", "description"];
    render::list(io, asked.format, &keys, &header, |key| {
        let or = |moment: String, none: &str| if moment.is_empty() { none.to_owned() } else { moment };
        vec![
            key.access_key_id.clone(),
            key.operator.clone(),
            key.state().to_owned(),
            or(time::relative(now, key.last_used_at), "never"),
            or(time::relative(now, key.expires_at), "never"),
            key.description.clone(),
        ]
    })?;
    Ok(())
}

async fn change(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    access_key_id: String,
    enabled: bool,
) -> Result<(), Failure> {
    let request = ChangeAccessKeyRequest { access_key_id, enabled };
    let answer = client(operator).change_access_key(request).await?.into_inner();
    let key = AccessKey::from(answer.access_key.ok_or(Failure::IncompleteAnswer("access key"))?);
    let now = io.clock.now();
    render::one(io, asked.format, &key, |key| fields(key, now))?;
    Ok(())
}

fn fields(key: &AccessKey, now: fleetwright_proto::clock::Timestamp) -> Vec<(&'static str, String)> {
    vec![
        ("access key", key.access_key_id.clone()),
        ("operator", key.operator.clone()),
        ("state", key.state().to_owned()),
        ("description", key.description.clone()),
        ("created", time::absolute(now, key.created_at)),
        ("created by", key.created_by.clone()),
        ("expires", key.expires_at.map_or_else(|| "never".into(), |at| time::absolute(now, Some(at)))),
        ("last used", time::absolute(now, key.last_used_at)),
    ]
}
