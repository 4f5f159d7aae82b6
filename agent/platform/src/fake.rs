//! A host that exists in memory: for tests of a whole fleet in one process, and for the load simulator.
//!
//! It behaves like a host and starts no process: scripts are in a small language of their own (see [`script`]), the
//! disk can be full, the host can reboot. Its facts follow from its number. What it costs is one entry for each
//! process that runs. Files are real, since an agent's folders are.

mod child;
mod inventory;
mod script;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fleetwright_proto::agent::HostFacts;
use fleetwright_proto::clock::SharedClock;

use crate::{
    Folders, HostError, Interpreter, InterpreterCommand, Item, Platform, ProcessIdentity, ProcessSpec,
    SignalError, Source, SpawnError, Spawned, Unsupported,
};
use child::Running;

/// One host. Clones are the same host, so a test keeps one and gives one to the agent.
#[derive(Debug, Clone)]
pub struct FakePlatform {
    host: Arc<Host>,
}

#[derive(Debug)]
struct Host {
    number: u32,
    clock: SharedClock,
    state: Mutex<HostState>,
}

#[derive(Debug, Default)]
struct HostState {
    boots: u32,
    reboots_requested: u32,
    disk: Disk,
    last_pid: u32,
    running: BTreeMap<u32, Arc<Running>>,
    /// How often a process with a marker of this value was let go.
    runs: BTreeMap<String, u32>,
    packages: inventory::Packages,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Disk {
    #[default]
    Roomy,
    Full,
}

impl FakePlatform {
    #[must_use]
    pub fn numbered(number: u32, clock: SharedClock) -> Self {
        Self { host: Arc::new(Host { number, clock, state: Mutex::default() }) }
    }

    /// From now on nothing can be written.
    pub fn fill_disk(&self) {
        self.host.lock().disk = Disk::Full;
    }

    pub fn free_disk(&self) {
        self.host.lock().disk = Disk::Roomy;
    }

    /// What pulling the plug does: every process is gone, and the next boot is another one.
    pub fn reboot_host(&self) {
        let running = {
            let mut state = self.host.lock();
            state.boots += 1;
            std::mem::take(&mut state.running)
        };
        for process in running.values() {
            process.kill();
        }
    }

    /// How often the agent asked for a reboot. The test decides when it comes.
    #[must_use]
    pub fn reboots_requested(&self) -> u32 {
        self.host.lock().reboots_requested
    }

    /// How often each step's script was let go, by the value of its marker.
    #[must_use]
    pub fn runs(&self) -> BTreeMap<String, u32> {
        self.host.lock().runs.clone()
    }

    /// From now on so many packages are installed.
    pub fn install_packages(&self, count: u32) {
        self.host.lock().packages.count = count;
    }

    /// The next version of a package, by its number.
    pub fn upgrade_package(&self, number: u32) {
        *self.host.lock().packages.upgrades.entry(number).or_default() += 1;
    }

    /// How many processes there are now.
    #[must_use]
    pub fn processes(&self) -> usize {
        self.host.lock().running.len()
    }

    fn write(
        &self,
        doing: impl FnOnce() -> String,
        write: impl FnOnce() -> io::Result<File>,
    ) -> Result<File, HostError> {
        let full = self.host.lock().disk == Disk::Full;
        let written = if full { Err(io::ErrorKind::StorageFull.into()) } else { write() };
        written.map_err(HostError::io(doing))
    }
}

impl Host {
    fn lock(&self) -> MutexGuard<'_, HostState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn boot_id(&self) -> String {
        format!("host-{:05}-boot-{}", self.number, self.lock().boots)
    }
}

impl Platform for FakePlatform {
    fn facts(&self, agent_version: &str) -> HostFacts {
        let [_, high, middle, low] = self.host.number.to_be_bytes();
        HostFacts {
            agent_version: agent_version.to_owned(),
            computer_name: format!("host-{:05}", self.host.number),
            ip_address: format!("10.{high}.{middle}.{low}"),
            platform_type: "Linux".to_owned(),
            platform_name: "Fake Linux".to_owned(),
            platform_version: "1".to_owned(),
            kernel_version: "6.0.0-fake".to_owned(),
            architecture: "x86_64".to_owned(),
            cpus: 2,
            memory_bytes: 4 << 30,
        }
    }

    fn boot_id(&self) -> Result<String, HostError> {
        Ok(self.host.boot_id())
    }

    fn folders(&self) -> Folders {
        Folders { state: "/fake/state".into(), logs: "/fake/logs".into(), config: "/fake/config".into() }
    }

    fn reboot_exit_code(&self) -> i32 {
        194
    }

    fn interpreter_command(
        &self,
        interpreter: Interpreter,
        script: &Path,
    ) -> Result<InterpreterCommand, Unsupported> {
        match interpreter {
            Interpreter::Shell => Ok(InterpreterCommand {
                program: "/fake/sh".into(),
                arguments: vec![script.into()],
                ..Default::default()
            }),
            Interpreter::PowerShell => {
                Err(Unsupported { capability: "running a PowerShell script", os: "a fake host" })
            }
            Interpreter::Cmd => {
                Err(Unsupported { capability: "running a script for the command prompt", os: "a fake host" })
            }
        }
    }

    /// Scripts are all that a fake host can run.
    fn find_program(&self, _name: &str) -> Option<PathBuf> {
        None
    }

    fn spawn(&self, spec: &ProcessSpec) -> Result<Spawned, SpawnError> {
        child::spawn(&self.host, spec)
    }

    fn kill_leftover(&self, identity: &ProcessIdentity) -> Result<usize, SignalError> {
        let mut state = self.host.lock();
        let same = state.running.get(&identity.pid).is_some_and(|process| process.identity() == identity);
        let leftover = if same { state.running.remove(&identity.pid) } else { None };
        if let Some(process) = &leftover {
            process.kill();
        }
        Ok(usize::from(leftover.is_some()))
    }

    fn reboot(&self) -> Result<(), HostError> {
        self.host.lock().reboots_requested += 1;
        Ok(())
    }

    fn free_bytes(&self, _path: &Path) -> Result<u64, HostError> {
        Ok(match self.host.lock().disk {
            Disk::Roomy => 1 << 40,
            Disk::Full => 0,
        })
    }

    /// There is no power to be lost.
    fn sync_folder(&self, _folder: &Path) -> Result<(), HostError> {
        Ok(())
    }

    fn ensure_private_folder(&self, folder: &Path) -> Result<(), HostError> {
        if folder.is_dir() {
            return Ok(());
        }
        let doing = || format!("create private folder `{}`", folder.display());
        if self.host.lock().disk == Disk::Full {
            return Err(HostError::Io { doing: doing(), source: io::ErrorKind::StorageFull.into() });
        }
        fs::create_dir_all(folder).map_err(HostError::io(doing))
    }

    fn create_private_file(&self, path: &Path) -> Result<File, HostError> {
        self.write(|| format!("create `{}`", path.display()), || File::create_new(path))
    }

    fn create_script_file(&self, path: &Path) -> Result<File, HostError> {
        self.create_private_file(path)
    }

    fn gather(&self, source: &Source) -> Result<Vec<Item>, HostError> {
        let state = self.host.lock();
        inventory::gather(source, self.host.number, &state.packages)
    }
}

#[cfg(test)]
mod tests;
