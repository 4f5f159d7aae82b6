//! `aws:configurePackage` (reference, section 2.8).

use std::collections::BTreeMap;

use super::fields::Fields;
use crate::problems::shown;
use crate::values;

/// The registry's word for the newest version.
pub const LATEST: &str = "$LATEST";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurePackage {
    /// A package's name or ARN.
    pub name: String,
    pub action: PackageAction,
    /// None for the default version; [`LATEST`] for the newest.
    pub version: Option<String>,
    pub installation_type: InstallationType,
    /// Variables for the package's scripts; every name begins with `SSM_`.
    pub variables: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageAction {
    Install,
    Uninstall,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InstallationType {
    #[default]
    UninstallAndReinstall,
    InPlaceUpdate,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Option<ConfigurePackage> {
    let name = fields.required_text("name");
    let actions = [("Install", PackageAction::Install), ("Uninstall", PackageAction::Uninstall)];
    let action = fields.required_choice("action", &actions);
    let version = fields
        .text("version")
        .map(|version| if version.eq_ignore_ascii_case("latest") { LATEST.to_owned() } else { version });
    let types = [
        ("Uninstall and reinstall", InstallationType::UninstallAndReinstall),
        ("In-place update", InstallationType::InPlaceUpdate),
    ];
    let installation_type = fields.choice("installationType", &types).unwrap_or_default();
    let variables = variables(fields);
    // Names of AWS's own test stages: there is one stage here.
    fields.ignore(&["repository"]);
    if fields.text("source").is_some() {
        let help = "name a package that was created, and leave source out";
        fields.wrong("source", "a package cannot be fetched from an address", help);
    }
    Some(ConfigurePackage { name: name?, action: action?, version, installation_type, variables })
}

fn variables(fields: &mut Fields<'_>) -> BTreeMap<String, String> {
    let key = "additionalArguments";
    let mut variables = BTreeMap::new();
    for (name, value) in fields.map(key).unwrap_or_default() {
        let usable = |name: &str| {
            name.len() > 4
                && name.starts_with("SSM_")
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        match values::scalar_text(&value) {
            Some(text) if usable(&name) => {
                variables.insert(name, text);
            }
            Some(_) => {
                let help = "begin every name with SSM_, followed by letters, digits and _";
                fields.wrong(key, format!("`{}` cannot be an argument", shown(&name)), help);
            }
            None => fields.wrong(key, format!("`{}` is no text", shown(&name)), "write a text"),
        }
    }
    variables
}
