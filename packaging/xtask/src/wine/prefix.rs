//! A Windows of Wine's for one test: it is made for it, and everything that runs in it ends with it.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::boot::pause;

/// A prefix that is copied, because it takes a while to make one.
const TEMPLATE: &str = "FLEETWRIGHT_WINE_PREFIX";
/// For a program that is waited for.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);

/// Wine's two programs.
#[derive(Debug, Clone)]
pub(crate) struct Wine {
    loader: PathBuf,
    server: PathBuf,
}

/// Where this machine has them, if it does.
pub(super) fn wine() -> Option<Wine> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let find = |names: &[&str]| {
        let folders = [PathBuf::from("/usr/lib/wine")].into_iter().chain(std::env::split_paths(&path));
        let mut all = folders.flat_map(|folder| names.iter().map(move |name| folder.join(name)));
        all.find(|program| program.is_file())
    };
    Some(Wine { loader: find(&["wine64", "wine"])?, server: find(&["wineserver", "wineserver64"])? })
}

#[derive(Debug)]
pub(super) struct Prefix {
    wine: Wine,
    folder: TempDir,
    /// Wine ends its services with the last ordinary program: this one is there until the end.
    keeper: Option<Child>,
}

/// What a program left.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ended {
    /// For people, in one line.
    pub(super) fn summary(&self) -> String {
        let said = format!("{} {}", self.stdout, self.stderr);
        format!("{}: {}", self.status, said.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

impl Prefix {
    pub(super) fn make(wine: Wine) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("fleetwright-wine-").tempdir_in("/var/tmp")?;
        let mut prefix = Self { wine, folder, keeper: None };
        match std::env::var_os(TEMPLATE) {
            Some(template) => {
                let from = Path::new(&template).join(".");
                let mut copy = Command::new("cp");
                let copied = copy.arg("--archive").arg(from).arg(prefix.folder.path()).status()?;
                if !copied.success() {
                    bail!("the prefix {} cannot be copied", Path::new(&template).display());
                }
            }
            None => drop(prefix.run(Path::new("wineboot"), &["-i"])?),
        }
        let mut keeper = prefix.command(Path::new("cmd"));
        keeper.args(["/c", "set /p x="]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        prefix.keeper = Some(keeper.spawn().context("cannot start Wine")?);
        Ok(prefix)
    }

    /// Drive C as this system sees it.
    pub(super) fn drive(&self) -> PathBuf {
        self.folder.path().join("drive_c")
    }

    /// Runs a program to its end: by a path of this system, by one of Windows, or by a name that Windows finds.
    pub(super) fn run(&self, program: &Path, arguments: &[&str]) -> Result<Ended> {
        let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let mut command = self.command(program);
        command.args(arguments).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(err.try_clone()?);
        let mut child = command.spawn().context("cannot start Wine")?;
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                child.kill()?;
                let _ = child.wait();
                bail!("{} {} did not end", program.display(), arguments.join(" "));
            }
            pause(LOOK);
        };
        Ok(Ended { status, stdout: text(&mut out)?, stderr: text(&mut err)? })
    }

    /// What a program that has to succeed prints.
    pub(super) fn does(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let ended = self.run(Path::new(program), arguments)?;
        if !ended.status.success() {
            bail!("under Wine, {program} {} ended with {}", arguments.join(" "), ended.summary());
        }
        Ok(ended.stdout)
    }

    /// How many programs of this name run in this prefix, whatever path they were called by.
    pub(super) fn count(&self, program: &str) -> usize {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ours = format!("WINEPREFIX={}", self.folder.path().display());
        let is_one = |process: &Path| {
            let command = fs::read(process.join("cmdline")).unwrap_or_default();
            let environment = fs::read(process.join("environ")).unwrap_or_default();
            let first =
                String::from_utf8_lossy(&command).split('\0').next().unwrap_or_default().to_lowercase();
            let name = first.rsplit(['/', '\\']).next().unwrap_or_default().trim_end_matches(".exe");
            name == program && environment.split(|byte| *byte == 0).any(|one| one == ours.as_bytes())
        };
        entries.filter(|entry| is_one(&entry.path())).count()
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.wine.loader);
        command
            .arg(program)
            .env("WINEPREFIX", self.folder.path())
            .env("WINEARCH", "win64")
            .env("WINELOADER", &self.wine.loader)
            .env("WINESERVER", &self.wine.server)
            .env("WINEDEBUG", "-all")
            .env("WINEDLLOVERRIDES", "mscoree=;mshtml=;winemenubuilder.exe=d;winedbg.exe=d")
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY");
        command
    }
}

impl Drop for Prefix {
    /// Ends every program of this prefix, and of this one alone.
    fn drop(&mut self) {
        for argument in ["-k", "-w"] {
            let mut command = Command::new(&self.wine.server);
            command.arg(argument).env("WINEPREFIX", self.folder.path()).stderr(Stdio::null());
            // What does not run any more is as good.
            let _ = command.status();
        }
        if let Some(mut keeper) = self.keeper.take() {
            let _ = keeper.kill();
            let _ = keeper.wait();
        }
    }
}

fn text(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
}
