//! Packages of the two programs, made from what is built and from the files in `packaging/`.
//!
//! ```text
//! programs ─┐
//! units     ├─► Parts ─► deb, rpm, tarball
//! man pages ┘
//! ```
//!
//! No tool of a distribution is needed: the formats are written by libraries, so that a package can be made wherever
//! the programs can. What a package contains is decided in `contents` and is the same in each format, except for what
//! the format's own tools expect elsewhere.

mod contents;
mod deb;
mod elf;
mod release;
mod rpm;
mod tarball;
mod windows;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::run;
use contents::{Parts, Product};

/// Make packages below target/packages
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  cargo xtask package deb\n  cargo xtask package rpm --profile release\n  cargo xtask package deb --programs target/debug --revision 2\n  cargo xtask package zip --programs target/x86_64-pc-windows-gnu/release"
)]
pub(crate) struct PackageArguments {
    /// What to make: deb, rpm and tar of both programs; zip and msi (with wixl) of the agent for Windows; release of
    /// the agent, to be published at a controller for `aws:updateAgent`
    #[arg(value_enum, required = true)]
    formats: Vec<Format>,
    /// Cargo profile that the programs are built with
    #[arg(long, default_value = "dist", conflicts_with = "programs")]
    profile: String,
    /// Take the programs from this folder instead of building them
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Counts packages of one version
    #[arg(long, value_name = "N", default_value_t = 1)]
    revision: u32,
    /// Where the packages go [default: target/packages]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Deb,
    Rpm,
    Tar,
    Zip,
    Msi,
    Release,
}

pub(crate) fn perform(arguments: &PackageArguments) -> Result<()> {
    let programs = programs(arguments)?;
    let out = arguments.out.clone().unwrap_or_else(|| run::target().join("packages"));
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    for format in &arguments.formats {
        for (name, bytes) in made(*format, &programs, arguments.revision)? {
            let path = out.join(name);
            fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
            run::say(&format!("made {}", path.display()));
        }
    }
    Ok(())
}

/// Packages of both programs, in one format.
#[derive(Debug, Clone)]
pub(crate) struct Both {
    pub(crate) controller: PathBuf,
    pub(crate) agent: PathBuf,
}

impl Both {
    pub(crate) fn named(&self) -> [(&'static str, &Path); 2] {
        [("controller", &self.controller), ("agent", &self.agent)]
    }
}

/// The ones in a folder with this ending that were made last.
pub(crate) fn newest(folder: &Path, ending: &str) -> Result<Option<Both>> {
    let newest = |product: Product| -> Result<Option<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let version = name.strip_prefix(product.name()).and_then(|rest| rest.strip_prefix(['-', '_']));
            let is_its_own = version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()));
            if is_its_own && name.ends_with(ending) {
                let changed = entry.metadata().and_then(|metadata| metadata.modified());
                found.push((changed.context("cannot read when a package was made")?, entry.path()));
            }
        }
        Ok(found.into_iter().max().map(|(_, path)| path))
    };
    let (controller, agent) = (newest(Product::Controller)?, newest(Product::Agent)?);
    Ok(controller.zip(agent).map(|(controller, agent)| Both { controller, agent }))
}

/// The zip of the agent for Windows, with its file name, from a folder with the program.
pub(crate) fn windows_zip(programs: &Path) -> Result<(String, Vec<u8>)> {
    windows::zip(programs)
}

/// The package for Windows Installer, likewise. None where there is no tool for it.
pub(crate) fn windows_msi(programs: &Path) -> Result<Option<(String, Vec<u8>)>> {
    if windows::has_wixl() { windows::msi(programs).map(Some) } else { Ok(None) }
}

/// A Debian package as its next revision.
pub(crate) fn next_revision(package: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(package).with_context(|| format!("cannot read {}", package.display()))?;
    deb::next_revision(&bytes).with_context(|| package.display().to_string())
}

/// The packages of a format, by file name.
fn made(format: Format, programs: &Path, revision: u32) -> Result<Vec<(String, Vec<u8>)>> {
    if format == Format::Zip {
        return Ok(vec![windows::zip(programs)?]);
    }
    if format == Format::Msi {
        return Ok(vec![windows::msi(programs)?]);
    }
    if format == Format::Release {
        return release::files(programs);
    }
    let mut packages = Vec::new();
    for product in [Product::Agent, Product::Controller] {
        let parts = Parts::of(product, programs, revision)?;
        packages.push(match format {
            Format::Deb => deb::package(&parts)?,
            Format::Rpm => rpm::package(&parts)?,
            Format::Tar => tarball::package(&parts)?,
            Format::Zip | Format::Msi | Format::Release => bail!("is made above"),
        });
    }
    Ok(packages)
}

/// The folder with the programs, which are built first unless there is one.
fn programs(arguments: &PackageArguments) -> Result<PathBuf> {
    if let Some(folder) = &arguments.programs {
        return Ok(folder.clone());
    }
    let profile = arguments.profile.as_str();
    if arguments.formats.iter().any(|format| matches!(format, Format::Zip | Format::Msi)) {
        bail!("name the folder with the agent that was built for Windows: --programs DIR");
    }
    run::say(&format!("building the programs with the profile `{profile}`"));
    run::cargo(&[
        "build",
        "--profile",
        profile,
        "--package",
        "fleetwright-controller",
        "--package",
        "fleetwright-agent",
        "--bins",
    ])?;
    // Cargo keeps the folder of its oldest profile under another name.
    Ok(run::target().join(if profile == "dev" { "debug" } else { profile }))
}
