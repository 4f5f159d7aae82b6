//! What each action of a node is told, in types: one file for each below, read from a step's inputs with every parameter
//! filled in (reference, sections 2.4 to 2.16 and 5.1).
//!
//! A file says which inputs an action has, what they may be and what stands for a missing one. The check of a document
//! and the plan for a host read with the same code, so that they cannot disagree. What an action does is unknown here.

use serde_json::Value;

use crate::action::Action;
use crate::script::ScriptInputs;

mod applications;
mod cloud_watch;
mod configure_docker;
mod configure_package;
mod domain_join;
mod download_content;
pub(crate) mod fields;
mod ps_module;
mod refresh_association;
mod run_docker_action;
mod run_document;
mod software_inventory;
mod update_agent;

pub use applications::{Applications, InstallerAction};
pub use cloud_watch::CloudWatch;
pub use configure_docker::{ConfigureDocker, DockerInstallation};
pub use configure_package::{ConfigurePackage, InstallationType, LATEST, PackageAction};
pub use domain_join::DomainJoin;
pub use download_content::{Credential, DownloadContent, HttpLogin, Revision, Source};
pub use ps_module::PsModule;
pub use refresh_association::RefreshAssociation;
pub use run_docker_action::{DockerAction, RunDockerAction};
pub use run_document::{InnerDocument, RunDocument};
pub use software_inventory::{FileQuery, Gatherer, RegistryQuery, SoftwareInventory};
pub use update_agent::UpdateAgent;

use fields::{Fault, Fields, InputProblem, Segment, Stage};

/// An action's inputs with all parameters filled in.
#[derive(Debug, Clone, PartialEq)]
pub enum StepInputs {
    /// `aws:runShellScript` and `aws:runPowerShellScript`.
    RunScript(ScriptInputs),
    RunDocument(RunDocument),
    DownloadContent(DownloadContent),
    ConfigurePackage(ConfigurePackage),
    RefreshAssociation(RefreshAssociation),
    RunDockerAction(RunDockerAction),
    ConfigureDocker(ConfigureDocker),
    SoftwareInventory(SoftwareInventory),
    Applications(Applications),
    PsModule(PsModule),
    DomainJoin(DomainJoin),
    /// `aws:updateSsmAgent` and `aws:updateAgent`.
    UpdateAgent(UpdateAgent),
    CloudWatch(CloudWatch),
}

/// Inputs that every action understands, and the name of a property set.
const COMMON: [&str; 4] = ["onFailure", "onSuccess", "finallyStep", "id"];

/// The inputs of an action other than the two scripts; what is wrong with them is left in the fields.
fn read(action: Action, fields: &mut Fields<'_>) -> Option<StepInputs> {
    match action {
        Action::RunDocument => run_document::read(fields).map(StepInputs::RunDocument),
        Action::DownloadContent => download_content::read(fields).map(StepInputs::DownloadContent),
        Action::ConfigurePackage => configure_package::read(fields).map(StepInputs::ConfigurePackage),
        Action::RefreshAssociation => refresh_association::read(fields).map(StepInputs::RefreshAssociation),
        Action::RunDockerAction => run_docker_action::read(fields).map(StepInputs::RunDockerAction),
        Action::ConfigureDocker => configure_docker::read(fields).map(StepInputs::ConfigureDocker),
        Action::SoftwareInventory => software_inventory::read(fields).map(StepInputs::SoftwareInventory),
        Action::Applications => applications::read(fields).map(StepInputs::Applications),
        Action::PsModule => ps_module::read(fields).map(StepInputs::PsModule),
        Action::DomainJoin => domain_join::read(fields).map(StepInputs::DomainJoin),
        Action::UpdateSsmAgent | Action::UpdateAgent => {
            update_agent::read(fields).map(StepInputs::UpdateAgent)
        }
        _ => None,
    }
}

/// What can be said about inputs before parameters have values. The configuration of `aws:cloudWatch` is another
/// program's: nothing is said about it.
pub(crate) fn problems(action: Action, inputs: &Value) -> Vec<InputProblem> {
    if action == Action::CloudWatch {
        return Vec::new();
    }
    let mut fields = Fields::new(inputs, Stage::Written);
    read(action, &mut fields);
    fields.ignore(&COMMON);
    fields.finish()
}

/// The inputs of an action other than the two scripts, parameters filled in, or in one line why they cannot be used.
pub(crate) fn bound(action: Action, inputs: &Value, settings: &Value) -> Result<StepInputs, String> {
    if action == Action::CloudWatch {
        return cloud_watch::read(inputs, settings).map(StepInputs::CloudWatch);
    }
    if !inputs.is_object() && !inputs.is_null() {
        return Err("they are no map".to_owned());
    }
    let mut fields = Fields::new(inputs, Stage::Bound);
    let read = read(action, &mut fields);
    let problems = fields.finish();
    let lines: Vec<String> =
        problems.iter().filter(|problem| problem.fault != Fault::Unknown).map(line).collect();
    match read {
        Some(inputs) if lines.is_empty() => Ok(inputs),
        _ if lines.is_empty() => Err("they are not complete".to_owned()),
        _ => Err(lines.join(", and ")),
    }
}

fn line(problem: &InputProblem) -> String {
    let mut place = String::new();
    for segment in &problem.path {
        match segment {
            Segment::Key(key) if place.is_empty() => place.push_str(&crate::problems::shown(key)),
            Segment::Key(key) => place.push_str(&format!(".{}", crate::problems::shown(key))),
            Segment::Index(index) => place.push_str(&format!("[{index}]")),
        }
    }
    match problem.fault {
        Fault::Missing => format!("{place} is missing"),
        _ => format!("{place}: {}; {}", problem.message, problem.help),
    }
}

#[cfg(test)]
mod tests;
