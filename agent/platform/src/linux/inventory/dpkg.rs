//! Packages of dpkg, from its status file and, on hosts without a package manager, from `status.d`.
//!
//! Only packages that are installed count; those of which nothing but configuration is left do not. A line is read a
//! piece at a time, so that no file, however broken, fills the memory.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::HostError;
use crate::inventory::{Item, architecture, item, summary};

const STATUS: &str = "var/lib/dpkg/status";
const STATUS_FOLDER: &str = "var/lib/dpkg/status.d";
/// What is read of one line; no field that is wanted is longer.
const LINE_MAX_BYTES: u64 = 8 * 1024;

/// None when the host does not have dpkg's database.
pub(super) fn packages(root: &Path) -> Result<Option<Vec<Item>>, HostError> {
    let mut found = None;
    let status = root.join(STATUS);
    let doing = || format!("read `{}`", status.display());
    match File::open(&status) {
        Ok(file) => {
            let packages = found.get_or_insert_with(Vec::new);
            read(BufReader::with_capacity(64 * 1024, file), WithoutStatus::Skip, packages)
                .map_err(HostError::io(doing))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(HostError::io(doing)(source)),
    }
    let folder = root.join(STATUS_FOLDER);
    let doing = || format!("read `{}`", folder.display());
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(found) };
    for entry in entries {
        let path = entry.map_err(HostError::io(doing))?.path();
        if path.extension().is_some_and(|extension| extension == "md5sums") || !path.is_file() {
            continue;
        }
        let file = File::open(&path).map_err(HostError::io(|| format!("read `{}`", path.display())))?;
        let packages = found.get_or_insert_with(Vec::new);
        read(BufReader::new(file), WithoutStatus::Take, packages).map_err(HostError::io(doing))?;
    }
    Ok(found)
}

/// What a package is that has no field `Status`. In `status.d` none has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WithoutStatus {
    Skip,
    Take,
}

#[derive(Debug, Default)]
struct Package {
    name: String,
    status: String,
    section: String,
    maintainer: String,
    architecture: String,
    version: String,
    homepage: String,
    description: String,
}

impl Package {
    fn set(&mut self, field: &[u8], value: &str) {
        let place = match field {
            b"Package" => &mut self.name,
            b"Status" => &mut self.status,
            b"Section" => &mut self.section,
            b"Maintainer" => &mut self.maintainer,
            b"Architecture" => &mut self.architecture,
            b"Version" => &mut self.version,
            b"Homepage" => &mut self.homepage,
            b"Description" => &mut self.description,
            _ => return,
        };
        *place = value.trim().to_owned();
    }

    /// The third word of a status says how far dpkg came. A package whose triggers are still to run is installed.
    fn is_installed(&self, without: WithoutStatus) -> bool {
        match self.status.split_ascii_whitespace().nth(2) {
            Some(state) => matches!(state, "installed" | "triggers-awaited" | "triggers-pending"),
            None => without == WithoutStatus::Take && !self.name.is_empty(),
        }
    }

    fn into_item(self) -> Item {
        let id = format!("{}_{}_{}.deb", self.name, self.version, self.architecture);
        item([
            ("Name", &self.name),
            ("ApplicationType", &self.section),
            ("Publisher", &self.maintainer),
            ("Version", &self.version),
            ("Architecture", architecture(&self.architecture)),
            ("URL", &self.homepage),
            ("Summary", &summary(&self.description)),
            ("PackageId", &id),
        ])
    }
}

fn read(mut file: impl BufRead, without: WithoutStatus, packages: &mut Vec<Item>) -> io::Result<()> {
    let mut line = Vec::new();
    let mut package = Package::default();
    loop {
        line.clear();
        let read = file.by_ref().take(LINE_MAX_BYTES).read_until(b'\n', &mut line)?;
        let ended = read == 0;
        if !ended && line.last() != Some(&b'\n') {
            file.skip_until(b'\n')?;
        }
        let text = line.trim_ascii_end();
        if text.is_empty() {
            let package = std::mem::take(&mut package);
            if package.is_installed(without) {
                packages.push(package.into_item());
            }
        } else if !text[0].is_ascii_whitespace()
            && let Some(colon) = text.iter().position(|byte| *byte == b':')
        {
            package.set(&text[..colon], &String::from_utf8_lossy(&text[colon + 1..]));
        }
        if ended {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENSSL: &str = "Package: openssl\nStatus: install ok installed\nPriority: optional\nSection: utils\n\
        Maintainer: Debian OpenSSL Team <x@example.org>\nArchitecture: amd64\nVersion: 3.0.15-1~deb12u1\n\
        Depends: libc6 (>= 2.34)\nConffiles:\n /etc/ssl/openssl.cnf 0123\nDescription: Secure Sockets Layer toolkit\n \
        This package is part of the implementation.\n Version: not a field\nHomepage: https://www.openssl.org/\n";

    fn check(status: &str, expected: &[&str]) {
        let mut found = Vec::new();
        read(status.as_bytes(), WithoutStatus::Skip, &mut found).unwrap();
        let names: Vec<_> =
            found.iter().map(|package| format!("{} {}", package["Name"], package["Version"])).collect();
        assert_eq!(names, expected, "{status}");
    }

    #[test]
    fn a_package_is_told_with_the_names_of_ssm() {
        let mut found = Vec::new();
        read(OPENSSL.as_bytes(), WithoutStatus::Skip, &mut found).unwrap();
        let expected = item([
            ("Name", "openssl"),
            ("ApplicationType", "utils"),
            ("Publisher", "Debian OpenSSL Team <x@example.org>"),
            ("Version", "3.0.15-1~deb12u1"),
            ("Architecture", "x86_64"),
            ("URL", "https://www.openssl.org/"),
            ("Summary", "Secure Sockets Layer toolkit"),
            ("PackageId", "openssl_3.0.15-1~deb12u1_amd64.deb"),
        ]);
        assert_eq!(found, [expected]);
    }

    #[test]
    fn what_is_not_installed_is_not_told() {
        let of = |name: &str, status: &str| format!("Package: {name}\nStatus: {status}\nVersion: 1\n\n");
        check(&of("a", "install ok installed"), &["a 1"]);
        check(&of("a", "hold ok installed"), &["a 1"]);
        check(&of("a", "install ok triggers-pending"), &["a 1"]);
        for gone in ["deinstall ok config-files", "install ok half-installed", "install ok unpacked", "x"] {
            check(&of("a", gone), &[]);
        }
        check("Package: a\nVersion: 1\n\n", &[]);
        check("", &[]);
        check("\n\n\n", &[]);
    }

    #[test]
    fn a_broken_file_costs_what_is_broken() {
        let long = format!("Package: a\nStatus: install ok installed\nVersion: {}\n\n", "9".repeat(20_000));
        let mut found = Vec::new();
        read(long.as_bytes(), WithoutStatus::Skip, &mut found).unwrap();
        assert!(found[0]["Version"].len() < 8 * 1024 + 1);
        let text = format!(
            "{}\u{0}no colon here\n\n{OPENSSL}",
            "Package: b\nStatus: install ok installed\nVersion: 2\n"
        );
        check(&text, &["b 2", "openssl 3.0.15-1~deb12u1"]);
        let mut found = Vec::new();
        let latin = b"Package: c\nStatus: install ok installed\nMaintainer: Ren\xe9\nVersion: 1".as_slice();
        read(latin, WithoutStatus::Skip, &mut found).unwrap();
        assert_eq!(found[0]["Publisher"], "Ren\u{fffd}");
    }

    #[test]
    fn packages_of_a_host_without_a_package_manager_have_no_status() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(packages(root.path()).unwrap(), None);
        let folder = root.path().join(STATUS_FOLDER);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("base"), "Package: base-files\nVersion: 12\nArchitecture: arm64\n").unwrap();
        fs::write(folder.join("base.md5sums"), "00 etc/passwd\n").unwrap();
        let found = packages(root.path()).unwrap().unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["PackageId"], "base-files_12_arm64.deb");
    }
}
