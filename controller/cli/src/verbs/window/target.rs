//! `fleetwright window target`.

use clap::{Args, Subcommand};
use fleetwright_proto::control::{
    DeregisterTargetRequest, RegisterTargetRequest, UpdateTargetRequest, WindowTargetChange, WindowTargets,
};
use serde::Serialize;

use super::client;
use crate::arguments::target::Target;
use crate::data::command::targets_text;
use crate::data::window::WindowTarget;
use crate::escape::escape;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::Operator;
use crate::render;
use crate::verbs::Asked;

#[derive(Debug, Clone, Subcommand)]
pub enum TargetVerb {
    /// Register targets with a window, and print their id
    #[command(
        alias = "register",
        after_long_help = help::ending(&[
            "fleetwright window target add patch-night --target tag:role=web --owner-information 'team web'",
            "fleetwright window target add patch-night --target group:canaries",
        ]),
    )]
    Add(AddArgs),
    /// Change targets of a window; what is not named stays as it is
    #[command(after_long_help = help::ending(&[
        "fleetwright window target update patch-night 67e55044-10b1-426f-9247-bb680e5fe0c8 --target tag:role=db",
        "fleetwright window target update patch-night 67e55044-10b1-426f-9247-bb680e5fe0c8 --owner-information 'team db'",
    ]))]
    Update(UpdateArgs),
    /// Take targets away from a window
    #[command(
        alias = "deregister",
        after_long_help = help::ending(&[
            "fleetwright window target remove patch-night 67e55044-10b1-426f-9247-bb680e5fe0c8 --safe",
        ]),
    )]
    Remove(RemoveArgs),
}

#[derive(Debug, Clone, Args)]
pub struct AddArgs {
    /// Window, by id or name
    window: String,
    /// Who is in it: NODE, tag:KEY=VALUE, tag-key:KEY, platform:NAME, group:NAME or all; may be repeated
    #[arg(short, long = "target", value_name = "TARGET", required = true)]
    targets: Vec<Target>,
    /// Name of the targets
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    name: String,
    /// What they are
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// Whose they are; said with everything that is done on them
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    owner_information: String,
}

#[derive(Debug, Clone, Args)]
pub struct UpdateArgs {
    /// Window, by id or name
    window: String,
    /// Id of the targets
    #[arg(value_name = "TARGET_ID")]
    target_id: String,
    /// Who is in it, in place of who was: NODE, tag:KEY=VALUE, tag-key:KEY, platform:NAME, group:NAME or all; may be repeated
    #[arg(short, long = "target", value_name = "TARGET")]
    targets: Vec<Target>,
    /// Name of the targets, '' for none
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What they are, '' for nothing
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Whose they are, '' for nobody's
    #[arg(long, value_name = "TEXT")]
    owner_information: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct RemoveArgs {
    /// Window, by id or name
    window: String,
    /// Id of the targets
    #[arg(value_name = "TARGET_ID")]
    target_id: String,
    /// Not if a task uses them
    #[arg(long)]
    safe: bool,
}

#[derive(Debug, Serialize)]
struct Registered {
    target_id: String,
}

pub(super) async fn run(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    verb: TargetVerb,
) -> Result<(), Failure> {
    match verb {
        TargetVerb::Add(args) => {
            let request = RegisterTargetRequest {
                window: args.window,
                name: args.name,
                description: args.description,
                owner_information: args.owner_information,
                targets: operator.targets(&args.targets).await?,
            };
            let answer = client(operator).register_target(request).await?.into_inner();
            let registered = Registered { target_id: answer.target_id };
            render::one(io, asked.format, &registered, |registered| {
                vec![("target", registered.target_id.clone())]
            })?;
        }
        TargetVerb::Update(args) => {
            let targets = match args.targets.as_slice() {
                [] => None,
                said => Some(WindowTargets { targets: operator.targets(said).await? }),
            };
            let change = WindowTargetChange {
                name: args.name,
                description: args.description,
                owner_information: args.owner_information,
                targets,
            };
            let request =
                UpdateTargetRequest { window: args.window, target_id: args.target_id, change: Some(change) };
            let answer = client(operator).update_target(request).await?.into_inner();
            let target = WindowTarget::from(answer.target.ok_or(Failure::IncompleteAnswer("target"))?);
            render::one(io, asked.format, &target, fields)?;
        }
        TargetVerb::Remove(RemoveArgs { window, target_id, safe }) => {
            let request = DeregisterTargetRequest { window, target_id: target_id.clone(), safe };
            client(operator).deregister_target(request).await?;
            io.note(&format!("removed target {}", escape(&target_id)));
        }
    }
    Ok(())
}

fn fields(target: &WindowTarget) -> Vec<(&str, String)> {
    vec![
        ("target", target.id.clone()),
        ("name", target.name.clone()),
        ("description", target.description.clone()),
        ("owner information", target.owner_information.clone()),
        ("on", targets_text(&target.targets)),
    ]
}
