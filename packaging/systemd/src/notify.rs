//! Notifications and the watchdog.

use std::time::Duration;

use sd_notify::NotifyState;

/// What systemd wants to know of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News<'a> {
    /// It does its work now; one line for people says which.
    Ready(&'a str),
    /// It goes over to another build or configuration, and is ready again soon.
    Reloading,
    Stopping,
    /// What the watchdog waits for.
    Alive,
}

/// Tells systemd, if it has started this program. Whether it heard is not known.
pub fn tell(news: News<'_>) {
    let told = match news {
        News::Ready(status) => sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(status)]),
        News::Reloading => {
            let now = NotifyState::monotonic_usec_now();
            now.and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now]))
        }
        News::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        News::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
    };
    if let Err(error) = told {
        tracing::debug!("systemd cannot be told {news:?}: {error}");
    }
}

/// How often [`News::Alive`] is due: a third of the time after which systemd ends the service. None without watchdog.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 3)
}
