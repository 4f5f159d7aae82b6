//! `fleetwright key`: what secrets are sealed with.

use clap::Subcommand;
use fleetwright_proto::control::keys_client::KeysClient;
use fleetwright_proto::control::{
    ChangeKeyRequest, CreateKeyRequest, KeyChange, ListKeysRequest, RotateKeyRequest, RotateRootKeyRequest,
};

use super::Asked;
use crate::arguments::ArgumentError;
use crate::connection::Channel;
use crate::data::parameter::{Key, Rotated};
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::Operator;
use crate::render::{self, Format, time};

#[derive(Debug, Clone, Subcommand)]
pub enum KeyVerb {
    /// List keys, and say which root key wraps them
    #[command(after_long_help = help::ending(&["fleetwright key list"]))]
    List,
    /// Make a key
    #[command(after_long_help = help::ending(&["fleetwright key create alias/payments"]))]
    Create {
        /// Name of the key, as alias/payments
        name: String,
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        description: String,
    },
    /// Give a key a new version, seal everything anew with it, and verify it
    #[command(
        long_about = "Give a key a new version, seal everything anew with it, and verify it.\n\nValues can be read and written \
            all the time. A rotation that a crash interrupts goes on by itself. With --root a new root key is made in \
            place of the old one, and every key is wrapped with it; copies of the old root key open backups of before.",
        after_long_help = help::ending(&[
            "fleetwright key rotate alias/payments",
            "fleetwright key rotate --root",
        ]),
    )]
    Rotate {
        /// Name of the key
        #[arg(required_unless_present = "root", conflicts_with = "root")]
        name: Option<String>,
        /// Rotate the root key
        #[arg(long)]
        root: bool,
    },
    /// Allow the use of a key again
    #[command(after_long_help = help::ending(&["fleetwright key enable alias/payments"]))]
    Enable {
        /// Name of the key
        name: String,
    },
    /// Forbid the use of a key: what it sealed cannot be read until it is enabled again
    #[command(after_long_help = help::ending(&["fleetwright key disable alias/payments"]))]
    Disable {
        /// Name of the key
        name: String,
    },
    /// Delete a key after some days, and with it everything that it sealed; until then it is out of use
    #[command(after_long_help = help::ending(&["fleetwright key delete alias/payments --days 7 --yes"]))]
    Delete {
        /// Name of the key
        name: String,
        /// Days until it is gone, 7 to 30
        #[arg(long, value_name = "N", default_value_t = 30)]
        days: u32,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Keep a key that was to be deleted; it is disabled afterwards
    #[command(after_long_help = help::ending(&["fleetwright key cancel-deletion alias/payments"]))]
    CancelDeletion {
        /// Name of the key
        name: String,
    },
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: KeyVerb) -> Result<Exit, Failure> {
    if let KeyVerb::Delete { name, yes: false, .. } = &verb {
        if !io.can_ask() {
            return Err(ArgumentError::DeleteWantsYes.into());
        }
        let question = format!("Delete key {} and everything that it sealed?", escape(name));
        if !io.confirm(&question)? {
            return Err(Failure::NotConfirmed);
        }
    }
    let operator = Operator::connect(&asked.flags, io).await?;
    let change = |name, change: KeyChange, days| ChangeKeyRequest { name, change: change.into(), days };
    let request = match verb {
        KeyVerb::List => return list(io, asked, &operator).await,
        KeyVerb::Create { name, description } => {
            let request = CreateKeyRequest { name, description };
            let answer = client(&operator).create_key(request).await?.into_inner();
            return show(io, asked, answer.key);
        }
        KeyVerb::Rotate { name: Some(name), .. } => return rotate(io, asked, &operator, name).await,
        KeyVerb::Rotate { name: None, .. } => {
            let answer = client(&operator).rotate_root_key(RotateRootKeyRequest {}).await?.into_inner();
            io.note(&format!("every key is wrapped with root key {}: keep a copy of it", answer.root_mark));
            return Ok(Exit::Done);
        }
        KeyVerb::Enable { name } => change(name, KeyChange::Enable, 0),
        KeyVerb::Disable { name } => change(name, KeyChange::Disable, 0),
        KeyVerb::Delete { name, days, .. } => change(name, KeyChange::Delete, days),
        KeyVerb::CancelDeletion { name } => change(name, KeyChange::CancelDeletion, 0),
    };
    let answer = client(&operator).change_key(request).await?.into_inner();
    show(io, asked, answer.key)
}

fn client(operator: &Operator) -> KeysClient<Channel> {
    KeysClient::with_origin(operator.channel(), operator.channel().origin())
}

fn show(io: &mut Io, asked: &Asked, key: Option<fleetwright_proto::control::Key>) -> Result<Exit, Failure> {
    let key = Key::from(key.ok_or(Failure::IncompleteAnswer("key"))?);
    let now = io.clock.now();
    render::one(io, asked.format, &key, |key| {
        vec![
            ("key", key.name.clone()),
            ("state", key.state.clone()),
            ("version", key.version.to_string()),
            ("description", key.description.clone()),
            ("created", time::absolute(now, key.created_at)),
            ("created by", key.created_by.clone()),
            ("rotated", time::absolute(now, key.rotated_at)),
            ("deleted", time::absolute(now, key.deletion_at)),
        ]
    })?;
    Ok(Exit::Done)
}

async fn list(io: &mut Io, asked: &Asked, operator: &Operator) -> Result<Exit, Failure> {
    let answer = client(operator).list_keys(ListKeysRequest {}).await?.into_inner();
    let keys: Vec<Key> = answer.keys.into_iter().map(Key::from).collect();
    let now = io.clock.now();
    let header = ["key", "state", "version", "rotated", "deleted", "description"];
    render::list(io, asked.format, &keys, &header, |key| {
        vec![
            key.name.clone(),
            if key.rotating { format!("{}, rotating", key.state) } else { key.state.clone() },
            key.version.to_string(),
            time::relative(now, key.rotated_at),
            time::relative(now, key.deletion_at),
            key.description.clone(),
        ]
    })?;
    if asked.format == Format::Table {
        io.note(&format!("wrapped with root key {}, in {}", answer.root_mark, escape(&answer.root_place)));
    }
    Ok(Exit::Done)
}

async fn rotate(io: &mut Io, asked: &Asked, operator: &Operator, name: String) -> Result<Exit, Failure> {
    let answer = client(operator).rotate_key(RotateKeyRequest { name }).await?.into_inner();
    let key = answer.key.ok_or(Failure::IncompleteAnswer("key"))?;
    let rotated = Rotated {
        name: key.name,
        version: key.version,
        resealed: answer.resealed,
        verified: answer.verified,
    };
    match asked.format {
        Format::Table => io.note(&format!(
            "{} has version {}: {} values sealed anew, {} verified",
            escape(&rotated.name),
            rotated.version,
            rotated.resealed,
            rotated.verified
        )),
        _ => render::one(io, asked.format, &rotated, |_| Vec::new())?,
    }
    Ok(Exit::Done)
}
