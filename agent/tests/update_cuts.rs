//! An update that is killed, or loses the power, at every one of its steps: the next start always finds a build that
//! runs, and one that never reached the controller is never the one that counts.
//!
//! Alone in its program: a script that another thread's child still holds open could not be run.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fleetwright_agent::update::{
    PROBATION_STARTS, Slot, Start, TRIAL_STARTS, UpdateFolder, UpdateState, Wanted, stage,
};
use fleetwright_platform::{
    Folders, HostError, Interpreter, InterpreterCommand, Item, Platform, ProcessIdentity, ProcessSpec,
    SharedPlatform, SignalError, Source, SpawnError, Spawned, Unsupported, host,
};
use fleetwright_proto::agent::HostFacts;
use fleetwright_proto::clock::{SharedClock, SystemClock, Timestamp};

const PACKAGED: &str = "the packaged program";

/// What a disk has for certain: the entries of a folder as of its last sync.
type Durable = BTreeMap<PathBuf, BTreeMap<PathBuf, Option<Vec<u8>>>>;

/// The host, until one of its calls does not return.
#[derive(Debug)]
struct Cut {
    host: SharedPlatform,
    /// Calls that still return.
    left: Mutex<usize>,
    durable: Mutex<Durable>,
}

/// Carried by the unwinding that stands for the end of the process.
struct Killed(String);

impl Cut {
    fn after(calls: usize) -> Arc<Self> {
        Arc::new(Self { host: host(), left: Mutex::new(calls), durable: Mutex::default() })
    }

    fn step(&self, name: &str, path: &Path) {
        let mut left = self.left.lock().unwrap();
        match left.checked_sub(1) {
            Some(fewer) => *left = fewer,
            None => {
                drop(left);
                resume_unwind(Box::new(Killed(format!("{name} {}", path.display()))));
            }
        }
    }

    fn remember(&self, folder: &Path) {
        let entries = fs::read_dir(folder).unwrap().map(|entry| {
            let path = entry.unwrap().path();
            let content = path.is_file().then(|| fs::read(&path).unwrap());
            (path, content)
        });
        self.durable.lock().unwrap().insert(folder.to_owned(), entries.collect());
    }

    /// What is left of the folder when the power fails: what no sync has reached is gone.
    fn lose_power(&self, root: &Path) {
        let durable = self.durable.lock().unwrap();
        let mode = fs::metadata(root).unwrap().permissions();
        fs::remove_dir_all(root).unwrap();
        fs::create_dir(root).unwrap();
        fs::set_permissions(root, mode).unwrap();
        restore(root, &durable);
    }
}

fn restore(folder: &Path, durable: &Durable) {
    for (path, content) in durable.get(folder).into_iter().flatten() {
        match content {
            Some(content) => {
                fs::write(path, content).unwrap();
                make_runnable(path);
            }
            None => {
                fs::create_dir(path).unwrap();
                restore(path, durable);
            }
        }
    }
}

impl Platform for Cut {
    fn facts(&self, agent_version: &str) -> HostFacts {
        self.host.facts(agent_version)
    }

    fn boot_id(&self) -> Result<String, HostError> {
        self.host.boot_id()
    }

    fn folders(&self) -> Folders {
        self.host.folders()
    }

    fn reboot_exit_code(&self) -> i32 {
        self.host.reboot_exit_code()
    }

    fn interpreter_command(
        &self,
        interpreter: Interpreter,
        script: &Path,
    ) -> Result<InterpreterCommand, Unsupported> {
        self.host.interpreter_command(interpreter, script)
    }

    fn spawn(&self, spec: &ProcessSpec) -> Result<Spawned, SpawnError> {
        self.host.spawn(spec)
    }

    fn kill_leftover(&self, identity: &ProcessIdentity) -> Result<usize, SignalError> {
        self.host.kill_leftover(identity)
    }

    fn reboot(&self) -> Result<(), HostError> {
        self.host.reboot()
    }

    fn free_bytes(&self, path: &Path) -> Result<u64, HostError> {
        self.step("look for room in", path);
        self.host.free_bytes(path)
    }

    fn sync_folder(&self, folder: &Path) -> Result<(), HostError> {
        self.step("sync", folder);
        self.host.sync_folder(folder)?;
        self.remember(folder);
        Ok(())
    }

    fn ensure_private_folder(&self, folder: &Path) -> Result<(), HostError> {
        self.step("make", folder);
        self.host.ensure_private_folder(folder)
    }

    fn create_private_file(&self, path: &Path) -> Result<File, HostError> {
        self.step("write", path);
        self.host.create_private_file(path)
    }

    fn create_script_file(&self, path: &Path) -> Result<File, HostError> {
        self.step("write", path);
        self.host.create_script_file(path)
    }

    fn gather(&self, source: &Source) -> Result<Vec<Item>, HostError> {
        self.host.gather(source)
    }
}

fn make_runnable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
}

fn now() -> Timestamp {
    Timestamp::from_millis(0)
}

/// Writes a build that says its version and nothing else.
fn build(path: &Path, version: &str) {
    fs::write(path, format!("#!/bin/sh\necho fleetwright-agent {version}\n")).unwrap();
    make_runnable(path);
}

async fn bring_in(folder: &UpdateFolder, file: &Path) {
    let clock: SharedClock = Arc::new(SystemClock);
    stage(folder, file, &Wanted::default(), "wish", &clock).await.unwrap();
}

/// What a launcher does at each start of the service.
fn start(folder: &UpdateFolder) -> Start {
    let state = folder.read().unwrap().unwrap_or_default();
    let (next, start) = state.clone().started(PACKAGED, |build| folder.is_whole(build), now());
    if next != state {
        folder.write(&next).unwrap();
    }
    start
}

fn write(folder: &UpdateFolder, change: impl FnOnce(UpdateState) -> UpdateState) {
    folder.write(&change(folder.read().unwrap().unwrap())).unwrap();
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NewBuild {
    Works,
    /// It reaches the controller once, and crashes ever after.
    CrashesLater,
    NeverConnects,
}

/// One start of whatever the launcher starts, and what comes of it.
fn live(folder: &UpdateFolder, new: NewBuild) -> Start {
    let start = start(folder);
    match (&start, new) {
        (Start::Trial(_), NewBuild::NeverConnects) => write(folder, |state| state.returned("it hung", now())),
        (Start::Trial(_), _) => {
            write(folder, |state| state.reached(now()));
            if new == NewBuild::Works {
                write(folder, UpdateState::proven);
            }
        }
        (Start::Current(build), NewBuild::Works) if build.version == "9.9" => {
            write(folder, UpdateState::proven);
        }
        _ => {}
    }
    start
}

/// Everything that happens from the old build to the new one, or back.
async fn update(folder: &UpdateFolder, file: &Path, new: NewBuild) {
    bring_in(folder, file).await;
    for _ in 0..=PROBATION_STARTS {
        live(folder, new);
    }
}

struct Scene {
    _parent: tempfile::TempDir,
    state: PathBuf,
    file: PathBuf,
}

impl Scene {
    /// A host whose build that counts is the packaged one, or one that an update has brought before.
    async fn new(updated_before: bool) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let scene =
            Self { state: parent.path().join("state"), file: parent.path().join("new"), _parent: parent };
        fs::create_dir(&scene.state).unwrap();
        if updated_before {
            let folder = scene.folder(host());
            let old = scene.state.join("old");
            build(&old, "9.8");
            bring_in(&folder, &old).await;
            live(&folder, NewBuild::Works);
        }
        build(&scene.file, "9.9");
        scene
    }

    fn folder(&self, platform: SharedPlatform) -> UpdateFolder {
        UpdateFolder::in_state_folder(&self.state, platform)
    }

    fn every_folder(&self) -> BTreeSet<PathBuf> {
        let updates = self.folder(host());
        let slots = [Slot::A, Slot::B].map(|slot| updates.program(slot).parent().unwrap().to_owned());
        let all = slots.into_iter().chain([updates.root().to_owned(), self.state.clone()]);
        all.filter(|folder| folder.is_dir()).collect()
    }
}

/// After the cut the service starts again, as often as it takes.
fn settle(folder: &UpdateFolder, new: NewBuild, old: &Start) -> Start {
    let mut last = Start::Packaged;
    for _ in 0..=2 * (TRIAL_STARTS + PROBATION_STARTS) {
        last = live(folder, new);
        match &last {
            Start::Packaged => assert_eq!(*old, last, "the build before is gone"),
            Start::Current(build) | Start::Trial(fleetwright_agent::update::Attempt { build, .. }) => {
                assert!(folder.is_whole(build), "a damaged build is started");
            }
        }
    }
    last
}

/// Gives the name of the step at which it was cut; none when nothing was.
async fn cut_at(calls: usize, updated_before: bool, new: NewBuild, power: bool) -> Option<String> {
    let scene = Scene::new(updated_before).await;
    let old = start(&scene.folder(host()));
    let cut = Cut::after(calls);
    scene.every_folder().iter().for_each(|folder| cut.remember(folder));
    let folder = scene.folder(cut.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let file = scene.file.clone();
    let ended = std::thread::spawn(move || {
        let killed = catch_unwind(AssertUnwindSafe(|| runtime.block_on(update(&folder, &file, new))));
        killed.map_err(|carried| carried.downcast::<Killed>().map(|killed| killed.0))
    });
    let step = match ended.join().unwrap() {
        Ok(()) => None,
        Err(Ok(step)) => Some(step),
        Err(Err(failure)) => resume_unwind(failure),
    };
    if power && step.is_some() {
        cut.lose_power(&scene.state);
    }
    let folder = scene.folder(host());
    let settled = settle(&folder, new, &old);
    let runs_new = matches!(&settled, Start::Current(build) if build.version == "9.9");
    let at = format!("{new:?}, power: {power}, cut at {step:?}");
    assert!(runs_new || settled == old, "{at}: {settled:?}");
    assert!(new == NewBuild::Works || !runs_new, "{at}: a build that does not work counts");
    // Nothing of what was cut is in the way of the next update.
    bring_in(&folder, &scene.file).await;
    live(&folder, NewBuild::Works);
    assert!(matches!(start(&folder), Start::Current(build) if build.version == "9.9"), "{at}");
    step
}

#[tokio::test]
async fn wherever_an_update_is_cut_the_host_has_a_build_that_works() {
    for (new, updated_before, power) in [
        (NewBuild::Works, false, false),
        (NewBuild::Works, true, true),
        (NewBuild::CrashesLater, true, false),
        (NewBuild::NeverConnects, false, true),
    ] {
        let mut steps = Vec::new();
        while let Some(step) = cut_at(steps.len(), updated_before, new, power).await {
            steps.push(step);
        }
        assert!(steps.len() >= 15, "{new:?}: {steps:?}");
    }
}
