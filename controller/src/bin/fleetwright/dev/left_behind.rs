//! The agent of an earlier `dev` that was killed and could not take its agent along.
//!
//! Whoever calls this holds the data folder's store, so an agent that runs in this data folder has lost its `dev`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use fleetwright_proto::clock::{Clock, SystemClock};
use rustix::process::{Pid, Signal};

const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Asks the agents that run with this state folder to stop, and waits until they are gone or the time is over.
pub(super) async fn end_agents(state_dir: &Path, within: Duration) {
    let mut wait = within;
    for agent in agents(state_dir) {
        // Gone meanwhile is as good.
        let _ = rustix::process::kill_process(agent, Signal::TERM);
    }
    while !wait.is_zero() && !agents(state_dir).is_empty() {
        SystemClock.sleep(LOOK_AGAIN).await;
        wait = wait.saturating_sub(LOOK_AGAIN);
    }
}

fn agents(state_dir: &Path) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    ids.filter(|id: &i32| {
        std::fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| is_agent(&line, state_dir))
    })
    .filter_map(Pid::from_raw)
    .collect()
}

/// As [`super::Agent::start`] types it.
fn is_agent(command_line: &[u8], state_dir: &Path) -> bool {
    let mut words = command_line.split(|byte| *byte == 0).map(OsStr::from_bytes);
    let program = words.next().and_then(|program| Path::new(program).file_stem());
    program == Some(OsStr::new("fleetwright-agent"))
        && words.next() == Some(OsStr::new("run"))
        && words.next() == Some(OsStr::new("--state-dir"))
        && words.next() == Some(state_dir.as_os_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_agent_of_this_folder_is_meant() {
        for (line, wanted) in [
            ("/bin/fleetwright-agent\0run\0--state-dir\0/data/agent\0--controller\0x:1\0", true),
            ("/bin/fleetwright-agent\0run\0--state-dir\0/data/agent2\0", false),
            ("/bin/fleetwright-agent\0status\0--state-dir\0/data/agent\0", false),
            ("/bin/less\0run\0--state-dir\0/data/agent\0", false),
            ("", false),
        ] {
            assert_eq!(is_agent(line.as_bytes(), Path::new("/data/agent")), wanted, "{line:?}");
        }
    }
}
