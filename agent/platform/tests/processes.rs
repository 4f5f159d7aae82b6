//! Real processes on Linux: held back, ended, killed whole, found again.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fleetwright_platform::{
    Ended, Marker, ProcessIdentity, ProcessSpec, SharedPlatform, SpawnError, Spawned, host,
};
use tokio::io::AsyncReadExt;

const PATIENCE: Duration = Duration::from_secs(10);

fn spec(script: &str) -> ProcessSpec {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let value = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    ProcessSpec {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: vec![("PATH".into(), std::env::var_os("PATH").unwrap_or_default())],
        working_directory: None,
        marker: Marker { name: "PLATFORM_TEST".to_owned(), value },
    }
}

async fn released(platform: &SharedPlatform, script: &str) -> Spawned {
    let mut spawned = platform.spawn(&spec(script)).unwrap();
    spawned.process.release().await.unwrap();
    spawned
}

/// Waits until the script has printed `ready`, on a line of its own.
async fn ready(spawned: &mut Spawned) {
    let mut text = String::new();
    while !text.contains("ready\n") {
        text.push(spawned.stdout.read_u8().await.unwrap().into());
    }
}

/// The living processes that inherited the marker.
fn bearers(identity: &ProcessIdentity) -> Vec<u32> {
    let wanted = format!("{}={}", identity.marker.name, identity.marker.value);
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let bears = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    pids.filter(bears).collect()
}

/// A process shows its environment a moment after it began.
#[track_caller]
fn wait_until_there(identity: &ProcessIdentity) {
    let start = Instant::now();
    while bearers(identity) != [identity.pid] {
        assert!(start.elapsed() < PATIENCE, "it does not bear its marker");
        std::thread::yield_now();
    }
}

#[track_caller]
fn wait_until_gone(identity: &ProcessIdentity) {
    let start = Instant::now();
    loop {
        let left = bearers(identity);
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "still there: {left:?}");
        std::thread::yield_now();
    }
}

#[track_caller]
fn check_end(script: &str, wanted: Ended) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        let mut spawned = released(&host(), script).await;
        tokio::time::timeout(PATIENCE, spawned.process.wait()).await.expect("an end").unwrap()
    });
    assert_eq!(ended, wanted, "{script}");
}

#[test]
fn ends_are_told_as_they_are() {
    check_end("exit 0", Ended::Exited(0));
    check_end("exit 137", Ended::Exited(137));
    check_end("kill -9 $$", Ended::Signalled(9));
    check_end("kill -TERM $$", Ended::Signalled(15));
    check_end("exec /no/such/program", Ended::Exited(127));
    // Standard input is empty, not the gate's pipe.
    check_end("read -r line && exit 1; exit 7", Ended::Exited(7));
}

#[tokio::test]
async fn a_process_that_is_never_released_never_runs() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let spawned = host().spawn(&spec(&format!("touch {}", trace.display()))).unwrap();
    let identity = spawned.process.identity().clone();
    wait_until_there(&identity);
    drop(spawned);
    wait_until_gone(&identity);
    assert!(!trace.exists());
}

#[tokio::test]
async fn its_output_and_environment_are_its_own() {
    let mut process = spec("echo \"$X $HOME\"; printf '\\377\\000' >&2; pwd");
    process
        .environment
        .extend([("X", "first"), ("X", "last")].map(|(name, value)| (name.into(), value.into())));
    process.working_directory = Some("/usr".into());
    let mut spawned = host().spawn(&process).unwrap();
    spawned.process.release().await.unwrap();
    let (mut stdout, mut stderr) = (String::new(), Vec::new());
    spawned.stdout.read_to_string(&mut stdout).await.unwrap();
    spawned.stderr.read_to_end(&mut stderr).await.unwrap();
    assert_eq!((stdout.as_str(), stderr.as_slice()), ("last \n/usr\n", [0xff, 0].as_slice()));
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let mut process = spec("true");
    process.working_directory = Some("/no/such/folder".into());
    let error = host().spawn(&process).unwrap_err();
    assert_eq!(error.to_string(), "working directory `/no/such/folder` is not a folder that can be entered");
    process.working_directory = Some("/etc/passwd".into());
    assert!(matches!(host().spawn(&process), Err(SpawnError::WorkingDirectory { .. })));
    let process = ProcessSpec { program: "/no/such/program".into(), ..spec("true") };
    assert_eq!(host().spawn(&process).unwrap_err().to_string(), "cannot start `/no/such/program`");
}

#[tokio::test]
async fn terminate_reaches_the_whole_group() {
    let mut spawned = released(&host(), "sleep 1000 & sleep 1000 & echo ready; wait").await;
    ready(&mut spawned).await;
    assert!(spawned.process.group_is_alive());
    spawned.process.terminate().unwrap();
    assert_eq!(spawned.process.wait().await.unwrap(), Ended::Signalled(15));
    wait_until_gone(spawned.process.identity());
    assert!(!spawned.process.group_is_alive());
}

#[tokio::test]
async fn kill_reaches_those_who_ignore_leave_or_hide() {
    for script in [
        "trap '' TERM; echo ready; while :; do sleep 1000; done",
        "setsid sleep 1000 & echo ready; wait",
        "setsid sh -c 'sleep 1000 & sleep 1000' & echo ready; sleep 1000",
        "(setsid sleep 1000 >/dev/null 2>&1 &) ; echo ready; sleep 1000",
        "env -i setsid sleep 1000 & echo ready; wait",
    ] {
        let mut spawned = released(&host(), script).await;
        ready(&mut spawned).await;
        spawned.process.terminate().unwrap();
        spawned.process.kill().unwrap();
        let ended = tokio::time::timeout(PATIENCE, spawned.process.wait()).await.expect(script).unwrap();
        assert!(matches!(ended, Ended::Signalled(9 | 15)), "{script}: {ended:?}");
        wait_until_gone(spawned.process.identity());
    }
}

#[tokio::test]
async fn what_a_dead_leader_left_is_found_and_killed_once() {
    for script in ["sleep 1000 & echo ready", "setsid sleep 1000 & echo ready", "echo ready; exec sleep 1000"]
    {
        let platform = host();
        let mut spawned = released(&platform, script).await;
        ready(&mut spawned).await;
        if !script.contains("exec") {
            spawned.process.wait().await.unwrap();
        }
        let identity = spawned.process.identity().clone();
        drop(spawned);
        assert_eq!(platform.kill_leftover(&identity).unwrap(), 1, "{script}");
        wait_until_gone(&identity);
        assert_eq!(platform.kill_leftover(&identity).unwrap(), 0, "{script}");
    }
}

#[tokio::test]
async fn a_process_with_the_same_id_that_is_another_is_left_alone() {
    let platform = host();
    let mut spawned = released(&platform, "echo ready; sleep 1000").await;
    ready(&mut spawned).await;
    let identity = spawned.process.identity().clone();
    let nobody = Marker { name: "PLATFORM_TEST".to_owned(), value: "nobody".to_owned() };
    let later = ProcessIdentity { start_time: identity.start_time - 1, marker: nobody, ..identity.clone() };
    assert_eq!(platform.kill_leftover(&later).unwrap(), 0);
    let other_boot = ProcessIdentity { boot_id: "another".to_owned(), ..identity.clone() };
    assert_eq!(platform.kill_leftover(&other_boot).unwrap(), 0);
    assert!(spawned.process.group_is_alive());
    spawned.process.kill().unwrap();
    wait_until_gone(&identity);
}

#[test]
fn private_things_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let platform = host();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let private = folder.path().join("a/b");
    fs::create_dir(folder.path().join("a")).unwrap();
    platform.ensure_private_folder(&private).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o755)).unwrap();
    platform.ensure_private_folder(&private).unwrap();
    assert_eq!(mode(&private), 0o700);
    platform.create_private_file(&private.join("key")).unwrap();
    platform.create_script_file(&private.join("script")).unwrap();
    assert_eq!((mode(&private.join("key")), mode(&private.join("script"))), (0o600, 0o700));
    let again = platform.create_private_file(&private.join("key")).unwrap_err();
    assert_eq!(again.to_string(), format!("cannot create `{}`", private.join("key").display()));
    platform.sync_folder(&private).unwrap();
    platform.sync_folder(&private.join("nothing")).unwrap_err();
}

#[test]
fn the_host_tells_of_itself() {
    let platform = host();
    let facts = platform.facts("1.2.3");
    assert_eq!((facts.agent_version.as_str(), facts.platform_type.as_str()), ("1.2.3", "Linux"));
    for text in [&facts.computer_name, &facts.platform_name, &facts.kernel_version, &facts.architecture] {
        assert!(!text.is_empty(), "{facts:?}");
    }
    assert!(facts.cpus > 0 && facts.memory_bytes > 1 << 20, "{facts:?}");
    assert_eq!(platform.boot_id().unwrap(), platform.boot_id().unwrap());
    assert!(platform.free_bytes(Path::new("/")).unwrap() > 0);
    platform.free_bytes(Path::new("/no/such/folder")).unwrap_err();
    let _: OsString = platform.folders().state.into();
}
