//! Two programs as services of systemd: what they tell it, where they log, and how they install themselves where no
//! package does.
//!
//! It knows nothing of agents and controllers. Without systemd, telling does nothing and installing says so.

mod install;
mod journal;
mod notify;

pub use install::{InstallError, Purge, Service, Site};
pub use journal::journal;
pub use notify::{News, tell, watchdog_interval};
