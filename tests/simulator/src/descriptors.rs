//! Room for many sockets: every agent takes one open file, and a process may have fewer than a fleet has agents.

use rustix::process::{Resource, getrlimit, setrlimit};

/// For the runtime, standard streams and files that are open for a moment.
const SPARE: u64 = 256;

/// The system does not let this process open enough files.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{agents} agents need {needed} open files and this process may have {allowed}: raise the hard limit \
     (`ulimit -Hn {needed}` as root, or LimitNOFILE= of the service), or simulate fewer agents"
)]
pub struct TooFewDescriptors {
    agents: u32,
    needed: u64,
    allowed: u64,
}

/// Raises this process's limit of open files as far as `agents` need it.
///
/// # Errors
/// When the hard limit is lower than that.
pub fn make_room_for(agents: u32) -> Result<(), TooFewDescriptors> {
    let mut limit = getrlimit(Resource::Nofile);
    let needed = u64::from(agents) + SPARE;
    // None is no limit.
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let too_few = |allowed| TooFewDescriptors { agents, needed, allowed };
    if let Some(allowed) = limit.maximum.filter(|maximum| *maximum < needed) {
        return Err(too_few(allowed));
    }
    let current = limit.current.unwrap_or(needed);
    limit.current = Some(needed);
    setrlimit(Resource::Nofile, limit).map_err(|_| too_few(current))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_told_with_what_would_be_right() {
        make_room_for(1).unwrap();
        let agents = u32::MAX;
        let Some(allowed) = getrlimit(Resource::Nofile).maximum.filter(|maximum| *maximum < agents.into())
        else {
            // This system sets no limit that could be too low.
            return;
        };
        let error = make_room_for(agents).unwrap_err().to_string();
        assert!(error.contains(&format!("this process may have {allowed}")), "{error}");
        assert!(error.contains("`ulimit -Hn 4294967551`"), "{error}");
    }
}
