//! `run`: what is sent, what is shown while it runs, and how it ends.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use fleetwright_cli::{Exit, Terminals};
use fleetwright_proto::clock::{ManualClock, Timestamp};
use fleetwright_proto::control::send_command_request::Document;
use fleetwright_proto::control::*;
use tonic::Status;

use crate::controller::{Asked, Script};
use crate::fleet::*;

use CommandStatus::{CommandFailed, CommandInProgress, CommandSuccess, CommandTimedOut};
use InvocationState::{Cancelled, Failed, InProgress, Success, TimedOut};

/// A command on one node that prints `output` and succeeds.
fn one_node(output: Vec<OutputChunk>) -> Script {
    let mut events = vec![
        event(command(CommandInProgress, "In Progress", 1)),
        event(invocation(WEB, "web-1", InProgress, "In Progress")),
    ];
    events.extend(output.into_iter().map(event));
    events.push(event(invocation(WEB, "web-1", Success, "Success")));
    events.push(event(command(CommandSuccess, "Success", 1)));
    Script {
        commands: vec![command(CommandInProgress, "In Progress", 1)],
        nodes: vec![node(WEB, "web-1"), node(DB, "database")],
        events,
        ..Script::default()
    }
}

/// A command on two nodes that ends as told.
fn two_nodes(
    web: (InvocationState, &str),
    db: (InvocationState, &str),
    whole: (CommandStatus, &str),
) -> Script {
    Script {
        commands: vec![command(CommandInProgress, "In Progress", 2)],
        events: vec![
            event(invocation(WEB, "web-1", InProgress, "In Progress")),
            event(invocation(DB, "database", InProgress, "In Progress")),
            event(chunk(WEB, false, 0, "one\ntw")),
            event(chunk(DB, false, 0, "from the database\n")),
            event(chunk(WEB, false, 6, "o\nthree")),
            event(chunk(DB, true, 0, "a warning\n")),
            event(invocation(DB, "database", db.0, db.1)),
            event(invocation(WEB, "web-1", web.0, web.1)),
            event(command(whole.0, whole.1, 2)),
        ],
        ..Script::default()
    }
}

const ONE_SUCCEEDED: &str =
    "command 67e55044-10b1-426f-9247-bb680e5fe0c8: Success, 1 of 1 succeeded in 1.5 s\n";

#[tokio::test]
async fn one_node_passes_its_bytes_through() {
    let bytes: Vec<u8> = (0..=255).collect();
    let script = one_node(vec![
        chunk(WEB, false, 0, bytes.clone()),
        chunk(WEB, true, 0, "to stderr\n"),
        chunk(WEB, false, 256, "no line end"),
    ]);
    let ended = Fleet::start(script).await.types("run --target web-1 -- x").await;
    assert_eq!(ended.stdout, [bytes.as_slice(), b"no line end"].concat());
    assert_eq!((ended.exit, ended.stderr), (Exit::Done, format!("to stderr\n{ONE_SUCCEEDED}")));
}

#[tokio::test]
async fn several_nodes_stand_behind_their_names() {
    let fleet =
        Fleet::start(two_nodes((Success, "Success"), (Success, "Success"), (CommandSuccess, "Success")))
            .await;
    fleet.types("run --target tag:env=prod -- x").await.check(
        Exit::Done,
        "web-1    | one\ndatabase | from the database\nweb-1    | two\nweb-1    | three\n",
        "database | a warning\n\
         command 67e55044-10b1-426f-9247-bb680e5fe0c8: Success, 2 of 2 succeeded in 1.5 s\n",
    );
}

#[tokio::test]
async fn the_worst_target_decides_the_exit_code() {
    let table = [
        ((Success, "Success"), (Failed, "Failed"), (CommandFailed, "Failed"), Exit::TargetFailed),
        (
            (TimedOut, "Execution Timed Out"),
            (Failed, "Failed"),
            (CommandFailed, "Failed"),
            Exit::TargetFailed,
        ),
        ((Success, "Success"), (Cancelled, "Cancelled"), (CommandFailed, "Incomplete"), Exit::TargetFailed),
        (
            (Success, "Success"),
            (TimedOut, "Delivery Timed Out"),
            (CommandTimedOut, "Delivery Timed Out"),
            Exit::TimedOut,
        ),
    ];
    for (web, db, whole, want) in table {
        let ended = Fleet::start(two_nodes(web, db, whole)).await.types("run --target all -- x").await;
        assert_eq!(ended.exit, want, "{}", ended.text());
    }
}

#[tokio::test]
async fn a_failed_target_is_named_with_its_reason() {
    let fleet =
        Fleet::start(two_nodes((Success, "Success"), (Failed, "Failed"), (CommandFailed, "Failed"))).await;
    let ended = fleet.types("run --target all -- x").await;
    assert_eq!(
        ended.stderr,
        "database | a warning\n\
         database: Failed: step run ended with exit code 3\n\
         command 67e55044-10b1-426f-9247-bb680e5fe0c8: Failed, 1 of 2 succeeded, 1 failed in 1.5 s\n  \
         why:  fleetwright why 67e55044-10b1-426f-9247-bb680e5fe0c8 mi-0123456789abcdef1\n"
    );
}

#[tokio::test]
async fn what_is_sent_is_what_was_typed() {
    let fleet = Fleet::start(one_node(Vec::new())).await;
    let ended = fleet
        .types(
            "run -t web-1 -t database -t tag:env=prod -t platform:Linux --max-concurrency 10% --max-errors 3 \
             --timeout 10m --delivery-timeout 1h --comment monday -- echo a~b $HOME",
        )
        .await;
    assert_eq!(ended.exit, Exit::Done, "{}", ended.text());
    let Some(Asked::Send(mut request)) = fleet.controller.asked().first().cloned() else {
        panic!("nothing sent")
    };
    assert_eq!(std::mem::take(&mut request.client_token).len(), 36);
    let value = |text: &str| ParameterValues { values: vec![text.to_owned()] };
    let target = |key: &str, values: &[&str]| Target {
        key: key.into(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let want = SendCommandRequest {
        document: Some(Document::DocumentName("AWS-RunShellScript".into())),
        parameters: [
            ("commands".to_owned(), value("echo 'a b' '$HOME'")),
            ("executionTimeout".to_owned(), value("600")),
        ]
        .into(),
        targets: vec![
            target("InstanceIds", &[WEB, DB]),
            target("tag:env", &["prod"]),
            target("platform", &["Linux"]),
        ],
        max_concurrency: "10%".into(),
        max_errors: "3".into(),
        delivery_timeout_ms: 3_600_000,
        comment: "monday".into(),
        ..SendCommandRequest::default()
    };
    assert_eq!(request, want);
}

#[tokio::test]
async fn a_document_file_is_sent_as_it_is() {
    let fleet = Fleet::start(one_node(Vec::new())).await;
    let path = fleet.operator.folder().join("disk.yaml");
    std::fs::write(&path, "schemaVersion: '2.2'\n").unwrap();
    let line = format!("run -t {WEB} -d {} -p limit=90 -p script=-", path.display());
    let seat = Seat { stdin: "df -h\n", ..Seat::default() };
    let ended = fleet.types_at(seat, &line).await;
    assert_eq!(ended.exit, Exit::Done, "{}", ended.text());
    let Some(Asked::Send(request)) = fleet.controller.asked().first().cloned() else {
        panic!("nothing sent")
    };
    assert_eq!(request.document, Some(Document::DocumentContent("schemaVersion: '2.2'\n".into())));
    assert_eq!(request.parameters["script"].values, ["df -h\n"]);
    assert_eq!(request.delivery_timeout_ms, 0);
}

#[tokio::test]
async fn usage_errors_send_nothing() {
    let fleet = Fleet::start(one_node(Vec::new())).await;
    let table = [
        (
            "run -- uptime",
            "error: no --target: say where to run, with --target NODE, --target tag:KEY=VALUE, --target \
             platform:Linux or --target all\n",
        ),
        (
            "run --target all",
            "error: nothing to run: give a command after --, as in: fleetwright run --target all -- uptime\n",
        ),
        (
            "run --target all --max-errors 101% -- x",
            "error: invalid value '101%' for '--max-errors <N|N%>': `101%` is over 100%\n\nFor more information, try \
             '--help'.\n",
        ),
        (
            "run --target all --max-concurrency -1 -- x",
            "error: invalid value '-1' for '--max-concurrency <N|N%>': `-1` is neither a number nor a percentage: \
             write 10 or 10%\n\nFor more information, try '--help'.\n",
        ),
        (
            "run --target all --timeout 10 -- x",
            "error: invalid value '10' for '--timeout <DURATION>': `10` has no unit: write 10s, 10m, 10h or \
             10d\n\nFor more information, try '--help'.\n",
        ),
    ];
    for (line, want) in table {
        fleet.types(line).await.check(Exit::Usage, "", want);
    }
    assert!(fleet.controller.asked().is_empty());
}

#[tokio::test]
async fn a_refusal_is_one_line_with_the_exit_code_of_its_kind() {
    let table = [
        (Status::not_found("no node has the tag env=prod"), Exit::NotFound),
        (Status::invalid_argument("document `X`, line 3: \u{1b}unknown field"), Exit::Refused),
        (Status::permission_denied("this certificate is a node's"), Exit::Refused),
        (Status::resource_exhausted("too many open commands"), Exit::Refused),
    ];
    for (status, want) in table {
        let script = Script { refusal: Some(status.clone()), ..one_node(Vec::new()) };
        let ended = Fleet::start(script).await.types("run --target tag:env=prod -- x").await;
        ended.check(want, "", &format!("error: {}\n", status.message().replace('\u{1b}', "\\u{1b}")));
    }
}

#[tokio::test]
async fn detached_prints_the_id_and_does_not_wait() {
    let fleet = Fleet::start(one_node(Vec::new())).await;
    let ended = fleet.types("run --target web-1 --detach -- x").await;
    ended.check(
        Exit::Done,
        &format!("{COMMAND}\n"),
        &format!(
            "command {COMMAND} goes on\n  follow it:  fleetwright command output --follow {COMMAND}\n  \
             cancel it:  fleetwright command cancel {COMMAND}\n"
        ),
    );
    assert!(!fleet.controller.asked().iter().any(|asked| matches!(asked, Asked::Watch)));
}

#[tokio::test]
async fn results_are_data_when_asked() {
    let bytes = || two_nodes((Success, "Success"), (Failed, "Failed"), (CommandFailed, "Failed"));
    let binary = event(chunk(DB, false, 18, vec![0xff]));
    for format in ["json", "jsonl"] {
        let mut script = bytes();
        script.events.insert(4, binary.clone());
        let ended = Fleet::start(script).await.types(&format!("run --target all -o {format} -- x")).await;
        assert_eq!(ended.exit, Exit::TargetFailed);
        insta::assert_snapshot!(format!("run_{format}"), String::from_utf8(ended.stdout).unwrap());
    }
}

#[tokio::test]
async fn a_line_of_data_waits_for_output_that_is_still_to_come() {
    let mut done = invocation(WEB, "web-1", Success, "Success");
    done.steps[0].stdout_bytes = 4;
    let mut script = one_node(Vec::new());
    script.events = vec![
        event(chunk(WEB, false, 0, "on")),
        event(done),
        event(chunk(WEB, false, 2, "e\n")),
        event(command(CommandSuccess, "Success", 1)),
    ];
    let ended = Fleet::start(script).await.types("run --target web-1 -o jsonl -- x").await;
    let first = String::from_utf8(ended.stdout).unwrap().lines().next().unwrap().to_owned();
    let first: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!((&first["type"], &first["stdout"]), (&"invocation".into(), &"one\n".into()));
}

#[tokio::test]
async fn a_lost_connection_loses_and_doubles_nothing() {
    for cut_after in 1..6 {
        let mut script = one_node(vec![chunk(WEB, false, 0, "one\n"), chunk(WEB, false, 4, "two\n")]);
        script.cuts = vec![cut_after, cut_after];
        let fleet = Fleet::start(script).await;
        let ended = fleet.types_at(Seat::with_real_time(), "run --target web-1 -- x").await;
        assert_eq!(
            String::from_utf8_lossy(&ended.stdout),
            "one\ntwo\n",
            "cut after {cut_after}: {}",
            ended.text()
        );
        assert_eq!(ended.exit, Exit::Done);
        assert!(ended.stderr.contains("; trying again, the command goes on\n"), "{}", ended.stderr);
        assert!(ended.stderr.ends_with(ONE_SUCCEEDED), "{}", ended.stderr);
        let watches = fleet.controller.asked().iter().filter(|asked| matches!(asked, Asked::Watch)).count();
        assert_eq!(watches, 3);
    }
}

#[tokio::test]
async fn a_controller_that_stays_away_is_given_up() {
    let mut script = one_node(vec![chunk(WEB, false, 0, "one\n")]);
    script.watch_hangs = true;
    script.events.truncate(3);
    let fleet = Fleet::start(script).await;
    let clock = ManualClock::starting_at(Timestamp::from_millis(NOW_MS));
    let moving = keep_moving(&clock, Duration::from_secs(1));
    let shared = fleet.controller.shared.clone();
    let stdout = Buffer::default();
    let shown = stdout.clone();
    tokio::spawn(async move {
        shown.until("one").await;
        shared.script.lock().unwrap().refusal = Some(Status::unavailable("shutting down"));
        shared.cut.send_modify(|number| *number += 1);
    });
    let seat = Seat { clock: Arc::new(clock), stdout, ..Seat::default() };
    let ended = fleet.types_at(seat, "run --target web-1 -- x").await;
    moving.abort();
    assert_eq!((ended.exit, ended.stdout.as_slice()), (Exit::Unreachable, b"one\n".as_slice()));
    assert_eq!(ended.stderr.matches("trying again").count(), 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains(&format!("fleetwright command output --follow {COMMAND}")),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.ends_with("error: shutting down\n"), "{}", ended.stderr);
}

#[tokio::test]
async fn ctrl_c_leaves_the_command_running() {
    let mut script = two_nodes((Success, "Success"), (Success, "Success"), (CommandSuccess, "Success"));
    script.watch_hangs = true;
    script.events.truncate(3);
    let fleet = Fleet::start(script).await;
    let stdout = Buffer::default();
    let shown = stdout.clone();
    let interrupt = Box::pin(async move { shown.until("one").await });
    let ended = fleet.types_at(Seat { interrupt, stdout, ..Seat::default() }, "run --target all -- x").await;
    assert_eq!(ended.exit, Exit::Interrupted);
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "web-1    | one\nweb-1    | tw\n");
    assert_eq!(
        ended.stderr,
        format!(
            "command {COMMAND} goes on\n  follow it:  fleetwright command output --follow {COMMAND}\n  \
             cancel it:  fleetwright command cancel {COMMAND}\n"
        )
    );
    assert!(!fleet.controller.asked().iter().any(|asked| matches!(asked, Asked::Cancel(_))));
}

#[tokio::test]
async fn ctrl_c_is_heard_while_a_node_prints_without_end() {
    let line = "x".repeat(999) + "\n";
    let output = (0..2_000).map(|at| chunk(WEB, false, at * 1_000, line.clone())).collect();
    let fleet = Fleet::start(one_node(output)).await;
    let stdout = Buffer::default();
    let shown = stdout.clone();
    let interrupt = Box::pin(async move { shown.until("x").await });
    let ended =
        fleet.types_at(Seat { interrupt, stdout, ..Seat::default() }, "run --target web-1 -- x").await;
    assert_eq!(ended.exit, Exit::Interrupted);
    assert!(ended.stdout.len() < 1_000_000, "{}", ended.stdout.len());
}

/// A reader that has had enough.
struct ClosedPipe;

impl Write for ClosedPipe {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_closed_pipe_ends_quietly() {
    let fleet = Fleet::start(one_node(vec![chunk(WEB, false, 0, "one\n")])).await;
    for line in ["run --target web-1 -- x", "run --target web-1 -o json -- x", "node list"] {
        let seat = Seat { pipe: Some(Box::new(ClosedPipe)), ..Seat::default() };
        fleet.types_at(seat, line).await.check(Exit::Done, "", "");
    }
}

#[tokio::test]
async fn following_is_the_same_as_having_stayed() {
    let fleet = Fleet::start(one_node(vec![chunk(WEB, false, 0, "one\n")])).await;
    let ended = fleet.types(&format!("command output --follow {COMMAND}")).await;
    ended.check(Exit::Done, "one\n", ONE_SUCCEEDED);
}

#[tokio::test]
async fn nothing_of_a_terminal_is_written_elsewhere() {
    let fleet =
        Fleet::start(two_nodes((Success, "Success"), (Success, "Success"), (CommandSuccess, "Success")))
            .await;
    let terminals = Terminals { stdin: false, stdout: true, stderr: false };
    let ended = fleet.types_at(Seat { terminals, ..Seat::default() }, "run --target tag:env=prod -- x").await;
    assert!(String::from_utf8_lossy(&ended.stdout).starts_with("\u{1b}[36mweb-1    |\u{1b}[0m one\n"));
    assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
}

#[tokio::test]
async fn a_rehearsal_asks_the_controller_and_sends_nothing() {
    let fleet = Fleet::start(one_node(Vec::new())).await;
    let ended = fleet.types("run --dry-run -t web-1 -d Disk --parameters {\"limit\":90}").await;
    assert_eq!(ended.exit, Exit::Done, "{}", ended.stderr);
    let asked = fleet.controller.asked();
    let checked = asked.iter().find_map(|asked| match asked {
        Asked::Check(request) => Some(request.clone()),
        _ => None,
    });
    assert_eq!(checked.unwrap().parameters["limit"].values, ["90"]);
    assert!(!asked.iter().any(|asked| matches!(asked, Asked::Send(_))));
    let refusal =
        Some(Status::invalid_argument("the parameters do not fit Disk: parameter `limit` is too big"));
    let refused = Fleet::start(Script { refusal, ..one_node(Vec::new()) }).await;
    let ended = refused.types("run --dry-run -t all -d Disk").await;
    assert_eq!(ended.exit, Exit::Refused);
    assert!(ended.stderr.contains("`limit` is too big"), "{}", ended.stderr);
}

#[tokio::test]
async fn waiting_and_watching_end_as_running_does() {
    let script = || two_nodes((Success, "Success"), (Failed, "Failed"), (CommandFailed, "Failed"));
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let ended = Fleet::start(script()).await.types(&format!("command watch {id}")).await;
    assert_eq!(ended.exit, Exit::TargetFailed);
    assert!(ended.text().contains("web-1    | one"), "{}", ended.text());
    let ended = Fleet::start(script()).await.types(&format!("command wait {id}")).await;
    assert_eq!(ended.exit, Exit::TargetFailed);
    assert!(!ended.text().contains("| one"), "{}", ended.text());
    let mut hanging = script();
    hanging.events.pop();
    hanging.watch_hangs = true;
    let clock = ManualClock::starting_at(Timestamp::from_millis(NOW_MS));
    let moving = keep_moving(&clock, Duration::from_secs(1));
    let seat = Seat { clock: Arc::new(clock), ..Seat::default() };
    let ended = Fleet::start(hanging).await.types_at(seat, &format!("command wait {id} --timeout 10m")).await;
    moving.abort();
    assert_eq!(ended.exit, Exit::TimedOut);
    assert!(ended.stderr.contains("has not finished; it goes on"), "{}", ended.stderr);
}
