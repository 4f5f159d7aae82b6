//! What policies bring about by themselves: an expired parameter is deleted, and of what is due to be told, it is told
//! once: a line in the log and a count in the metrics (`fleetwright_parameter_policies_total`).

use std::time::Duration;

use fleetwright_store::{Batch, CommitError, Row};

use super::delete::delete_row;
use super::fault::ParameterError;
use super::names::ParameterKey;
use super::policies::{self, Due, PolicyStatus};
use super::records::ParameterRecord;
use crate::house::House;
use crate::meters::PolicyEvent;
use crate::mirror::Held;
use crate::tables::PARAMETER;

/// How often it is looked.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// Does everything that is due. What somebody changes meanwhile is looked at again the next time.
pub async fn run_once(house: &House) -> Result<(), ParameterError> {
    let now = house.clock.now();
    let with_policies = |(_, held): &(&ParameterKey, &Held<ParameterKey, ParameterRecord>)| match held {
        Held::Here(row) => !row.value.latest.policies.is_empty(),
        Held::Away => true,
    };
    let candidates: Vec<_> = house
        .parameters
        .look(&*house.store, |rows| {
            let found = rows.iter().filter(with_policies);
            found.map(|(key, held)| (key.clone(), held.clone())).collect()
        })
        .await?;
    for (key, held) in candidates {
        let Some(row) = house.parameters.row(&*house.store, &key, Some(held)).await? else { continue };
        let latest = &row.value.latest;
        let due = policies::due(&latest.policies, latest.modified, now);
        if due == [Due::Expire] {
            if delete_row(house, &row).await? {
                house.meters.parameter_policies.add(PolicyEvent::Expired);
                tracing::info!(parameter = %key, version = row.value.version, "a parameter expired and was deleted");
            }
        } else if !due.is_empty() {
            tell(house, Row::clone(&row), &due).await?;
        }
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
