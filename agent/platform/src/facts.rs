//! Facts of the host that both systems tell in the same way, mostly through `sysinfo`.
//!
//! A fact that cannot be found out is an empty text or a zero, which is how the wire has it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use fleetwright_proto::agent::HostFacts;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// What differs from system to system.
#[derive(Debug)]
pub(crate) struct Names {
    /// `Linux` or `Windows`, as `PlatformType` has it.
    pub(crate) platform_type: &'static str,
    pub(crate) platform_name: String,
    pub(crate) platform_version: String,
}

pub(crate) fn collect(names: Names, agent_version: &str) -> HostFacts {
    let system = System::new_with_specifics(
        RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram()),
    );
    HostFacts {
        agent_version: agent_version.to_owned(),
        computer_name: System::host_name().unwrap_or_default(),
        ip_address: outward_address().map(|address| address.to_string()).unwrap_or_default(),
        platform_type: names.platform_type.to_owned(),
        platform_name: names.platform_name,
        platform_version: names.platform_version,
        kernel_version: System::kernel_version().unwrap_or_default(),
        architecture: System::cpu_arch(),
        cpus: system.as_ref().map_or(0, |system| u32::try_from(system.cpus().len()).unwrap_or(u32::MAX)),
        memory_bytes: system.as_ref().map_or(0, System::total_memory),
    }
}

/// The address of the interface that leads out. Connecting a datagram socket asks the routing table and sends
/// nothing; the destinations are from the ranges that are kept for documentation.
fn outward_address() -> Option<IpAddr> {
    let routes: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    ];
    routes.into_iter().find_map(|(any, outside)| {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect((outside, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_unspecified())
    })
}
