//! `fleetwright access`: who may use the controller.

use clap::Subcommand;
use fleetwright_proto::control::access_client::AccessClient;

use super::Asked;
use crate::connection::Channel;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::operator::Operator;

pub(crate) mod files;
pub(crate) mod group;
pub(crate) mod key;
pub(crate) mod operator;
pub(crate) mod policy;

#[derive(Debug, Clone, Subcommand)]
pub enum AccessVerb {
    /// Operators: who may ask things of the controller, with a certificate or a token
    #[command(subcommand)]
    Operator(operator::OperatorVerb),
    /// Groups of operators
    #[command(subcommand)]
    Group(group::GroupVerb),
    /// Policies: who may do what
    #[command(subcommand)]
    Policy(policy::PolicyVerb),
    /// Ask whether somebody may do something, and which policies say so
    Check(policy::CheckArgs),
    /// Access keys: what the AWS command line and SDKs sign their requests with
    #[command(subcommand)]
    Key(key::KeyVerb),
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: AccessVerb) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    match verb {
        AccessVerb::Operator(verb) => operator::run(io, asked, &operator, verb).await,
        AccessVerb::Group(verb) => group::run(io, asked, &operator, verb).await,
        AccessVerb::Policy(verb) => policy::run(io, asked, &operator, verb).await,
        AccessVerb::Check(args) => policy::check(io, asked, &operator, args).await,
        AccessVerb::Key(verb) => key::run(io, asked, &operator, verb).await,
    }
}

fn client(operator: &Operator) -> AccessClient<Channel> {
    AccessClient::with_origin(operator.channel(), operator.channel().origin())
}
