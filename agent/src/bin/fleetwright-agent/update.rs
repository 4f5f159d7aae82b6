//! `fleetwright-agent update`: brings a build in and waits for what comes of it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use fleetwright_agent::identity::IdentityFiles;
use fleetwright_agent::inventory::AGENT_VERSION;
use fleetwright_agent::state_folder::StateFolder;
use fleetwright_agent::update::published::{self, PublishedBuild, PublishedError};
use fleetwright_agent::update::{UpdateFolder, Verdict, Wanted, stage};
use fleetwright_documents::PackageHost;
use fleetwright_platform::SharedPlatform;
use fleetwright_proto::clock::{SharedClock, SystemClock};

use crate::arguments::UpdateArguments;
use crate::print;

/// How often the outcome is looked for.
const LOOK: Duration = Duration::from_millis(500);

/// The present build goes on.
#[derive(Debug, thiserror::Error)]
#[error("version {version} was tried and taken back: {why}")]
pub(crate) struct TakenBack {
    version: String,
    why: String,
}

pub(crate) async fn update(
    arguments: UpdateArguments,
    folder: &StateFolder,
    platform: &SharedPlatform,
) -> anyhow::Result<ExitCode> {
    let clock: SharedClock = Arc::new(SystemClock);
    let updates = UpdateFolder::in_state_folder(folder.root(), Arc::clone(platform));
    let wish = format!("command line {} {}", std::process::id(), clock.now().millis());
    let staged = match &arguments.file {
        Some(file) => {
            let wanted = Wanted {
                sha256: arguments.sha256.as_deref(),
                version: None,
                allow_downgrade: arguments.allow_downgrade,
            };
            stage(&updates, file, &wanted, &wish, &clock).await?
        }
        None => {
            let Some((build, file)) = fetched(&arguments, folder, &updates, platform).await? else {
                print(&format!("this host runs {AGENT_VERSION}, the version that is published\n"))?;
                return Ok(ExitCode::SUCCESS);
            };
            let wanted = Wanted {
                sha256: Some(&build.sha256),
                version: Some(&build.version),
                allow_downgrade: arguments.allow_downgrade,
            };
            let staged = stage(&updates, &file, &wanted, &wish, &clock).await;
            published::remove(&file)?;
            staged?
        }
    };
    let version = staged.build.version;
    if !folder.is_in_use() {
        print(&format!("version {version} is tried when the agent starts; it does not run now\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!("version {version} is tried as soon as no command runs\n"))?;
    outcome(&updates, &wish, &version, &clock).await
}

async fn fetched(
    arguments: &UpdateArguments,
    folder: &StateFolder,
    updates: &UpdateFolder,
    platform: &SharedPlatform,
) -> anyhow::Result<Option<(PublishedBuild, PathBuf)>> {
    let identity = IdentityFiles::in_state_folder(folder.root(), Arc::clone(platform)).load()?;
    let identity =
        identity.context("this host is not enrolled, so it has no controller to ask; name a --file")?;
    let library = published::library_of(identity);
    let facts = platform.facts(AGENT_VERSION);
    let host = PackageHost {
        platform: &facts.platform_type,
        platform_version: &facts.platform_version,
        architecture: &facts.architecture,
    };
    let build = match published::find(&library, &host, arguments.version.as_deref()).await {
        Err(PublishedError::None(why)) => bail!("the controller publishes no build: {why}"),
        found => found?,
    };
    if build.version == AGENT_VERSION {
        return Ok(None);
    }
    let file = published::fetch(&build, &library, updates).await?;
    Ok(Some((build, file)))
}

async fn outcome(
    updates: &UpdateFolder,
    wish: &str,
    version: &str,
    clock: &SharedClock,
) -> anyhow::Result<ExitCode> {
    loop {
        let state = updates.read()?.unwrap_or_default();
        if let Some(outcome) = state.outcome_of(wish) {
            return match &outcome.verdict {
                Verdict::Updated => {
                    print(&format!("this host runs {version} now\n"))?;
                    Ok(ExitCode::SUCCESS)
                }
                Verdict::Returned { why } => {
                    Err(TakenBack { version: version.to_owned(), why: why.clone() }.into())
                }
            };
        }
        if !state.is_tried_for(wish) {
            bail!("another update took the place of this one");
        }
        clock.sleep(LOOK).await;
    }
}
