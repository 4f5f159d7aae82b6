//! `aws:updateSsmAgent` and `aws:updateAgent` (reference, section 2.16): the agent of a host of ours is Fleetwright's,
//! whatever the document calls it, and its builds come from its controller.
//!
//! ```text
//! find ─► fetch ─► stage ─► wait for the next agent ─┬─► it took the step up: updated
//!                                                    └─► this build was taken back: why
//! ```
//!
//! The step's result is what came of it: it is told by whichever build runs afterwards.

use std::time::Duration;

use fleetwright_documents::inputs::UpdateAgent;
use fleetwright_documents::{Action, PackageHost};

use super::{How, Task};
use crate::explain::explain;
use crate::inventory::{self, AGENT_VERSION};
use crate::update::published::{self, PublishedBuild, PublishedError};
use crate::update::{self, Outcome, UpdateFolder, Verdict, Wanted};

/// How often the outcome of a trial is looked for.
const LOOK: Duration = Duration::from_millis(500);

pub(super) async fn run(inputs: &UpdateAgent, action: Action, task: &Task<'_>) -> How {
    let Some(updates) = task.context.journal.updates() else {
        return without_launcher(inputs, action, task).await;
    };
    if !task.context.inner.is_empty() {
        return How::Unsupported(format!(
            "{} cannot run in a document that another one runs: the agent begins anew in the middle of it",
            action.name()
        ));
    }
    let wish = task.context.marker();
    let state = match updates.read() {
        Ok(state) => state.unwrap_or_default(),
        Err(error) => return How::Failed(explain(&error)),
    };
    if let Some(outcome) = state.outcome_of(&wish) {
        return told(outcome, task).await;
    }
    if !state.is_tried_for(&wish) {
        match bring_in(inputs, &updates, &wish, task).await {
            Ok(true) => {}
            Ok(false) => return How::Done,
            Err(how) => return how,
        }
    }
    task.context.journal.wait_for_new_agent(true);
    let ended = tokio::select! {
        outcome = outcome_of(&wish, &updates, task) => Some(outcome),
        () = task.cancel.cancelled() => None,
    };
    task.context.journal.wait_for_new_agent(false);
    match ended {
        Some(Ok(outcome)) => told(&outcome, task).await,
        Some(Err(how)) => how,
        None if task.context.journal.is_stopping() => How::Suspended,
        None => withdraw(&updates, &wish, task),
    }
}

/// The build on trial takes the step up before it is known whether it counts.
async fn outcome_of(wish: &str, updates: &UpdateFolder, task: &Task<'_>) -> Result<Outcome, How> {
    loop {
        let state = updates.read().map_err(|error| How::Failed(explain(&error)))?.unwrap_or_default();
        if let Some(outcome) = state.outcome_of(wish) {
            return Ok(outcome.clone());
        }
        if !state.is_tried_for(wish) {
            return Err(How::Failed("another update took the place of this one".to_owned()));
        }
        task.tools.clock.sleep(LOOK).await;
    }
}

async fn told(outcome: &Outcome, task: &Task<'_>) -> How {
    match &outcome.verdict {
        Verdict::Updated => {
            task.say(&format!("this host runs the Fleetwright agent {AGENT_VERSION} now")).await;
            How::Done
        }
        Verdict::Returned { why } => How::Failed(format!(
            "version {} was tried and taken back, and this host runs {AGENT_VERSION} as before: {why}",
            outcome.version
        )),
    }
}

/// Whether there is a build to be tried now; else this host has what is wanted.
async fn bring_in(
    inputs: &UpdateAgent,
    updates: &UpdateFolder,
    wish: &str,
    task: &Task<'_>,
) -> Result<bool, How> {
    let wanted = inputs.target_version.as_deref();
    let library = &task.tools.library;
    let facts = inventory::facts(&*task.tools.platform);
    let host = PackageHost {
        platform: &facts.platform_type,
        platform_version: &facts.platform_version,
        architecture: &facts.architecture,
    };
    if wanted == Some(AGENT_VERSION) {
        task.say(&format!("this host runs the Fleetwright agent {AGENT_VERSION}, as was asked for")).await;
        return Ok(false);
    }
    let build = match cancellable(published::find(library, &host, wanted), task).await? {
        Ok(build) => build,
        // Scripts that people have keep an agent up to date: that wish is fulfilled where there is nothing newer.
        Err(PublishedError::None(why)) if wanted.is_none() => {
            task.say(&format!(
                "this host runs the Fleetwright agent {AGENT_VERSION}, and its controller publishes no other: {why}"
            ))
            .await;
            return Ok(false);
        }
        Err(error) => return Err(How::Failed(explain(&error))),
    };
    if build.version == AGENT_VERSION {
        task.say(&format!("this host runs the Fleetwright agent {AGENT_VERSION}, the one that is published"))
            .await;
        return Ok(false);
    }
    let staged = fetch_and_stage(inputs, &build, updates, wish, task).await?;
    task.say(&format!("version {staged} lies on this host and is tried as soon as no other command runs"))
        .await;
    Ok(true)
}

async fn fetch_and_stage(
    inputs: &UpdateAgent,
    build: &PublishedBuild,
    updates: &UpdateFolder,
    wish: &str,
    task: &Task<'_>,
) -> Result<String, How> {
    let failed = |error: &dyn std::error::Error| How::Failed(explain(error));
    let file = cancellable(published::fetch(build, &task.tools.library, updates), task).await?;
    let file = file.map_err(|error| failed(&error))?;
    let wanted = Wanted {
        sha256: Some(&build.sha256),
        version: Some(&build.version),
        allow_downgrade: inputs.allow_downgrade,
    };
    let staged = update::stage(updates, &file, &wanted, wish, &task.tools.clock).await;
    published::remove(&file).map_err(|error| failed(&error))?;
    Ok(staged.map_err(|error| failed(&error))?.build.version)
}

async fn cancellable<T>(work: impl Future<Output = T>, task: &Task<'_>) -> Result<T, How> {
    tokio::select! {
        done = work => Ok(done),
        () = task.cancel.cancelled() => {
            Err(if task.context.journal.is_stopping() { How::Suspended } else { How::Cancelled })
        }
    }
}

/// The command was cancelled before the build was tried.
fn withdraw(updates: &UpdateFolder, wish: &str, task: &Task<'_>) -> How {
    let withdrawn = updates.read().and_then(|state| match state {
        Some(state) if state.is_tried_for(wish) => {
            updates.write(&state.returned("the command was cancelled", task.tools.clock.now()))
        }
        _ => Ok(()),
    });
    match withdrawn {
        Ok(()) => How::Cancelled,
        Err(error) => How::Failed(explain(&error)),
    }
}

/// The wish to be up to date is fulfilled by what runs; another build cannot be brought.
async fn without_launcher(inputs: &UpdateAgent, action: Action, task: &Task<'_>) -> How {
    match &inputs.target_version {
        Some(version) if version != AGENT_VERSION => How::Unsupported(format!(
            "{} cannot bring version {version} to this host: its agent {AGENT_VERSION} is part of another program",
            action.name()
        )),
        _ => {
            task.say(&format!("this host runs the Fleetwright agent {AGENT_VERSION}")).await;
            How::Done
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use fleetwright_platform::host;
    use serde_json::json;

    use super::super::tests::{Fixture, fixture};
    use super::super::{InnerJournal, InnerStart, Recorded};
    use super::*;
    use crate::journal::StepRecord;
    use crate::update::{Build, Slot, UpdateState};

    /// An agent that can be replaced; nobody replaces it.
    #[derive(Debug)]
    struct Replaceable {
        folder: UpdateFolder,
        is_stopping: AtomicBool,
        waits: AtomicBool,
    }

    impl InnerJournal for Replaceable {
        fn started(&self, _start: InnerStart) -> Recorded {
            Box::pin(std::future::ready(Ok(())))
        }

        fn finished(&self, _inner: Vec<u32>, _result: StepRecord) -> Recorded {
            Box::pin(std::future::ready(Ok(())))
        }

        fn results(&self, _inner: &[u32]) -> Vec<(u32, StepRecord)> {
            Vec::new()
        }

        fn is_stopping(&self) -> bool {
            self.is_stopping.load(Ordering::Relaxed)
        }

        fn begins_nothing_more(&self) -> bool {
            false
        }

        fn updates(&self) -> Option<UpdateFolder> {
            Some(self.folder.clone())
        }

        fn wait_for_new_agent(&self, waits: bool) {
            self.waits.store(waits, Ordering::Relaxed);
        }
    }

    fn replaceable() -> (Fixture, Arc<Replaceable>) {
        let mut fixture = fixture(&[]);
        let journal = Arc::new(Replaceable {
            folder: UpdateFolder::in_state_folder(fixture.folder.path(), host()),
            is_stopping: AtomicBool::new(false),
            waits: AtomicBool::new(false),
        });
        fixture.context.journal = journal.clone();
        (fixture, journal)
    }

    async fn how(fixture: &mut Fixture, version: &str) -> How {
        let inputs = json!({ "agentName": "amazon-ssm-agent", "targetVersion": version });
        let step = json!({ "action": "aws:updateSsmAgent", "name": "update", "inputs": inputs });
        fixture.run_step(&step).await.how
    }

    fn tried(fixture: &Fixture) -> UpdateState {
        let build = Build { slot: Slot::A, version: "9.9".to_owned(), sha256: "ab".to_owned() };
        UpdateState::default().begun(build, &fixture.context.marker())
    }

    #[tokio::test]
    async fn an_agent_that_is_part_of_another_program_is_what_it_is() {
        for (version, wanted) in [("", How::Done), (AGENT_VERSION, How::Done)] {
            assert_eq!(how(&mut fixture(&[]), version).await, wanted);
        }
        let How::Unsupported(why) = how(&mut fixture(&[]), "9.9").await else { panic!("it was brought") };
        assert!(why.contains("9.9") && why.contains("part of another program"), "{why}");
    }

    #[tokio::test]
    async fn nothing_published_is_nothing_to_do_and_a_wish_for_a_version_fails() {
        let (mut fixture, _) = replaceable();
        assert_eq!(how(&mut fixture, "latest").await, How::Done);
        assert!(fixture.printed().0.contains("publishes no other"), "{:?}", fixture.printed());
        let How::Failed(why) = how(&mut fixture, "9.9").await else { panic!("it was brought") };
        assert!(why.contains("publishes no build"), "{why}");
    }

    #[tokio::test]
    async fn what_came_of_it_is_told_by_the_agent_that_runs_afterwards() {
        let (mut fixture, journal) = replaceable();
        let now = fixture.tools.clock.now();
        journal.folder.write(&tried(&fixture).reached(now)).unwrap();
        assert_eq!(how(&mut fixture, "9.9").await, How::Done);
        journal.folder.write(&tried(&fixture).returned("it ended", now)).unwrap();
        let How::Failed(why) = how(&mut fixture, "9.9").await else { panic!("it was taken back") };
        assert!(why.contains("9.9 was tried and taken back") && why.ends_with("it ended"), "{why}");
    }

    #[tokio::test]
    async fn while_it_waits_the_agent_may_end_and_an_operator_may_cancel() {
        for (is_stopping, wanted) in [(true, How::Suspended), (false, How::Cancelled)] {
            let (mut fixture, journal) = replaceable();
            journal.folder.write(&tried(&fixture)).unwrap();
            journal.is_stopping.store(is_stopping, Ordering::Relaxed);
            let cancel = fixture.cancel.clone();
            let waits = async {
                while !journal.waits.load(Ordering::Relaxed) {
                    tokio::task::yield_now().await;
                }
                cancel.cancel();
            };
            let (found, ()) = tokio::join!(how(&mut fixture, "9.9"), waits);
            assert_eq!(found, wanted);
            let state = journal.folder.read().unwrap().unwrap();
            assert_eq!(state.trial.is_some(), is_stopping, "{state:?}");
            assert!(!journal.waits.load(Ordering::Relaxed));
        }
    }

    #[tokio::test]
    async fn a_build_on_trial_that_took_the_step_up_tells_when_it_counts() {
        let (mut fixture, journal) = replaceable();
        let state = tried(&fixture);
        journal.folder.write(&state).unwrap();
        let now = fixture.tools.clock.now();
        let counts = async {
            while !journal.waits.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
            }
            journal.folder.write(&state.clone().reached(now)).unwrap();
        };
        let (found, ()) = tokio::join!(how(&mut fixture, "9.9"), counts);
        assert_eq!(found, How::Done);
        assert!(!journal.waits.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn inside_another_document_it_is_refused() {
        let (mut fixture, _) = replaceable();
        fixture.context.inner = vec![0];
        assert!(matches!(how(&mut fixture, "").await, How::Unsupported(why) if why.contains("begins anew")));
    }
}
