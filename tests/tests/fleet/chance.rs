//! Faults by chance, many of them at once; then everything is healed, and everything must be true.
//!
//! A run is told apart by its seed: `FLEETWRIGHT_SEED=… cargo nextest run …` asks for the same faults again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fleetwright_controller::commands::state::State;
use fleetwright_proto::ids::CommandId;
use fleetwright_tests::{Death, Fleet, FleetSettings, Host, Keeps, Run};

const NODES: u32 = 6;
const COMMANDS: usize = 300;
/// Of the host's time; a slow host sends fewer commands.
const FAULTY_FOR: Duration = Duration::from_secs(12);
const SCRIPTS: [&str; 6] =
    ["echo hello", "exit 1", "sleep 3\necho slept", "print 30000", "hang", "complain oh\nsignal 9"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_each_command_ends_once_and_runs_at_most_once() {
    let seed = std::env::var("FLEETWRIGHT_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("FLEETWRIGHT_SEED={seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let keeps = if chance.bool() { Keeps::InMemory } else { Keeps::InFolder };
    let mut fleet = FleetSettings { keeps, workers: 3, ..FleetSettings::of(NODES) }.start().await;
    let mut commands = Vec::new();
    let begun = Instant::now();
    while commands.len() < COMMANDS && begun.elapsed() < FAULTY_FOR {
        if fleet.until_killed(act(&fleet, &mut chance, &mut commands)).await.is_none() {
            heal_some(&fleet, &mut chance);
            fleet.restart_controller().await;
        }
    }
    heal(&mut fleet).await;
    end_all(&fleet).await;
    fleet.check().await;
    println!("{} commands in {:?}: {:?}", commands.len(), begun.elapsed(), reasons(&fleet).await);
}

/// One thing that an operator, a network, a disk or a power supply does.
async fn act(fleet: &Fleet, chance: &mut fastrand::Rng, commands: &mut Vec<CommandId>) {
    let host = &fleet.hosts()[chance.usize(..fleet.hosts().len())];
    match chance.u32(..100) {
        0..60 => commands.extend(fleet.send(any_wish(fleet, chance, commands.len())).await.ok()),
        60..66 => {
            if let Some(command) = chance.choice(commands.iter()) {
                fleet.cancel(command).await;
            }
        }
        66..69 => {
            if let Some(command) = chance.choice(commands.iter())
                && fleet.invocations(command).await.iter().any(|(node, record)| {
                    node == host.node() && (record.state == State::InProgress || record.report_seq > 0)
                })
            {
                fleet.duplicate_delivery(command, host).await;
            }
        }
        69..75 => fleet.advance(Duration::from_millis(chance.u64(..5_000))),
        75..77 => {
            let death = if chance.bool() { Death::BeforeCommit } else { Death::AfterCommit };
            fleet.kill_controller_after(chance.usize(..40), death);
        }
        _ => fault(host, chance),
    }
    // Somebody else's turn.
    for _ in 0..chance.u32(..40) {
        tokio::task::yield_now().await;
    }
    fleet.help_to_connect();
}

fn any_wish(fleet: &Fleet, chance: &mut fastrand::Rng, number: usize) -> Run {
    let lines = SCRIPTS[chance.usize(..SCRIPTS.len())];
    let run = if chance.bool() || lines == "hang" {
        Run::script(lines).execution_timeout(Duration::from_secs(60))
    } else {
        Run::steps(&["echo first", lines])
    };
    // Mostly few nodes, so that there are many commands.
    let names: Vec<_> = fleet.hosts().iter().filter(|_| chance.u32(..3) == 0).map(Host::name).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let run = if names.is_empty() { run } else { run.on(&names) };
    let run = run.token(&number.to_string()).max_errors("100%");
    let run = if chance.bool() { run.max_concurrency("2") } else { run };
    run.delivery_timeout(Duration::from_secs(chance.u64(20..600)))
}

fn fault(host: &Host, chance: &mut fastrand::Rng) {
    match chance.u32(..9) {
        0 => host.cut_link(),
        1 | 2 => host.heal_link(),
        3 => host.wire().cut_after(chance.usize(..30)),
        4 => host.restart_agent(),
        5 => host.kill_agent(),
        6 => host.reboot(),
        7 => host.fill_disk(),
        _ => {
            host.free_disk();
            if !host.is_running() {
                host.start_agent();
            }
        }
    }
}

fn heal_some(fleet: &Fleet, chance: &mut fastrand::Rng) {
    for host in fleet.hosts().iter().filter(|_| chance.bool()) {
        heal_host(host);
    }
}

fn heal_host(host: &Host) {
    host.free_disk();
    host.wire().call_off_cut();
    host.heal_link();
    if !host.is_running() {
        host.start_agent();
    }
}

async fn heal(fleet: &mut Fleet) {
    fleet.restart_controller().await;
    fleet.hosts().iter().for_each(heal_host);
    fleet.until_connected().await;
}

/// Lets time pass until everything has ended; what hangs runs into its time-out.
async fn end_all(fleet: &Fleet) {
    fleet
        .until("every command at its end", async || {
            fleet.advance(Duration::from_secs(3));
            fleet.help_to_connect();
            let commands = fleet.commands().await;
            commands.iter().all(|(_, record)| record.outcome.is_some()).then_some(())
        })
        .await;
}

/// How often each reason ended an invocation: what a run has seen.
async fn reasons(fleet: &Fleet) -> BTreeMap<String, u32> {
    let mut seen = BTreeMap::new();
    for (command, _) in fleet.commands().await {
        for (_, record) in fleet.invocations(&command).await {
            *seen.entry(record.reason.code()).or_default() += 1;
        }
    }
    seen
}
