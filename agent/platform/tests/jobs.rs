//! Real processes on Windows: held back, ended, killed whole.

#![cfg(windows)]
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleetwright_platform::{
    Ended, Interpreter, Marker, ProcessIdentity, ProcessSpec, SignalError, SpawnError, Spawned, host,
};
use tokio::io::AsyncReadExt;

const PATIENCE: Duration = Duration::from_secs(20);

fn spec(command: &str) -> ProcessSpec {
    let system = PathBuf::from(std::env::var_os("SystemRoot").unwrap()).join("System32");
    ProcessSpec {
        program: system.join("cmd.exe"),
        arguments: ["/d", "/c", command].into_iter().map(Into::into).collect(),
        environment: std::env::vars_os().collect(),
        working_directory: None,
        marker: Marker { name: "PLATFORM_TEST".to_owned(), value: "v".to_owned() },
    }
}

async fn released(spec: &ProcessSpec) -> Spawned {
    let mut spawned = host().spawn(spec).unwrap();
    spawned.process.release().await.unwrap();
    spawned
}

async fn end_of(spawned: &mut Spawned) -> Ended {
    tokio::time::timeout(PATIENCE, spawned.process.wait()).await.expect("an end").unwrap()
}

#[tokio::test]
async fn output_and_exit_code_are_the_processs() {
    let mut spawned = released(&spec("echo hello&echo %PLATFORM_TEST% 1>&2&exit 7")).await;
    let (mut out, mut err) = (String::new(), String::new());
    spawned.stdout.read_to_string(&mut out).await.unwrap();
    spawned.stderr.read_to_string(&mut err).await.unwrap();
    assert_eq!((out.as_str(), err.trim()), ("hello\r\n", "v"));
    assert_eq!(end_of(&mut spawned).await, Ended::Exited(7));
}

#[tokio::test]
async fn a_process_that_is_never_released_never_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = spec("echo x> trace");
    process.working_directory = Some(folder.path().to_owned());
    let mut held = host().spawn(&process).unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(300), held.process.wait()).await.is_err());
    assert!(held.process.group_is_alive());
    drop(held);
    assert!(!folder.path().join("trace").exists());
    // The same, released, leaves its trace.
    end_of(&mut released(&process).await).await;
    assert!(folder.path().join("trace").exists());
}

#[tokio::test]
async fn kill_ends_the_whole_tree() {
    let mut spawned = released(&spec("echo ready&cmd /d /c \"ping -n 1000 127.0.0.1\"")).await;
    spawned.stdout.read_u8().await.unwrap();
    assert!(matches!(spawned.process.terminate(), Err(SignalError::Unsupported(_))));
    spawned.process.kill().unwrap();
    end_of(&mut spawned).await;
    // Its pipe ends when everybody who held it has gone.
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, spawned.stdout.read_to_end(&mut rest)).await.expect("an end").unwrap();
    assert!(!spawned.process.group_is_alive());
}

#[tokio::test]
async fn a_leftover_is_killed_if_it_is_the_same() {
    let mut spawned = released(&spec("echo ready&ping -n 1000 127.0.0.1")).await;
    spawned.stdout.read_u8().await.unwrap();
    let identity = spawned.process.identity().clone();
    let another = ProcessIdentity { start_time: identity.start_time - 1, ..identity.clone() };
    assert_eq!(host().kill_leftover(&another).unwrap(), 0);
    let other_boot = ProcessIdentity { boot_id: "another".to_owned(), ..identity.clone() };
    assert_eq!(host().kill_leftover(&other_boot).unwrap(), 0);
    assert!(host().kill_leftover(&identity).unwrap() >= 1);
    assert_eq!(end_of(&mut spawned).await, Ended::Exited(1));
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let process = ProcessSpec { working_directory: Some(r"C:\no\such".into()), ..spec("exit 0") };
    assert!(matches!(host().spawn(&process), Err(SpawnError::WorkingDirectory { .. })));
    let process = ProcessSpec { program: r"C:\no\such.exe".into(), ..spec("exit 0") };
    assert_eq!(host().spawn(&process).unwrap_err().to_string(), r"cannot start `C:\no\such.exe`");
    let shell = host().interpreter_command(Interpreter::Shell, Path::new("x")).unwrap_err();
    assert_eq!(shell.to_string(), "running a shell script is not possible on Windows");
}

#[test]
fn the_host_tells_of_itself() {
    let platform = host();
    let facts = platform.facts("1.2.3");
    assert_eq!(facts.platform_type, "Windows");
    assert!(facts.platform_name.starts_with("Microsoft Windows"), "{facts:?}");
    assert!(facts.platform_version.starts_with("10.0."), "{facts:?}");
    assert!(facts.cpus > 0 && facts.memory_bytes > 1 << 20 && !facts.computer_name.is_empty(), "{facts:?}");
    assert_eq!(platform.boot_id().unwrap(), host().boot_id().unwrap());
    assert_eq!(platform.reboot_exit_code(), 3010);
}

#[test]
fn folders_and_files_are_made_and_made_durable() {
    let folder = tempfile::tempdir().unwrap();
    let platform = host();
    let private = folder.path().join("a").join("b");
    platform.ensure_private_folder(&private).unwrap();
    platform.ensure_private_folder(&private.join("c")).unwrap();
    platform.create_private_file(&private.join("key")).unwrap();
    platform.create_private_file(&private.join("key")).unwrap_err();
    platform.sync_folder(&private).unwrap();
    platform.sync_folder(&private.join("nothing")).unwrap_err();
    assert!(platform.free_bytes(&private).unwrap() > 0);
    platform.free_bytes(&private.join("nothing").join("x")).unwrap_err();
    fs::remove_dir_all(&private).unwrap();
}
