//! The agent for Windows under Wine: installed from its zip, enrolled at a real controller, used, updated and removed.
//!
//! It needs a toolchain for Windows (see `windows`) and Wine. `FLEETWRIGHT_WINE_PREFIX` may name a prefix that is
//! copied; without it a new one is made. What Wine cannot show is not tested here: PowerShell, the event log, recovery
//! actions, accounts.

mod prefix;
mod story;

use anyhow::{Result, bail};

use crate::{run, windows};
use prefix::Prefix;

/// Whether the agent was built for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tried {
    Built,
    Not,
}

/// Tests, or fails when something is missing.
pub(crate) fn test() -> Result<()> {
    match tested()? {
        (_, None) => Ok(()),
        (_, Some(missing)) => bail!("the agent cannot be tried under Wine: {missing}"),
    }
}

/// Tests where all that is needed is there, and says what is not.
pub(crate) fn test_where_possible() -> Result<Tried> {
    let (tried, missing) = tested()?;
    if let Some(missing) = missing {
        run::say(&format!("the agent for Windows was NOT tried under Wine: {missing}"));
    }
    Ok(tried)
}

/// How far it came, and what is missing for the rest.
fn tested() -> Result<(Tried, Option<String>)> {
    let Some(wine) = prefix::wine() else {
        return Ok((Tried::Not, Some("there is no Wine (Debian: apt-get install wine64)".to_owned())));
    };
    let Some(built) = windows::build_for_wine()? else {
        return Ok((Tried::Not, Some("there is no toolchain for Windows".to_owned())));
    };
    let prefix = Prefix::make(wine)?;
    // What a Wine lacks is seen by the first program.
    let version = prefix.run(&built.agent, &["version"])?;
    if !version.stdout.starts_with("fleetwright-agent ") {
        let missing = format!("this Wine does not run the program ({})", version.summary());
        return Ok((Tried::Built, Some(missing)));
    }
    story::tell(&prefix, &built)?;
    Ok((Tried::Built, None))
}
