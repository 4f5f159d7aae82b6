//! The agent for Windows under Wine: installed from its zip, enrolled at a real controller, used, updated and removed.
//!
//! It needs a toolchain for Windows (see `windows`) and Wine. `FLEETWRIGHT_WINE_PREFIX` may name a prefix that is
//! copied; without it a new one is made. What Wine cannot show is not tested here: PowerShell, the event log, recovery
//! actions, accounts.

mod prefix;
mod story;

use std::path::Path;

use anyhow::{Result, bail};

use crate::windows::Building;
use crate::{run, windows};
use prefix::{Prefix, Wine};

/// Whether the agent was built for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tried {
    Built,
    Not,
}

/// What was begun while other things are tested.
#[derive(Debug)]
pub(crate) enum Begun {
    Building(Wine, Building),
    Missing(&'static str),
}

/// Tests with this controller, or fails when something is missing.
pub(crate) fn test(controller: &Path) -> Result<()> {
    match tested(begin()?, controller)? {
        (_, None) => Ok(()),
        (_, Some(missing)) => bail!("the agent cannot be tried under Wine: {missing}"),
    }
}

/// Begins to build what is tried, if that can be done here.
pub(crate) fn begin() -> Result<Begun> {
    let Some(wine) = prefix::wine() else {
        return Ok(Begun::Missing("there is no Wine (Debian: apt-get install wine64)"));
    };
    Ok(match windows::begin_build()? {
        Some(building) => Begun::Building(wine, building),
        None => Begun::Missing("there is no toolchain for Windows"),
    })
}

/// Tests where all that is needed is there, and says what is not.
pub(crate) fn test_where_possible(begun: Begun, controller: &Path) -> Result<Tried> {
    let (tried, missing) = tested(begun, controller)?;
    if let Some(missing) = missing {
        run::say(&format!("the agent for Windows was NOT tried under Wine: {missing}"));
    }
    Ok(tried)
}

/// How far it came, and what is missing for the rest.
fn tested(begun: Begun, controller: &Path) -> Result<(Tried, Option<String>)> {
    let (wine, building) = match begun {
        Begun::Building(wine, building) => (wine, building),
        Begun::Missing(missing) => return Ok((Tried::Not, Some(missing.to_owned()))),
    };
    let built = building.finish()?;
    let prefix = Prefix::make(wine)?;
    // What a Wine lacks is seen by the first program.
    let version = prefix.run(&built.agent, &["version"])?;
    if !version.stdout.starts_with("fleetwright-agent ") {
        let missing = format!("this Wine does not run the program ({})", version.summary());
        return Ok((Tried::Built, Some(missing)));
    }
    story::tell(&prefix, &built, controller)?;
    Ok((Tried::Built, None))
}
