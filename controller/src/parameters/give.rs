//! What a node gets when it asks: its policies first, then the parameter. Knows nothing of who holds what.
//!
//! A name that no policy gives to the node is denied before anybody looks whether there is such a parameter, as SSM
//! does it. Below a path a node sees what it may read by name, and nothing of the rest.

use std::ops::Bound;

use fleetwright_proto::ids::NodeId;
use sha2::{Digest, Sha256};

use super::fault::{Fault, ParameterError};
use super::kinds::ParameterType;
use super::names::{ParameterKey, Path, Reference, not_found};
use super::read::{Chosen, Decryption, Parameter, choose, view};
use super::records::{ParameterRecord, StoredValue};
use crate::access::policy::{Action, node_may_open, node_may_read};
use crate::audit::{Event, Outcome};
use crate::error::{Kind, Refusal};
use crate::house::House;
use crate::keys::names::KeyName;

const TOKEN_BYTES: usize = 16;
/// Longest query, bytes: an ARN with a selector.
const TEXT_MAX_BYTES: usize = 2_300;
/// Names below one path that a node is told of.
pub const NAMES_MAX: usize = 500;
/// Parameters below one path that are looked at for them.
const LOOKED_AT_MAX: usize = 2_000;
/// Of these, before others get their turn.
const LOOK_KEYS: usize = 64;
/// Where a node's reads come from, for the audit log.
const FROM: &str = "agent stream";

/// What a node asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Query {
    /// As the node wrote it.
    pub text: String,
    pub kind: QueryKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueryKind {
    /// A SecureString as its ciphertext.
    Value,
    /// A SecureString as it is.
    Opened,
    /// The names below a path.
    BelowPath,
}

/// What a query depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    Parameter(ParameterKey),
    /// With a slash at its end.
    Below(String),
}

/// Stands for one answer: the same token means the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Token(pub Vec<u8>);

impl Token {
    /// Longer ones were not given by a controller: then the node has nothing.
    #[must_use]
    pub fn of_node(bytes: &[u8]) -> Self {
        if bytes.len() == TOKEN_BYTES { Self(bytes.to_vec()) } else { Self::default() }
    }

    fn of(digest: &[u8]) -> Self {
        Self(digest[..TOKEN_BYTES].to_vec())
    }
}

/// An answer that is no refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    Value { token: Token, parameter: Box<Parameter>, arn: String },
    Names { token: Token, names: Vec<String> },
    Unchanged,
}

impl Query {
    /// What the answer depends on; whether that exists is not asked.
    pub fn subject(&self) -> Result<Subject, ParameterError> {
        if self.text.len() > TEXT_MAX_BYTES {
            return Err(Fault::Validation.because(format!(
                "a parameter is asked for with at most {TEXT_MAX_BYTES} bytes, and this has {}",
                self.text.len()
            )));
        }
        Ok(match self.kind {
            QueryKind::Value | QueryKind::Opened => Subject::Parameter(Reference::parse(&self.text)?.key),
            QueryKind::BelowPath => Subject::Below(Path::parse(&self.text)?.prefix().to_owned()),
        })
    }
}

/// An answer, and what has to be in the audit log before it goes out: a secret was opened for it.
pub type Giving = (Given, Option<Event>);

/// What the node gets, unless it has it.
pub async fn give(
    house: &House,
    node: &NodeId,
    query: &Query,
    has: &Token,
) -> Result<Giving, ParameterError> {
    match query.kind {
        QueryKind::Value => value(house, node, &query.text, Decryption::No, has).await,
        QueryKind::Opened => value(house, node, &query.text, Decryption::Yes, has).await,
        QueryKind::BelowPath => Ok((names(house, node, &query.text, has).await?, None)),
    }
}

async fn value(
    house: &House,
    node: &NodeId,
    text: &str,
    decryption: Decryption<'static>,
    has: &Token,
) -> Result<Giving, ParameterError> {
    let reference = Reference::parse(text)?;
    if let Err(refusal) = node_may_read(house, node, reference.key.as_str()).await {
        return Err(denied(house, node, &reference.key, refusal));
    }
    let row = house.parameters.get(&*house.store, &reference.key).await?.ok_or_else(|| not_found(text))?;
    let chosen = choose(house, &row, reference.selector.as_ref()).await?;
    if decryption == Decryption::Yes
        && let Some(key) = chosen.version().key_id.as_deref()
        && let Err(refusal) = node_may_open(house, node, &KeyName::parse(key)?).await
    {
        return Err(denied(house, node, &reference.key, refusal));
    }
    let token = token(&row.value, &chosen, decryption);
    if token == *has {
        return Ok((Given::Unchanged, None));
    }
    let name = reference.written.unwrap_or_else(|| row.value.written.clone());
    let selector = reference.selector.as_ref().map(ToString::to_string);
    let parameter = view(house, name, &row.key, &chosen, selector, decryption).await?;
    let is_opened = parameter.parameter_type == ParameterType::SecureString && decryption == Decryption::Yes;
    let read = is_opened.then(|| {
        let on = format!("parameter {}:{}", parameter.key, parameter.version);
        event(house, node, on, Outcome::Done, String::new())
    });
    let region = house.ssm.region.as_deref().unwrap_or("local");
    let arn = format!("arn:aws:ssm:{region}:{}:parameter{}", house.ssm.account, row.key);
    Ok((Given::Value { token, parameter: Box::new(parameter), arn }, read))
}

/// A parameter that takes the name of a deleted one has another id, and a ciphertext changes when its key is rotated.
fn token(record: &ParameterRecord, chosen: &Chosen, decryption: Decryption<'_>) -> Token {
    let mut digest = Sha256::new();
    digest.update(format!("{} {} {}", record.id, chosen.number(), record.written));
    if let (StoredValue::Sealed(sealed), Decryption::No) = (&chosen.version().value, decryption) {
        digest.update(sealed.ciphertext());
    }
    Token::of(&digest.finalize())
}

async fn names(house: &House, node: &NodeId, text: &str, has: &Token) -> Result<Given, ParameterError> {
    let path = Path::parse(text)?;
    let (mut names, mut looked_at) = (Vec::new(), 0);
    let mut from = Bound::Included(ParameterKey::beginning(path.prefix()));
    loop {
        let keys: Vec<ParameterKey> = house
            .parameters
            .look(&*house.store, |rows| {
                let below = rows.range((from.clone(), Bound::Unbounded)).map(|(key, _)| key);
                let below = below.take_while(|key| key.as_str().starts_with(path.prefix()));
                below.take(LOOK_KEYS).cloned().collect()
            })
            .await?;
        let Some(last) = keys.last() else { break };
        looked_at += keys.len();
        from = Bound::Excluded(last.clone());
        for key in &keys {
            match node_may_read(house, node, key.as_str()).await {
                Ok(()) => names.push(key.to_string()),
                Err(refusal) if refusal.kind == Kind::Denied => {}
                Err(refusal) => return Err(refusal.into()),
            }
        }
        if names.len() > NAMES_MAX || looked_at > LOOKED_AT_MAX {
            return Err(Fault::Validation.because(format!(
                "too much is below {}: a host reads at most {NAMES_MAX} parameters of a path; name a deeper one",
                super::names::shown(text)
            )));
        }
        tokio::task::yield_now().await;
    }
    let token = Token::of(&Sha256::digest(names.join("\n")));
    Ok(if token == *has { Given::Unchanged } else { Given::Names { token, names } })
}

/// Notes the denial. What is refused for another reason is no denial.
fn denied(house: &House, node: &NodeId, key: &ParameterKey, refusal: Refusal) -> ParameterError {
    if refusal.kind != Kind::Denied {
        return refusal.into();
    }
    let event = event(house, node, format!("parameter {key}"), Outcome::Denied, refusal.message.clone());
    if let Some(first) = house.audit.repeats.first(event)
        && let Err(error) = house.audit.note(first)
    {
        tracing::error!(%error, "a denial is not in the audit log");
    }
    Fault::AccessDenied.because(refusal.message)
}

fn event(house: &House, node: &NodeId, on: String, outcome: Outcome, detail: String) -> Event {
    Event {
        at: house.clock.now(),
        who: node.to_string(),
        action: Action::GetParameter.name().to_owned(),
        on,
        from: FROM.to_owned(),
        outcome,
        detail,
    }
}
