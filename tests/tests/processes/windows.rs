//! Windows that open one after the other while the controller is killed at random moments: each occurrence has one
//! record, each task one end with its reason, and no script runs twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use serde_json::Value;

use crate::programs::until;
use crate::site::{Host, Operator, Site};

/// Asks for the kills of an earlier run again.
const SEED: &str = "WINDOWS_SEED";
const WINDOWS: usize = 8;
/// Between the openings of two windows.
const APART: TimeDelta = TimeDelta::seconds(2);
/// Until the first of them opens, and until any other does, however long it took to say so.
const AHEAD: TimeDelta = TimeDelta::seconds(6);
/// After the last one has opened it is killed for so long.
const AFTER: TimeDelta = TimeDelta::seconds(4);
const KILLS_LEAST: usize = 6;
/// Between two kills, milliseconds: long enough for a controller to start and to be in the middle of something.
const CALM_MS: std::ops::Range<u64> = 50..1_200;
const ALL_ENDED_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn killed_while_windows_are_open_each_occurrence_has_one_record_and_each_task_one_end() {
    let seed = std::env::var(SEED).map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("{SEED}={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut site = Site::start();
    let traces = site.path().join("traces");
    std::fs::create_dir(&traces).unwrap();
    let mut hosts: Vec<_> = ["one", "two"].iter().map(|name| site.host(name)).collect();
    hosts.iter_mut().for_each(Host::start);
    site.wait_for_nodes(hosts.len());

    let names: Vec<_> = (0..WINDOWS).map(|number| format!("window-{number}")).collect();
    names.iter().for_each(|name| register(&site.operator, name, &traces));
    let mut opens = Utc::now() + AHEAD;
    for name in &names {
        let schedule = opens.format("at(%Y-%m-%dT%H:%M:%S)").to_string();
        site.types(&["window", "update", name, "--schedule", &schedule]).expect_code(0);
        opens = (opens + APART).max(Utc::now() + AHEAD);
    }
    let over = Instant::now() + (opens + AFTER - Utc::now()).to_std().unwrap_or_default();
    let mut kills = 0;
    while Instant::now() < over {
        thread::park_timeout(Duration::from_millis(random.u64(CALM_MS)));
        site.kill_controller();
        kills += 1;
        site.start_controller();
    }
    assert!(kills >= KILLS_LEAST, "only {kills} kills");

    let mut commands = BTreeSet::new();
    let mut wanted = BTreeMap::new();
    for name in &names {
        let execution = until(&format!("{name} has ended"), ALL_ENDED_WITHIN, || ended(&site.operator, name));
        for task in execution["tasks"].as_array().unwrap() {
            check_task(&site.operator, &execution, task);
            if task["status"] == "SKIPPED" {
                continue;
            }
            commands.extend(
                task["invocations"].as_array().unwrap().iter().map(|one| one["command_id"].to_string()),
            );
            for host in &hosts {
                wanted.insert((host.node.clone(), format!("{name}/{}", text(&task["task"]["name"]))), 1);
            }
        }
    }
    assert_eq!(commands.len(), WINDOWS * 3, "one command for each task that ran");
    assert_eq!(executed(&traces), wanted, "what the scripts wrote down");
    println!("{kills} kills, {WINDOWS} windows");
}

/// Two tasks together, then one that runs if the first succeeded and one that would run if it had not.
fn register(operator: &Operator, name: &str, traces: &Path) {
    let types = |words: &[&str]| operator.types(words).expect_code(0);
    let later = "at(2090-01-01T00:00:00)";
    let window =
        ["window", "create", "--name", name, "--schedule", later, "--duration", "1", "--cutoff", "0"];
    types(&window);
    let target = types(&["window", "target", "add", name, "--target", "all", "-o", "json"]).json();
    let target = text(&target["target_id"]);
    let task = |called: &str, options: &[&str]| {
        let script = format!("echo {name}/{called} >> {}/$AWS_SSM_INSTANCE_ID", traces.display());
        let fixed =
            ["window", "task", "add", name, "--target-id", target.as_str(), "--name", called, "-o", "json"];
        let words = [&fixed[..], options, &["--", script.as_str()]].concat();
        text(&types(&words).json()["task_id"])
    };
    let one = task("one", &["--priority", "1"]);
    task("other", &["--priority", "1", "--cancel-at-end"]);
    task("after", &["--priority", "2", "--after", one.as_str()]);
    task("instead", &["--priority", "2", "--after-failure", one.as_str()]);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

/// The only execution of a window with its tasks, once it has ended.
fn ended(operator: &Operator, name: &str) -> Result<Value, String> {
    let listed = operator.types(&["window", "executions", name, "-o", "json"]).expect_code(0).json();
    let [execution] = listed.as_array().unwrap().as_slice() else {
        assert!(listed.as_array().unwrap().is_empty(), "an occurrence has two records: {listed:#}");
        return Err("there is no record yet".to_owned());
    };
    let words = ["window", "executions", name, execution["id"].as_str().unwrap(), "-o", "json"];
    let whole = operator.types(&words).expect_code(0).json();
    if whole["finished_at"].is_null() {
        return Err(format!("{whole:#}"));
    }
    assert_eq!(whole["status"], "SUCCESS", "{whole:#}");
    Ok(whole)
}

fn check_task(operator: &Operator, execution: &Value, task: &Value) {
    let (status, reason) = match text(&task["task"]["name"]).as_str() {
        "instead" => ("SKIPPED", "ConditionNotMet"),
        _ => ("SUCCESS", "Succeeded"),
    };
    assert_eq!(
        (text(&task["status"]), text(&task["reason_code"])),
        (status.to_owned(), reason.to_owned()),
        "{execution:#}"
    );
    assert!(!task["finished_at"].is_null(), "{task:#}");
    let words =
        ["window", "why", execution["id"].as_str().unwrap(), task["id"].as_str().unwrap(), "-o", "json"];
    let why = operator.types(&words).expect_code(0).json();
    assert_eq!(why["reason_code"], reason, "{why:#}");
}

/// How often each host ran each task.
fn executed(traces: &Path) -> BTreeMap<(String, String), usize> {
    let mut executed = BTreeMap::new();
    for trace in std::fs::read_dir(traces).unwrap() {
        let trace = trace.unwrap();
        for task in std::fs::read_to_string(trace.path()).unwrap().lines() {
            let node = trace.file_name().into_string().unwrap();
            *executed.entry((node, task.to_owned())).or_default() += 1;
        }
    }
    executed
}
