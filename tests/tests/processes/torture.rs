//! Two hundred commands while the controller and its agents are killed at random moments: whatever was acknowledged
//! ends once, for a reason, and no script runs twice.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::programs::{Ended, Running, until};
use crate::site::{Host, Operator, Site};

/// Asks for the kills of an earlier run again.
const SEED: &str = "TORTURE_SEED";
const COMMANDS: usize = 200;
const KILLS_LEAST: usize = 5;
const SENT_WITHIN: Duration = Duration::from_secs(40);
/// Fewer than this many acknowledged commands prove too little, and mean that a controller that was killed takes too
/// long to come back.
const COMMANDS_LEAST: usize = 100;
/// The time-outs of every command; nothing may be open for longer than both together.
const TIMEOUT_S: i64 = 8;
const DELIVERY_TIMEOUT_S: i64 = 6;
/// Longer than a delivery may take.
const ABSENCE_LONG: Duration = Duration::from_secs(8);
const ALL_ENDED_WITHIN: Duration = Duration::from_secs(30);
/// A deadline that comes while the controller is dead, or the machine busy, is looked at late.
const LATE_MAX: TimeDelta = TimeDelta::seconds(5);
/// Between two kills, milliseconds.
const CALM_MS: std::ops::Range<u64> = 20..500;

/// Every invocation by command and node.
pub(crate) type Invocations = BTreeMap<(String, String), Value>;

#[test]
fn killed_at_random_everything_ends_once_and_says_why() {
    let seed = std::env::var(SEED).map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("{SEED}={seed}");
    let mut site = Site::start();
    let traces = site.path().join("traces");
    std::fs::create_dir(&traces).unwrap();
    let mut hosts: Vec<_> = ["one", "two", "three"].iter().map(|name| site.host(name)).collect();
    hosts.iter_mut().for_each(Host::start);
    site.wait_for_nodes(hosts.len());

    let acknowledged = send_while_killing(&mut site, &mut hosts, &traces, fastrand::Rng::with_seed(seed));
    let commands = until_all_ended(&site.operator);
    assert!(acknowledged.is_subset(&commands), "lost: {:?}", acknowledged.difference(&commands));
    assert!(acknowledged.len() >= COMMANDS_LEAST, "only {} commands were acknowledged", acknowledged.len());
    let ended = invocations(&site.operator, &commands);
    check_executions(&ended, &traces);
    check_deadlines(&ended);

    // A final state stays what it is, whoever is killed after that.
    site.kill_controller();
    hosts.iter_mut().for_each(Host::kill);
    site.start_controller();
    hosts.iter_mut().for_each(Host::start);
    site.wait_for_nodes(hosts.len());
    for (key, invocation) in invocations(&site.operator, &commands) {
        assert_eq!(ended.get(&key), Some(&invocation), "changed after it was final");
    }
    check_reasons(&site.operator, &commands, &ended);
    let logs = hosts.iter().map(Host::agent).chain([site.controller()]).map(Running::log);
    let errors: Vec<_> = logs
        .flat_map(|log| log.lines().filter(|line| is_error(line)).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let tally = ended.values().fold(BTreeMap::<_, usize>::new(), |mut tally, invocation| {
        *tally.entry((state(invocation), reason(invocation))).or_default() += 1;
        tally
    });
    println!("{} commands, {} invocations: {tally:?}", commands.len(), ended.len());
}

/// Two operators send while this thread kills and starts. Gives the ids of the commands that were acknowledged.
fn send_while_killing(
    site: &mut Site,
    hosts: &mut [Host],
    traces: &Path,
    mut random: fastrand::Rng,
) -> BTreeSet<String> {
    let nodes: Vec<String> = hosts.iter().map(|host| host.node.clone()).collect();
    let script =
        format!("echo $SSM_COMMAND_ID >> {}/$AWS_SSM_INSTANCE_ID; sleep 0.$(($$ % 3))", traces.display());
    let sent = AtomicUsize::new(0);
    let deadline = Instant::now() + SENT_WITHIN;
    thread::scope(|scope| {
        let operators: Vec<_> = (0..2)
            .map(|_| {
                let (operator, mut random) = (site.operator.clone(), random.fork());
                let (nodes, script, sent) = (&nodes, &script, &sent);
                scope.spawn(move || {
                    let mut acknowledged = BTreeSet::new();
                    while sent.load(Ordering::Relaxed) < COMMANDS && Instant::now() < deadline {
                        if let Some(id) = send(&operator, pick_target(nodes, &mut random), script) {
                            sent.fetch_add(1, Ordering::Relaxed);
                            acknowledged.insert(id);
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        let mut absences = Absences::new(hosts);
        let mut kills = 0;
        while !operators.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::park_timeout(Duration::from_millis(random.u64(CALM_MS)));
            kills += 1;
            match random.usize(..=absences.hosts.len()) {
                0 => {
                    site.kill_controller();
                    thread::park_timeout(Duration::from_millis(random.u64(CALM_MS) / 3));
                    site.start_controller();
                }
                host => absences.begin(host - 1, &mut random),
            }
            absences.end_those_before(Instant::now());
        }
        absences.end_those_before(deadline + ABSENCE_LONG);
        println!("{kills} kills");
        assert!(kills >= KILLS_LEAST, "only {kills} kills");
        operators.into_iter().flat_map(|operator| operator.join().unwrap()).collect()
    })
}

/// Agents that were killed, and when they come back.
struct Absences<'a> {
    hosts: &'a mut [Host],
    back_at: BTreeMap<usize, Instant>,
}

impl<'a> Absences<'a> {
    fn new(hosts: &'a mut [Host]) -> Self {
        Self { hosts, back_at: BTreeMap::new() }
    }

    /// Kills an agent, now and then for longer than a delivery may take. One that is away stays so.
    fn begin(&mut self, host: usize, random: &mut fastrand::Rng) {
        let is_long = random.u8(..8) == 0;
        let absence = if is_long { ABSENCE_LONG } else { Duration::from_millis(random.u64(CALM_MS)) };
        if let Entry::Vacant(place) = self.back_at.entry(host) {
            self.hosts[host].kill();
            place.insert(Instant::now() + absence);
        }
    }

    fn end_those_before(&mut self, moment: Instant) {
        for (host, _) in self.back_at.extract_if(.., |_, back_at| *back_at <= moment) {
            self.hosts[host].start();
        }
    }
}

/// One of the nodes, or all of them.
fn pick_target<'a>(nodes: &'a [String], random: &mut fastrand::Rng) -> &'a str {
    nodes.get(random.usize(..=nodes.len())).map_or("all", String::as_str)
}

/// `None`: the controller was killed just now, and may have the command or not.
fn send(operator: &Operator, target: &str, script: &str) -> Option<String> {
    let mut command = operator.command();
    command.args(["run", "--detach", "--target", target, "--max-errors", "100%"]);
    command.args([
        "--timeout",
        &format!("{TIMEOUT_S}s"),
        "--delivery-timeout",
        &format!("{DELIVERY_TIMEOUT_S}s"),
    ]);
    let ended = Ended::of(command.args(["--", script]));
    match ended.code {
        Some(0) => Some(ended.text().trim().to_owned()),
        Some(5) => None,
        _ => panic!("{ended:?}"),
    }
}

/// The ids of all commands, when none is open any more.
pub(crate) fn until_all_ended(operator: &Operator) -> BTreeSet<String> {
    let listed = until("every command has ended", ALL_ENDED_WITHIN, || {
        let listed =
            operator.types(&["command", "list", "--limit", "10000", "-o", "json"]).expect_code(0).json();
        let open: Vec<_> =
            listed.as_array().unwrap().iter().filter(|command| command["finished_at"].is_null()).collect();
        if open.is_empty() { Ok(listed) } else { Err(format!("{open:#?}")) }
    });
    let commands = listed.as_array().unwrap().iter();
    commands.map(|command| command["command_id"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn invocations(operator: &Operator, commands: &BTreeSet<String>) -> Invocations {
    let shown = side_by_side(commands, |command| {
        operator.types(&["command", "show", command, "-o", "json"]).expect_code(0).json()
    });
    let mut found = Invocations::new();
    for invocation in shown.iter().flat_map(|shown| shown["invocations"].as_array().unwrap()) {
        let key = ["command_id", "node_id"].map(|name| invocation[name].as_str().unwrap().to_owned());
        assert!(found.insert(key.into(), invocation.clone()).is_none(), "twice: {invocation}");
    }
    found
}

/// What the scripts wrote down against what is said of them.
fn check_executions(ended: &Invocations, traces: &Path) {
    let mut executed = BTreeMap::<(String, String), usize>::new();
    for trace in std::fs::read_dir(traces).unwrap() {
        let trace = trace.unwrap();
        for command in std::fs::read_to_string(trace.path()).unwrap().lines() {
            let node = trace.file_name().into_string().unwrap();
            *executed.entry((command.to_owned(), node)).or_default() += 1;
        }
    }
    for (key, times) in &executed {
        assert!(ended.contains_key(key), "ran and is not known: {key:?}");
        assert_eq!(*times, 1, "{key:?} ran {times} times: {}", ended[key]);
    }
    for (key, invocation) in ended {
        let ran = executed.contains_key(key);
        match (state(invocation), reason(invocation)) {
            ("Success", _) => assert!(ran, "never ran: {invocation}"),
            (_, "NotDelivered" | "NotStartedInTime") => assert!(!ran, "ran: {invocation}"),
            ("Failed" | "TimedOut", _) => {}
            _ => panic!("not a final state that this run can have: {invocation}"),
        }
    }
}

fn check_deadlines(ended: &Invocations) {
    for invocation in ended.values() {
        assert_eq!(invocation["deadline_at"], Value::Null, "final with a deadline: {invocation}");
        let moment = |name: &str| invocation[name].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
        let open = moment("finished_at") - moment("requested_at");
        let most = TimeDelta::seconds(TIMEOUT_S + DELIVERY_TIMEOUT_S) + LATE_MAX;
        assert!(open <= most, "open for {open}: {invocation}");
    }
}

fn check_reasons(operator: &Operator, commands: &BTreeSet<String>, ended: &Invocations) {
    let asked: BTreeSet<Vec<&str>> = ended
        .keys()
        .map(|(command, node)| vec![command.as_str(), node])
        .chain(commands.iter().map(|command| vec![command.as_str()]))
        .collect();
    side_by_side(&asked, |asked| {
        let words = [&["why", "-o", "json"], &asked[..]].concat();
        let why = operator.types(&words).expect_code(0).json();
        let said = |name: &str| why["reason"][name].as_str().is_some_and(|text| !text.is_empty());
        assert!(said("code") && said("text"), "{asked:?}: {why}");
    });
}

/// Being killed is no reason for one: what is kept is whole, and what is lost is mended.
fn is_error(line: &str) -> bool {
    line.contains(" ERROR ") || line.contains("panicked at")
}

pub(crate) fn state(invocation: &Value) -> &str {
    invocation["state"].as_str().unwrap()
}

pub(crate) fn reason(invocation: &Value) -> &str {
    invocation["reason"]["code"].as_str().unwrap()
}

/// Asks in two threads, in the order of the questions.
fn side_by_side<Q: Sync, A: Send>(questions: &BTreeSet<Q>, ask: impl Fn(&Q) -> A + Sync) -> Vec<A> {
    let questions: Vec<&Q> = questions.iter().collect();
    let (first, second) = questions.split_at(questions.len() / 2);
    let ask_all = |questions: &[&Q]| questions.iter().map(|question| ask(question)).collect::<Vec<_>>();
    thread::scope(|scope| {
        let first = scope.spawn(|| ask_all(first));
        let second = ask_all(second);
        first.join().unwrap().into_iter().chain(second).collect()
    })
}
