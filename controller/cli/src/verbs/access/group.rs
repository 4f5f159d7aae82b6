//! `fleetwright access group`: operators under one name, for policies.

use std::collections::BTreeMap;

use clap::Subcommand;
use fleetwright_proto::control::ChangeGroupRequest;

use super::{client, operator};
use crate::data::access::OperatorGroup;
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::Operator;
use crate::render;
use crate::verbs::Asked;

#[derive(Debug, Clone, Subcommand)]
pub enum GroupVerb {
    /// List groups with their members
    #[command(after_long_help = help::ending(&["fleetwright access group list"]))]
    List,
    /// Put operators into a group; a group is there while somebody is in it
    #[command(after_long_help = help::ending(&["fleetwright access group add web ada grace"]))]
    Add {
        /// Name of the group
        group: String,
        /// Names of operators
        #[arg(required = true, value_name = "OPERATOR")]
        operators: Vec<String>,
    },
    /// Take operators out of a group; the last administrator stays
    #[command(after_long_help = help::ending(&["fleetwright access group remove web ada"]))]
    Remove {
        /// Name of the group
        group: String,
        /// Names of operators
        #[arg(required = true, value_name = "OPERATOR")]
        operators: Vec<String>,
    },
}

pub(crate) async fn run(
    io: &mut Io,
    asked: &Asked,
    connected: &Operator,
    verb: GroupVerb,
) -> Result<Exit, Failure> {
    match verb {
        GroupVerb::List => {
            let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for operator in operator::all(connected).await? {
                for group in operator.groups {
                    members.entry(group).or_default().push(operator.name.clone());
                }
            }
            let groups: Vec<_> =
                members.into_iter().map(|(group, operators)| OperatorGroup { group, operators }).collect();
            render::list(io, asked.format, &groups, &["group", "operators"], |group| {
                vec![group.group.clone(), group.operators.join(", ")]
            })?;
        }
        GroupVerb::Add { group, operators } => {
            let line = format!("{} in group {}", escape(&operators.join(", ")), escape(&group));
            client(connected)
                .change_group(ChangeGroupRequest { group, add: operators, remove: vec![] })
                .await?;
            io.note(&format!("now {line}"));
        }
        GroupVerb::Remove { group, operators } => {
            let line = format!("{} not in group {}", escape(&operators.join(", ")), escape(&group));
            client(connected)
                .change_group(ChangeGroupRequest { group, add: vec![], remove: operators })
                .await?;
            io.note(&format!("now {line}"));
        }
    }
    Ok(Exit::Done)
}
