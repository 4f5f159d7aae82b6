//! Running programs from the root of the workspace, saying which.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

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

/// A program of this workspace as tests build it.
pub(crate) fn debug(name: &str) -> PathBuf {
    target().join("debug").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Runs cargo; fails when it does.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    program(Path::new(&cargo), &arguments)
}

/// A program that runs while something else is done. It ends with this value.
#[derive(Debug)]
pub(crate) struct Beside {
    name: String,
    child: Child,
}

/// Starts cargo, which goes on by itself.
pub(crate) fn cargo_beside(arguments: &[&str]) -> Result<Beside> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    say(&format!("$ cargo {} &", arguments.join(" ")));
    let child = Command::new(cargo).args(arguments).current_dir(root()).spawn();
    Ok(Beside { name: "cargo".to_owned(), child: child.context("cannot start cargo")? })
}

impl Beside {
    /// Waits until it has ended; fails when it did.
    pub(crate) fn wait(mut self) -> Result<()> {
        let status = self.child.wait().with_context(|| format!("cannot wait for {}", self.name))?;
        if !status.success() {
            bail!("{} ended with {status}", self.name);
        }
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // One that has ended is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program; fails when it does.
pub(crate) fn program(program: &Path, arguments: &[String]) -> Result<()> {
    program_with(program, arguments, &[])
}

/// Runs a program that finds others in these folders first; fails when it does.
pub(crate) fn program_with(program: &Path, arguments: &[String], folders: &[&Path]) -> Result<()> {
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    say(&format!("$ {name} {}", arguments.join(" ")));
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .env("PATH", path_with(folders)?)
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    Ok(())
}

fn path_with(folders: &[&Path]) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = folders.iter().map(|folder| (*folder).to_owned());
    std::env::join_paths(folders.chain(std::env::split_paths(&path))).context("PATH cannot be extended")
}

/// One line for whoever watches.
pub(crate) fn say(line: &str) {
    // Whoever closed standard error does not want to hear it.
    drop(writeln!(std::io::stderr(), "{line}"));
}
