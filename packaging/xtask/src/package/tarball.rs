//! Tarballs: one of each program for hosts without a package manager of ours, and those inside Debian packages.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::contents::{File, Kind, Parts};

/// The program, its configuration, its unit and its manual in one folder. The program installs itself from there.
pub(super) fn package(parts: &Parts) -> Result<(String, Vec<u8>)> {
    let folder = format!("{}-{}-{}", parts.product.name(), parts.version, parts.elf.machine.name());
    let readme = readme(parts);
    let mut members = vec![(format!("{folder}/README"), 0o644, readme.as_bytes())];
    for file in &parts.files {
        let place = match file.kind {
            // Beside each other, where somebody looks who has just unpacked it.
            Kind::Program | Kind::Configuration => file.path.rsplit('/').next().unwrap_or(&file.path),
            Kind::Manual | Kind::Plain => file.path.trim_start_matches("/usr/"),
        };
        members.push((format!("{folder}/{place}"), file.mode, file.content.as_slice()));
    }
    let bytes = of_members(members.iter().map(|(path, mode, bytes)| (path.as_str(), *mode, *bytes)))?;
    Ok((format!("{folder}.tar.gz"), bytes))
}

fn readme(parts: &Parts) -> String {
    let name = parts.product.name();
    let needs = match parts.elf.glibc {
        Some((major, minor)) => {
            format!("Linux on {} with glibc {major}.{minor} or newer", parts.elf.machine.name())
        }
        None => format!("Linux on {}", parts.elf.machine.name()),
    };
    format!(
        "{name} {}: {}\n\nIt needs {needs}, and systemd to run as a service.\n\n    sudo ./{name} install\n\ncopies \
         the program to /usr/local/bin and its configuration to /etc/fleetwright, and starts the service.\n\n    sudo \
         {name} uninstall [--purge]\n\nundoes it; with --purge what the service kept goes as well.\n",
        parts.version,
        parts.product.summary(),
    )
}

/// A compressed tarball of files under the paths that are given, each with the folders above it.
pub(super) fn of_files<'f>(files: impl Iterator<Item = (String, &'f File)>) -> Result<Vec<u8>> {
    let files: Vec<_> = files.collect();
    of_members(files.iter().map(|(path, file)| (path.as_str(), file.mode, file.content.as_slice())))
}

pub(super) fn of_members<'m>(members: impl Iterator<Item = (&'m str, u32, &'m [u8])>) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    let mut folders = BTreeSet::new();
    for (path, mode, bytes) in members {
        for (at, _) in path.match_indices('/') {
            let folder = &path[..=at];
            if folder != "./" && folders.insert(folder.to_owned()) {
                append(&mut archive, folder, tar::EntryType::Directory, 0o755, &[])?;
            }
        }
        append(&mut archive, path, tar::EntryType::Regular, mode, bytes)?;
    }
    let encoder = archive.into_inner().context("cannot write the archive")?;
    encoder.finish().context("cannot write the archive")
}

/// Everything belongs to root and bears no time, so that the same programs make the same package.
fn append(
    archive: &mut tar::Builder<impl Write>,
    path: &str,
    kind: tar::EntryType,
    mode: u32,
    bytes: &[u8],
) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(bytes.len() as u64);
    header.set_uid(0);
    header.set_gid(0);
    header.set_username("root").context("cannot write the archive")?;
    header.set_groupname("root").context("cannot write the archive")?;
    // `append_data` would tidy the leading `./` away, which dpkg wants to see.
    let name = header.as_gnu_mut().map(|gnu| &mut gnu.name).context("cannot write the archive")?;
    let place = name.get_mut(..path.len()).with_context(|| format!("the path {path} is too long"))?;
    place.copy_from_slice(path.as_bytes());
    header.set_cksum();
    archive.append(&header, bytes).with_context(|| format!("cannot add {path}"))
}

pub(super) fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).context("cannot compress")?;
    encoder.finish().context("cannot compress")
}
