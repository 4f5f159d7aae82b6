//! What a Linux host has, from its own databases: dpkg's status file, rpm's database through `rpm`, snaps from where
//! they are mounted, systemd through `systemctl`, the kernel's files. Memory is bounded by the lists that are returned.

mod dpkg;
mod kernel;
mod rpm;
mod snap;
mod systemd;
mod tool;

use std::path::Path;

use crate::inventory::{Item, Source};
use crate::{HostError, Unsupported, gathering};

const OS: &str = "Linux";

pub(super) fn gather(source: &Source) -> Result<Vec<Item>, HostError> {
    let root = Path::new("/");
    match source {
        Source::Applications => applications(root),
        Source::Network => {
            let routes = kernel::Routing::read(root);
            gathering::interfaces(|name| routes.of(name))
        }
        Source::Processors => Ok(vec![kernel::processors(root)]),
        Source::Services => systemd::services(root),
        Source::WindowsUpdates => Err(unsupported("collecting Windows updates")),
        Source::WindowsRoles => Err(unsupported("collecting Windows roles")),
        Source::Registry(_) => Err(unsupported("collecting values of the Windows registry")),
    }
}

/// Every list that the host has, one after the other (reference, section 5.3).
fn applications(root: &Path) -> Result<Vec<Item>, HostError> {
    let (deb, rpm) = (dpkg::packages(root)?, rpm::packages(root)?);
    if deb.is_none() && rpm.is_none() {
        return Err(unsupported("collecting applications without a database of dpkg or rpm"));
    }
    let mut items = deb.unwrap_or_default();
    items.extend(rpm.unwrap_or_default());
    items.extend(snap::snaps(root)?);
    Ok(items)
}

fn unsupported(capability: &'static str) -> HostError {
    Unsupported { capability, os: OS }.into()
}
