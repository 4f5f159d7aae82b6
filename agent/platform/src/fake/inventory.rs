//! What a fake host has: packages by their number, the same on every host, and facts that follow from the host's own.

use std::collections::BTreeMap;

use crate::inventory::{Item, Source, item};
use crate::{HostError, Unsupported};

/// What is installed. Nothing is kept of a package but how often it was upgraded.
#[derive(Debug, Default)]
pub(super) struct Packages {
    pub(super) count: u32,
    pub(super) upgrades: BTreeMap<u32, u32>,
}

const SECTIONS: [&str; 5] = ["libs", "utils", "net", "admin", "python"];

pub(super) fn gather(source: &Source, host: u32, packages: &Packages) -> Result<Vec<Item>, HostError> {
    let unsupported = |capability| Err(Unsupported { capability, os: "a fake host" }.into());
    match source {
        Source::Applications => Ok((0..packages.count).map(|number| package(number, packages)).collect()),
        Source::Network => Ok(vec![network(host)]),
        Source::Processors => Ok(vec![item([
            ("CPUModel", "Fake"),
            ("CPUs", "2"),
            ("CPUCores", "2"),
            ("CPUSockets", "1"),
            ("KernelVersion", "6.0.0-fake"),
        ])]),
        Source::Services => Ok(["cron.service", "ssh.service"]
            .map(|name| item([("Name", name), ("Status", "active"), ("StartType", "enabled")]))
            .to_vec()),
        Source::WindowsUpdates => unsupported("collecting Windows updates"),
        Source::WindowsRoles => unsupported("collecting Windows roles"),
        Source::Registry(_) => unsupported("collecting values of the Windows registry"),
    }
}

fn package(number: u32, packages: &Packages) -> Item {
    let (name, section) = (format!("package-{number:04}"), SECTIONS[number as usize % SECTIONS.len()]);
    let patch = packages.upgrades.get(&number).copied().unwrap_or_default();
    let version = format!("{}.{}.{patch}-1", number % 7 + 1, number % 23);
    item([
        ("Name", &name),
        ("ApplicationType", section),
        ("Publisher", &format!("Maintainers of {section} <team-{section}@example.org>")),
        ("Version", &version),
        ("Architecture", "x86_64"),
        ("URL", &format!("https://{name}.example.org/")),
        ("Summary", &format!("what hosts need of {section}, part {number}, with all that belongs to it")),
        ("PackageId", &format!("{name}_{version}_amd64.deb")),
    ])
}

fn network(host: u32) -> Item {
    let [_, high, middle, low] = host.to_be_bytes();
    item([
        ("Name", "eth0"),
        ("IPV4", &format!("10.{high}.{middle}.{low}")),
        ("SubnetMask", "255.0.0.0"),
        ("Gateway", "10.0.0.1"),
        ("MacAddress", &format!("02:00:00:{high:02x}:{middle:02x}:{low:02x}")),
    ])
}
