//! What `window create` and `window update` both say of a window.

use clap::Args;
use fleetwright_proto::control::{CalendarNames, WindowSettings};

#[derive(Debug, Clone, Args)]
pub(super) struct SettingsArgs {
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Time zone of the schedule, a name of the IANA list [default: UTC]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Opens so many days after what cron() names, 1 to 6; 0 for none
    #[arg(long, value_name = "DAYS")]
    offset: Option<u32>,
    /// Does not open before this moment, as 2026-11-04T02:00:00+01:00; '' for none
    #[arg(long, value_name = "MOMENT")]
    start_date: Option<String>,
    /// Does not open at this moment and after it; '' for none
    #[arg(long, value_name = "MOMENT")]
    end_date: Option<String>,
    /// How late it may still open if the controller was down [default: until its cut-off]
    #[arg(long, value_name = "MINUTES")]
    grace: Option<u32>,
    /// Calendar that has to be open; may be repeated, '' for none
    #[arg(long = "calendar", value_name = "NAME")]
    calendars: Vec<String>,
    /// Tasks may name nodes that are in no target of the window
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    allow_unassociated_targets: Option<bool>,
}

impl SettingsArgs {
    pub(super) fn wire(self) -> WindowSettings {
        let named = !self.calendars.is_empty();
        let names = self.calendars.into_iter().filter(|name| !name.is_empty()).collect();
        WindowSettings {
            description: self.description,
            timezone: self.timezone,
            offset_days: self.offset,
            start_date: self.start_date,
            end_date: self.end_date,
            grace_minutes: self.grace,
            calendars: named.then_some(CalendarNames { names }),
            allow_unassociated_targets: self.allow_unassociated_targets,
            ..WindowSettings::default()
        }
    }
}

/// `4` or `4h`.
pub(super) fn hours(text: &str) -> Result<u32, String> {
    let digits = text.strip_suffix('h').unwrap_or(text);
    digits.parse().map_err(|_| format!("`{text}` is not a number of hours: write 4"))
}
