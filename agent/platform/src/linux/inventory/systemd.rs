//! Services of systemd, as `systemctl` tells them: the units that it has loaded, and the unit files that it has not.
//!
//! `systemctl` is asked and no unit file is read by us: what a unit is follows from generators, drop-ins and links,
//! and nobody else resolves them as systemd does.

use std::collections::BTreeMap;
use std::path::Path;

use super::{tool, unsupported};
use crate::HostError;
use crate::inventory::{Item, item};

const PROGRAMS: [&str; 2] = ["usr/bin/systemctl", "bin/systemctl"];
/// Exists while systemd is the host's init.
const RUNNING: &str = "run/systemd/system";
const PROPERTIES: &str =
    "--property=Id,Description,Type,LoadState,ActiveState,UnitFileState,Requires,RequiredBy";

pub(super) fn services(root: &Path) -> Result<Vec<Item>, HostError> {
    let program = PROGRAMS.iter().map(|program| root.join(program)).find(|program| program.is_file());
    let program = program.ok_or_else(|| unsupported("collecting services without systemd"))?;
    let files = tool::output(
        &program,
        &["list-unit-files", "--type=service", "--no-legend", "--no-pager", "--plain"],
    )?;
    let mut found = unit_files(&String::from_utf8_lossy(&files));
    if root.join(RUNNING).is_dir() {
        let units = tool::output(&program, &["show", "--all", "--no-pager", PROPERTIES, "*.service"])?;
        found.extend(units_shown(&String::from_utf8_lossy(&units)));
    }
    Ok(found.into_values().collect())
}

/// Lines of a unit file's name and its state. Templates are no services; what was made of them is loaded.
fn unit_files(printed: &str) -> BTreeMap<String, Item> {
    let mut found = BTreeMap::new();
    for line in printed.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(unit), Some(state)) = (words.next(), words.next()) else { continue };
        if unit.ends_with(".service") && !unit.ends_with("@.service") {
            let told = item([("Name", unit), ("Status", "inactive"), ("StartType", state)]);
            found.insert(unit.to_owned(), told);
        }
    }
    found
}

/// Paragraphs of `Property=value`. A unit that others name and that is not on the host is left out.
fn units_shown(printed: &str) -> BTreeMap<String, Item> {
    let mut found = BTreeMap::new();
    for paragraph in printed.split("\n\n") {
        let fields: BTreeMap<&str, &str> =
            paragraph.lines().filter_map(|line| line.split_once('=')).collect();
        let field = |name: &str| fields.get(name).copied().unwrap_or_default();
        let id = field("Id");
        if !id.ends_with(".service") || field("LoadState") == "not-found" {
            continue;
        }
        let told = item([
            ("Name", id),
            ("DisplayName", field("Description")),
            ("ServiceType", field("Type")),
            ("Status", field("ActiveState")),
            ("StartType", field("UnitFileState")),
            ("ServicesDependedOn", &sorted(field("Requires"))),
            ("DependentServices", &sorted(field("RequiredBy"))),
        ]);
        found.insert(id.to_owned(), told);
    }
    found
}

/// systemd prints dependencies in no order.
fn sorted(units: &str) -> String {
    let mut units: Vec<_> =
        units.split_ascii_whitespace().filter(|unit| unit.ends_with(".service")).collect();
    units.sort_unstable();
    units.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaded_units_stand_before_their_files() {
        let files = "cron.service enabled enabled\nssh.service disabled enabled\ngetty@.service enabled enabled\n\
                     alias.service alias -\nx.socket enabled enabled\n";
        let shown = "Type=notify\nRequires=system.slice b.service a.service\nRequiredBy=\nId=cron.service\n\
                     Description=Regular background=program\nLoadState=loaded\nActiveState=active\n\
                     UnitFileState=enabled\n\nType=\nId=auditd.service\nLoadState=not-found\nActiveState=inactive\n\n\
                     Type=idle\nId=getty@tty1.service\nLoadState=loaded\nActiveState=failed\nUnitFileState=enabled\n";
        let mut found = unit_files(files);
        found.extend(units_shown(shown));
        let told: Vec<_> = found
            .values()
            .map(|unit| format!("{} {} {}", unit["Name"], unit["Status"], unit["StartType"]))
            .collect();
        let expected = [
            "alias.service inactive alias",
            "cron.service active enabled",
            "getty@tty1.service failed enabled",
            "ssh.service inactive disabled",
        ];
        assert_eq!(told, expected);
        assert_eq!(found["cron.service"]["ServicesDependedOn"], "a.service,b.service");
        assert_eq!(found["cron.service"]["DisplayName"], "Regular background=program");
        assert_eq!(found["cron.service"].get("DependentServices"), None);
    }

    #[test]
    fn a_host_without_systemd_says_so() {
        let root = tempfile::tempdir().unwrap();
        let error = services(root.path()).unwrap_err().to_string();
        assert_eq!(error, "collecting services without systemd is not possible on Linux");
    }
}
