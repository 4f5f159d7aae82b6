//! What differs when a person sits at the terminal: questions and progress.

use std::sync::Arc;
use std::time::Duration;

use fleetwright_cli::Exit;
use fleetwright_proto::clock::{ManualClock, Timestamp};
use fleetwright_proto::control::*;

use crate::controller::{Asked, Script};
use crate::fleet::*;

fn script(nodes: u64) -> Script {
    Script {
        status: GetStatusResponse { nodes, connected_nodes: 1, ..GetStatusResponse::default() },
        nodes: vec![node(WEB, "web-1")],
        commands: vec![command(CommandStatus::CommandSuccess, "Success", 1)],
        events: vec![
            event(invocation(WEB, "web-1", InvocationState::Success, "Success")),
            event(command(CommandStatus::CommandSuccess, "Success", 1)),
        ],
        ..Script::default()
    }
}

fn was_sent(fleet: &Fleet) -> bool {
    fleet.controller.asked().iter().any(|asked| matches!(asked, Asked::Send(_)))
}

#[tokio::test]
async fn all_nodes_want_a_yes() {
    let question = "Run on all 12 nodes (1 connected)? [y/N] ";
    let fleet = Fleet::start(script(12)).await;
    for answer in ["n\n", "\n", ""] {
        let ended = fleet.types_at(Seat::at_terminal(answer), "run --target all -- x").await;
        ended.check(Exit::Refused, "", &format!("{question}error: not confirmed, nothing was done\n"));
    }
    assert!(!was_sent(&fleet));
    let ended = fleet.types_at(Seat::at_terminal("y\n"), "run --target all -- x").await;
    assert_eq!(ended.exit, Exit::Done);
    assert!(ended.stderr.starts_with(question), "{}", ended.stderr);
    assert!(was_sent(&fleet));
}

#[tokio::test]
async fn one_node_yes_a_script_or_a_narrower_target_are_not_asked() {
    let table = [
        (script(1), Seat::at_terminal(""), "run --target all -- x"),
        (script(12), Seat::at_terminal(""), "run --target all --yes -- x"),
        (script(12), Seat::at_terminal(""), "run --target all --target tag:env=prod -- x"),
        (script(12), Seat::default(), "run --target all -- x"),
    ];
    for (script, seat, line) in table {
        let fleet = Fleet::start(script).await;
        let ended = fleet.types_at(seat, line).await;
        assert_eq!(ended.exit, Exit::Done, "{line}: {}", ended.text());
        assert!(!ended.stderr.contains("[y/N]"), "{line}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn deregistering_wants_a_yes() {
    let fleet = Fleet::start(script(1)).await;
    fleet.types("node deregister web-1").await.check(
        Exit::Usage,
        "",
        "error: deregistering wants a yes, and nobody is at the terminal: add --yes\n",
    );
    let question = format!("Deregister web-1 ({WEB})? Its certificate is refused from then on. [y/N] ");
    let ended = fleet.types_at(Seat::at_terminal("no\n"), "node deregister web-1").await;
    ended.check(Exit::Refused, "", &format!("{question}error: not confirmed, nothing was done\n"));
    assert!(fleet.controller.asked().is_empty());
    let ended = fleet.types_at(Seat::at_terminal("yes\n"), "node deregister web-1").await;
    ended.check(Exit::Done, "", &format!("{question}deregistered web-1 ({WEB})\n"));
    fleet.types("node deregister web-1 --yes").await.check(
        Exit::Done,
        "",
        &format!("deregistered web-1 ({WEB})\n"),
    );
    let asked = fleet.controller.asked();
    assert!(
        matches!(asked.as_slice(), [Asked::Deregister(one), Asked::Deregister(two)] if one == WEB && two == WEB)
    );
}

#[tokio::test]
async fn progress_is_drawn_while_nothing_else_is_said() {
    let mut script = script(1);
    script.watch_hangs = true;
    script.events = vec![
        event(command(CommandStatus::CommandInProgress, "In Progress", 2)),
        event(invocation(WEB, "web-1", InvocationState::Failed, "Failed")),
        event(invocation(DB, "data\u{1b}base", InvocationState::Delayed, "Delayed")),
    ];
    let fleet = Fleet::start(script).await;
    let clock = ManualClock::starting_at(Timestamp::from_millis(NOW_MS));
    let line = "\r\u{1b}[2K1 of 2 finished, 1 not successful; waiting for data\\u{1b}base (Delayed)";
    let (stderr, own_clock) = (Buffer::default(), clock.clone());
    let said = stderr.clone();
    let interrupt = Box::pin(async move {
        // Time passes until the line is there; bounded, so that a line that never comes is shown by the check below.
        for _ in 0..10_000 {
            if String::from_utf8_lossy(&said.taken()).contains(line) {
                return;
            }
            own_clock.advance(Duration::from_secs(1));
            // Once for the line to be drawn, once more for the runtime to have a turn at the connection.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        }
    });
    let seat = Seat { clock: Arc::new(clock), interrupt, stderr, ..Seat::at_terminal("") };
    let ended = fleet.types_at(seat, "run --target tag:env=prod -- x").await;
    assert!(ended.stderr.contains(line), "{:?}", ended.stderr);
    assert!(ended.stderr.contains("\r\u{1b}[2Kcommand "), "the line is cleared: {:?}", ended.stderr);
    assert_eq!(ended.exit, Exit::Interrupted);
}
