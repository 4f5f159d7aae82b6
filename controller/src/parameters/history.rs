//! The history of a parameter: every version that is kept, oldest first, with its labels.

use std::collections::BTreeMap;

use super::fault::ParameterError;
use super::names::{ParameterKey, Reference, not_found};
use super::put::Value;
use super::read::{self, Decryption};
use super::records::{ParameterRecord, VersionRecord};
use crate::house::House;
use crate::records::Pages;
use crate::tables::{PARAMETER_LABEL, PARAMETER_VERSION};

/// One version with everything about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    pub name: String,
    pub key: ParameterKey,
    pub version: u64,
    /// Its value is in `value`.
    pub record: VersionRecord,
    pub value: Value,
    /// In the order in which they were attached.
    pub labels: Vec<String>,
}

/// A page of versions behind `after`, and the version after which the next page starts.
pub type History = (Vec<HistoryEntry>, Option<u64>);

pub async fn history(
    house: &House,
    name: &str,
    decryption: Decryption<'_>,
    after: Option<u64>,
    limit: usize,
) -> Result<History, ParameterError> {
    let reference = Reference::parse(name)?;
    if reference.selector.is_some() {
        return Err(not_found(name));
    }
    let found = house.parameters.get(&*house.store, &reference.key).await?;
    let row = found.ok_or_else(|| not_found(name))?;
    let record = &row.value;
    let mut labels = labels(house, record).await?;
    let written = reference.written.unwrap_or_else(|| record.written.clone());
    let first = after.map_or(record.oldest, |after| after.saturating_add(1)).max(record.oldest);
    let mut entries = Vec::new();
    for number in first..=record.version {
        if entries.len() == limit {
            return Ok((entries, Some(number - 1)));
        }
        let version = match number == record.version {
            true => Some(record.latest.clone()),
            false => {
                let key = (record.id.clone(), number);
                PARAMETER_VERSION.get(&*house.store, &key).await?.map(|row| row.value)
            }
        };
        // Dropped since the parameter was read: it is not kept any more.
        let Some(version) = version else { continue };
        entries.push(HistoryEntry {
            name: written.clone(),
            key: row.key.clone(),
            version: number,
            value: read::value(house, &row.key, number, &version, decryption).await?,
            record: version,
            labels: labels.remove(&number).unwrap_or_default(),
        });
    }
    Ok((entries, None))
}

async fn labels(
    house: &House,
    record: &ParameterRecord,
) -> Result<BTreeMap<u64, Vec<String>>, ParameterError> {
    let mut attached = Vec::new();
    let mut pages = Pages::of(&PARAMETER_LABEL, record.id.clone());
    while let Some(rows) = pages.next(&*house.store).await? {
        attached.extend(rows.into_iter().map(|row| (row.value.attached, row.key.1, row.value.version)));
    }
    attached.sort();
    let mut labels: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (_, label, version) in attached {
        labels.entry(version).or_default().push(label);
    }
    Ok(labels)
}
