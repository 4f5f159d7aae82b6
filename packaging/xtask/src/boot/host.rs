//! What this machine has for booting another system, and the bare system that is booted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::run;

const BARE: &str = "/var/tmp/fleetwright-boot-debian";
const INSIDE: &str = "systemd,systemd-sysv,dbus,ca-certificates,iproute2,procps,libfaketime";

/// What is not here, for people.
pub(super) fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root");
    }
    for (program, message) in [
        ("systemd-nspawn", "there is no systemd-nspawn (Debian: apt-get install systemd-container)"),
        ("debootstrap", "there is no debootstrap (Debian: apt-get install debootstrap)"),
        ("nsenter", "there is no nsenter"),
    ] {
        if !is_on_path(program) {
            return Some(message);
        }
    }
    None
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")]);
    folders.into_iter().any(|folder| folder.join(program).is_file())
}

/// A Debian with systemd and nothing of ours, made by the first who needs it.
pub(super) fn bare_system() -> Result<PathBuf> {
    let bare = PathBuf::from(BARE);
    if bare.is_dir() {
        return Ok(bare);
    }
    run::say("making a bare Debian for the tests (once, some minutes)");
    let unfinished = Path::new(BARE).with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).context("cannot remove what an earlier run left")?;
    }
    let mut command = Command::new("debootstrap");
    command.args(["--variant=minbase", &format!("--include={INSIDE}"), "bookworm"]).arg(&unfinished);
    let output = command.output().context("cannot run debootstrap")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        let tail: Vec<_> = said.lines().rev().take(5).collect();
        anyhow::bail!("debootstrap ended with {}: {}", output.status, tail.join(" / "));
    }
    fs::write(unfinished.join("etc/hosts"), "127.0.0.1 localhost\n").context("cannot write etc/hosts")?;
    fs::write(unfinished.join("etc/hostname"), "tested\n").context("cannot write etc/hostname")?;
    fs::rename(&unfinished, &bare).context("cannot keep the bare system")?;
    Ok(bare)
}
