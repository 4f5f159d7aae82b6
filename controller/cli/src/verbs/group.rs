//! `fleetwright group`: targets under a name.

use clap::{Args, Subcommand};
use fleetwright_proto::control::{
    CreateGroupRequest, DeleteGroupRequest, GetGroupRequest, ListGroupsRequest,
};

use super::Asked;
use crate::arguments::target::Target;
use crate::data::command::targets_text;
use crate::data::group::Group;
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::{Operator, PAGE_SIZE};
use crate::render::{self, time};

#[derive(Debug, Clone, Subcommand)]
pub enum GroupVerb {
    /// Make a group: targets under a name, to be used as --target group:NAME
    #[command(
        long_about = "Make a group: targets under a name, to be used as --target group:NAME.\n\nWho is in it is asked \
            when it is used: a node that gets the tag is in it from then on. Targets of the same kind are \
            alternatives, different kinds narrow each other down. A group cannot be made of groups.",
        after_long_help = help::ending(&[
            "fleetwright group create webs --target tag:role=web",
            "fleetwright group create canaries --target web-1 --target db-3 --description 'first to get anything'",
            "fleetwright group create old-ssl -t 'inventory:AWS:Application where Version < 3'",
        ]),
    )]
    Create(CreateArgs),
    /// List groups
    #[command(after_long_help = help::ending(&["fleetwright group list"]))]
    List,
    /// Show a group; its nodes are shown by `node list --target group:NAME`
    #[command(after_long_help = help::ending(&["fleetwright group show webs"]))]
    Show {
        /// Name of the group
        name: String,
    },
    /// Delete a group; its nodes stay
    #[command(after_long_help = help::ending(&["fleetwright group delete webs"]))]
    Delete {
        /// Name of the group
        name: String,
    },
}

#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// Name: letters, digits, and - _ .
    name: String,
    /// Who is in it: NODE, tag:KEY=VALUE, tag-key:KEY, platform:NAME, inventory:QUERY or all; may be repeated
    #[arg(short, long = "target", value_name = "TARGET", required = true)]
    targets: Vec<Target>,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: GroupVerb) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    match verb {
        GroupVerb::Create(CreateArgs { name, targets, description }) => {
            let targets = operator.targets(&targets).await?;
            let request = CreateGroupRequest { name, description, targets };
            let answer = operator.nodes().create_group(request).await?.into_inner();
            show(io, asked, answer.group)?;
        }
        GroupVerb::List => list(io, asked, &operator).await?,
        GroupVerb::Show { name } => {
            let answer = operator.nodes().get_group(GetGroupRequest { name }).await?.into_inner();
            show(io, asked, answer.group)?;
        }
        GroupVerb::Delete { name } => {
            operator.nodes().delete_group(DeleteGroupRequest { name: name.clone() }).await?;
            io.note(&format!("deleted group {}", escape(&name)));
        }
    }
    Ok(Exit::Done)
}

fn show(io: &mut Io, asked: &Asked, group: Option<fleetwright_proto::control::Group>) -> Result<(), Failure> {
    let group = Group::from(group.ok_or(Failure::IncompleteAnswer("group"))?);
    let now = io.clock.now();
    render::one(io, asked.format, &group, |group| {
        vec![
            ("group", group.name.clone()),
            ("targets", targets_text(&group.targets)),
            ("description", group.description.clone()),
            ("created", time::absolute(now, group.created_at)),
            ("created by", group.created_by.clone()),
        ]
    })?;
    Ok(())
}

async fn list(io: &mut Io, asked: &Asked, operator: &Operator) -> Result<(), Failure> {
    let mut groups: Vec<Group> = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListGroupsRequest { page_size: PAGE_SIZE, page_token };
        let page = operator.nodes().list_groups(request).await?.into_inner();
        groups.extend(page.groups.into_iter().map(Group::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    render::list(io, asked.format, &groups, &["group", "targets", "description"], |group| {
        vec![group.name.clone(), targets_text(&group.targets), group.description.clone()]
    })?;
    Ok(())
}
