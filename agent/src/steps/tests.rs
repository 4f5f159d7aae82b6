//! Steps with real processes: what people's scripts do, and the worst of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use fleetwright_documents::{Interpreter, ScriptInputs};
use fleetwright_platform::fake::FakePlatform;
use fleetwright_platform::host;
use fleetwright_proto::clock::{Clock, SystemClock};

use super::library::fake::FakeLibrary;
use super::*;
use crate::inventory::InventorySettings;
use crate::spool::{LinkState, SpoolLimits, Stream, StreamId};

/// The first step of some command, with its folder below `folder`.
pub(super) fn context(folder: &Path) -> StepContext {
    StepContext {
        command: CommandId::random(),
        step: 0,
        inner: Vec::new(),
        name: "runShellScript".to_owned(),
        orchestration: folder.join("orchestration"),
        working_directory: None,
        facts: ScriptFacts {
            node: "mi-0123456789abcdef0".to_owned(),
            region: "us-east-1".to_owned(),
            platform_name: "Debian GNU/Linux".to_owned(),
            platform_version: "12".to_owned(),
            architecture: "x86_64".to_owned(),
        },
        kill_grace: Duration::from_millis(200),
        secrets: Secrets::default(),
        journal: Arc::new(MemoryInner::default()),
    }
}

pub(super) struct Fixture {
    pub(super) folder: tempfile::TempDir,
    pub(super) tools: StepTools,
    pub(super) context: StepContext,
    inputs: ScriptInputs,
    pub(super) cancel: CancellationToken,
}

pub(super) fn fixture(lines: &[&str]) -> Fixture {
    on(host(), lines)
}

pub(super) fn on(platform: SharedPlatform, lines: &[&str]) -> Fixture {
    limited(SpoolLimits::default(), platform, lines)
}

fn limited(limits: SpoolLimits, platform: SharedPlatform, lines: &[&str]) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let clock: SharedClock = Arc::new(SystemClock);
    let spool = folder.path().join("spool");
    let spool = Spool::open(spool, limits, Arc::clone(&platform), Arc::clone(&clock)).unwrap();
    spool.set_link(LinkState::Up);
    let context = context(folder.path());
    let inputs = ScriptInputs {
        interpreter: Interpreter::Shell,
        lines: lines.iter().map(ToString::to_string).collect(),
        working_directory: None,
        timeout: Duration::from_secs(60),
        environment: std::collections::BTreeMap::new(),
    };
    let packages = Packages::in_folder(folder.path().join("packages"));
    let inventory = Arc::new(Collector::open(
        &folder.path().join("inventory"),
        None,
        "mi-0123456789abcdef0".to_owned(),
        Arc::clone(&platform),
        Arc::clone(&clock),
        InventorySettings::default(),
    ));
    Fixture {
        folder,
        tools: StepTools {
            inventory,
            platform,
            host: fleetwright_documents::Platform::Linux,
            clock,
            spool,
            library: Arc::new(FakeLibrary::default()),
            packages,
            downloads: Downloads::default(),
            associations: Arc::new(Alone),
        },
        context,
        inputs,
        cancel: CancellationToken::new(),
    }
}

/// What a test wants to see of a step.
struct Seen {
    how: How,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    end: StepEnd,
}

impl Fixture {
    async fn run(&self) -> Seen {
        self.run_recorded(Arc::new(|_| Box::pin(std::future::ready(Ok(()))))).await
    }

    async fn run_recorded(&self, on_started: OnStarted) -> Seen {
        let inputs = StepInputs::RunScript(self.inputs.clone());
        let action = match self.inputs.interpreter {
            Interpreter::Shell => Action::RunShellScript,
            Interpreter::PowerShell => Action::RunPowerShellScript,
            Interpreter::Cmd => Action::RunCmdScript,
        };
        let run = run(action, &inputs, &self.context, &self.tools, &self.cancel, on_started);
        let end = tokio::time::timeout(Duration::from_secs(30), run).await.expect("the step hangs");
        let script = self.context.orchestration.join("runShellScript/_script.sh");
        assert!(!script.exists(), "the script was left behind");
        Seen {
            how: end.how.clone(),
            stdout: self.kept(Stream::Stdout),
            stderr: self.kept(Stream::Stderr),
            end,
        }
    }

    pub(super) fn kept(&self, stream: Stream) -> Vec<u8> {
        let id = StreamId { command: self.context.command.clone(), step: 0, stream };
        let mut bytes = Vec::new();
        while let Ok(piece) = self.tools.spool.read_at(&id, bytes.len() as u64, 1 << 20) {
            bytes.extend(piece);
        }
        bytes
    }
}

#[track_caller]
fn check(lines: &[&str], how: How, stdout: &str, stderr: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seen = runtime.block_on(fixture(lines).run());
    let printed = (String::from_utf8_lossy(&seen.stdout), String::from_utf8_lossy(&seen.stderr));
    assert_eq!((seen.how, &*printed.0, &*printed.1), (how, stdout, stderr), "{lines:?}");
    assert_eq!(seen.end.stdout.printed_bytes, stdout.len() as u64);
    assert_eq!(seen.end.stdout.dropped_bytes + seen.end.stderr.dropped_bytes, 0);
}

#[test]
fn a_script_ends_as_its_last_command_does() {
    check(&["echo hello"], How::Exited(0), "hello\n", "");
    check(&["false", "echo on"], How::Exited(0), "on\n", "");
    check(&["#!/bin/bash", "[[ x == x ]] && echo bash"], How::Exited(0), "bash\n", "");
    check(&["exit 194"], How::Exited(194), "", "");
    check(&["exit 168"], How::Exited(168), "", "");
}

#[test]
fn a_failure_is_said_where_people_look_for_it() {
    check(&["exit 3"], How::Exited(3), "", "failed to run commands: exit status 3");
    check(&["exit 137"], How::Exited(137), "", "failed to run commands: exit status 137");
    check(&["echo oh >&2", "exit 3"], How::Exited(3), "", "oh\nfailed to run commands: exit status 3");
    check(&["printf oh >&2", "exit 3"], How::Exited(3), "", "oh\nfailed to run commands: exit status 3");
    check(&["kill -9 $$"], How::Signalled(9), "", "failed to run commands: signal 9");
}

#[tokio::test]
async fn bytes_that_are_no_text_are_kept_as_they_are() {
    let mut fixture = fixture(&["printf '\\377\\376\\000\\r\\n\\200'; printf '\\303' >&2"]);
    fixture.inputs.environment.insert("X".to_owned(), "y z".to_owned());
    fixture.inputs.lines.push("printf \"%s\" \"$X\"".to_owned());
    let seen = fixture.run().await;
    assert_eq!(seen.stdout, b"\xff\xfe\0\r\n\x80y z");
    assert_eq!(seen.stderr, b"\xc3");
}

#[tokio::test]
async fn the_working_directory_is_what_the_step_says() {
    let mut fixture = fixture(&["pwd"]);
    fixture.inputs.working_directory = Some("/usr".to_owned());
    assert_eq!(fixture.run().await.stdout, b"/usr\n");

    let mut fixture = on(host(), &["pwd -P"]);
    let downloads = fixture.context.orchestration.join("downloads");
    std::fs::create_dir_all(downloads.join("deep")).unwrap();
    let text = |path: &Path| format!("{}\n", path.canonicalize().unwrap().display()).into_bytes();
    assert_eq!(fixture.run().await.stdout, text(&downloads));
    fixture.inputs.working_directory = Some("deep".to_owned());
    fixture.context.command = CommandId::random();
    assert_eq!(fixture.run().await.stdout, text(&downloads.join("deep")));
}

#[tokio::test]
async fn what_cannot_start_says_why_and_nothing_runs() {
    let mut fixture = fixture(&["echo never"]);
    fixture.inputs.working_directory = Some("/no/such/folder".to_owned());
    let seen = fixture.run().await;
    let why = "working directory `/no/such/folder` is not a folder that can be entered: \
               No such file or directory (os error 2)";
    assert_eq!(seen.how, How::StartFailed(why.to_owned()));
    assert_eq!(String::from_utf8(seen.stderr).unwrap(), format!("failed to run commands: {why}"));
    assert_eq!(seen.stdout, b"");
}

#[tokio::test]
async fn powershell_without_powershell_is_unsupported() {
    let clock: SharedClock = Arc::new(SystemClock);
    let mut fixture = on(Arc::new(FakePlatform::numbered(1, clock)), &["echo never"]);
    fixture.inputs.interpreter = Interpreter::PowerShell;
    let wanted = "running a PowerShell script is not possible on a fake host";
    assert_eq!(fixture.run().await.how, How::Unsupported(wanted.to_owned()));
}

#[tokio::test]
async fn nothing_runs_before_its_start_is_recorded() {
    let fixture = fixture(&["echo x > trace"]);
    let trace = fixture.folder.path().join("trace");
    let recorded = Arc::new(AtomicBool::new(false));
    let mut with_trace = fixture;
    with_trace.inputs.working_directory = Some(with_trace.folder.path().display().to_string());
    let on_started: OnStarted = Arc::new({
        let (trace, recorded) = (trace.clone(), Arc::clone(&recorded));
        move |identity| {
            let (trace, recorded) = (trace.clone(), Arc::clone(&recorded));
            let identity = identity.expect("a script starts with its process");
            assert!(Path::new(&format!("/proc/{}", identity.pid)).exists());
            Box::pin(async move {
                // Long enough for a script that was not held back.
                SystemClock.sleep(Duration::from_millis(100)).await;
                assert!(!trace.exists());
                recorded.store(true, Ordering::Relaxed);
                Ok(())
            })
        }
    });
    assert_eq!(with_trace.run_recorded(on_started).await.how, How::Exited(0));
    assert!(recorded.load(Ordering::Relaxed) && trace.exists());
}

#[tokio::test]
async fn a_start_that_cannot_be_recorded_does_not_happen() {
    let mut fixture = fixture(&["echo x > trace"]);
    fixture.inputs.working_directory = Some(fixture.folder.path().display().to_string());
    let failed = || io::Error::other("the journal is full");
    let seen = fixture.run_recorded(Arc::new(move |_| Box::pin(std::future::ready(Err(failed()))))).await;
    assert_eq!(seen.how, How::StartFailed("its start could not be recorded: the journal is full".to_owned()));
    assert!(!fixture.folder.path().join("trace").exists());
}

#[tokio::test]
async fn a_child_in_the_background_neither_holds_up_the_step_nor_dies() {
    let fixture = fixture(&["(sleep 3; echo late; echo alive > alive) &", "echo done"]);
    let folder = fixture.folder.path().to_owned();
    let mut fixture = fixture;
    fixture.inputs.working_directory = Some(folder.display().to_string());
    let start = std::time::Instant::now();
    let seen = fixture.run().await;
    assert_eq!((seen.how, seen.stdout.as_slice()), (How::Exited(0), b"done\n".as_slice()));
    assert!(start.elapsed() < Duration::from_millis(2900), "{:?}", start.elapsed());
    let deadline = start + Duration::from_secs(10);
    while !folder.join("alive").exists() {
        assert!(std::time::Instant::now() < deadline, "the child was killed, by its pipe perhaps");
        SystemClock.sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_noisy_child_in_the_background_does_not_hold_up_the_step() {
    let limits = SpoolLimits { stream_bytes: 4 << 20, ..SpoolLimits::default() };
    let fixture = limited(limits, host(), &["echo $$", "yes &"]);
    let seen = fixture.run().await;
    assert_eq!(seen.how, How::Exited(0));
    assert!(seen.end.stdout.dropped_bytes > 0 && seen.stdout.len() == 4 << 20, "{:?}", seen.end);
    let pid =
        String::from_utf8_lossy(&seen.stdout).lines().find_map(|line| line.parse::<u32>().ok()).unwrap();
    std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
}

#[tokio::test]
async fn time_out_and_cancel_end_everything_that_the_step_started() {
    for script in [
        ["trap 'echo bye; exit 0' TERM", "echo $$", "while :; do sleep 0.05; done"],
        ["trap '' TERM", "echo $$", "while :; do sleep 0.05; done"],
        ["setsid sh -c 'echo $$; exec sleep 1000' &", "", "sleep 1000"],
    ] {
        let mut fixture = fixture(&script);
        fixture.inputs.timeout = Duration::from_millis(300);
        let seen = fixture.run().await;
        assert_eq!(seen.how, How::TimedOut, "{script:?}");
        let text = String::from_utf8(seen.stdout).unwrap();
        let pid: u32 = text.lines().next().unwrap().parse().unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(std::time::Instant::now() < deadline, "{script:?} lives on");
            SystemClock.sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(text.contains("bye"), script[0].contains("bye"));
    }
}

#[tokio::test]
async fn a_cancelled_step_says_so_and_keeps_what_it_printed() {
    let fixture = fixture(&["echo begun", "sleep 1000"]);
    let cancel = fixture.cancel.clone();
    let spool = fixture.tools.spool.clone();
    let cancelling = async move {
        while spool.unsent().is_empty() {
            spool.changed().await;
        }
        cancel.cancel();
    };
    let (seen, ()) = tokio::join!(fixture.run(), cancelling);
    assert_eq!((seen.how, seen.stdout.as_slice()), (How::Cancelled, b"begun\n".as_slice()));
    // Cancelled before it started.
    assert_eq!(fixture.run().await.how, How::Cancelled);
    assert_eq!(fixture.kept(Stream::Stdout), b"begun\n");
}

#[tokio::test]
async fn secret_values_are_covered_in_both_streams() {
    let mut fixture = fixture(&["printf hunt; sleep 0.1; echo er2", "echo hunter2 >&2", "printf hunter"]);
    fixture.context.secrets = Secrets::default().and(["hunter2".to_owned()]);
    let seen = fixture.run().await;
    assert_eq!(String::from_utf8_lossy(&seen.stdout), "****\nhunter");
    assert_eq!(String::from_utf8_lossy(&seen.stderr), "****\n");
    assert_eq!(seen.end.stdout.printed_bytes, seen.stdout.len() as u64);
}

#[tokio::test]
async fn ten_thousand_lines_a_second_arrive_whole_in_few_pieces() {
    let fixture = fixture(&["i=0", "while [ $i -lt 10000 ]; do echo line $i; i=$((i+1)); done"]);
    let spool = fixture.tools.spool.clone();
    let mut wakes = 0;
    let seen = tokio::select! {
        seen = fixture.run() => seen,
        () = async { loop { spool.changed().await; wakes += 1; } } => unreachable!("the loop has no end"),
    };
    let wanted: String = (0..10_000).map(|line| format!("line {line}\n")).collect();
    assert_eq!(String::from_utf8(seen.stdout).unwrap(), wanted);
    assert!(wakes < 200, "{wakes} wakes for 10,000 lines");
}

/// A journal of inner steps in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryInner {
    pub(super) started: Mutex<Vec<InnerStart>>,
    pub(super) finished: Mutex<Vec<(Vec<u32>, StepRecord)>>,
    /// How many more inner steps may begin before the agent is on its way out.
    left: Mutex<Option<usize>>,
}

impl MemoryInner {
    /// The agent begins so many inner steps and no more.
    pub(super) fn close_after(&self, steps: usize) {
        *self.left.lock().unwrap() = Some(steps);
    }

    /// The next agent.
    pub(super) fn open_again(&self) {
        *self.left.lock().unwrap() = None;
    }
}

impl InnerJournal for MemoryInner {
    fn started(&self, start: InnerStart) -> Recorded {
        if let Some(left) = self.left.lock().unwrap().as_mut() {
            *left -= 1;
        }
        self.started.lock().unwrap().push(start);
        Box::pin(std::future::ready(Ok(())))
    }

    fn finished(&self, inner: Vec<u32>, result: StepRecord) -> Recorded {
        self.finished.lock().unwrap().push((inner, result));
        Box::pin(std::future::ready(Ok(())))
    }

    fn results(&self, inner: &[u32]) -> Vec<(u32, StepRecord)> {
        let finished = self.finished.lock().unwrap();
        let below = finished.iter().filter_map(|(way, result)| match way.split_last() {
            Some((last, before)) if before == inner => Some((*last, result.clone())),
            _ => None,
        });
        below.filter(|(_, result)| result.state != crate::journal::StepState::SuccessAndReboot).collect()
    }

    fn is_stopping(&self) -> bool {
        false
    }

    fn begins_nothing_more(&self) -> bool {
        *self.left.lock().unwrap() == Some(0)
    }
}

impl Fixture {
    /// Runs the first step of a document on this host.
    pub(super) async fn run_step(&mut self, step: &serde_json::Value) -> StepEnd {
        let text =
            serde_json::json!({ "schemaVersion": "2.2", "description": "a test", "mainSteps": [step] });
        let document = fleetwright_documents::parse(text.to_string().as_bytes()).unwrap().document;
        let bound = document.bound_from_json(b"{}").unwrap();
        let host = fleetwright_documents::HostTraits { platform: self.tools.host, supports: &|_| true };
        let planned = document.plan(&bound, &host).steps.remove(0);
        let fleetwright_documents::Decision::Run(inputs) = &planned.decision else {
            panic!("it does not run: {:?}", planned.decision)
        };
        planned.name.clone_into(&mut self.context.name);
        let on_started: OnStarted = Arc::new(|_| Box::pin(std::future::ready(Ok(()))));
        run(planned.action, inputs, &self.context, &self.tools, &self.cancel, on_started).await
    }

    pub(super) fn printed(&self) -> (String, String) {
        let text = |stream| String::from_utf8(self.kept(stream)).unwrap();
        (text(Stream::Stdout), text(Stream::Stderr))
    }
}

#[tokio::test]
async fn what_a_host_cannot_do_is_unsupported_with_the_reason() {
    use fleetwright_documents::Platform;
    for (host, action, inputs, wanted) in [
        (
            Platform::Windows,
            "aws:applications",
            serde_json::json!({ "action": "Install", "source": "C:\\x.msi" }),
            "running the Windows installer without msiexec is not possible on Windows",
        ),
        (
            Platform::Linux,
            "aws:domainJoin",
            serde_json::json!({ "directoryId": "d-1234567890", "directoryName": "corp.example.com" }),
            "cannot join corp.example.com: joining a directory without credentials, which Amazon's directory service \
             alone allows, is not possible on Linux",
        ),
        (
            Platform::Windows,
            "aws:cloudWatch",
            serde_json::json!({}),
            "running the CloudWatch program of Amazon's agent is not possible on Windows",
        ),
        (
            Platform::Linux,
            "aws:configureDocker",
            serde_json::json!({ "action": "Install" }),
            "installing docker is not possible on Linux: none of apt-get, dnf, yum, zypper is here",
        ),
    ] {
        let clock: SharedClock = Arc::new(SystemClock);
        let mut fixture = on(Arc::new(FakePlatform::numbered(1, clock)), &[]);
        fixture.tools.host = host;
        let mut step = serde_json::json!({ "action": action, "name": "step", "inputs": inputs });
        if action == "aws:cloudWatch" {
            step["settings"] = serde_json::json!({ "startType": "Enabled" });
        }
        let end = fixture.run_step(&step).await;
        assert_eq!(end.how, How::Unsupported(wanted.to_owned()), "{action}");
        assert_eq!(fixture.printed().1, format!("{wanted}\n"));
    }
}

#[tokio::test]
async fn a_program_of_amazon_s_that_is_not_here_is_stopped_already() {
    let mut fixture = fixture(&[]);
    fixture.tools.host = fleetwright_documents::Platform::Windows;
    let step = serde_json::json!({ "action": "aws:cloudWatch", "name": "step", "inputs": {},
        "settings": { "startType": "Disabled" } });
    assert_eq!(fixture.run_step(&step).await.how, How::Done);
    assert!(fixture.printed().0.contains("nothing to stop"));
}
