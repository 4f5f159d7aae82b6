//! What SSM's clients set of the service itself while it runs. Each setting stands in one table, with what it may be;
//! those that are about what only AWS has are not here.
//!
//! A setting that nobody changed is at its default, which for some is said by the configuration.

use fleetwright_proto::clock::Timestamp;
use fleetwright_store::{Batch, CommitError};
use serde::{Deserialize, Serialize};

use crate::access::Principal;
use crate::access::policy::Action;
use crate::audit::Event;
use crate::error::Refusal;
use crate::house::House;
use crate::parameters::kinds::TierWish;
use crate::records::{COMMIT_ATTEMPTS, With, json_record};
use crate::tables::SERVICE_SETTING;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// In which tier a parameter is made that says none.
    DefaultParameterTier,
    /// Nothing is throttled here; it is kept for programs that ask.
    HighThroughput,
    /// Nodes are not counted here; it is kept for programs that ask.
    ActivationTier,
    /// Whether a document may be shared with everybody.
    PublicSharing,
}

impl Setting {
    pub const ALL: [Self; 4] =
        [Self::DefaultParameterTier, Self::HighThroughput, Self::ActivationTier, Self::PublicSharing];

    /// As SSM calls it.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::DefaultParameterTier => "/ssm/parameter-store/default-parameter-tier",
            Self::HighThroughput => "/ssm/parameter-store/high-throughput-enabled",
            Self::ActivationTier => "/ssm/managed-instance/activation-tier",
            Self::PublicSharing => "/ssm/documents/console/public-sharing-permission",
        }
    }

    fn values(self) -> &'static [&'static str] {
        match self {
            Self::DefaultParameterTier => &["Standard", "Advanced", "Intelligent-Tiering"],
            Self::HighThroughput => &["false", "true"],
            Self::ActivationTier => &["standard", "advanced"],
            Self::PublicSharing => &["Enable", "Disable"],
        }
    }

    fn default(self, house: &House) -> &'static str {
        match self {
            Self::DefaultParameterTier => house.limits.parameters.default_tier.name(),
            Self::HighThroughput | Self::ActivationTier | Self::PublicSharing => self.values()[0],
        }
    }

    /// By its id, or by the ARN that ends with it.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let id = match text.strip_prefix("arn:") {
            Some(arn) => arn.split_once(":servicesetting").map_or("", |(_, id)| id),
            None => text,
        };
        Self::ALL.into_iter().find(|setting| setting.id() == id).ok_or_else(|| {
            Refusal::not_found(format!(
                "there is no service setting `{}` here: there are {}",
                text.chars().take(120).collect::<String>().escape_debug(),
                Self::ALL.map(Self::id).join(", ")
            ))
        })
    }
}

/// A value that somebody set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingRecord {
    pub value: String,
    pub modified: Timestamp,
    pub modified_by: String,
}
json_record!(SettingRecord, 1);

/// A setting as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub setting: Setting,
    pub value: String,
    /// When it was set, and by whom; None while it is at its default.
    pub set: Option<(Timestamp, String)>,
}

pub async fn get(house: &House, setting: Setting) -> Result<View, Refusal> {
    let row = SERVICE_SETTING.get(&*house.store, &setting.id().to_owned()).await?;
    Ok(match row {
        Some(row) => {
            View { setting, value: row.value.value, set: Some((row.value.modified, row.value.modified_by)) }
        }
        None => View { setting, value: setting.default(house).to_owned(), set: None },
    })
}

/// Sets it. Durable, with its line of the audit log, when this returns.
pub async fn update(house: &House, by: &Principal, setting: Setting, value: &str) -> Result<(), Refusal> {
    if !setting.values().contains(&value) {
        return Err(Refusal::invalid(format!(
            "`{}` is not a value of {}: {}",
            value.chars().take(80).collect::<String>().escape_debug(),
            setting.id(),
            setting.values().join(" or ")
        )));
    }
    let record = SettingRecord {
        value: value.to_owned(),
        modified: house.clock.now(),
        modified_by: by.name.to_string(),
    };
    let key = setting.id().to_owned();
    for _ in 0..COMMIT_ATTEMPTS {
        let mut batch = Batch::new();
        match SERVICE_SETTING.get(&*house.store, &key).await? {
            Some(row) => SERVICE_SETTING.replace(&mut batch, &row.with(record.clone()))?,
            None => SERVICE_SETTING.insert(&mut batch, &key, &record)?,
        }
        let event = by.did(Action::UpdateServiceSetting, key.clone(), record.modified);
        if commit(house, batch, Event { detail: value.to_owned(), ..event }).await? {
            return Ok(());
        }
    }
    Err(others_change(setting))
}

/// Puts it back to its default. Durable, with its line of the audit log, when this returns.
pub async fn reset(house: &House, by: &Principal, setting: Setting) -> Result<View, Refusal> {
    let key = setting.id().to_owned();
    for _ in 0..COMMIT_ATTEMPTS {
        let Some(row) = SERVICE_SETTING.get(&*house.store, &key).await? else {
            return get(house, setting).await;
        };
        let mut batch = Batch::new();
        SERVICE_SETTING.delete_at(&mut batch, &key, row.revision);
        let event = by.did(Action::ResetServiceSetting, key.clone(), house.clock.now());
        if commit(house, batch, event).await? {
            return Ok(View { setting, value: setting.default(house).to_owned(), set: None });
        }
    }
    Err(others_change(setting))
}

/// False when somebody else changed it meanwhile.
async fn commit(house: &House, mut batch: Batch, event: Event) -> Result<bool, Refusal> {
    house.audit.add(&mut batch, event)?;
    match house.store.commit(batch).await {
        Ok(_) => {
            house.audit.added();
            Ok(true)
        }
        Err(CommitError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn others_change(setting: Setting) -> Refusal {
    Refusal::conflict(format!("others change {} all the time: try again in a moment", setting.id()))
}

/// The tier of new parameters that say none.
pub(crate) async fn default_tier(house: &House) -> Result<TierWish, Refusal> {
    let value = get(house, Setting::DefaultParameterTier).await?.value;
    Ok(TierWish::from_name(&value).unwrap_or(house.limits.parameters.default_tier))
}

/// Whether documents may be shared with everybody.
pub(crate) async fn allows_public_sharing(house: &House) -> Result<bool, Refusal> {
    Ok(get(house, Setting::PublicSharing).await?.value == "Enable")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::share::{self, ShareWish};
    use crate::documents::write::{self, NewDocument, VersionWish};
    use crate::error::Kind;
    use crate::parameters::kinds::{ParameterType, Tier};
    use crate::parameters::put::{self, PutWish};
    use crate::tests::{TestHouse, test_house};

    fn ada() -> Principal {
        Principal { name: "ada".into(), groups: [].into(), from: "here".into() }
    }

    #[test]
    fn a_setting_has_an_id_and_an_arn() {
        for setting in Setting::ALL {
            assert_eq!(Setting::parse(setting.id()).unwrap(), setting);
            let arn = format!("arn:aws:ssm:eu-central-1:123456789012:servicesetting{}", setting.id());
            assert_eq!(Setting::parse(&arn).unwrap(), setting);
        }
        for bad in ["", "/ssm/opsinsights/opscenter", "arn:aws:ssm:x:1:parameter/x"] {
            assert_eq!(Setting::parse(bad).unwrap_err().kind, Kind::NotFound, "{bad}");
        }
    }

    #[tokio::test]
    async fn what_is_set_holds_until_it_is_reset() {
        let TestHouse { house, clock, _folder } = test_house();
        let tier = Setting::DefaultParameterTier;
        let put = async |name: &str| {
            put::put(&house, PutWish::new(name, "x", ParameterType::String, "ada")).await.unwrap().tier
        };
        assert_eq!(
            get(&house, tier).await.unwrap(),
            View { setting: tier, value: "Standard".into(), set: None }
        );
        assert_eq!(put("a").await, Tier::Standard);
        let wrong = update(&house, &ada(), tier, "Golden").await.unwrap_err();
        assert!(wrong.kind == Kind::Invalid && wrong.message.contains("Standard or Advanced"), "{wrong}");
        update(&house, &ada(), tier, "Advanced").await.unwrap();
        clock.advance(std::time::Duration::from_secs(1));
        assert_eq!(put("b").await, Tier::Advanced);
        let view = get(&house, tier).await.unwrap();
        assert_eq!((view.value.as_str(), view.set.unwrap().1.as_str()), ("Advanced", "ada"));
        update(&house, &ada(), tier, "Intelligent-Tiering").await.unwrap();
        assert_eq!(put("c").await, Tier::Standard);
        for _ in 0..2 {
            assert_eq!(reset(&house, &ada(), tier).await.unwrap().value, "Standard");
        }
        assert_eq!(get(&house, tier).await.unwrap().set, None);
    }

    #[tokio::test]
    async fn a_document_is_shared_with_everybody_only_where_that_is_allowed() {
        let TestHouse { house, _folder, .. } = test_house();
        let text = r#"{"schemaVersion":"2.2","mainSteps":[{"name":"a","action":"aws:runShellScript","inputs":{"runCommand":["true"]}}]}"#;
        let version =
            VersionWish { content: text.into(), author: "ada".to_owned(), ..VersionWish::default() };
        let (name, document_type) = ("Disk".to_owned(), None);
        let new = NewDocument { name: name.clone(), document_type, tags: Default::default(), version };
        write::create(&house, new).await.unwrap();
        let all = || ShareWish { name: name.clone(), add: vec!["all".to_owned()], ..ShareWish::default() };
        update(&house, &ada(), Setting::PublicSharing, "Disable").await.unwrap();
        let refused = share::change(&house, all()).await.unwrap_err();
        assert!(refused.message.contains("public-sharing-permission"), "{refused}");
        reset(&house, &ada(), Setting::PublicSharing).await.unwrap();
        share::change(&house, all()).await.unwrap();
    }
}
