//! Sending a command: everything is checked before anything is written.
//!
//! A command of up to [`TARGETS_ROW_NODES`] nodes is one commit: the command, its targets, and its first wave. A larger
//! one is written in several, of which the last says that all are there; only then is anything sent, and after a crash
//! in between nothing is.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use fleetwright_documents::{Bound, Diagnostics, Document, Platform};
use fleetwright_proto::DOCUMENT_MAX_BYTES;
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::Batch;

use super::history;
use super::limits::{Limit, parse_concurrency, parse_errors};
use super::notify::Notify;
use super::payload::{self, Keep};
use super::reconcile::abandon;
use super::records::{
    CommandRecord, Dispatch, DocumentSource, DocumentUsed, InvocationRecord, Mark, Outcome, TargetsRecord,
    TokenRecord, WaveRecord,
};
use super::references;
use super::roster::TARGETS_ROW_NODES;
use super::state::{self, Reason};
use super::tally::{Counts, Verdict};
use crate::access::Principal;
use crate::access::policy::{Action, Resource, authorize};
use crate::documents::find;
use crate::documents::kinds::{DocumentType, HashType};
use crate::documents::names::{Reference, shown};
use crate::error::{Kind, Refusal};
use crate::house::House;
use crate::meters::NewWork;
use crate::nodes::operations::matching;
use crate::nodes::records::NodeRecord;
use crate::nodes::targets::{Selector, TARGETS_MAX};
use crate::room;
use crate::tables::{
    COMMAND, COMMAND_OPEN, COMMAND_TARGETS, COMMAND_TOKEN, COMMAND_WAVE, INVOCATION, NODE, NOTICE_OPEN,
};

/// The name of a document that came with its command.
const INLINE: &str = "(inline)";
/// Longest comment, characters (reference, section 3.1).
const COMMENT_MAX_CHARS: usize = 100;
const TOKEN_MAX_CHARS: usize = 64;
/// SSM's default delivery time-out (reference, section 3.1).
const DELIVERY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(3600);
const DELIVERY_TIMEOUT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Which document a command is to run.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// A stored or shipped one, under its name, `name:version` or ARN. An empty version is the default version. With a
    /// hash, only if its text has this hash.
    Named { name: String, version: String, hash: Option<DocumentHash> },
    /// One that comes with the request.
    Content(Bytes),
}

/// The hash that a document's text must have, hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentHash {
    pub hash_type: HashType,
    pub hash: String,
}

/// What an operator asks for, unchecked.
#[derive(Debug, Clone)]
pub struct Wish {
    pub document: Wanted,
    pub parameters: BTreeMap<String, Vec<String>>,
    pub targets: Vec<(String, Vec<String>)>,
    pub max_concurrency: String,
    pub max_errors: String,
    /// Zero: one hour.
    pub delivery_timeout: Duration,
    pub comment: String,
    pub client_token: String,
    pub requested_by: String,
    /// Who has to be allowed the document and every target; None: the controller itself, on behalf of what was allowed.
    pub asked_by: Option<Principal>,
    pub when_empty: WhenEmpty,
    pub notify: Option<NotifyWish>,
}

/// Who is to hear of a command, unchecked.
#[derive(Debug, Clone)]
pub struct NotifyWish {
    pub url: String,
    pub events: Vec<String>,
    /// Command or Invocation; empty: Command.
    pub about: String,
}

/// What becomes of a command whose targets are nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenEmpty {
    /// It is refused: whoever typed it wants to know.
    Refuse,
    /// It is kept as one that ended at once, as SSM does with targets that are tags or groups.
    Keep,
}

/// Sends a command. Durable when this returns: the command and one invocation for each target. A repeated wish with
/// the same client token answers with the command that the first one made; another wish with it is refused.
pub async fn send(house: &House, wish: Wish) -> Result<(CommandId, CommandRecord), Refusal> {
    let token = Token::of(&wish);
    if let Some(earlier) = earlier(house, &token).await? {
        return Ok(earlier);
    }
    room::admit(house, NewWork::Command)?;
    let id = CommandId::random();
    let judged = judge(house, wish).await?;
    let checked = keep(house, &id, judged).await?;
    match write(house, &id, checked, &token).await {
        Ok(record) => Ok((id, record)),
        Err(error) => {
            abandon(house, &id).await?;
            match (error.kind, earlier(house, &token).await?) {
                (Kind::Conflict, Some(earlier)) => Ok(earlier),
                (Kind::Conflict, None) => {
                    Err(Refusal::conflict("a node left the fleet while the command was written: try again"))
                }
                _ => Err(error),
            }
        }
    }
}

/// Everything that [`send`] checks, and nothing is written: to how many nodes it would be sent now.
pub async fn rehearse(house: &House, wish: Wish) -> Result<u32, Refusal> {
    let judged = judge(house, wish).await?;
    Ok(u32::try_from(judged.nodes.len()).unwrap_or(u32::MAX))
}

/// A client's token and what it stands for.
struct Token {
    text: String,
    request_sha256: String,
}

impl Token {
    /// Who asks and when is no part of the request: the same wish may be repeated by a colleague.
    fn of(wish: &Wish) -> Self {
        let Wish { document, parameters, targets, max_concurrency, max_errors, .. } = wish;
        let Wish { delivery_timeout, comment, client_token, when_empty: _, notify, requested_by: _, .. } =
            wish;
        let request = (document, parameters, targets, max_concurrency, max_errors);
        let text = format!("{request:?} {:?}", (delivery_timeout, comment, notify));
        Self { text: client_token.clone(), request_sha256: payload::digest(text.as_bytes()) }
    }
}

async fn earlier(house: &House, token: &Token) -> Result<Option<(CommandId, CommandRecord)>, Refusal> {
    if token.text.is_empty() {
        return Ok(None);
    }
    let Some(row) = COMMAND_TOKEN.get(&*house.store, &token.text).await? else {
        return Ok(None);
    };
    let TokenRecord { command: id, request_sha256 } = row.value;
    if request_sha256.is_some_and(|known| known != token.request_sha256) {
        return Err(Refusal::conflict(format!(
            "the client token `{}` was used for another request, which became command {id}: take a new token",
            token.text.escape_debug()
        )));
    }
    let record = super::operations::get(house, &id).await?;
    Ok(Some((id, record)))
}

/// A wish that can be fulfilled, before anything of it is kept.
struct Judged {
    wish: Kept,
    used: DocumentUsed,
    text: Bytes,
    document: Document,
    bound: Bound,
    limits: (Limit, Limit, Duration),
    targets: Vec<Selector>,
    notify: Option<Notify>,
    nodes: Vec<(NodeId, NodeRecord)>,
}

/// What is kept of a wish as it was written.
struct Kept {
    comment: String,
    requested_by: String,
    client_token: String,
}

struct Checked {
    record: CommandRecord,
    document: Document,
    nodes: Vec<(NodeId, NodeRecord)>,
}

async fn judge(house: &House, wish: Wish) -> Result<Judged, Refusal> {
    check_texts(&wish)?;
    let max_concurrency = parse_concurrency(&wish.max_concurrency)?;
    let max_errors = parse_errors(&wish.max_errors)?;
    let delivery_timeout = delivery_timeout(wish.delivery_timeout)?;
    let targets = selectors(wish.targets.clone())?;
    let (used, text, document) = find_document(house, wish.document.clone()).await?;
    let notify = match &wish.notify {
        Some(NotifyWish { url, events, about }) => {
            Some(Notify::parse(url, events, about, house.limits.plain_http)?)
        }
        None => None,
    };
    let bound = bind(&used.name, &document, &wish.parameters)?;
    let bound = references::resolve(house, &document, bound).await?;
    let size = text.len() + bound.to_json().len();
    if size > DOCUMENT_MAX_BYTES {
        return Err(Refusal::invalid(format!(
            "document and parameters are {size} bytes together: {DOCUMENT_MAX_BYTES} at most"
        )));
    }
    let nodes = matching(house, &targets).await?;
    if let Some(principal) = &wish.asked_by {
        allow(house, principal, &used.name, &nodes).await?;
    }
    let by_id = targets.iter().any(|target| matches!(target, Selector::Nodes(_)));
    if nodes.is_empty() && (by_id || wish.when_empty == WhenEmpty::Refuse) {
        return Err(Refusal::not_found(format!(
            "no node matches {}: `node list` shows nodes and their tags",
            describe(&targets)
        )));
    }
    let Wish { comment, requested_by, client_token, .. } = wish;
    Ok(Judged {
        wish: Kept { comment, requested_by, client_token },
        used,
        text,
        document,
        bound,
        limits: (max_concurrency, max_errors, delivery_timeout),
        targets,
        notify,
        nodes,
    })
}

async fn keep(house: &House, id: &CommandId, judged: Judged) -> Result<Checked, Refusal> {
    let Judged { wish, used, text, document, bound, limits, targets, notify, nodes } = judged;
    let (max_concurrency, max_errors, delivery_timeout) = limits;
    if used.source == DocumentSource::Blob {
        payload::keep_document(house, id, text).await?;
    }
    let record = CommandRecord {
        execution_timeout_ms: millis(document.execution_timeout(&bound)),
        document: used,
        parameters: payload::keep_parameters(house, id, bound.to_json(), Keep::of(&bound)).await?,
        targets,
        target_count: u32::try_from(nodes.len()).unwrap_or(u32::MAX),
        targets_written: false,
        max_concurrency,
        max_errors,
        delivery_timeout_ms: millis(delivery_timeout),
        comment: wish.comment,
        requested_by: wish.requested_by,
        requested: house.clock.now(),
        client_token: (!wish.client_token.is_empty()).then_some(wish.client_token),
        cancel: None,
        outcome: nodes.is_empty().then(|| Outcome {
            verdict: Verdict::NoTargets {},
            finished: house.clock.now(),
            counts: Counts::default(),
        }),
        notify,
    };
    Ok(Checked { record, document, nodes })
}

/// Whoever may not run this on one of the targets runs it on none of them.
pub(crate) async fn allow(
    house: &House,
    principal: &Principal,
    name: &str,
    nodes: &[(NodeId, NodeRecord)],
) -> Result<(), Refusal> {
    if principal.is_admin() {
        return Ok(());
    }
    let tags = find::tags_of(house, name).await?;
    let document = Resource::Document { name, tags: &tags };
    authorize(house, principal, Action::SendCommand, &document)?;
    for (id, record) in nodes {
        authorize(house, principal, Action::SendCommand, &Resource::Node(id, record))?;
    }
    Ok(())
}

fn check_texts(wish: &Wish) -> Result<(), Refusal> {
    for (what, text, most) in
        [("comment", &wish.comment, COMMENT_MAX_CHARS), ("client token", &wish.client_token, TOKEN_MAX_CHARS)]
    {
        if text.chars().count() > most {
            return Err(Refusal::invalid(format!("the {what} is longer than {most} characters")));
        }
    }
    Ok(())
}

fn delivery_timeout(wanted: Duration) -> Result<Duration, Refusal> {
    if wanted.is_zero() {
        return Ok(DELIVERY_TIMEOUT_DEFAULT);
    }
    if !(Duration::from_secs(1)..=DELIVERY_TIMEOUT_MAX).contains(&wanted) {
        return Err(Refusal::invalid("the delivery time-out is out of range: 1 second to 30 days"));
    }
    Ok(wanted)
}

fn selectors(targets: Vec<(String, Vec<String>)>) -> Result<Vec<Selector>, Refusal> {
    if targets.is_empty() {
        return Err(Refusal::invalid("no target: name nodes, a tag, a platform, or all"));
    }
    if targets.len() > TARGETS_MAX {
        return Err(Refusal::invalid(format!(
            "{} targets are too many: {TARGETS_MAX} at most",
            targets.len()
        )));
    }
    targets.into_iter().map(|(key, values)| Selector::parse(&key, values)).collect()
}

fn describe(targets: &[Selector]) -> String {
    let parts = targets.iter().map(|selector| {
        let (key, values) = selector.parts();
        if values.is_empty() { key } else { format!("{key}={}", values.join(",")) }
    });
    parts.collect::<Vec<_>>().join(" and ")
}

/// What a command runs, fixed from here on: a document of the fleet is copied, so that nobody who changes or deletes
/// it meanwhile changes what runs.
async fn find_document(house: &House, wanted: Wanted) -> Result<(DocumentUsed, Bytes, Document), Refusal> {
    let (name, version, source, text) = match wanted {
        Wanted::Named { name, version, hash } => {
            let found = find::get(house, &Reference::parse(&name, &version)?).await?;
            refuse_type(&found.view)?;
            refuse_other_hash(&found, hash)?;
            let source = match found.view.owner {
                find::Owner::Amazon => DocumentSource::Library,
                find::Owner::Fleet => DocumentSource::Blob,
            };
            (found.view.name, found.view.version.to_string(), source, found.content)
        }
        Wanted::Content(text) => (INLINE.to_owned(), "1".to_owned(), DocumentSource::Blob, text),
    };
    let checked = fleetwright_documents::parse(&text).map_err(|problems| bad_document(&name, &problems))?;
    if checked.document.kind() != fleetwright_documents::Kind::Command {
        return Err(Refusal::invalid(format!(
            "{name} is not a Command document: Run Command runs only those"
        )));
    }
    let sha256 = payload::digest(&text);
    Ok((DocumentUsed { name, version, sha256, source }, text, checked.document))
}

fn refuse_type(view: &find::View) -> Result<(), Refusal> {
    let (name, found) = (&view.name, view.document_type);
    if found.runs_as_command() {
        return Ok(());
    }
    let instead = match found {
        DocumentType::Policy => "it is for associations",
        DocumentType::Automation => "a runbook runs at the controller, step by step",
        DocumentType::Package => "AWS-ConfigureAWSPackage installs it",
        _ => "it has no steps for nodes",
    };
    Err(Refusal::invalid(format!("{name} is of type {found}, and Run Command runs only Command: {instead}")))
}

fn refuse_other_hash(found: &find::Found, wanted: Option<DocumentHash>) -> Result<(), Refusal> {
    let Some(DocumentHash { hash_type, hash }) = wanted else { return Ok(()) };
    let actual = hash_type.of(&found.content);
    if actual.eq_ignore_ascii_case(&hash) {
        return Ok(());
    }
    Err(Refusal::conflict(format!(
        "version {} of document {} has {hash_type} {actual}, and not {}: look at what changed before you run it",
        found.view.version,
        found.view.name,
        shown(&hash)
    )))
}

fn bad_document(name: &str, problems: &Diagnostics) -> Refusal {
    let named = if name == INLINE { String::new() } else { format!(" {name}") };
    Refusal::invalid(format!("the document{named} has errors:\n{problems}"))
}

fn bind(
    name: &str,
    document: &Document,
    arguments: &BTreeMap<String, Vec<String>>,
) -> Result<Bound, Refusal> {
    document.bind(arguments).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        Refusal::invalid(format!("the parameters do not fit {name}: {}", lines.join("; ")))
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

async fn write(
    house: &House,
    id: &CommandId,
    checked: Checked,
    token: &Token,
) -> Result<CommandRecord, Refusal> {
    let Checked { mut record, document, mut nodes } = checked;
    let platforms: Vec<_> = document.platforms().collect();
    // Connected nodes first, as in every later wave: a node that is away takes no turn from one that is here.
    nodes.sort_by_cached_key(|(node, _)| !house.lines.is_open(node));
    if nodes.is_empty() {
        let mut batch = Batch::new();
        record.targets_written = true;
        add_command(&mut batch, id, &record, token)?;
        history::close(&mut batch, id, &record)?;
        house.store.commit(batch).await?;
    }
    let parts = nodes.chunks(TARGETS_ROW_NODES);
    let last = parts.len().saturating_sub(1);
    for (part, nodes) in (0..).zip(parts) {
        let mut batch = Batch::new();
        record.targets_written = part == last;
        if part == 0 {
            add_command(&mut batch, id, &record, token)?;
        } else if record.targets_written {
            COMMAND.put(&mut batch, id, &record)?;
        }
        let mut waiting = Vec::with_capacity(nodes.len());
        for (node, about) in nodes {
            batch.require(NODE.exists(node));
            match impossible(&record, about, &platforms) {
                Some(ended) => INVOCATION.insert(&mut batch, &(id.clone(), node.clone()), &ended)?,
                None => waiting.push(node.clone()),
            }
        }
        if last == 0 {
            add_first_wave(house, &mut batch, id, &record, &waiting)?;
        }
        COMMAND_TARGETS.insert(&mut batch, &(id.clone(), part as u64), &TargetsRecord { nodes: waiting })?;
        house.store.commit(batch).await?;
    }
    Ok(record)
}

fn add_first_wave(
    house: &House,
    batch: &mut Batch,
    id: &CommandId,
    record: &CommandRecord,
    waiting: &[NodeId],
) -> Result<(), Refusal> {
    let turns = record.max_concurrency.concurrency(record.target_count);
    let turns = usize::try_from(turns).unwrap_or(usize::MAX).min(waiting.len());
    if turns > 0 {
        COMMAND_WAVE.insert(batch, &(id.clone(), 0), &wave(house, waiting[..turns].to_vec()))?;
    }
    Ok(())
}

/// These nodes, sent to now.
pub(super) fn wave(house: &House, nodes: Vec<NodeId>) -> WaveRecord {
    let dispatch = Dispatch { at: house.clock.now(), seq: house.sequence.next() };
    let (connected, away) = nodes.into_iter().partition(|node| house.lines.is_open(node));
    WaveRecord { dispatch, connected, away }
}

fn add_command(
    batch: &mut Batch,
    id: &CommandId,
    record: &CommandRecord,
    token: &Token,
) -> Result<(), Refusal> {
    COMMAND.insert(batch, id, record)?;
    if record.outcome.is_none() {
        COMMAND_OPEN.put(batch, id, &Mark {})?;
    }
    if record.notify.is_some() {
        NOTICE_OPEN.put(batch, id, &Mark {})?;
    }
    history::enter(batch, id, record)?;
    if !token.text.is_empty() {
        let request_sha256 = Some(token.request_sha256.clone());
        COMMAND_TOKEN.insert(batch, &token.text, &TokenRecord { command: id.clone(), request_sha256 })?;
    }
    Ok(())
}

/// The end of an invocation that its node's platform makes impossible.
fn impossible(
    command: &CommandRecord,
    node: &NodeRecord,
    platforms: &[Platform],
) -> Option<InvocationRecord> {
    let platform = &node.facts.platform_type;
    if platforms.iter().any(|supported| supported.name().eq_ignore_ascii_case(platform)) {
        return None;
    }
    let reason = Reason::UnsupportedPlatform { platform: platform.clone() };
    state::lost(state::waiting(command), reason, command.requested)
}

/// The moment in a form that sorts newest first.
pub(crate) fn newest_first(moment: Timestamp) -> fleetwright_store::Reverse<u64> {
    fleetwright_store::Reverse(u64::try_from(moment.millis()).unwrap_or(0))
}
