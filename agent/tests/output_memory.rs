//! A command that prints 100 MB does not make the agent grow.
//!
//! Alone in its program, so that nothing else moves the figure.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use fleetwright_agent::spool::{LinkState, Spool, SpoolLimits, Stream, StreamId};
use fleetwright_agent::steps::{self, How, ScriptFacts, StepContext, StepTools};
use fleetwright_documents::{Action, Interpreter, ScriptInputs, StepInputs};
use fleetwright_proto::clock::{SharedClock, SystemClock};
use fleetwright_proto::ids::CommandId;
use tokio_util::sync::CancellationToken;

const PIECE_BYTES: usize = 256 * 1024;
const PRINTED: u64 = 100_000_000;
const MAY_GROW_BYTES: u64 = 4 << 20;
const PAGE_BYTES: u64 = 4096;

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * PAGE_BYTES
}

fn inputs(line: &str) -> StepInputs {
    StepInputs::RunScript(ScriptInputs {
        interpreter: Interpreter::Shell,
        lines: vec![line.to_owned()],
        working_directory: None,
        timeout: Duration::from_secs(60),
        environment: std::collections::BTreeMap::new(),
    })
}

fn context(folder: &std::path::Path) -> StepContext {
    StepContext {
        command: CommandId::random(),
        step: 0,
        inner: Vec::new(),
        name: "print".to_owned(),
        orchestration: folder.join("orchestration"),
        working_directory: None,
        facts: ScriptFacts::default(),
        kill_grace: steps::DEFAULT_KILL_GRACE,
        secrets: fleetwright_agent::secrets::Secrets::default(),
        journal: Arc::new(steps::Alone),
    }
}

/// Reads what is there and acknowledges it, as the link and the controller do. Tells how many bytes that were.
fn send(spool: &Spool) -> u64 {
    let mut sent = 0;
    for unsent in spool.unsent() {
        let mut at = unsent.from;
        while at < unsent.to {
            let piece = spool.read_at(&unsent.stream, at, PIECE_BYTES).unwrap();
            assert!(
                piece.iter().enumerate().all(|(i, byte)| *byte == b"0123456789\n"[(at as usize + i) % 11])
            );
            at += piece.len() as u64;
        }
        spool.mark_sent(&unsent.stream, at);
        spool.acknowledge(&unsent.stream, at);
        sent += at - unsent.from;
    }
    sent
}

#[tokio::test]
async fn a_hundred_megabytes_take_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let platform = fleetwright_platform::host();
    let clock: SharedClock = Arc::new(SystemClock);
    let limits = SpoolLimits { stream_bytes: 16 << 20, ..SpoolLimits::default() };
    let spool =
        Spool::open(folder.path().join("spool"), limits, Arc::clone(&platform), Arc::clone(&clock)).unwrap();
    spool.set_link(LinkState::Up);
    let tools = StepTools {
        platform,
        host: fleetwright_documents::Platform::Linux,
        clock,
        spool: spool.clone(),
        library: Arc::new(steps::Alone),
        packages: steps::Packages::in_folder(folder.path().join("packages")),
        downloads: steps::Downloads::default(),
    };
    let cancel = CancellationToken::new();

    for (line, printed) in
        [("echo 0123456789".to_owned(), 11), (format!("yes 0123456789 | head -c {PRINTED}"), PRINTED)]
    {
        let context = context(folder.path());
        let (before, start) = (resident_bytes(), Instant::now());
        let (inputs, mut sent, mut most) = (inputs(&line), 0, before);
        let on_started: steps::OnStarted = Arc::new(|_| Box::pin(std::future::ready(Ok(()))));
        let run = steps::run(Action::RunShellScript, &inputs, &context, &tools, &cancel, on_started);
        let sending = async {
            loop {
                spool.changed().await;
                sent += send(&spool);
                most = most.max(resident_bytes());
            }
        };
        let end = tokio::select! {
            end = run => end,
            () = sending => unreachable!("the loop has no end"),
        };
        sent += send(&spool);
        assert_eq!(
            (end.how, end.stdout.printed_bytes, end.stdout.dropped_bytes),
            (How::Exited(0), printed, 0)
        );
        assert_eq!(sent, printed);
        let id = StreamId { command: context.command.clone(), step: 0, stream: Stream::Stdout };
        assert_eq!(spool.totals(&id).printed_bytes, printed);
        let grown = most - before;
        println!(
            "{printed} bytes in {:?}: {} KiB more than {}",
            start.elapsed(),
            grown / 1024,
            before / 1024
        );
        // The first, short run is there to load what every run needs.
        assert!(printed < PRINTED || grown < MAY_GROW_BYTES, "grown by {grown} bytes");
    }
}
