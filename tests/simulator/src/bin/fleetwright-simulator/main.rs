//! `fleetwright-simulator`: reads its arguments, makes the fleet, does what it is ordered to, and says so.

mod arguments;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use fleetwright_agent::tls::{self, Trust};
use fleetwright_simulator::orders::{Event, Order};
use fleetwright_simulator::{Fleet, FleetSettings, Invitation, descriptors};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tracing_subscriber::EnvFilter;

use arguments::Arguments;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match execute(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be told when standard error is closed.
            drop(writeln!(io::stderr(), "fleetwright-simulator: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn execute(arguments: &Arguments) -> Result<()> {
    let filter = EnvFilter::try_from_env("FLEETWRIGHT_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    descriptors::make_room_for(arguments.agents)?;
    let invitation = invitation(arguments)?;
    let temporary = tempfile::Builder::new().prefix("fleetwright-simulator-").tempdir()?;
    let folder = |chosen: Option<&std::path::PathBuf>, name| {
        chosen.cloned().unwrap_or_else(|| temporary.path().join(name))
    };
    let settings = FleetSettings {
        agents: arguments.agents,
        controller: arguments.controller.clone(),
        identities: folder(arguments.identities.as_ref(), "identities"),
        scratch: folder(arguments.scratch.as_ref(), "scratch"),
        at_once: arguments.at_once,
        clock_skew: Duration::from_secs(60 * u64::from(arguments.clock_skew_minutes)),
        packages: arguments.packages,
        inventory_every: Duration::from_secs(arguments.inventory_seconds),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let fleet = Fleet::new(&settings);
        tokio::select! {
            done = run(&fleet, invitation.as_ref(), arguments) => done?,
            asked = fleetwright_platform::stop_requested() => asked.context("cannot listen for signals")?,
        }
        fleet.stop().await;
        Ok(())
    });
    // A read of standard input cannot be interrupted, and nobody waits for it any more.
    runtime.shutdown_background();
    done
}

/// None when none was given: a fleet whose identities are all there needs none.
fn invitation(arguments: &Arguments) -> Result<Option<Invitation>> {
    let Some(activation) = arguments.activation_id.clone() else { return Ok(None) };
    let code = match (&arguments.activation_code, &arguments.activation_code_file) {
        (Some(code), _) => code.clone(),
        (None, Some(path)) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?
        }
        (None, None) => unreachable!("the arguments name one of them"),
    };
    let trust = match (arguments.authority, &arguments.authority_file) {
        (Some(fingerprint), _) => Trust::Pinned(fingerprint),
        (None, Some(path)) => Trust::Authority(tls::read_authority(path)?),
        (None, None) => unreachable!("the arguments name one of them"),
    };
    Ok(Some(Invitation { activation, code, trust }))
}

async fn run(fleet: &Fleet, invitation: Option<&Invitation>, arguments: &Arguments) -> Result<()> {
    let explained = |error: fleetwright_simulator::FleetError| anyhow::anyhow!(error.line());
    say(&Event::Enrolled(fleet.enrol(invitation).await.map_err(explained)?))?;
    fleet.slow(arguments.slow);
    say(&Event::Connected(fleet.connect().await.map_err(explained)?))?;
    if arguments.no_orders {
        std::future::pending::<()>().await;
    }
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(order) = next_order(&mut lines).await? {
        match order {
            Order::Cut => say(&Event::Back(fleet.cut().await))?,
            Order::Status => say(&Event::Status(fleet.status()))?,
            Order::Slow(agents) => {
                fleet.slow(agents);
                say(&Event::Slowed { agents })?;
            }
            Order::Upgrade(package) => {
                fleet.upgrade(package);
                say(&Event::Upgraded { package })?;
            }
            Order::Quit => break,
        }
    }
    Ok(())
}

/// None at the end of standard input.
async fn next_order(lines: &mut Lines<BufReader<Stdin>>) -> Result<Option<Order>> {
    while let Some(line) = lines.next_line().await.context("cannot read orders")? {
        match line.parse() {
            Ok(order) => return Ok(Some(order)),
            Err(_) if line.trim().is_empty() => {}
            Err(error) => say(&Event::Error { message: error.to_string() })?,
        }
    }
    Ok(None)
}

fn say(event: &Event) -> Result<()> {
    let line = serde_json::to_string(event)?;
    writeln!(io::stdout(), "{line}").context("cannot write to standard output")
}
