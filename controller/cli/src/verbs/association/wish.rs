//! What an association is to be, as it is typed.

use std::io::Read;

use clap::Args;
use fleetwright_proto::control::AssociationContent;

use crate::arguments::ArgumentError;
use crate::arguments::document::{Parameter, read_parameters};
use crate::arguments::rate::{MaxConcurrency, MaxErrors};
use crate::arguments::target::Target;

#[derive(Debug, Clone, Args)]
pub struct WishArgs {
    /// Where to apply it: NODE, tag:KEY=VALUE, tag-key:KEY, platform:NAME, group:NAME or all; may be repeated
    #[arg(short, long = "target", value_name = "TARGET", required = true)]
    targets: Vec<Target>,
    /// Document to apply: NAME or NAME:VERSION, of type Command or Policy
    #[arg(short, long, value_name = "NAME")]
    document: String,
    /// Version of the document: a number, $LATEST or a version name [default: its default version, whichever that is]
    #[arg(long, value_name = "VERSION", default_value = "", hide_default_value = true)]
    document_version: String,
    /// Parameter of the document; the same name again makes a list. K=@FILE takes the text of a file, K=- standard
    /// input, K=@@TEXT a text that begins with @
    #[arg(short, long = "parameter", value_name = "K=V")]
    parameters: Vec<Parameter>,
    /// Name: letters, digits, _ - and .
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    name: String,
    /// When to apply it again: cron(…), rate(…) or at(…) [default: it is applied once]
    #[arg(long, value_name = "EXPRESSION", default_value = "", hide_default_value = true)]
    schedule: String,
    /// Time zone of the schedule, as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE", requires = "schedule", default_value = "", hide_default_value = true)]
    zone: String,
    /// Days after what cron() names, 1 to 6
    #[arg(long, value_name = "DAYS", requires = "schedule", default_value_t = 0, hide_default_value = true)]
    offset_days: u32,
    /// Not when it is new or changed, or when a node comes to match: only when the schedule says
    #[arg(long, requires = "schedule")]
    only_at_schedule: bool,
    /// How bad it is when it fails: CRITICAL, HIGH, MEDIUM, LOW or UNSPECIFIED
    #[arg(long, value_name = "SEVERITY", default_value = "", hide_default_value = true)]
    severity: String,
    /// MANUAL: compliance comes from whoever puts it, and not from runs
    #[arg(long, value_name = "AUTO|MANUAL", default_value = "", hide_default_value = true)]
    sync_compliance: String,
    /// Kept and shown for SSM's clients; nodes apply by themselves and are spread over time instead
    #[arg(long, value_name = "N|N%", allow_hyphen_values = true)]
    max_concurrency: Option<MaxConcurrency>,
    /// Kept and shown for SSM's clients; a failure on one node stops no other
    #[arg(long, value_name = "N|N%", allow_hyphen_values = true)]
    max_errors: Option<MaxErrors>,
    /// Hours after which a run is stopped, 1 to 24
    #[arg(long, value_name = "HOURS", default_value_t = 0, hide_default_value = true)]
    duration_hours: u32,
}

impl WishArgs {
    pub(super) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Everything but the targets, whose names are looked up first.
    pub(super) fn content(&self, stdin: &mut dyn Read) -> Result<AssociationContent, ArgumentError> {
        let parameters = read_parameters(&self.parameters, stdin)?;
        Ok(AssociationContent {
            name: self.name.clone(),
            document_name: self.document.clone(),
            document_version: self.document_version.clone(),
            parameters: parameters.into_iter().collect(),
            targets: Vec::new(),
            schedule_expression: self.schedule.clone(),
            schedule_timezone: self.zone.clone(),
            schedule_offset_days: self.offset_days,
            apply_only_at_schedule: self.only_at_schedule,
            compliance_severity: self.severity.clone(),
            sync_compliance: self.sync_compliance.clone(),
            max_concurrency: self.max_concurrency.as_ref().map(ToString::to_string).unwrap_or_default(),
            max_errors: self.max_errors.as_ref().map(ToString::to_string).unwrap_or_default(),
            calendar_names: Vec::new(),
            duration_hours: self.duration_hours,
        })
    }
}
