//! `fleetwright why`: the reason of a state, from the evaluator that decided it.

use clap::Args;
use fleetwright_proto::control::{ExplainRequest, ExplainResponse};
use fleetwright_proto::ids::CommandId;

use super::Asked;
use crate::data::command::Reason;
use crate::data::status::{Explanation, Fact};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::Operator;
use crate::render;

#[derive(Debug, Clone, Args)]
#[command(after_long_help = help::ending(&[
    "fleetwright why 67e55044-10b1-426f-9247-bb680e5fe0c8",
    "fleetwright why 67e55044-10b1-426f-9247-bb680e5fe0c8 web-1",
]))]
pub struct WhyArgs {
    /// Command to explain
    command: CommandId,
    /// Node whose part of it to explain, by id or name
    node: Option<String>,
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, args: WhyArgs) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let node_id = match &args.node {
        Some(node) => Some(operator.node_id(node).await?),
        None => None,
    };
    let request = ExplainRequest {
        command_id: args.command.as_str().into(),
        node: node_id.clone().unwrap_or_default(),
    };
    let answer = operator.commands().explain(request).await?.into_inner();
    let explanation = explanation(args.command.into(), node_id, answer);
    render::one(io, asked.format, &explanation, |explanation| {
        let reason =
            explanation.reason.iter().map(|reason| ("why", format!("{} ({})", reason.text, reason.code)));
        let facts = explanation.facts.iter().map(|fact| (fact.name.as_str(), fact.value.clone()));
        reason.chain(facts).collect()
    })?;
    Ok(Exit::Done)
}

fn explanation(command_id: String, node_id: Option<String>, answer: ExplainResponse) -> Explanation {
    Explanation {
        command_id,
        node_id,
        reason: answer.reason.map(Reason::from),
        facts: answer.facts.into_iter().map(|fact| Fact { name: fact.name, value: fact.value }).collect(),
    }
}
