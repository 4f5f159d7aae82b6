//! The spool by its rules: positions, limits, acknowledgements, restarts.

use std::path::Path;

use fleetwright_platform::fake::FakePlatform;
use fleetwright_proto::clock::{Clock, ManualClock, Timestamp};
use futures::FutureExt;
use tokio::sync::watch;

use super::*;

const LIMITS: SpoolLimits = SpoolLimits {
    stream_bytes: 80,
    spool_bytes: 200,
    spare_disk_bytes: 0,
    patience: Duration::from_secs(60),
};

struct Fixture {
    folder: tempfile::TempDir,
    clock: ManualClock,
    host: FakePlatform,
    spool: Spool,
    phase: watch::Sender<Phase>,
}

fn fixture(limits: SpoolLimits) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::starting_at(Timestamp::from_millis(0));
    let host = FakePlatform::numbered(1, Arc::new(clock.clone()));
    let spool = open(folder.path(), limits, &host, &clock);
    Fixture { folder, clock, host, spool, phase: watch::Sender::new(Phase::Running) }
}

fn open(folder: &Path, limits: SpoolLimits, host: &FakePlatform, clock: &ManualClock) -> Spool {
    Spool::open(folder.to_owned(), limits, Arc::new(host.clone()), Arc::new(clock.clone())).unwrap()
}

fn id(step: u32, stream: Stream) -> StreamId {
    StreamId { command: "67e55044-10b1-426f-9247-bb680e5fe0c8".parse().unwrap(), step, stream }
}

fn stdout() -> StreamId {
    id(0, Stream::Stdout)
}

impl Fixture {
    /// Appends and tells whether that came to an end without a wait.
    fn append(&self, writer: &mut Writer, data: &[u8]) -> bool {
        writer.append(data, WhenFull::Wait(&mut self.phase.subscribe())).now_or_never().is_some()
    }

    fn restarted(&self, limits: SpoolLimits) -> Spool {
        open(self.folder.path(), limits, &self.host, &self.clock)
    }
}

fn all(spool: &Spool, id: &StreamId, mut offset: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(piece) = spool.read_at(id, offset, 7) {
        assert!((1..=7).contains(&piece.len()));
        offset += piece.len() as u64;
        bytes.extend(piece);
    }
    bytes
}

fn numbered(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn unsent(spool: &Spool) -> Vec<(u32, Stream, u64, u64)> {
    spool.unsent().into_iter().map(|u| (u.stream.step, u.stream.stream, u.from, u.to)).collect()
}

#[test]
fn what_was_appended_is_read_at_any_position() {
    let fixture = fixture(LIMITS);
    let mut writer = fixture.spool.writer(stdout());
    for piece in numbered(75).chunks(9) {
        assert!(fixture.append(&mut writer, piece));
    }
    for offset in [0, 1, 9, 10, 11, 74] {
        assert_eq!(all(&fixture.spool, &stdout(), offset), numbered(75)[usize::try_from(offset).unwrap()..]);
    }
    assert!(matches!(fixture.spool.read_at(&stdout(), 75, 7), Err(ReadError::NotHeld { offset: 75, .. })));
    assert_eq!(fixture.spool.totals(&stdout()), StreamTotals { printed_bytes: 75, dropped_bytes: 0 });
}

#[test]
fn streams_with_something_to_send_are_told_in_order() {
    let fixture = fixture(LIMITS);
    let streams = [id(5, Stream::Stderr), id(1, Stream::Stdout), id(1, Stream::Stderr)];
    let mut writers: Vec<Writer> = streams.iter().map(|id| fixture.spool.writer(id.clone())).collect();
    assert_eq!(unsent(&fixture.spool), []);
    assert!(fixture.spool.changed().now_or_never().is_none());
    for writer in &mut writers {
        fixture.append(writer, b"12345");
    }
    assert!(fixture.spool.changed().now_or_never().is_some());
    let (first, second, third) =
        ((5, Stream::Stderr, 0, 5), (1, Stream::Stdout, 0, 5), (1, Stream::Stderr, 0, 5));
    assert_eq!(unsent(&fixture.spool), [first, second, third]);
    fixture.spool.mark_sent(&streams[0], 5);
    fixture.spool.mark_sent(&streams[1], 2);
    assert_eq!(unsent(&fixture.spool), [(1, Stream::Stdout, 2, 5), third]);
    fixture.spool.acknowledge(&streams[1], 1);
    // A new link knows nothing of what was sent on the old one.
    fixture.spool.set_link(LinkState::Up);
    assert_eq!(unsent(&fixture.spool), [first, (1, Stream::Stdout, 1, 5), third]);
}

#[test]
fn without_a_link_the_limit_is_exact_and_the_rest_is_counted() {
    let fixture = fixture(LIMITS);
    let mut writer = fixture.spool.writer(stdout());
    assert!(fixture.append(&mut writer, &numbered(100)));
    assert_eq!(all(&fixture.spool, &stdout(), 0), numbered(80));
    assert_eq!(fixture.spool.totals(&stdout()), StreamTotals { printed_bytes: 100, dropped_bytes: 20 });
    // Room that is made later does not lead to a hole.
    fixture.spool.acknowledge(&stdout(), 80);
    assert_eq!(fixture.spool.held_bytes(), 0);
    assert!(fixture.append(&mut writer, b"late"));
    assert_eq!(fixture.spool.totals(&stdout()), StreamTotals { printed_bytes: 104, dropped_bytes: 24 });
    drop(writer);
    assert_eq!(fixture.restarted(LIMITS).totals(&stdout()).dropped_bytes, 24);
}

#[test]
fn the_limit_of_the_spool_is_exact_over_all_streams() {
    let fixture = fixture(LIMITS);
    for step in 0..4 {
        let mut writer = fixture.spool.writer(id(step, Stream::Stdout));
        assert!(fixture.append(&mut writer, &numbered(60)));
    }
    assert_eq!(fixture.spool.held_bytes(), 200);
    assert_eq!(fixture.spool.totals(&id(3, Stream::Stdout)).dropped_bytes, 40);
}

#[test]
fn with_a_link_a_full_spool_waits_for_room() {
    let fixture = fixture(LIMITS);
    fixture.spool.set_link(LinkState::Up);
    let mut writer = fixture.spool.writer(stdout());
    let data = numbered(100);
    let mut phase = fixture.phase.subscribe();
    {
        let mut append = Box::pin(writer.append(&data, WhenFull::Wait(&mut phase)));
        assert!((&mut append).now_or_never().is_none());
        fixture.spool.acknowledge(&stdout(), 15);
        assert!((&mut append).now_or_never().is_none(), "one segment of room is not enough");
        fixture.spool.acknowledge(&stdout(), 20);
        assert!((&mut append).now_or_never().is_some());
    }
    assert_eq!(all(&fixture.spool, &stdout(), 20), numbered(100)[20..]);
    assert_eq!(fixture.spool.totals(&stdout()).dropped_bytes, 0);
}

type End = fn(&Fixture);

/// Each way in which waiting for room ends without it.
#[test]
fn waiting_for_room_has_an_end() {
    let ends: [(&str, End); 3] = [
        ("the link goes", |fixture| fixture.spool.set_link(LinkState::Down)),
        ("too long", |fixture| fixture.clock.advance(LIMITS.patience)),
        ("the process was killed", |fixture| {
            fixture.phase.send_replace(Phase::Hurried);
        }),
    ];
    for (what, end) in ends {
        let fixture = fixture(LIMITS);
        fixture.spool.set_link(LinkState::Up);
        let mut writer = fixture.spool.writer(stdout());
        let data = numbered(100);
        let mut phase = fixture.phase.subscribe();
        {
            let mut append = Box::pin(writer.append(&data, WhenFull::Wait(&mut phase)));
            assert!((&mut append).now_or_never().is_none());
            end(&fixture);
            assert!((&mut append).now_or_never().is_some(), "{what}");
        }
        let wanted = StreamTotals { printed_bytes: 100, dropped_bytes: 20 };
        assert_eq!(fixture.spool.totals(&stdout()), wanted, "{what}");
    }
}

#[test]
fn a_full_disk_is_a_full_spool() {
    let fixture = fixture(LIMITS);
    let mut writer = fixture.spool.writer(stdout());
    assert!(fixture.append(&mut writer, b"kept"));
    fixture.host.fill_disk();
    assert!(fixture.append(&mut writer, b"dropped"));
    assert_eq!(fixture.spool.totals(&stdout()), StreamTotals { printed_bytes: 11, dropped_bytes: 7 });
    // With a link it may be freed by others, who do not tell.
    fixture.spool.set_link(LinkState::Up);
    let mut writer = fixture.spool.writer(id(1, Stream::Stdout));
    let mut phase = fixture.phase.subscribe();
    {
        let mut append = Box::pin(writer.append(b"kept", WhenFull::Wait(&mut phase)));
        assert!((&mut append).now_or_never().is_none());
        fixture.host.free_disk();
        fixture.clock.advance(Duration::from_secs(1));
        assert!((&mut append).now_or_never().is_some());
    }
    assert_eq!(all(&fixture.spool, &id(1, Stream::Stdout), 0), b"kept");
}

#[test]
fn a_disk_that_fills_up_under_the_spool_loses_only_what_did_not_fit() {
    let Some(mount) = SmallDisk::mounted() else {
        return a_full_disk_is_a_full_spool();
    };
    let clock: SharedClock = Arc::new(fleetwright_proto::clock::SystemClock);
    let limits = SpoolLimits { spare_disk_bytes: 0, ..SpoolLimits::default() };
    // A host that says that there is room, so that the write itself fails.
    let host = Arc::new(FakePlatform::numbered(1, Arc::clone(&clock)));
    let spool = Spool::open(mount.folder.path().join("spool"), limits, host, clock).unwrap();
    let mut writer = spool.writer(stdout());
    let phase = watch::Sender::new(Phase::Running);
    let data = numbered(1 << 16);
    for _ in 0..32 {
        writer
            .append(&data, WhenFull::Wait(&mut phase.subscribe()))
            .now_or_never()
            .expect("no wait without a link");
    }
    let totals = spool.totals(&stdout());
    assert_eq!(totals.printed_bytes, 32 << 16);
    let kept = totals.printed_bytes - totals.dropped_bytes;
    assert!(kept > 0 && totals.dropped_bytes > 0, "{totals:?}");
    assert_eq!(kept, spool.held_bytes());
    let last = spool.read_at(&stdout(), kept - 1, 1).unwrap();
    assert_eq!(last[0], data[usize::try_from((kept - 1) % (1 << 16)).unwrap()]);
}

/// A file system of 1 MiB, for those who may mount one.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    fn mounted() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(folder.path());
        mount.output().is_ok_and(|output| output.status.success()).then_some(Self { folder })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.folder.path()).status();
    }
}

#[test]
fn acknowledged_bytes_are_freed_and_their_positions_stay() {
    let fixture = fixture(LIMITS);
    let mut writer = fixture.spool.writer(stdout());
    fixture.append(&mut writer, &numbered(33));
    fixture.spool.acknowledge(&stdout(), 25);
    assert_eq!(fixture.spool.held_bytes(), 13);
    assert!(fixture.spool.read_at(&stdout(), 19, 7).is_err());
    assert_eq!(all(&fixture.spool, &stdout(), 20), numbered(33)[20..]);
    fixture.spool.acknowledge(&stdout(), 33);
    fixture.spool.acknowledge(&stdout(), 10);
    assert_eq!(fixture.spool.held_bytes(), 0);
    fixture.append(&mut writer, b"more");
    assert_eq!(unsent(&fixture.spool), [(0, Stream::Stdout, 33, 37)]);
    assert_eq!(all(&fixture.spool, &stdout(), 33), b"more");
}

#[test]
fn a_restart_finds_everything_that_was_not_acknowledged() {
    let fixture = fixture(LIMITS);
    let mut writer = fixture.spool.writer(stdout());
    fixture.append(&mut writer, &numbered(33));
    fixture.append(&mut fixture.spool.writer(id(2, Stream::Stderr)), b"oh");
    fixture.spool.mark_sent(&stdout(), 33);
    fixture.spool.acknowledge(&stdout(), 25);
    drop(writer);
    std::fs::write(fixture.folder.path().join("not-a-command"), "").unwrap();

    let spool = fixture.restarted(LIMITS);
    assert_eq!(unsent(&spool), [(0, Stream::Stdout, 20, 33), (2, Stream::Stderr, 0, 2)]);
    assert_eq!(spool.held_bytes(), 15);
    assert_eq!(all(&spool, &stdout(), 20), numbered(33)[20..]);
    assert_eq!(spool.commands(), [stdout().command]);
}

#[test]
fn a_step_that_runs_again_after_a_restart_goes_on_where_it_was() {
    let fixture = fixture(LIMITS);
    let mut writer = fixture.spool.writer(stdout());
    fixture.append(&mut writer, &numbered(33));
    drop(writer);
    fixture.spool.acknowledge(&stdout(), 33);

    let spool = fixture.restarted(LIMITS);
    assert_eq!(spool.totals(&stdout()).printed_bytes, 33);
    assert_eq!(unsent(&spool), []);
    fixture.append(&mut spool.writer(stdout()), b"again");
    assert_eq!(unsent(&spool), [(0, Stream::Stdout, 33, 38)]);
}

#[test]
fn a_controller_that_has_more_than_the_spool_is_believed() {
    let fixture = fixture(LIMITS);
    fixture.append(&mut fixture.spool.writer(stdout()), b"12345");
    fixture.spool.acknowledge(&stdout(), 9);
    assert_eq!((unsent(&fixture.spool), fixture.spool.held_bytes()), (vec![], 0));
    let spool = fixture.restarted(LIMITS);
    fixture.append(&mut spool.writer(stdout()), b"again");
    assert_eq!(unsent(&spool), [(0, Stream::Stdout, 9, 14)]);
}

#[test]
fn a_forgotten_command_leaves_nothing() {
    let fixture = fixture(LIMITS);
    let mut writer = fixture.spool.writer(stdout());
    fixture.append(&mut writer, &numbered(100));
    drop(writer);
    let command = stdout().command;
    fixture.spool.forget(&command);
    fixture.spool.forget(&command);
    assert_eq!((fixture.spool.held_bytes(), fixture.spool.commands().len()), (0, 0));
    assert_eq!(std::fs::read_dir(fixture.folder.path()).unwrap().count(), 0);
    assert_eq!(fixture.clock.now(), Timestamp::from_millis(0));
}
