//! A fleet: its members enrol, connect, are cut and come back.
//!
//! ```text
//! new ──► enrol ──► connect ──► cut ⟲ ──► stop
//!           └ only those without an identity
//! ```
//!
//! Times are those of this process. What is measured ends when the controller's answer is here: its certificate for an
//! enrolment, its welcome for a connection.

mod member;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleetwright_agent::StartError;
use fleetwright_agent::enroll::EnrollError;
use fleetwright_agent::explain::explain;
use fleetwright_agent::identity::{ControllerAddress, IdentityFilesError};
use fleetwright_agent::tls::Trust;
use fleetwright_proto::clock::{SharedClock, SystemClock};
use fleetwright_proto::ids::{ActivationId, NodeId};
use futures::stream::{FuturesUnordered, StreamExt, iter};
use serde::Serialize;

use crate::clock::{Skew, SkewedClock};
use crate::network::Network;
use member::Member;

/// An agent that is not back by then is counted as missing.
const BACK_WITHIN: Duration = Duration::from_secs(180);

/// What a fleet is made of.
#[derive(Debug, Clone)]
pub struct FleetSettings {
    /// Numbered from 0; a host's facts, address and clock follow from its number.
    pub agents: u32,
    pub controller: ControllerAddress,
    /// One folder for each host with its key and certificate; made when it is not there.
    pub identities: PathBuf,
    /// Where hosts put scripts and output while commands run.
    pub scratch: PathBuf,
    /// Enrolments, and first connections, that are under way at once.
    pub at_once: usize,
    /// How far the clocks are off at most, both ways.
    pub clock_skew: Duration,
    /// Packages that are installed on each host.
    pub packages: u32,
    /// Between two collections of inventory, on average.
    pub inventory_every: Duration,
}

/// What a host needs to join.
#[derive(Clone)]
pub struct Invitation {
    pub activation: ActivationId,
    pub code: String,
    pub trust: Trust,
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation").field("activation", &self.activation).finish_non_exhaustive()
    }
}

/// Why a fleet cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    #[error("host {number} cannot enrol")]
    Enrol { number: u32, source: EnrollError },
    #[error("host {number} cannot use its identity")]
    Identity { number: u32, source: IdentityFilesError },
    #[error("{missing} hosts have no identity: name an activation and its code, so that they can enrol")]
    NotInvited { missing: usize },
    #[error("the agent of host {number} does not start")]
    Start { number: u32, source: StartError },
    #[error("the agent of host {number} did not connect within {} s: {latest}", BACK_WITHIN.as_secs())]
    NotConnected { number: u32, latest: String },
    #[error("a task of the simulator ended early")]
    Task(#[from] tokio::task::JoinError),
}

/// How an enrolment of the fleet went.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Enrolled {
    /// Those that joined now.
    pub agents: u32,
    /// Those that had an identity already.
    pub reused: u32,
    /// Answers like `unavailable` after which a host asked again.
    pub retries: u32,
    pub seconds: f64,
}

/// How the fleet came to be connected, at first or after a cut.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Connected {
    pub agents: usize,
    /// Those that did not come.
    pub missing: usize,
    /// Until the last one.
    pub seconds: f64,
    /// Until 99 of 100.
    pub p99_seconds: f64,
}

/// The fleet at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct FleetStatus {
    pub agents: usize,
    pub connected: usize,
    /// Commands that run on the hosts now.
    pub running: usize,
    /// Commands that are not over for both sides.
    pub open_commands: usize,
    /// Steps whose script was begun.
    pub executed: u64,
    /// Of these, the ones that were begun more than once. Anything but zero is a fault.
    pub executed_twice: u64,
}

/// See the head of this module.
#[derive(Debug)]
pub struct Fleet {
    members: Vec<Arc<Member>>,
    network: Arc<Network>,
    at_once: usize,
}

impl Fleet {
    #[must_use]
    pub fn new(settings: &FleetSettings) -> Self {
        let truth: SharedClock = Arc::new(SystemClock);
        let network = Arc::new(Network::new(truth.clone()));
        let members = (0..settings.agents)
            .map(|number| {
                let skew = Skew::of_host(number, settings.clock_skew);
                let clock: SharedClock = Arc::new(SkewedClock::new(truth.clone(), skew));
                Arc::new(Member::new(number, settings, clock, network.clone()))
            })
            .collect();
        Self { members, network, at_once: settings.at_once.max(1) }
    }

    /// Sees to it that every host has an identity. Safe to repeat: it goes on where it stopped.
    ///
    /// # Errors
    /// When a host is refused, or cannot keep what it got.
    pub async fn enrol(&self, invitation: Option<&Invitation>) -> Result<Enrolled, FleetError> {
        let mut missing = Vec::new();
        for member in &self.members {
            if !member.load_identity()? {
                missing.push(member.clone());
            }
        }
        let reused = u32::try_from(self.members.len() - missing.len()).unwrap_or(u32::MAX);
        let begun = Instant::now();
        let (mut agents, mut retries) = (0, 0);
        if !missing.is_empty() {
            let invitation = invitation.ok_or(FleetError::NotInvited { missing: missing.len() })?;
            let mut joining = iter(missing)
                .map(|member| {
                    let invitation = invitation.clone();
                    tokio::spawn(async move { member.enrol(&invitation).await })
                })
                .buffer_unordered(self.at_once);
            while let Some(joined) = joining.next().await {
                retries += joined??;
                agents += 1;
            }
        }
        Ok(Enrolled { agents, reused, retries, seconds: begun.elapsed().as_secs_f64() })
    }

    /// Starts every agent and waits until all are connected.
    ///
    /// # Errors
    /// When an agent does not start or does not get through.
    pub async fn connect(&self) -> Result<Connected, FleetError> {
        let begun = Instant::now();
        let mut starting = iter(self.members.clone())
            .map(|member| tokio::spawn(async move { member.start(BACK_WITHIN).await }))
            .buffer_unordered(self.at_once);
        let mut moments = Vec::with_capacity(self.members.len());
        while let Some(started) = starting.next().await {
            started??;
            moments.push(begun.elapsed());
        }
        Ok(Connected::of(&moments, self.members.len()))
    }

    /// Cuts all links at once and waits until the agents, which come back by themselves, are back.
    pub async fn cut(&self) -> Connected {
        let begun = Instant::now();
        let mut returning: FuturesUnordered<_> =
            self.members.iter().filter_map(|member| member.return_from_cut(BACK_WITHIN)).collect();
        self.network.cut();
        let mut moments = Vec::with_capacity(returning.len());
        while let Some(is_back) = returning.next().await {
            if is_back {
                moments.push(begun.elapsed());
            }
        }
        Connected::of(&moments, self.members.len())
    }

    /// The first `agents` hosts read slowly from now on, the others as fast as they can.
    pub fn slow(&self, agents: u32) {
        for member in &self.members {
            if member.number() < agents { member.network().slow_down() } else { member.network().speed_up() }
        }
    }

    /// Every host has the next version of a package, by its number.
    pub fn upgrade(&self, package: u32) {
        self.members.iter().for_each(|member| member.upgrade(package));
    }

    /// Every host reads a parameter, and holds it from then on.
    pub async fn read(&self, name: &str) -> Connected {
        self.reach(|member| member.read(name)).await
    }

    /// Waits until every host holds this version of a parameter that it has read, or a later one.
    pub async fn until_held(&self, name: &str, version: u64) -> Connected {
        self.reach(|member| member.until_held(name, version, BACK_WITHIN)).await
    }

    /// When the members came to where they were to come; the others are missing.
    async fn reach<'a, F: Future<Output = bool>>(&'a self, come: impl Fn(&'a Member) -> F) -> Connected {
        let begun = Instant::now();
        let mut coming: FuturesUnordered<_> = self.members.iter().map(|member| come(member)).collect();
        let mut moments = Vec::with_capacity(self.members.len());
        while let Some(is_there) = coming.next().await {
            if is_there {
                moments.push(begun.elapsed());
            }
        }
        Connected::of(&moments, self.members.len())
    }

    #[must_use]
    pub fn status(&self) -> FleetStatus {
        self.members.iter().fold(FleetStatus::default(), |sum, member| {
            let one = member.status();
            FleetStatus {
                agents: sum.agents + one.agents,
                connected: sum.connected + one.connected,
                running: sum.running + one.running,
                open_commands: sum.open_commands + one.open_commands,
                executed: sum.executed + one.executed,
                executed_twice: sum.executed_twice + one.executed_twice,
            }
        })
    }

    /// What every host has run: how often each script was begun, by `command/step`. To be compared with what a
    /// controller says: nothing may be lost, and nothing run twice.
    #[must_use]
    pub fn runs(&self) -> BTreeMap<NodeId, BTreeMap<String, u32>> {
        self.members.iter().filter_map(|member| member.runs()).collect()
    }

    /// Stops every agent as a service manager would.
    pub async fn stop(self) {
        let stopping: FuturesUnordered<_> = self.members.iter().map(|member| member.stop()).collect();
        stopping.collect::<()>().await;
    }
}

impl Connected {
    /// `moments` in the order in which they came.
    fn of(moments: &[Duration], wanted: usize) -> Self {
        let seconds = |at: usize| moments.get(at).map_or(0.0, Duration::as_secs_f64);
        let last = moments.len().saturating_sub(1);
        Self {
            agents: moments.len(),
            missing: wanted - moments.len(),
            seconds: seconds(last),
            p99_seconds: seconds(last * 99 / 100),
        }
    }
}

impl FleetError {
    /// One line with all its causes.
    #[must_use]
    pub fn line(&self) -> String {
        explain(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_a_herd_are_those_of_its_last_and_of_99_in_100() {
        let moments: Vec<_> = (1..=200).map(Duration::from_secs).collect();
        let herd = Connected::of(&moments, 203);
        assert_eq!((herd.agents, herd.missing), (200, 3));
        assert_eq!((herd.seconds, herd.p99_seconds), (200.0, 198.0));
        assert_eq!(
            Connected::of(&[], 2),
            Connected { agents: 0, missing: 2, seconds: 0.0, p99_seconds: 0.0 }
        );
    }
}
