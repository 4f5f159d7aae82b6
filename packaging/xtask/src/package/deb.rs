//! Debian packages: an `ar` archive of two tarballs, control and data.

use std::fmt::Write;
use std::io::Read;

use anyhow::{Context, Result};

use super::contents::{Kind, Parts};
use super::tarball;
use crate::run;

/// The same package as its next revision, for whoever wants to see an upgrade.
pub(super) fn next_revision(package: &[u8]) -> Result<Vec<u8>> {
    let mut archive = ar::Archive::new(package);
    let mut next = ar::Builder::new(Vec::new());
    while let Some(entry) = archive.next_entry() {
        let mut entry = entry.context("it is no Debian package")?;
        let name = entry.header().identifier().to_vec();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).context("it is no Debian package")?;
        if name == b"control.tar.gz" {
            bytes = with_next_revision(&bytes)?;
        }
        let mut header = ar::Header::new(name, bytes.len() as u64);
        header.set_mode(0o100_644);
        next.append(&header, bytes.as_slice()).context("cannot write the package")?;
    }
    next.into_inner().context("cannot write the package")
}

fn with_next_revision(control: &[u8]) -> Result<Vec<u8>> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(control));
    let mut members = Vec::new();
    for entry in archive.entries().context("its control archive is damaged")? {
        let mut entry = entry.context("its control archive is damaged")?;
        let path = entry.path().context("its control archive is damaged")?.display().to_string();
        let mode = entry.header().mode().context("its control archive is damaged")?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).context("its control archive is damaged")?;
        if path.ends_with("control") {
            bytes = raised(&String::from_utf8_lossy(&bytes)).into_bytes();
        }
        members.push((format!("./{}", path.trim_start_matches("./")), mode, bytes));
    }
    tarball::of_members(members.iter().map(|(path, mode, bytes)| (path.as_str(), *mode, bytes.as_slice())))
}

/// The fields with a revision one higher.
fn raised(fields: &str) -> String {
    let raise = |line: &str| {
        let version = line.strip_prefix("Version: ")?;
        let (version, revision) = version.rsplit_once('-')?;
        Some(format!("Version: {version}-{}\n", revision.parse::<u32>().ok()? + 1))
    };
    fields.lines().map(|line| raise(line).unwrap_or_else(|| format!("{line}\n"))).collect()
}

/// Its file name and its bytes.
pub(super) fn package(parts: &Parts) -> Result<(String, Vec<u8>)> {
    let name = format!(
        "{}_{}-{}_{}.deb",
        parts.product.name(),
        parts.version,
        parts.revision,
        parts.elf.machine.debian()
    );
    let data = tarball::of_files(parts.files.iter().map(|file| (format!(".{}", file.path), file)))?;
    let control = control(parts)?;
    let mut archive = ar::Builder::new(Vec::new());
    for (member, bytes) in
        [("debian-binary", b"2.0\n".to_vec()), ("control.tar.gz", control), ("data.tar.gz", data)]
    {
        let mut header = ar::Header::new(member.as_bytes().to_vec(), bytes.len() as u64);
        header.set_mode(0o100_644);
        archive.append(&header, bytes.as_slice()).context("cannot write the package")?;
    }
    Ok((name, archive.into_inner().context("cannot write the package")?))
}

fn control(parts: &Parts) -> Result<Vec<u8>> {
    let name = parts.product.name();
    let scripts = run::root().join("packaging/linux/deb");
    let mut members = vec![
        ("./control".to_owned(), 0o644, fields(parts).into_bytes()),
        ("./conffiles".to_owned(), 0o644, conffiles(parts).into_bytes()),
        ("./md5sums".to_owned(), 0o644, sums(parts).into_bytes()),
    ];
    for script in ["postinst", "prerm", "postrm"] {
        let path = scripts.join(format!("{name}.{script}"));
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        members.push((format!("./{script}"), 0o755, text));
    }
    tarball::of_members(members.iter().map(|(path, mode, bytes)| (path.as_str(), *mode, bytes.as_slice())))
}

fn fields(parts: &Parts) -> String {
    let product = parts.product;
    let glibc = match parts.elf.glibc {
        Some((major, minor)) => format!("libc6 (>= {major}.{minor}), libgcc-s1, "),
        None => String::new(),
    };
    format!(
        "Package: {}\nVersion: {}-{}\nArchitecture: {}\nMaintainer: Fleetwright maintainers \
         <fleetwright@localhost>\nInstalled-Size: {}\nDepends: {glibc}init-system-helpers, systemd\nSection: \
         admin\nPriority: optional\nDescription: {}\n {}\n",
        product.name(),
        parts.version,
        parts.revision,
        parts.elf.machine.debian(),
        parts.installed_bytes().div_ceil(1024),
        product.summary(),
        product.description(),
    )
}

fn conffiles(parts: &Parts) -> String {
    let files = parts.files.iter().filter(|file| file.kind == Kind::Configuration);
    files.map(|file| format!("{}\n", file.path)).collect()
}

fn sums(parts: &Parts) -> String {
    use md5::Digest;

    let mut sums = String::new();
    for file in parts.files.iter().filter(|file| file.kind != Kind::Configuration) {
        let digest = md5::Md5::digest(&file.content);
        for byte in digest {
            let _infallible = write!(sums, "{byte:02x}");
        }
        let _infallible = writeln!(sums, "  {}", file.path.trim_start_matches('/'));
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::contents::{File, Product};
    use super::super::elf::{Elf, Machine};
    use super::*;

    fn parts() -> Parts {
        let file =
            |path: &str, mode, kind, content: &[u8]| File::new(path.to_owned(), mode, kind, content.to_vec());
        Parts {
            product: Product::Agent,
            version: "1.2.3".to_owned(),
            revision: 4,
            elf: Elf { machine: Machine::X86_64, glibc: Some((2, 34)) },
            files: vec![
                file("/etc/fleetwright/agent.toml", 0o644, Kind::Configuration, b"log = \"info\"\n"),
                file("/usr/bin/fleetwright-agent", 0o755, Kind::Program, b"program"),
            ],
        }
    }

    fn members(bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes));
        let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            let mode = entry.header().mode().unwrap();
            (entry.path().unwrap().display().to_string(), mode, content)
        };
        archive.entries().unwrap().map(read).collect()
    }

    #[test]
    fn a_package_holds_its_files_scripts_and_what_it_needs() {
        let (name, bytes) = package(&parts()).unwrap();
        assert_eq!(name, "fleetwright-agent_1.2.3-4_amd64.deb");
        let mut archive = ar::Archive::new(bytes.as_slice());
        let mut found = Vec::new();
        while let Some(entry) = archive.next_entry() {
            let mut entry = entry.unwrap();
            let name = String::from_utf8(entry.header().identifier().to_vec()).unwrap();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            found.push((name, content));
        }
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["debian-binary", "control.tar.gz", "data.tar.gz"]);

        let control = members(&found[1].1);
        let text = |wanted: &str| {
            let (_, mode, content) = control.iter().find(|(path, ..)| path == wanted).unwrap();
            (*mode, String::from_utf8(content.clone()).unwrap())
        };
        let (_, fields) = text("./control");
        for wanted in
            ["Version: 1.2.3-4\n", "Architecture: amd64\n", "Depends: libc6 (>= 2.34), libgcc-s1, init"]
        {
            assert!(fields.contains(wanted), "{fields}");
        }
        assert_eq!(text("./conffiles").1, "/etc/fleetwright/agent.toml\n");
        for script in ["./postinst", "./prerm", "./postrm"] {
            let (mode, content) = text(script);
            assert!(mode == 0o755 && content.starts_with("#!/bin/sh\n"), "{script}");
        }
        let next = next_revision(&bytes).unwrap();
        let mut archive = ar::Archive::new(next.as_slice());
        drop(archive.next_entry());
        let mut entry = archive.next_entry().unwrap().unwrap();
        let mut control = Vec::new();
        entry.read_to_end(&mut control).unwrap();
        let (_, _, fields) = members(&control).into_iter().find(|(path, ..)| path == "./control").unwrap();
        assert!(String::from_utf8(fields).unwrap().contains("Version: 1.2.3-5\n"));

        let data = members(&found[2].1);
        let paths: Vec<_> = data.iter().map(|(path, mode, _)| (path.as_str(), *mode)).collect();
        assert!(paths.contains(&("./usr/bin/fleetwright-agent", 0o755)), "{paths:?}");
        assert!(paths.contains(&("./usr/bin/", 0o755)), "{paths:?}");
    }
}
