//! `aws:updateSsmAgent` and `aws:updateAgent` (reference, section 2.16).
//!
//! Scripts that people have keep AWS's agent up to date. On a host of ours that wish is fulfilled as it is, and the step
//! says so. A wish for a certain version is not, and is refused.

use fleetwright_documents::Action;
use fleetwright_documents::inputs::UpdateAgent;

use super::{How, Task};
use crate::inventory::AGENT_VERSION;

pub(super) async fn run(inputs: &UpdateAgent, action: Action, task: &Task<'_>) -> How {
    match &inputs.target_version {
        Some(version) if version != AGENT_VERSION => How::Unsupported(format!(
            "{action} cannot bring version {version} to this host: it runs the Fleetwright agent {AGENT_VERSION}, \
             which does not replace itself yet"
        )),
        _ => {
            task.say(&format!(
                "this host runs the Fleetwright agent {AGENT_VERSION} and not {}; there is nothing to update",
                inputs.agent_name.as_deref().unwrap_or("amazon-ssm-agent")
            ))
            .await;
            How::Done
        }
    }
}
