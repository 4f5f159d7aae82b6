//! Two hundred agents of the simulator on one real controller that is killed again and again while all their links are
//! cut: what the hosts have run is what the controller says of them.

use std::collections::BTreeSet;
use std::time::Duration;

use fleetwright_agent::tls::Trust;
use fleetwright_proto::clock::{Clock, SystemClock};
use fleetwright_simulator::{Fleet, FleetSettings, Invitation};

use crate::programs::Ended;
use crate::site::{Operator, Site};
use crate::torture::{invocations, reason, state, until_all_ended};

const AGENTS: u32 = 200;
const ROUNDS: usize = 4;
/// Sent in each round, each to all.
const COMMANDS: usize = 2;

#[test]
fn two_hundred_agents_and_a_controller_that_is_killed_agree_on_what_was_run() {
    let mut site = Site::start();
    let activation = site.activation(&["--limit", &AGENTS.to_string()]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let fleet = Fleet::new(&FleetSettings {
        agents: AGENTS,
        controller: site.operator.address.to_string().parse().unwrap(),
        identities: site.path().join("identities"),
        scratch: site.path().join("scratch"),
        at_once: 16,
        clock_skew: Duration::from_secs(300),
        packages: 50,
        inventory_every: Duration::from_secs(5),
    });
    let invitation = Invitation {
        activation: activation.id.parse().unwrap(),
        code: activation.code.clone(),
        trust: Trust::Pinned(activation.authority.parse().unwrap()),
    };
    runtime.block_on(async {
        fleet.enrol(Some(&invitation)).await.unwrap();
        fleet.connect().await.unwrap();
    });

    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        acknowledged.extend((0..COMMANDS).filter_map(|_| send(&site.operator)));
        // In the middle of the work that was just given out; sometimes nobody is told, sometimes everybody is cut too.
        let calm = Duration::from_millis(100 * round as u64);
        runtime.block_on(async { SystemClock.sleep(calm).await });
        site.kill_controller();
        site.start_controller();
        let back = runtime.block_on(fleet.cut());
        assert_eq!(back.missing, 0, "{back:?}");
    }

    let commands = until_all_ended(&site.operator);
    assert!(acknowledged.is_subset(&commands), "lost: {:?}", acknowledged.difference(&commands));
    assert!(acknowledged.len() >= ROUNDS, "only {} commands were acknowledged", acknowledged.len());
    let ended = invocations(&site.operator, &commands);
    assert_eq!(
        ended.len(),
        acknowledged_targets(&commands),
        "every command has an invocation for every host"
    );
    let runs = fleet.runs();
    let mut executed = 0;
    for (node, scripts) in &runs {
        for (marker, times) in scripts {
            let (command, _) = marker.split_once('/').unwrap();
            let invocation = &ended[&(command.to_owned(), node.to_string())];
            assert_eq!(*times, 1, "{marker} ran {times} times on {node}: {invocation}");
            assert_eq!(state(invocation), "Success", "{invocation}");
            executed += 1;
        }
    }
    let successes = ended.values().filter(|invocation| state(invocation) == "Success").count();
    assert_eq!(successes, executed, "what succeeded has run, and what has run is known");
    for invocation in ended.values().filter(|invocation| state(invocation) != "Success") {
        assert!(
            ["NotDelivered", "SendInterrupted"].contains(&reason(invocation)),
            "not a state that this run can have: {invocation}"
        );
    }
    assert!(executed >= AGENTS as usize * ROUNDS, "only {executed} scripts were run");
    println!("{} commands, {} invocations, {executed} executions", commands.len(), ended.len());
    runtime.block_on(fleet.stop());
}

fn acknowledged_targets(commands: &BTreeSet<String>) -> usize {
    commands.len() * AGENTS as usize
}

/// `None`: the controller was not there.
fn send(operator: &Operator) -> Option<String> {
    let mut command = operator.command();
    command.args(["run", "--detach", "--target", "all", "--max-concurrency", "100%", "--max-errors", "100%"]);
    let ended = Ended::of(command.args(["--delivery-timeout", "25s", "--", "exit 0"]));
    match ended.code {
        Some(0) => Some(ended.text().trim().to_owned()),
        Some(5) => None,
        _ => panic!("{ended:?}"),
    }
}
