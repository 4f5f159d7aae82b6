//! `fleetwright dev`: from nothing to a first command, and what is left when it ends.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::programs::{Ended, Program, Running, is_alive, until};
use crate::site::{PATIENCE, free_address};

/// What "ready in seconds" means on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(15);

/// A person's empty home.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts `dev` and waits until it says that it is ready. Each start has a log of its own.
    fn dev(&self, log: &str, options: &[&str]) -> Running {
        let mut command = Program::Fleetwright.command(self.path());
        command.arg("dev").args(options);
        let mut dev = Running::spawn("dev", &mut command, &self.path().join(log));
        until("dev is ready", READY_WITHIN, || match dev.ended() {
            Some(status) => panic!("dev ended with {status}"),
            None if dev.log().contains("\nready.") => Ok(()),
            None => Err(dev.log()),
        });
        dev
    }

    fn types(&self, words: &[&str]) -> Ended {
        Ended::of(Program::Fleetwright.command(self.path()).args(words))
    }
}

fn uname() -> String {
    String::from_utf8(Command::new("uname").arg("-a").output().unwrap().stdout).unwrap()
}

/// The processes that this one started and that still run.
fn children(parent: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let listed = tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
    listed.collect::<String>().split_whitespace().map(|id| id.parse().unwrap()).collect()
}

fn until_gone(ids: &[u32]) {
    until("nothing is left running", PATIENCE, || {
        let alive: Vec<_> = ids.iter().filter(|id| is_alive(**id)).collect();
        if alive.is_empty() { Ok(()) } else { Err(format!("{alive:?}")) }
    });
}

#[test]
fn from_nothing_to_a_first_command_and_nothing_is_left() {
    let home = Home::new();
    let address = free_address().to_string();
    let dev = home.dev("first.log", &["--listen", &address]);
    let said = dev.log();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert!(said.contains(&format!("kernel {}", kernel.trim())), "no facts of this host:\n{said}");
    assert!(said.contains(uname().trim()), "no output of a first command:\n{said}");
    assert!(said.contains("run --target all -- uname -a"), "not what to type next:\n{said}");

    let answer = home.types(&["run", "--target", "all", "--", "uname", "-a"]).expect_code(0);
    assert_eq!(answer.text(), uname());

    let agents = children(dev.id());
    assert_eq!(agents.len(), 1, "one agent");
    assert_eq!(dev.stop().code(), Some(0));
    until_gone(&agents);
    home.types(&["run", "--target", "all", "--", "true"]).expect_code(5);
}

#[test]
fn killed_and_started_again_it_is_the_same_fleet() {
    let home = Home::new();
    let data = home.path().join("fleet");
    let options = ["--data-dir", data.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let dev = home.dev("first.log", &options);
    let node = home.types(&["node", "list", "-o", "json"]).expect_code(0).json()[0]["node_id"].clone();
    let agents = children(dev.id());
    dev.signal(Signal::KILL);
    drop(dev);

    // At another port, and perhaps with the first one's agent still there.
    let dev = home.dev("second.log", &options);
    until_gone(&agents);
    let nodes = home.types(&["node", "list", "-o", "json"]).expect_code(0).json();
    assert_eq!((nodes.as_array().unwrap().len(), &nodes[0]["node_id"]), (1, &node), "{nodes}");
    let answer = home.types(&["run", "--target", "all", "--", "uname", "-a"]).expect_code(0);
    assert_eq!(answer.text(), uname());
    let agents = children(dev.id());
    assert_eq!(dev.stop().code(), Some(0));
    until_gone(&agents);
}

#[test]
fn listening_everywhere_it_is_reached_by_an_address_that_leads_here() {
    let home = Home::new();
    let dev = home.dev("dev.log", &["--listen", "0.0.0.0:0"]);
    home.types(&["run", "--target", "all", "--", "true"]).expect_code(0);
    assert_eq!(dev.stop().code(), Some(0));
}
