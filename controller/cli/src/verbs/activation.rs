//! `fleetwright activation`: how hosts join.

use std::time::Duration;

use clap::{Args, Subcommand};
use fleetwright_proto::control::activations_client::ActivationsClient;
use fleetwright_proto::control::{CreateActivationRequest, DeleteActivationRequest, ListActivationsRequest};
use fleetwright_proto::ids::ActivationId;

use super::Asked;
use crate::arguments::duration::duration;
use crate::arguments::tag::Tag;
use crate::connection::{Address, Channel};
use crate::data::activation::{Activation, NewActivation};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::{Operator, PAGE_SIZE};
use crate::render::{self, time};

#[derive(Debug, Clone, Subcommand)]
pub enum ActivationVerb {
    /// Make an activation, and print its code: the only time that it is shown
    #[command(after_long_help = help::ending(&[
        "fleetwright activation create",
        "fleetwright activation create --limit 50 --expires-in 7d --tag env=prod",
        "fleetwright activation create -o json | jq -r .enroll_command",
    ]))]
    Create(CreateArgs),
    /// List activations, also those that are used up or expired
    #[command(after_long_help = help::ending(&["fleetwright activation list"]))]
    List,
    /// End an activation; nodes that joined with it stay
    #[command(after_long_help = help::ending(&[
        "fleetwright activation delete 67e55044-10b1-426f-9247-bb680e5fe0c8",
    ]))]
    Delete {
        /// Activation to end
        #[arg(value_name = "ACTIVATION")]
        activation_id: ActivationId,
    },
}

#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// How many hosts may join with it, 1 to 100000
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// How long it can be used (30m, 12h, 7d) [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "never_expires")]
    expires_in: Option<Duration>,
    /// It can be used until it is used up or deleted
    #[arg(long)]
    never_expires: bool,
    /// Name for nodes that join with it; else the name of the computer
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    name: String,
    /// Tag for nodes that join with it; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<Tag>,
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: ActivationVerb) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    match verb {
        ActivationVerb::Create(args) => create(io, asked, &operator, args).await,
        ActivationVerb::List => list(io, asked, &operator).await,
        ActivationVerb::Delete { activation_id } => {
            let request = DeleteActivationRequest { activation_id: activation_id.as_str().into() };
            client(&operator).delete_activation(request).await?;
            io.note(&format!("deleted activation {activation_id}"));
            Ok(Exit::Done)
        }
    }
}

fn client(operator: &Operator) -> ActivationsClient<Channel> {
    ActivationsClient::with_origin(operator.channel(), operator.channel().origin())
}

async fn create(io: &mut Io, asked: &Asked, operator: &Operator, args: CreateArgs) -> Result<Exit, Failure> {
    let request = CreateActivationRequest {
        description: args.description,
        registration_limit: args.limit,
        expires_in_ms: args.expires_in.map_or(0, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        never_expires: args.never_expires,
        default_name: args.name,
        tags: args.tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
    };
    let answer = client(operator).create_activation(request).await?.into_inner();
    let activation = Activation::from(answer.activation.ok_or(Failure::IncompleteAnswer("activation"))?);
    let address = Address::parse(&operator.context.address)?;
    let new = NewActivation {
        enroll_command: enroll_command(
            &address,
            &activation.activation_id,
            &answer.activation_code,
            &answer.authority_fingerprint,
        ),
        activation,
        activation_code: answer.activation_code,
        authority_fingerprint: answer.authority_fingerprint,
    };
    let now = io.clock.now();
    render::one(io, asked.format, &new, |new| {
        vec![
            ("activation", new.activation.activation_id.clone()),
            ("code", new.activation_code.clone()),
            ("expires", expiry(new.activation.expires_at.map(|at| time::absolute(now, Some(at))))),
            ("hosts", new.activation.registration_limit.to_string()),
            ("enroll", new.enroll_command.clone()),
        ]
    })?;
    io.note("the code is shown only now; paste the line after `enroll` on the host");
    if address.is_loopback() {
        io.note(&format!("{address} means this machine: on another host, write an address that leads here"));
    }
    Ok(Exit::Done)
}

/// The line that makes a host a node, for sh and PowerShell alike. The code goes in by a pipe, so that no list of
/// processes shows it. Ids, codes and fingerprints need no quotes.
fn enroll_command(address: &Address, activation_id: &str, code: &str, fingerprint: &str) -> String {
    format!(
        "echo {code} | fleetwright-agent enroll --controller {address} --activation-id {activation_id} \
         --authority {fingerprint} --activation-code-file -"
    )
}

fn expiry(moment: Option<String>) -> String {
    moment.unwrap_or_else(|| "never".into())
}

async fn list(io: &mut Io, asked: &Asked, operator: &Operator) -> Result<Exit, Failure> {
    let mut activations = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListActivationsRequest { page_size: PAGE_SIZE, page_token };
        let page = client(operator).list_activations(request).await?.into_inner();
        activations.extend(page.activations.into_iter().map(Activation::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let now = io.clock.now();
    let header = ["activation", "hosts", "expires", "tags", "description"];
    render::list(io, asked.format, &activations, &header, |activation| {
        let expires = activation.expires_at.map(|at| time::relative(now, Some(at)));
        vec![
            activation.activation_id.clone(),
            format!("{} of {}", activation.registrations, activation.registration_limit),
            if activation.expired { "expired".into() } else { expiry(expires) },
            render::tags(&activation.tags),
            activation.description.clone(),
        ]
    })?;
    Ok(Exit::Done)
}
