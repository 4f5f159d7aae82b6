//! The Windows side, checked from Linux.
//!
//! A toolchain with the target `x86_64-pc-windows-gnu` is needed: cargo's own after `rustup target add`, or another
//! one whose cargo `FLEETWRIGHT_WINDOWS_CARGO` names (a program that takes cargo's arguments and knows the target).

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::run;

const TARGET: &str = "x86_64-pc-windows-gnu";
/// What runs on Windows hosts.
const PACKAGES: [&str; 2] = ["fleetwright-platform", "fleetwright-agent"];

enum Toolchain {
    /// Its cargo knows the target by itself.
    Named(PathBuf),
    /// The target was added to the toolchain in use.
    Added,
}

/// Checks, or fails when there is no toolchain for it.
pub(crate) fn check() -> Result<()> {
    match toolchain() {
        Some(toolchain) => check_with(&toolchain),
        None => bail!("no Windows toolchain: rustup target add {TARGET}, or set FLEETWRIGHT_WINDOWS_CARGO"),
    }
}

/// Checks where there is a toolchain, and says so where there is none.
pub(crate) fn check_where_possible() -> Result<()> {
    match toolchain() {
        Some(toolchain) => check_with(&toolchain),
        None => {
            run::say("the Windows side was NOT checked: no Windows toolchain on this machine");
            Ok(())
        }
    }
}

fn check_with(toolchain: &Toolchain) -> Result<()> {
    let packages = PACKAGES.iter().flat_map(|package| ["--package", package]);
    match toolchain {
        Toolchain::Named(cargo) => {
            let arguments: Vec<_> = ["check"].into_iter().chain(packages).map(str::to_owned).collect();
            run::program(cargo, &arguments)
        }
        Toolchain::Added => {
            let arguments: Vec<_> = ["check", "--target", TARGET].into_iter().chain(packages).collect();
            run::cargo(&arguments)
        }
    }
}

fn toolchain() -> Option<Toolchain> {
    if let Some(cargo) = std::env::var_os("FLEETWRIGHT_WINDOWS_CARGO") {
        return Some(Toolchain::Named(cargo.into()));
    }
    let listed = Command::new("rustup").args(["target", "list", "--installed"]).output().ok()?;
    let added = String::from_utf8_lossy(&listed.stdout).lines().any(|line| line.trim() == TARGET);
    added.then_some(Toolchain::Added)
}
