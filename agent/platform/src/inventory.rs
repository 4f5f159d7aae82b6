//! What can be asked about a host for its inventory, and the form of the answers (reference, section 5.2).
//!
//! An item is attributes by the names that SSM gives them. Where a host has nothing to say to an attribute, the item
//! does not have it. Which source makes which inventory type, and its limits, is the agent's business.

use std::collections::BTreeMap;

/// One item: attribute name to value.
pub type Item = BTreeMap<String, String>;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Installed packages and programs.
    Applications,
    /// Network interfaces with their addresses, without loopback.
    Network,
    /// Processors and kernel; one item.
    Processors,
    Services,
    WindowsUpdates,
    WindowsRoles,
    Registry(RegistryKey),
}

/// Which values of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryKey {
    /// For example `HKEY_LOCAL_MACHINE\SOFTWARE\Vendor`.
    pub path: String,
    pub recursive: bool,
    /// Empty for all.
    pub value_names: Vec<String>,
    /// More values than this are an error.
    pub values_max: usize,
}

/// An item of those attributes that have a value.
pub(crate) fn item<const N: usize>(attributes: [(&str, &str); N]) -> Item {
    let said = attributes.into_iter().filter(|(_, value)| !value.is_empty());
    said.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Longest summary (reference, section 5.3), characters.
const SUMMARY_MAX_CHARS: usize = 100;

/// The first line of a description, as long as a summary may be.
pub(crate) fn summary(description: &str) -> String {
    description.lines().next().unwrap_or_default().trim().chars().take(SUMMARY_MAX_CHARS).collect()
}

/// The names of architectures that SSM uses (reference, section 5.3).
#[cfg(target_os = "linux")]
pub(crate) fn architecture(name: &str) -> &str {
    match name {
        "amd64" => "x86_64",
        "386" => "i386",
        other => other,
    }
}
