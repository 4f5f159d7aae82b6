//! Packages of rpm. Its database is read through `rpm` itself: there are three formats of it, and no reader of ours
//! would be as light as the program that is there.

use std::path::{Path, PathBuf};

use super::tool;
use crate::HostError;
use crate::gathering::rfc3339;
use crate::inventory::{Item, item, summary};

const PROGRAMS: [&str; 2] = ["usr/bin/rpm", "bin/rpm"];
/// Debian's rpm is for building; a host of rpm's has one of these.
const DATABASES: [&str; 2] = ["usr/lib/sysimage/rpm", "var/lib/rpm"];
/// Bytes that no field has.
const FIELD: char = '\u{1f}';
const RECORD: char = '\u{1e}';
const FIELDS: [&str; 11] = [
    "NAME",
    "VENDOR",
    "VERSION",
    "RELEASE",
    "EPOCH",
    "INSTALLTIME",
    "GROUP",
    "ARCH",
    "URL",
    "SUMMARY",
    "SOURCERPM",
];

/// None when the host does not have rpm's database.
pub(super) fn packages(root: &Path) -> Result<Option<Vec<Item>>, HostError> {
    let Some(program) = program(root) else { return Ok(None) };
    let fields: Vec<String> = FIELDS.iter().map(|field| format!("%{{{field}}}")).collect();
    let format = format!("{}{RECORD}", fields.join(&FIELD.to_string()));
    let printed = tool::output(&program, &["-qa", "--queryformat", &format])?;
    Ok(Some(parse(&String::from_utf8_lossy(&printed))))
}

fn program(root: &Path) -> Option<PathBuf> {
    let is_filled =
        |folder: &str| std::fs::read_dir(root.join(folder)).is_ok_and(|mut entries| entries.next().is_some());
    if !DATABASES.iter().any(|folder| is_filled(folder)) {
        return None;
    }
    PROGRAMS.iter().map(|program| root.join(program)).find(|program| program.is_file())
}

fn parse(printed: &str) -> Vec<Item> {
    let mut packages = Vec::new();
    for record in printed.split(RECORD) {
        let fields: Vec<_> =
            record.split(FIELD).map(|field| if field == "(none)" { "" } else { field.trim() }).collect();
        let Ok(fields) = <[&str; FIELDS.len()]>::try_from(fields) else { continue };
        let [name, vendor, version, release, epoch, installed, group, arch, url, text, source] = fields;
        let installed = installed.parse().map(rfc3339).unwrap_or_default();
        packages.push(item([
            ("Name", name),
            ("ApplicationType", group),
            ("Publisher", vendor),
            ("Version", version),
            ("Release", release),
            ("Epoch", epoch),
            ("InstalledTime", &installed),
            ("Architecture", arch),
            ("URL", url),
            ("Summary", &summary(text)),
            ("PackageId", source),
        ]));
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(fields: [&str; 11]) -> String {
        format!("{}{RECORD}", fields.join(&FIELD.to_string()))
    }

    #[test]
    fn a_package_is_told_with_the_names_of_ssm() {
        let bash = printed([
            "bash",
            "Fedora Project",
            "5.2.26",
            "3.fc40",
            "(none)",
            "1790000000",
            "Unspecified",
            "x86_64",
            "https://www.gnu.org/software/bash",
            "The GNU Bourne Again shell",
            "bash-5.2.26-3.fc40.src.rpm",
        ]);
        let bind = printed(["bind", "", "9", "1", "32", "x", "", "x86_64", "", "a\nb", ""]);
        let found = parse(&(bash + &bind));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0]["InstalledTime"], "2026-09-21T14:13:20Z");
        assert_eq!(
            (found[0].get("Epoch"), found[0]["PackageId"].as_str()),
            (None, "bash-5.2.26-3.fc40.src.rpm")
        );
        assert_eq!((found[1]["Epoch"].as_str(), found[1]["Summary"].as_str()), ("32", "a"));
        assert_eq!(found[1].get("InstalledTime"), None);
        assert!(parse("").is_empty());
    }

    #[test]
    fn a_host_without_the_database_has_no_packages_of_rpm() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(packages(root.path()).unwrap(), None);
        std::fs::create_dir_all(root.path().join("var/lib/rpm")).unwrap();
        assert_eq!(packages(root.path()).unwrap(), None);
    }

    /// The database is there and its program cannot be run: that is a failure, not an empty host.
    #[test]
    fn a_broken_program_is_a_failure() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["var/lib/rpm", "usr/bin"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        std::fs::write(root.path().join("var/lib/rpm/rpmdb.sqlite"), "").unwrap();
        std::fs::write(root.path().join("usr/bin/rpm"), "").unwrap();
        assert!(packages(root.path()).is_err());
    }
}
