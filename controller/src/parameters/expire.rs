//! What policies bring about by themselves: an expired parameter is deleted, and of what is due to be told, it is told
//! once: a line in the log and a count in the metrics (`fleetwright_parameter_policies_total`).

use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_store::{Batch, CommitError, Row};

use super::delete::delete_row;
use super::fault::ParameterError;
use super::names::ParameterKey;
use super::policies::{self, Due, PolicyStatus};
use super::records::ParameterRecord;
use crate::access::policy::Action;
use crate::audit::{Event, Outcome};
use crate::house::House;
use crate::meters::PolicyEvent;
use crate::records::Pages;
use crate::tables::{PARAMETER, PARAMETER_POLICY};

/// How often it is looked.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// Does everything that is due. What somebody changes meanwhile is looked at again the next time.
pub async fn run_once(house: &House) -> Result<(), ParameterError> {
    let now = house.clock.now();
    let mut pages = Pages::of(&PARAMETER_POLICY, ());
    while let Some(marked) = pages.next(&*house.store).await? {
        for mark in marked {
            if let Some(row) = house.parameters.get(&*house.store, &mark.key).await? {
                look_at(house, row, now).await?;
            }
        }
    }
    Ok(())
}

async fn look_at(
    house: &House,
    row: Arc<Row<ParameterKey, ParameterRecord>>,
    now: Timestamp,
) -> Result<(), ParameterError> {
    let key = &row.key;
    let latest = &row.value.latest;
    let due = policies::due(&latest.policies, latest.modified, now);
    if due == [Due::Expire] {
        let event = Event {
            at: now,
            who: "controller".to_owned(),
            action: Action::DeleteParameter.name().to_owned(),
            on: key.to_string(),
            from: String::new(),
            outcome: Outcome::Done,
            detail: "it expired".to_owned(),
        };
        if delete_row(house, &row, |batch| Ok(house.audit.add(batch, event)?)).await? {
            house.audit.added();
            house.meters.parameter_policies.add(PolicyEvent::Expired);
            tracing::info!(parameter = %key, version = row.value.version, "a parameter expired and was deleted");
        }
    } else if !due.is_empty() {
        tell(house, Row::clone(&row), &due).await?;
    }
    Ok(())
}

/// Marks first and tells then: a policy is told of once, whoever is killed when.
async fn tell(
    house: &House,
    mut row: Row<ParameterKey, ParameterRecord>,
    due: &[Due],
) -> Result<(), ParameterError> {
    let mut told = Vec::new();
    for due in due {
        let Due::Notify(at) = due else { continue };
        let policy = &mut row.value.latest.policies[*at];
        policy.status = PolicyStatus::Finished;
        told.push(policy.rule);
    }
    let mut batch = Batch::new();
    PARAMETER.replace(&mut batch, &row)?;
    match house.store.commit(batch).await {
        Ok(_) => {}
        Err(CommitError::Conflict { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    for rule in told {
        house.meters.parameter_policies.add(PolicyEvent::Notified);
        tracing::warn!(
            parameter = %row.key,
            version = row.value.version,
            policy = rule.name(),
            "a policy of a parameter is due"
        );
    }
    Ok(())
}
