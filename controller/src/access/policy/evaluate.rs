//! The one evaluator: may this principal do this with that? Pure over what is known; `access check` asks the same
//! function as every door.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy::{
    Authorizer, Context, Decision as Effect, Entities, Entity, EntityUid, Policy, PolicySet, Request,
};
use fleetwright_proto::ids::NodeId;
use fleetwright_store::Row;

use super::actions::Action;
use super::resources::{Kind, Resource, uid};
use super::{BUILT_IN, written};
use crate::access::Principal;
use crate::access::records::PolicyRecord;
use crate::error::Refusal;
use crate::house::House;
use crate::keys::names::KeyName;
use crate::nodes::records::NodeRecord;
use crate::parameters::names::Reference;
use crate::tables::NODE;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub enum Who<'a> {
    Operator(&'a Principal),
    Node(&'a NodeId, &'a NodeRecord),
}

/// An answer, and the policies that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    /// The names of what decided; none when nothing allows it.
    pub policies: Vec<String>,
    /// What went wrong on the way; then nothing is allowed.
    pub faults: Vec<String>,
}

/// Why somebody may not do something; the words are for him.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    pub message: String,
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::denied(denied.message)
    }
}

/// The kept policies, parsed.
#[derive(Debug, Default)]
pub struct Policies {
    set: PolicySet,
    /// A policy that cannot be read may be one that forbids: then nothing is allowed but to administrators.
    unreadable: BTreeSet<String>,
    /// Operators whom a statement names: what they may do is not told by their groups alone.
    named: BTreeSet<String>,
    decided: Mutex<HashMap<Question, Decision>>,
}

/// Decisions that are kept, as long as the policies are the same.
const DECISIONS_MAX: usize = 8_192;

/// Everything on which a decision about an operator and a thing without attributes of its own depends.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Question {
    name: Arc<str>,
    groups: Arc<[String]>,
    action: Action,
    kind: Kind,
    id: Box<str>,
}

impl Question {
    /// None when the decision also depends on what may change.
    fn of(who: Who<'_>, action: Action, resource: &Resource<'_>) -> Option<Self> {
        let Who::Operator(principal) = who else { return None };
        let (Resource::Fleet | Resource::Parameter(_) | Resource::Path(_) | Resource::Named(..)) = resource
        else {
            return None;
        };
        Some(Self {
            name: principal.name.clone(),
            groups: principal.groups.clone(),
            action,
            kind: resource.kind(),
            id: resource.id().into(),
        })
    }
}

impl Policies {
    #[must_use]
    pub fn of(rows: &[Row<String, PolicyRecord>]) -> Self {
        let mut policies = Self::default();
        for row in rows {
            match written::check(&row.key, &row.value.text) {
                Ok(checked) => policies.add(&row.key, checked.policies),
                Err(problems) => {
                    let why = problems.first().map(|problem| problem.message.as_str()).unwrap_or_default();
                    tracing::error!(policy = row.key, why, "a kept policy cannot be read: all is denied");
                    policies.unreadable.insert(row.key.clone());
                }
            }
        }
        policies
    }

    fn add(&mut self, name: &str, statements: Vec<Policy>) {
        for statement in statements {
            let operators = statement.entity_literals().into_iter();
            let operators = operators.filter(|uid| uid.type_name().basename() == Kind::Operator.name());
            self.named.extend(operators.map(|uid| uid.id().unescaped().to_owned()));
            if self.set.add(statement).is_err() {
                self.unreadable.insert(name.to_owned());
            }
        }
    }

    /// A row that the store could not decode at all.
    pub(in crate::access) fn note_unreadable(&mut self, name: &str) {
        self.unreadable.insert(name.to_owned());
    }

    /// Whether a statement names this operator.
    #[must_use]
    pub fn names(&self, operator: &str) -> bool {
        self.named.contains(operator)
    }

    /// What they say.
    #[must_use]
    pub fn decide(&self, who: Who<'_>, action: Action, resource: &Resource<'_>) -> Decision {
        if let Who::Operator(principal) = who
            && principal.is_admin()
        {
            return Decision { allowed: true, policies: vec![BUILT_IN.to_owned()], faults: Vec::new() };
        }
        let fault = |faults| Decision { allowed: false, policies: Vec::new(), faults };
        if !self.unreadable.is_empty() {
            let name = |name: &String| {
                format!("the policy {name} cannot be read: an administrator has to put it again")
            };
            return fault(self.unreadable.iter().map(name).collect());
        }
        let question = Question::of(who, action, resource);
        if let Some(question) = &question
            && let Some(decision) = self.decided().get(question)
        {
            return decision.clone();
        }
        let decision = self.evaluate(who, action, resource);
        if let Some(question) = question {
            let mut decided = self.decided();
            if decided.len() >= DECISIONS_MAX {
                decided.clear();
            }
            decided.insert(question, decision.clone());
        }
        decision
    }

    fn decided(&self) -> std::sync::MutexGuard<'_, HashMap<Question, Decision>> {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn evaluate(&self, who: Who<'_>, action: Action, resource: &Resource<'_>) -> Decision {
        let (Some(entities), Some(request)) =
            (entities(who, action, resource), request(who, action, resource))
        else {
            let faults = vec!["the question cannot be put to the policies".to_owned()];
            return Decision { allowed: false, policies: Vec::new(), faults };
        };
        let response = Authorizer::new().is_authorized(&request, &self.set, &entities);
        let diagnostics = response.diagnostics();
        let faults: Vec<_> = diagnostics.errors().map(ToString::to_string).collect();
        let mut policies: Vec<_> = diagnostics.reason().map(ToString::to_string).collect();
        policies.sort();
        // A policy that failed is left out by the evaluator, also one that forbids: nothing is allowed then.
        Decision { allowed: response.decision() == Effect::Allow && faults.is_empty(), policies, faults }
    }
}

fn who_uid(who: Who<'_>) -> EntityUid {
    match who {
        Who::Operator(principal) => uid(Kind::Operator, &principal.name),
        Who::Node(id, _) => uid(Kind::Node, id.as_str()),
    }
}

fn who_entity(who: Who<'_>) -> Option<Entity> {
    match who {
        Who::Operator(principal) => {
            Resource::Operator { name: &principal.name, groups: &principal.groups }.entity()
        }
        Who::Node(id, record) => Resource::Node(id, record).entity(),
    }
}

fn action_uid(name: &str) -> Option<EntityUid> {
    let type_name = "Action".parse().ok()?;
    Some(EntityUid::from_type_name_and_id(type_name, cedar_policy::EntityId::new(name)))
}

/// No more than this question needs: who asks, the verb with its group, and what it is about.
fn entities(who: Who<'_>, action: Action, resource: &Resource<'_>) -> Option<Entities> {
    let verb =
        Entity::new_no_attrs(action_uid(action.name())?, HashSet::from([action_uid(action.group().name())?]));
    let mut all: HashMap<EntityUid, Entity> = HashMap::new();
    for entity in [who_entity(who)?, resource.entity()?, verb] {
        all.insert(entity.uid(), entity);
    }
    Entities::from_entities(all.into_values(), None).ok()
}

fn request(who: Who<'_>, action: Action, resource: &Resource<'_>) -> Option<Request> {
    Request::new(who_uid(who), action_uid(action.name())?, resource.uid(), Context::empty(), None).ok()
}

/// Whether the principal may do this; the refusal says who, what, on what, and what stands against it.
pub fn authorize(
    house: &House,
    principal: &Principal,
    action: Action,
    resource: &Resource<'_>,
) -> Result<(), Denied> {
    // The one question that nearly every request of a small fleet comes down to.
    if principal.is_admin() {
        return Ok(());
    }
    let decision = house.access.decide(Who::Operator(principal), action, resource);
    if decision.allowed {
        return Ok(());
    }
    Err(denied(&format!("operator {}", principal.name), action, resource, &decision))
}

/// Whether the node may do this.
pub fn node_may(
    house: &House,
    id: &NodeId,
    record: &NodeRecord,
    action: Action,
    resource: &Resource<'_>,
) -> Result<(), Denied> {
    let decision = house.access.decide(Who::Node(id, record), action, resource);
    if decision.allowed {
        return Ok(());
    }
    Err(denied(&format!("node {id}"), action, resource, &decision))
}

/// Whether policy gives this parameter to that node, by the tags that it has now.
pub async fn node_may_read(house: &House, id: &NodeId, parameter_name: &str) -> Result<(), Refusal> {
    let name = Reference::parse(parameter_name)
        .map_err(|_| Refusal::denied("no policy allows a name that is none"))?;
    let parameter = Resource::Parameter(name.key.as_str());
    Ok(node_may(house, id, &member(house, id).await?, Action::GetParameter, &parameter)?)
}

/// Whether policy lets that node open what this key seals. The controller's own keys are for every node that gets what
/// they seal.
pub async fn node_may_open(house: &House, id: &NodeId, key: &KeyName) -> Result<(), Refusal> {
    if key.is_own() {
        return Ok(());
    }
    let key = Resource::Named(Kind::Key, key.as_str());
    Ok(node_may(house, id, &member(house, id).await?, Action::Decrypt, &key)?)
}

async fn member(house: &House, id: &NodeId) -> Result<NodeRecord, Refusal> {
    let row = NODE.get(&*house.store, id).await?;
    row.map(|row| row.value).ok_or_else(|| Refusal::denied(format!("{id} does not belong to this fleet")))
}

fn denied(who: &str, action: Action, resource: &Resource<'_>, decision: &Decision) -> Denied {
    let why = match (decision.faults.as_slice(), decision.policies.as_slice()) {
        ([fault, ..], _) => fault.clone(),
        ([], []) => "no policy allows it".to_owned(),
        ([], policies) => format!("policy {} forbids it", policies.join(", ")),
    };
    Denied { message: format!("{who} may not {action} on {resource}: {why}") }
}
