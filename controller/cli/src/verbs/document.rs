//! `fleetwright document`: what a command can run.

use clap::Subcommand;

use super::Asked;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;

pub(crate) mod check;
pub(crate) mod files;
pub(crate) mod registry;
pub(crate) mod write;

#[derive(Debug, Clone, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one of it, and it is parsed once")]
pub enum DocumentVerb {
    /// Check documents without a controller, and say everything that is wrong with them
    #[command(
        long_about = "Check documents without a controller, and say everything that is wrong with them.\n\nOf a folder, \
            every .json, .yaml and .yml file in it and below is checked. The exit code is 1 when a document is refused.",
        after_long_help = help::ending(&[
            "fleetwright document check ./disk.yaml",
            "fleetwright document check documents/ --deny-warnings",
            "generate-document | fleetwright document check - -o json",
        ]),
    )]
    Check(check::CheckArgs),
    #[command(flatten)]
    Registry(registry::RegistryVerb),
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: DocumentVerb) -> Result<Exit, Failure> {
    match verb {
        DocumentVerb::Check(args) => check::run(io, asked, &args),
        DocumentVerb::Registry(verb) => registry::run(io, asked, verb).await,
    }
}
