//! Reading parameters by name: the latest version, one with a number, or the one with a label.

use std::sync::Arc;

use fleetwright_proto::clock::Timestamp;
use fleetwright_store::Row;

use super::fault::{Fault, ParameterError};
use super::kinds::ParameterType;
use super::names::{ParameterKey, Reference, Selector, not_found};
use super::put::{Value, about};
use super::records::{ParameterRecord, StoredValue, VersionRecord};
use crate::access::Principal;
use crate::access::policy::{Action, Kind, Resource, authorize};
use crate::error::Refusal;
use crate::house::House;
use crate::keys::names::KeyName;
use crate::tables::{PARAMETER_LABEL, PARAMETER_VERSION};

/// How many names one call may ask for.
pub const NAMES_MAX: usize = 10;
/// Of names that are too many, what a refusal repeats.
const SHOWN_NAMES_CHARS: usize = 2_000;

/// Whether secrets are to be opened. Without, their ciphertext is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decryption<'a> {
    /// For the controller itself, or somebody who was found to be allowed it.
    Yes,
    /// For this operator: of each key with a name the policies are asked whether he may open with it.
    For(&'a Principal),
    No,
}

/// A version of a parameter as a caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// As the caller wrote it; by ARN and in lists as it was when it was made.
    pub name: String,
    /// What its ARN ends with: the name with its slash.
    pub key: ParameterKey,
    pub parameter_type: ParameterType,
    pub value: Value,
    pub version: u64,
    /// With its colon; None when the caller gave none.
    pub selector: Option<String>,
    pub modified: Timestamp,
    pub data_type: String,
    /// What a SecureString is sealed with.
    pub key_id: Option<String>,
}

/// The parameters that were found, and the names of the others as they were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Many {
    pub parameters: Vec<Parameter>,
    pub invalid: Vec<String>,
}

/// One parameter, by name, `name:version`, `name:label` or ARN.
pub async fn get(house: &House, name: &str, decryption: Decryption<'_>) -> Result<Parameter, ParameterError> {
    let reference = Reference::parse(name)?;
    let row = house.parameters.get(&*house.store, &reference.key).await?.ok_or_else(|| not_found(name))?;
    let chosen = choose(house, &row, reference.selector.as_ref()).await?;
    let name = reference.written.unwrap_or_else(|| row.value.written.clone());
    let selector = reference.selector.as_ref().map(ToString::to_string);
    view(house, name, &row.key, &chosen, selector, decryption).await
}

/// Several parameters at once, each once.
pub async fn get_many(
    house: &House,
    names: &[String],
    decryption: Decryption<'_>,
) -> Result<Many, ParameterError> {
    check_names(names)?;
    let mut many = Many::default();
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            continue;
        }
        match get(house, name, decryption).await {
            Ok(parameter) => many.parameters.push(parameter),
            Err(ParameterError {
                fault: Fault::ParameterNotFound | Fault::ParameterVersionNotFound, ..
            }) => many.invalid.push(name.clone()),
            Err(error) => return Err(error),
        }
    }
    Ok(many)
}

/// SSM takes ten names in a call.
pub(super) fn check_names(names: &[String]) -> Result<(), ParameterError> {
    let constraint = match names.len() {
        0 => "Member must have length greater than or equal to 1.".to_owned(),
        1..=NAMES_MAX => return Ok(()),
        _ => format!("Member must have length less than or equal to {NAMES_MAX}."),
    };
    // Who sends a hundred thousand names does not get them all back.
    let shown: String = names.join(", ").chars().take(SHOWN_NAMES_CHARS).collect();
    Err(Fault::Validation.because(format!(
        "1 validation error detected: Value '[{shown}]' at 'names' failed to satisfy constraint: {constraint}"
    )))
}

/// A version that was chosen. The latest one is not copied.
pub(super) enum Chosen {
    Latest(Arc<Row<ParameterKey, ParameterRecord>>),
    Former(u64, Box<VersionRecord>),
}

impl Chosen {
    pub(super) fn number(&self) -> u64 {
        match self {
            Self::Latest(row) => row.value.version,
            Self::Former(number, _) => *number,
        }
    }

    pub(super) fn version(&self) -> &VersionRecord {
        match self {
            Self::Latest(row) => &row.value.latest,
            Self::Former(_, version) => version,
        }
    }
}

pub(super) async fn choose(
    house: &House,
    row: &Arc<Row<ParameterKey, ParameterRecord>>,
    selector: Option<&Selector>,
) -> Result<Chosen, ParameterError> {
    let record = &row.value;
    let number = match selector {
        None => record.version,
        Some(Selector::Version(number)) => *number,
        Some(Selector::Label(label)) => {
            let key = (record.id.clone(), label.clone());
            let found = PARAMETER_LABEL.get(&*house.store, &key).await?;
            let Some(found) = found else {
                return Err(Fault::ParameterVersionNotFound.because(format!(
                    "Systems Manager could not find label {} of {}. Verify the label and try again.",
                    super::names::shown(label),
                    record.written
                )));
            };
            found.value.version
        }
    };
    if number == record.version {
        return Ok(Chosen::Latest(row.clone()));
    }
    match PARAMETER_VERSION.get(&*house.store, &(record.id.clone(), number)).await? {
        Some(found) => Ok(Chosen::Former(number, Box::new(found.value))),
        // It was the latest one until this moment, and the row that was read is older than that.
        None if number > record.version => {
            let newer = house.parameters.get(&*house.store, &row.key).await?;
            match newer.filter(|newer| newer.value.version == number) {
                Some(newer) => Ok(Chosen::Latest(newer)),
                None => Err(version_not_found(&record.written, number)),
            }
        }
        None => Err(version_not_found(&record.written, number)),
    }
}

pub(super) fn version_not_found(name: &str, number: u64) -> ParameterError {
    Fault::ParameterVersionNotFound.because(format!(
        "Systems Manager could not find version {number} of {}. Verify the version and try again.",
        super::names::shown(name)
    ))
}

pub(super) async fn view(
    house: &House,
    name: String,
    key: &ParameterKey,
    chosen: &Chosen,
    selector: Option<String>,
    decryption: Decryption<'_>,
) -> Result<Parameter, ParameterError> {
    let (number, version) = (chosen.number(), chosen.version());
    Ok(Parameter {
        name,
        key: key.clone(),
        parameter_type: version.parameter_type,
        value: value(house, key, number, version, decryption).await?,
        version: number,
        selector,
        modified: version.modified,
        data_type: version.data_type.clone(),
        key_id: version.key_id.clone(),
    })
}

/// Whether an operator may do this with a key. With the controller's own keys everybody seals who may write; to open is
/// asked for those, too: who may read everything may not for that read every secret.
pub(super) fn may_use(
    house: &House,
    principal: &Principal,
    action: Action,
    key: &KeyName,
) -> Result<(), ParameterError> {
    if key.is_own() && action == Action::Encrypt {
        return Ok(());
    }
    let asked = authorize(house, principal, action, &Resource::Named(Kind::Key, key.as_str()));
    asked.map_err(|denied| Refusal::from(denied).into())
}

/// The value of a version, opened or as its ciphertext.
pub(super) async fn value(
    house: &House,
    key: &ParameterKey,
    number: u64,
    version: &VersionRecord,
    decryption: Decryption<'_>,
) -> Result<Value, ParameterError> {
    let damaged = || {
        Fault::Other(crate::error::Kind::Internal)
            .because(format!("the stored value of {key}:{number} cannot be read"))
    };
    let sealed = match (&version.value, decryption) {
        (StoredValue::Sealed(sealed), Decryption::No) => return Ok(Value::new(sealed.ciphertext())),
        (StoredValue::Sealed(sealed), Decryption::Yes | Decryption::For(_)) => sealed,
        (plain, _) => return plain.text().map(Value::new).ok_or_else(damaged),
    };
    let name = version.key_id.as_deref().unwrap_or(crate::keys::names::DEFAULT);
    let name = KeyName::parse(name)?;
    if let Decryption::For(principal) = decryption {
        may_use(house, principal, Action::Decrypt, &name)?;
    }
    let opened = house.keys.open_sealed(&*house.store, &name, &about(key, number), sealed).await?;
    std::str::from_utf8(&opened).map(|text| Value::new(text.to_owned())).map_err(|_| damaged())
}
