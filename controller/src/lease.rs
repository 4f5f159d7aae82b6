//! Leases: of all controllers that share a store, one does a thing at a time.
//!
//! A lease is a row with a holder and an end. Whoever holds it writes its row as a condition into each commit
//! ([`Term::require`]), so that a holder who was held up, and replaced meanwhile, changes nothing any more. A controller
//! takes back at once what it held before it was restarted: its name stays the same.

use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_store::{Batch, CommitError, Row};
use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::house::House;
use crate::records::json_record;
use crate::tables::LEASE;

/// How long a lease is good without being renewed.
pub const GOOD_FOR: Duration = Duration::from_secs(30);
/// How long before its end it is renewed.
const RENEW_BEFORE: Duration = Duration::from_secs(20);

/// Who does it, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRecord {
    pub holder: String,
    pub until: Timestamp,
}
json_record!(LeaseRecord, 1);

/// A lease that is held.
#[derive(Debug)]
pub struct Term {
    row: Row<String, LeaseRecord>,
}

/// What came of asking for a lease.
#[derive(Debug)]
pub enum Asked {
    Held(Term),
    /// Another controller has it until then.
    Elsewhere(Timestamp),
}

impl Term {
    /// When it is to be renewed.
    #[must_use]
    pub fn renew_at(&self) -> Timestamp {
        let before = i64::try_from(RENEW_BEFORE.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.row.value.until.millis().saturating_sub(before))
    }

    /// The commit happens only while the lease is held.
    pub fn require(&self, batch: &mut Batch) {
        batch.require(LEASE.unchanged(&self.row));
    }
}

/// Takes or renews a lease, if nobody else has it.
pub async fn ask(house: &House, what: &str, holder: &str) -> Result<Asked, Refusal> {
    let now = house.clock.now();
    let wanted = LeaseRecord { holder: holder.to_owned(), until: now.plus(GOOD_FOR) };
    let key = what.to_owned();
    let mut batch = Batch::new();
    match LEASE.get(&*house.store, &key).await? {
        Some(row) if row.value.holder != holder && row.value.until > now => {
            return Ok(Asked::Elsewhere(row.value.until));
        }
        Some(mut row) => {
            row.value = wanted;
            LEASE.replace(&mut batch, &row)?;
        }
        None => LEASE.insert(&mut batch, &key, &wanted)?,
    }
    match house.store.commit(batch).await {
        Ok(_) => {}
        // Somebody was quicker; whoever it was holds it for as long.
        Err(CommitError::Conflict { .. }) => return Ok(Asked::Elsewhere(now.plus(Duration::from_secs(1)))),
        Err(error) => return Err(error.into()),
    }
    match LEASE.get(&*house.store, &key).await? {
        Some(row) if row.value.holder == holder => Ok(Asked::Held(Term { row })),
        _ => Ok(Asked::Elsewhere(now.plus(Duration::from_secs(1)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::test_house;

    #[tokio::test]
    async fn one_holds_it_until_it_ends() {
        let house = test_house();
        let Asked::Held(first) = ask(&house.house, "work", "a").await.unwrap() else { panic!("not held") };
        let Asked::Elsewhere(until) = ask(&house.house, "work", "b").await.unwrap() else {
            panic!("held twice")
        };
        assert_eq!(until, house.house.clock.now().plus(GOOD_FOR));
        house.clock.advance(GOOD_FOR);
        let Asked::Held(second) = ask(&house.house, "work", "b").await.unwrap() else { panic!("not held") };
        // Whoever was held up changes nothing any more.
        let mut late = Batch::new();
        first.require(&mut late);
        assert!(matches!(house.house.store.commit(late).await, Err(CommitError::Conflict { .. })));
        let mut good = Batch::new();
        second.require(&mut good);
        house.house.store.commit(good).await.unwrap();
    }

    #[tokio::test]
    async fn a_restarted_holder_takes_it_back_at_once() {
        let house = test_house();
        let Asked::Held(term) = ask(&house.house, "work", "a").await.unwrap() else { panic!("not held") };
        assert!(term.renew_at() > house.house.clock.now());
        assert!(matches!(ask(&house.house, "work", "a").await.unwrap(), Asked::Held(_)));
    }
}
