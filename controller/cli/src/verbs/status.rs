//! `fleetwright status`: how the controller is.

use std::time::Duration;

use clap::Args;
use fleetwright_proto::control::GetStatusRequest;
use fleetwright_proto::control::controller_client::ControllerClient;

use super::Asked;
use crate::data::status::{Status, Usage};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::Operator;
use crate::render::{self, time};

#[derive(Debug, Clone, Args)]
#[command(after_long_help = help::ending(&["fleetwright status", "fleetwright status -o json | jq .connected_nodes"]))]
pub struct StatusArgs {}

pub(crate) async fn run(io: &mut Io, asked: &Asked, _: StatusArgs) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let status = ask(&operator).await?;
    let now = io.clock.now();
    let address = operator.context.address.clone();
    render::one(io, asked.format, &status, |status| {
        let usage: Vec<(&str, String)> =
            status.usage.iter().map(|usage| (usage.name.as_str(), usage_text(usage))).collect();
        let health: Vec<(&str, String)> = status
            .health
            .iter()
            .map(|part| {
                (part.name.as_str(), format!("{}: {}", if part.ok { "ok" } else { "FAILED" }, part.detail))
            })
            .collect();
        vec![
            ("controller", address),
            ("version", status.version.clone()),
            ("started", time::absolute(now, status.started_at)),
            ("up for", time::took(Duration::from_millis(status.uptime_ms))),
            ("nodes", format!("{}, {} connected", status.nodes, status.connected_nodes)),
            ("open commands", status.open_commands.to_string()),
            ("health", render::fields_text(health.iter().map(|(name, text)| (*name, text.as_str())))),
            ("usage", render::fields_text(usage.iter().map(|(name, text)| (*name, text.as_str())))),
        ]
    })?;
    Ok(Exit::Done)
}

/// What `run --target all` asks as well.
pub(super) async fn ask(operator: &Operator) -> Result<Status, Failure> {
    let mut client = ControllerClient::with_origin(operator.channel(), operator.channel().origin());
    Ok(client.get_status(GetStatusRequest {}).await?.into_inner().into())
}

fn usage_text(usage: &Usage) -> String {
    let amount = |count| match usage.unit.as_str() {
        "bytes" => time::bytes(count),
        unit => format!("{count} {unit}"),
    };
    match usage.limit {
        0 => amount(usage.used),
        limit => {
            let percent = usage.used.saturating_mul(100) / limit;
            format!("{} of {} ({percent}%)", amount(usage.used), amount(limit))
        }
    }
}
