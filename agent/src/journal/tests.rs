//! Replay tables, and what the file survives.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use fleetwright_platform::SharedPlatform;
use fleetwright_platform::fake::FakePlatform;
use fleetwright_proto::clock::{ManualClock, Timestamp};
use fleetwright_proto::ids::CommandId;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};

use super::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// The same text for the same number, so that a failing case can be read.
fn id(number: u8) -> CommandId {
    format!("00000000-0000-4000-8000-0000000000{number:02x}").parse().unwrap()
}

fn accepted(command: u8) -> Record {
    let document = ("Test".to_owned(), "1".to_owned());
    let work = Work::delivered(document, "a secret".to_owned(), "{}".to_owned(), (at(1_000), at(61_000)));
    Record::Accepted { command: id(command), work: Arc::new(work) }
}

fn started(command: u8, step: u32) -> Record {
    let (name, action) = (format!("step{step}"), "aws:runShellScript".to_owned());
    Record::StepStarted { command: id(command), step, name, action, at: at(2_000), process: None }
}

fn ended(command: u8, step: u32, state: StepState) -> Record {
    let result = StepRecord {
        name: format!("step{step}"),
        action: "aws:runShellScript".to_owned(),
        state,
        code: 0,
        ended: Some(Ended::ExitCode(0)),
        started: at(2_000),
        finished: at(3_000),
        detail: String::new(),
        stdout: StreamTotals { bytes: 6, dropped_bytes: 0 },
        stderr: StreamTotals::default(),
        inner: Vec::new(),
    };
    Record::StepFinished { command: id(command), step, result }
}

fn rebooting(command: u8, count: u32) -> Record {
    Record::Rebooting { command: id(command), step: 0, boot_id: "boot-1".to_owned(), count }
}

fn finished(command: u8) -> Record {
    let report = FinalReport {
        status: FinalStatus::Success,
        reason: Reason::AllStepsDone,
        reason_step: String::new(),
        reason_detail: String::new(),
        steps: Vec::new(),
        drift: Drift::default(),
    };
    Record::Finished { command: id(command), report, start_deadline: at(61_000) }
}

fn acknowledged(command: u8) -> Record {
    Record::Acknowledged { command: id(command), forget_after: at(3_661_000) }
}

fn a_whole_life() -> Vec<Record> {
    vec![
        accepted(1),
        started(1, 0),
        ended(1, 0, StepState::Success),
        started(1, 1),
        ended(1, 1, StepState::Success),
        finished(1),
        acknowledged(1),
    ]
}

#[test]
fn every_prefix_of_a_life_says_what_is_owed() {
    // (known, open, step that was running, finished, number of the latest report)
    let wanted = [
        (false, 0, None, false, 0),
        (true, 1, None, false, 1),
        (true, 1, Some(0), false, 2),
        (true, 1, None, false, 3),
        (true, 1, Some(1), false, 4),
        (true, 1, None, false, 5),
        (true, 1, None, true, 6),
        (true, 0, None, false, 0),
    ];
    let records = a_whole_life();
    for (length, wanted) in wanted.into_iter().enumerate() {
        let state = State::replay(&records[..length]);
        let command = state.command(&id(1)).cloned().unwrap_or_default();
        let found = (
            state.knows(&id(1)),
            state.open_count(),
            command.running_step().map(|(step, _)| step),
            command.finished.is_some(),
            command.report_seq,
        );
        assert_eq!(found, wanted, "after {length} records");
    }
}

#[test]
fn the_bytes_of_work_are_those_of_commands_that_may_still_run() {
    let size = 8 + 2 + 4;
    let work = |records: &[Record]| State::replay(records).work_bytes();
    assert_eq!(work(&[accepted(1), accepted(2)]), 2 * size);
    assert_eq!(work(&[accepted(1), accepted(2), finished(1)]), size);
    assert_eq!(work(&[accepted(1), finished(1), acknowledged(1)]), 0);
}

#[test]
fn a_record_after_the_acknowledgement_brings_nothing_back() {
    let mut records = a_whole_life();
    records.push(accepted(1));
    let state = State::replay(&records);
    assert_eq!((state.open_count(), state.work_bytes()), (0, 0));
}

#[test]
fn a_step_that_asked_for_a_reboot_has_no_result_after_it() {
    let records = [accepted(1), started(1, 0), ended(1, 0, StepState::SuccessAndReboot), rebooting(1, 1)];
    let state = State::replay(&records);
    let results = |boot| state.command(&id(1)).unwrap().results(boot).count();
    assert_eq!((results("boot-1"), results("boot-2")), (1, 0));
}

#[test]
fn an_acknowledged_id_is_kept_for_an_hour_after_its_deadline() {
    let state = State::replay(&[accepted(1), finished(1)]);
    assert_eq!(state.acknowledgement(&id(1), at(5_000)), Some(acknowledged(1)));
    assert_eq!(state.acknowledgement(&id(2), at(5_000)), None);
    let state = State::replay(&[acknowledged(1)]);
    assert_eq!(state.snapshot(at(3_660_999)), [acknowledged(1)]);
    assert_eq!(state.snapshot(at(3_661_000)), []);
}

#[test]
fn neither_a_document_nor_its_parameters_are_printed() {
    assert!(!format!("{:?}", accepted(1)).contains("secret"));
}

fn any_record() -> impl Strategy<Value = Record> {
    let states = prop_oneof![
        any::<u8>().prop_map(|_| StepState::Success),
        any::<u8>().prop_map(|_| StepState::SuccessAndReboot)
    ];
    (0_u8..3, 0_u32..2, 0_u8..8, states).prop_map(|(command, step, kind, state)| match kind {
        0 | 1 => accepted(command),
        2 => started(command, step),
        3 => ended(command, step, state),
        4 => rebooting(command, 1),
        5 => Record::CancelRequested { command: id(command) },
        6 => finished(command),
        _ => acknowledged(command),
    })
}

proptest! {
    /// What a compaction keeps means the same as what was there, the numbers of reports included.
    #[test]
    fn a_snapshot_replays_to_the_same(records in proptest::collection::vec(any_record(), 0..30)) {
        let state = State::replay(&records);
        let again = State::replay(&state.snapshot(at(0)));
        let commands = |state: &State| -> Vec<(CommandId, Command)> {
            let open = state.open_commands().into_iter();
            open.map(|(id, command)| (id.clone(), Command { order: 0, ..command.clone() })).collect()
        };
        assert_eq!(commands(&again), commands(&state));
        assert_eq!(again.work_bytes(), state.work_bytes());
        for number in 0..3 {
            assert_eq!(again.knows(&id(number)), state.knows(&id(number)));
        }
    }

    /// Whatever is in the file, reading it ends, and whole records before the damage are found.
    #[test]
    fn noise_after_records_hides_none_of_them(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = frame::encode(&a_whole_life());
        bytes.extend(noise);
        assert_eq!(frame::decode(&bytes).records[..7], a_whole_life());
    }
}

struct Disk {
    folder: tempfile::TempDir,
    platform: SharedPlatform,
}

impl Disk {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::starting_at(at(0)));
        Self { folder: tempfile::tempdir().unwrap(), platform: Arc::new(FakePlatform::numbered(1, clock)) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    fn open(&self) -> (FileJournal, Vec<Record>) {
        FileJournal::open(&self.path(), Arc::clone(&self.platform)).unwrap()
    }

    fn with(records: &[Record]) -> Self {
        let disk = Self::new();
        disk.open().0.append(records, Durability::Synced).unwrap();
        disk
    }
}

#[test]
fn records_are_found_again() {
    let disk = Disk::with(&a_whole_life());
    let (mut journal, records) = disk.open();
    assert_eq!(records, a_whole_life());
    journal.append(&[accepted(2)], Durability::Lazy).unwrap();
    assert_eq!(disk.open().1.last(), Some(&accepted(2)));
    let looked = FileJournal::look(&disk.path()).unwrap();
    assert_eq!((looked.state.open_count(), looked.size_bytes), (1, journal.size_bytes()));
}

#[test]
fn a_write_that_was_torn_anywhere_is_cut_off_and_written_over() {
    let source = Disk::with(&[accepted(1)]);
    let whole = fs::read(source.path()).unwrap();
    source.open().0.append(&[started(1, 0)], Durability::Synced).unwrap();
    let longer = fs::read(source.path()).unwrap();
    for length in whole.len()..longer.len() {
        let disk = Disk::new();
        fs::write(disk.path(), &longer[..length]).unwrap();
        let key = |disk: &Disk| disk.path().with_added_extension("key");
        fs::copy(key(&source), key(&disk)).unwrap();
        let (mut journal, records) = disk.open();
        assert_eq!(records, [accepted(1)], "torn after {length} bytes");
        journal.append(&[started(1, 7)], Durability::Synced).unwrap();
        assert_eq!(disk.open().1, [accepted(1), started(1, 7)], "torn after {length} bytes");
    }
}

#[test]
fn a_damaged_record_is_skipped_and_the_others_count() {
    let first = frame::encode(&[accepted(1)]).len();
    let second = frame::encode(&[started(1, 0)]).len();
    let mut bytes = frame::encode(&[accepted(1), started(1, 0), accepted(2)]);
    for damaged in first..first + second {
        bytes[damaged] ^= 0x55;
        let frames = frame::decode(&bytes);
        assert_eq!(frames.records, [accepted(1), accepted(2)], "byte {damaged}");
        assert_eq!(frames.damaged[0].bytes, first..first + second);
        assert_eq!(frames.whole_bytes, bytes.len());
        bytes[damaged] ^= 0x55;
    }
}

#[test]
fn a_record_of_a_kind_that_is_not_known_is_named() {
    let json = br#"{"record":"danced","command":"x"}"#;
    let mut bytes = u32::try_from(json.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend(crc32fast::hash(json).to_le_bytes());
    bytes.extend(json);
    bytes.extend(frame::encode(&[accepted(1)]));
    let frames = frame::decode(&bytes);
    assert_eq!(frames.records, [accepted(1)]);
    assert!(frames.damaged[0].problem.contains("danced"), "{:?}", frames.damaged);
}

#[test]
fn a_rewrite_leaves_only_what_it_was_given() {
    let disk = Disk::with(&a_whole_life());
    let (mut journal, _) = disk.open();
    journal.rewrite(&[acknowledged(1)]).unwrap();
    journal.append(&[accepted(2)], Durability::Synced).unwrap();
    assert_eq!(disk.open().1, [acknowledged(1), accepted(2)]);
}

#[test]
fn a_file_of_another_kind_is_refused_and_untouched() {
    let disk = Disk::new();
    fs::write(disk.path(), "FWAJ0002 and so on").unwrap();
    let error = FileJournal::open(&disk.path(), Arc::clone(&disk.platform)).unwrap_err();
    assert!(error.to_string().contains("FWAJ0002"), "{error}");
    assert_eq!(fs::read(disk.path()).unwrap(), b"FWAJ0002 and so on");
}

#[tokio::test]
async fn a_ledger_counts_what_the_journal_took_and_nothing_else() {
    let journal = MemoryJournal::default();
    let clock = Arc::new(ManualClock::starting_at(at(0)));
    let ledger = Ledger::new(Box::new(journal.clone()), &[], clock);
    ledger.record(vec![accepted(1)], Durability::Synced).await.unwrap();
    journal.limit_to(0);
    let error = ledger.record(vec![accepted(2)], Durability::Synced).await.unwrap_err();
    assert!(crate::explain::explain(&error).contains("no storage space"), "{error:?}");
    assert!(ledger.read(|state| state.knows(&id(1)) && !state.knows(&id(2))));
    journal.unlimit();
    ledger.close();
    let error = ledger.record(vec![accepted(2)], Durability::Synced).await.unwrap_err();
    assert!(matches!(error, JournalError::Closed), "{error:?}");
    assert_eq!(journal.records(), [accepted(1)]);
}

#[tokio::test]
async fn a_ledger_that_grew_is_compacted_and_says_the_same() {
    let disk = Disk::new();
    let (journal, records) = disk.open();
    let ledger = Ledger::new(Box::new(journal), &records, Arc::new(ManualClock::starting_at(at(0))));
    let rounds = 2_400;
    for _ in 0..rounds {
        ledger.record(vec![accepted(1), started(1, 0)], Durability::Lazy).await.unwrap();
    }
    let uncompacted = rounds * frame::encode(&[accepted(1), started(1, 0)]).len() as u64;
    assert!(ledger.size_bytes() < uncompacted / 2, "{} bytes", ledger.size_bytes());
    let before = ledger.read(|state| state.command(&id(1)).cloned()).unwrap();
    ledger.close();
    let state = State::replay(&disk.open().1);
    assert_eq!(state.command(&id(1)), Some(&before));
}

fn inner_started(command: u8, step: u32, inner: &[u32]) -> Record {
    let (name, action) = ("inner".to_owned(), "aws:runShellScript".to_owned());
    Record::InnerStarted {
        command: id(command),
        step,
        inner: inner.to_vec(),
        name,
        action,
        at: at(2_500),
        process: None,
    }
}

fn inner_ended(command: u8, step: u32, inner: &[u32], state: StepState) -> Record {
    let Record::StepFinished { result, .. } = ended(command, step, state) else { unreachable!("it is one") };
    Record::InnerFinished { command: id(command), step, inner: inner.to_vec(), result }
}

#[test]
fn steps_inside_a_step_are_known_until_it_is_over_and_survive_compaction() {
    let mut records = vec![
        accepted(1),
        started(1, 0),
        inner_started(1, 0, &[0]),
        inner_started(1, 0, &[0, 0]),
        inner_ended(1, 0, &[0, 0], StepState::Success),
        inner_ended(1, 0, &[0], StepState::Success),
        inner_started(1, 0, &[1]),
    ];
    let ways = |records: &[Record]| -> Vec<u32> {
        let state = State::replay(records);
        let command = state.command(&id(1)).unwrap();
        command.inner_steps(0, &[]).map(|(step, _)| step).collect()
    };
    assert_eq!(ways(&records), [0, 1]);
    let state = State::replay(&records);
    assert_eq!(
        state.command(&id(1)).unwrap().inner_steps(0, &[0]).count(),
        0,
        "they are in the result of their step"
    );
    assert_eq!(State::replay(&state.snapshot(at(0))), state);
    // A reboot comes back to them.
    records.push(inner_ended(1, 0, &[1], StepState::SuccessAndReboot));
    records.push(ended(1, 0, StepState::SuccessAndReboot));
    assert_eq!(ways(&records), [0, 1]);
    records.push(ended(1, 0, StepState::Success));
    assert_eq!(ways(&records), Vec::<u32>::new());
}

#[test]
fn parameters_are_sealed_in_the_file_and_no_other_command_can_have_them() {
    let folder = tempfile::tempdir().unwrap();
    let (path, platform) = (folder.path().join("journal"), fleetwright_platform::host());
    let document = || ("Test".to_owned(), "1".to_owned());
    let parameters = r#"{"password":"hunter2 hunter2"}"#.to_owned();
    let work = Work::delivered(document(), "text".to_owned(), parameters, (at(0), at(1)));
    let record = Record::Accepted { command: id(1), work: Arc::new(work) };
    let (mut journal, _) = FileJournal::open(&path, Arc::clone(&platform)).unwrap();
    journal.append(std::slice::from_ref(&record), Durability::Synced).unwrap();
    journal.rewrite(std::slice::from_ref(&record)).unwrap();
    journal.append(&[started(1, 0)], Durability::Synced).unwrap();
    drop(journal);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("hunter2"));
    }
    let (_, records) = FileJournal::open(&path, Arc::clone(&platform)).unwrap();
    assert_eq!(records, [record.clone(), started(1, 0)]);

    let seal = seal::Seal::beside(&path, &platform).unwrap();
    let Record::Accepted { work, .. } = seal.seal(&record).unwrap() else { unreachable!("it is one") };
    assert_eq!(seal.open(Record::Accepted { command: id(2), work: Arc::clone(&work) }), None);
    assert_eq!(seal.open(Record::Accepted { command: id(1), work }), Some(record.clone()));
    // What was written before there were seals is as it was.
    assert_eq!(seal.open(record.clone()), Some(record));
}

#[test]
fn parameters_whose_key_is_gone_are_a_damaged_record() {
    let folder = tempfile::tempdir().unwrap();
    let (path, platform) = (folder.path().join("journal"), fleetwright_platform::host());
    let (mut journal, _) = FileJournal::open(&path, Arc::clone(&platform)).unwrap();
    journal.append(&[accepted(1), started(1, 0)], Durability::Synced).unwrap();
    drop(journal);
    std::fs::remove_file(folder.path().join("journal.key")).unwrap();
    let (_, records) = FileJournal::open(&path, Arc::clone(&platform)).unwrap();
    assert_eq!(records, [started(1, 0)]);
    std::fs::write(folder.path().join("journal.key"), "short").unwrap();
    let error = FileJournal::open(&path, platform).unwrap_err();
    assert!(error.to_string().contains("5 bytes where a key has 32"), "{error}");
}

fn association() -> Association {
    let names = (String::new(), "Motd".to_owned(), "1".to_owned(), "sum".to_owned());
    let id = "00000000-0000-4000-8000-0000000000aa".parse().unwrap();
    let parameters = r#"{"password":"a secret"}"#.to_owned();
    let asked = (Timestamp::default(), Timestamp::default());
    Association::wanted(id, 1, names, parameters, None, false, at(1), asked, None, at(2))
}

fn run_of(association: &Association) -> Run {
    Run {
        association: association.id.clone(),
        version: association.version,
        document_name: "Motd".to_owned(),
        document_version: "1".to_owned(),
        document_sha256: "sum".to_owned(),
        execution: "00000000-0000-4000-8000-0000000000ee".parse().unwrap(),
        cause: Cause::Changed,
        due: at(1),
        asked: Timestamp::default(),
        started: at(3),
        until: None,
    }
}

fn applied(command: u8) -> Record {
    let Record::Accepted { command, work } = accepted(command) else { panic!() };
    let work = Work::clone(&work).of_association(run_of(&association()));
    Record::Accepted { command, work: Arc::new(work) }
}

fn set() -> Vec<Record> {
    vec![
        Record::AssociationDocument { sha256: "sum".to_owned(), content: "text".into() },
        Record::AssociationKept { association: Arc::new(association()) },
        Record::AssociationsAre { revision: "r1".to_owned() },
    ]
}

#[test]
fn an_association_knows_its_latest_run_whatever_of_it_is_gone() {
    let lives = |records: &[Record]| {
        let state = State::replay(records);
        let snapshot = state.snapshot(at(0));
        let again = State::replay(&snapshot);
        assert_eq!(again.associations(), state.associations(), "{records:?}");
        assert_eq!(again.open_commands(), state.open_commands(), "{records:?}");
        state
    };
    let mut records = set();
    let kept = |state: &State| state.associations().get(&association().id).cloned().unwrap();
    assert_eq!(kept(&lives(&records)).ran, None);
    records.push(applied(1));
    let state = lives(&records);
    assert_eq!((kept(&state).running, kept(&state).ran.unwrap().started), (Some(id(1)), at(3)));
    records.push(finished(1));
    let state = lives(&records);
    assert_eq!((kept(&state).running, kept(&state).ran.unwrap().started), (None, at(3)));
    assert_eq!(state.command(&id(1)).unwrap().run.as_deref(), Some(&run_of(&association())));
    records.push(Record::Acknowledged { command: id(1), forget_after: at(1 << 40) });
    let state = lives(&records);
    assert_eq!(kept(&state).ran.unwrap().started, at(3));
    assert!(!state.knows(&id(1)), "nobody can deliver it again, so nothing of it is kept");
    records.push(Record::AssociationRefresh { associations: vec![association().id], at: at(4) });
    assert_eq!(kept(&lives(&records)).refresh, Some(at(4)));
    records.push(Record::AssociationGone { association: association().id });
    records.push(Record::AssociationsAre { revision: "r2".to_owned() });
    let state = lives(&records);
    assert_eq!((state.associations().revision(), state.associations().iter().count()), ("r2", 0));
    assert_eq!(state.associations().document("sum"), None);
}

#[test]
fn the_parameters_of_an_association_are_not_readable_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let platform: SharedPlatform =
        Arc::new(FakePlatform::numbered(1, Arc::new(ManualClock::starting_at(at(0)))));
    let (mut journal, _) = FileJournal::open(&path, Arc::clone(&platform)).unwrap();
    journal.append(&set(), Durability::Synced).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(8).any(|window| window == b"a secret"));
    let (_, records) = FileJournal::open(&path, platform).unwrap();
    assert_eq!(records, set());
}
