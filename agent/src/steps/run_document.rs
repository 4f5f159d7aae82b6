//! `aws:runDocument`: a document as a step (reference, section 2.6).
//!
//! The inner document's steps run by the same rules as any document's, in its order, and each is written down before it
//! runs and after, so that a reboot comes back to the inner step that asked for it, and an agent that ended between two of
//! them goes on with the next. Their output is the outer step's,
//! one after the other; their results are kept in the outer result. A document is fetched once: a copy of it lies beside
//! the step for as long as the command runs.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fleetwright_documents::flow::{self, Next, Verdict};
use fleetwright_documents::inputs::{InnerDocument, RunDocument};
use fleetwright_documents::{Decision, HostTraits, Kind, MAX_DOCUMENT_BYTES, Plan, PlannedStep};
use fleetwright_proto::clock::Timestamp;

use super::{How, InnerStart, OnStarted, StepContext, StepEnd, Task, library, since};
use crate::executor::nested::{self, Begun};
use crate::journal::{StepRecord, StepState};
use crate::replace;
use crate::secrets::Secrets;
use crate::spool::Stream;

/// How many documents may lie in each other, below the command's own.
const MAX_DEPTH: usize = 3;
/// Does nothing, successfully.
const NOOP: &str = "AWS-Noop";

pub(super) async fn run(inputs: &RunDocument, task: &Task<'_>) -> (How, Vec<StepRecord>) {
    if matches!(&inputs.document, InnerDocument::Registered { name, .. } if name == NOOP) {
        return (How::Done, Vec::new());
    }
    if task.context.inner.len() >= MAX_DEPTH {
        let problem = format!(
            "maximum depth for document execution exceeded: {MAX_DEPTH} documents may lie in each other"
        );
        return (How::Failed(problem), Vec::new());
    }
    let (text, folder) = match text(inputs, task).await {
        Ok(found) => found,
        Err(how) => return (how, Vec::new()),
    };
    let (plan, secrets) = match plan(inputs, &text, task) {
        Ok(planned) => planned,
        Err(problem) => return (How::Failed(problem), Vec::new()),
    };
    let mut run = Run { task: *task, plan, secrets, folder, results: BTreeMap::new() };
    run.results = task.context.journal.results(&task.context.inner).into_iter().collect();
    let how = run.go().await;
    (how, run.results.into_values().collect())
}

/// The document's text, and the folder where its scripts run when it was a file.
async fn text(inputs: &RunDocument, task: &Task<'_>) -> Result<(String, Option<PathBuf>), How> {
    let context = task.context;
    let local = match &inputs.document {
        InnerDocument::LocalPath(path) => Some(context.downloads().join(path)),
        InnerDocument::Registered { .. } => None,
    };
    let folder =
        local.as_deref().map(|path| if path.is_dir() { path.to_owned() } else { parent(path).to_owned() });
    let ways: String = context.inner.iter().map(|index| format!("-{index}")).collect();
    let copy = context.folder().join(format!("document-{}{ways}", context.step));
    match fs::read_to_string(&copy) {
        Ok(text) => return Ok((text, folder)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("read", &copy, &error)),
    }
    let text = match (&inputs.document, &local) {
        (InnerDocument::Registered { name, version }, _) => {
            let document = library::document(name, version.as_deref(), task).await?;
            let (name, version) = (&document.name, &document.version);
            tracing::info!(
                "command {}: step {} runs {name} version {version}",
                context.command,
                context.name
            );
            document.content
        }
        (InnerDocument::LocalPath(_), path) => {
            read_file(path.as_deref().unwrap_or(Path::new(""))).map_err(How::Failed)?
        }
    };
    let platform = &*task.tools.platform;
    platform
        .ensure_private_folder(&context.folder())
        .map_err(|error| How::Failed(crate::explain::explain(&error)))?;
    replace::durably(platform, &copy, text.as_bytes())
        .map_err(|error| How::Failed(crate::explain::explain(&error)))?;
    Ok((text, folder))
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> How {
    How::Failed(format!("cannot {verb} `{}`: {error}", path.display()))
}

/// A file, or the one document in a folder.
fn read_file(path: &Path) -> Result<String, String> {
    let inside = if path.is_dir() { Some(only_document(path)?) } else { None };
    let path = inside.as_deref().unwrap_or(path);
    let problem =
        |why: &dyn std::fmt::Display| format!("the document `{}` cannot be used: {why}", path.display());
    let found = fs::metadata(path).map_err(|error| problem(&error))?;
    if found.len() > MAX_DOCUMENT_BYTES as u64 {
        return Err(problem(&format!(
            "it has {} bytes; at most {MAX_DOCUMENT_BYTES} are allowed",
            found.len()
        )));
    }
    fs::read_to_string(path).map_err(|error| problem(&error))
}

fn only_document(folder: &Path) -> Result<PathBuf, String> {
    let entries =
        fs::read_dir(folder).map_err(|error| format!("cannot read `{}`: {error}", folder.display()))?;
    let is_document = |path: &PathBuf| {
        path.extension().is_some_and(|ending| {
            ["json", "yaml", "yml"].iter().any(|known| ending.eq_ignore_ascii_case(known))
        })
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_document).collect();
    match (found.pop(), found.len()) {
        (Some(document), 0) => Ok(document),
        (last, more) => Err(format!(
            "the folder `{}` holds {} documents; name one of them",
            folder.display(),
            more + usize::from(last.is_some())
        )),
    }
}

/// The inner plan on this host and the values that it must not show or, in one line, why there is none.
fn plan(inputs: &RunDocument, text: &str, task: &Task<'_>) -> Result<(Plan, Secrets), String> {
    let name = match &inputs.document {
        InnerDocument::Registered { name, .. } | InnerDocument::LocalPath(name) => name,
    };
    let document = fleetwright_documents::parse(text.as_bytes())
        .map_err(|diagnostics| {
            let first = diagnostics.iter().next().map(ToString::to_string).unwrap_or_default();
            format!("the document `{name}` cannot be used: {first}")
        })?
        .document;
    if document.kind() != Kind::Command {
        return Err(format!("the document `{name}` cannot be used: it is no Command document"));
    }
    let bound = document.bind(&inputs.parameters).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("the parameters of `{name}` cannot be used: {}", all.join("; "))
    })?;
    if let Some(reference) = document.references(&bound).iter().find(|reference| !reference.secure) {
        return Err(format!(
            "the document `{name}` cannot be used: it refers to the stored parameter `{}`, which is not resolved \
             inside a step; pass its value in documentParameters",
            reference.name
        ));
    }
    let secrets = task.context.secrets.joined(&Secrets::of(&bound));
    Ok((document.plan(&bound, &HostTraits { platform: task.tools.host, supports: &|_| true }), secrets))
}

struct Run<'a> {
    task: Task<'a>,
    plan: Plan,
    secrets: Secrets,
    folder: Option<PathBuf>,
    results: BTreeMap<u32, StepRecord>,
}

impl Run<'_> {
    async fn go(&mut self) -> How {
        loop {
            let outcomes: Vec<_> = (0_u32..)
                .zip(&self.plan.steps)
                .map(|(index, _)| self.results.get(&index).map(nested::outcome))
                .collect();
            let is_cancelled = self.task.cancel.is_cancelled();
            let moved = match flow::next(&self.plan, &outcomes) {
                Next::Run(_) if self.task.context.journal.begins_nothing_more() => return How::Suspended,
                Next::Run(step) | Next::RebootThen(step) if is_cancelled => {
                    let detail = "the command was cancelled before the step began".to_owned();
                    self.record(step, StepState::Cancelled, detail).await
                }
                Next::Run(step) => match self.step(step).await {
                    Ok(ControlFlow::Break(how)) => return how,
                    Ok(ControlFlow::Continue(())) => Ok(()),
                    Err(error) => Err(error),
                },
                Next::Skip(step, reason) => {
                    let state = nested::skipped(&reason);
                    self.record(step, state, reason.to_string()).await
                }
                Next::Fail(step, reason) => self.record(step, StepState::Failed, reason.to_string()).await,
                Next::RebootThen(_) => return How::WantsReboot,
                Next::Done(verdict) => return self.end(verdict),
            };
            if let Err(error) = moved {
                return How::Lost(format!("a result of the document in it could not be recorded: {error}"));
            }
        }
    }

    fn end(&self, verdict: Verdict) -> How {
        let state = match verdict {
            Verdict::Success => return How::Done,
            Verdict::Cancelled | Verdict::Interrupted => return How::Cancelled,
            Verdict::TimedOut => StepState::TimedOut,
            Verdict::Failed => StepState::Failed,
        };
        let cause = self.results.values().find(|result| result.state == state);
        let why = cause.map(|result| format!("its step `{}`: {}", result.name, result.detail));
        match state {
            StepState::TimedOut => How::TimedOut,
            _ => How::Failed(why.unwrap_or_else(|| "a step of its document failed".to_owned())),
        }
    }

    /// Runs one step. Breaks off when it did not come to an end.
    async fn step(&mut self, index: usize) -> io::Result<ControlFlow<How>> {
        let planned = &self.plan.steps[index];
        let Decision::Run(inputs) = &planned.decision else {
            unreachable!("the flow runs only what the plan decided to run")
        };
        let (tools, outer) = (self.task.tools, self.task.context);
        let begun = self.begun(index);
        let context = StepContext {
            inner: self.way(begun.step),
            name: planned.name.clone(),
            orchestration: outer.folder(),
            working_directory: self.folder.clone().or_else(|| outer.working_directory.clone()),
            secrets: self.secrets.clone(),
            ..outer.clone()
        };
        let before = [Stream::Stdout, Stream::Stderr].map(|stream| tools.spool.totals(&outer.stream(stream)));
        let on_started = self.on_started(&begun);
        let run = super::run(planned.action, inputs, &context, tools, self.task.cancel, on_started);
        let end = Box::pin(run).await;
        if end.how == How::Suspended {
            return Ok(ControlFlow::Break(How::Suspended));
        }
        let end =
            StepEnd { stdout: since(before[0], end.stdout), stderr: since(before[1], end.stderr), ..end };
        let result = nested::of_end(begun, planned, end, &self.secrets, &self.task, tools.clock.now());
        self.finish(index, result).await.map(ControlFlow::Continue)
    }

    /// Writes a step down that does not run.
    async fn record(&mut self, index: usize, state: StepState, detail: String) -> io::Result<()> {
        let result = nested::without_run(self.begun(index), state, detail, self.task.tools.clock.now());
        self.finish(index, result).await
    }

    async fn finish(&mut self, index: usize, result: StepRecord) -> io::Result<()> {
        let step = position(index);
        self.task.context.journal.finished(self.way(step), result.clone()).await?;
        self.results.insert(step, result);
        Ok(())
    }

    fn begun(&self, index: usize) -> Begun {
        let now: Timestamp = self.task.tools.clock.now();
        let planned: &PlannedStep = &self.plan.steps[index];
        Begun::now(position(index), planned, now)
    }

    fn way(&self, step: u32) -> Vec<u32> {
        let mut way = self.task.context.inner.clone();
        way.push(step);
        way
    }

    fn on_started(&self, begun: &Begun) -> OnStarted {
        let (journal, way, begun) =
            (Arc::clone(&self.task.context.journal), self.way(begun.step), begun.clone());
        Arc::new(move |process| {
            let Begun { name, action, started: at, .. } = begun.clone();
            journal.started(InnerStart { inner: way.clone(), name, action, at, process })
        })
    }
}

fn position(index: usize) -> u32 {
    u32::try_from(index).expect("a document of 64 KiB has fewer steps")
}

#[cfg(test)]
mod tests;
