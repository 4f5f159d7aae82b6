//! A question as a person writes it, `access check`: who, what, on what, each looked up and then put to the evaluator.

use std::collections::BTreeMap;

use super::evaluate::{Decision, Who};
use super::{Action, Kind, Resource};
use crate::access::key_id::AccessKeyId;
use crate::access::{keys, operators};
use crate::commands;
use crate::documents::find;
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::operations::resolve;
use crate::parameters::names::Reference;
use fleetwright_proto::ids::CommandId;

/// Who, what, on what, as it was written.
#[derive(Debug, Clone)]
pub struct Question {
    /// An operator's name, or `node:NODE`.
    pub principal: String,
    pub action: String,
    /// `KIND:NAME`, or `fleet`.
    pub resource: String,
}

/// The answer, and one line that explains it.
pub async fn ask(house: &House, question: &Question) -> Result<(Decision, String), Refusal> {
    let action: Action = question.action.parse().map_err(|error| Refusal::invalid(format!("{error}")))?;
    let (kind, name) = kind_and_name(&question.resource)?;
    if !action.kinds().contains(&kind) {
        let kinds: Vec<_> = action.kinds().iter().map(|kind| kind.word()).collect();
        return Err(Refusal::invalid(format!(
            "{action} is not about a {}: it is about {}",
            kind.word(),
            kinds.join(" or ")
        )));
    }
    match question.principal.strip_prefix("node:") {
        Some(node) => {
            let (id, record) = resolve(house, node).await?;
            answer(house, Who::Node(&id, &record), action, kind, name).await
        }
        None => {
            let name_of = question.principal.strip_prefix("operator:").unwrap_or(&question.principal);
            let principal = house.access.principal(name_of).ok_or_else(|| operators::unknown(name_of))?;
            answer(house, Who::Operator(&principal), action, kind, name).await
        }
    }
}

fn kind_and_name(text: &str) -> Result<(Kind, &str), Refusal> {
    let (word, name) = text.split_once(':').unwrap_or((text, ""));
    let kind = Kind::ALL.iter().copied().find(|kind| kind.word() == word);
    match kind {
        Some(Kind::Fleet) if name.is_empty() => Ok((Kind::Fleet, name)),
        Some(kind) if kind != Kind::Fleet && !name.is_empty() => Ok((kind, name)),
        _ => {
            let words: Vec<_> =
                Kind::ALL.iter().map(|kind| kind.word()).filter(|word| *word != "fleet").collect();
            Err(Refusal::invalid(format!(
                "`{}` is not a resource: write fleet, or KIND:NAME with one of {}",
                text.chars().take(80).collect::<String>().escape_debug(),
                words.join(", ")
            )))
        }
    }
}

/// What exists is asked about as it is; of what does not, as it would be: a policy may be tried before its parameter.
async fn answer(
    house: &House,
    who: Who<'_>,
    action: Action,
    kind: Kind,
    name: &str,
) -> Result<(Decision, String), Refusal> {
    let decide = |resource: &Resource<'_>| {
        let decision = house.access.decide(who, action, resource);
        let line = explain(&decision, action, resource);
        Ok((decision, line))
    };
    match kind {
        Kind::Fleet => decide(&Resource::Fleet),
        Kind::Node => {
            let (id, record) = resolve(house, name).await?;
            decide(&Resource::Node(&id, &record))
        }
        Kind::Parameter => {
            let name = Reference::parse(name).map_err(|error| Refusal::invalid(error.to_string()))?;
            decide(&Resource::Parameter(name.key.as_str()))
        }
        Kind::Path => decide(&Resource::Path(name)),
        Kind::Document => {
            let tags: BTreeMap<_, _> = find::tags_of(house, name).await?;
            decide(&Resource::Document { name, tags: &tags })
        }
        Kind::Command => {
            let id: CommandId = name.parse().map_err(|error| Refusal::invalid(format!("{error}")))?;
            let record = commands::operations::get(house, &id).await?;
            decide(&Resource::Command {
                id: name,
                document: &record.document.name,
                requested_by: &record.requested_by,
            })
        }
        Kind::Operator => {
            let groups: Vec<_> = match house.access.principal(name) {
                Some(principal) => principal.groups.to_vec(),
                None => Vec::new(),
            };
            decide(&Resource::Operator { name, groups: &groups })
        }
        Kind::AccessKey => {
            let id: AccessKeyId = name.parse().map_err(|error| Refusal::invalid(format!("{error}")))?;
            let key = keys::get(house, &id).await?;
            decide(&Resource::AccessKey { id: name, operator: &key.record.operator })
        }
        kind => decide(&Resource::Named(kind, name)),
    }
}

fn explain(decision: &Decision, action: Action, resource: &Resource<'_>) -> String {
    let policies = decision.policies.join(", ");
    match (decision.allowed, decision.faults.first()) {
        (true, _) => format!("{action} on {resource} is allowed by {policies}"),
        (false, Some(fault)) => format!("{action} on {resource} is denied: {fault}"),
        (false, None) if policies.is_empty() => {
            format!("{action} on {resource} is denied: no policy allows it")
        }
        (false, None) => format!("{action} on {resource} is forbidden by {policies}"),
    }
}
