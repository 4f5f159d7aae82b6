//! Deleting parameters: everything of one parameter goes in one commit.

use fleetwright_store::{Batch, CommitError, Row};

use super::fault::{Fault, ParameterError};
use super::names::{ParameterKey, ParameterName, not_found};
use super::put::{Told, too_many_updates};
use super::read::check_names;
use super::records::ParameterRecord;
use crate::access::Principal;
use crate::access::policy::Action;
use crate::house::House;
use crate::records::{COMMIT_ATTEMPTS, Pages};
use crate::tables::{PARAMETER, PARAMETER_LABEL, PARAMETER_POLICY, PARAMETER_TAGS, PARAMETER_VERSION};

/// Deletes a parameter with all its versions, labels and tags. Durable when this returns.
pub async fn delete(house: &House, name: &str, caller: Option<&Principal>) -> Result<(), ParameterError> {
    let parsed = ParameterName::parse(name)?;
    for _ in 0..COMMIT_ATTEMPTS {
        let row = house.parameters.get(&*house.store, parsed.key()).await?;
        let row = row.ok_or_else(|| not_found(name))?;
        let told = Told { caller, action: Action::DeleteParameter };
        if delete_row(house, &row, |batch| told.add(house, batch, &row.key, String::new)).await? {
            told.added(house);
            return Ok(());
        }
    }
    Err(too_many_updates(&parsed))
}

/// Which of several were deleted, and which were not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deleted {
    pub deleted: Vec<String>,
    pub invalid: Vec<String>,
}

pub async fn delete_many(
    house: &House,
    names: &[String],
    caller: Option<&Principal>,
) -> Result<Deleted, ParameterError> {
    check_names(names)?;
    let mut answer = Deleted::default();
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            continue;
        }
        match delete(house, name, caller).await {
            Ok(()) => answer.deleted.push(name.clone()),
            Err(ParameterError { fault: Fault::ParameterNotFound | Fault::Validation, .. }) => {
                answer.invalid.push(name.clone());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}

/// Deletes a parameter as it was read, in a commit with something more; false when somebody changed it meanwhile.
pub(super) async fn delete_row(
    house: &House,
    row: &Row<ParameterKey, ParameterRecord>,
    with: impl FnOnce(&mut Batch) -> Result<(), ParameterError>,
) -> Result<bool, ParameterError> {
    let record = &row.value;
    let mut batch = Batch::new();
    PARAMETER.delete_at(&mut batch, &row.key, row.revision);
    PARAMETER_TAGS.delete(&mut batch, &record.id);
    PARAMETER_POLICY.delete(&mut batch, &row.key);
    for number in record.oldest..record.version {
        PARAMETER_VERSION.delete(&mut batch, &(record.id.clone(), number));
    }
    let mut labels = Pages::of(&PARAMETER_LABEL, record.id.clone());
    while let Some(rows) = labels.next(&*house.store).await? {
        rows.iter().for_each(|row| PARAMETER_LABEL.delete(&mut batch, &row.key));
    }
    with(&mut batch)?;
    match house.store.commit(batch).await {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
