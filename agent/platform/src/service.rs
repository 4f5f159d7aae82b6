//! The host's service manager: what it is told, what it asks for, where its log is, and how to be one of its services.
//!
//! Without one, as when a person starts the program, telling does nothing.

use std::path::Path;
use std::time::Duration;

use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::HostError;

/// What a service manager wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceNews<'a> {
    /// It does its work now; one line for people says which.
    Ready(&'a str),
    /// It goes over to another build or configuration, and is ready again soon.
    Reloading,
    Stopping,
    /// What a watchdog waits for.
    Alive,
}

/// Whether a removal leaves what the service kept and what people configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purge {
    KeepData,
    Everything,
}

/// Tells the service manager. Whether it heard is not known.
pub fn tell_service_manager(news: ServiceNews<'_>) {
    #[cfg(target_os = "linux")]
    fleetwright_systemd::tell(match news {
        ServiceNews::Ready(status) => fleetwright_systemd::News::Ready(status),
        ServiceNews::Reloading => fleetwright_systemd::News::Reloading,
        ServiceNews::Stopping => fleetwright_systemd::News::Stopping,
        ServiceNews::Alive => fleetwright_systemd::News::Alive,
    });
    #[cfg(windows)]
    crate::windows::service::tell(news);
}

/// How often the service manager wants to be told that the program is alive; none when it does not want it.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    return fleetwright_systemd::watchdog_interval();
    #[cfg(windows)]
    return None;
}

/// The log of the system, if it is the place for what this program logs.
pub fn system_log<S>(name: &str) -> Option<Box<dyn Layer<S> + Send + Sync>>
where
    S: tracing::Subscriber + for<'s> LookupSpan<'s>,
{
    #[cfg(target_os = "linux")]
    return fleetwright_systemd::journal(name);
    #[cfg(windows)]
    return crate::windows::service::event_log(name);
}

/// Does `work` as the service that the service manager started this process for, where a service is more than a
/// process; its result is the exit code.
///
/// # Errors
/// When the service manager did not start this process.
pub fn run_as_service(work: Box<dyn FnOnce() -> u8 + Send>) -> Result<u8, HostError> {
    #[cfg(unix)]
    return Ok(work());
    #[cfg(windows)]
    return crate::windows::service::run(work);
}

/// Makes the agent that runs a service of this host and starts it. `configuration` is what its file says when there is
/// none yet.
///
/// # Errors
/// When something is in the way; what was there before still works.
pub fn install(program: &Path, configuration: &str) -> Result<(), HostError> {
    #[cfg(target_os = "linux")]
    return linux::install(program, configuration);
    #[cfg(windows)]
    return crate::windows::service::install(program, configuration);
}

/// Stops the service and takes away what [`install`] made.
///
/// # Errors
/// When something stays.
pub fn uninstall(purge: Purge) -> Result<(), HostError> {
    #[cfg(target_os = "linux")]
    return linux::uninstall(purge);
    #[cfg(windows)]
    return crate::windows::service::uninstall(purge);
}

/// Goes on as another program, which is the same process to whoever watches it. Returns only when that failed, or is
/// nothing that this system can do.
#[must_use]
pub fn become_program(command: &mut std::process::Command) -> HostError {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        let source = command.exec();
        HostError::Io { doing: format!("go on as `{}`", command.get_program().display()), source }
    }
    #[cfg(windows)]
    {
        let _ = command;
        crate::Unsupported { capability: "going on as another program", os: crate::windows::OS }.into()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::path::Path;

    use fleetwright_systemd::{InstallError, Service, Site};

    use super::Purge;
    use crate::HostError;

    fn service(configuration: &str) -> Service<'_> {
        Service {
            name: "fleetwright-agent",
            unit: include_str!("../../../packaging/linux/fleetwright-agent.service"),
            configuration: ("agent.toml", configuration),
            account: None,
            state: "/var/lib/fleetwright-agent",
        }
    }

    pub(super) fn install(program: &Path, configuration: &str) -> Result<(), HostError> {
        Site::default().install(&service(configuration), program).map_err(refused)
    }

    pub(super) fn uninstall(purge: Purge) -> Result<(), HostError> {
        let purge = match purge {
            Purge::KeepData => fleetwright_systemd::Purge::KeepData,
            Purge::Everything => fleetwright_systemd::Purge::Everything,
        };
        Site::default().uninstall(&service(""), purge).map_err(refused)
    }

    fn refused(error: InstallError) -> HostError {
        HostError::Service(Box::new(error))
    }
}
