//! Putting a parameter: everything is checked, then one commit makes it or adds a version to it.

use fleetwright_documents::java_pattern;
use fleetwright_proto::clock::Timestamp;
use fleetwright_store::{Batch, CommitError, Row};
use zeroize::Zeroizing;

use super::fault::{Fault, ParameterError, Violations};
use super::kinds::{self, ParameterType, Room, Tier, TierWish};
use super::names::{ParameterKey, ParameterName};
use super::policies::{self, Policy};
use super::read::may_use;
use super::records::{ParameterRecord, StoredValue, TagsRecord, VersionRecord};
use crate::access::Principal;
use crate::access::policy::Action;
use crate::audit::Event;
use crate::commands::records::Mark;
use crate::documents::records::KeptId;
use crate::house::House;
use crate::keys::names::{self as key_names, KeyName};
use crate::keys::ring::{KeyError, Maker};
use crate::meters::NewWork;
use crate::mirror::Held;
use crate::nodes::records::Tags;
use crate::records::COMMIT_ATTEMPTS;
use crate::room;
use crate::service_settings;
use crate::tables::{PARAMETER, PARAMETER_POLICY, PARAMETER_TAGS, PARAMETER_VERSION};

/// Versions of one parameter that are kept.
pub const VERSIONS_MAX: u64 = 100;
const TEXT_MAX_CHARS: usize = 1024;

/// A value on its way. It has no text form and is wiped when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(Zeroizing<String>);

impl Value {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The value itself. Whoever takes it out answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Value(…)")
    }
}

/// Whether a put may change what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    Yes,
    No,
}

/// What a caller wants, unchecked. What is None stays as it was, or gets its default.
#[derive(Debug, Clone)]
pub struct PutWish {
    pub name: String,
    pub value: Value,
    /// `String`, `StringList` or `SecureString`.
    pub parameter_type: Option<String>,
    pub key_id: Option<String>,
    pub overwrite: Overwrite,
    pub description: Option<String>,
    pub allowed_pattern: Option<String>,
    pub tags: Tags,
    /// `Standard`, `Advanced` or `Intelligent-Tiering`.
    pub tier: Option<String>,
    /// The JSON text of SSM.
    pub policies: Option<String>,
    pub data_type: Option<String>,
    pub by: String,
    /// The operator for whom it is put: policies are asked whether he may seal with a named key, and the audit log has a
    /// line in the same commit. None where the controller itself puts.
    pub caller: Option<Principal>,
}

impl PutWish {
    /// A wish for a new parameter, with nothing said beyond what must be.
    #[must_use]
    pub fn new(name: &str, value: &str, parameter_type: ParameterType, by: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: Value::new(value.to_owned()),
            parameter_type: Some(parameter_type.name().to_owned()),
            key_id: None,
            overwrite: Overwrite::No,
            description: None,
            allowed_pattern: None,
            tags: Tags::new(),
            tier: None,
            policies: None,
            data_type: None,
            by: by.to_owned(),
            caller: None,
        }
    }
}

/// What a put made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    pub key: ParameterKey,
    pub version: u64,
    pub tier: Tier,
}

/// Makes a parameter or adds a version to it. Durable when this returns.
pub async fn put(house: &House, wish: PutWish) -> Result<Put, ParameterError> {
    room::admit(house, NewWork::Parameter)?;
    let checked = check(house, wish)?;
    for _ in 0..COMMIT_ATTEMPTS {
        let existing = house.parameters.get(&*house.store, checked.name.key()).await?;
        let (mut batch, put) = match existing {
            Some(row) => overwriting(house, &checked, Row::clone(&row)).await?,
            None => making(house, &checked).await?,
        };
        let told = Told { caller: checked.caller.as_ref(), action: Action::PutParameter };
        told.add(house, &mut batch, &put.key, || format!("version {}", put.version))?;
        match house.store.commit(batch).await {
            Ok(_) => {
                told.added(house);
                return Ok(put);
            }
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(too_many_updates(&checked.name))
}

/// Who changes a parameter, for the line of the audit log that the commit of the change writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    /// None where the controller itself changes something for its own purposes.
    pub(super) caller: Option<&'a Principal>,
    pub(super) action: Action,
}

impl Told<'_> {
    pub(super) fn add(
        self,
        house: &House,
        batch: &mut Batch,
        key: &ParameterKey,
        detail: impl FnOnce() -> String,
    ) -> Result<(), ParameterError> {
        let Some(caller) = self.caller else { return Ok(()) };
        let event = caller.did(self.action, key.to_string(), house.clock.now());
        Ok(house.audit.add(batch, Event { detail: detail(), ..event })?)
    }

    /// The commit was made.
    pub(super) fn added(self, house: &House) {
        if self.caller.is_some() {
            house.audit.added();
        }
    }
}

pub(super) fn too_many_updates(name: &ParameterName) -> ParameterError {
    Fault::TooManyUpdates
        .because(format!("others change parameter {name} all the time: try again in a moment"))
}

/// A wish of which everything is right that can be told without the store.
struct Checked {
    name: ParameterName,
    value: Value,
    parameter_type: Option<ParameterType>,
    key_id: Option<KeyName>,
    overwrite: Overwrite,
    description: Option<String>,
    allowed_pattern: Option<String>,
    tags: Tags,
    tier: Option<TierWish>,
    policies: Option<Vec<Policy>>,
    data_type: Option<String>,
    by: String,
    caller: Option<Principal>,
    now: Timestamp,
}

fn check(house: &House, wish: PutWish) -> Result<Checked, ParameterError> {
    let mut violations = Violations::default();
    if wish.value.expose().is_empty() {
        violations.note("", "value", "Member must have length greater than or equal to 1.");
    }
    let parameter_type = wish.parameter_type.as_deref().filter(|text| !text.is_empty());
    let parsed_type = parameter_type.and_then(ParameterType::from_name);
    if let (Some(text), None) = (parameter_type, parsed_type) {
        let constraint = "Member must satisfy enum value set: [SecureString, StringList, String]";
        violations.note(&super::names::shown(text), "type", constraint);
    }
    let tier = wish.tier.as_deref().filter(|text| !text.is_empty());
    let parsed_tier = tier.and_then(TierWish::from_name);
    if let (Some(text), None) = (tier, parsed_tier) {
        let constraint = "Member must satisfy enum value set: [Standard, Intelligent-Tiering, Advanced]";
        violations.note(&super::names::shown(text), "tier", constraint);
    }
    for (text, at) in [(&wish.description, "description"), (&wish.allowed_pattern, "allowedPattern")] {
        let Some(text) = text else { continue };
        if text.chars().count() > TEXT_MAX_CHARS {
            violations.note(
                &super::names::shown(text),
                at,
                &format!("Member must have length less than or equal to {TEXT_MAX_CHARS}"),
            );
        } else if text.chars().any(|character| character.is_control() && !"\t\r\n".contains(character)) {
            violations.note(&super::names::shown(text), at, "Member must be printable text");
        }
    }
    violations.result()?;
    let name = ParameterName::parse_new(&wish.name)?;
    if wish.overwrite == Overwrite::Yes && !wish.tags.is_empty() {
        return Err(Fault::Validation.because(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please \
             remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or \
             RemoveTagsFromResource.",
        ));
    }
    super::tags::check(&wish.tags, &Tags::new())?;
    let key_id = wish.key_id.filter(|text| !text.is_empty()).map(|text| KeyName::parse(&text)).transpose();
    let now = house.clock.now();
    Ok(Checked {
        name,
        value: wish.value,
        parameter_type: parsed_type,
        key_id: key_id.map_err(|refusal| Fault::InvalidKeyId.because(refusal.message))?,
        overwrite: wish.overwrite,
        description: wish.description,
        allowed_pattern: wish.allowed_pattern,
        tags: wish.tags,
        tier: parsed_tier,
        policies: wish.policies.map(|text| policies::parse(&text, now)).transpose()?,
        data_type: wish.data_type.filter(|text| !text.is_empty()),
        by: wish.by,
        caller: wish.caller,
        now,
    })
}

/// The commit that makes a parameter.
async fn making(house: &House, wish: &Checked) -> Result<(Batch, Put), ParameterError> {
    let Some(parameter_type) = wish.parameter_type else {
        return Err(Fault::Validation.because("A parameter type is required when you create a parameter."));
    };
    let tier_wish = match wish.tier {
        Some(tier) => tier,
        None => service_settings::default_tier(house).await?,
    };
    let counts = count(house).await?;
    let room = match counts.standard < house.limits.parameters.standard {
        true => Room::Free,
        false => Room::Taken,
    };
    let policies = wish.policies.clone().unwrap_or_default();
    let bytes = wish.value.expose().len();
    let tier = kinds::tier(Some(tier_wish), None, bytes, policies.len(), room)?;
    let (has, limit, setting) = match tier {
        Tier::Standard => (counts.standard, house.limits.parameters.standard, "parameters.standard_max"),
        Tier::Advanced => (counts.advanced, house.limits.parameters.advanced, "parameters.advanced_max"),
    };
    if has >= limit {
        return Err(Fault::ParameterLimitExceeded.because(format!(
            "there are {has} {} parameters, as many as {setting} allows: delete some, or raise it",
            tier.name()
        )));
    }
    let mut batch = Batch::new();
    let plan = Plan {
        number: 1,
        parameter_type,
        key_id: key_id(parameter_type, wish.key_id.clone(), None),
        tier,
        policies,
        inherited: Inherited::default(),
    };
    let latest = version(house, &mut batch, wish, plan).await?;
    let record = ParameterRecord {
        id: KeptId::random(),
        written: wish.name.as_str().to_owned(),
        oldest: 1,
        version: 1,
        labels: std::collections::BTreeMap::new(),
        latest,
    };
    if !record.latest.policies.is_empty() {
        PARAMETER_POLICY.put(&mut batch, wish.name.key(), &Mark {})?;
    }
    PARAMETER.insert(&mut batch, wish.name.key(), &record)?;
    if !wish.tags.is_empty() {
        PARAMETER_TAGS.put(&mut batch, &record.id, &TagsRecord { tags: wish.tags.clone() })?;
    }
    Ok((batch, Put { key: wish.name.key().clone(), version: 1, tier }))
}

/// The commit that adds a version: the former latest one joins the history, the oldest one leaves it when it is full.
async fn overwriting(
    house: &House,
    wish: &Checked,
    mut row: Row<ParameterKey, ParameterRecord>,
) -> Result<(Batch, Put), ParameterError> {
    if wish.overwrite == Overwrite::No {
        return Err(Fault::ParameterAlreadyExists.because(
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
        ));
    }
    let record = &row.value;
    let before = &record.latest;
    let parameter_type = wish.parameter_type.unwrap_or(before.parameter_type);
    if parameter_type != before.parameter_type {
        return Err(Fault::HierarchyTypeMismatch.because(format!(
            "parameter {} is a {} and cannot become a {parameter_type}: delete it and create it anew",
            wish.name, before.parameter_type
        )));
    }
    let policies = match &wish.policies {
        Some(policies) => policies.clone(),
        None => anew(&before.policies),
    };
    let bytes = wish.value.expose().len();
    let tier = kinds::tier(wish.tier, Some(before.tier), bytes, policies.len(), Room::Free)?;
    let former = record.version;
    let drops_oldest = former - record.oldest + 1 >= VERSIONS_MAX;
    if drops_oldest && record.labels.contains_key(&record.oldest) {
        return Err(Fault::ParameterMaxVersionLimitExceeded.because(format!(
            "You attempted to create a new version of {} by calling the PutParameter API with the overwrite flag. \
             Version {}, the oldest version, can't be deleted because it has a label associated with it. Move the \
             label to another version of the parameter, and try again.",
            wish.name, record.oldest
        )));
    }
    let mut batch = Batch::new();
    let plan = Plan {
        number: former + 1,
        parameter_type,
        key_id: key_id(parameter_type, wish.key_id.clone(), before.key_id.as_deref()),
        tier,
        policies,
        inherited: Inherited {
            description: before.description.clone(),
            allowed_pattern: before.allowed_pattern.clone(),
            data_type: Some(before.data_type.clone()),
        },
    };
    let latest = version(house, &mut batch, wish, plan).await?;
    let id = record.id.clone();
    if drops_oldest {
        PARAMETER_VERSION.delete(&mut batch, &(id.clone(), record.oldest));
        row.value.oldest += 1;
    }
    let before = std::mem::replace(&mut row.value.latest, latest);
    row.value.version = former + 1;
    match (before.policies.is_empty(), row.value.latest.policies.is_empty()) {
        (true, false) => PARAMETER_POLICY.put(&mut batch, &row.key, &Mark {})?,
        (false, true) => PARAMETER_POLICY.delete(&mut batch, &row.key),
        (true, true) | (false, false) => {}
    }
    PARAMETER_VERSION.insert(&mut batch, &(id, former), &before)?;
    PARAMETER.replace(&mut batch, &row)?;
    Ok((batch, Put { key: row.key, version: former + 1, tier }))
}

/// A new version starts its policies anew.
fn anew(policies: &[Policy]) -> Vec<Policy> {
    let pending = |policy: &Policy| Policy { status: policies::PolicyStatus::Pending, ..policy.clone() };
    policies.iter().map(pending).collect()
}

/// What a version takes from the one before it when the wish does not say.
#[derive(Default)]
struct Inherited {
    description: Option<String>,
    allowed_pattern: Option<String>,
    data_type: Option<String>,
}

fn key_id(parameter_type: ParameterType, wanted: Option<KeyName>, before: Option<&str>) -> Option<KeyName> {
    let kept = || before.and_then(|name| KeyName::parse(name).ok());
    let default = || KeyName::parse(key_names::DEFAULT).ok();
    match parameter_type {
        ParameterType::SecureString => wanted.or_else(kept).or_else(default),
        _ => wanted.or_else(kept),
    }
}

/// What a version is to be, beside what the wish says.
struct Plan {
    number: u64,
    parameter_type: ParameterType,
    key_id: Option<KeyName>,
    tier: Tier,
    policies: Vec<Policy>,
    inherited: Inherited,
}

/// The version that a wish makes, its value under seal when it is a secret.
async fn version(
    house: &House,
    batch: &mut Batch,
    wish: &Checked,
    plan: Plan,
) -> Result<VersionRecord, ParameterError> {
    let Plan { number, parameter_type, key_id, tier, policies, inherited } = plan;
    let value = wish.value.expose();
    if parameter_type != ParameterType::SecureString && nests(value) {
        return Err(Fault::Validation
            .because("Parameter value: can't nest another parameter. Do not use \"{{}}\" in the value."));
    }
    let allowed_pattern = wish.allowed_pattern.clone().or(inherited.allowed_pattern);
    let allowed_pattern = allowed_pattern.filter(|pattern| !pattern.is_empty());
    if let Some(pattern) = &allowed_pattern {
        check_pattern(pattern, value)?;
    }
    let data_type = wish.data_type.clone().or(inherited.data_type).unwrap_or_else(|| "text".to_owned());
    kinds::check_data_type(&data_type, value)?;
    let value = match (parameter_type, &key_id) {
        (ParameterType::SecureString, Some(name)) => {
            if let Some(caller) = &wish.caller {
                may_use(house, caller, Action::Encrypt, name)?;
            }
            let about = about(wish.name.key(), number);
            let maker = Maker { name: &wish.by, now: wish.now };
            let what = (about.as_str(), value.as_bytes());
            StoredValue::Sealed(house.keys.seal(&*house.store, batch, name, what, &maker).await?)
        }
        _ => StoredValue::plain(value.to_owned()),
    };
    Ok(VersionRecord {
        parameter_type,
        value,
        key_id: key_id.map(|name| name.to_string()),
        description: wish.description.clone().or(inherited.description),
        allowed_pattern,
        tier,
        data_type,
        policies,
        modified: wish.now,
        modified_by: wish.by.clone(),
    })
}

impl From<KeyError> for ParameterError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Unusable(message) => Fault::InvalidKeyId.because(message),
            other => crate::error::Refusal::from(other).into(),
        }
    }
}

/// What is bound into the seal of a value.
pub(crate) fn about(key: &ParameterKey, version: u64) -> String {
    format!("parameter {key}:{version}")
}

/// `{{…}}` in a value would look like a reference wherever the value is put.
fn nests(value: &str) -> bool {
    value.split_once("{{").is_some_and(|(_, rest)| rest.contains("}}"))
}

fn check_pattern(pattern: &str, value: &str) -> Result<(), ParameterError> {
    use java_pattern::PatternError;
    let shown = super::names::shown(pattern);
    match java_pattern::matches(pattern, value) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Fault::ParameterPatternMismatch
            .because(format!("Parameter value, cannot be validated against allowedPattern: {shown}"))),
        Err(PatternError::TooSlow) => Err(Fault::ParameterPatternMismatch.because(format!(
            "the value cannot be matched against allowedPattern {shown}: it takes too long"
        ))),
        Err(error) => Err(Fault::InvalidAllowedPattern.because(format!("allowedPattern {shown}: {error}"))),
    }
}

struct Count {
    standard: u64,
    advanced: u64,
}

/// How many there are. Those whose record is away are taken for standard ones.
async fn count(house: &House) -> Result<Count, ParameterError> {
    let limits = &house.limits.parameters;
    let counted = house.parameters.look(&*house.store, |rows| {
        // Counting each one is only worth its time when a limit is near.
        if (rows.len() as u64) < limits.standard.min(limits.advanced) {
            return Count { standard: rows.len() as u64, advanced: 0 };
        }
        let is_advanced = |held: &&Held<ParameterKey, ParameterRecord>| {
            matches!(held, Held::Here(row) if row.value.latest.tier == Tier::Advanced)
        };
        let advanced = rows.values().filter(is_advanced).count() as u64;
        Count { standard: rows.len() as u64 - advanced, advanced }
    });
    Ok(counted.await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_looks_like_a_reference() {
        for (value, wanted) in [
            ("{{ssm:a}}", true),
            ("x {{ y }} z", true),
            ("{{", false),
            ("}} {{", false),
            ("{\"a\":{}}", false),
        ] {
            assert_eq!(nests(value), wanted, "{value}");
        }
    }

    #[test]
    fn patterns() {
        for (pattern, value, fault) in [
            (r"\d+", "12", None),
            (".*", "", None),
            (r"^\d+$", "12x", Some(Fault::ParameterPatternMismatch)),
            ("[", "x", Some(Fault::InvalidAllowedPattern)),
        ] {
            assert_eq!(check_pattern(pattern, value).err().map(|error| error.fault), fault, "{pattern}");
        }
    }

    #[test]
    fn a_value_has_no_text_form() {
        let wish = PutWish::new("db", "hunter2", ParameterType::SecureString, "ada");
        assert!(!format!("{wish:?}").contains("hunter2"));
    }
}
