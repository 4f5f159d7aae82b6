//! Services: what they are from the registry, what they do from the service manager.

use std::collections::BTreeMap;

use windows_registry::LOCAL_MACHINE;

use super::service_states::states;
use crate::HostError;
use crate::inventory::{Item, item};

const SERVICES: &str = r"SYSTEM\CurrentControlSet\Services";

/// Drivers stand in the same place and are none; a service's type has one of these bits.
const OWN_PROCESS: u32 = 0x10;
const SHARED_PROCESS: u32 = 0x20;

pub(super) fn services() -> Result<Vec<Item>, HostError> {
    let states = states().map_err(HostError::io(|| "ask the service manager".to_owned()))?;
    let doing = || format!(r"read HKEY_LOCAL_MACHINE\{SERVICES}");
    let list = LOCAL_MACHINE.open(SERVICES).map_err(|error| HostError::io(doing)(error.into()))?;
    let depended_on: BTreeMap<String, Vec<String>> = states
        .keys()
        .map(|name| {
            let needs = list.open(name).and_then(|key| key.get_multi_string("DependOnService"));
            (
                name.clone(),
                needs.unwrap_or_default().into_iter().filter(|needed| !needed.is_empty()).collect(),
            )
        })
        .collect();
    let mut found = Vec::with_capacity(states.len());
    for (name, state) in &states {
        let Ok(key) = list.open(name) else { continue };
        let kind = key.get_u32("Type").unwrap_or_default();
        let is_delayed = key.get_u32("DelayedAutostart").is_ok_and(|flag| flag == 1);
        let dependents =
            depended_on.iter().filter(|(_, needs)| needs.iter().any(|need| need.eq_ignore_ascii_case(name)));
        let dependents: Vec<_> = dependents.map(|(dependent, _)| dependent.as_str()).collect();
        found.push(item([
            ("Name", name),
            ("DisplayName", &state.display_name),
            ("ServiceType", service_type(kind)),
            ("Status", state_name(state.state)),
            ("StartType", start_type(key.get_u32("Start").unwrap_or(3), is_delayed)),
            ("ServicesDependedOn", &depended_on[name].join(" ")),
            ("DependentServices", &dependents.join(" ")),
        ]));
    }
    Ok(found)
}

fn service_type(bits: u32) -> &'static str {
    match bits & (OWN_PROCESS | SHARED_PROCESS) {
        OWN_PROCESS => "Win32OwnProcess",
        SHARED_PROCESS => "Win32ShareProcess",
        _ => "Win32OwnProcess, Win32ShareProcess",
    }
}

fn start_type(start: u32, is_delayed: bool) -> &'static str {
    match start {
        0 => "Boot",
        1 => "System",
        2 if is_delayed => "AutomaticDelayedStart",
        2 => "Automatic",
        4 => "Disabled",
        _ => "Manual",
    }
}

fn state_name(state: u32) -> &'static str {
    match state {
        1 => "Stopped",
        2 => "StartPending",
        3 => "StopPending",
        4 => "Running",
        5 => "ContinuePending",
        6 => "PausePending",
        7 => "Paused",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_of_this_host_have_a_state() {
        let found = services().unwrap();
        assert!(!found.is_empty());
        for service in found {
            assert!(service.contains_key("Status") && service.contains_key("StartType"), "{service:?}");
        }
    }
}
