//! Twenty simulated agents against a real controller: the fleet as a library, and the program as people use it.

#![expect(clippy::unwrap_used, reason = "what a test builds on either works or fails the test")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fleetwright_agent::tls::Trust;
use fleetwright_controller::commands::send::{self, Wanted, WhenEmpty, Wish};
use fleetwright_controller::commands::state::State;
use fleetwright_controller::commands::watch::{Event, Follower, Output};
use fleetwright_controller::nodes::activations::{self, CreatedActivation, Expiry, NewActivation};
use fleetwright_controller::serve::Controller;
use fleetwright_controller::settings::Settings;
use fleetwright_proto::clock::SystemClock;
use fleetwright_simulator::{Fleet, FleetError, FleetSettings, Invitation};
use serde_json::Value;
use tempfile::TempDir;

const AGENTS: u32 = 20;

struct House {
    controller: Controller,
    folder: TempDir,
}

impl House {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            data_dir: folder.path().join("controller"),
            ..Settings::default()
        };
        let controller = Controller::start(&settings, Arc::new(SystemClock)).await.unwrap();
        Self { controller, folder }
    }

    async fn activate(&self, hosts: u32) -> CreatedActivation {
        let wish = NewActivation {
            description: String::new(),
            registration_limit: hosts,
            expiry: Expiry::Never,
            default_name: None,
            tags: Default::default(),
            iam_role: None,
        };
        activations::create(self.controller.house(), wish).await.unwrap()
    }

    async fn invitation(&self, hosts: u32) -> Invitation {
        let made = self.activate(hosts).await;
        let trust = Trust::Pinned(self.controller.house().authority.fingerprint().parse().unwrap());
        Invitation { activation: made.id, code: made.code, trust }
    }

    fn fleet(&self, clock_skew: Duration) -> Fleet {
        Fleet::new(&FleetSettings {
            agents: AGENTS,
            controller: self.controller.address().to_string().parse().unwrap(),
            identities: self.folder.path().join("identities"),
            scratch: self.folder.path().join("scratch"),
            at_once: 4,
            clock_skew,
            packages: 0,
            inventory_every: Duration::from_secs(1800),
        })
    }

    /// Runs a line on all hosts; the final states of the invocations.
    async fn run(&self, line: &str) -> Vec<State> {
        let house = self.controller.house();
        let wish = Wish {
            document: Wanted::Named {
                name: "AWS-RunShellScript".to_owned(),
                version: String::new(),
                hash: None,
            },
            parameters: [("commands".to_owned(), vec![line.to_owned()])].into(),
            targets: vec![("all".to_owned(), Vec::new())],
            max_concurrency: "100%".to_owned(),
            max_errors: "100%".to_owned(),
            delivery_timeout: Duration::from_secs(15),
            comment: String::new(),
            client_token: String::new(),
            requested_by: "test".to_owned(),
            asked_by: None,
            when_empty: WhenEmpty::Refuse,
            notify: None,
        };
        let (command, _) = send::send(house, wish).await.unwrap();
        let mut follower = Follower::new(house.clone(), command, Output::Unwanted).await.unwrap();
        let mut states = Vec::new();
        while let Some(event) = follower.next().await.unwrap() {
            if let Event::Invocation(_, invocation) = event
                && invocation.state.is_final()
            {
                states.push(invocation.state);
            }
        }
        states
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_enrols_answers_is_cut_and_comes_back() {
    let house = House::start().await;
    let fleet = house.fleet(Duration::ZERO);
    let refused = fleet.enrol(None).await.unwrap_err();
    assert!(matches!(refused, FleetError::NotInvited { missing: 20 }), "{refused}");

    let invitation = house.invitation(AGENTS).await;
    let enrolled = fleet.enrol(Some(&invitation)).await.unwrap();
    assert_eq!((enrolled.agents, enrolled.reused), (AGENTS, 0));
    assert_eq!(fleet.connect().await.unwrap().agents, 20);
    assert_eq!(house.run("exit 0").await, [State::Success; 20]);
    assert_eq!(house.run("exit 3").await, [State::Failed; 20]);

    // Those that read slowly hold up neither the others nor a cut.
    fleet.slow(3);
    let back = fleet.cut().await;
    assert_eq!((back.agents, back.missing), (20, 0), "{:?}", fleet.status());
    fleet.slow(0);
    assert_eq!(house.run("exit 0").await, [State::Success; 20]);
    let status = fleet.status();
    assert_eq!((status.connected, status.executed, status.executed_twice), (20, 60, 0), "{status:?}");
    fleet.stop().await;

    // The same hosts again, without an activation and with clocks that are off.
    let fleet = house.fleet(Duration::from_secs(600));
    assert_eq!(fleet.enrol(None).await.unwrap().reused, AGENTS);
    assert_eq!(fleet.connect().await.unwrap().agents, 20);
    assert_eq!(house.run("exit 0").await, [State::Success; 20]);
    fleet.stop().await;
    house.controller.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_is_refused_says_which_host_and_why() {
    let house = House::start().await;
    let fleet = house.fleet(Duration::ZERO);
    let invitation = house.invitation(AGENTS - 1).await;
    let error = fleet.enrol(Some(&invitation)).await.unwrap_err().line();
    assert!(error.starts_with("host ") && error.contains("cannot enrol: the controller refused"), "{error}");
    assert!(!error.contains(&invitation.code), "{error}");
    house.controller.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_takes_orders_and_answers_in_json() {
    let house = House::start().await;
    let made = house.activate(AGENTS).await;
    let code = house.folder.path().join("code");
    std::fs::write(&code, &made.code).unwrap();
    let mut simulator = Simulator::start(&[
        "--agents",
        "20",
        "--controller",
        &house.controller.address().to_string(),
        "--activation-id",
        made.id.as_str(),
        "--activation-code-file",
        path(&code),
        "--authority",
        &house.controller.house().authority.fingerprint(),
        "--scratch",
        path(house.folder.path()),
    ]);
    assert_eq!(simulator.says()["agents"], 20);
    assert_eq!(simulator.says()["event"], "connected");
    assert_eq!(simulator.answers("status")["connected"], 20);
    assert_eq!(simulator.answers("slow 2")["event"], "slowed");
    assert_eq!(simulator.answers("cut")["agents"], 20);
    let error = simulator.answers("jump");
    assert_eq!(
        error["message"],
        "`jump` is not an order: cut, status, slow N, upgrade N, read NAME, await NAME VERSION, quit"
    );
    simulator.order("quit");
    assert!(simulator.child.wait().unwrap().success());
    house.controller.stop().await;
}

#[test]
fn a_fleet_without_identities_needs_an_activation() {
    let output = Command::new(env!("CARGO_BIN_EXE_fleetwright-simulator"))
        .args(["--agents", "3", "--controller", "127.0.0.1:1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("3 hosts have no identity: name an activation and its code"), "{complaint}");
}

/// The program, with its orders and its words. Killed when it is dropped.
struct Simulator {
    child: Child,
    words: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Simulator {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fleetwright-simulator"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let words = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, words }
    }

    fn order(&mut self, order: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
    }

    fn says(&mut self) -> Value {
        serde_json::from_str(&self.words.next().expect("the simulator says nothing more").unwrap()).unwrap()
    }

    fn answers(&mut self, order: &str) -> Value {
        self.order(order);
        self.says()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // Ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
