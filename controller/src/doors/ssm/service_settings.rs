//! Service settings in the API's shapes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Answer, Call, Seconds, answer, done};
use super::fault::Fault;
use super::shape::{Shape, structure, text};
use crate::error::{Kind, Refusal};
use crate::service_settings::{self, Setting, View};

const ID: Shape = text(1, 1000);

pub(super) static WHICH: Shape = structure! { "SettingId" ! ID };
pub(super) static UPDATE: Shape = structure! { "SettingId" ! ID, "SettingValue" ! text(1, 4096) };

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wanted {
    setting_id: String,
    #[serde(default)]
    setting_value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown {
    service_setting: ServiceSetting,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ServiceSetting {
    setting_id: &'static str,
    setting_value: String,
    last_modified_date: Seconds,
    last_modified_user: String,
    #[serde(rename = "ARN")]
    arn: String,
    status: &'static str,
}

/// What nobody set is as old as this controller's process.
fn shown(call: &Call<'_>, View { setting, value, set }: View) -> Shown {
    let status = if set.is_some() { "Customized" } else { "Default" };
    let (modified, by) = set.unwrap_or((call.house.started, "System".to_owned()));
    let arn = format!("arn:aws:ssm:{}:{}:servicesetting{}", call.region(), call.account(), setting.id());
    Shown {
        service_setting: ServiceSetting {
            setting_id: setting.id(),
            setting_value: value,
            last_modified_date: Seconds(modified),
            last_modified_user: by,
            arn,
            status,
        },
    }
}

fn fault(refusal: Refusal) -> Fault {
    Fault::named(refusal, &[(Kind::NotFound, "ServiceSettingNotFound")])
}

pub(super) async fn get(call: Call<'_>, input: Value) -> Answer {
    let Wanted { setting_id, .. } = Call::read(input)?;
    let view = service_settings::get(call.house, Setting::parse(&setting_id).map_err(fault)?).await;
    answer(&shown(&call, view.map_err(fault)?))
}

pub(super) async fn update(call: Call<'_>, input: Value) -> Answer {
    let Wanted { setting_id, setting_value } = Call::read(input)?;
    let setting = Setting::parse(&setting_id).map_err(fault)?;
    service_settings::update(call.house, &call.caller, setting, &setting_value).await.map_err(fault)?;
    call.told();
    done()
}

pub(super) async fn reset(call: Call<'_>, input: Value) -> Answer {
    let Wanted { setting_id, .. } = Call::read(input)?;
    let setting = Setting::parse(&setting_id).map_err(fault)?;
    let view = service_settings::reset(call.house, &call.caller, setting).await.map_err(fault)?;
    call.told();
    answer(&shown(&call, view))
}
