use fleetwright_proto::clock::Timestamp;
use fleetwright_store::CommitError;

use super::*;
use crate::commands::limits::Limit;
use crate::commands::records::TargetsRecord;
use crate::commands::state::{Reason, State};
use crate::commands::tests::command;
use crate::tests::{TestHouse, test_house};

fn node(number: u32) -> NodeId {
    format!("mi-{number:017x}").parse().unwrap()
}

fn nodes(numbers: &[u32]) -> Vec<NodeId> {
    numbers.iter().copied().map(node).collect()
}

/// A command on nodes 0 to 9: 2 and 3 were sent to, 3 was away, 4 has failed.
struct Case {
    test: TestHouse,
    id: CommandId,
    command: CommandRecord,
}

impl Case {
    async fn new() -> Self {
        let (test, id) = (test_house(), CommandId::random());
        let command = command(10, Limit::Count(2), Limit::Count(0));
        let mut batch = Batch::new();
        COMMAND.put(&mut batch, &id, &command).unwrap();
        let targets = TargetsRecord { nodes: (0..10).map(node).collect() };
        COMMAND_TARGETS.put(&mut batch, &(id.clone(), 0), &targets).unwrap();
        let failed = state::lost(state::waiting(&command), Reason::NodeDeregistered {}, Timestamp::default());
        INVOCATION.put(&mut batch, &(id.clone(), node(4)), &failed.unwrap()).unwrap();
        test.house.store.commit(batch).await.unwrap();
        let case = Self { test, id, command };
        case.send(0, &[2], &[3]).await.unwrap();
        case
    }

    async fn send(&self, number: u64, connected: &[u32], away: &[u32]) -> Result<(), CommitError> {
        let dispatch = Dispatch { at: Timestamp::default(), seq: 7 + number };
        let wave = WaveRecord { dispatch, connected: nodes(connected), away: nodes(away) };
        let mut batch = Batch::new();
        COMMAND_WAVE.insert(&mut batch, &(self.id.clone(), number), &wave).unwrap();
        self.test.house.store.commit(batch).await.map(drop)
    }

    async fn find(&self, number: u32) -> Option<Found> {
        find(&self.test.house, &(self.id.clone(), node(number))).await.unwrap()
    }

    async fn end(&self, found: Found) -> Result<(), CommitError> {
        let ended = state::lost(found.record.clone(), Reason::LostOnNode {}, Timestamp::default()).unwrap();
        let mut batch = Batch::new();
        found.write(&mut batch, ended).unwrap();
        self.test.house.store.commit(batch).await.map(drop)
    }

    async fn page(&self, after: Option<u32>, limit: usize) -> (Vec<(NodeId, State)>, Option<NodeId>) {
        let house = &self.test.house;
        let roster = Roster::read(house, &self.id).await.unwrap();
        let after = after.map(|number| (self.id.clone(), node(number)));
        let (found, next) =
            page(house, &roster, &self.id, &self.command, after.as_ref(), limit).await.unwrap();
        let states = found.into_iter().map(|found| (found.key.1, found.record.state)).collect();
        (states, next.map(|key| key.1))
    }
}

#[tokio::test]
async fn an_invocation_without_a_row_is_what_targets_and_waves_say() {
    let case = Case::new().await;
    for (number, state, reason, dispatched) in [
        (0, State::Pending, Reason::WaitingForTurn {}, None),
        (2, State::Pending, Reason::InMailbox {}, Some(7)),
        (3, State::Delayed, Reason::NodeAway { last_seen: None }, Some(7)),
        (4, State::Failed, Reason::NodeDeregistered {}, None),
    ] {
        let record = case.find(number).await.unwrap().record;
        let seq = record.dispatched.map(|dispatch| dispatch.seq);
        assert_eq!((record.state, record.reason, seq), (state, reason, dispatched), "node {number}");
    }
    assert!(case.find(10).await.is_none(), "the command is not for this node");
    let other = (CommandId::random(), node(0));
    assert!(find(&case.test.house, &other).await.unwrap().is_none(), "there is no such command");
}

#[tokio::test]
async fn its_first_row_is_written_by_one_only() {
    let case = Case::new().await;
    let (one, other) = (case.find(2).await.unwrap(), case.find(2).await.unwrap());
    case.end(one).await.unwrap();
    assert!(matches!(case.end(other).await, Err(CommitError::Conflict { .. })));
    let row = INVOCATION.get(&*case.test.house.store, &(case.id.clone(), node(2))).await.unwrap();
    assert_eq!(row.unwrap().value.state, State::Failed);
}

#[tokio::test]
async fn what_was_sent_meanwhile_is_not_ended_as_one_that_waits() {
    let case = Case::new().await;
    let waits = case.find(0).await.unwrap();
    case.send(1, &[0], &[]).await.unwrap();
    assert!(matches!(case.end(waits).await, Err(CommitError::Conflict { .. })));
    assert_eq!(case.find(0).await.unwrap().record.dispatched.unwrap().seq, 8);
}

#[tokio::test]
async fn a_wave_has_a_number_that_nobody_else_has() {
    let case = Case::new().await;
    assert!(matches!(case.send(0, &[5], &[]).await, Err(CommitError::Conflict { .. })));
}

#[tokio::test]
async fn pages_hold_each_node_once_in_order() {
    let case = Case::new().await;
    case.end(case.find(8).await.unwrap()).await.unwrap();
    let (all, end) = case.page(None, 100).await;
    assert_eq!(
        all.iter().map(|(node, _)| node.clone()).collect::<Vec<_>>(),
        nodes(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    );
    assert_eq!(end, None);
    for limit in 1..=11 {
        let (mut collected, mut after) = (Vec::new(), None);
        loop {
            let (some, next) = case.page(after, limit).await;
            assert!(some.len() <= limit);
            collected.extend(some);
            let Some(next) = next else { break };
            after = Some(u32::from_str_radix(&next.as_str()[3..], 16).unwrap());
        }
        assert_eq!(collected, all, "pages of {limit}");
    }
}
