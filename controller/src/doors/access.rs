//! Who may call what: one row for every rpc, and nothing without a row; and who is calling.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap};

use fleetwright_proto::clock::Timestamp;
use tonic::{Code, Status};

use crate::access::Principal;
use crate::access::policy::actions::Group;
use crate::access::policy::{Action, Resource, authorize};
use crate::audit::{Event, Outcome};
use crate::authority::{CertificateRefusal, Identity};
use crate::error::Refusal;
use crate::house::House;
use crate::parameters::names::{self, ParameterName};

/// Who is at the other end of a connection. Judged once, when the connection opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Showed no certificate.
    Anonymous,
    Known(Identity),
    /// Showed a certificate that is not accepted.
    Refused(CertificateRefusal),
}

/// Who may call an rpc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    Anyone,
    Node,
    /// An operator who may do what the rpc is called, with the fleet as such: asked before the rpc is reached.
    Operator,
    /// An operator who may do this with the fleet as such: asked before the rpc is reached.
    OperatorFor(Action),
    /// An operator of the administrators, and nobody else: it says what the controller does later without asking anybody,
    /// and who could write that could run anything anywhere.
    Administrator,
    /// An operator; the rpc itself asks whether he may do this with what its request names, through [`Asker`].
    Asks(Action),
}

/// The table. A test compares it with the rpcs that exist.
pub const RPCS: &[(&str, Caller)] = &[
    ("/fleetwright.agent.v1.Agent/Enroll", Caller::Anyone),
    ("/fleetwright.agent.v1.Agent/Connect", Caller::Node),
    ("/fleetwright.agent.v1.Agent/GetDocument", Caller::Node),
    ("/fleetwright.agent.v1.Agent/GetAttachment", Caller::Node),
    ("/fleetwright.control.v1.Controller/GetStatus", Caller::Operator),
    ("/fleetwright.control.v1.Activations/CreateActivation", Caller::Operator),
    ("/fleetwright.control.v1.Activations/ListActivations", Caller::OperatorFor(Action::DescribeActivations)),
    ("/fleetwright.control.v1.Activations/DeleteActivation", Caller::Asks(Action::DeleteActivation)),
    ("/fleetwright.control.v1.Nodes/ListNodes", Caller::OperatorFor(Action::DescribeInstanceInformation)),
    ("/fleetwright.control.v1.Nodes/GetNode", Caller::Asks(Action::GetNode)),
    ("/fleetwright.control.v1.Nodes/ChangeTags", Caller::Asks(Action::AddTagsToResource)),
    ("/fleetwright.control.v1.Nodes/WaitNodes", Caller::OperatorFor(Action::DescribeInstanceInformation)),
    ("/fleetwright.control.v1.Nodes/DeregisterNode", Caller::Asks(Action::DeregisterManagedInstance)),
    ("/fleetwright.control.v1.Nodes/CreateGroup", Caller::Asks(Action::CreateNodeGroup)),
    ("/fleetwright.control.v1.Nodes/ListGroups", Caller::OperatorFor(Action::ListNodeGroups)),
    ("/fleetwright.control.v1.Nodes/GetGroup", Caller::Asks(Action::GetNodeGroup)),
    ("/fleetwright.control.v1.Nodes/DeleteGroup", Caller::Asks(Action::DeleteNodeGroup)),
    ("/fleetwright.control.v1.Commands/SendCommand", Caller::Asks(Action::SendCommand)),
    ("/fleetwright.control.v1.Commands/CheckCommand", Caller::Asks(Action::SendCommand)),
    ("/fleetwright.control.v1.Commands/ListCommands", Caller::Operator),
    ("/fleetwright.control.v1.Commands/GetCommand", Caller::Asks(Action::GetCommand)),
    ("/fleetwright.control.v1.Commands/ListInvocations", Caller::Asks(Action::ListCommandInvocations)),
    ("/fleetwright.control.v1.Commands/WatchCommand", Caller::Asks(Action::GetCommand)),
    ("/fleetwright.control.v1.Commands/GetOutput", Caller::Asks(Action::GetOutput)),
    ("/fleetwright.control.v1.Commands/CancelCommand", Caller::Asks(Action::CancelCommand)),
    ("/fleetwright.control.v1.Commands/Explain", Caller::Asks(Action::ExplainCommand)),
    ("/fleetwright.control.v1.Documents/CreateDocument", Caller::Asks(Action::CreateDocument)),
    ("/fleetwright.control.v1.Documents/UpdateDocument", Caller::Asks(Action::UpdateDocument)),
    (
        "/fleetwright.control.v1.Documents/SetDefaultVersion",
        Caller::Asks(Action::UpdateDocumentDefaultVersion),
    ),
    ("/fleetwright.control.v1.Documents/ReadDocument", Caller::Asks(Action::GetDocument)),
    ("/fleetwright.control.v1.Documents/ListDocuments", Caller::Operator),
    ("/fleetwright.control.v1.Documents/ListVersions", Caller::Asks(Action::ListDocumentVersions)),
    ("/fleetwright.control.v1.Documents/DeleteDocument", Caller::Asks(Action::DeleteDocument)),
    ("/fleetwright.control.v1.Documents/ShareDocument", Caller::Asks(Action::ModifyDocumentPermission)),
    ("/fleetwright.control.v1.Documents/ChangeDocumentTags", Caller::Asks(Action::AddTagsToResource)),
    ("/fleetwright.control.v1.Documents/UploadAttachment", Caller::Operator),
    ("/fleetwright.control.v1.Parameters/PutParameter", Caller::Asks(Action::PutParameter)),
    ("/fleetwright.control.v1.Parameters/GetParameter", Caller::Asks(Action::GetParameter)),
    ("/fleetwright.control.v1.Parameters/ListParameters", Caller::Asks(Action::DescribeParameters)),
    ("/fleetwright.control.v1.Parameters/GetParameterHistory", Caller::Asks(Action::GetParameterHistory)),
    ("/fleetwright.control.v1.Parameters/LabelParameter", Caller::Asks(Action::LabelParameterVersion)),
    ("/fleetwright.control.v1.Parameters/DeleteParameter", Caller::Asks(Action::DeleteParameter)),
    ("/fleetwright.control.v1.Parameters/ChangeParameterTags", Caller::Asks(Action::AddTagsToResource)),
    ("/fleetwright.control.v1.Keys/CreateKey", Caller::Asks(Action::CreateKey)),
    ("/fleetwright.control.v1.Keys/ListKeys", Caller::Operator),
    ("/fleetwright.control.v1.Keys/ChangeKey", Caller::Asks(Action::ChangeKey)),
    ("/fleetwright.control.v1.Keys/RotateKey", Caller::Asks(Action::RotateKey)),
    ("/fleetwright.control.v1.Keys/RotateRootKey", Caller::Operator),
    ("/fleetwright.control.v1.Backups/TakeBackup", Caller::OperatorFor(Action::Backup)),
    ("/fleetwright.control.v1.Associations/CreateAssociation", Caller::Administrator),
    ("/fleetwright.control.v1.Associations/UpdateAssociation", Caller::Administrator),
    ("/fleetwright.control.v1.Associations/GetAssociation", Caller::Asks(Action::DescribeAssociation)),
    ("/fleetwright.control.v1.Associations/ListAssociations", Caller::Operator),
    (
        "/fleetwright.control.v1.Associations/ListAssociationVersions",
        Caller::Asks(Action::ListAssociationVersions),
    ),
    ("/fleetwright.control.v1.Associations/RunAssociation", Caller::Administrator),
    ("/fleetwright.control.v1.Associations/DeleteAssociation", Caller::Asks(Action::DeleteAssociation)),
    ("/fleetwright.control.v1.Associations/ListAssociationNodes", Caller::Asks(Action::DescribeAssociation)),
    (
        "/fleetwright.control.v1.Associations/ListExecutions",
        Caller::Asks(Action::DescribeAssociationExecutions),
    ),
    (
        "/fleetwright.control.v1.Associations/ListExecutionTargets",
        Caller::Asks(Action::DescribeAssociationExecutionTargets),
    ),
    ("/fleetwright.control.v1.Associations/GetRunOutput", Caller::Asks(Action::GetOutput)),
    ("/fleetwright.control.v1.Windows/CreateWindow", Caller::Asks(Action::CreateMaintenanceWindow)),
    ("/fleetwright.control.v1.Windows/ListWindows", Caller::OperatorFor(Action::DescribeMaintenanceWindows)),
    ("/fleetwright.control.v1.Windows/GetWindow", Caller::Asks(Action::GetMaintenanceWindow)),
    ("/fleetwright.control.v1.Windows/UpdateWindow", Caller::Asks(Action::UpdateMaintenanceWindow)),
    ("/fleetwright.control.v1.Windows/DeleteWindow", Caller::Asks(Action::DeleteMaintenanceWindow)),
    (
        "/fleetwright.control.v1.Windows/RegisterTarget",
        Caller::Asks(Action::RegisterTargetWithMaintenanceWindow),
    ),
    ("/fleetwright.control.v1.Windows/UpdateTarget", Caller::Asks(Action::UpdateMaintenanceWindowTarget)),
    (
        "/fleetwright.control.v1.Windows/DeregisterTarget",
        Caller::Asks(Action::DeregisterTargetFromMaintenanceWindow),
    ),
    ("/fleetwright.control.v1.Windows/RegisterTask", Caller::Asks(Action::RegisterTaskWithMaintenanceWindow)),
    ("/fleetwright.control.v1.Windows/UpdateTask", Caller::Asks(Action::UpdateMaintenanceWindowTask)),
    (
        "/fleetwright.control.v1.Windows/DeregisterTask",
        Caller::Asks(Action::DeregisterTaskFromMaintenanceWindow),
    ),
    (
        "/fleetwright.control.v1.Windows/ListWindowExecutions",
        Caller::Asks(Action::DescribeMaintenanceWindowExecutions),
    ),
    (
        "/fleetwright.control.v1.Windows/GetWindowExecution",
        Caller::Asks(Action::GetMaintenanceWindowExecution),
    ),
    (
        "/fleetwright.control.v1.Windows/CancelWindowExecution",
        Caller::Asks(Action::CancelMaintenanceWindowExecution),
    ),
    (
        "/fleetwright.control.v1.Windows/PreviewWindow",
        Caller::Asks(Action::DescribeMaintenanceWindowSchedule),
    ),
    ("/fleetwright.control.v1.Windows/ExplainWindow", Caller::Asks(Action::GetMaintenanceWindowExecution)),
    ("/fleetwright.control.v1.Calendars/PutCalendar", Caller::Asks(Action::UpdateDocument)),
    ("/fleetwright.control.v1.Calendars/ListCalendars", Caller::OperatorFor(Action::ListDocuments)),
    ("/fleetwright.control.v1.Calendars/GetCalendar", Caller::Asks(Action::GetDocument)),
    ("/fleetwright.control.v1.Calendars/DeleteCalendar", Caller::Asks(Action::DeleteDocument)),
    ("/fleetwright.control.v1.Calendars/GetCalendarState", Caller::Operator),
    ("/fleetwright.control.v1.Inventory/ShowInventory", Caller::Asks(Action::ListInventoryEntries)),
    ("/fleetwright.control.v1.Inventory/DiffInventory", Caller::Asks(Action::ListInventoryEntries)),
    ("/fleetwright.control.v1.Inventory/QueryInventory", Caller::OperatorFor(Action::GetInventory)),
    ("/fleetwright.control.v1.Inventory/CountInventory", Caller::OperatorFor(Action::GetInventory)),
    ("/fleetwright.control.v1.Inventory/PutInventory", Caller::Asks(Action::PutInventory)),
    (
        "/fleetwright.control.v1.Compliance/SummarizeCompliance",
        Caller::OperatorFor(Action::ListComplianceSummaries),
    ),
    ("/fleetwright.control.v1.Compliance/ListCompliance", Caller::OperatorFor(Action::ListComplianceItems)),
    ("/fleetwright.control.v1.Compliance/PutCompliance", Caller::Asks(Action::PutComplianceItems)),
    ("/fleetwright.control.v1.Access/CreateAccessKey", Caller::Asks(Action::CreateAccessKey)),
    ("/fleetwright.control.v1.Access/ListAccessKeys", Caller::Operator),
    ("/fleetwright.control.v1.Access/ChangeAccessKey", Caller::Asks(Action::ChangeAccessKey)),
    ("/fleetwright.control.v1.Access/DeleteAccessKey", Caller::Asks(Action::DeleteAccessKey)),
    ("/fleetwright.control.v1.Access/CreateOperator", Caller::Asks(Action::CreateOperator)),
    ("/fleetwright.control.v1.Access/ListOperators", Caller::Operator),
    ("/fleetwright.control.v1.Access/ChangeOperator", Caller::Asks(Action::ChangeOperator)),
    ("/fleetwright.control.v1.Access/DeleteOperator", Caller::Asks(Action::DeleteOperator)),
    ("/fleetwright.control.v1.Access/IssueCredential", Caller::Asks(Action::IssueCredential)),
    ("/fleetwright.control.v1.Access/RevokeCredential", Caller::Asks(Action::RevokeCredential)),
    ("/fleetwright.control.v1.Access/ChangeGroup", Caller::Asks(Action::ChangeGroup)),
    ("/fleetwright.control.v1.Access/PutPolicy", Caller::Asks(Action::PutPolicy)),
    ("/fleetwright.control.v1.Access/GetPolicy", Caller::Asks(Action::GetPolicy)),
    ("/fleetwright.control.v1.Access/ListPolicies", Caller::Operator),
    ("/fleetwright.control.v1.Access/DeletePolicy", Caller::Asks(Action::DeletePolicy)),
    ("/fleetwright.control.v1.Access/CheckAccess", Caller::Operator),
    ("/fleetwright.control.v1.Access/ListAudit", Caller::OperatorFor(Action::ReadAudit)),
    ("/fleetwright.control.v1.Access/ExportAudit", Caller::OperatorFor(Action::ReadAudit)),
    ("/fleetwright.control.v1.Access/VerifyAudit", Caller::OperatorFor(Action::ReadAudit)),
    ("/fleetwright.control.v1.Access/GetSchema", Caller::OperatorFor(Action::ListPolicies)),
];

/// Who asks one thing, and whether the policies were asked about it.
#[derive(Debug, Clone)]
pub struct Asker {
    pub principal: Principal,
    /// What its rpc does.
    pub action: Action,
    /// What the audit log calls it, when no policy has a word for it.
    rpc: Option<&'static str>,
    asked: Arc<AtomicBool>,
    /// Whether what was done wrote its line of the audit log in its own commit.
    told: Arc<AtomicBool>,
    /// Whether he was shown a secret.
    opened: Arc<AtomicBool>,
    /// What he wanted to do it with, for the audit log.
    about: Arc<Mutex<Vec<String>>>,
}

impl Asker {
    fn new(principal: Principal, action: Action) -> Self {
        Self {
            principal,
            action,
            rpc: None,
            asked: Arc::default(),
            told: Arc::default(),
            opened: Arc::default(),
            about: Arc::default(),
        }
    }

    /// An administrator, for tests that go around the listener.
    #[cfg(test)]
    pub(crate) fn administrator(name: &str, action: Action) -> Self {
        let groups = [crate::access::ADMINS.to_owned()].into();
        Self::new(Principal { name: name.into(), groups, from: "".into() }, action)
    }

    /// Who called this rpc.
    pub fn of(extensions: &Extensions) -> Result<Self, Refusal> {
        extensions.get::<Self>().cloned().ok_or_else(|| Refusal::denied("only an operator may do this"))
    }

    /// Whether he may do what his rpc does, with this.
    pub fn may(&self, house: &House, resource: &Resource<'_>) -> Result<(), Refusal> {
        self.may_do(house, self.action, resource)
    }

    /// As [`Asker::may`], where one rpc does several things.
    pub fn may_do(&self, house: &House, action: Action, resource: &Resource<'_>) -> Result<(), Refusal> {
        self.asked.store(true, Ordering::Relaxed);
        self.tell(resource.to_string());
        Ok(authorize(house, &self.principal, action, resource)?)
    }

    /// He is shown a secret: the audit log is to say so, though it is but a look.
    pub fn has_opened(&self) {
        self.opened.store(true, Ordering::Relaxed);
    }

    /// What the audit log is to say that this is about.
    pub fn tell(&self, about: String) {
        let mut told = self.about.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.contains(&about) {
            told.push(about);
        }
    }

    /// What the audit log says of how it ended.
    fn event(&self, at: Timestamp, outcome: Outcome, detail: String) -> Event {
        let on = self.about.lock().unwrap_or_else(PoisonError::into_inner).join(", ");
        let event = Event { outcome, detail, ..self.principal.did(self.action, on, at) };
        match self.rpc {
            Some(rpc) => Event { action: rpc.to_owned(), ..event },
            None => event,
        }
    }

    /// What was done has its line of the audit log, from the commit that did it.
    pub fn has_told(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// For what asks on its own, further in.
    #[must_use]
    pub fn hand_over(&self) -> Principal {
        self.asked.store(true, Ordering::Relaxed);
        self.principal.clone()
    }

    /// Whether an answer may go out: nobody gets one to a question that no policy was asked about.
    #[must_use]
    pub fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Whether this peer may call this path, and who he is when the rpc is an operator's. A path without a row is let
/// through to be answered as unknown, or by a door that has its own way of knowing people.
pub fn admit(
    house: &House,
    path: &str,
    peer: &Peer,
    from: &Arc<str>,
    headers: &HeaderMap,
) -> Result<Option<Asker>, Refusal> {
    let known =
        || -> Result<Principal, Refusal> { Ok(recognise(house, Some(peer), headers)?.coming_from(from)) };
    let Some((rpc, caller)) = RPCS.iter().find(|(rpc, _)| *rpc == path) else {
        return Ok(None);
    };
    match (caller, peer) {
        (_, Peer::Refused(refusal)) => Err(Refusal::denied(refusal.to_string())),
        (Caller::Anyone, _) | (Caller::Node, Peer::Known(Identity::Node { .. })) => Ok(None),
        (Caller::Node, _) => Err(Refusal::denied("only a node may do this: enrol first")),
        (Caller::Operator, _) => {
            let principal = known()?;
            let name = path.rsplit('/').next().unwrap_or_default();
            let action: Action = name.parse().map_err(|error| Refusal::internal(format!("{error}")))?;
            of_fleet(house, principal, action).map(Some)
        }
        (Caller::Administrator, _) => administrator(known()?, rpc).map(Some),
        (Caller::OperatorFor(action), _) => of_fleet(house, known()?, *action).map(Some),
        (Caller::Asks(action), _) => Ok(Some(Asker::new(known()?, *action))),
    }
}

fn administrator(principal: Principal, path: &'static str) -> Result<Asker, Refusal> {
    let rpc = path.rsplit('/').next().unwrap_or(path);
    if !principal.is_admin() {
        let name = &principal.name;
        return Err(Refusal::denied(format!("operator {name} may not {rpc}: only administrators may")));
    }
    let asker = Asker { rpc: Some(rpc), ..Asker::new(principal, Action::UpdateServiceSetting) };
    asker.asked.store(true, Ordering::Relaxed);
    Ok(asker)
}

/// The name that a parameter is kept under, however it was written.
pub fn parameter_name(written: &str) -> Result<String, Refusal> {
    let key = names::Reference::parse(written).map(|reference| reference.key.to_string());
    let key = key.or_else(|_| ParameterName::parse_new(written).map(|_| written.to_owned()));
    key.map_err(|_| Refusal::denied("no policy allows a parameter whose name is none"))
}

fn of_fleet(house: &House, principal: Principal, action: Action) -> Result<Asker, Refusal> {
    let asker = Asker::new(principal, action);
    asker.may(house, &Resource::Fleet)?;
    Ok(asker)
}

/// The operator at the other end, by his certificate, or by a token where none was shown. Asked for every request: who
/// is disabled stops at once, also on a connection that stays open.
pub fn recognise(house: &House, peer: Option<&Peer>, headers: &HeaderMap) -> Result<Principal, Refusal> {
    let known = match peer {
        Some(Peer::Known(Identity::Operator { name, key_fingerprint })) => {
            house.access.certified(name, key_fingerprint)
        }
        Some(Peer::Known(Identity::Node { .. })) => {
            return Err(Refusal::denied("only an operator may do this, and you are a node"));
        }
        Some(Peer::Refused(refusal)) => return Err(Refusal::denied(refusal.to_string())),
        Some(Peer::Anonymous) | None => match bearer(headers) {
            Some(token) => house.access.bearer(token, house.clock.now()),
            None => {
                return Err(Refusal::denied(
                    "only an operator may do this, and you showed no certificate and no token",
                ));
            }
        },
    };
    known.map_err(|refusal| Refusal::denied(refusal.to_string()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Notes in the audit log how an rpc ended: every denial, and everything that is more than a look. A change is answered
/// when its line is durable; what administrators change in access is in the log by its own commit already.
pub async fn log(house: &House, asker: &Asker, answer: &http::HeaderMap) -> Result<(), Refusal> {
    let now = house.clock.now();
    let status = Status::from_header_map(answer).filter(|status| status.code() != Code::Ok);
    match status {
        Some(status) if status.code() == Code::PermissionDenied => {
            let denied = asker.event(now, Outcome::Denied, status.message().to_owned());
            note_denial(house, denied);
            Ok(())
        }
        _ if asker.action.group() == Group::Read && !asker.opened.load(Ordering::Relaxed) => Ok(()),
        Some(status) => house.audit.note(asker.event(now, Outcome::Failed, format!("{:?}", status.code()))),
        None if asker.action.changes_access() || asker.told.load(Ordering::Relaxed) => Ok(()),
        None => house.audit.note_durably(asker.event(now, Outcome::Done, String::new())).await,
    }
}

/// Notes in the audit log that somebody was turned away before anything was asked.
pub fn log_refusal(house: &House, path: &str, peer: &Peer, from: &Arc<str>, refusal: &Refusal) {
    let who = match peer {
        Peer::Known(Identity::Operator { name, .. }) => name.clone(),
        Peer::Known(Identity::Node { id, .. }) => id.to_string(),
        Peer::Anonymous | Peer::Refused(_) => "unknown".to_owned(),
    };
    let rpc = path.rsplit('/').next().unwrap_or_default().to_owned();
    let event = Event {
        at: house.clock.now(),
        who,
        action: rpc,
        on: String::new(),
        from: from.to_string(),
        outcome: Outcome::Denied,
        detail: refusal.message.clone(),
    };
    note_denial(house, event);
}

/// The first of a kind is a line; its repetitions are counted.
fn note_denial(house: &House, event: Event) {
    if let Some(first) = house.audit.repeats.first(event)
        && let Err(error) = house.audit.note(first)
    {
        tracing::error!(%error, "a denial is not in the audit log");
    }
}

/// The operator's name, for the record of who asked.
pub fn operator(extensions: &Extensions) -> Result<String, Refusal> {
    Asker::of(extensions).map(|asker| asker.principal.name.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::access::credentials::{self, CredentialWish, Issued};
    use crate::access::operators;
    use crate::access::policy::Kind;
    use crate::tests::test_house;

    #[test]
    fn every_rpc_has_a_row_and_every_row_an_rpc() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto");
        let files = [
            "fleetwright/agent/v1/agent.proto",
            "fleetwright/control/v1/control.proto",
            "fleetwright/control/v1/access.proto",
            "fleetwright/control/v1/windows.proto",
            "fleetwright/control/v1/parameters.proto",
            "fleetwright/control/v1/inventory.proto",
            "fleetwright/control/v1/associations.proto",
        ];
        let descriptors = protox::compile(files, [root]).unwrap();
        let rpcs: BTreeSet<_> = descriptors
            .file
            .iter()
            .flat_map(|file| {
                file.service.iter().flat_map(|service| {
                    service
                        .method
                        .iter()
                        .map(|rpc| format!("/{}.{}/{}", file.package(), service.name(), rpc.name()))
                })
            })
            .collect();
        let rows: BTreeSet<_> = RPCS.iter().map(|(rpc, _)| (*rpc).to_owned()).collect();
        assert_eq!(rows, rpcs);
    }

    #[test]
    fn every_rpc_for_operators_has_a_verb_that_fits() {
        for (rpc, caller) in RPCS {
            let action = match caller {
                Caller::Anyone | Caller::Node | Caller::Administrator | Caller::Asks(_) => continue,
                Caller::Operator => rpc.rsplit('/').next().unwrap().parse::<Action>(),
                Caller::OperatorFor(action) => Ok(*action),
            };
            let action =
                action.unwrap_or_else(|error| panic!("{rpc}: {error}: add it to access/policy/actions.rs"));
            assert!(action.kinds().contains(&Kind::Fleet), "{rpc}: {action} is not about the fleet");
        }
    }

    #[tokio::test]
    async fn nobody_gets_through_the_wrong_door() {
        let test = test_house();
        operators::start(&test.house, "the key").await.unwrap();
        let node = Peer::Known(Identity::Node {
            id: "mi-0123456789abcdef0".parse().unwrap(),
            key_fingerprint: String::new(),
        });
        let operator = |name: &str, key: &str| {
            Peer::Known(Identity::Operator { name: name.to_owned(), key_fingerprint: key.to_owned() })
        };
        let refused = Peer::Refused(CertificateRefusal::Expired);
        for (rpc, caller) in RPCS {
            let allowed =
                |peer: &Peer| admit(&test.house, rpc, peer, &Arc::from("here"), &HeaderMap::new()).is_ok();
            let for_operators = !matches!(caller, Caller::Anyone | Caller::Node);
            assert_eq!(allowed(&Peer::Anonymous), *caller == Caller::Anyone, "{rpc}");
            assert_eq!(allowed(&node), !for_operators, "{rpc}");
            assert_eq!(allowed(&operator("admin", "the key")), *caller != Caller::Node, "{rpc}");
            // Signed by the authority once, and not his any more, or nobody's.
            assert_eq!(allowed(&operator("admin", "another key")), *caller == Caller::Anyone, "{rpc}");
            assert_eq!(allowed(&operator("ada", "the key")), *caller == Caller::Anyone, "{rpc}");
            assert!(!allowed(&refused), "{rpc}");
        }
    }

    #[tokio::test]
    async fn a_token_lets_in_where_no_certificate_was_shown() {
        let test = test_house();
        let house = &test.house;
        operators::start(house, "the key").await.unwrap();
        let admin = house.access.principal("admin").unwrap();
        let wish = CredentialWish::Token(Some(Duration::from_secs(60)));
        let Issued::Token { token, record } = credentials::issue(house, &admin, "admin", wish).await.unwrap()
        else {
            panic!("a token was asked for")
        };
        let check = |header: &str, want: Result<(), &str>| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, header.parse().unwrap())]);
            let status = "/fleetwright.control.v1.Controller/GetStatus";
            match (admit(house, status, &Peer::Anonymous, &Arc::from("here"), &headers), want) {
                (Ok(_), Ok(())) => {}
                (Err(refusal), Err(words)) => assert!(refusal.message.contains(words), "{refusal}"),
                (got, want) => panic!("{got:?} instead of {want:?}"),
            }
        };
        check(&format!("Bearer {token}"), Ok(()));
        check(&format!("bearer {token}"), Ok(()));
        check(&format!("Basic {token}"), Err("no certificate and no token"));
        check(&token, Err("no certificate and no token"));
        check(&format!("Bearer {}", record.digest), Err("not known here"));
        check("Bearer ", Err("not known here"));
        test.clock.advance(Duration::from_secs(60));
        check(&format!("Bearer {token}"), Err("has expired"));
        credentials::revoke(house, &admin, "admin", record.id()).await.unwrap();
        check(&format!("Bearer {token}"), Err("not known here"));
    }
}
