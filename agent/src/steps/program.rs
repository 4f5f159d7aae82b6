//! A program of a step, from its start to its end, its output captured.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use fleetwright_platform::{HostError, Marker, OutputReader, ProcessSpec, SpawnError, Spawned, Unsupported};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

use super::supervise::{Patience, supervise};
use super::{How, OUTPUT_DRAIN, StepContext, Task};
use crate::spool::{Phase, Stream, WhenFull, capture};

/// Names the step that a process belongs to. The command's id alone would not do: what an earlier step of the same
/// command left running on purpose is not this step's.
const MARKER: &str = "FLEETWRIGHT_STEP";
/// Of what a program answers.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// What is added to the error output when a program ends in some way; none for nothing.
pub(super) type Complaint<'a> = &'a (dyn Fn(&How) -> Option<String> + Sync);

/// Why a program did not run. One line for people: it ends up in the step's result and output.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    #[error("{}{}", .0, reason(.0))]
    Host(#[from] HostError),
    #[error("cannot write the script `{}`: {source}", path.display())]
    Script { path: PathBuf, source: io::Error },
    #[error("{}{}", .0, reason(.0))]
    Spawn(SpawnError),
    #[error("its start could not be recorded: {0}")]
    Record(io::Error),
    #[error("it ended before it could begin: {0}")]
    Release(io::Error),
}

/// The source of an error, for a line that has no second chance to name it.
fn reason(error: &dyn std::error::Error) -> String {
    error.source().map(|source| format!(": {source}")).unwrap_or_default()
}

impl From<SpawnError> for StartError {
    fn from(error: SpawnError) -> Self {
        match error {
            SpawnError::Unsupported(unsupported) => Self::Unsupported(unsupported),
            other => Self::Spawn(other),
        }
    }
}

impl StartError {
    fn into_how(self) -> How {
        match self {
            Self::Unsupported(unsupported) => How::Unsupported(unsupported.to_string()),
            other => How::StartFailed(other.to_string()),
        }
    }
}

pub(super) fn marker(context: &StepContext) -> Marker {
    Marker { name: MARKER.to_owned(), value: context.marker() }
}

/// Starts, follows and captures. Time-out and cancel end the whole tree.
pub(super) async fn run(
    spec: &ProcessSpec,
    timeout: Duration,
    task: &Task<'_>,
    complaint: Complaint<'_>,
) -> How {
    let spawned = match start(spec, task).await {
        Ok(spawned) => spawned,
        Err(error) => return did_not_start(error, task, complaint).await,
    };
    let Spawned { mut process, stdout, stderr } = spawned;
    let (phase, mut watching) = watch::channel(Phase::Running);
    let patience = Patience { timeout, grace: task.context.kill_grace };
    let clock = &task.tools.clock;
    let followed = async {
        let how = supervise(process.as_mut(), patience, clock, task.cancel).await;
        let by_itself = matches!(how, How::Exited(_) | How::Signalled(_));
        phase.send_replace(if by_itself { Phase::Draining } else { Phase::Hurried });
        how
    };
    let captured =
        |reader, stream| capture(reader, task.writer(stream), watching.clone(), clock.clone(), OUTPUT_DRAIN);
    let (how, mut out, mut err) =
        tokio::join!(followed, captured(stdout, Stream::Stdout), captured(stderr, Stream::Stderr));
    out.finish(WhenFull::Wait(&mut watching)).await;
    err.finish(WhenFull::Wait(&mut watching)).await;
    if let Some(complaint) = complaint(&how) {
        let line_break = if err.last_byte().is_none_or(|byte| byte == b'\n') { "" } else { "\n" };
        err.append(format!("{line_break}{complaint}").as_bytes(), WhenFull::Wait(&mut watching)).await;
        err.finish(WhenFull::Wait(&mut watching)).await;
    }
    how
}

/// What a short program prints, as text. Its own output is no output of the step.
pub(super) async fn answer(spec: &ProcessSpec, timeout: Duration, task: &Task<'_>) -> Result<String, How> {
    let Spawned { mut process, stdout, stderr } = start(spec, task).await.map_err(StartError::into_how)?;
    let patience = Patience { timeout, grace: task.context.kill_grace };
    let clock = &task.tools.clock;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let reading = async {
        tokio::select! {
            _ = async { tokio::join!(read(stdout, &mut out), read(stderr, &mut err)) } => {}
            () = clock.sleep(timeout + OUTPUT_DRAIN) => {}
        }
    };
    let (how, ()) = tokio::join!(supervise(process.as_mut(), patience, clock, task.cancel), reading);
    // The step has no process any more.
    (task.on_started)(None).await.map_err(|error| StartError::Record(error).into_how())?;
    match how {
        How::Exited(0) => Ok(String::from_utf8_lossy(&out).into_owned()),
        How::Exited(code) => {
            let said = String::from_utf8_lossy(&err);
            let said = said.trim().lines().next_back().unwrap_or("it did not say why");
            Err(How::Failed(format!("{} ended with {code}: {said}", spec.program.display())))
        }
        other => Err(other),
    }
}

/// All of it is read, so that nobody waits at a full pipe, and the beginning is kept.
async fn read(mut reader: OutputReader, kept: &mut Vec<u8>) {
    let beginning = (&mut reader).take(MAX_ANSWER_BYTES);
    let mut beginning = Box::pin(beginning);
    let kept_all = beginning.read_to_end(kept).await;
    if kept_all.is_ok() {
        // Whoever prints more than that is not understood anyway.
        let _rest = tokio::io::copy(&mut reader, &mut tokio::io::sink()).await;
    }
}

/// The end of a program that never began.
pub(super) async fn did_not_start(error: StartError, task: &Task<'_>, complaint: Complaint<'_>) -> How {
    let how = error.into_how();
    if let Some(complaint) = complaint(&how) {
        super::append(task.writer(Stream::Stderr), &complaint).await;
    }
    how
}

async fn start(spec: &ProcessSpec, task: &Task<'_>) -> Result<Spawned, StartError> {
    let mut spawned = task.tools.platform.spawn(spec)?;
    let identity = spawned.process.identity().clone();
    (task.on_started)(Some(identity)).await.map_err(StartError::Record)?;
    spawned.process.release().await.map_err(StartError::Release)?;
    Ok(spawned)
}
