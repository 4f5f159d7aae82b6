//! The agent replaces itself: by builds that work, and by builds that do not, whatever is killed when.
//!
//! A broken build here is a script that says a version when it is asked for it, as every build has to, and is broken
//! when it is to run.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::programs::{Ended, Program, until};
use crate::site::{Host, PATIENCE, Site};

/// As short as an agent can be told to wait for a new build.
const REACH: Duration = Duration::from_secs(5);

struct Fleet {
    host: Host,
    config: PathBuf,
    site: Site,
}

impl Fleet {
    fn new() -> Self {
        let site = Site::start();
        let host = site.host("updated");
        let config = site.path().join("agent.toml");
        fs::write(&config, format!("[update]\nreach_seconds = {}\n", REACH.as_secs())).unwrap();
        let mut fleet = Self { host, config, site };
        fleet.start();
        fleet
    }

    fn start(&mut self) {
        let config = self.config.to_str().unwrap().to_owned();
        self.host.start_with(&["--config", &config]);
    }

    /// A build that answers when asked for its version, and does `run` else.
    fn build(&self, name: &str, run: &str) -> PathBuf {
        let path = self.site.path().join(name);
        let text = format!(
            "#!/bin/sh\nif [ \"$1\" = version ]; then echo fleetwright-agent 9.9.9; exit 0; fi\n{run}\n"
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The agent of this test under another version.
    fn good_build(&self) -> PathBuf {
        self.build("good", &format!("exec {} \"$@\"", Program::Agent.path().display()))
    }

    fn update(&self, build: &Path, options: &[&str]) -> Ended {
        let mut command = Program::Agent.command(self.site.path());
        command.arg("update").arg("--file").arg(build).args(options);
        Ended::of(command.arg("--state-dir").arg(self.host.state()))
    }

    fn runs_commands(&self) {
        self.site.wait_for_nodes(1);
        let answer = self.site.types(&["run", "--target", "all", "--", "echo it runs"]).expect_code(0);
        assert_eq!(answer.text(), "it runs\n");
    }

    fn state(&self) -> String {
        fs::read_to_string(self.host.state().join("update/state.json")).unwrap_or_default()
    }

    /// The program that the service's process is now.
    fn program(&self) -> PathBuf {
        fs::read_link(format!("/proc/{}/exe", self.host.agent().id())).unwrap()
    }
}

#[test]
fn builds_that_crash_hang_or_cannot_connect_are_taken_back() {
    let fleet = Fleet::new();
    let agent = Program::Agent.path();
    let not_in_time = "did not reach the controller within 5 s";
    for (name, run, wanted) in [
        ("crash", "exit 7".to_owned(), "it ended with exit status: 7"),
        ("hang", "exec sleep 600".to_owned(), not_in_time),
        ("lost", format!("exec {} \"$@\" --controller 127.0.0.1:1", agent.display()), not_in_time),
    ] {
        let (process, build) = (fleet.host.agent().id(), fleet.build(name, &run));
        let said = fleet.update(&build, &[]).expect_code(1);
        assert!(said.stderr.contains(wanted), "{name}: {}", said.stderr);
        assert_eq!(fleet.host.agent().id(), process, "{name}: the service was gone for a moment");
        fleet.runs_commands();
        assert_eq!(fleet.program(), agent, "{name}");
    }
}

#[test]
fn what_is_no_build_for_this_host_is_refused_before_anything_stops() {
    let fleet = Fleet::new();
    fleet.runs_commands();
    let nonsense = fleet.site.path().join("nonsense");
    fs::write(&nonsense, "nonsense").unwrap();
    let old = fleet.site.path().join("old");
    fs::write(&old, "#!/bin/sh\necho fleetwright-agent 0.0.1\n").unwrap();
    for (build, options, wanted) in [
        (&nonsense, &[][..], "does not run on this host"),
        (&old, &[], "is older than"),
        (&old, &["--sha256", "00"], "its SHA-256 is"),
        (&fleet.site.path().join("nowhere"), &[], "nowhere"),
    ] {
        let said = fleet.update(build, options).expect_code(3);
        assert!(said.stderr.contains(wanted), "{}", said.stderr);
        assert!(!fleet.state().contains("starts"), "{}", fleet.state());
    }
    fleet.runs_commands();
}

#[test]
fn a_build_that_works_counts_from_then_on() {
    let mut fleet = Fleet::new();
    fleet.runs_commands();
    let (good, process) = (fleet.good_build(), fleet.host.agent().id());
    let said = fleet.update(&good, &[]).expect_code(0);
    assert!(said.text().contains("runs 9.9.9 now"), "{}", said.text());
    assert_eq!(fleet.host.agent().id(), process);
    fleet.runs_commands();

    // Whoever watches is killed: nothing of its build is left over, and the next start is that build's.
    fleet.host.kill();
    fleet.start();
    fleet.runs_commands();
    assert!(fleet.state().contains("\"current\": {"), "{}", fleet.state());

    // And one that does not work leads back to it, and not to the first.
    let crash = fleet.build("crash", "exit 7");
    fleet.update(&crash, &[]).expect_code(1);
    fleet.runs_commands();
    assert!(fleet.state().contains("9.9.9\",\n    \"sha256\""), "{}", fleet.state());

    // It is asked to begin anew, and to stop.
    fleet.host.agent().signal(Signal::HUP);
    fleet.runs_commands();
}

#[test]
fn killed_at_any_moment_of_an_update_the_host_ends_on_a_build_that_works() {
    let mut fleet = Fleet::new();
    let (hang, good) = (fleet.build("hang", "exec sleep 600"), fleet.good_build());
    fleet.runs_commands();
    for (round, build) in [&hang, &good, &hang, &good].into_iter().enumerate() {
        fleet.host.kill();
        // Nobody runs: it is tried at the next start.
        let said = fleet.update(build, &[]).expect_code(0);
        assert!(said.text().contains("tried when the agent starts"), "{}", said.text());
        for kill in 0..2 {
            fleet.start();
            let begun = fleet.state();
            let moment = Duration::from_millis(150 * (1 + round as u64) * (1 + kill));
            let deadline = std::time::Instant::now() + moment;
            until("the moment has come", PATIENCE, || match std::time::Instant::now() > deadline {
                true => Ok(()),
                false => Err(begun.clone()),
            });
            fleet.host.kill();
        }
        fleet.start();
        until("the trial is over", PATIENCE, || {
            let state = fleet.state();
            if state.contains("\"trial\": null") { Ok(()) } else { Err(state) }
        });
        fleet.runs_commands();
    }
}

/// What the controller publishes for this host.
fn publish(fleet: &Fleet, build: &Path, change: &str) {
    let sum = Ended::of(std::process::Command::new("sha256sum").arg(build)).expect_code(0);
    let sum = sum.text().split_whitespace().next().unwrap().to_owned();
    let name = build.file_name().unwrap().to_str().unwrap();
    let manifest = serde_json::json!({
        "schemaVersion": "2.0",
        "version": "9.9.9",
        "packages": { "_any": { "_any": { "_any": { "file": name } } } },
        "files": { name: { "checksums": { "sha256": sum } } },
    });
    let path = fleet.site.path().join("manifest.json");
    fs::write(&path, manifest.to_string()).unwrap();
    let (path, build) = (path.to_str().unwrap(), build.to_str().unwrap());
    let words = ["document", change, "FleetwrightAgent", path, "--attach", build];
    let kind = if change == "create" { &["--type", "Package"][..] } else { &[] };
    fleet.site.types(&[&words[..], kind].concat()).expect_code(0);
}

#[test]
fn a_command_brings_hosts_to_the_build_that_the_controller_publishes() {
    let fleet = Fleet::new();
    fleet.runs_commands();
    let update = ["run", "--target", "all", "-o", "json", "-d", "AWS-UpdateSSMAgent"];
    fleet.site.types(&update).expect_code(0);

    publish(&fleet, &fleet.build("crash", "exit 7"), "create");
    let report = fleet.site.types(&update).expect_code(1).json().to_string();
    assert!(report.contains("it ended with exit status: 7"), "{report}");
    fleet.runs_commands();

    fleet.site.types(&["document", "delete", "FleetwrightAgent", "--yes"]).expect_code(0);
    publish(&fleet, &fleet.good_build(), "create");
    fleet.site.types(&update).expect_code(0);
    fleet.runs_commands();
    assert!(fleet.state().contains("\"verdict\": \"updated\""), "{}", fleet.state());
}

#[test]
fn a_host_that_waits_joins_by_the_file_that_comes() {
    let site = Site::start();
    let config = site.path().join("etc");
    fs::create_dir(&config).unwrap();
    let state = site.path().join("waiting");
    let mut command = Program::Agent.command(site.path());
    command.args(["run", "--wait-for-enrolment", "--config"]).arg(config.join("agent.toml"));
    command.arg("--state-dir").arg(&state);
    let agent = crate::programs::Running::spawn("waiting", &mut command, &site.path().join("waiting.log"));
    until("it waits", PATIENCE, || {
        let log = agent.log();
        if log.contains("not enrolled") { Ok(()) } else { Err(log) }
    });

    let join = config.join("join.toml");
    fs::write(&join, "controller = \"nonsense\"\nactivation_code = sesame\n").unwrap();
    until("the wrong file is put aside", PATIENCE, || {
        if config.join("join.toml.refused").exists() { Ok(()) } else { Err(agent.log()) }
    });
    assert!(!agent.log().contains("sesame"), "{}", agent.log());

    let activation = site.activation(&["--name", "waiting"]);
    let text = format!(
        "controller = \"{}\"\nactivation_id = \"{}\"\nactivation_code = \"{}\"\nauthority = \"{}\"\n",
        site.operator.address, activation.id, activation.code, activation.authority
    );
    fs::write(&join, text).unwrap();
    site.wait_for_nodes(1);
    assert!(!join.exists(), "the code lies about");
    assert_eq!(agent.stop().code(), Some(0));
}
