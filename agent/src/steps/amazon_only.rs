//! `aws:domainJoin` and `aws:cloudWatch` (reference, sections 2.12 and 2.15): what only Amazon's own services and programs
//! can do. A step that asks for it ends as unsupported, with the reason; one that asks for nothing is done.

use fleetwright_documents::inputs::{CloudWatch, DomainJoin};
use fleetwright_platform::Unsupported;

use super::{How, Task};

/// Amazon's directory service gives its agent the right to join; no input of the action has a credential.
pub(super) fn join_domain(inputs: &DomainJoin, task: &Task<'_>) -> How {
    let capability =
        "joining a directory without credentials, which Amazon's directory service alone allows,";
    let unsupported = Unsupported { capability, os: task.tools.host.name() };
    How::Unsupported(format!("cannot join {}: {unsupported}", inputs.directory_name))
}

/// The program that is configured comes with Amazon's agent.
pub(super) async fn cloud_watch(inputs: &CloudWatch, task: &Task<'_>) -> How {
    if !inputs.enabled {
        task.say("the CloudWatch program of Amazon's agent is not on this host; there is nothing to stop")
            .await;
        return How::Done;
    }
    let capability = "running the CloudWatch program of Amazon's agent";
    How::Unsupported(Unsupported { capability, os: task.tools.host.name() }.to_string())
}
