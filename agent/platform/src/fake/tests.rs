use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::{Clock, ManualClock, Timestamp};
use tokio::io::AsyncReadExt;

use super::*;
use crate::process::{Ended, Marker};

struct Fixture {
    folder: tempfile::TempDir,
    clock: ManualClock,
    platform: FakePlatform,
}

fn fixture() -> Fixture {
    let clock = ManualClock::starting_at(Timestamp::from_millis(0));
    let platform = FakePlatform::numbered(7, Arc::new(clock.clone()));
    Fixture { folder: tempfile::tempdir().unwrap(), clock, platform }
}

impl Fixture {
    fn spawn(&self, text: &str) -> Spawned {
        let script = self.folder.path().join("script");
        fs::write(&script, text).unwrap();
        let spec = ProcessSpec {
            program: PathBuf::from("/fake/sh"),
            arguments: vec![script.into()],
            environment: Vec::new(),
            working_directory: None,
            marker: Marker { name: "M".to_owned(), value: "step".to_owned() },
        };
        self.platform.spawn(&spec).unwrap()
    }
}

#[track_caller]
fn check(script: &str, wanted: Ended, stdout: &str, stderr: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let fixture = fixture();
        let mut spawned = fixture.spawn(script);
        spawned.process.release().await.unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        let read = async {
            tokio::join!(spawned.stdout.read_to_string(&mut out), spawned.stderr.read_to_string(&mut err))
        };
        let (ended, _) = tokio::join!(spawned.process.wait(), read);
        assert_eq!((ended.unwrap(), out.as_str(), err.as_str()), (wanted, stdout, stderr), "{script}");
        assert_eq!(fixture.platform.processes(), 0);
    });
}

#[test]
fn scripts_do_what_their_lines_say() {
    check("", Ended::Exited(0), "", "");
    check("# nothing\necho hello\ncomplain oh\nexit 3\necho never", Ended::Exited(3), "hello\n", "oh\n");
    check("print 20000", Ended::Exited(0), &"x".repeat(20000), "");
    check("frobnicate now", Ended::Exited(127), "", "frobnicate: not found\n");
    check("signal 11", Ended::Signalled(11), "", "");
}

#[tokio::test]
async fn a_process_is_held_until_released_and_never_runs_when_dropped() {
    let fixture = fixture();
    let held = fixture.spawn("hang");
    assert_eq!(fixture.platform.processes(), 1);
    drop(held);
    assert_eq!(fixture.platform.processes(), 0);
    assert!(fixture.platform.runs().is_empty());
}

#[tokio::test]
async fn terminate_can_be_ignored_and_kill_cannot() {
    let fixture = fixture();
    let mut polite = fixture.spawn("hang").process;
    polite.release().await.unwrap();
    polite.terminate().unwrap();
    assert_eq!(polite.wait().await.unwrap(), Ended::Signalled(15));

    let Spawned { process: mut stubborn, mut stdout, .. } =
        fixture.spawn("ignore-terminate\necho ready\nhang");
    stubborn.release().await.unwrap();
    stdout.read_u8().await.unwrap();
    stubborn.terminate().unwrap();
    assert!(stubborn.group_is_alive());
    stubborn.kill().unwrap();
    assert_eq!(stubborn.wait().await.unwrap(), Ended::Signalled(9));
}

#[tokio::test]
async fn a_leftover_is_killed_once_and_a_reboot_leaves_none() {
    let fixture = fixture();
    let mut process = fixture.spawn("hang").process;
    process.release().await.unwrap();
    let identity = process.identity().clone();
    drop(process);
    assert_eq!(fixture.platform.kill_leftover(&identity).unwrap(), 1);
    assert_eq!(fixture.platform.kill_leftover(&identity).unwrap(), 0);

    let before = fixture.platform.boot_id().unwrap();
    fixture.spawn("hang").process.release().await.unwrap();
    fixture.platform.reboot_host();
    assert_eq!(fixture.platform.processes(), 0);
    assert_ne!(fixture.platform.boot_id().unwrap(), before);
    assert_eq!(fixture.platform.runs().get("step"), Some(&2));
}

#[tokio::test]
async fn sleep_is_on_the_fleets_clock() {
    let fixture = fixture();
    let Spawned { mut process, mut stdout, .. } = fixture.spawn("echo ready\nsleep 3600");
    process.release().await.unwrap();
    // A clock that is moved before somebody sleeps on it wakes nobody.
    stdout.read_u8().await.unwrap();
    fixture.clock.advance(Duration::from_secs(3600));
    assert_eq!(process.wait().await.unwrap(), Ended::Exited(0));
    assert_eq!(fixture.clock.now(), Timestamp::from_millis(3_600_000));
}

#[test]
fn a_full_disk_takes_nothing() {
    let fixture = fixture();
    let path = fixture.folder.path().join("file");
    fixture.platform.fill_disk();
    assert_eq!(fixture.platform.free_bytes(&path).unwrap(), 0);
    fixture.platform.create_private_file(&path).unwrap_err();
    fixture.platform.free_disk();
    fixture.platform.create_private_file(&path).unwrap();
}
