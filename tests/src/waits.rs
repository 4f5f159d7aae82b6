//! Waiting for what a fleet does by itself. A wait that is in vain shows everything that is known then.

use std::time::Duration;

use fleetwright_controller::commands::records::InvocationRecord;
use fleetwright_controller::commands::state::State;
use fleetwright_proto::clock::{Clock, SystemClock};
use fleetwright_proto::ids::CommandId;

use crate::fleet::Fleet;
use crate::host::Host;

/// How long a condition is waited for, of the host's time.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a condition is looked at that nobody announces.
const LOOK: Duration = Duration::from_millis(2);

impl Fleet {
    /// Waits until the command has ended and tells how, as [`Fleet::summary`] does.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn wait_final(&self, command: &CommandId) -> String {
        let what = format!("the end of command {command}");
        let ended = async || self.command(command).await.outcome.is_some().then_some(());
        self.until(&what, ended).await;
        self.summary(command).await
    }

    /// As [`Fleet::wait_final`], while agents that lost their link are helped back.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn wait_final_reconnecting(&self, command: &CommandId) -> String {
        let what = format!("the end of command {command}, reconnecting");
        self.until(&what, async || {
            self.help_to_connect();
            self.command(command).await.outcome.is_some().then_some(())
        })
        .await;
        self.summary(command).await
    }

    /// Waits until the command is in a state on a host.
    ///
    /// # Panics
    /// When it never is.
    pub async fn until_state(&self, command: &CommandId, host: &Host, state: State) -> InvocationRecord {
        let what = format!("{command} {state:?} on {}", host.name());
        self.until(&what, async || {
            Some(self.invocation(command, host).await).filter(|record| record.state == state)
        })
        .await
    }

    /// Waits until so many scripts of the command run or have run on a host.
    ///
    /// # Panics
    /// When they never do.
    pub async fn until_run(&self, command: &CommandId, host: &Host) {
        let what = format!("a script of {command} on {}", host.name());
        self.until(&what, async || (!host.runs(command).is_empty()).then_some(())).await;
    }

    /// Waits until every host that can be connected is. Agents that wait for their next try are helped on by
    /// pushing the clock.
    ///
    /// # Panics
    /// When one never is.
    pub async fn until_connected(&self) {
        self.until("every reachable node connected", async || self.help_to_connect().then_some(())).await;
    }

    /// Waits until the controller knows that a host is not connected.
    ///
    /// # Panics
    /// When it never does.
    pub async fn until_away(&self, host: &Host) {
        let what = format!("{} away", host.name());
        self.until(&what, async || (!self.house().lines.is_open(host.node())).then_some(())).await;
    }

    /// Waits for a condition.
    ///
    /// # Panics
    /// When it does not hold in time; with everything that is known then.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                SystemClock.sleep(LOOK).await;
            }
        });
        match waited.await {
            Ok(found) => found,
            Err(_) => panic!("never: {what}; last status:\n{}", self.describe().await),
        }
    }
}
