//! Where the agent's log goes, and how much of it there is.

use std::io::{self, IsTerminal};

use fleetwright_agent::config::Config;
use fleetwright_platform::service;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::arguments::LogFormat;

/// To the log of the system where that is meant, else to standard error. What FLEETWRIGHT_LOG says counts more than
/// the configuration.
pub(crate) fn start(format: LogFormat, config: &Config) {
    let filter =
        EnvFilter::try_from_env("FLEETWRIGHT_LOG").unwrap_or_else(|_| EnvFilter::new(config.log.name()));
    let layer = service::system_log::<Registry>("fleetwright-agent").unwrap_or_else(|| {
        let text = tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal())
            .with_target(false);
        match format {
            LogFormat::Text => text.boxed(),
            LogFormat::Json => text.json().boxed(),
        }
    });
    tracing_subscriber::registry().with(layer.with_filter(filter)).init();
}
