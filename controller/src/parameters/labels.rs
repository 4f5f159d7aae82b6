//! Labels: names for versions. One label names one version of a parameter; attached to another one, it moves.

use std::collections::{BTreeMap, BTreeSet};

use fleetwright_store::{Batch, CommitError, Row};

use super::fault::{Fault, ParameterError};
use super::names::{ParameterKey, ParameterName, check_label_lengths, is_label, not_found};
use super::put::{Told, too_many_updates};
use super::read::version_not_found;
use super::records::{LabelRecord, ParameterRecord};
use crate::access::Principal;
use crate::access::policy::Action;
use crate::house::House;
use crate::records::COMMIT_ATTEMPTS;
use crate::tables::{PARAMETER, PARAMETER_LABEL};

/// Labels of one version.
pub const LABELS_MAX: u32 = 10;

/// What became of labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labelled {
    pub version: u64,
    /// Only of [`unlabel`]: those that are gone.
    pub removed: Vec<String>,
    /// Those that are no labels, or that the version does not have.
    pub invalid: Vec<String>,
}

/// Attaches labels to a version; None is the latest. Durable when this returns.
pub async fn label(
    house: &House,
    name: &str,
    version: Option<u64>,
    labels: &[String],
    caller: Option<&Principal>,
) -> Result<Labelled, ParameterError> {
    check_label_lengths(labels)?;
    let name = ParameterName::parse(name)?;
    let (good, invalid): (Vec<_>, Vec<_>) = labels.iter().cloned().partition(|label| is_label(label));
    // A label that is named twice in one request is one label.
    let good: BTreeSet<_> = good.into_iter().collect();
    for _ in 0..COMMIT_ATTEMPTS {
        let mut row = find(house, &name, version).await?;
        let version = version.unwrap_or(row.value.version);
        let mut batch = Batch::new();
        for label in &good {
            let key = (row.value.id.clone(), label.clone());
            let attached = PARAMETER_LABEL.get(&*house.store, &key).await?;
            match attached.map(|row| row.value.version) {
                Some(before) if before == version => continue,
                Some(before) => take(&mut row.value.labels, before),
                None => {}
            }
            if *row.value.labels.entry(version).and_modify(|count| *count += 1).or_insert(1) > LABELS_MAX {
                return Err(too_many_labels());
            }
            let record = LabelRecord { version, attached: house.clock.now() };
            PARAMETER_LABEL.put(&mut batch, &key, &record)?;
        }
        let told = Told { caller, action: Action::LabelParameterVersion };
        let done = Done { told, version, labels: good.iter().map(String::as_str).collect() };
        if batch.is_empty() || commit(house, batch, &row, &done).await? {
            return Ok(Labelled { version, removed: Vec::new(), invalid });
        }
    }
    Err(too_many_updates(&name))
}

/// Takes labels from a version. Durable when this returns.
pub async fn unlabel(
    house: &House,
    name: &str,
    version: u64,
    labels: &[String],
    caller: Option<&Principal>,
) -> Result<Labelled, ParameterError> {
    check_label_lengths(labels)?;
    let name = ParameterName::parse(name)?;
    for _ in 0..COMMIT_ATTEMPTS {
        let mut row = find(house, &name, Some(version)).await?;
        let mut answer = Labelled { version, ..Labelled::default() };
        let mut batch = Batch::new();
        for label in labels {
            let key = (row.value.id.clone(), label.clone());
            let attached = PARAMETER_LABEL.get(&*house.store, &key).await?;
            match attached {
                Some(found) if found.value.version == version && !answer.removed.contains(label) => {
                    PARAMETER_LABEL.delete(&mut batch, &key);
                    take(&mut row.value.labels, version);
                    answer.removed.push(label.clone());
                }
                _ => answer.invalid.push(label.clone()),
            }
        }
        let told = Told { caller, action: Action::UnlabelParameterVersion };
        let done = Done { told, version, labels: answer.removed.iter().map(String::as_str).collect() };
        if batch.is_empty() || commit(house, batch, &row, &done).await? {
            return Ok(answer);
        }
    }
    Err(too_many_updates(&name))
}

/// What the audit log is to say.
struct Done<'a> {
    told: Told<'a>,
    version: u64,
    labels: Vec<&'a str>,
}

/// False when somebody else changed the parameter meanwhile.
async fn commit(
    house: &House,
    mut batch: Batch,
    row: &Row<ParameterKey, ParameterRecord>,
    done: &Done<'_>,
) -> Result<bool, ParameterError> {
    PARAMETER.replace(&mut batch, row)?;
    let detail = || format!("version {}: {}", done.version, done.labels.join(", "));
    done.told.add(house, &mut batch, &row.key, detail)?;
    match house.store.commit(batch).await {
        Ok(_) => {
            done.told.added(house);
            Ok(true)
        }
        Err(CommitError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn too_many_labels() -> ParameterError {
    Fault::ParameterVersionLabelLimitExceeded.because(
        "An error occurred (ParameterVersionLabelLimitExceeded) when calling the LabelParameterVersion operation: A \
         parameter version can have maximum 10 labels.Move one or more labels to another version and try again.",
    )
}

fn take(labels: &mut BTreeMap<u64, u32>, version: u64) {
    let Some(count) = labels.get_mut(&version) else { return };
    *count -= 1;
    if *count == 0 {
        labels.remove(&version);
    }
}

async fn find(
    house: &House,
    name: &ParameterName,
    version: Option<u64>,
) -> Result<Row<ParameterKey, ParameterRecord>, ParameterError> {
    let found = house.parameters.get(&*house.store, name.key()).await?;
    let row = Row::clone(&*found.ok_or_else(|| not_found(name.as_str()))?);
    match version {
        Some(version) if !(row.value.oldest..=row.value.version).contains(&version) => {
            Err(version_not_found(name.as_str(), version))
        }
        _ => Ok(row),
    }
}
