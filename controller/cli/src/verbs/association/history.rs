//! What became of an association: its executions, and the nodes of one of them.

use fleetwright_proto::control::{ListExecutionTargetsRequest, ListExecutionsRequest};

use super::client;
use crate::data::association::{Execution, Run};
use crate::failure::Failure;
use crate::io::Io;
use crate::operator::{Operator, PAGE_SIZE};
use crate::render::{self, time};
use crate::verbs::Asked;

pub(super) async fn run(
    io: &mut Io,
    asked: &Asked,
    association: String,
    execution: Option<String>,
) -> Result<(), Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    match execution {
        None => executions(io, asked, &operator, association).await,
        Some(execution) => targets(io, asked, &operator, association, execution).await,
    }
}

async fn executions(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    association: String,
) -> Result<(), Failure> {
    let mut found: Vec<Execution> = Vec::new();
    let mut page_token = String::new();
    loop {
        let request =
            ListExecutionsRequest { association: association.clone(), page_size: PAGE_SIZE, page_token };
        let page = client(operator).list_executions(request).await?.into_inner();
        found.extend(page.executions.into_iter().map(Execution::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let now = io.clock.now();
    let header =
        ["execution", "due", "cause", "version", "status", "nodes", "failed", "changed", "different"];
    render::list(io, asked.format, &found, &header, |execution| {
        let counts = &execution.counts;
        vec![
            execution.execution_id.clone(),
            time::relative(now, execution.due_at),
            execution.cause.clone(),
            execution.version.to_string(),
            execution.status.clone(),
            counts.targets.to_string(),
            (counts.failed + counts.timed_out + counts.cancelled).to_string(),
            execution.changed.to_string(),
            execution.different.to_string(),
        ]
    })?;
    Ok(())
}

async fn targets(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    association: String,
    execution_id: String,
) -> Result<(), Failure> {
    let mut runs: Vec<Run> = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListExecutionTargetsRequest {
            association: association.clone(),
            execution_id: execution_id.clone(),
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client(operator).list_execution_targets(request).await?.into_inner();
        runs.extend(page.runs.into_iter().map(Run::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    print_runs(io, asked, &runs)
}

pub(super) fn print_runs(io: &mut Io, asked: &Asked, runs: &[Run]) -> Result<(), Failure> {
    let now = io.clock.now();
    let header = ["node", "name", "status", "details", "started", "cause", "changed", "different"];
    render::list(io, asked.format, runs, &header, |run| {
        vec![
            run.node_id.clone(),
            run.node_name.clone(),
            run.status.clone(),
            run.status_details.clone(),
            time::relative(now, run.started_at),
            run.cause.clone(),
            run.changed.join("; "),
            run.different.join("; "),
        ]
    })?;
    Ok(())
}
