//! `fleetwright context`: which controller, with which certificate. Asks no controller.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::Asked;
use crate::connection::{Address, Credentials};
use crate::context::resolve::contexts_path;
use crate::context::{Context, ContextError, Contexts};
use crate::data::status::Context as Shown;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::render;

#[derive(Debug, Clone, Subcommand)]
pub enum ContextVerb {
    /// List contexts; a star marks the current one
    #[command(after_long_help = help::ending(&["fleetwright context list"]))]
    List,
    /// Make a context the current one
    #[command(after_long_help = help::ending(&["fleetwright context use prod"]))]
    Use {
        /// Context to use from now on
        #[arg(value_name = "CONTEXT")]
        name: String,
    },
    /// Show a context; without a name, the current one
    #[command(after_long_help = help::ending(&["fleetwright context show", "fleetwright context show prod -o json"]))]
    Show {
        /// Context to show
        #[arg(value_name = "CONTEXT")]
        name: Option<String>,
    },
    /// Add a context, or replace it
    #[command(
        long_about = "Add a context, or replace it.\n\nThe files are checked, and named in the contexts file; they \
            are not copied. The first context becomes the current one.",
        after_long_help = help::ending(&[
            "fleetwright context set prod --address fleet.example.org:7443 \\",
            "    --authority authority.pem --certificate operator.pem --key operator.key",
            "fleetwright context set ci --address fleet.example.org:7443 --authority authority.pem --token-file ci.token",
        ]),
    )]
    Set(SetArgs),
    /// Forget a context; its files stay
    #[command(after_long_help = help::ending(&["fleetwright context delete old"]))]
    Delete {
        /// Context to forget
        #[arg(value_name = "CONTEXT")]
        name: String,
    },
}

#[derive(Debug, Clone, Args)]
pub struct SetArgs {
    /// Context to add or replace: letters, digits, dots, dashes and underscores
    #[arg(value_name = "CONTEXT")]
    name: String,
    /// Address of the controller
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// PEM file with the certificate of the controller's authority
    #[arg(long, value_name = "FILE")]
    authority: PathBuf,
    /// PEM file with your certificate
    #[arg(long, value_name = "FILE", required_unless_present = "token_file", requires = "key")]
    certificate: Option<PathBuf>,
    /// PEM file with the key to it
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// File with your token, in place of certificate and key
    #[arg(long, value_name = "FILE", conflicts_with_all = ["certificate", "key"])]
    token_file: Option<PathBuf>,
}

pub(crate) fn run(io: &mut Io, asked: &Asked, verb: ContextVerb) -> Result<Exit, Failure> {
    let mut contexts = Contexts::open(&contexts_path(&asked.flags, &io.environment)?)?;
    match verb {
        ContextVerb::List => list(io, asked, &contexts)?,
        ContextVerb::Show { name } => {
            let name = name.as_deref().or(asked.flags.context.as_deref()).or(contexts.current());
            let name = name.ok_or(ContextError::NoController)?;
            render::one(io, asked.format, &shown(&contexts, name)?, |context| {
                vec![
                    ("context", context.name.clone()),
                    ("current", if context.current { "yes" } else { "no" }.into()),
                    ("address", context.address.clone()),
                    ("authority", context.authority.clone()),
                    ("certificate", context.certificate.clone()),
                    ("key", context.key.clone()),
                    ("token file", context.token_file.clone().unwrap_or_default()),
                ]
            })?;
        }
        ContextVerb::Use { name } => {
            contexts.set_current(&name)?;
            contexts.save()?;
            io.note(&format!("the current context is {name}"));
        }
        ContextVerb::Set(args) => set(io, &mut contexts, args)?,
        ContextVerb::Delete { name } => {
            contexts.delete(&name)?;
            contexts.save()?;
            io.note(&format!("deleted context {name}"));
        }
    }
    Ok(Exit::Done)
}

fn list(io: &mut Io, asked: &Asked, contexts: &Contexts) -> Result<(), Failure> {
    let names = contexts.names();
    let rows = names.iter().map(|name| shown(contexts, name)).collect::<Result<Vec<_>, _>>()?;
    render::list(io, asked.format, &rows, &["", "context", "address"], |context| {
        vec![if context.current { "*" } else { "" }.into(), context.name.clone(), context.address.clone()]
    })?;
    Ok(())
}

fn shown(contexts: &Contexts, name: &str) -> Result<Shown, ContextError> {
    let context = contexts.get(name)?;
    let text = |path: &Path| path.display().to_string();
    Ok(Shown {
        name: name.into(),
        current: contexts.current() == Some(name),
        address: context.address,
        authority: text(&context.authority),
        certificate: text(&context.certificate),
        key: text(&context.key),
        token_file: context.token_file.as_deref().map(text),
    })
}

/// Relative paths are taken from where the person stands, so they are made absolute before they are kept.
fn set(io: &mut Io, contexts: &mut Contexts, args: SetArgs) -> Result<(), Failure> {
    let absolute =
        |path: PathBuf| std::path::absolute(&path).map_err(|source| ContextError::Read { path, source });
    let context = Context {
        address: Address::parse(&args.address)?.to_string(),
        authority: absolute(args.authority)?,
        certificate: args.certificate.map_or_else(|| Ok(PathBuf::new()), absolute)?,
        key: args.key.map_or_else(|| Ok(PathBuf::new()), absolute)?,
        token_file: args.token_file.map(absolute).transpose()?,
    };
    Credentials::load(&context, io.clock.now())?.into_client()?;
    contexts.set(&args.name, &context)?;
    contexts.save()?;
    let is_current = contexts.current() == Some(args.name.as_str());
    io.note(&format!(
        "set context {}{}",
        args.name,
        if is_current { ", which is the current one" } else { "" }
    ));
    Ok(())
}
