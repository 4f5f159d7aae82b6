//! One booted system: boots again when it asks for a reboot, runs commands inside, and is gone with its value.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// What systemd-nspawn ends with when the system inside wants to be booted again.
const REBOOT: i32 = 133;
/// For whatever is waited for inside, if nothing else is said.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub(super) struct Machine {
    folder: Option<TempDir>,
    root: PathBuf,
    nspawn: Mutex<Option<Child>>,
}

impl Machine {
    pub(super) fn copy_of(bare: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("fleetwright-boot-")
            .tempdir_in("/var/tmp")
            .context("cannot make a folder in /var/tmp")?;
        let root = folder.path().join("root");
        let mut copy = Command::new("cp");
        copy.args(["--archive", "--reflink=auto"]).args([bare, &root]);
        let copied = copy.status().context("cannot run cp")?;
        if !copied.success() {
            bail!("the bare system cannot be copied");
        }
        Ok(Self { folder: Some(folder), root, nspawn: Mutex::new(None) })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The files stay when the value goes.
    pub(super) fn leave(mut self) {
        if let Some(folder) = self.folder.take() {
            let _kept = folder.keep();
        }
    }

    /// Returns when systemd inside has started everything.
    pub(super) fn boot(&self) -> Result<()> {
        let log = fs::File::create(self.root.with_extension("log")).context("cannot write a log")?;
        let mut command = Command::new("systemd-nspawn");
        command
            .args(["--quiet", "--boot", "--register=no", "--keep-unit", "--private-network"])
            .args(["--console=pipe", "--directory"])
            .arg(&self.root)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot write a log")?)
            .stderr(log);
        *self.nspawn() = Some(command.spawn().context("cannot start systemd-nspawn")?);
        self.until("the system is up", "systemctl is-system-running --wait | grep -E 'running|degraded'")?;
        Ok(())
    }

    /// Waits until the system inside has gone down for a reboot, and boots it again.
    pub(super) fn reboot_when_asked(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = match self.nspawn().as_mut() {
                Some(nspawn) => nspawn.try_wait().context("cannot wait for systemd-nspawn")?,
                None => bail!("the system does not run"),
            };
            match ended {
                Some(status) if status.code() == Some(REBOOT) => break,
                Some(status) => bail!("systemd-nspawn ended with {status:?} ({:?})", status.signal()),
                None if Instant::now() > deadline => bail!("the system was not asked to reboot"),
                None => pause(LOOK),
            }
        }
        self.boot()
    }

    /// As when somebody pulls the plug: nothing inside has the time for anything. Boots again.
    pub(super) fn cut_the_power(&self) -> Result<()> {
        let init = i32::try_from(self.init()?).ok().and_then(Pid::from_raw).context("an odd process id")?;
        // All that is inside ends with the process that is number one there.
        kill_process(init, Signal::KILL).context("cannot kill the system")?;
        if let Some(mut nspawn) = self.nspawn().take() {
            nspawn.wait().context("cannot wait for systemd-nspawn")?;
        }
        self.boot()
    }

    /// The root of the system that runs, with everything that is mounted in it, as a path of this system.
    pub(super) fn mounted_root(&self) -> Result<PathBuf> {
        Ok(PathBuf::from(format!("/proc/{}/root", self.init()?)))
    }

    /// Runs a script inside.
    pub(super) fn sh(&self, script: &str) -> Result<Output> {
        let init = self.init()?;
        let mut command = Command::new("nsenter");
        command
            .args([
                "--target",
                &init.to_string(),
                "--mount",
                "--uts",
                "--ipc",
                "--net",
                "--pid",
                "--root",
                "--wd",
            ])
            .args([
                "--",
                "/usr/bin/env",
                "-i",
                "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME=/root",
            ])
            .args(["TERM=dumb", "sh", "-c", script])
            .stdin(Stdio::null());
        command.output().context("cannot run nsenter")
    }

    /// What a script that has to succeed prints.
    pub(super) fn does(&self, script: &str) -> Result<String> {
        let output = self.sh(script)?;
        let (said, complained) = texts(&output);
        if !output.status.success() {
            bail!("inside, `{script}` ended with {}:\n{said}{complained}{}", output.status, self.logs());
        }
        Ok(said)
    }

    /// Repeats a script until it succeeds, and gives what it printed then.
    pub(super) fn until(&self, what: &str, script: &str) -> Result<String> {
        self.until_within(what, script, PATIENCE)
    }

    pub(super) fn until_within(&self, what: &str, script: &str, patience: Duration) -> Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            let last = match self.sh(script) {
                Ok(output) if output.status.success() => return Ok(texts(&output).0),
                Ok(output) => texts(&output),
                // It is not up yet.
                Err(error) => (String::new(), error.to_string()),
            };
            if Instant::now() > deadline {
                let seconds = patience.as_secs();
                bail!("not within {seconds} s: {what}; last seen:\n{}{}{}", last.0, last.1, self.logs());
            }
            pause(LOOK);
        }
    }

    /// For whoever has to find out why something did not happen.
    fn logs(&self) -> String {
        let journal = self.sh("journalctl --no-pager -n 40 -u 'fleetwright*'");
        journal.map(|output| format!("\nthe journal inside:\n{}", texts(&output).0)).unwrap_or_default()
    }

    /// The process that is number one inside.
    fn init(&self) -> Result<u32> {
        let guard = self.nspawn();
        let nspawn = guard.as_ref().context("the system does not run")?.id();
        let children = fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children"))
            .context("systemd-nspawn has ended")?;
        let init = children.split_whitespace().next().context("the system is not up yet")?;
        init.parse().context("an odd process id")
    }

    fn nspawn(&self) -> MutexGuard<'_, Option<Child>> {
        self.nspawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Machine {
    /// Asks systemd-nspawn to power the system off, and waits for that.
    fn drop(&mut self) {
        if let Some(mut nspawn) = self.nspawn().take() {
            if let Some(id) = i32::try_from(nspawn.id()).ok().and_then(Pid::from_raw) {
                // Gone already is as good.
                let _ = kill_process(id, Signal::TERM);
            }
            let _ = nspawn.wait();
        }
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Lets this thread rest; nothing ever wakes it sooner.
pub(crate) fn pause(span: Duration) {
    let (lock, never) = (Mutex::new(()), Condvar::new());
    let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
    let _rested = never.wait_timeout(guard, span);
}
