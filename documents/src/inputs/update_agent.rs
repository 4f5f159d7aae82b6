//! `aws:updateSsmAgent` and `aws:updateAgent` (reference, section 2.16).

use super::fields::Fields;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateAgent {
    /// As the document calls the agent, for example `amazon-ssm-agent`: ours is meant.
    pub agent_name: Option<String>,
    /// Where AWS's manifest is. Our agent is updated from its controller.
    pub source: Option<String>,
    /// None for the newest.
    pub target_version: Option<String>,
    pub allow_downgrade: bool,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Option<UpdateAgent> {
    Some(UpdateAgent {
        agent_name: fields.text("agentName"),
        source: fields.text("source"),
        target_version: fields
            .text("targetVersion")
            .filter(|version| !version.eq_ignore_ascii_case("latest")),
        allow_downgrade: fields.flag("allowDowngrade").unwrap_or_default(),
    })
}
