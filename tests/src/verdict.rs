//! How commands ended, in one line each, and what must be true of a fleet after every test.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fleetwright_controller::commands::explain;
use fleetwright_controller::commands::history::{self, Filter, TimeKey};
use fleetwright_controller::commands::operations;
use fleetwright_controller::commands::records::{CommandRecord, InvocationRecord, StepStatus};
use fleetwright_controller::commands::state::{Reason, State, status_details};
use fleetwright_controller::commands::tally::Tally;
use fleetwright_controller::mailbox;
use fleetwright_controller::nodes::operations::resolve;
use fleetwright_proto::clock::Clock;
use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::Revision;

use crate::fleet::Fleet;
use crate::host::Host;

/// Rows of one page.
const PAGE: usize = 500;
/// Commands in the message of a failed test.
const SHOWN: usize = 20;

impl Fleet {
    /// The command's status and how many nodes ended how, for example
    /// `Failed: 1 Failed (StepFailed), 3 Terminated (ErrorThreshold)`.
    ///
    /// # Panics
    /// When the command is not known.
    pub async fn summary(&self, command: &CommandId) -> String {
        let record = self.command(command).await;
        let (mut tally, mut groups) = (Tally::default(), BTreeMap::<String, u32>::new());
        for (node, invocation) in self.invocations(command).await {
            tally.note(&node, &invocation, Revision::ZERO);
            let state = status_details(invocation.state, &invocation.reason);
            *groups.entry(format!("{state} ({})", invocation.reason.code())).or_default() += 1;
        }
        let status = operations::status_details(&record, operations::status(&record, &tally.counts()));
        let groups: Vec<_> = groups.iter().map(|(how, nodes)| format!("{nodes} {how}")).collect();
        format!("{status}: {}", groups.join(", "))
    }

    /// Everything about a fleet that a failed test shows.
    pub async fn describe(&self) -> String {
        let mut text = String::new();
        for (id, _) in self.commands().await.into_iter().take(SHOWN) {
            let _ = writeln!(text, "{id} {}", self.summary(&id).await);
            for (node, record) in
                self.invocations(&id).await.iter().filter(|(_, record)| !record.state.is_final())
            {
                let _ = writeln!(text, "  {node} {record:?}");
            }
        }
        for host in self.hosts() {
            let mail = mailbox::read(self.house(), host.node(), 100).await.unwrap_or_default();
            let connected = self.house().lines.is_open(host.node());
            let _ = writeln!(text, "{}; connected: {connected}, mailbox: {mail:?}", host.describe());
        }
        let _ = writeln!(text, "seen and wrong: {:?}", self.witness().wrongs());
        text
    }

    /// What must be true after every test, once everything has come to its end: see the head of this crate.
    ///
    /// # Panics
    /// When something is not true.
    pub async fn check(&self) {
        self.check_but_reruns_of(&[]).await;
    }

    /// As [`Fleet::check`], for commands that asked for a reboot and may have run a script more than once.
    ///
    /// # Panics
    /// When something is not true.
    pub async fn check_but_reruns_of(&self, rerun: &[&CommandId]) {
        self.until("everything at its end", async || self.is_at_rest().await.then_some(())).await;
        let mut wrongs = self.witness().wrongs();
        for (id, record) in self.commands().await {
            wrongs.extend(self.wrongs_of_command(&id, &record).await);
            for (node, invocation) in self.invocations(&id).await {
                let host = self.hosts().iter().find(|host| *host.node() == node);
                let may_rerun = rerun.contains(&&id);
                wrongs.extend(self.wrongs_of_invocation((&id, &node), &invocation).await);
                wrongs.extend(host.and_then(|host| wrongs_of_runs(&id, host, &invocation, may_rerun)));
            }
        }
        assert!(wrongs.is_empty(), "{}\nlast status:\n{}", wrongs.join("\n"), self.describe().await);
    }

    /// Every command has its outcome, and nobody who can be reached has anything left to do or to say.
    async fn is_at_rest(&self) -> bool {
        if self.commands().await.iter().any(|(_, record)| record.outcome.is_none()) {
            return false;
        }
        for host in self.hosts().iter().filter(|host| host.is_reachable()) {
            let is_member = resolve(self.house(), host.node().as_str()).await.is_ok();
            let mail = mailbox::read(self.house(), host.node(), 100).await.expect("a mailbox");
            if is_member && (host.open_commands() != Some(0) || !mail.is_empty()) {
                return false;
            }
        }
        true
    }

    async fn wrongs_of_command(&self, id: &CommandId, record: &CommandRecord) -> Vec<String> {
        let mut wrongs = Vec::new();
        let invocations = self.invocations(id).await;
        if u32::try_from(invocations.len()) != Ok(record.target_count) {
            wrongs.push(format!("{id} has {} invocations of {}", invocations.len(), record.target_count));
        }
        let mut tally = Tally::default();
        for (node, invocation) in &invocations {
            tally.note(node, invocation, Revision::ZERO);
        }
        if record.outcome.as_ref().is_some_and(|outcome| outcome.counts != tally.counts()) {
            wrongs.push(format!(
                "{id} counts {:?}, its invocations are {:?}",
                record.outcome,
                tally.counts()
            ));
        }
        match explain::command(self.house(), id).await {
            Ok(why) if !why.code.is_empty() && !why.text.is_empty() && !why.facts.is_empty() => {}
            other => wrongs.push(format!("no reason for {id}: {other:?}")),
        }
        wrongs
    }

    async fn wrongs_of_invocation(
        &self,
        (id, node): (&CommandId, &NodeId),
        record: &InvocationRecord,
    ) -> Vec<String> {
        let mut wrongs = Vec::new();
        let now = self.clock().now();
        if !record.state.is_final() {
            let late = if record.deadline < now { "past its deadline" } else { "with an outcome" };
            wrongs.push(format!("{id} on {node} is open {late}: {record:?}"));
        }
        if record.finished.is_none() {
            wrongs.push(format!("{id} on {node} has no moment of its end"));
        }
        match explain::invocation(self.house(), id, node).await {
            Ok(why) if !why.code.is_empty() && !why.text.is_empty() && !why.facts.is_empty() => {}
            other => wrongs.push(format!("no reason for {id} on {node}: {other:?}")),
        }
        wrongs
    }

    /// Every command that is kept, newest first.
    ///
    /// # Panics
    /// When they cannot be read.
    pub async fn commands(&self) -> Vec<(CommandId, CommandRecord)> {
        let (mut found, mut after): (Vec<_>, Option<TimeKey>) = (Vec::new(), None);
        loop {
            let page = history::list(self.house(), &Filter::default(), after, PAGE).await;
            let (mut commands, next) = page.expect("commands can be listed");
            found.append(&mut commands);
            match next {
                Some(key) => after = Some(key),
                None => return found,
            }
        }
    }

    /// The command on each of its nodes.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn invocations(&self, command: &CommandId) -> Vec<(NodeId, InvocationRecord)> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = operations::invocations(self.house(), command, &[], after, PAGE).await;
            let (mut invocations, next) = page.expect("invocations can be listed");
            found.append(&mut invocations);
            match next {
                Some(key) => after = Some(key),
                None => return found,
            }
        }
    }
}

/// Each script at most once, all of them when it succeeded, and none where it says that nothing began.
fn wrongs_of_runs(id: &CommandId, host: &Host, record: &InvocationRecord, may_rerun: bool) -> Option<String> {
    let runs = host.runs(id);
    let twice = !may_rerun && runs.iter().any(|(_, times)| *times > 1);
    let scripts = record
        .steps
        .iter()
        .filter(|step| step.status != StepStatus::Skipped && step.action.ends_with("Script"));
    let missed = record.state == State::Success && runs.len() < scripts.count();
    let unasked = never_began(record) && !runs.is_empty();
    let wrong = twice || missed || unasked;
    wrong.then(|| format!("{id} ran {runs:?} (step, times) on {} and is {record:?}", host.name()))
}

fn never_began(record: &InvocationRecord) -> bool {
    matches!(
        record.reason,
        Reason::NotDelivered { .. }
            | Reason::NotStartedInTime {}
            | Reason::CancelledBeforeDelivery { .. }
            | Reason::ErrorThreshold { .. }
            | Reason::SendInterrupted {}
            | Reason::UnsupportedPlatform { .. }
            | Reason::DocumentRefused { .. }
    )
}
