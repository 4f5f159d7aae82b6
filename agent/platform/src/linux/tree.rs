//! Which processes belong to one that was started here, and their end.
//!
//! A process belongs when it is in the group of the main process, when its parent belongs, or when it inherited the
//! marker. So `setsid`, `nohup` and a double fork do not escape. What does: a process that left the group, lost its
//! parent and cleaned its environment of the marker, all three; and one whose environment may not be read, which
//! means an agent that does not run as root and a program that changed its user.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open, pidfd_send_signal,
};

use crate::{Marker, ProcessIdentity, SignalError};

/// A fork bomb may win a pass; it does not win all of them, since its group is killed at one blow.
const KILL_PASSES: usize = 32;

/// One line of `/proc/<pid>/stat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) pid: u32,
    pub(super) state: u8,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) session: u32,
    /// Clock ticks after boot.
    pub(super) start_time: u64,
}

impl Entry {
    /// None when there is no such process.
    pub(super) fn read(pid: u32) -> Option<Self> {
        Self::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name of the program stands in brackets and may contain anything, brackets and blanks included.
    fn parse(pid: u32, stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse().ok();
        Some(Self {
            pid,
            state: *fields.first()?.as_bytes().first()?,
            parent: number(1)?,
            group: number(2)?,
            session: number(3)?,
            start_time: fields.get(19)?.parse().ok()?,
        })
    }

    fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X')
    }
}

/// Asks the group to end. Nothing is sent when the group is no longer this process's.
pub(super) fn terminate(identity: &ProcessIdentity) -> Result<(), SignalError> {
    if group_members(&all(), identity).is_empty() { Ok(()) } else { signal_group(identity, Signal::TERM) }
}

pub(super) fn group_is_alive(identity: &ProcessIdentity) -> bool {
    group_members(&all(), identity).into_iter().any(Entry::is_alive)
}

/// Kills everything that belongs and tells how many that were. Returns when no process belongs that has not been
/// sent the signal, which is not to say that the last one has already gone.
pub(super) fn kill(identity: &ProcessIdentity) -> Result<usize, SignalError> {
    let own_pid = std::process::id();
    let mut sent = HashSet::new();
    for _ in 0..KILL_PASSES {
        let entries = all();
        let mut family = family(&entries, identity, |pid| bears(pid, &identity.marker));
        family.retain(|entry| entry.pid != own_pid && !sent.contains(&(entry.pid, entry.start_time)));
        if family.is_empty() {
            break;
        }
        if family.iter().any(|entry| entry.group == identity.pid)
            && !group_members(&entries, identity).is_empty()
        {
            signal_group(identity, Signal::KILL)?;
        }
        for entry in family {
            kill_one(&entry)?;
            sent.insert((entry.pid, entry.start_time));
        }
    }
    Ok(sent.len())
}

/// The living of `entries` that belong to `identity`.
fn family(entries: &[Entry], identity: &ProcessIdentity, bears: impl Fn(u32) -> bool) -> Vec<Entry> {
    let mut children: HashMap<u32, Vec<&Entry>> = HashMap::new();
    for entry in entries {
        children.entry(entry.parent).or_default().push(entry);
    }
    let mut todo: Vec<&Entry> = group_members(entries, identity);
    todo.extend(entries.iter().filter(|entry| entry.start_time >= identity.start_time && bears(entry.pid)));
    let mut found: HashMap<u32, &Entry> = HashMap::new();
    while let Some(entry) = todo.pop() {
        if found.insert(entry.pid, entry).is_none() {
            todo.extend(children.get(&entry.pid).into_iter().flatten());
        }
    }
    found.into_values().filter(|entry| entry.is_alive()).cloned().collect()
}

/// Who is in the group, unless its number means another group by now. While a group has a member the system gives
/// its number to nobody, so a leader that is not ours means that all of ours have gone; without a leader the session
/// and the start tell ours from a later group.
fn group_members<'a>(entries: &'a [Entry], identity: &ProcessIdentity) -> Vec<&'a Entry> {
    if entries.iter().any(|entry| entry.pid == identity.pid && entry.start_time != identity.start_time) {
        return Vec::new();
    }
    let ours = |entry: &&Entry| {
        entry.group == identity.pid
            && entry.session == identity.session
            && entry.start_time >= identity.start_time
    };
    entries.iter().filter(ours).collect()
}

fn all() -> Vec<Entry> {
    let Ok(folder) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(Entry::read).collect()
}

fn bears(pid: u32, marker: &Marker) -> bool {
    let wanted = format!("{}={}", marker.name, marker.value);
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
}

fn signal_group(identity: &ProcessIdentity, signal: Signal) -> Result<(), SignalError> {
    let Some(group) = raw_pid(identity.pid) else { return Ok(()) };
    gone_is_fine(identity.pid, kill_process_group(group, signal))
}

/// Through a handle of the process, so that the signal cannot hit one that took over its id in the meantime.
fn kill_one(entry: &Entry) -> Result<(), SignalError> {
    let Some(pid) = raw_pid(entry.pid) else { return Ok(()) };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => {
            if Entry::read(entry.pid).is_none_or(|now| now.start_time != entry.start_time) {
                return Ok(());
            }
            gone_is_fine(entry.pid, pidfd_send_signal(handle, Signal::KILL))
        }
        Err(Errno::SRCH) => Ok(()),
        // A kernel without such handles.
        Err(_) => gone_is_fine(entry.pid, kill_process(pid, Signal::KILL)),
    }
}

fn gone_is_fine(pid: u32, result: rustix::io::Result<()>) -> Result<(), SignalError> {
    match result {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(SignalError::Io { pid, source: io::Error::from(errno) }),
    }
}

fn raw_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> ProcessIdentity {
        ProcessIdentity {
            pid: 100,
            start_time: 1000,
            session: 7,
            boot_id: "boot".to_owned(),
            marker: Marker { name: "M".to_owned(), value: "v".to_owned() },
        }
    }

    fn entry(pid: u32, parent: u32, group: u32, start_time: u64) -> Entry {
        Entry { pid, state: b'S', parent, group, session: 7, start_time }
    }

    #[track_caller]
    fn check(what: &str, entries: &[Entry], bearers: &[u32], wanted: &[u32]) {
        let mut found: Vec<u32> = family(entries, &identity(), |pid| bearers.contains(&pid))
            .iter()
            .map(|entry| entry.pid)
            .collect();
        found.sort_unstable();
        assert_eq!(found, wanted, "{what}");
    }

    #[test]
    fn the_group_its_descendants_and_the_bearers_belong() {
        let stranger = entry(50, 1, 50, 5);
        let leader = entry(100, 9, 100, 1000);
        let escaped = entry(102, 101, 102, 1002);
        check("nothing left", std::slice::from_ref(&stranger), &[], &[]);
        check(
            "leader and member",
            &[leader.clone(), entry(101, 100, 100, 1001), stranger.clone()],
            &[],
            &[100, 101],
        );
        check(
            "child in its own group",
            &[leader.clone(), entry(101, 100, 100, 1001), escaped.clone()],
            &[],
            &[100, 101, 102],
        );
        check("orphan with the marker", &[entry(102, 1, 102, 1002), stranger.clone()], &[102], &[102]);
        check(
            "child of an orphan with the marker",
            &[entry(102, 1, 102, 1002), entry(103, 102, 103, 1003)],
            &[102],
            &[102, 103],
        );
        check("leader gone, member left", &[entry(101, 1, 100, 1001)], &[], &[101]);
    }

    #[test]
    fn whoever_took_over_the_number_is_left_alone() {
        check(
            "another process with the id",
            &[entry(100, 1, 100, 2000), entry(101, 100, 100, 2001)],
            &[],
            &[],
        );
        check(
            "a later group of another session",
            &[Entry { session: 8, ..entry(101, 1, 100, 2000) }],
            &[],
            &[],
        );
        check("a bearer from before", &[entry(60, 1, 60, 10)], &[60], &[]);
        let zombie = Entry { state: b'Z', ..entry(100, 9, 100, 1000) };
        check("the dead are not killed, their group is", &[zombie, entry(101, 1, 100, 1001)], &[], &[101]);
    }

    #[test]
    fn a_program_may_have_any_name() {
        let stat = "12 (a) (b c) S 3 4 5 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 1 2";
        let wanted = Entry { pid: 12, state: b'S', parent: 3, group: 4, session: 5, start_time: 777 };
        assert_eq!(Entry::parse(12, stat), Some(wanted));
        assert_eq!(Entry::parse(12, "12 (x"), None);
    }
}
