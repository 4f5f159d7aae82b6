//! `fleetwright.control.v1.Access`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::control::access_server::Access;
use fleetwright_proto::control::{
    AccessKey, AccessPolicy, AuditLine, ChangeAccessKeyRequest, ChangeAccessKeyResponse, ChangeGroupRequest,
    ChangeGroupResponse, ChangeOperatorRequest, ChangeOperatorResponse, CheckAccessRequest,
    CheckAccessResponse, CreateAccessKeyRequest, CreateAccessKeyResponse, CreateOperatorRequest,
    CreateOperatorResponse, Credential, CredentialKind, DeleteAccessKeyRequest, DeleteAccessKeyResponse,
    DeleteOperatorRequest, DeleteOperatorResponse, DeletePolicyRequest, DeletePolicyResponse,
    ExportAuditRequest, ExportAuditResponse, GetPolicyRequest, GetPolicyResponse, GetSchemaRequest,
    GetSchemaResponse, IssueCredentialRequest, IssueCredentialResponse, IssuedCredential,
    ListAccessKeysRequest, ListAccessKeysResponse, ListAuditRequest, ListAuditResponse, ListOperatorsRequest,
    ListOperatorsResponse, ListPoliciesRequest, ListPoliciesResponse, Operator, PutPolicyRequest,
    PutPolicyResponse, RevokeCredentialRequest, RevokeCredentialResponse, VerifyAuditRequest,
    VerifyAuditResponse,
};
use futures::stream::try_unfold;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::page;
use crate::access::credentials::{self, CredentialWish, Issued};
use crate::access::key_id::AccessKeyId;
use crate::access::keys::{self, AccessKeyView, NewAccessKey};
use crate::access::operators::{self, NewOperator};
use crate::access::policies::{self, PolicyWish};
use crate::access::policy::ask::{Question, ask};
use crate::access::policy::{Action, Kind, Resource, schema};
use crate::access::records::{self, CredentialRecord, OperatorRecord, PolicyRecord, Standing};
use crate::audit::Outcome;
use crate::audit::chain::Line;
use crate::audit::read::{self, Filter, Verdict};
use crate::authority;
use crate::doors::access::Asker;
use crate::error::Refusal;
use crate::house::House;

/// Translates between the wire and [`crate::access`].
#[derive(Debug)]
pub struct AccessDoor {
    house: Arc<House>,
}

impl AccessDoor {
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }

    /// Whether the caller may do what his rpc does with this operator, who may not exist.
    fn ask(&self, asker: &Asker, name: &str) -> Result<(), Refusal> {
        let known = self.house.access.principal(name);
        let groups = known.map(|known| known.groups).unwrap_or_default();
        asker.may(&self.house, &Resource::Operator { name, groups: &groups })
    }

    async fn ask_for_key(&self, asker: &Asker, id: &AccessKeyId) -> Result<(), Refusal> {
        let key = keys::get(&self.house, id).await?;
        asker.may(&self.house, &Resource::AccessKey { id: id.as_str(), operator: &key.record.operator })
    }

    async fn issue(
        &self,
        asker: &Asker,
        name: &str,
        wish: CredentialWish,
    ) -> Result<IssuedCredential, Refusal> {
        let issued = credentials::issue(&self.house, &asker.principal, name, wish).await?;
        Ok(issued_credential(&self.house, issued))
    }
}

#[tonic::async_trait]
impl Access for AccessDoor {
    async fn create_access_key(
        &self,
        request: Request<CreateAccessKeyRequest>,
    ) -> Result<Response<CreateAccessKeyResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let CreateAccessKeyRequest { operator, description, expires_in_ms } = request.into_inner();
        let operator = if operator.is_empty() { asker.principal.name.to_string() } else { operator };
        self.ask(&asker, &operator)?;
        let wish = NewAccessKey { operator, description, expires_in: span(expires_in_ms) };
        let created = keys::create(&self.house, &asker.principal, wish).await?;
        Ok(Response::new(CreateAccessKeyResponse {
            access_key: Some(access_key(created.key, self.house.clock.now())),
            secret_access_key: created.secret.reveal().to_owned(),
        }))
    }

    async fn list_access_keys(
        &self,
        request: Request<ListAccessKeysRequest>,
    ) -> Result<Response<ListAccessKeysResponse>, Status> {
        let ListAccessKeysRequest { operator, page_size, page_token } = request.into_inner();
        let operator = (!operator.is_empty()).then_some(operator.as_str());
        let (found, next) =
            keys::list(&self.house, operator, page::after(&page_token)?, page::size(page_size)).await?;
        let now = self.house.clock.now();
        let access_keys = found.into_iter().map(|key| access_key(key, now)).collect();
        Ok(Response::new(ListAccessKeysResponse { access_keys, next_page_token: page::token(next) }))
    }

    async fn change_access_key(
        &self,
        request: Request<ChangeAccessKeyRequest>,
    ) -> Result<Response<ChangeAccessKeyResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let ChangeAccessKeyRequest { access_key_id, enabled } = request.into_inner();
        let id = key_id(&access_key_id)?;
        self.ask_for_key(&asker, &id).await?;
        let changed = keys::set_standing(&self.house, &asker.principal, &id, standing(enabled)).await?;
        let access_key = Some(access_key(changed, self.house.clock.now()));
        Ok(Response::new(ChangeAccessKeyResponse { access_key }))
    }

    async fn delete_access_key(
        &self,
        request: Request<DeleteAccessKeyRequest>,
    ) -> Result<Response<DeleteAccessKeyResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let id = key_id(&request.into_inner().access_key_id)?;
        self.ask_for_key(&asker, &id).await?;
        keys::delete(&self.house, &asker.principal, &id).await?;
        Ok(Response::new(DeleteAccessKeyResponse {}))
    }

    async fn create_operator(
        &self,
        request: Request<CreateOperatorRequest>,
    ) -> Result<Response<CreateOperatorResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let request = request.into_inner();
        let wish = credential_wish(request.credential(), request.expires_in_ms)?;
        let CreateOperatorRequest { name, description, groups, .. } = request;
        self.ask(&asker, &name)?;
        for group in &groups {
            asker.may_do(&self.house, Action::ChangeGroup, &Resource::Named(Kind::Group, group))?;
        }
        let new = NewOperator { name: name.clone(), description, groups: groups.into_iter().collect() };
        let mut record = operators::create(&self.house, &asker.principal, new).await?;
        let mut issued = None;
        if let Some(wish) = wish {
            issued = Some(self.issue(&asker, &name, wish).await?);
            record = operators::get(&self.house, &name).await?;
        }
        let operator = Some(operator(name, record, self.house.clock.now()));
        Ok(Response::new(CreateOperatorResponse { operator, issued }))
    }

    async fn list_operators(
        &self,
        request: Request<ListOperatorsRequest>,
    ) -> Result<Response<ListOperatorsResponse>, Status> {
        let ListOperatorsRequest { name, page_size, page_token } = request.into_inner();
        let now = self.house.clock.now();
        if !name.is_empty() {
            let record = operators::get(&self.house, &name).await?;
            let operators = vec![operator(name, record, now)];
            return Ok(Response::new(ListOperatorsResponse { operators, next_page_token: String::new() }));
        }
        let (found, next) =
            operators::list(&self.house, page::after(&page_token)?, page::size(page_size)).await?;
        let operators = found.into_iter().map(|(name, record)| operator(name, record, now)).collect();
        Ok(Response::new(ListOperatorsResponse { operators, next_page_token: page::token(next) }))
    }

    async fn change_operator(
        &self,
        request: Request<ChangeOperatorRequest>,
    ) -> Result<Response<ChangeOperatorResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let ChangeOperatorRequest { name, enabled } = request.into_inner();
        self.ask(&asker, &name)?;
        let record = operators::set_standing(&self.house, &asker.principal, &name, standing(enabled)).await?;
        let operator = Some(operator(name, record, self.house.clock.now()));
        Ok(Response::new(ChangeOperatorResponse { operator }))
    }

    async fn delete_operator(
        &self,
        request: Request<DeleteOperatorRequest>,
    ) -> Result<Response<DeleteOperatorResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let name = request.into_inner().name;
        self.ask(&asker, &name)?;
        operators::delete(&self.house, &asker.principal, &name).await?;
        Ok(Response::new(DeleteOperatorResponse {}))
    }

    async fn issue_credential(
        &self,
        request: Request<IssueCredentialRequest>,
    ) -> Result<Response<IssueCredentialResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let request = request.into_inner();
        let wish = credential_wish(request.kind(), request.expires_in_ms)?
            .ok_or_else(|| Refusal::invalid("say what to make: a certificate or a token"))?;
        let name =
            if request.operator.is_empty() { asker.principal.name.to_string() } else { request.operator };
        self.ask(&asker, &name)?;
        let issued = Some(self.issue(&asker, &name, wish).await?);
        Ok(Response::new(IssueCredentialResponse { issued }))
    }

    async fn revoke_credential(
        &self,
        request: Request<RevokeCredentialRequest>,
    ) -> Result<Response<RevokeCredentialResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let RevokeCredentialRequest { operator, credential_id } = request.into_inner();
        self.ask(&asker, &operator)?;
        credentials::revoke(&self.house, &asker.principal, &operator, &credential_id).await?;
        Ok(Response::new(RevokeCredentialResponse {}))
    }

    async fn change_group(
        &self,
        request: Request<ChangeGroupRequest>,
    ) -> Result<Response<ChangeGroupResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let ChangeGroupRequest { group, add, remove } = request.into_inner();
        asker.may(&self.house, &Resource::Named(Kind::Group, &group))?;
        operators::change_group(&self.house, &asker.principal, &group, &add, &remove).await?;
        Ok(Response::new(ChangeGroupResponse {}))
    }

    async fn put_policy(
        &self,
        request: Request<PutPolicyRequest>,
    ) -> Result<Response<PutPolicyResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let PutPolicyRequest { name, text, description } = request.into_inner();
        asker.may(&self.house, &Resource::Named(Kind::Policy, &name))?;
        let wish = PolicyWish { name: name.clone(), text, description };
        let (record, warnings) = policies::put(&self.house, &asker.principal, wish).await?;
        let warnings =
            warnings.into_iter().map(|warning| format!("line {}: {}", warning.line, warning.message));
        Ok(Response::new(PutPolicyResponse {
            policy: Some(policy(name, record)),
            warnings: warnings.collect(),
        }))
    }

    async fn get_policy(
        &self,
        request: Request<GetPolicyRequest>,
    ) -> Result<Response<GetPolicyResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let name = request.into_inner().name;
        asker.may(&self.house, &Resource::Named(Kind::Policy, &name))?;
        let record = policies::get(&self.house, &name).await?;
        Ok(Response::new(GetPolicyResponse { policy: Some(policy(name, record)) }))
    }

    async fn list_policies(
        &self,
        request: Request<ListPoliciesRequest>,
    ) -> Result<Response<ListPoliciesResponse>, Status> {
        let ListPoliciesRequest { page_size, page_token } = request.into_inner();
        let (found, next) =
            policies::list(&self.house, page::after(&page_token)?, page::size(page_size)).await?;
        let policies = found
            .into_iter()
            .map(|(name, record)| AccessPolicy { text: String::new(), ..policy(name, record) });
        let next_page_token = page::token(next);
        Ok(Response::new(ListPoliciesResponse { policies: policies.collect(), next_page_token }))
    }

    async fn delete_policy(
        &self,
        request: Request<DeletePolicyRequest>,
    ) -> Result<Response<DeletePolicyResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let name = request.into_inner().name;
        asker.may(&self.house, &Resource::Named(Kind::Policy, &name))?;
        policies::delete(&self.house, &asker.principal, &name).await?;
        Ok(Response::new(DeletePolicyResponse {}))
    }

    async fn list_audit(
        &self,
        request: Request<ListAuditRequest>,
    ) -> Result<Response<ListAuditResponse>, Status> {
        let ListAuditRequest { limit, before_seq, who, action, on, outcome } = request.into_inner();
        let outcome = wanted_outcome(&outcome)?;
        let limit = if limit == 0 { 100 } else { usize::try_from(limit).unwrap_or(usize::MAX) };
        let filter = Filter { who, action, on, outcome };
        let lines = read::newest(&self.house, &filter, before_seq, limit).await?;
        Ok(Response::new(ListAuditResponse { lines: lines.into_iter().map(audit_line).collect() }))
    }

    type ExportAuditStream = Pin<Box<dyn Stream<Item = Result<ExportAuditResponse, Status>> + Send>>;

    async fn export_audit(
        &self,
        _request: Request<ExportAuditRequest>,
    ) -> Result<Response<Self::ExportAuditStream>, Status> {
        let Some(record) = read::head(&self.house).await? else {
            return Ok(Response::new(Box::pin(tokio_stream::empty())));
        };
        let end = record.head.next_seq;
        let state = (self.house.clone(), Some(0), Some(record));
        let messages = try_unfold(state, move |(house, after, record)| async move {
            let page = match after {
                Some(after) => read::lines(&house, after).await?,
                None => None,
            };
            if let Some((mut lines, last)) = page {
                // The head is of when the export began: what joined since is for the next one.
                lines.retain(|line| read::seq(line).is_none_or(|seq| seq < end));
                let next = (last + 1 < end).then_some(last + 1);
                let message = ExportAuditResponse { lines, head: String::new() };
                return Ok::<_, Status>(Some((message, (house, next, record))));
            }
            let Some(record) = record else { return Ok(None) };
            let head = serde_json::to_string(
                &serde_json::json!({ "head": record.head, "signature": record.signature }),
            );
            let head = head.map_err(|error| Refusal::internal(format!("{error}")))?;
            Ok(Some((ExportAuditResponse { lines: Vec::new(), head }, (house, None, None))))
        });
        Ok(Response::new(Box::pin(messages)))
    }

    async fn verify_audit(
        &self,
        _request: Request<VerifyAuditRequest>,
    ) -> Result<Response<VerifyAuditResponse>, Status> {
        let Verdict { head, lines, broken } = read::verify(&self.house).await?;
        let (broken_seq, broken_why) = broken.map(|broken| (broken.seq, broken.why)).unwrap_or_default();
        Ok(Response::new(VerifyAuditResponse {
            intact: broken_why.is_empty(),
            lines,
            first_seq: head.first_seq,
            last_seq: head.next_seq - 1,
            last_hash: head.last_hash,
            broken_seq,
            broken_why,
        }))
    }

    async fn get_schema(
        &self,
        _request: Request<GetSchemaRequest>,
    ) -> Result<Response<GetSchemaResponse>, Status> {
        Ok(Response::new(GetSchemaResponse { text: schema::text().to_owned() }))
    }

    async fn check_access(
        &self,
        request: Request<CheckAccessRequest>,
    ) -> Result<Response<CheckAccessResponse>, Status> {
        let CheckAccessRequest { principal, action, resource } = request.into_inner();
        let (decision, explanation) = ask(&self.house, &Question { principal, action, resource }).await?;
        Ok(Response::new(CheckAccessResponse {
            allowed: decision.allowed,
            policies: decision.policies,
            explanation,
        }))
    }
}

fn wanted_outcome(text: &str) -> Result<Option<Outcome>, Refusal> {
    match text {
        "" => Ok(None),
        "done" => Ok(Some(Outcome::Done)),
        "denied" => Ok(Some(Outcome::Denied)),
        "failed" => Ok(Some(Outcome::Failed)),
        other => Err(Refusal::invalid(format!(
            "`{}` is no outcome: done, denied or failed",
            other.chars().take(40).collect::<String>().escape_debug()
        ))),
    }
}

fn audit_line(line: Line) -> AuditLine {
    let outcome = match line.outcome {
        Outcome::Done => "done",
        Outcome::Denied => "denied",
        Outcome::Failed => "failed",
    };
    AuditLine {
        seq: line.seq,
        at_ms: line.at_ms.millis(),
        who: line.who,
        action: line.action,
        on: line.on,
        from: line.from,
        outcome: outcome.to_owned(),
        detail: line.detail,
    }
}

fn span(millis: u64) -> Option<Duration> {
    (millis != 0).then(|| Duration::from_millis(millis))
}

fn standing(enabled: bool) -> Standing {
    if enabled { Standing::Enabled } else { Standing::Disabled }
}

fn credential_wish(kind: CredentialKind, expires_in_ms: u64) -> Result<Option<CredentialWish>, Refusal> {
    match (kind, span(expires_in_ms)) {
        (CredentialKind::Token, span) => Ok(Some(CredentialWish::Token(span))),
        (_, Some(_)) => Err(Refusal::invalid("only a token can be given a time to expire")),
        (CredentialKind::Certificate, None) => Ok(Some(CredentialWish::Certificate)),
        (CredentialKind::Unspecified, None) => Ok(None),
    }
}

fn issued_credential(house: &House, issued: Issued) -> IssuedCredential {
    let now = house.clock.now();
    match issued {
        Issued::Certificate { certificate_pem, key_pem, record } => IssuedCredential {
            credential: Some(credential(&record, now)),
            certificate_pem,
            key_pem,
            authority_pem: authority::pem(house.authority.certificate()),
            token: String::new(),
        },
        Issued::Token { token, record } => IssuedCredential {
            credential: Some(credential(&record, now)),
            token,
            ..IssuedCredential::default()
        },
    }
}

fn credential(record: &CredentialRecord, now: Timestamp) -> Credential {
    let kind = match record.kind {
        records::CredentialKind::Certificate => CredentialKind::Certificate,
        records::CredentialKind::Token => CredentialKind::Token,
    };
    Credential {
        credential_id: record.id().to_owned(),
        kind: kind.into(),
        created_ms: record.created.millis(),
        created_by: record.created_by.clone(),
        expires_ms: record.expires.map_or(0, Timestamp::millis),
        expired: record.expired(now),
    }
}

fn operator(name: String, record: OperatorRecord, now: Timestamp) -> Operator {
    Operator {
        name,
        description: record.description,
        created_ms: record.created.millis(),
        created_by: record.created_by,
        enabled: record.standing == Standing::Enabled,
        groups: record.groups.into_iter().collect(),
        credentials: record.credentials.iter().map(|known| credential(known, now)).collect(),
    }
}

fn policy(name: String, record: PolicyRecord) -> AccessPolicy {
    let PolicyRecord { text, description, created, created_by, changed, changed_by } = record;
    AccessPolicy {
        name,
        description,
        text,
        created_ms: created.millis(),
        created_by,
        changed_ms: changed.millis(),
        changed_by,
    }
}

fn key_id(text: &str) -> Result<AccessKeyId, Refusal> {
    text.parse().map_err(|error| Refusal::invalid(format!("{error}")))
}

fn access_key(view: AccessKeyView, now: Timestamp) -> AccessKey {
    let AccessKeyView { id, record, last_used } = view;
    AccessKey {
        access_key_id: id.into(),
        expired: record.expired(now),
        operator: record.operator,
        description: record.description,
        created_ms: record.created.millis(),
        created_by: record.created_by,
        enabled: record.standing == Standing::Enabled,
        expires_ms: record.expires.map_or(0, Timestamp::millis),
        last_used_ms: last_used.map_or(0, Timestamp::millis),
    }
}
