//! The controller as a service of systemd: what it tells, its watchdog, its log, and requests to read its
//! configuration again.

use std::io::IsTerminal;
use std::path::Path;

use fleetwright_controller::error::chain;
use fleetwright_controller::settings::Settings;
use fleetwright_proto::clock::{Clock, SystemClock};
use fleetwright_systemd::{InstallError, News, Purge, Service, Site};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::serve::LogFormat;

/// To the journal where standard error leads there, else to standard error.
pub(crate) fn log(default: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_env("FLEETWRIGHT_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let layer = fleetwright_systemd::journal::<Registry>("fleetwright").unwrap_or_else(|| {
        let text = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal());
        match format {
            LogFormat::Text => text.boxed(),
            LogFormat::Json => text.json().boxed(),
        }
    });
    tracing_subscriber::registry().with(layer.with_filter(filter)).init();
}

/// Completes never: tells the watchdog that work gets its turn.
pub(crate) async fn keep_the_watchdog_quiet() {
    let Some(interval) = fleetwright_systemd::watchdog_interval() else {
        return std::future::pending().await;
    };
    loop {
        fleetwright_systemd::tell(News::Alive);
        SystemClock.sleep(interval).await;
    }
}

/// Completes never: at each SIGHUP the configuration is read, and the log says what a restart would change.
pub(crate) async fn look_at_the_configuration_when_asked(
    path: &Path,
    running: &Settings,
) -> std::io::Result<()> {
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        hang_up.recv().await;
        fleetwright_systemd::tell(News::Reloading);
        match Settings::read(path) {
            Ok(read) if read == *running => tracing::info!("the configuration says what is in force"),
            Ok(_) => {
                tracing::warn!("the configuration has changed; `systemctl restart fleetwright` takes it up");
            }
            Err(error) => tracing::error!("the configuration in force stays: {}", chain(&error)),
        }
        fleetwright_systemd::tell(News::Ready("serves"));
    }
}

fn service() -> Service<'static> {
    Service {
        name: "fleetwright",
        unit: include_str!("../../../../packaging/linux/fleetwright.service"),
        configuration: ("fleetwright.toml", fleetwright_controller::settings::EXAMPLE),
        account: Some("fleetwright"),
        state: "/var/lib/fleetwright",
    }
}

/// Makes this program a service.
pub(crate) fn install() -> Result<(), InstallError> {
    let program = std::env::current_exe()
        .map_err(|source| InstallError::Io { doing: "find the path of this program".to_owned(), source })?;
    Site::default().install(&service(), &program)
}

pub(crate) fn uninstall(purge: bool) -> Result<(), InstallError> {
    Site::default().uninstall(&service(), if purge { Purge::Everything } else { Purge::KeepData })
}
