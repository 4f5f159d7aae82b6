//! Running programs from the root of the workspace, saying which.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A release program of this workspace.
pub(crate) fn release(name: &str) -> PathBuf {
    target().join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Runs cargo; fails when it does.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    program(Path::new(&cargo), &arguments)
}

/// Runs a program; fails when it does.
pub(crate) fn program(program: &Path, arguments: &[String]) -> Result<()> {
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    say(&format!("$ {name} {}", arguments.join(" ")));
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    Ok(())
}

/// One line for whoever watches.
pub(crate) fn say(line: &str) {
    // Whoever closed standard error does not want to hear it.
    drop(writeln!(std::io::stderr(), "{line}"));
}
