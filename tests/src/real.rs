//! A host whose scripts are real processes of this machine. All is the machine's own but its name and its boots: a
//! reboot is only asked for, and a test fulfils it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fleetwright_platform::{
    Folders, HostError, Interpreter, InterpreterCommand, Item, Platform, ProcessIdentity, ProcessSpec,
    SharedPlatform, SignalError, Source, SpawnError, Spawned, Unsupported,
};
use fleetwright_proto::agent::HostFacts;

/// Clones are of one host.
#[derive(Debug, Clone)]
pub struct RealPlatform {
    machine: SharedPlatform,
    number: u32,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    boots: u32,
    reboots_requested: u32,
    /// By marker, how often a process was started.
    runs: BTreeMap<String, u32>,
}

impl RealPlatform {
    #[must_use]
    pub fn numbered(number: u32) -> Self {
        Self { machine: fleetwright_platform::host(), number, seen: Arc::default() }
    }

    #[must_use]
    pub fn reboots_requested(&self) -> u32 {
        self.seen().reboots_requested
    }

    /// The next boot begins. Whatever ran is the caller's to have ended.
    pub fn reboot_host(&self) {
        self.seen().boots += 1;
    }

    #[must_use]
    pub fn runs(&self) -> BTreeMap<String, u32> {
        self.seen().runs.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Platform for RealPlatform {
    fn facts(&self, agent_version: &str) -> HostFacts {
        HostFacts { computer_name: format!("host-{:05}", self.number), ..self.machine.facts(agent_version) }
    }

    fn boot_id(&self) -> Result<String, HostError> {
        Ok(format!("host-{:05}-boot-{}", self.number, self.seen().boots))
    }

    fn folders(&self) -> Folders {
        self.machine.folders()
    }

    fn reboot_exit_code(&self) -> i32 {
        self.machine.reboot_exit_code()
    }

    fn interpreter_command(
        &self,
        interpreter: Interpreter,
        script: &Path,
    ) -> Result<InterpreterCommand, Unsupported> {
        self.machine.interpreter_command(interpreter, script)
    }

    fn find_program(&self, name: &str) -> Option<PathBuf> {
        self.machine.find_program(name)
    }

    fn spawn(&self, spec: &ProcessSpec) -> Result<Spawned, SpawnError> {
        *self.seen().runs.entry(spec.marker.value.clone()).or_default() += 1;
        self.machine.spawn(spec)
    }

    fn kill_leftover(&self, identity: &ProcessIdentity) -> Result<usize, SignalError> {
        self.machine.kill_leftover(identity)
    }

    fn reboot(&self) -> Result<(), HostError> {
        self.seen().reboots_requested += 1;
        Ok(())
    }

    fn free_bytes(&self, path: &Path) -> Result<u64, HostError> {
        self.machine.free_bytes(path)
    }

    fn sync_folder(&self, folder: &Path) -> Result<(), HostError> {
        self.machine.sync_folder(folder)
    }

    fn ensure_private_folder(&self, folder: &Path) -> Result<(), HostError> {
        self.machine.ensure_private_folder(folder)
    }

    fn create_private_file(&self, path: &Path) -> Result<File, HostError> {
        self.machine.create_private_file(path)
    }

    fn create_script_file(&self, path: &Path) -> Result<File, HostError> {
        self.machine.create_script_file(path)
    }

    fn gather(&self, source: &Source) -> Result<Vec<Item>, HostError> {
        self.machine.gather(source)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> Result<(), HostError> {
        self.machine.set_mode(path, mode)
    }
}
