//! Installed updates, from the packages of Windows' own servicing.

use std::collections::BTreeMap;

use windows_registry::LOCAL_MACHINE;

use crate::HostError;
use crate::gathering::rfc3339;
use crate::inventory::{Item, item};

const PACKAGES: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\Packages";
/// A package that is installed for good.
const INSTALLED: u32 = 0x70;

pub(super) fn installed() -> Result<Vec<Item>, HostError> {
    // A Windows that was never serviced does not have the key.
    let Ok(packages) = LOCAL_MACHINE.open(PACKAGES) else { return Ok(Vec::new()) };
    let doing = || format!(r"read HKEY_LOCAL_MACHINE\{PACKAGES}");
    // One update is many packages; it is told once, from the first in the order of their names.
    let mut found: BTreeMap<String, Item> = BTreeMap::new();
    for package in packages.keys().map_err(|error| HostError::io(doing)(error.into()))? {
        let Some(id) = update_of(&package) else { continue };
        let Ok(key) = packages.open(&package) else { continue };
        if found.contains_key(id) || key.get_u32("CurrentState").unwrap_or_default() != INSTALLED {
            continue;
        }
        let (high, low) = (key.get_u32("InstallTimeHigh"), key.get_u32("InstallTimeLow"));
        let time = high.ok().zip(low.ok()).map(|(high, low)| moment(high, low)).unwrap_or_default();
        let told = item([
            ("HotFixId", id),
            ("Description", "Update"),
            ("InstalledTime", &time),
            ("InstalledBy", &key.get_string("InstallUser").unwrap_or_default()),
        ]);
        found.insert(id.to_owned(), told);
    }
    Ok(found.into_values().collect())
}

/// `KB5034441` of `Package_for_KB5034441~31bf3856ad364e35~amd64~~10.0.1.1`.
fn update_of(package: &str) -> Option<&str> {
    let at = package.find("KB")?;
    let digits = package[at + 2..].bytes().take_while(u8::is_ascii_digit).count();
    (digits >= 6).then(|| &package[at..at + 2 + digits])
}

/// Units of 100 ns since 1601.
fn moment(high: u32, low: u32) -> String {
    let units = u64::from(high) << 32 | u64::from(low);
    rfc3339(i64::try_from(units / 10_000_000).unwrap_or(i64::MAX) - 11_644_473_600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_named_in_its_packages() {
        for (package, id) in [
            ("Package_for_KB5034441~31bf3856ad364e35~amd64~~10.0.1.1", Some("KB5034441")),
            ("Package_1_for_KB4562830~31bf~amd64~~10.0.1.2", Some("KB4562830")),
            ("Microsoft-Windows-Foundation-Package~31bf~amd64~~10.0.1.1", None),
            ("KB", None),
        ] {
            assert_eq!(update_of(package), id, "{package}");
        }
    }

    #[test]
    fn moments_of_windows_begin_earlier() {
        assert_eq!(moment(0x019d_b1de, 0xd53e_8000), "1970-01-01T00:00:00Z");
    }
}
