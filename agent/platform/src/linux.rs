//! Linux: process groups, `/proc`, `shutdown`.

mod child;
mod inventory;
pub(crate) mod memory;
mod tree;

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{fs, io, process};

use fleetwright_proto::agent::HostFacts;
use sysinfo::System;

use crate::facts::{self, Names};
use crate::{
    Folders, HostError, Interpreter, InterpreterCommand, Item, Platform, ProcessIdentity, ProcessSpec,
    SignalError, Source, SpawnError, Spawned, Unsupported,
};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const SHELL: &str = "/bin/sh";
/// In the order in which the SSM agent looks for them (reference, section 2.4).
const POWERSHELLS: [&str; 2] = ["/usr/bin/powershell", "/usr/bin/pwsh"];
const REBOOTS: [(&str, &[&str]); 3] =
    [("/sbin/shutdown", &["-r", "now"]), ("/usr/sbin/shutdown", &["-r", "now"]), ("/sbin/reboot", &[])];

#[derive(Debug, Clone, Copy)]
pub(crate) struct Linux;

impl Platform for Linux {
    fn facts(&self, agent_version: &str) -> HostFacts {
        let names = Names {
            platform_type: "Linux",
            platform_name: System::name().unwrap_or_default(),
            platform_version: System::os_version().unwrap_or_default(),
        };
        facts::collect(names, agent_version)
    }

    fn boot_id(&self) -> Result<String, HostError> {
        let text = fs::read_to_string(BOOT_ID).map_err(HostError::io(|| format!("read {BOOT_ID}")))?;
        Ok(text.trim().to_owned())
    }

    fn folders(&self) -> Folders {
        Folders {
            state: "/var/lib/fleetwright-agent".into(),
            logs: "/var/log/fleetwright-agent".into(),
            config: "/etc/fleetwright".into(),
        }
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
                program: SHELL.into(),
                // The shell gives way to the script, so that the end is the script's own, and one process less waits.
                arguments: vec!["-c".into(), format!("exec {}", shell_word(script)).into()],
                ..Default::default()
            }),
            Interpreter::PowerShell => {
                let program = POWERSHELLS.into_iter().map(PathBuf::from).find(|path| path.is_file());
                let program = program.ok_or(Unsupported {
                    capability: "running a PowerShell script without /usr/bin/pwsh",
                    os: "Linux",
                })?;
                Ok(InterpreterCommand {
                    program,
                    arguments: vec!["-f".into(), script.into()],
                    environment: vec![("HOME", "/")],
                    // It would colour its output for a terminal.
                    without: Some("TERM"),
                })
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
            Ok(boot_id) if boot_id == identity.boot_id => tree::kill(identity),
            // Nothing outlives a boot, and its process ids mean others now.
            Ok(_) => Ok(0),
            Err(error) => Err(SignalError::Io { pid: identity.pid, source: io::Error::other(error) }),
        }
    }

    fn reboot(&self) -> Result<(), HostError> {
        let (program, arguments) =
            REBOOTS.into_iter().find(|(program, _)| Path::new(program).is_file()).ok_or(Unsupported {
                capability: "rebooting without /sbin/shutdown or /sbin/reboot",
                os: "Linux",
            })?;
        let doing = || format!("run {program}");
        let output = process::Command::new(program).args(arguments).output().map_err(HostError::io(doing))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let source = io::Error::other(format!("{}: {}", output.status, said.trim()));
        Err(HostError::Io { doing: doing(), source })
    }

    fn free_bytes(&self, path: &Path) -> Result<u64, HostError> {
        let doing = || format!("ask for the free space at `{}`", path.display());
        let room = rustix::fs::statvfs(path).map_err(io::Error::from).map_err(HostError::io(doing))?;
        Ok(room.f_bavail.saturating_mul(room.f_frsize))
    }

    fn sync_folder(&self, folder: &Path) -> Result<(), HostError> {
        let doing = || format!("sync folder `{}`", folder.display());
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(HostError::io(doing))
    }

    fn ensure_private_folder(&self, folder: &Path) -> Result<(), HostError> {
        let doing = || format!("create private folder `{}`", folder.display());
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        // One that was there before may be open to others.
        made.and_then(|()| fs::set_permissions(folder, Permissions::from_mode(0o700)))
            .map_err(HostError::io(doing))
    }

    fn create_private_file(&self, path: &Path) -> Result<File, HostError> {
        create_file(path, 0o600)
    }

    fn create_script_file(&self, path: &Path) -> Result<File, HostError> {
        create_file(path, 0o700)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> Result<(), HostError> {
        let doing = || format!("set the permissions of `{}`", path.display());
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(HostError::io(doing))
    }

    fn gather(&self, source: &Source) -> Result<Vec<Item>, HostError> {
        inventory::gather(source)
    }
}

fn create_file(path: &Path, mode: u32) -> Result<File, HostError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(HostError::io(|| format!("create `{}`", path.display())))
}

/// A path as one word of a shell. A plain one stays as it is, so that process listings read as people expect.
fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,".contains(&byte);
    if text.bytes().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_for_the_shell_only_when_it_must_be() {
        for (path, word) in [
            ("/var/lib/x-1/_script.sh", "/var/lib/x-1/_script.sh"),
            ("/a b/_script.sh", "'/a b/_script.sh'"),
            ("/it's/$(x)", r"'/it'\''s/$(x)'"),
        ] {
            assert_eq!(shell_word(Path::new(path)), word);
        }
    }
}
