//! `fleetwright access`: who may use the controller.

use clap::Subcommand;
use fleetwright_proto::control::access_client::AccessClient;

use super::Asked;
use crate::connection::Channel;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::operator::Operator;

pub(crate) mod key;

#[derive(Debug, Clone, Subcommand)]
pub enum AccessVerb {
    /// Access keys: what the AWS command line and SDKs sign their requests with
    #[command(subcommand)]
    Key(key::KeyVerb),
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: AccessVerb) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    match verb {
        AccessVerb::Key(verb) => key::run(io, asked, &operator, verb).await,
    }
}

fn client(operator: &Operator) -> AccessClient<Channel> {
    AccessClient::with_origin(operator.channel(), operator.channel().origin())
}
