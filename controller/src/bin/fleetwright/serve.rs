//! `fleetwright serve`: a controller from a configuration file.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use fleetwright_cli::Exit;
use fleetwright_controller::serve::Controller;
use fleetwright_controller::settings::{EXAMPLE, Settings};
use fleetwright_proto::clock::SystemClock;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use fleetwright_systemd::News;

use crate::{Failure, service};

/// Start a controller
///
/// Runs until it is asked to stop (SIGTERM or Ctrl-C). The first start makes the fleet's certificate authority and a
/// certificate for the operator `admin` in the data folder. The log goes to standard error; FLEETWRIGHT_LOG sets what
/// is logged (error, warn, info, debug). Under systemd it goes to the journal, with its fields. Monitoring asks the same port for /livez, /readyz (`?verbose` for each part)
/// and, with an operator's certificate, /metrics; `metrics.listen` opens an address without TLS for it.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Examples:\n  fleetwright serve --print-config > fleetwright.toml\n  fleetwright serve --config fleetwright.toml\n\nExit codes: 0 stopped as asked, 2 an error in the configuration, 3 something is in the way."
)]
pub(crate) struct ServeArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE", required_unless_present = "print_config")]
    config: Option<PathBuf>,
    /// Print the default configuration with its explanations, and end
    #[arg(long)]
    print_config: bool,
    /// How the log is written
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

pub(crate) fn main(args: ServeArgs) -> Result<Exit, Failure> {
    let Some(path) = args.config.filter(|_| !args.print_config) else {
        drop(std::io::stdout().write_all(EXAMPLE.as_bytes()));
        return Ok(Exit::Done);
    };
    let settings =
        Settings::read(&path).map_err(|error| Failure { exit: Exit::Usage, ..Failure::refused(&error) })?;
    service::log("info", args.log_format);
    allow_many_files();
    runtime()?.block_on(async {
        let controller = Controller::start(&settings, Arc::new(SystemClock))
            .await
            .map_err(|error| Failure::refused(&error))?;
        tracing::info!(
            address = %controller.address(),
            data = %controller.data_dir().display(),
            authority = controller.house().authority.fingerprint(),
            monitoring = controller.metrics_address().map(tracing::field::display),
            ssm = controller.ssm_address().map(tracing::field::display),
            "ready"
        );
        fleetwright_systemd::tell(News::Ready(&format!("serves {}", controller.address())));
        let stop = tokio::select! {
            asked = asked_to_stop() => asked,
            failed = service::look_at_the_configuration_when_asked(&path, &settings) => failed,
            () = service::keep_the_watchdog_quiet() => Ok(()),
        };
        stop.map_err(|error| Failure::refused(&error))?;
        tracing::info!("stopping");
        fleetwright_systemd::tell(News::Stopping);
        controller.stop().await;
        Ok(Exit::Done)
    })
}

/// Each connection is an open file: takes as many as the system lets this process have. Where it lets it have no more
/// than it has, the limit of connections is the lower one.
fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit of open files to the one that the system allows");
    }
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| Failure::refused(&error))
}

/// Completes when the process is asked to end.
pub(crate) async fn asked_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}
