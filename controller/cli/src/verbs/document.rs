//! `fleetwright document`: what a command can run.

use clap::Subcommand;

use super::Asked;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;

pub(crate) mod registry;
pub(crate) mod write;

#[derive(Debug, Clone, Subcommand)]
pub enum DocumentVerb {
    #[command(flatten)]
    Registry(registry::RegistryVerb),
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: DocumentVerb) -> Result<Exit, Failure> {
    match verb {
        DocumentVerb::Registry(verb) => registry::run(io, asked, verb).await,
    }
}
