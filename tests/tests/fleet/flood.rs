//! One node has far more to say than any queue holds, and one follower does not listen: nobody else notices.

use fleetwright_controller::bounds;
use fleetwright_controller::commands::watch::{Event, Follower, Output};
use fleetwright_tests::{Fleet, Run};

/// Twice what the store keeps for followers, in pieces that are each synced to the disk: more of it takes longer and
/// shows no more.
const FLOOD_BYTES: u64 = 16_000_000;
/// Commands on the other nodes that come and go while the flood lasts, at least.
const ROUNDS_LEAST: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_one_node_and_a_follower_that_sleeps_hold_nobody_up() {
    let fleet = Fleet::start(4).await;
    let flooding = fleet.host(0);
    let others: Vec<&str> = fleet.hosts()[1..].iter().map(|host| host.node().as_str()).collect();
    let flood = Run::script(&format!("print {FLOOD_BYTES}")).on(&[flooding.node().as_str()]);
    let flood = fleet.run(flood).await;
    let mut follower = Follower::new(fleet.house().clone(), flood.clone(), Output::Wanted).await.unwrap();
    // It has begun to follow, and then listens to nothing until the end.
    follower.next().await.unwrap();

    let mut rounds = 0;
    while fleet.command(&flood).await.outcome.is_none() {
        let before = fleet.house().meters.output_bytes.get();
        let command = fleet.run(Run::script("exit 0").on(&others)).await;
        assert_eq!(fleet.wait_final(&command).await, "Success: 3 Success (AllStepsDone)");
        for bound in bounds::all(fleet.house()) {
            assert!(bound.used.unwrap_or(0) <= bound.limit.unwrap_or(u64::MAX), "{bound:?}");
        }
        rounds += 1;
        // Nor do the others hold the flood up: both go on in turn.
        let goes_on = async || {
            let more = fleet.house().meters.output_bytes.get() > before;
            (more || fleet.command(&flood).await.outcome.is_some()).then_some(())
        };
        fleet.until("the flood goes on", goes_on).await;
    }
    assert!(rounds >= ROUNDS_LEAST, "only {rounds} rounds while the flood lasted");

    let mut followed = 0;
    while let Some(event) = follower.next().await.unwrap() {
        if let Event::Output { offset, data, .. } = event {
            assert_eq!(offset, followed, "nothing is left out and nothing told twice");
            followed += data.len() as u64;
        }
    }
    assert_eq!(followed, FLOOD_BYTES);
    fleet.check().await;
}
