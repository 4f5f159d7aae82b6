//! The agent for Windows: a zip with the program, its configuration, and two command files that install and remove it;
//! and a package for Windows Installer, where msitools are installed.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::run;

const PROGRAM: &str = "fleetwright-agent.exe";

/// Its file name and its bytes.
pub(super) fn zip(programs: &Path) -> Result<(String, Vec<u8>)> {
    let program = programs.join(PROGRAM);
    let bytes =
        fs::read(&program).with_context(|| format!("cannot read {}: build it first", program.display()))?;
    if !bytes.starts_with(b"MZ") {
        bail!("{} is no Windows program", program.display());
    }
    let folder = format!("fleetwright-agent-{}-windows-x86_64", env!("CARGO_PKG_VERSION"));
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let mut add = |name: &str, bytes: &[u8]| {
        archive
            .start_file(format!("{folder}/{name}"), options)
            .map_err(anyhow::Error::from)
            .and_then(|()| Ok(archive.write_all(bytes)?))
            .with_context(|| format!("cannot add {name}"))
    };
    add(PROGRAM, &bytes)?;
    for (name, source) in [
        ("agent.toml", "agent/agent.toml"),
        ("install.cmd", "packaging/windows/install.cmd"),
        ("uninstall.cmd", "packaging/windows/uninstall.cmd"),
        ("LICENSE.txt", "LICENSE"),
    ] {
        let source = run::root().join(source);
        let text =
            fs::read_to_string(&source).with_context(|| format!("cannot read {}", source.display()))?;
        add(name, text.replace('\n', "\r\n").as_bytes())?;
    }
    let bytes = archive.finish().context("cannot write the zip")?.into_inner();
    Ok((format!("{folder}.zip"), bytes))
}

/// Whether the tool for [`msi`] is on this machine.
pub(super) fn has_wixl() -> bool {
    Command::new("wixl").arg("--version").output().is_ok()
}

/// Its file name and its bytes.
pub(super) fn msi(programs: &Path) -> Result<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    // The tool looks for files by their names in its own folder.
    for (name, source) in [
        (PROGRAM, programs.join(PROGRAM)),
        ("LICENSE.txt", run::root().join("LICENSE")),
        ("agent.wxs", run::root().join("packaging/windows/agent.wxs")),
    ] {
        fs::copy(&source, folder.path().join(name))
            .with_context(|| format!("cannot read {}", source.display()))?;
    }
    let made = folder.path().join("agent.msi");
    let mut command = Command::new("wixl");
    command.args(["--arch", "x64", "-D", concat!("Version=", env!("CARGO_PKG_VERSION"))]);
    command.args(["--output", "agent.msi", "agent.wxs"]).current_dir(folder.path());
    let output = command.output().context("cannot run wixl (Debian: apt-get install wixl)")?;
    if !output.status.success() {
        bail!("wixl ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    let bytes = fs::read(&made).context("wixl made nothing")?;
    Ok((format!("fleetwright-agent-{}-windows-x86_64.msi", env!("CARGO_PKG_VERSION")), bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_zip_holds_the_program_and_what_installs_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(PROGRAM), b"MZ program").unwrap();
        let (name, bytes) = zip(folder.path()).unwrap();
        assert!(name.ends_with("-windows-x86_64.zip"), "{name}");
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let inside = name.trim_end_matches(".zip");
        let mut text = String::new();
        let mut installer = archive.by_name(&format!("{inside}/install.cmd")).unwrap();
        installer.read_to_string(&mut text).unwrap();
        assert!(text.contains("fleetwright-agent.exe\" install") && text.contains("\r\n"), "{text}");

        fs::write(folder.path().join(PROGRAM), b"#!/bin/sh").unwrap();
        assert!(zip(folder.path()).unwrap_err().to_string().contains("no Windows program"));
    }
}
