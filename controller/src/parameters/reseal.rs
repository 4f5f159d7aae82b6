//! Sealing values anew with the latest version of their key, one commit for each, so that it may be stopped anywhere.

use fleetwright_store::{Batch, CommitError, Row};

use super::fault::ParameterError;
use super::names::ParameterKey;
use super::put::about;
use super::records::{ParameterRecord, StoredValue, VersionRecord};
use crate::house::House;
use crate::keys::names::KeyName;
use crate::keys::records::KeyRecord;
use crate::keys::ring::Maker;
use crate::records::Pages;
use crate::tables::{PARAMETER, PARAMETER_VERSION};

/// What a walk over everything that a key has sealed found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Values that were sealed anew.
    pub anew: u64,
    /// Values that somebody else changed meanwhile: they are looked at again.
    pub again: u64,
    /// Values that were opened and are sealed with the latest version.
    pub verified: u64,
}

/// Seals every value of a key anew that is not sealed with its latest version, and opens every other one.
pub async fn run(
    house: &House,
    name: &KeyName,
    record: &KeyRecord,
    by: &Maker<'_>,
) -> Result<Resealed, ParameterError> {
    let mut walk = Walk { house, name, record, by, found: Resealed::default() };
    let mut parameters = Pages::of(&PARAMETER, ());
    while let Some(rows) = parameters.next(&*house.store).await? {
        for row in rows {
            walk.history(&row).await?;
            walk.latest(row).await?;
        }
    }
    Ok(walk.found)
}

struct Walk<'a> {
    house: &'a House,
    name: &'a KeyName,
    record: &'a KeyRecord,
    by: &'a Maker<'a>,
    found: Resealed,
}

impl Walk<'_> {
    async fn latest(&mut self, mut row: Row<ParameterKey, ParameterRecord>) -> Result<(), ParameterError> {
        let (key, number) = (row.key.clone(), row.value.version);
        let mut batch = Batch::new();
        if self.reseal(&mut batch, &key, number, &mut row.value.latest).await? {
            PARAMETER.replace(&mut batch, &row)?;
            self.commit(batch).await?;
        }
        Ok(())
    }

    async fn history(
        &mut self,
        parameter: &Row<ParameterKey, ParameterRecord>,
    ) -> Result<(), ParameterError> {
        let mut versions = Pages::of(&PARAMETER_VERSION, parameter.value.id.clone());
        while let Some(rows) = versions.next(&*self.house.store).await? {
            for mut row in rows {
                let number = row.key.1;
                let mut batch = Batch::new();
                if self.reseal(&mut batch, &parameter.key, number, &mut row.value).await? {
                    PARAMETER_VERSION.replace(&mut batch, &row)?;
                    self.commit(batch).await?;
                }
            }
        }
        Ok(())
    }

    /// True when the version has to be written back.
    async fn reseal(
        &mut self,
        batch: &mut Batch,
        key: &ParameterKey,
        number: u64,
        version: &mut VersionRecord,
    ) -> Result<bool, ParameterError> {
        let StoredValue::Sealed(sealed) = &version.value else { return Ok(false) };
        if sealed.key != self.record.id {
            return Ok(false);
        }
        let (house, about) = (self.house, about(key, number));
        let opened = house.keys.open_sealed(&*house.store, self.name, &about, sealed).await?;
        if sealed.version == self.record.version {
            self.found.verified += 1;
            return Ok(false);
        }
        let what = (about.as_str(), opened.as_slice());
        let sealed = house.keys.seal(&*house.store, batch, self.name, what, self.by).await?;
        version.value = StoredValue::Sealed(sealed);
        Ok(true)
    }

    async fn commit(&mut self, batch: Batch) -> Result<(), ParameterError> {
        match self.house.store.commit(batch).await {
            Ok(_) => self.found.anew += 1,
            Err(CommitError::Conflict { .. }) => self.found.again += 1,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
