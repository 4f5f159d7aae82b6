//! The inventory of a real Debian, item by item, against what its own tools say.
//!
//! Compared is this host, where it is a Debian, and a root that `debootstrap` has made, where its path is in
//! FLEETWRIGHT_DEBIAN_ROOT and this is run as root:
//!
//! ```text
//! debootstrap --variant=minbase --include=systemd,iproute2,cron bookworm /tmp/root
//! FLEETWRIGHT_DEBIAN_ROOT=/tmp/root cargo nextest run --test debian --no-capture
//! ```
//!
//! What is not compared for want of one of them is said, and nothing else.

#![expect(clippy::unwrap_used, reason = "what a test builds on either works or fails the test")]
#![expect(clippy::print_stdout, reason = "a comparison that was not made is said")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The program that was built beside this test.
fn agent() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("fleetwright-agent");
    assert!(path.exists(), "{} is not there: run `cargo build -p fleetwright-agent` first", path.display());
    path
}

/// A place with tools of its own.
struct Debian {
    root: PathBuf,
}

impl Debian {
    fn run(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let mut command = if self.is_this_host() {
            Command::new(program)
        } else {
            let mut command = Command::new("chroot");
            command.arg(&self.root).arg(program);
            command
        };
        let output = command.args(arguments).env("LC_ALL", "C.UTF-8").output().ok()?;
        assert!(
            output.status.success() || output.status.code() == Some(127),
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn is_this_host(&self) -> bool {
        self.root == Path::new("/")
    }

    /// What the agent tells there, by type.
    fn inventory(&self) -> BTreeMap<String, Vec<BTreeMap<String, String>>> {
        let program = if self.is_this_host() {
            agent()
        } else {
            std::fs::copy(agent(), self.root.join("tmp/fleetwright-agent")).unwrap();
            PathBuf::from("/tmp/fleetwright-agent")
        };
        let text =
            self.run(program.to_str().unwrap(), &["inventory", "--state-dir", "/tmp/not-there"]).unwrap();
        let types: Vec<Value> = serde_json::from_str(&text).unwrap();
        types
            .into_iter()
            .map(|told| {
                let items = serde_json::from_value(told["Content"].clone()).unwrap();
                (told["TypeName"].as_str().unwrap().to_owned(), items)
            })
            .collect()
    }

    fn check_packages(&self, told: &[BTreeMap<String, String>]) {
        let format =
            "${Package}\t${Version}\t${Architecture}\t${Section}\t${Maintainer}\t${db:Status-Status}\n";
        let listed = self.run("dpkg-query", &["-W", "-f", format]).unwrap();
        let expected: BTreeSet<String> = listed
            .lines()
            .filter_map(|line| line.strip_suffix("\tinstalled"))
            .map(|line| line.replace("\tamd64\t", "\tx86_64\t"))
            .collect();
        let field = |item: &BTreeMap<String, String>, name: &str| item.get(name).cloned().unwrap_or_default();
        let found: BTreeSet<String> = told
            .iter()
            .filter(|item| field(item, "PackageId").ends_with(".deb"))
            .map(|item| {
                ["Name", "Version", "Architecture", "ApplicationType", "Publisher"]
                    .map(|name| field(item, name))
                    .join("\t")
            })
            .collect();
        assert!(expected.len() > 50, "{} packages", expected.len());
        assert_eq!(found, expected);
    }

    fn check_services(&self, told: &[BTreeMap<String, String>]) {
        let listed =
            self.run("systemctl", &["list-unit-files", "--type=service", "--no-legend", "--no-pager"]);
        let Some(listed) = listed else {
            return println!("not compared: {} has no systemctl", self.root.display());
        };
        let expected: BTreeMap<String, String> = listed
            .lines()
            .filter_map(|line| {
                let mut words = line.split_ascii_whitespace();
                Some((words.next()?.to_owned(), words.next()?.to_owned()))
            })
            .filter(|(name, _)| !name.ends_with("@.service"))
            .collect();
        let found: BTreeMap<_, _> =
            told.iter().map(|item| (item["Name"].clone(), item["StartType"].clone())).collect();
        assert!(!expected.is_empty());
        for (name, state) in expected {
            assert_eq!(found.get(&name), Some(&state), "{name}");
        }
    }

    fn check_network(&self, told: &[BTreeMap<String, String>]) {
        let Some(listed) = self.run("ip", &["-j", "addr"]) else {
            return println!("not compared: {} has no ip", self.root.display());
        };
        let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
        let mut expected = BTreeMap::new();
        for interface in listed {
            let name = interface["ifname"].as_str().unwrap().to_owned();
            if name == "lo" {
                continue;
            }
            let of = |family: &str| -> BTreeSet<String> {
                let all = interface["addr_info"].as_array().unwrap().iter();
                let of = all.filter(|address| address["family"] == family);
                of.map(|address| address["local"].as_str().unwrap().to_owned()).collect()
            };
            expected.insert(name, (of("inet"), of("inet6")));
        }
        let split = |item: &BTreeMap<String, String>, name: &str| -> BTreeSet<String> {
            item.get(name).map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default()
        };
        let found: BTreeMap<_, _> = told
            .iter()
            .map(|item| (item["Name"].clone(), (split(item, "IPV4"), split(item, "IPV6"))))
            .collect();
        assert_eq!(found, expected);
    }

    fn check(&self) {
        let inventory = self.inventory();
        self.check_packages(&inventory["AWS:Application"]);
        if let Some(services) = inventory.get("AWS:Service") {
            self.check_services(services);
        }
        self.check_network(&inventory["AWS:Network"]);
        let processors = &inventory["AWS:InstanceDetailedInformation"][0];
        let kernel = self.run("uname", &["-r"]).unwrap();
        assert_eq!(processors["KernelVersion"], kernel.trim());
    }
}

#[test]
fn this_host() {
    if !Path::new("/var/lib/dpkg/status").exists() {
        return println!("not compared: this host has no dpkg");
    }
    Debian { root: "/".into() }.check();
}

#[test]
fn a_root_of_debootstrap() {
    let Some(root) = std::env::var_os("FLEETWRIGHT_DEBIAN_ROOT") else {
        return println!("not compared: FLEETWRIGHT_DEBIAN_ROOT names no root that debootstrap has made");
    };
    Debian { root: root.into() }.check();
}
