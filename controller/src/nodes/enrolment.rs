//! How a host becomes a node, and how its certificate is renewed.

use fleetwright_proto::agent::HostFacts;
use fleetwright_proto::ids::{ActivationId, NodeId};
use fleetwright_store::{Batch, CommitError};
use rustls_pki_types::CertificateDer;

use super::activations::{admits, admits_again, wrong_activation};
use super::records::{Facts, KeyRecord, NodeRecord};
use crate::authority::{Authority, IssueError};
use crate::error::Refusal;
use crate::house::House;
use crate::meters::NewWork;
use crate::records::COMMIT_ATTEMPTS;
use crate::room;
use crate::tables::{ACTIVATION, NODE, NODE_KEY};

/// What a host shows to join.
#[derive(Debug)]
pub struct Enrolment {
    pub activation: ActivationId,
    pub code: String,
    /// PKCS#10, DER.
    pub certificate_request: Vec<u8>,
    pub host: HostFacts,
}

/// What it gets.
#[derive(Debug)]
pub struct Enrolled {
    pub node: NodeId,
    pub certificate: CertificateDer<'static>,
}

/// Lets a host in. With a key that has joined before it answers with the same node and takes no second place.
/// Durable when this returns: the node, its key and the use of the activation, in one commit.
pub async fn enrol(house: &House, wish: Enrolment) -> Result<Enrolled, Refusal> {
    let key = Authority::key_of_request(&wish.certificate_request).map_err(bad_request)?;
    for _ in 0..COMMIT_ATTEMPTS {
        let known = NODE_KEY.get(&*house.store, &key).await?;
        let attempt = match known {
            Some(row) => answer_again(house, &wish, &row.value.node).await,
            None => admit(house, &wish, &key).await,
        };
        match attempt {
            Err(Attempt::Conflict) => {}
            Err(Attempt::Refused(refusal)) => return Err(refusal),
            Ok(enrolled) => return Ok(enrolled),
        }
    }
    Err(Refusal::unavailable("too many hosts join with this activation at the same moment: try again"))
}

/// Signs a new certificate for the key that the node already has. Durable when this returns: its expiry.
pub async fn renew(house: &House, node: &NodeId, request: &[u8]) -> Result<CertificateDer<'static>, Refusal> {
    let key = Authority::key_of_request(request).map_err(bad_request)?;
    for _ in 0..COMMIT_ATTEMPTS {
        let mut row = NODE.get(&*house.store, node).await?.ok_or_else(|| not_a_member(node))?;
        if row.value.key_fingerprint != key {
            return Err(Refusal::denied(format!(
                "the request to renew is for another key than that of {node}"
            )));
        }
        let issued = house.authority.issue_node(node, request, house.clock.now()).map_err(bad_request)?;
        row.value.certificate_expires = issued.expires;
        let mut batch = Batch::new();
        NODE.replace(&mut batch, &row)?;
        match house.store.commit(batch).await {
            Ok(_) => return Ok(issued.certificate),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::unavailable(format!("{node} is being changed by somebody else: try again")))
}

/// The answer to a certificate of a node that no longer exists or has another key.
#[must_use]
pub fn not_a_member(node: &NodeId) -> Refusal {
    Refusal::denied(format!("{node} does not belong to this fleet any more: enrol it again"))
}

enum Attempt {
    Conflict,
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for Attempt {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

async fn admit(house: &House, wish: &Enrolment, key: &str) -> Result<Enrolled, Attempt> {
    room::admit(house, NewWork::Enrolment)?;
    let now = house.clock.now();
    let mut activation =
        ACTIVATION.get(&*house.store, &wish.activation).await?.ok_or_else(wrong_activation)?;
    admits(&wish.activation, &activation.value, &wish.code, now)?;
    let node = NodeId::random();
    let issued = house.authority.issue_node(&node, &wish.certificate_request, now).map_err(bad_request)?;
    let record = NodeRecord {
        given_name: activation.value.default_name.clone(),
        activation: wish.activation.clone(),
        registered: now,
        key_fingerprint: key.to_owned(),
        certificate_expires: issued.expires,
        tags: activation.value.tags.clone(),
        facts: Facts::from(wish.host.clone()),
    };
    activation.value.registrations += 1;
    let mut batch = Batch::new();
    ACTIVATION.replace(&mut batch, &activation)?;
    NODE.insert(&mut batch, &node, &record)?;
    NODE_KEY.insert(&mut batch, &key.to_owned(), &KeyRecord { node: node.clone() })?;
    match house.store.commit(batch).await {
        Ok(_) => Ok(Enrolled { node, certificate: issued.certificate }),
        Err(CommitError::Conflict { .. }) => Err(Attempt::Conflict),
        Err(error) => Err(Attempt::Refused(error.into())),
    }
}

async fn answer_again(house: &House, wish: &Enrolment, node: &NodeId) -> Result<Enrolled, Attempt> {
    let activation = ACTIVATION.get(&*house.store, &wish.activation).await?.ok_or_else(wrong_activation)?;
    admits_again(&activation.value, &wish.code)?;
    let row = NODE.get(&*house.store, node).await?.ok_or_else(|| not_a_member(node))?;
    if row.value.activation != wish.activation {
        return Err(Attempt::Refused(Refusal::already_exists(format!(
            "this host's key already belongs to {node}, which joined with another activation"
        ))));
    }
    let certificate = renew(house, node, &wish.certificate_request).await?;
    Ok(Enrolled { node: node.clone(), certificate })
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
fn bad_request(error: IssueError) -> Refusal {
    match error {
        IssueError::Request(_) | IssueError::Name(_) => Refusal::invalid(error.to_string()),
        IssueError::Sign(_) => Refusal::internal(crate::error::chain(&error)),
    }
}
