//! `fleetwright-load`: asks a server as fast as it answers, or so many times a second, and tells how that went.
//!
//! ```text
//! connections, each kept alive ──► pace: who asks when ──► ssm | etcd: what is asked ──► requests a second, latencies
//! ```
//!
//! One thread does it all, so that on a small machine the server has the rest. It signs every request for itself and
//! reads every answer: whatever is not the answer that was wanted ends the measurement.

mod etcd;
mod pace;
mod sign;
mod ssm;
mod wire;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use pace::Pace;

/// Ask a server as fast as it answers, and tell how fast that was
#[derive(Debug, Parser)]
#[command(name = "fleetwright-load", version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    effort: Effort,
    #[command(subcommand)]
    server: Server,
}

#[derive(Debug, Args)]
struct Effort {
    /// Connections, each with one request at a time
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    connections: u32,
    /// For how long it is measured, after the warm-up
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Not measured: caches, first connections
    #[arg(long, value_name = "N", default_value_t = 1)]
    warm_up_seconds: u64,
    /// So many requests a second instead of as many as are answered; latencies count from when one was due
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How many things there are to ask about
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    items: u32,
    /// Bytes of a value
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=4096))]
    value_bytes: u32,
}

#[derive(Debug, Subcommand)]
enum Server {
    /// SSM's API; the access key is taken from `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`
    Ssm {
        /// Where it listens
        #[arg(long, value_name = "HOST:PORT")]
        address: String,
        /// The certificate of the controller's authority; without, it is spoken to without TLS
        #[arg(long, value_name = "PEM")]
        authority: Option<PathBuf>,
        #[arg(value_enum)]
        asked: ssm::Asked,
    },
    /// etcd, by gRPC without TLS
    Etcd {
        /// Its members; connections are spread over them
        #[arg(long, value_name = "HOST:PORT[,…]", value_delimiter = ',', required = true)]
        members: Vec<String>,
        #[arg(value_enum)]
        asked: etcd::Asked,
    },
}

fn main() -> ExitCode {
    match execute(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be told when standard error is closed.
            drop(writeln!(io::stderr(), "fleetwright-load: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn execute(arguments: &Arguments) -> Result<()> {
    let effort = &arguments.effort;
    let pace = Pace {
        warm_up: Duration::from_secs(effort.warm_up_seconds),
        measured: Duration::from_secs(effort.seconds),
        rate: effort.rate,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        match &arguments.server {
            Server::Ssm { address, authority, asked } => {
                let callers = ssm::callers(address, authority.as_deref(), *asked, effort).await?;
                if asked.is_once() { pace::once(callers).await } else { pace::run(callers, &pace).await }
            }
            Server::Etcd { members, asked } => {
                let callers = etcd::callers(members, *asked, effort).await?;
                if asked.is_once() { pace::once(callers).await } else { pace::run(callers, &pace).await }
            }
        }
    })?;
    writeln!(io::stdout(), "{}", result.to_json())?;
    Ok(())
}
