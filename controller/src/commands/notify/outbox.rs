//! The notices that are owed, and their way out. One task; it may be killed at any line, and may run twice.
//!
//! Few notices are on their way at once, and fewer to one receiver: who is slow waits for himself alone. What waits is
//! a row; memory holds its key.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::{Batch, Change, CommitError, RowChange, Watch, WatchError};
use tokio::task::JoinSet;

use super::receiver::Sender;
use super::{
    About, Attempt, NoticeState, Notify, Subject, attempted, command_events, invocation_events, notice,
    notice_name,
};
use crate::commands::operations::{self, seen_state};
use crate::commands::records::{CommandRecord, InvocationRecord};
use crate::commands::state::status_details;
use crate::error::Refusal;
use crate::house::House;
use crate::records::{Pages, With};
use crate::tables::{COMMAND, INVOCATION, NOTICE, NOTICE_OPEN};

/// Attempts at the same time.
const AT_ONCE_MAX: usize = 64;
/// Of those, to one receiver.
const RECEIVER_MAX: usize = 4;
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The key of a notice: its command and [`notice_name`].
pub type NoticeKey = (CommandId, String);

/// What is to be looked at again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    Command,
    Node(NodeId),
    /// The command, and all its invocations.
    Whole,
}

#[derive(Debug)]
struct Outbox {
    house: Arc<House>,
    sender: Sender,
    /// The commands that may owe something.
    open: HashMap<CommandId, Notify>,
    looks: BTreeSet<(CommandId, Look)>,
    receivers: BTreeMap<String, Receiver>,
    on_their_way: JoinSet<(String, NoticeKey, Attempt)>,
}

/// Where notices go.
#[derive(Debug, Default)]
struct Receiver {
    waiting: BTreeSet<(Timestamp, NoticeKey)>,
    busy: usize,
}

impl Receiver {
    /// When it is to get its next notice, if it can take one.
    fn next(&self) -> Option<Timestamp> {
        self.waiting.first().map(|(next, _)| *next).filter(|_| self.busy < RECEIVER_MAX)
    }
}

/// Runs until the store closes.
pub async fn run(house: Arc<House>, sender: Sender) {
    loop {
        let watch = house.store.watch(b"", house.store.revision());
        let mut outbox = Outbox::new(house.clone(), sender.clone());
        if let Err(error) = outbox.load().await {
            tracing::error!(%error, "cannot read the notifications that are owed; trying again");
            house.clock.sleep(RETRY_AFTER).await;
            continue;
        }
        match outbox.follow(watch).await {
            WatchError::Compacted => {}
            WatchError::Closed => return,
        }
    }
}

impl Outbox {
    fn new(house: Arc<House>, sender: Sender) -> Self {
        Self {
            house,
            sender,
            open: HashMap::new(),
            looks: BTreeSet::new(),
            receivers: BTreeMap::new(),
            on_their_way: JoinSet::new(),
        }
    }

    async fn load(&mut self) -> Result<(), Refusal> {
        let house = self.house.clone();
        let mut pages = Pages::of(&NOTICE_OPEN, ());
        while let Some(marks) = pages.next(&*house.store).await? {
            for mark in marks {
                let Some(command) = COMMAND.get(&*house.store, &mark.key).await? else { continue };
                let Some(notify) = command.value.notify else { continue };
                self.open.insert(mark.key.clone(), notify.clone());
                self.looks.insert((mark.key.clone(), Look::Whole));
                let mut notices = Pages::of(&NOTICE, mark.key);
                while let Some(rows) = notices.next(&*house.store).await? {
                    let waiting = rows.into_iter().filter(|row| row.value.state == NoticeState::Waiting);
                    let receiver = self.receivers.entry(notify.url.clone()).or_default();
                    receiver.waiting.extend(waiting.map(|row| (row.value.next, row.key)));
                }
            }
        }
        Ok(())
    }

    async fn follow(&mut self, mut watch: Watch) -> WatchError {
        loop {
            let failed = self.act().await;
            let due = self.receivers.values().filter_map(Receiver::next).min().filter(|_| self.has_room());
            let clock = self.house.clock.clone();
            let wake = async {
                match (failed, due) {
                    (true, _) => clock.sleep(RETRY_AFTER).await,
                    (false, Some(due)) => clock.sleep_until(due).await,
                    // The end of one that is on its way makes room, and wakes us.
                    (false, None) => std::future::pending().await,
                }
            };
            tokio::select! {
                change = watch.next() => match change {
                    Ok(change) => self.note(&change),
                    Err(error) => return error,
                },
                Some(ended) = self.on_their_way.join_next() => match ended {
                    Ok((url, key, attempt)) => self.ended(url, key, attempt).await,
                    Err(error) => tracing::error!(%error, "a notification broke off"),
                },
                () = wake => {}
            }
        }
    }

    fn note(&mut self, change: &Change) {
        for command in COMMAND.decode_change(change) {
            let RowChange::Put(row) = command else { continue };
            let Some(notify) = row.value.notify else { continue };
            // Its end is looked at whole: no event of an invocation may be missing when the command is let go.
            let look = if row.value.outcome.is_some() { Look::Whole } else { Look::Command };
            self.open.insert(row.key.clone(), notify);
            self.looks.insert((row.key, look));
        }
        if self.open.is_empty() {
            return;
        }
        for invocation in INVOCATION.decode_change(change) {
            let RowChange::Put(row) = invocation else { continue };
            if let Some(notify) = self.open.get(&row.key.0) {
                let look = if notify.about == About::Command { Look::Command } else { Look::Node(row.key.1) };
                self.looks.insert((row.key.0, look));
            }
        }
    }

    /// Writes what is owed, and sends what is due. Returns whether something failed and is to be tried again.
    async fn act(&mut self) -> bool {
        let mut failed = false;
        for (id, look) in std::mem::take(&mut self.looks) {
            if let Err(error) = self.look(&id, &look).await {
                tracing::warn!(command = %id, %error, "could not note a notification; trying again");
                self.looks.insert((id, look));
                failed = true;
            }
        }
        failed | self.start_due().await
    }

    async fn look(&mut self, id: &CommandId, look: &Look) -> Result<(), Refusal> {
        let house = self.house.clone();
        let Some(command) = COMMAND.get(&*house.store, id).await? else {
            self.open.remove(id);
            return Ok(());
        };
        let command = command.value;
        let Some(notify) = command.notify.clone() else { return Ok(()) };
        match (notify.about, look) {
            (About::Command, _) => self.look_at_command(id, &command, &notify).await?,
            (About::Invocation, Look::Node(node)) => {
                if let Some(row) = INVOCATION.get(&*house.store, &(id.clone(), node.clone())).await? {
                    self.look_at_node(id, &command, &notify, node, &row.value).await?;
                }
            }
            (About::Invocation, Look::Whole) => {
                let mut pages = Pages::of(&INVOCATION, id.clone());
                while let Some(rows) = pages.next(&*house.store).await? {
                    for row in rows {
                        self.look_at_node(id, &command, &notify, &row.key.1, &row.value).await?;
                    }
                }
            }
            (About::Invocation, Look::Command) => {}
        }
        if command.outcome.is_some() { self.let_go(id).await } else { Ok(()) }
    }

    async fn look_at_command(
        &mut self,
        id: &CommandId,
        command: &CommandRecord,
        notify: &Notify,
    ) -> Result<(), Refusal> {
        let counts = operations::counts(&self.house, id, command).await?;
        let status = operations::status(command, &counts);
        let worked = counts.success + counts.failed + counts.timed_out > 0;
        let details = operations::status_details(command, status);
        for event in command_events(status, worked) {
            if notify.events.contains(&event) {
                let owed = notice(id, command, &Subject::Command, event, details, self.house.clock.now());
                self.owe((id.clone(), notice_name(&Subject::Command, event)), owed).await?;
            }
        }
        Ok(())
    }

    async fn look_at_node(
        &mut self,
        id: &CommandId,
        command: &CommandRecord,
        notify: &Notify,
        node: &NodeId,
        invocation: &InvocationRecord,
    ) -> Result<(), Refusal> {
        let (state, reason) = seen_state(&self.house, node, invocation);
        let subject = Subject::Node(node.clone());
        for event in invocation_events(state, invocation.started.is_some()) {
            if notify.events.contains(&event) {
                let details = status_details(state, &reason);
                let owed = notice(id, command, &subject, event, details, self.house.clock.now());
                self.owe((id.clone(), notice_name(&subject, event)), owed).await?;
            }
        }
        Ok(())
    }

    /// Durable when this returns. A notice that exists stays as it is.
    async fn owe(&mut self, key: NoticeKey, notice: super::NoticeRecord) -> Result<(), Refusal> {
        let mut batch = Batch::new();
        NOTICE.insert(&mut batch, &key, &notice)?;
        match self.house.store.commit(batch).await {
            Ok(_) => {
                self.wait(&key, notice.next);
                Ok(())
            }
            Err(CommitError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Forgets a command that has ended and owes nothing any more.
    async fn let_go(&mut self, id: &CommandId) -> Result<(), Refusal> {
        let mut pages = Pages::of(&NOTICE, id.clone());
        while let Some(rows) = pages.next(&*self.house.store).await? {
            if rows.iter().any(|row| row.value.state == NoticeState::Waiting) {
                return Ok(());
            }
        }
        let mut batch = Batch::new();
        NOTICE_OPEN.delete(&mut batch, id);
        self.house.store.commit(batch).await?;
        self.open.remove(id);
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.on_their_way.len() < AT_ONCE_MAX
    }

    fn wait(&mut self, key: &NoticeKey, until: Timestamp) {
        if let Some(notify) = self.open.get(&key.0) {
            self.receivers.entry(notify.url.clone()).or_default().waiting.insert((until, key.clone()));
        }
    }

    async fn start_due(&mut self) -> bool {
        let now = self.house.clock.now();
        while self.has_room() {
            let due = |receiver: &Receiver| receiver.next().is_some_and(|next| next <= now);
            let Some((url, receiver)) = self.receivers.iter_mut().find(|(_, receiver)| due(receiver)) else {
                return false;
            };
            let Some((next, key)) = receiver.waiting.pop_first() else { return false };
            let row = match NOTICE.get(&*self.house.store, &key).await {
                Ok(row) => row,
                Err(error) => {
                    tracing::warn!(command = %key.0, %error, "could not read a notification; trying again");
                    receiver.waiting.insert((next, key));
                    return true;
                }
            };
            if let Some(row) = row.filter(|row| row.value.state == NoticeState::Waiting) {
                receiver.busy += 1;
                let (sender, url) = (self.sender.clone(), url.clone());
                self.on_their_way.spawn(async move {
                    let attempt = sender.send(&url, &row.value).await;
                    (url, key, attempt)
                });
            }
        }
        false
    }

    async fn ended(&mut self, url: String, key: NoticeKey, attempt: Attempt) {
        if let Some(receiver) = self.receivers.get_mut(&url) {
            receiver.busy = receiver.busy.saturating_sub(1);
        }
        if let Err(error) = self.write_attempt(&key, attempt).await {
            // Sent again under the same id, which is what the id is for.
            tracing::warn!(command = %key.0, %error, "could not note what became of a notification; sending it again");
            self.wait(&key, self.house.clock.now().plus(RETRY_AFTER));
        }
        self.receivers.retain(|_, receiver| receiver.busy > 0 || !receiver.waiting.is_empty());
    }

    async fn write_attempt(&mut self, key: &NoticeKey, attempt: Attempt) -> Result<(), Refusal> {
        let Some(row) = NOTICE.get(&*self.house.store, key).await? else { return Ok(()) };
        let record = attempted(row.value.clone(), attempt, self.house.clock.now());
        let mut batch = Batch::new();
        NOTICE.replace(&mut batch, &row.with(record.clone()))?;
        self.house.store.commit(batch).await?;
        if record.state == NoticeState::Waiting {
            self.wait(key, record.next);
        } else {
            self.looks.insert((key.0.clone(), Look::Command));
        }
        Ok(())
    }
}
