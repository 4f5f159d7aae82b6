//! The agent for Windows under Wine: installed from its zip, enrolled at a real controller, used, updated and removed.
//!
//! It needs a toolchain for Windows (see `windows`) and Wine. `FLEETWRIGHT_WINE_PREFIX` may name a prefix that is
//! copied; without it a new one is made. What Wine cannot show is not tested here: PowerShell, the event log, recovery
//! actions, accounts.

mod prefix;
mod story;

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::windows;
use prefix::Prefix;

/// Tests with this controller, or fails when something is missing.
pub(crate) fn test(controller: &Path) -> Result<()> {
    let wine = prefix::wine().context("there is no Wine (Debian: apt-get install wine64)")?;
    let built = windows::begin_build()?.context("there is no toolchain for Windows")?.finish()?;
    let prefix = Prefix::make(wine)?;
    // What a Wine lacks is seen by the first program.
    let version = prefix.run(&built.agent, &["version"])?;
    if !version.stdout.starts_with("fleetwright-agent ") {
        bail!("this Wine does not run the program ({})", version.summary());
    }
    story::tell(&prefix, &built, controller)
}
