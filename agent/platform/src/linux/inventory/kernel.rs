//! What the kernel tells in its files: processors, routes; and who resolves names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use sysinfo::System;

use crate::gathering::Routes;
use crate::inventory::{Item, item};

/// The first that is there: behind a local resolver stand the servers that it asks.
const RESOLVERS: [&str; 2] = ["run/systemd/resolve/resolv.conf", "etc/resolv.conf"];
const IPV4_ROUTES: &str = "proc/net/route";
const IPV6_ROUTES: &str = "proc/net/ipv6_route";
const PROCESSORS: &str = "proc/cpuinfo";
/// kHz. The speed in `cpuinfo` follows the load where this is there.
const MAX_SPEED: &str = "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq";

/// Gateways by interface, and the name servers of the host.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Routing {
    gateways: BTreeMap<String, Vec<String>>,
    name_servers: Vec<String>,
}

impl Routing {
    pub(super) fn read(root: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let resolver = RESOLVERS.iter().find_map(|path| fs::read_to_string(root.join(path)).ok());
        Self::parse(&text(IPV4_ROUTES), &text(IPV6_ROUTES), &resolver.unwrap_or_default())
    }

    fn parse(ipv4: &str, ipv6: &str, resolver: &str) -> Self {
        let mut gateways: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut add = |interface: &str, gateway: String| {
            gateways.entry(interface.to_owned()).or_default().insert(gateway);
        };
        for line in ipv4.lines().skip(1) {
            let fields: Vec<_> = line.split_ascii_whitespace().collect();
            // Interface, destination and gateway; the bytes of an address stand in the order of the machine.
            let [interface, "00000000", gateway, ..] = fields.as_slice() else { continue };
            if let Ok(bits) = u32::from_str_radix(gateway, 16)
                && bits != 0
            {
                add(interface, Ipv4Addr::from(bits.to_ne_bytes()).to_string());
            }
        }
        for line in ipv6.lines() {
            let fields: Vec<_> = line.split_ascii_whitespace().collect();
            let [destination, "00", _, _, gateway, .., interface] = fields.as_slice() else { continue };
            let is_default = destination.bytes().all(|digit| digit == b'0');
            if let Ok(bits) = u128::from_str_radix(gateway, 16)
                && is_default
                && bits != 0
            {
                add(interface, Ipv6Addr::from(bits).to_string());
            }
        }
        let servers = resolver.lines().filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            if words.next() == Some("nameserver") { words.next().map(str::to_owned) } else { None }
        });
        let gateways =
            gateways.into_iter().map(|(name, found)| (name, found.into_iter().collect())).collect();
        Self { gateways, name_servers: servers.collect() }
    }

    pub(super) fn of(&self, interface: &str) -> Routes {
        let gateways = self.gateways.get(interface).cloned().unwrap_or_default();
        Routes { gateways, name_servers: self.name_servers.clone(), dhcp_server: String::new() }
    }
}

pub(super) fn processors(root: &Path) -> Item {
    let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    describe(&text(PROCESSORS), &text(MAX_SPEED), &System::kernel_version().unwrap_or_default())
}

fn describe(cpuinfo: &str, max_speed_khz: &str, kernel: &str) -> Item {
    let (mut model, mut speed, mut cpus) = ("", "", 0);
    let (mut sockets, mut cores) = (BTreeSet::new(), BTreeSet::new());
    for processor in cpuinfo.split("\n\n") {
        let fields: BTreeMap<&str, &str> = processor
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        if !fields.contains_key("processor") {
            continue;
        }
        cpus += 1;
        model = fields.get("model name").copied().unwrap_or(model);
        speed = fields.get("cpu MHz").copied().unwrap_or(speed);
        let socket = fields.get("physical id").copied().unwrap_or("0");
        sockets.insert(socket);
        // Where cores have no number, each processor is one.
        let core = fields.get("core id").or_else(|| fields.get("processor")).copied().unwrap_or_default();
        cores.insert((socket, core));
    }
    let whole = |text: &str| text.split('.').next().unwrap_or_default().to_owned();
    let max_mhz = max_speed_khz.trim().parse::<u64>().map(|khz| (khz / 1000).to_string());
    let threads_share_cores = cpus > cores.len();
    item([
        ("CPUModel", model),
        ("CPUSpeedMHz", &max_mhz.unwrap_or_else(|_| whole(speed))),
        ("CPUs", &cpus.to_string()),
        ("CPUSockets", &sockets.len().to_string()),
        ("CPUCores", &cores.len().to_string()),
        ("CPUHyperThreadEnabled", if threads_share_cores { "true" } else { "false" }),
        ("KernelVersion", kernel),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_and_resolvers_are_read() {
        let gateway = u32::from_ne_bytes([192, 0, 2, 1]);
        let ipv4 = format!(
            "Iface\tDestination\tGateway\tFlags\neth0\t00000000\t{gateway:08X}\t0003\neth0\t000200C0\t00000000\t0001\n\
             broken\n"
        );
        let zero = "0".repeat(32);
        let ipv6 = format!(
            "{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 0 0 00000003 eth1\n\
             {zero} 00 {zero} 00 {zero} ffffffff 0 0 00200200 lo\n"
        );
        let routing = Routing::parse(&ipv4, &ipv6, "# x\nnameserver 192.0.2.53\nsearch a\nnameserver ::1\n");
        assert_eq!(routing.of("eth0").gateways, ["192.0.2.1"]);
        assert_eq!(routing.of("eth1").gateways, ["fe80::1"]);
        assert_eq!(
            routing.of("lo"),
            Routes { name_servers: routing.name_servers.clone(), ..Routes::default() }
        );
        assert_eq!(routing.name_servers, ["192.0.2.53", "::1"]);
    }

    #[test]
    fn processors_are_counted_by_socket_core_and_thread() {
        let one = |number: u32, core: u32| {
            format!(
                "processor\t: {number}\nmodel name\t: Fast: 9\ncpu MHz\t\t: 2999.998\nphysical id\t: 0\ncore id\t\t: \
                 {core}\n\n"
            )
        };
        let text = one(0, 0) + &one(1, 0) + &one(2, 1) + &one(3, 1);
        let told = describe(&text, "", "6.1.0");
        let expected = item([
            ("CPUModel", "Fast: 9"),
            ("CPUSpeedMHz", "2999"),
            ("CPUs", "4"),
            ("CPUSockets", "1"),
            ("CPUCores", "2"),
            ("CPUHyperThreadEnabled", "true"),
            ("KernelVersion", "6.1.0"),
        ]);
        assert_eq!(told, expected);
        let arm =
            describe("processor\t: 0\nBogoMIPS\t: 50\n\nprocessor\t: 1\n\nHardware\t: x\n", "1800000\n", "6");
        assert_eq!((arm["CPUs"].as_str(), arm["CPUCores"].as_str()), ("2", "2"));
        assert_eq!((arm["CPUSpeedMHz"].as_str(), arm["CPUHyperThreadEnabled"].as_str()), ("1800", "false"));
    }
}
