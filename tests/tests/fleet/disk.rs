//! The disk of a host is full.

use std::time::Duration;

use fleetwright_controller::commands::state::{Reason, State};
use fleetwright_tests::Fleet;

/// More than the controller waits before it offers again what was refused.
const OFFERED_AGAIN: Duration = Duration::from_secs(16);
const SUCCESS: &str = "Success: 1 Success (AllStepsDone)";

#[tokio::test]
async fn a_full_disk_refuses_and_takes_it_when_there_is_room() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    host.fill_disk();
    let command = fleet.run("echo hello").await;
    let record = fleet.until_state(&command, host, State::Delayed).await;
    assert!(matches!(&record.reason, Reason::RefusedByNode { detail } if !detail.is_empty()), "{record:?}");
    // Offered in vain once more.
    fleet.advance(OFFERED_AGAIN);
    host.free_disk();
    fleet
        .until("taken when there is room", async || {
            fleet.advance(Duration::from_secs(1));
            (fleet.runs(&command) == 1).then_some(())
        })
        .await;
    assert_eq!(fleet.wait_final(&command).await, SUCCESS);
    fleet.check().await;
}

#[tokio::test]
async fn a_refused_delivery_can_be_cancelled() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    host.fill_disk();
    let command = fleet.run("echo hello").await;
    fleet.until_state(&command, host, State::Delayed).await;
    fleet.cancel(&command).await;
    host.free_disk();
    fleet
        .until("its end", async || {
            fleet.advance(Duration::from_secs(1));
            fleet.command(&command).await.outcome.map(drop)
        })
        .await;
    assert_eq!(fleet.summary(&command).await, "Cancelled: 1 Cancelled (CancelledOnNode)");
    fleet.check().await;
    assert_eq!(fleet.runs(&command), 0);
}

#[tokio::test]
async fn a_disk_that_fills_up_holds_a_result_back_and_loses_none() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    let command = fleet.run("echo begun\nsleep 10").await;
    fleet
        .until("the first line", async || (!fleet.output(&command, host).await.is_empty()).then_some(()))
        .await;
    host.fill_disk();
    fleet.advance(Duration::from_secs(10));
    fleet.until("the step's end", async || (host.platform().processes() == 0).then_some(())).await;
    assert_eq!(fleet.invocation(&command, host).await.state, State::InProgress);
    host.free_disk();
    fleet.advance(Duration::from_secs(5));
    assert_eq!(fleet.wait_final(&command).await, SUCCESS);
    fleet.check().await;
}

#[tokio::test]
async fn output_waits_for_room_and_is_dropped_and_counted_when_none_comes() {
    const PRINTED: u64 = 100_000;
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    for room_comes in [true, false] {
        let command = fleet.run(format!("echo begun\nsleep 10\nprint {PRINTED}\nexit 0").as_str()).await;
        let begun = async || (fleet.output(&command, host).await == "begun\n").then_some(());
        fleet.until("the first line", begun).await;
        host.fill_disk();
        fleet.advance(Duration::from_secs(10));
        if room_comes {
            // The pipe is full, so the script waits in the middle of its output.
            fleet.advance(Duration::from_secs(20));
            assert_eq!(host.platform().processes(), 1);
        } else {
            fleet
                .until("the step's end", async || {
                    fleet.advance(Duration::from_secs(1));
                    (host.platform().processes() == 0).then_some(())
                })
                .await;
        }
        host.free_disk();
        fleet.advance(Duration::from_secs(5));
        assert_eq!(fleet.wait_final(&command).await, SUCCESS);
        let step = fleet.invocation(&command, host).await.steps.remove(0);
        let kept = fleet.output(&command, host).await.len() as u64;
        assert_eq!(step.stdout_bytes, PRINTED + 6);
        assert_eq!(kept + step.stdout_dropped_bytes, step.stdout_bytes);
        assert_eq!(step.stdout_dropped_bytes == 0, room_comes, "{step:?}");
    }
    fleet.check().await;
}
