//! Windows: job objects, the registry, and the tools that every Windows has.
//!
//! There is no polite way to end a process without a console: [`crate::Process::terminate`] is unsupported here.

mod child;
mod inventory;
pub(crate) mod memory;
pub(crate) mod service;
mod system;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use fleetwright_proto::agent::HostFacts;
use sysinfo::System;
use windows_registry::LOCAL_MACHINE;
use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_BACKUP_SEMANTICS;

use crate::facts::{self, Names};
use crate::{
    Folders, HostError, Interpreter, InterpreterCommand, Item, Platform, ProcessIdentity, ProcessSpec,
    SignalError, Source, SpawnError, Spawned, Unsupported,
};

pub(crate) const OS: &str = "Windows";

/// A key that Windows forgets when it shuts down.
const BOOT_KEY: &str = r"SOFTWARE\FleetwrightAgentBoot";
const BOOT_VALUE: &str = "Id";
/// SYSTEM, Administrators, and whoever owns the folder, by the names that are the same in every language.
const TRUSTED: [&str; 3] = ["*S-1-5-18", "*S-1-5-32-544", "*S-1-3-4"];

#[derive(Debug, Default)]
pub(crate) struct Windows {
    /// Folders that were made private; what is made in them inherits that.
    private: Mutex<Vec<PathBuf>>,
}

impl Platform for Windows {
    fn facts(&self, agent_version: &str) -> HostFacts {
        let build = System::kernel_version().unwrap_or_default();
        let name = System::long_os_version().unwrap_or_default();
        let names = Names {
            platform_type: OS,
            // Some releases have the maker in their name already.
            platform_name: if name.starts_with("Windows") { format!("Microsoft {name}") } else { name },
            platform_version: if build.contains('.') { build } else { format!("10.0.{build}") },
        };
        facts::collect(names, agent_version)
    }

    /// The moment of boot that Windows tells moves with its clock, so the first caller after a boot leaves a note
    /// that does not outlive it.
    fn boot_id(&self) -> Result<String, HostError> {
        let doing = || format!(r"keep the boot id in HKEY_LOCAL_MACHINE\{BOOT_KEY}");
        let read_or_write = || {
            let key = LOCAL_MACHINE.options().read().write().create().volatile().open(BOOT_KEY)?;
            if let Ok(id) = key.get_string(BOOT_VALUE) {
                return Ok(id);
            }
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let id = format!("{}-{}", now.as_nanos(), std::process::id());
            key.set_string(BOOT_VALUE, &id)?;
            io::Result::Ok(id)
        };
        read_or_write().map_err(HostError::io(doing))
    }

    fn folders(&self) -> Folders {
        let data =
            std::env::var_os("ProgramData").map_or_else(|| PathBuf::from(r"C:\ProgramData"), PathBuf::from);
        let agent = data.join("Fleetwright").join("Agent");
        Folders { state: agent.join("State"), logs: agent.join("Logs"), config: agent }
    }

    fn reboot_exit_code(&self) -> i32 {
        3010
    }

    fn interpreter_command(
        &self,
        interpreter: Interpreter,
        script: &Path,
    ) -> Result<InterpreterCommand, Unsupported> {
        let program = system_tool(r"WindowsPowerShell\v1.0\powershell.exe");
        match interpreter {
            Interpreter::Shell => Err(Unsupported { capability: "running a shell script", os: OS }),
            Interpreter::PowerShell if !program.is_file() => Err(Unsupported {
                capability: "running a PowerShell script without Windows PowerShell",
                os: OS,
            }),
            Interpreter::PowerShell => {
                let options = [
                    "-InputFormat",
                    "None",
                    "-Noninteractive",
                    "-NoProfile",
                    "-ExecutionPolicy",
                    "unrestricted",
                    "-f",
                ];
                let mut arguments: Vec<_> = options.into_iter().map(Into::into).collect();
                arguments.push(script.into());
                Ok(InterpreterCommand { program, arguments, ..Default::default() })
            }
        }
    }

    fn spawn(&self, spec: &ProcessSpec) -> Result<Spawned, SpawnError> {
        let boot_id = self.boot_id().map_err(|error| SpawnError::Program {
            program: spec.program.clone(),
            source: io::Error::other(error),
        })?;
        child::spawn(spec, boot_id)
    }

    fn kill_leftover(&self, identity: &ProcessIdentity) -> Result<usize, SignalError> {
        match self.boot_id() {
            Ok(boot_id) if boot_id == identity.boot_id => child::kill_leftover(identity),
            // Nothing outlives a boot, and its process ids mean others now.
            Ok(_) => Ok(0),
            Err(error) => Err(SignalError::Io { pid: identity.pid, source: io::Error::other(error) }),
        }
    }

    fn reboot(&self) -> Result<(), HostError> {
        run_tool("shutdown.exe", &["/r", "/t", "0", "/d", "p:4:1"])
    }

    fn free_bytes(&self, path: &Path) -> Result<u64, HostError> {
        let doing = || format!("ask for the free space at `{}`", path.display());
        system::free_bytes(path).map_err(HostError::io(doing))
    }

    fn sync_folder(&self, folder: &Path) -> Result<(), HostError> {
        let doing = || format!("sync folder `{}`", folder.display());
        let open = OpenOptions::new().write(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(folder);
        open.and_then(|folder| folder.sync_all()).map_err(HostError::io(doing))
    }

    fn ensure_private_folder(&self, folder: &Path) -> Result<(), HostError> {
        let doing = || format!("create private folder `{}`", folder.display());
        fs::create_dir_all(folder).map_err(HostError::io(doing))?;
        let mut private = self.private.lock().unwrap_or_else(PoisonError::into_inner);
        if private.iter().any(|parent| folder.starts_with(parent)) {
            return Ok(());
        }
        let path = folder.to_string_lossy();
        let grants: Vec<String> = TRUSTED.iter().map(|account| format!("{account}:(OI)(CI)F")).collect();
        let mut arguments = vec![path.as_ref(), "/inheritance:r"];
        for grant in &grants {
            arguments.extend(["/grant:r", grant]);
        }
        run_tool("icacls.exe", &arguments)?;
        private.push(folder.to_owned());
        Ok(())
    }

    /// Private by what it inherits from its folder.
    fn create_private_file(&self, path: &Path) -> Result<File, HostError> {
        File::create_new(path).map_err(HostError::io(|| format!("create `{}`", path.display())))
    }

    fn create_script_file(&self, path: &Path) -> Result<File, HostError> {
        self.create_private_file(path)
    }

    fn gather(&self, source: &Source) -> Result<Vec<Item>, HostError> {
        inventory::gather(source)
    }
}

/// A program below `System32`, by its full path: what stands in the search path is not asked.
fn system_tool(name: &str) -> PathBuf {
    let root = std::env::var_os("SystemRoot").map_or_else(|| PathBuf::from(r"C:\Windows"), PathBuf::from);
    root.join("System32").join(name)
}

fn run_tool(name: &str, arguments: &[&str]) -> Result<(), HostError> {
    let program = system_tool(name);
    let doing = || format!("run {}", program.display());
    let output = Command::new(&program).args(arguments).output().map_err(HostError::io(doing))?;
    if output.status.success() {
        return Ok(());
    }
    let said =
        format!("{} {}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let source = io::Error::other(format!("{}: {}", output.status, said.trim()));
    Err(HostError::Io { doing: doing(), source })
}
