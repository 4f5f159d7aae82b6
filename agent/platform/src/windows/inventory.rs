//! What a Windows host has, from its registry and its service manager (reference, section 5.4). No PowerShell and no
//! WMI: both take seconds of processor for what the registry has.

mod applications;
mod registry;
mod service_states;
mod services;
mod updates;

use sysinfo::System;
use windows_registry::LOCAL_MACHINE;

use super::OS;
use crate::gathering::{self, Routes};
use crate::inventory::{Item, Source, item};
use crate::{HostError, Unsupported};

const PROCESSORS: &str = r"HARDWARE\DESCRIPTION\System\CentralProcessor";
const INTERFACES: &str = r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces";
const CONNECTIONS: &str = r"SYSTEM\CurrentControlSet\Control\Network\{4D36E972-E325-11CE-BFC1-08002BE10318}";
const ROLES: &str = r"SOFTWARE\Microsoft\ServerManager\ServicingStorage\ServerComponentCache";
const VERSION: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion";

pub(super) fn gather(source: &Source) -> Result<Vec<Item>, HostError> {
    match source {
        Source::Applications => applications::installed(),
        Source::Network => gathering::interfaces(routes),
        Source::Processors => Ok(vec![processors()]),
        Source::Services => services::services(),
        Source::WindowsUpdates => updates::installed(),
        Source::WindowsRoles => roles(),
        Source::Registry(key) => registry::values(key),
    }
}

/// What TCP/IP keeps of the connection that has this name.
fn routes(name: &str) -> Routes {
    let id = LOCAL_MACHINE.open(CONNECTIONS).ok().and_then(|connections| {
        connections.keys().ok()?.find(|id| {
            let shown = connections.open(format!(r"{id}\Connection")).and_then(|key| key.get_string("Name"));
            shown.is_ok_and(|shown| shown == name)
        })
    });
    let Some(key) = id.and_then(|id| LOCAL_MACHINE.open(format!(r"{INTERFACES}\{id}")).ok()) else {
        return Routes::default();
    };
    let list = |name: &str| -> Vec<String> {
        let found = key.get_multi_string(name).unwrap_or_default();
        found.into_iter().filter(|text| !text.is_empty()).collect()
    };
    let words = |name: &str| -> Vec<String> {
        let found = key.get_string(name).unwrap_or_default();
        found.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let either = |first: Vec<String>, second: Vec<String>| if first.is_empty() { second } else { first };
    Routes {
        gateways: either(list("DefaultGateway"), list("DhcpDefaultGateway")),
        name_servers: either(words("NameServer"), words("DhcpNameServer")),
        dhcp_server: key.get_string("DhcpServer").unwrap_or_default(),
    }
}

fn processors() -> Item {
    let processors = LOCAL_MACHINE.open(PROCESSORS);
    let cpus = processors.as_ref().ok().and_then(|key| Some(key.keys().ok()?.count())).unwrap_or_default();
    let first = processors.and_then(|key| key.open("0"));
    let model = first.as_ref().ok().and_then(|key| key.get_string("ProcessorNameString").ok());
    let speed = first.as_ref().ok().and_then(|key| key.get_u32("~MHz").ok());
    let cores = System::physical_core_count().unwrap_or_default();
    let pack = LOCAL_MACHINE.open(VERSION).and_then(|key| key.get_string("CSDVersion")).unwrap_or_default();
    let number = |count: usize| if count == 0 { String::new() } else { count.to_string() };
    let threads = match (cpus, cores) {
        (0, _) | (_, 0) => "",
        (cpus, cores) if cpus > cores => "true",
        _ => "false",
    };
    item([
        ("CPUModel", model.unwrap_or_default().trim()),
        ("CPUSpeedMHz", &speed.map(|speed| speed.to_string()).unwrap_or_default()),
        ("CPUs", &number(cpus)),
        ("CPUCores", &number(cores)),
        ("CPUHyperThreadEnabled", threads),
        ("OSServicePack", &pack),
        ("KernelVersion", &System::kernel_version().unwrap_or_default()),
    ])
}

/// What Server Manager noted of each role and feature; only servers have it.
fn roles() -> Result<Vec<Item>, HostError> {
    let cache = LOCAL_MACHINE
        .open(ROLES)
        .map_err(|_| Unsupported { capability: "collecting roles on a Windows that is no server", os: OS })?;
    let doing = || format!(r"read HKEY_LOCAL_MACHINE\{ROLES}");
    let names = cache.keys().map_err(|error| HostError::io(doing)(error.into()))?;
    let role = |name: String| {
        let installed =
            cache.open(&name).and_then(|key| key.get_u32("InstallState")).unwrap_or_default() == 1;
        let (flag, state) = if installed { ("True", "Installed") } else { ("False", "Available") };
        item([("Name", &name), ("Installed", flag), ("InstalledState", state)])
    };
    Ok(names.map(role).collect())
}
