//! `aws:configureDocker` (reference, section 2.13).

use super::fields::Fields;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigureDocker {
    pub action: DockerInstallation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DockerInstallation {
    Install,
    Uninstall,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Option<ConfigureDocker> {
    let words = [("Install", DockerInstallation::Install), ("Uninstall", DockerInstallation::Uninstall)];
    let action = fields.required_choice("action", &words);
    Some(ConfigureDocker { action: action? })
}
