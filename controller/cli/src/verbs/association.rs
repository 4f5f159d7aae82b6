//! `fleetwright association`: documents that nodes keep applied by themselves.

mod history;
mod wish;

use clap::{Args, Subcommand};
use fleetwright_proto::control::associations_client::AssociationsClient;
use fleetwright_proto::control::{
    CreateAssociationRequest, DeleteAssociationRequest, GetAssociationRequest, ListAssociationNodesRequest,
    ListAssociationsRequest, RunAssociationRequest, UpdateAssociationRequest,
};

use super::Asked;
use crate::connection::Channel;
use crate::data::association::{Association, Run};
use crate::data::command::targets_text;
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::{Operator, PAGE_SIZE};
use crate::render::{self, time};

#[derive(Debug, Clone, Subcommand)]
pub enum AssociationVerb {
    /// Have nodes keep a document applied: at once, and by a schedule, whether the controller is there or not
    #[command(
        long_about = "Have nodes keep a document applied: at once, and by a schedule, whether the controller is there \
            or not.\n\nEverything is checked first. A node that comes to match a target gets it within seconds; one \
            that matches no more stops. A script that prints a line beginning with `fleetwright:changed` or \
            `fleetwright:different` has that line shown with its run.",
        after_long_help = help::ending(&[
            "fleetwright association create -t tag:role=web -d AWS-RunShellScript -p commands='test -f /etc/motd || echo hi > /etc/motd' --schedule 'rate(30 minutes)'",
            "fleetwright association create -t all -d Disk:2 --name disk --schedule 'cron(0 2 ? * SUN *)' --zone Europe/Berlin --only-at-schedule",
        ]),
    )]
    Create(wish::WishArgs),
    /// List associations
    #[command(after_long_help = help::ending(&[
        "fleetwright association list",
        "fleetwright association list --node web-1 --status Failed",
    ]))]
    List(ListArgs),
    /// Show an association, and how each of its nodes is doing
    #[command(after_long_help = help::ending(&["fleetwright association show disk"]))]
    Show {
        /// Id, or name when only one has it
        association: String,
    },
    /// Make a new version: what is not said is not kept from the version before
    #[command(after_long_help = help::ending(&[
        "fleetwright association update disk -t all -d Disk --name disk --schedule 'rate(1 day)'",
    ]))]
    Update {
        /// Id, or name when only one has it
        association: String,
        #[command(flatten)]
        wish: wish::WishArgs,
    },
    /// Have its nodes apply it now; those that are away, when they are back
    #[command(after_long_help = help::ending(&["fleetwright association run disk"]))]
    Run {
        /// Id, or name when only one has it
        association: String,
    },
    /// List its executions, or the nodes of one of them
    #[command(after_long_help = help::ending(&[
        "fleetwright association history disk",
        "fleetwright association history disk 67e55044-10b1-826f-9247-bb680e5fe0c8",
    ]))]
    History {
        /// Id, or name when only one has it
        association: String,
        /// Execution whose nodes are to be listed
        execution: Option<String>,
    },
    /// Delete an association; its nodes stop applying it, and what it changed stays
    #[command(after_long_help = help::ending(&["fleetwright association delete disk"]))]
    Delete {
        /// Id, or name when only one has it
        association: String,
    },
}

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only those of this document
    #[arg(short, long, value_name = "NAME", default_value = "", hide_default_value = true)]
    document: String,
    /// Only those of this node
    #[arg(long, value_name = "NODE", default_value = "", hide_default_value = true)]
    node: String,
    /// Only those in this status: Pending, Success or Failed
    #[arg(long, value_name = "STATUS", default_value = "", hide_default_value = true)]
    status: String,
}

pub(super) fn client(operator: &Operator) -> AssociationsClient<Channel> {
    AssociationsClient::with_origin(operator.channel(), operator.channel().origin())
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: AssociationVerb) -> Result<Exit, Failure> {
    match verb {
        AssociationVerb::Create(args) => {
            let mut content = args.content(&mut io.stdin)?;
            let operator = Operator::connect(&asked.flags, io).await?;
            content.targets = operator.targets(args.targets()).await?;
            let request = CreateAssociationRequest { content: Some(content) };
            let answer = client(&operator).create_association(request).await?.into_inner();
            print(io, asked, answer.association)?;
        }
        AssociationVerb::Update { association, wish } => {
            let mut content = wish.content(&mut io.stdin)?;
            let operator = Operator::connect(&asked.flags, io).await?;
            content.targets = operator.targets(wish.targets()).await?;
            let request =
                UpdateAssociationRequest { association, content: Some(content), expected_version: 0 };
            let answer = client(&operator).update_association(request).await?.into_inner();
            print(io, asked, answer.association)?;
        }
        AssociationVerb::List(args) => list(io, asked, args).await?,
        AssociationVerb::Show { association } => show(io, asked, association).await?,
        AssociationVerb::Run { association } => {
            let operator = Operator::connect(&asked.flags, io).await?;
            let request = RunAssociationRequest { association };
            let answer = client(&operator).run_association(request).await?.into_inner();
            print(io, asked, answer.association)?;
        }
        AssociationVerb::History { association, execution } => {
            history::run(io, asked, association, execution).await?;
        }
        AssociationVerb::Delete { association } => {
            let operator = Operator::connect(&asked.flags, io).await?;
            let request = DeleteAssociationRequest { association: association.clone() };
            client(&operator).delete_association(request).await?;
            io.note(&format!("deleted association {}", escape(&association)));
        }
    }
    Ok(Exit::Done)
}

fn print(
    io: &mut Io,
    asked: &Asked,
    association: Option<fleetwright_proto::control::Association>,
) -> Result<(), Failure> {
    let association = Association::from(association.ok_or(Failure::IncompleteAnswer("association"))?);
    let now = io.clock.now();
    render::one(io, asked.format, &association, |association| fields(association, now))?;
    Ok(())
}

fn fields(
    association: &Association,
    now: fleetwright_proto::clock::Timestamp,
) -> Vec<(&'static str, String)> {
    let content = &association.content;
    let parameters = content.parameters.iter().map(|(name, values)| format!("{name}={}", values.join(", ")));
    vec![
        ("association", association.association_id.clone()),
        ("name", content.name.clone()),
        ("version", association.version.to_string()),
        ("document", document(association)),
        ("parameters", parameters.collect::<Vec<_>>().join("\n")),
        ("targets", targets_text(&content.targets)),
        ("schedule", schedule(association)),
        ("severity", content.compliance_severity.clone()),
        ("status", association.status.clone()),
        ("details", association.status_details.clone()),
        ("last run", time::absolute(now, association.last_run_at)),
        ("next run", time::absolute(now, association.next_run_at)),
        ("created", time::absolute(now, association.created_at)),
        ("created by", association.created_by.clone()),
        ("updated", time::absolute(now, association.updated_at)),
    ]
}

fn document(association: &Association) -> String {
    let content = &association.content;
    match (content.document_version.as_str(), association.applied_document_version.as_str()) {
        ("", "") => content.document_name.clone(),
        ("", applied) => format!("{} (version {applied} now)", content.document_name),
        (wanted, "") => format!("{}:{wanted}", content.document_name),
        (wanted, applied) if wanted == applied => format!("{}:{wanted}", content.document_name),
        (wanted, applied) => format!("{}:{wanted} (version {applied} now)", content.document_name),
    }
}

fn schedule(association: &Association) -> String {
    let content = &association.content;
    if content.schedule_expression.is_empty() {
        return "once".to_owned();
    }
    let mut text = content.schedule_expression.clone();
    if !content.schedule_timezone.is_empty() {
        text.push_str(&format!(" in {}", content.schedule_timezone));
    }
    match content.schedule_offset_days {
        0 => {}
        1 => text.push_str(", a day later"),
        days => text.push_str(&format!(", {days} days later")),
    }
    if content.apply_only_at_schedule {
        text.push_str(", not before");
    }
    text
}

async fn list(io: &mut Io, asked: &Asked, args: ListArgs) -> Result<(), Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let ListArgs { document: document_name, node, status } = args;
    let mut found: Vec<Association> = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListAssociationsRequest {
            document_name: document_name.clone(),
            node: node.clone(),
            status: status.clone(),
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client(&operator).list_associations(request).await?.into_inner();
        found.extend(page.associations.into_iter().map(Association::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let header = ["association", "name", "document", "targets", "schedule", "status", "details"];
    render::list(io, asked.format, &found, &header, |association| {
        vec![
            association.association_id.clone(),
            association.content.name.clone(),
            association.content.document_name.clone(),
            targets_text(&association.content.targets),
            schedule(association),
            association.status.clone(),
            association.status_details.clone(),
        ]
    })?;
    Ok(())
}

/// With its nodes for people; JSON has the association, and the nodes under `nodes`.
async fn show(io: &mut Io, asked: &Asked, association: String) -> Result<(), Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let request = GetAssociationRequest { association: association.clone(), version: 0 };
    let answer = client(&operator).get_association(request).await?.into_inner();
    let known = Association::from(answer.association.ok_or(Failure::IncompleteAnswer("association"))?);
    let mut nodes: Vec<Run> = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListAssociationNodesRequest {
            association: association.clone(),
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client(&operator).list_association_nodes(request).await?.into_inner();
        nodes.extend(page.runs.into_iter().map(Run::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let shown = Shown { association: known, nodes };
    let now = io.clock.now();
    render::one(io, asked.format, &shown, |shown| fields(&shown.association, now))?;
    if asked.format == render::Format::Table {
        io.line("")?;
        history::print_runs(io, asked, &shown.nodes)?;
    }
    Ok(())
}

#[derive(Debug, serde::Serialize)]
struct Shown {
    #[serde(flatten)]
    association: Association,
    nodes: Vec<Run>,
}
