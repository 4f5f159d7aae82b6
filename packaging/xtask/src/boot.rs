//! The packages on a Debian that is booted with systemd, in a container of systemd-nspawn: what a user of the packages
//! lives through, from the installation to the purge.
//!
//! It needs root, systemd-nspawn and debootstrap, and packages that were made before. The bare system is made once and
//! kept below /var/tmp; each run works on a copy. The container has a network of its own, so nothing of it is seen
//! outside, and nothing outside is touched: not the disk, which a small one in memory stands for when it is to be
//! full, and not the clock, which only the programs under test see moved.

mod host;
mod machine;
mod story;
mod unpackaged;
mod updates;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::{package, run};
use machine::Machine;
pub(crate) use machine::pause;

/// Install, use, upgrade, break and purge the packages in a booted Debian
#[derive(Debug, Args)]
pub(crate) struct BootArguments {
    /// Folder with the packages [default: target/packages]
    #[arg(long, value_name = "DIR")]
    packages: Option<PathBuf>,
    /// Leave the system as it is in the end, for a look around
    #[arg(long)]
    keep: bool,
}

pub(crate) fn perform(arguments: &BootArguments) -> Result<()> {
    if let Some(missing) = host::missing() {
        bail!("the packages cannot be tested on a booted system here: {missing}");
    }
    let folder = arguments.packages.clone().unwrap_or_else(|| run::target().join("packages"));
    let Some(debs) = package::newest(&folder, ".deb")? else {
        bail!("there are no packages in {}: make them with cargo xtask package deb", folder.display());
    };
    let packages = story::Packages {
        debs,
        tarballs: package::newest(&folder, ".tar.gz")?,
        rpms: package::newest(&folder, "-1.x86_64.rpm")?.zip(package::newest(&folder, "-2.x86_64.rpm")?),
    };
    let bare = host::bare_system()?;
    let machine = Machine::copy_of(&bare)?;
    let told = story::tell(&machine, &packages);
    if arguments.keep {
        run::say(&format!("the system is left in {}", machine.root().display()));
        machine.leave();
    }
    told
}

/// Tests where all that is needed is there, and says what is not.
pub(crate) fn test_where_possible() -> Result<()> {
    let folder = run::target().join("packages");
    let missing = match host::missing() {
        Some(missing) => Some(missing.to_owned()),
        None if package::newest(&folder, ".deb")?.is_none() => {
            Some(format!("no packages in {}; cargo xtask package deb makes them", folder.display()))
        }
        None => None,
    };
    match missing {
        Some(missing) => {
            run::say(&format!("the packages were NOT tested on a booted system: {missing}"));
            Ok(())
        }
        None => perform(&BootArguments { packages: None, keep: false }),
    }
}
