//! What a package of one program consists of, in no format.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::elf::Elf;
use crate::run;

/// What is packaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Product {
    Agent,
    Controller,
}

/// A package's parts; each format takes what it knows of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) product: Product,
    pub(super) version: String,
    pub(super) revision: u32,
    pub(super) elf: Elf,
    pub(super) files: Vec<File>,
}

#[derive(Debug)]
pub(super) struct File {
    /// Absolute, where it is installed.
    pub(super) path: String,
    pub(super) mode: u32,
    pub(super) kind: Kind,
    pub(super) content: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Program,
    /// What people change; kept when the package is upgraded.
    Configuration,
    Manual,
    Plain,
}

impl Product {
    /// Of the package, the program, and the unit.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Agent => "fleetwright-agent",
            Self::Controller => "fleetwright",
        }
    }

    pub(super) fn summary(self) -> &'static str {
        match self {
            Self::Agent => "agent of a host that Fleetwright manages",
            Self::Controller => "controller and command line of Fleetwright",
        }
    }

    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Agent => {
                "A light service that keeps one connection to the controller of its fleet, runs the documents that \
                 operators send, and reports until the controller has every result."
            }
            Self::Controller => {
                "A self-hosted systems manager for fleets of Linux and Windows hosts: the controller as a service, \
                 and the operator's command line."
            }
        }
    }

    fn configuration(self) -> (&'static str, &'static str) {
        match self {
            Self::Agent => ("/etc/fleetwright/agent.toml", "agent/agent.toml"),
            Self::Controller => ("/etc/fleetwright/fleetwright.toml", "controller/fleetwright.toml"),
        }
    }
}

impl Parts {
    /// Reads the program and what belongs to it. The program writes its completions and manual pages itself.
    pub(super) fn of(product: Product, programs: &Path, revision: u32) -> Result<Self> {
        let name = product.name();
        let program = programs.join(name);
        let bytes = fs::read(&program)
            .with_context(|| format!("cannot read {}: build it first", program.display()))?;
        let elf = Elf::read(&bytes).with_context(|| program.display().to_string())?;
        let version = version(&program, name)?;
        let (configuration, source) = product.configuration();
        let mut files = vec![
            File::new(format!("/usr/bin/{name}"), 0o755, Kind::Program, bytes),
            File::from_root(configuration.to_owned(), Kind::Configuration, source)?,
            File::from_root(
                format!("/usr/lib/systemd/system/{name}.service"),
                Kind::Plain,
                &format!("packaging/linux/{name}.service"),
            )?,
            File::from_root(
                format!("/usr/lib/tmpfiles.d/{name}.conf"),
                Kind::Plain,
                &format!("packaging/linux/{name}.tmpfiles"),
            )?,
            File::from_root(format!("/usr/share/doc/{name}/LICENSE"), Kind::Plain, "LICENSE")?,
        ];
        if product == Product::Controller {
            files.push(File::from_root(
                format!("/usr/lib/sysusers.d/{name}.conf"),
                Kind::Plain,
                "packaging/linux/fleetwright.sysusers",
            )?);
        }
        files.extend(completions(&program, name)?);
        files.extend(manuals(&program)?);
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Self { product, version, revision, elf, files })
    }

    pub(super) fn installed_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.content.len() as u64).sum()
    }
}

impl File {
    pub(super) fn new(path: String, mode: u32, kind: Kind, content: Vec<u8>) -> Self {
        Self { path, mode, kind, content }
    }

    fn from_root(path: String, kind: Kind, source: &str) -> Result<Self> {
        let source = run::root().join(source);
        let content = fs::read(&source).with_context(|| format!("cannot read {}", source.display()))?;
        Ok(Self::new(path, 0o644, kind, content))
    }
}

fn version(program: &Path, name: &str) -> Result<String> {
    let told = told_by(program, &["--version"])?;
    let told = String::from_utf8_lossy(&told).trim().to_owned();
    told.strip_prefix(name)
        .map(|version| version.trim().to_owned())
        .with_context(|| format!("{} says `{told}` and not its version", program.display()))
}

fn completions(program: &Path, name: &str) -> Result<Vec<File>> {
    let places = [
        ("bash", format!("/usr/share/bash-completion/completions/{name}")),
        ("zsh", format!("/usr/share/zsh/vendor-completions/_{name}")),
        ("fish", format!("/usr/share/fish/vendor_completions.d/{name}.fish")),
    ];
    let write = |(shell, path): (&str, String)| {
        Ok(File::new(path, 0o644, Kind::Plain, told_by(program, &["completions", shell])?))
    };
    places.into_iter().map(write).collect()
}

/// One page for the program and one for each verb, compressed as manuals are kept.
fn manuals(program: &Path) -> Result<Vec<File>> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let place = folder.path().to_str().context("the temporary folder has an odd name")?;
    told_by(program, &["manual", place])?;
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder.path()).context("cannot read the manual pages")? {
        let entry = entry.context("cannot read the manual pages")?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let page = fs::read(entry.path()).with_context(|| format!("cannot read {name}"))?;
        let path = format!("/usr/share/man/man1/{name}.gz");
        pages.push(File::new(path, 0o644, Kind::Manual, super::tarball::gzip(&page)?));
    }
    if pages.is_empty() {
        bail!("{} wrote no manual page", program.display());
    }
    Ok(pages)
}

fn told_by(program: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} {} ended with {}: {said}", program.display(), arguments.join(" "), output.status);
    }
    Ok(output.stdout)
}
