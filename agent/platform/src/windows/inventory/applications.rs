//! Installed programs: the keys that Windows' own list of programs is made of, for 64 and 32 bits.

use windows_registry::{Key, LOCAL_MACHINE};

use crate::HostError;
use crate::inventory::{Item, item, summary};

const LISTS: [(&str, &str); 2] = [
    (r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall", std::env::consts::ARCH),
    (r"SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall", "i386"),
];

pub(super) fn installed() -> Result<Vec<Item>, HostError> {
    let mut found = Vec::new();
    for (path, architecture) in LISTS {
        // A Windows without 32-bit programs does not have the second.
        let Ok(list) = LOCAL_MACHINE.open(path) else { continue };
        let doing = || format!(r"read HKEY_LOCAL_MACHINE\{path}");
        for id in list.keys().map_err(|error| HostError::io(doing)(error.into()))? {
            let program = list.open(&id).ok().and_then(|key| program(&key, &id, architecture));
            found.extend(program);
        }
    }
    Ok(found)
}

/// None for what the list of programs does not show either: components of others, updates, nameless ones.
fn program(key: &Key, id: &str, architecture: &str) -> Option<Item> {
    let text = |name: &str| key.get_string(name).unwrap_or_default();
    let name = text("DisplayName");
    let is_hidden = key.get_u32("SystemComponent").is_ok_and(|flag| flag == 1);
    let is_part = !text("ParentKeyName").is_empty();
    if name.trim().is_empty() || is_hidden || is_part {
        return None;
    }
    Some(item([
        ("Name", name.trim()),
        ("Publisher", text("Publisher").trim()),
        ("Version", text("DisplayVersion").trim()),
        ("InstalledTime", &installed_time(&text("InstallDate"))),
        ("Architecture", architecture),
        ("URL", text("URLInfoAbout").trim()),
        ("Summary", &summary(&text("Comments"))),
        ("PackageId", id),
    ]))
}

/// Installers write the date as eight digits; what is written otherwise is nothing that can be compared.
fn installed_time(date: &str) -> String {
    if date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("{}-{}-{}T00:00:00Z", &date[..4], &date[4..6], &date[6..]);
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_installers_become_moments() {
        for (date, moment) in
            [("20260131", "2026-01-31T00:00:00Z"), ("", ""), ("1/31/2026", ""), ("2026013x", "")]
        {
            assert_eq!(installed_time(date), moment, "{date}");
        }
    }

    /// Every Windows can be read, also one with nothing installed.
    #[test]
    fn programs_of_this_host_have_names() {
        assert!(installed().unwrap().iter().all(|program| !program["Name"].is_empty()));
    }
}
