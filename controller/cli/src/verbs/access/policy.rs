//! `fleetwright access policy` and `access check`: who may do what.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use fleetwright_proto::control::{
    CheckAccessRequest, DeletePolicyRequest, GetPolicyRequest, GetSchemaRequest, ListPoliciesRequest,
    PutPolicyRequest,
};

use super::client;
use super::files::read_text;
use crate::data::access::{Answer, Policy};
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::{Operator, PAGE_SIZE};
use crate::render::{self, time};
use crate::verbs::Asked;

#[derive(Debug, Clone, Subcommand)]
pub enum PolicyVerb {
    /// Check a policy in Cedar, and keep it under a name, new or instead of the one there
    #[command(
        long_about = "Check a policy in Cedar, and keep it under a name, new or instead of the one there.\n\nEvery slip \
            is told with its line, and nothing is kept then. What no policy allows is denied; a forbid outweighs every \
            permit. Members of the group admins may do everything, and no policy changes that.",
        after_long_help = help::ending(&[
            "fleetwright access policy put web ./web.cedar",
            "generate-policy | fleetwright access policy put web - --description 'the web team'",
        ]),
    )]
    Put(PutArgs),
    /// Print a policy as it was written
    #[command(after_long_help = help::ending(&["fleetwright access policy get web > web.cedar"]))]
    Get(Which),
    /// List policies
    #[command(after_long_help = help::ending(&["fleetwright access policy list"]))]
    List,
    /// End a policy, from now on
    #[command(after_long_help = help::ending(&["fleetwright access policy delete web"]))]
    Delete(Which),
    /// Print what policies can speak of: actions, kinds of resources and their attributes
    #[command(after_long_help = help::ending(&["fleetwright access policy schema > fleet.cedarschema"]))]
    Schema,
}

#[derive(Debug, Clone, Args)]
pub struct Which {
    /// Name of the policy
    name: String,
}

#[derive(Debug, Clone, Args)]
pub struct PutArgs {
    /// Name: letters, digits, and - _ .
    name: String,
    /// File with the policy; - for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
}

#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Ask whether somebody may do something, and which policies say so.\n\nThe answer comes from what decides \
        at every door. The exit code is 1 when it is no.",
    after_long_help = help::ending(&[
        "fleetwright access check --principal ada --action SendCommand --resource node:web-1",
        "fleetwright access check --principal node:web-1 --action GetParameter --resource parameter:/app/db",
    ]),
)]
pub struct CheckArgs {
    /// Who: an operator, or node:NODE
    #[arg(long, value_name = "WHO")]
    principal: String,
    /// What: an operation of the SSM API or of ours, as `access policy schema` names them
    #[arg(long, value_name = "ACTION")]
    action: String,
    /// On what: KIND:NAME, as parameter:/app/db, path:/app, document:NAME, node:NODE; or fleet
    #[arg(long, value_name = "RESOURCE", default_value = "fleet")]
    resource: String,
}

pub(crate) async fn run(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    verb: PolicyVerb,
) -> Result<Exit, Failure> {
    match verb {
        PolicyVerb::Put(PutArgs { name, file, description }) => {
            let text = read_text(io, &file)?;
            let request = PutPolicyRequest { name, text, description };
            let answer = client(operator).put_policy(request).await?.into_inner();
            for warning in &answer.warnings {
                io.note(&format!("warning: {}", escape(warning)));
            }
            show(io, asked, answer.policy)?;
        }
        PolicyVerb::Get(Which { name }) => {
            let answer = client(operator).get_policy(GetPolicyRequest { name }).await?.into_inner();
            let policy = Policy::from(answer.policy.ok_or(Failure::IncompleteAnswer("policy"))?);
            if asked.format == render::Format::Table {
                io.line(policy.text.as_deref().unwrap_or_default().trim_end_matches('\n'))?;
            } else {
                render::one(io, asked.format, &policy, |_| Vec::new())?;
            }
        }
        PolicyVerb::List => list(io, asked, operator).await?,
        PolicyVerb::Delete(Which { name }) => {
            client(operator).delete_policy(DeletePolicyRequest { name: name.clone() }).await?;
            io.note(&format!("deleted policy {}", escape(&name)));
        }
        PolicyVerb::Schema => {
            let answer = client(operator).get_schema(GetSchemaRequest {}).await?.into_inner();
            io.line(answer.text.trim_end_matches('\n'))?;
        }
    }
    Ok(Exit::Done)
}

fn show(
    io: &mut Io,
    asked: &Asked,
    policy: Option<fleetwright_proto::control::AccessPolicy>,
) -> Result<(), Failure> {
    let policy = Policy::from(policy.ok_or(Failure::IncompleteAnswer("policy"))?);
    let now = io.clock.now();
    render::one(io, asked.format, &policy, |policy| {
        vec![
            ("policy", policy.name.clone()),
            ("description", policy.description.clone()),
            ("changed", time::absolute(now, policy.changed_at)),
            ("changed by", policy.changed_by.clone()),
        ]
    })?;
    Ok(())
}

async fn list(io: &mut Io, asked: &Asked, operator: &Operator) -> Result<(), Failure> {
    let mut policies: Vec<Policy> = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListPoliciesRequest { page_size: PAGE_SIZE, page_token };
        let page = client(operator).list_policies(request).await?.into_inner();
        policies.extend(page.policies.into_iter().map(Policy::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let now = io.clock.now();
    render::list(io, asked.format, &policies, &["policy", "changed", "by", "description"], |policy| {
        vec![
            policy.name.clone(),
            time::relative(now, policy.changed_at),
            policy.changed_by.clone(),
            policy.description.clone(),
        ]
    })?;
    Ok(())
}

/// `access check`: allowed is done, denied is 1, so that a script can ask.
pub(crate) async fn check(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    args: CheckArgs,
) -> Result<Exit, Failure> {
    let CheckArgs { principal, action, resource } = args;
    let request = CheckAccessRequest { principal, action, resource };
    let answer = Answer::from(client(operator).check_access(request).await?.into_inner());
    render::one(io, asked.format, &answer, |answer| {
        vec![
            ("answer", if answer.allowed { "allowed" } else { "denied" }.to_owned()),
            ("policies", answer.policies.join(", ")),
            ("because", answer.explanation.clone()),
        ]
    })?;
    Ok(if answer.allowed { Exit::Done } else { Exit::TargetFailed })
}
