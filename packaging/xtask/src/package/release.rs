//! What is published at a controller so that agents can be brought to this build: a package document and its files.
//!
//! The manifest names every system and processor that a build was found for; the files are the programs themselves.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, json};
use sha2::{Digest, Sha256};

use super::contents::Product;
use super::elf::Elf;
use crate::run;

/// The manifest's file name, and the files that it names beside it.
pub(super) fn files(programs: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let name = Product::Agent.name();
    let (mut packages, mut described, mut files) = (Map::new(), Map::new(), Vec::new());
    let mut add = |platform: &str, machine: &str, file: String, bytes: Vec<u8>| {
        let sum = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        packages.insert(platform.to_owned(), json!({ "_any": { machine: { "file": file } } }));
        described.insert(file.clone(), json!({ "checksums": { "sha256": sum }, "size": bytes.len() }));
        files.push((file, bytes));
    };
    let linux = programs.join(name);
    if linux.is_file() {
        let bytes = read(&linux)?;
        let machine = Elf::read(&bytes).with_context(|| linux.display().to_string())?.machine.name();
        add("_any", machine, format!("{name}-linux-{machine}"), bytes);
    }
    let windows = programs.join(format!("{name}.exe"));
    if windows.is_file() {
        add("windows", "x86_64", format!("{name}-windows-x86_64.exe"), read(&windows)?);
    }
    if files.is_empty() {
        bail!("there is no {name} in {}: build it first", programs.display());
    }
    let manifest = json!({
        "schemaVersion": "2.0",
        "version": env!("CARGO_PKG_VERSION"),
        "packages": packages,
        "files": described,
    });
    let manifest = serde_json::to_vec_pretty(&manifest).context("cannot write the manifest")?;
    let names: Vec<_> = files.iter().map(|(file, _)| file.as_str()).collect();
    run::say(&format!(
        "publish it with: fleetwright document create FleetwrightAgent FleetwrightAgent.json --type Package{}",
        names.iter().map(|file| format!(" --attach {file}")).collect::<String>()
    ));
    files.push(("FleetwrightAgent.json".to_owned(), manifest));
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_describes_the_programs_that_were_found() {
        let folder = tempfile::tempdir().unwrap();
        let error = files(folder.path()).unwrap_err().to_string();
        assert!(error.contains("build it first"), "{error}");

        fs::write(folder.path().join("fleetwright-agent.exe"), b"MZ").unwrap();
        let made = files(folder.path()).unwrap();
        let (name, manifest) = made.last().unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
        assert_eq!(name, "FleetwrightAgent.json");
        let file = "fleetwright-agent-windows-x86_64.exe";
        assert_eq!(manifest["packages"]["windows"]["_any"]["x86_64"]["file"], file);
        assert_eq!(manifest["files"][file]["size"], 2);
        assert_eq!(made[0].0, file);
    }
}
