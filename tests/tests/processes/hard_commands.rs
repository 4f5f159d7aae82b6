//! Commands that are hard to run well, on one real agent. What is kept is compared byte by byte, nothing hangs, and
//! the agent stays light all along.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::programs::{is_alive, memory_kib, until};
use crate::site::{Host, PATIENCE, Site};

/// What the agent may have in memory at any time, KiB: a debug build, whose code alone is more than half of it. Streams
/// of 100 MB go through it here.
const AGENT_MEMORY_MAX_KIB: u64 = 32 * 1024;
/// An end that comes by itself, on a busy machine.
const PROMPTLY: Duration = Duration::from_secs(4);

/// The shortest that there is.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What a step that ran out of time has to end in order, before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// A fleet of one host. Its agent's memory is looked at when the test ends.
struct Bench {
    host: Host,
    site: Site,
}

impl Bench {
    fn start() -> Self {
        let site = Site::start();
        let mut host = site.host("bench");
        host.start();
        site.wait_for_nodes(1);
        Self { host, site }
    }

    /// Runs a script to its end, without its output.
    fn run(&self, options: &[&str], script: &str) -> Value {
        let words = [&["run", "--detach", "--target", "all"], options, &["--", script]].concat();
        let command = self.site.types(&words).expect_code(0).text().trim().to_owned();
        until(&format!("`{script}` ends"), PATIENCE, || {
            let shown = self.site.types(&["command", "show", &command, "-o", "json"]).expect_code(0).json();
            if shown["command"]["finished_at"].is_null() { Err(shown.to_string()) } else { Ok(shown) }
        })
    }

    /// What is kept of one stream.
    fn kept(&self, report: &Value, stream: &str) -> Vec<u8> {
        let command = report["command"]["command_id"].as_str().unwrap();
        let output = self.site.types(&["command", "output", command, "--stream", stream]).expect_code(0);
        if stream == "stderr" { output.stderr.into_bytes() } else { output.stdout }
    }

    fn memory_kib(&self) -> u64 {
        memory_kib(self.host.agent().id(), "VmHWM")
    }

    fn finish(self) {
        let peak = self.memory_kib();
        println!("the agent had at most {peak} KiB in memory");
        assert!(peak < AGENT_MEMORY_MAX_KIB, "the agent had {peak} KiB in memory");
    }
}

#[track_caller]
fn check_state(report: &Value, state: &str, reason: &str) {
    let invocation = &report["invocations"][0];
    assert_eq!(
        (invocation["state"].as_str(), invocation["reason"]["code"].as_str()),
        (Some(state), Some(reason)),
        "{report:#}"
    );
}

/// The bytes that a script prints, as the shell itself gives them.
fn printed_by(script: &str) -> Vec<u8> {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_is_printed_is_kept_exactly() {
    let bench = Bench::start();
    let table: [(&str, &str, usize); 5] = [
        ("100 MB", "yes 'a line of a hundred megabytes, more or less' | head -c 100000000", 100_000_000),
        ("one line of 1 MB", "head -c 1000000 /dev/zero | tr '\\0' x", 1_000_000),
        ("every byte there is, many times", BYTES, 256 * 1000),
        ("nothing", "true", 0),
        ("lines without an end", "printf 'a\\r\\nb\\r\\n\\n\\nlast'", 12),
    ];
    for (what, script, length) in table {
        let report = bench.run(&[], script);
        check_state(&report, "Success", "AllStepsDone");
        let (kept, wanted) = (bench.kept(&report, "stdout"), printed_by(script));
        assert_eq!((kept.len(), wanted.len()), (length, length), "{what}");
        assert_eq!(digest(&kept), digest(&wanted), "{what}");
        assert_eq!(report["invocations"][0]["steps"][0]["stdout_bytes"], length, "{what}");
        println!("{what}: exact, the agent had at most {} KiB", bench.memory_kib());
    }
    bench.finish();
}

/// 0 to 255 in order, a thousand times: not UTF-8, and full of control characters.
const BYTES: &str = "i=0; s=; while [ $i -lt 256 ]; do s=\"$s\\\\0$(printf %03o $i)\"; i=$((i+1)); done; \
     n=0; while [ $n -lt 1000 ]; do printf %b \"$s\"; n=$((n+1)); done";

#[test]
fn ten_thousand_short_lines_a_second_are_kept_exactly() {
    let bench = Bench::start();
    let script = "s=0; while [ $s -lt 3 ]; do \
                  seq -f \"line $s.%g\" 10000; echo \"second $s\" >&2; sleep 1; s=$((s+1)); done";
    let report = bench.run(&[], script);
    check_state(&report, "Success", "AllStepsDone");
    let wanted: String = (0..3).flat_map(|s| (1..=10_000).map(move |n| format!("line {s}.{n}\n"))).collect();
    assert!(bench.kept(&report, "stdout") == wanted.as_bytes(), "other bytes");
    assert_eq!(String::from_utf8(bench.kept(&report, "stderr")).unwrap(), "second 0\nsecond 1\nsecond 2\n");
    bench.finish();
}

#[test]
fn a_child_that_holds_the_output_neither_holds_up_the_command_nor_dies() {
    let bench = Bench::start();
    let begun = Instant::now();
    let report = bench.run(&[], "sleep 300 & echo $!");
    check_state(&report, "Success", "AllStepsDone");
    assert!(begun.elapsed() < PROMPTLY, "{:?}", begun.elapsed());
    let child: u32 = String::from_utf8(bench.kept(&report, "stdout")).unwrap().trim().parse().unwrap();
    assert!(is_alive(child));
    // The agent serves the next command while the child lives on.
    check_state(&bench.run(&[], "true"), "Success", "AllStepsDone");
    assert!(is_alive(child));
    rustix::process::kill_process(Pid::from_raw(child.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    bench.finish();
}

#[test]
fn a_time_out_ends_everything_that_the_command_started() {
    let bench = Bench::start();
    let pids = bench.site.path().join("pids");
    let note = |what: &str| format!("echo $$ >> {}; {what}", pids.display());
    let ignores = note("trap '' TERM; while :; do sleep 1; done");
    let escapes =
        format!("setsid sh -c '{}' & {}", note("trap \"\" TERM; exec sleep 1000"), note("sleep 1000"));
    for script in [ignores, escapes] {
        let begun = Instant::now();
        let report = bench.run(&["--timeout", &format!("{}s", TIMEOUT.as_secs())], &script);
        check_state(&report, "TimedOut", "StepTimedOut");
        assert!(begun.elapsed() < TIMEOUT + GRACE + PROMPTLY, "{:?}: {script}", begun.elapsed());
        check_nothing_lives(&pids, &script);
    }
    bench.finish();
}

fn check_nothing_lives(pids: &Path, script: &str) {
    let noted = std::fs::read_to_string(pids).unwrap();
    until(&format!("nothing is left of `{script}`"), PROMPTLY, || {
        let alive: Vec<_> = noted.lines().filter(|id| is_alive(id.parse().unwrap())).collect();
        if alive.is_empty() { Ok(()) } else { Err(format!("{alive:?} of {noted}")) }
    });
    std::fs::remove_file(pids).unwrap();
}

#[test]
fn ends_of_every_kind_are_told_apart() {
    let bench = Bench::start();
    let table: [(&str, &str, &str, Value, Value); 4] = [
        ("exit 0", "Success", "AllStepsDone", 0.into(), Value::Null),
        ("exit 7", "Failed", "StepFailed", 7.into(), Value::Null),
        ("kill -SEGV $$", "Failed", "StepFailed", Value::Null, 11.into()),
        ("no-such-program", "Failed", "StepFailed", 127.into(), Value::Null),
    ];
    for (script, state, reason, exit_code, signal) in table {
        let report = bench.run(&[], &format!("echo out; echo err >&2; {script}"));
        check_state(&report, state, reason);
        let step = &report["invocations"][0]["steps"][0];
        assert_eq!((&step["exit_code"], &step["signal"]), (&exit_code, &signal), "{script}: {step}");
        assert_eq!(bench.kept(&report, "stdout"), b"out\n", "{script}");
        let errors = String::from_utf8(bench.kept(&report, "stderr")).unwrap();
        assert!(errors.starts_with("err\n"), "{script}: {errors}");
    }
    bench.finish();
}
