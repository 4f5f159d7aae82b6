//! Run Command in the API's shapes.

use std::collections::BTreeMap;
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{CommandId, NodeId};
use serde::Deserialize;
use serde_json::{Value, json};

use self::views::Invocation;
use super::call::{Answer, Call, answer, done};
use super::fault::Fault;
use crate::access::Principal;
use crate::commands::across::{self, Found};
use crate::commands::cancel as cancelling;
use crate::commands::history::{self, Filter, Stage, TimeKey};
use crate::commands::notify::Notify;
use crate::commands::operations::{self as operations, Status};
use crate::commands::send::{self as sending, DocumentHash, NotifyWish, Wanted, WhenEmpty, Wish};
use crate::commands::state::State;
use crate::documents::find;
use crate::documents::kinds::HashType;
use crate::documents::names::Reference;
use crate::error::{Kind, Refusal};
use crate::nodes::operations::matching;
use crate::nodes::targets::Selector;

mod shapes;
mod views;

pub(super) use shapes::{CANCEL, GET, INVOCATIONS, LIST, SEND};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Send {
    #[serde(default)]
    instance_ids: Vec<String>,
    #[serde(default)]
    targets: Vec<Target>,
    document_name: String,
    #[serde(default)]
    document_version: String,
    document_hash: Option<String>,
    document_hash_type: Option<String>,
    timeout_seconds: Option<u64>,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    parameters: BTreeMap<String, Vec<String>>,
    #[serde(rename = "OutputS3BucketName")]
    output_s3_bucket_name: Option<String>,
    #[serde(default)]
    max_concurrency: String,
    #[serde(default)]
    max_errors: String,
    notification_config: Option<Notification>,
    cloud_watch_output_config: Option<CloudWatch>,
    alarm_configuration: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Target {
    #[serde(default)]
    key: String,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Notification {
    #[serde(default)]
    pub(super) notification_arn: String,
    #[serde(default)]
    pub(super) notification_events: Vec<String>,
    #[serde(default)]
    pub(super) notification_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CloudWatch {
    #[serde(default)]
    cloud_watch_output_enabled: bool,
}

impl Send {
    /// What only AWS could do is refused: nobody is to look for output where none will ever be.
    fn refuse_what_is_not_here(&self) -> Result<(), Fault> {
        if self.output_s3_bucket_name.as_ref().is_some_and(|name| !name.is_empty()) {
            return Err(Fault::new(
                "InvalidOutputFolder",
                "this controller keeps all output itself and writes none to S3: leave OutputS3BucketName out",
            ));
        }
        if self.cloud_watch_output_config.as_ref().is_some_and(|config| config.cloud_watch_output_enabled) {
            return Err(Fault::validation(
                "this controller keeps all output itself and writes none to CloudWatch: leave CloudWatchOutputConfig out",
            ));
        }
        if self.alarm_configuration.is_some() {
            return Err(Fault::validation("this controller has no alarms: leave AlarmConfiguration out"));
        }
        Ok(())
    }

    fn targets(&mut self) -> Result<Vec<(String, Vec<String>)>, Fault> {
        let ids = std::mem::take(&mut self.instance_ids);
        let targets = std::mem::take(&mut self.targets);
        match (ids.is_empty(), targets.is_empty()) {
            (false, false) => {
                Err(Fault::validation("InstanceIds and Targets cannot be used at once: use Targets"))
            }
            (true, true) => {
                Err(Fault::validation("nobody is targeted: name nodes in InstanceIds, or use Targets"))
            }
            (true, false) => Ok(targets.into_iter().map(|target| (target.key, target.values)).collect()),
            (false, true) => {
                refuse_duplicates(&ids)?;
                Ok(vec![("InstanceIds".to_owned(), ids)])
            }
        }
    }

    fn wish(mut self, caller: &Principal) -> Result<Wish, Fault> {
        self.refuse_what_is_not_here()?;
        let targets = self.targets()?;
        let hash_type = self.document_hash_type.as_deref().map_or(Ok(HashType::Sha256), HashType::parse)?;
        let hash = self.document_hash.filter(|hash| !hash.is_empty());
        let notify = self.notification_config.filter(|config| !config.notification_arn.is_empty());
        Ok(Wish {
            document: Wanted::Named {
                name: self.document_name,
                version: self.document_version,
                hash: hash.map(|hash| DocumentHash { hash_type, hash }),
            },
            parameters: self.parameters,
            targets,
            max_concurrency: self.max_concurrency,
            max_errors: self.max_errors,
            delivery_timeout: Duration::from_secs(self.timeout_seconds.unwrap_or(0)),
            comment: self.comment,
            client_token: String::new(),
            requested_by: caller.name.to_string(),
            asked_by: Some(caller.clone()),
            when_empty: WhenEmpty::Keep,
            notify: notify.map(|config| NotifyWish {
                url: config.notification_arn,
                events: config.notification_events,
                about: config.notification_type,
            }),
        })
    }
}

fn refuse_duplicates(ids: &[String]) -> Result<(), Fault> {
    let mut seen = std::collections::BTreeSet::new();
    match ids.iter().find(|id| !seen.insert(id.as_str())) {
        None => Ok(()),
        Some(twice) => {
            Err(Fault::new("DuplicateInstanceId", format!("{twice} is named twice: name each node once")))
        }
    }
}

pub(super) async fn send(call: Call<'_>, input: Value) -> Answer {
    let wish = Call::read::<Send>(input)?.wish(&call.caller)?;
    let given: Vec<_> = wish.parameters.keys().cloned().collect();
    let (id, record) = match sending::send(call.house, wish.clone()).await {
        Ok(sent) => sent,
        Err(refusal) => return Err(why_not_sent(&call, &wish, refusal).await),
    };
    let command = views::command(&call, &id, &record, Some(&given)).await?;
    answer(&json!({ "Command": command }))
}

/// The API's name for what a refusal is about: the document, the nodes, the notification, or the parameters.
async fn why_not_sent(call: &Call<'_>, wish: &Wish, refusal: Refusal) -> Fault {
    if !matches!(refusal.kind, Kind::NotFound | Kind::Invalid | Kind::Conflict) {
        return refusal.into();
    }
    if let Wanted::Named { name, version, hash } = &wish.document {
        let found = match Reference::parse(name, version) {
            Ok(reference) => find::get(call.house, &reference).await,
            Err(error) => Err(error),
        };
        match found {
            Err(error) => return error.into(),
            Ok(found) if !found.view.document_type.runs_as_command() => {
                return Fault::new("InvalidDocument", refusal.message);
            }
            Ok(_) if refusal.kind == Kind::Conflict && hash.is_some() => {
                return Fault::new("InvalidDocument", refusal.message);
            }
            Ok(_) => {}
        }
    }
    let selectors: Result<Vec<_>, _> =
        wish.targets.iter().map(|(key, values)| Selector::parse(key, values.clone())).collect();
    match selectors {
        Err(refusal) => return Fault::validation(refusal.message),
        Ok(selectors) => {
            if let Err(refusal) = matching(call.house, &selectors).await {
                return Fault::named(
                    refusal,
                    &[(Kind::NotFound, "InvalidInstanceId"), (Kind::Invalid, "InvalidInstanceId")],
                );
            }
        }
    }
    if let Some(NotifyWish { url, events, about }) = &wish.notify
        && let Err(refusal) = Notify::parse(url, events, about, call.house.limits.plain_http)
    {
        return Fault::new("InvalidNotificationConfig", refusal.message);
    }
    Fault::named(refusal, &[(Kind::Invalid, "InvalidParameters")])
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cancel {
    command_id: String,
    #[serde(default)]
    instance_ids: Vec<String>,
}

pub(super) async fn cancel(call: Call<'_>, input: Value) -> Answer {
    let Cancel { command_id, instance_ids } = Call::read(input)?;
    let id = parse_command(&command_id)?;
    operations::get(call.house, &id).await.map_err(unknown_command)?;
    refuse_duplicates(&instance_ids)?;
    let refused = |refusal| Fault::named(refusal, &[(Kind::NotFound, "InvalidInstanceId")]);
    cancelling::cancel(call.house, &id, &instance_ids, &call.caller.name).await.map_err(refused)?;
    done()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    command_id: Option<String>,
    instance_id: Option<String>,
    #[serde(default)]
    filters: Vec<KeyValue>,
    #[serde(default)]
    details: bool,
}

#[derive(Debug, Deserialize)]
struct KeyValue {
    key: String,
    value: String,
}

impl List {
    fn command(&self) -> Result<Option<CommandId>, Fault> {
        self.command_id.as_deref().map(parse_command).transpose()
    }

    fn node(&self) -> Result<Option<NodeId>, Fault> {
        self.instance_id.as_deref().map(parse_node).transpose()
    }

    fn filter(&self) -> Result<Filter, Fault> {
        let mut filter = Filter { node: self.node()?, ..Filter::default() };
        for KeyValue { key, value } in &self.filters {
            match key.as_str() {
                "InvokedAfter" => filter.from = Some(moment(value)?),
                "InvokedBefore" => filter.until = Some(moment(value)?),
                "Status" => filter.statuses.push(status(value)?),
                "ExecutionStage" => filter.stage = Some(stage(value)?),
                "DocumentName" => filter.document = Some(document_name(value)?),
                _ => {
                    return Err(Fault::new(
                        "InvalidFilterKey",
                        format!("`{}` is not a filter", key.escape_debug()),
                    ));
                }
            }
        }
        Ok(filter)
    }
}

pub(super) async fn list(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let wanted: List = Call::read(input)?;
    let filter = wanted.filter()?;
    let (found, next) = match wanted.command()? {
        None => {
            history::list(call.house, &filter, page.after::<Position>()?.map(time_key), page.size).await?
        }
        Some(id) => {
            let found = across::passes(call.house, &filter, &id).await.map_err(unknown_command)?;
            (found.map(|record| (id, record)).into_iter().collect(), None)
        }
    };
    let mut commands = Vec::with_capacity(found.len());
    for (id, record) in &found {
        commands.push(views::command(&call, id, record, None).await?);
    }
    answer(&paged("Commands", &commands, page.token(next.map(position))))
}

pub(super) async fn invocations(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let mut wanted: List = Call::read(input)?;
    let command = wanted.command()?;
    if let Some(id) = &command {
        operations::get(call.house, id).await.map_err(unknown_command)?;
    }
    // A status is that of the invocation here, not of its command.
    let (of_invocation, of_command): (Vec<_>, _) =
        std::mem::take(&mut wanted.filters).into_iter().partition(|filter| filter.key == "Status");
    wanted.filters = of_command;
    let states = of_invocation.iter().map(|filter| state(&filter.value)).collect::<Result<_, _>>()?;
    let filtered = across::Wanted { command, filter: wanted.filter()?, states };
    let after = page.after::<(Position, NodeId)>()?.map(|(at, node)| (time_key(at), node));
    let (found, next) = across::list(call.house, &filtered, after, page.size).await?;
    let mut shown = Vec::with_capacity(found.len());
    for found in found {
        shown.push(Invocation(&found).in_list(&call, wanted.details).await?);
    }
    let next = page.token(next.map(|(at, node)| (position(at), node)));
    answer(&paged("CommandInvocations", &shown, next))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Get {
    command_id: String,
    instance_id: String,
    plugin_name: Option<String>,
}

pub(super) async fn get(call: Call<'_>, input: Value) -> Answer {
    let Get { command_id, instance_id, plugin_name } = Call::read(input)?;
    let (id, node) = (parse_command(&command_id)?, parse_node(&instance_id)?);
    let none = |refusal| Fault::named(refusal, &[(Kind::NotFound, "InvocationDoesNotExist")]);
    let command = operations::get(call.house, &id).await.map_err(none)?;
    let invocation = operations::invocation(call.house, &id, &node).await.map_err(none)?;
    let found = Found { id, command, node, invocation };
    answer(&Invocation(&found).whole(&call, plugin_name.as_deref()).await?)
}

/// A place in the list of commands, as tokens hold it.
type Position = (u64, CommandId);

fn position((time, id): TimeKey) -> Position {
    (time.0, id)
}

fn time_key((time, id): Position) -> TimeKey {
    (fleetwright_store::Reverse(time), id)
}

fn paged(name: &str, items: &[Value], next: Option<String>) -> Value {
    let mut page = json!({ name: items });
    if let Some(token) = next {
        page["NextToken"] = token.into();
    }
    page
}

fn parse_command(text: &str) -> Result<CommandId, Fault> {
    text.parse().map_err(|error| Fault::new("InvalidCommandId", format!("{error}")))
}

/// The API goes by ids; one of another form than ours is the id of no node here.
fn parse_node(text: &str) -> Result<NodeId, Fault> {
    text.parse().map_err(|_| {
        Fault::new(
            "InvalidInstanceId",
            format!("`{}` is not the id of a node of this fleet", text.escape_debug()),
        )
    })
}

fn unknown_command(refusal: Refusal) -> Fault {
    Fault::named(refusal, &[(Kind::NotFound, "InvalidCommandId")])
}

/// ISO 8601 with a zone, as `2026-01-31T23:59:59Z`.
fn moment(text: &str) -> Result<Timestamp, Fault> {
    let parsed = chrono::DateTime::parse_from_rfc3339(text);
    parsed.map(|moment| Timestamp::from_millis(moment.timestamp_millis())).map_err(|_| {
        Fault::validation(format!("`{}` is not a moment as 2026-01-31T23:59:59Z", text.escape_debug()))
    })
}

const STATUSES: [(&str, Status); 7] = [
    ("Pending", Status::Pending),
    ("InProgress", Status::InProgress),
    ("Success", Status::Success),
    ("Cancelled", Status::Cancelled),
    ("Failed", Status::Failed),
    ("TimedOut", Status::TimedOut),
    ("Cancelling", Status::Cancelling),
];

fn status(word: &str) -> Result<Status, Fault> {
    STATUSES.iter().find(|(known, _)| *known == word).map(|(_, status)| *status).ok_or_else(|| {
        let known: Vec<_> = STATUSES.iter().map(|(known, _)| *known).collect();
        Fault::validation(format!("`{}` is not a status: one of {}", word.escape_debug(), known.join(", ")))
    })
}

/// An invocation has one more status than a command.
fn state(word: &str) -> Result<State, Fault> {
    if word == "Delayed" {
        return Ok(State::Delayed);
    }
    Ok(match status(word)? {
        Status::Pending => State::Pending,
        Status::InProgress => State::InProgress,
        Status::Cancelling => State::Cancelling,
        Status::Success => State::Success,
        Status::Failed => State::Failed,
        Status::TimedOut => State::TimedOut,
        Status::Cancelled => State::Cancelled,
    })
}

fn stage(word: &str) -> Result<Stage, Fault> {
    match word {
        "Executing" => Ok(Stage::Executing),
        "Complete" => Ok(Stage::Complete),
        _ => {
            Err(Fault::validation(format!("`{}` is not a stage: Executing or Complete", word.escape_debug())))
        }
    }
}

/// Commands are kept under the bare name of their document.
fn document_name(text: &str) -> Result<String, Fault> {
    Ok(Reference::parse(text, "")?.name.to_string())
}
