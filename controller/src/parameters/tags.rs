//! Tags of parameters.

use fleetwright_store::{Batch, CommitError};

use super::fault::{Fault, ParameterError};
use super::names::Reference;
use super::put::Told;
use super::records::{ParameterRecord, TagsRecord};
use crate::access::Principal;
use crate::access::policy::Action;
use crate::house::House;
use crate::nodes::records::Tags;
use crate::nodes::targets::check_tags;
use crate::records::{COMMIT_ATTEMPTS, With};
use crate::tables::{PARAMETER, PARAMETER_TAGS};

/// All tags of one parameter, so that they are one row.
const TAGS_MAX_BYTES: usize = 24 * 1024;

pub(super) fn check(wanted: &Tags, existing: &Tags) -> Result<(), ParameterError> {
    use crate::error::Kind;
    check_tags(wanted, existing).map_err(|refusal| match refusal.kind {
        Kind::Exhausted => Fault::TooManyTags.because(refusal.message),
        _ => Fault::Validation.because(refusal.message),
    })?;
    let bytes: usize = existing.iter().chain(wanted).map(|(key, value)| key.len() + value.len()).sum();
    if bytes > TAGS_MAX_BYTES {
        return Err(Fault::TooManyTags
            .because(format!("the tags have {bytes} bytes together: {TAGS_MAX_BYTES} at most")));
    }
    Ok(())
}

/// The tags of a parameter.
pub async fn list(house: &House, name: &str) -> Result<Tags, ParameterError> {
    let row = find(house, name).await?;
    of_record(house, &row.value).await
}

pub(super) async fn of_record(house: &House, record: &ParameterRecord) -> Result<Tags, ParameterError> {
    let row = PARAMETER_TAGS.get(&*house.store, &record.id).await?;
    Ok(row.map(|row| row.value.tags).unwrap_or_default())
}

/// Sets and removes tags, in one commit. Durable when this returns.
pub async fn change(
    house: &House,
    name: &str,
    set: &Tags,
    remove: &[String],
    caller: Option<&Principal>,
) -> Result<Tags, ParameterError> {
    for _ in 0..COMMIT_ATTEMPTS {
        let parameter = find(house, name).await?;
        let id = &parameter.value.id;
        let mut batch = Batch::new();
        // The parameter as it is must still be there: its tags go when it goes.
        batch.require(PARAMETER.unchanged(&parameter));
        let row = PARAMETER_TAGS.get(&*house.store, id).await?;
        let mut tags = row.as_ref().map(|row| row.value.tags.clone()).unwrap_or_default();
        for key in remove {
            tags.remove(key);
        }
        check(set, &tags)?;
        tags.extend(set.clone());
        let record = TagsRecord { tags: tags.clone() };
        match row {
            Some(row) => PARAMETER_TAGS.replace(&mut batch, &row.with(record))?,
            None => PARAMETER_TAGS.insert(&mut batch, id, &record)?,
        }
        let action = if set.is_empty() { Action::RemoveTagsFromResource } else { Action::AddTagsToResource };
        let told = Told { caller, action };
        let keys = || set.keys().chain(remove).map(String::as_str).collect::<Vec<_>>().join(", ");
        told.add(house, &mut batch, &parameter.key, keys)?;
        match house.store.commit(batch).await {
            Ok(_) => {
                told.added(house);
                return Ok(tags);
            }
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::TooManyUpdates.because(format!("others change parameter {name} all the time: try again")))
}

async fn find(
    house: &House,
    name: &str,
) -> Result<std::sync::Arc<fleetwright_store::Row<super::names::ParameterKey, ParameterRecord>>, ParameterError>
{
    let unknown =
        || Fault::InvalidResourceId.because(format!("there is no parameter {}", super::names::shown(name)));
    let reference = Reference::parse(name).map_err(|_| unknown())?;
    if reference.selector.is_some() {
        return Err(unknown());
    }
    house.parameters.get(&*house.store, &reference.key).await?.ok_or_else(unknown)
}
