//! How the controller of a test answers each question.

use std::pin::Pin;

use fleetwright_proto::control::access_server::Access;
use fleetwright_proto::control::activations_server::Activations;
use fleetwright_proto::control::commands_server::Commands;
use fleetwright_proto::control::controller_server::Controller;
use fleetwright_proto::control::documents_server::Documents;
use fleetwright_proto::control::nodes_server::Nodes;
use fleetwright_proto::control::*;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::controller::{Asked, Shared};
use crate::fleet::NOW_MS;

type Answer<T> = Result<Response<T>, Status>;
type Told<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// One row a page, so that every list is read to its end. A page token is the position of the next row.
fn page<T: Clone>(rows: &[T], token: &str) -> (Vec<T>, String) {
    let at: usize = token.parse().unwrap_or(0);
    let next = if at + 1 < rows.len() { (at + 1).to_string() } else { String::new() };
    (rows.get(at).cloned().into_iter().collect(), next)
}

fn issued(kind: CredentialKind) -> IssuedCredential {
    let credential = Some(Credential {
        credential_id: "3f1c0d9a7b2e4c55".into(),
        kind: kind.into(),
        created_ms: NOW_MS,
        created_by: "admin".into(),
        expires_ms: NOW_MS + 86_400_000,
        expired: false,
    });
    if kind == CredentialKind::Token {
        return IssuedCredential { credential, token: "fwt_0123".into(), ..IssuedCredential::default() };
    }
    IssuedCredential {
        credential,
        certificate_pem: "the certificate\n".into(),
        key_pem: "the key\n".into(),
        authority_pem: "the authority\n".into(),
        token: String::new(),
    }
}

impl Shared {
    fn find_group(&self, name: &str) -> Result<Group, Status> {
        let script = self.script.lock().unwrap();
        let found = script.groups.iter().find(|known| known.name == name).cloned();
        found.ok_or_else(|| Status::not_found(format!("there is no group `{name}`")))
    }

    fn find(&self, node: &str) -> Result<Node, Status> {
        let script = self.script.lock().unwrap();
        let found = script.nodes.iter().find(|known| known.node_id == node || known.name == node);
        found.cloned().ok_or_else(|| Status::not_found(format!("no node `{node}`")))
    }

    fn command(&self, id: &str) -> Result<Command, Status> {
        let script = self.script.lock().unwrap();
        let found = script.commands.iter().find(|known| known.command_id == id);
        found.cloned().ok_or_else(|| Status::not_found(format!("no command `{id}`")))
    }
}

#[tonic::async_trait]
impl Controller for Shared {
    async fn get_status(&self, _: Request<GetStatusRequest>) -> Answer<GetStatusResponse> {
        self.check()?;
        Ok(Response::new(self.script.lock().unwrap().status.clone()))
    }
}

#[tonic::async_trait]
impl Access for Shared {
    async fn create_access_key(
        &self,
        request: Request<CreateAccessKeyRequest>,
    ) -> Answer<CreateAccessKeyResponse> {
        self.note(Asked::CreateAccessKey(request.into_inner()))?;
        Ok(Response::new(CreateAccessKeyResponse {
            access_key: self.script.lock().unwrap().access_keys.first().cloned(),
            secret_access_key: "secret/of+40+characters".into(),
        }))
    }

    async fn list_access_keys(
        &self,
        request: Request<ListAccessKeysRequest>,
    ) -> Answer<ListAccessKeysResponse> {
        self.check()?;
        let script = self.script.lock().unwrap();
        let (access_keys, next_page_token) = page(&script.access_keys, &request.get_ref().page_token);
        Ok(Response::new(ListAccessKeysResponse { access_keys, next_page_token }))
    }

    async fn change_access_key(
        &self,
        request: Request<ChangeAccessKeyRequest>,
    ) -> Answer<ChangeAccessKeyResponse> {
        self.check()?;
        let enabled = request.get_ref().enabled;
        let key = self.script.lock().unwrap().access_keys.first().cloned();
        Ok(Response::new(ChangeAccessKeyResponse { access_key: key.map(|key| AccessKey { enabled, ..key }) }))
    }

    async fn delete_access_key(&self, _: Request<DeleteAccessKeyRequest>) -> Answer<DeleteAccessKeyResponse> {
        self.check()?;
        Ok(Response::new(DeleteAccessKeyResponse {}))
    }

    async fn create_operator(
        &self,
        request: Request<CreateOperatorRequest>,
    ) -> Answer<CreateOperatorResponse> {
        let kind = request.get_ref().credential();
        self.note(Asked::CreateOperator)?;
        let operator = self.script.lock().unwrap().operators.first().cloned();
        Ok(Response::new(CreateOperatorResponse { operator, issued: Some(issued(kind)) }))
    }

    async fn list_operators(&self, request: Request<ListOperatorsRequest>) -> Answer<ListOperatorsResponse> {
        self.check()?;
        let script = self.script.lock().unwrap();
        let wanted = &request.get_ref().name;
        let known: Vec<_> = script
            .operators
            .iter()
            .filter(|operator| wanted.is_empty() || operator.name == *wanted)
            .cloned()
            .collect();
        let (operators, next_page_token) = page(&known, &request.get_ref().page_token);
        Ok(Response::new(ListOperatorsResponse { operators, next_page_token }))
    }

    async fn change_operator(
        &self,
        request: Request<ChangeOperatorRequest>,
    ) -> Answer<ChangeOperatorResponse> {
        self.check()?;
        let enabled = request.get_ref().enabled;
        let operator = self.script.lock().unwrap().operators.first().cloned();
        let operator = operator.map(|operator| Operator { enabled, ..operator });
        Ok(Response::new(ChangeOperatorResponse { operator }))
    }

    async fn delete_operator(&self, _: Request<DeleteOperatorRequest>) -> Answer<DeleteOperatorResponse> {
        self.check()?;
        Ok(Response::new(DeleteOperatorResponse {}))
    }

    async fn issue_credential(
        &self,
        request: Request<IssueCredentialRequest>,
    ) -> Answer<IssueCredentialResponse> {
        self.check()?;
        Ok(Response::new(IssueCredentialResponse { issued: Some(issued(request.get_ref().kind())) }))
    }

    async fn revoke_credential(
        &self,
        _: Request<RevokeCredentialRequest>,
    ) -> Answer<RevokeCredentialResponse> {
        self.check()?;
        Ok(Response::new(RevokeCredentialResponse {}))
    }

    async fn change_group(&self, _request: Request<ChangeGroupRequest>) -> Answer<ChangeGroupResponse> {
        self.note(Asked::ChangeGroup)?;
        Ok(Response::new(ChangeGroupResponse {}))
    }

    async fn put_policy(&self, _request: Request<PutPolicyRequest>) -> Answer<PutPolicyResponse> {
        self.note(Asked::PutPolicy)?;
        let policy = self.script.lock().unwrap().policies.first().cloned();
        Ok(Response::new(PutPolicyResponse { policy, warnings: vec!["line 2: looks odd".into()] }))
    }

    async fn get_policy(&self, _: Request<GetPolicyRequest>) -> Answer<GetPolicyResponse> {
        self.check()?;
        let policy = self.script.lock().unwrap().policies.first().cloned();
        Ok(Response::new(GetPolicyResponse { policy }))
    }

    async fn list_policies(&self, request: Request<ListPoliciesRequest>) -> Answer<ListPoliciesResponse> {
        self.check()?;
        let script = self.script.lock().unwrap();
        let (found, next_page_token) = page(&script.policies, &request.get_ref().page_token);
        let policies = found.into_iter().map(|policy| AccessPolicy { text: String::new(), ..policy });
        Ok(Response::new(ListPoliciesResponse { policies: policies.collect(), next_page_token }))
    }

    async fn delete_policy(&self, _: Request<DeletePolicyRequest>) -> Answer<DeletePolicyResponse> {
        self.check()?;
        Ok(Response::new(DeletePolicyResponse {}))
    }

    async fn list_audit(&self, _request: Request<ListAuditRequest>) -> Answer<ListAuditResponse> {
        self.note(Asked::ListAudit)?;
        Ok(Response::new(ListAuditResponse { lines: self.script.lock().unwrap().audit.clone() }))
    }

    type ExportAuditStream = Told<ExportAuditResponse>;

    async fn export_audit(&self, _: Request<ExportAuditRequest>) -> Answer<Self::ExportAuditStream> {
        self.check()?;
        let messages = vec![
            Ok(ExportAuditResponse {
                lines: vec!["{\"seq\":1}".into(), "{\"seq\":2}".into()],
                head: String::new(),
            }),
            Ok(ExportAuditResponse { lines: Vec::new(), head: "{\"head\":{}}".into() }),
        ];
        Ok(Response::new(Box::pin(tokio_stream::iter(messages))))
    }

    async fn verify_audit(&self, _: Request<VerifyAuditRequest>) -> Answer<VerifyAuditResponse> {
        self.check()?;
        let broken = self.script.lock().unwrap().audit.is_empty();
        Ok(Response::new(VerifyAuditResponse {
            intact: !broken,
            lines: 2,
            first_seq: 1,
            last_seq: 2,
            last_hash: "abcd".into(),
            broken_seq: if broken { 3 } else { 0 },
            broken_why: if broken { "its text was altered".into() } else { String::new() },
        }))
    }

    async fn get_schema(&self, _: Request<GetSchemaRequest>) -> Answer<GetSchemaResponse> {
        self.check()?;
        Ok(Response::new(GetSchemaResponse { text: "entity Node;\n".into() }))
    }

    async fn check_access(&self, request: Request<CheckAccessRequest>) -> Answer<CheckAccessResponse> {
        self.check()?;
        let allowed = request.get_ref().principal == "ada";
        Ok(Response::new(CheckAccessResponse {
            allowed,
            policies: if allowed { vec!["web#1".into()] } else { Vec::new() },
            explanation: "GetStatus on the fleet is decided".into(),
        }))
    }
}

#[tonic::async_trait]
impl Activations for Shared {
    async fn create_activation(
        &self,
        request: Request<CreateActivationRequest>,
    ) -> Answer<CreateActivationResponse> {
        self.note(Asked::CreateActivation(request.into_inner()))?;
        Ok(Response::new(CreateActivationResponse {
            activation: self.script.lock().unwrap().activations.first().cloned(),
            activation_code: "code-of-20-characters".into(),
            authority_fingerprint: "sha256:abcdef".into(),
        }))
    }

    async fn list_activations(
        &self,
        request: Request<ListActivationsRequest>,
    ) -> Answer<ListActivationsResponse> {
        self.check()?;
        let script = self.script.lock().unwrap();
        let (activations, next_page_token) = page(&script.activations, &request.get_ref().page_token);
        Ok(Response::new(ListActivationsResponse { activations, next_page_token }))
    }

    async fn delete_activation(
        &self,
        request: Request<DeleteActivationRequest>,
    ) -> Answer<DeleteActivationResponse> {
        let id = request.into_inner().activation_id;
        let script = self.script.lock().unwrap();
        match script.activations.iter().any(|known| known.activation_id == id) {
            true => Ok(Response::new(DeleteActivationResponse {})),
            false => Err(Status::not_found(format!("no activation `{id}`"))),
        }
    }
}

#[tonic::async_trait]
impl Nodes for Shared {
    async fn list_nodes(&self, request: Request<ListNodesRequest>) -> Answer<ListNodesResponse> {
        let request = request.into_inner();
        self.note(Asked::ListNodes(request.clone()))?;
        let script = self.script.lock().unwrap();
        let (nodes, next_page_token) = page(&script.nodes, &request.page_token);
        Ok(Response::new(ListNodesResponse { nodes, next_page_token }))
    }

    async fn get_node(&self, request: Request<GetNodeRequest>) -> Answer<GetNodeResponse> {
        self.check()?;
        Ok(Response::new(GetNodeResponse { node: Some(self.find(&request.get_ref().node)?) }))
    }

    async fn change_tags(&self, request: Request<ChangeTagsRequest>) -> Answer<ChangeTagsResponse> {
        let request = request.into_inner();
        let mut node = self.find(&request.node)?;
        node.tags.extend(request.set);
        node.tags.retain(|key, _| !request.remove.contains(key));
        Ok(Response::new(ChangeTagsResponse { node: Some(node) }))
    }

    async fn wait_nodes(&self, request: Request<WaitNodesRequest>) -> Answer<WaitNodesResponse> {
        self.note(Asked::Wait(request.into_inner()))?;
        Ok(Response::new(WaitNodesResponse { nodes: self.script.lock().unwrap().nodes.clone() }))
    }

    async fn deregister_node(
        &self,
        request: Request<DeregisterNodeRequest>,
    ) -> Answer<DeregisterNodeResponse> {
        self.note(Asked::Deregister(request.into_inner().node))?;
        Ok(Response::new(DeregisterNodeResponse {}))
    }

    async fn create_group(&self, request: Request<CreateGroupRequest>) -> Answer<CreateGroupResponse> {
        self.check()?;
        let CreateGroupRequest { name, description, targets } = request.into_inner();
        let group = Group { name, description, targets, created_ms: NOW_MS, created_by: "operator".into() };
        Ok(Response::new(CreateGroupResponse { group: Some(group) }))
    }

    async fn list_groups(&self, request: Request<ListGroupsRequest>) -> Answer<ListGroupsResponse> {
        self.check()?;
        let script = self.script.lock().unwrap();
        let (groups, next_page_token) = page(&script.groups, &request.get_ref().page_token);
        Ok(Response::new(ListGroupsResponse { groups, next_page_token }))
    }

    async fn get_group(&self, request: Request<GetGroupRequest>) -> Answer<GetGroupResponse> {
        let group = self.find_group(&request.get_ref().name)?;
        Ok(Response::new(GetGroupResponse { group: Some(group) }))
    }

    async fn delete_group(&self, request: Request<DeleteGroupRequest>) -> Answer<DeleteGroupResponse> {
        self.find_group(&request.get_ref().name)?;
        Ok(Response::new(DeleteGroupResponse {}))
    }
}

#[tonic::async_trait]
impl Commands for Shared {
    type WatchCommandStream = Told<WatchCommandResponse>;
    type GetOutputStream = Told<GetOutputResponse>;

    async fn send_command(&self, request: Request<SendCommandRequest>) -> Answer<SendCommandResponse> {
        self.note(Asked::Send(request.into_inner()))?;
        Ok(Response::new(SendCommandResponse {
            command: self.script.lock().unwrap().commands.first().cloned(),
        }))
    }

    async fn check_command(&self, request: Request<CheckCommandRequest>) -> Answer<CheckCommandResponse> {
        self.note(Asked::Check(request.into_inner().command.unwrap_or_default()))?;
        let target_count = u32::try_from(self.script.lock().unwrap().nodes.len()).unwrap();
        Ok(Response::new(CheckCommandResponse { target_count }))
    }

    async fn list_commands(&self, request: Request<ListCommandsRequest>) -> Answer<ListCommandsResponse> {
        let request = request.into_inner();
        self.note(Asked::ListCommands(request.clone()))?;
        let script = self.script.lock().unwrap();
        let (commands, next_page_token) = page(&script.commands, &request.page_token);
        Ok(Response::new(ListCommandsResponse { commands, next_page_token }))
    }

    async fn get_command(&self, request: Request<GetCommandRequest>) -> Answer<GetCommandResponse> {
        self.check()?;
        Ok(Response::new(GetCommandResponse { command: Some(self.command(&request.get_ref().command_id)?) }))
    }

    async fn list_invocations(
        &self,
        request: Request<ListInvocationsRequest>,
    ) -> Answer<ListInvocationsResponse> {
        self.command(&request.get_ref().command_id)?;
        let script = self.script.lock().unwrap();
        let (invocations, next_page_token) = page(&script.invocations, &request.get_ref().page_token);
        Ok(Response::new(ListInvocationsResponse { invocations, next_page_token }))
    }

    async fn watch_command(&self, request: Request<WatchCommandRequest>) -> Answer<Self::WatchCommandStream> {
        self.note(Asked::Watch)?;
        self.command(&request.get_ref().command_id)?;
        let (events, cut_after, hangs) = {
            let mut script = self.script.lock().unwrap();
            let cut = (!script.cuts.is_empty()).then(|| script.cuts.remove(0));
            (script.events.clone(), cut, script.watch_hangs)
        };
        let cut = self.cut.clone();
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            for (at, event) in events.into_iter().enumerate() {
                if cut_after == Some(at) {
                    // The receiver has taken all but the last before a place in the channel was free.
                    let _ = sender.reserve().await;
                    cut.send_modify(|number| *number += 1);
                    return;
                }
                if sender.send(Ok(event)).await.is_err() {
                    return;
                }
            }
            if hangs {
                sender.closed().await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn get_output(&self, request: Request<GetOutputRequest>) -> Answer<Self::GetOutputStream> {
        let request = request.into_inner();
        self.command(&request.command_id)?;
        let wanted = |chunk: &OutputChunk| {
            chunk.node_id == request.node_id
                && match request.selection() {
                    OutputSelection::Both => true,
                    OutputSelection::StdoutOnly => !chunk.stderr,
                    OutputSelection::StderrOnly => chunk.stderr,
                }
        };
        let chunks: Vec<_> =
            self.script.lock().unwrap().output.iter().filter(|chunk| wanted(chunk)).cloned().collect();
        let answers = chunks.into_iter().map(|chunk| Ok(GetOutputResponse { chunk: Some(chunk) }));
        Ok(Response::new(Box::pin(tokio_stream::iter(answers))))
    }

    async fn cancel_command(&self, request: Request<CancelCommandRequest>) -> Answer<CancelCommandResponse> {
        let request = request.into_inner();
        self.note(Asked::Cancel(request.clone()))?;
        Ok(Response::new(CancelCommandResponse { command: Some(self.command(&request.command_id)?) }))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Answer<ExplainResponse> {
        self.command(&request.get_ref().command_id)?;
        Ok(Response::new(self.script.lock().unwrap().explanation.clone()))
    }
}

impl Shared {
    fn document(&self, name: &str) -> Result<Document, Status> {
        let script = self.script.lock().unwrap();
        let found = script.documents.iter().find(|known| known.name == name);
        found.cloned().ok_or_else(|| Status::not_found(format!("there is no document `{name}`")))
    }
}

#[tonic::async_trait]
impl Documents for Shared {
    async fn create_document(
        &self,
        request: Request<CreateDocumentRequest>,
    ) -> Answer<CreateDocumentResponse> {
        let request = request.into_inner();
        self.note(Asked::CreateDocument(request.clone()))?;
        let document = Document { name: request.name, version: 1, default_version: 1, ..Document::default() };
        Ok(Response::new(CreateDocumentResponse { document: Some(document) }))
    }

    async fn update_document(
        &self,
        request: Request<UpdateDocumentRequest>,
    ) -> Answer<UpdateDocumentResponse> {
        let request = request.into_inner();
        self.note(Asked::UpdateDocument(request.clone()))?;
        let mut document = self.document(&request.name)?;
        document.version = document.latest_version + 1;
        Ok(Response::new(UpdateDocumentResponse { document: Some(document) }))
    }

    async fn set_default_version(
        &self,
        request: Request<SetDefaultVersionRequest>,
    ) -> Answer<SetDefaultVersionResponse> {
        let request = request.into_inner();
        self.note(Asked::SetDefault(request.clone()))?;
        let mut document = self.document(&request.name)?;
        document.version = request.version.parse().unwrap_or(document.latest_version);
        document.default_version = document.version;
        Ok(Response::new(SetDefaultVersionResponse { document: Some(document) }))
    }

    async fn read_document(&self, request: Request<ReadDocumentRequest>) -> Answer<ReadDocumentResponse> {
        self.check()?;
        let document = Some(self.document(&request.get_ref().name)?);
        let reading = self.script.lock().unwrap().reading.clone();
        Ok(Response::new(ReadDocumentResponse { document, ..reading }))
    }

    async fn list_documents(&self, request: Request<ListDocumentsRequest>) -> Answer<ListDocumentsResponse> {
        let request = request.into_inner();
        self.note(Asked::ListDocuments(request.clone()))?;
        let script = self.script.lock().unwrap();
        let (documents, next_page_token) = page(&script.documents, &request.page_token);
        Ok(Response::new(ListDocumentsResponse { documents, next_page_token }))
    }

    async fn list_versions(&self, request: Request<ListVersionsRequest>) -> Answer<ListVersionsResponse> {
        self.check()?;
        let document = self.document(&request.get_ref().name)?;
        let versions: Vec<_> =
            (1..=document.latest_version).map(|version| Document { version, ..document.clone() }).collect();
        let (versions, next_page_token) = page(&versions, &request.get_ref().page_token);
        Ok(Response::new(ListVersionsResponse { versions, next_page_token }))
    }

    async fn delete_document(
        &self,
        request: Request<DeleteDocumentRequest>,
    ) -> Answer<DeleteDocumentResponse> {
        self.note(Asked::DeleteDocument(request.into_inner()))?;
        Ok(Response::new(DeleteDocumentResponse {}))
    }

    async fn share_document(&self, request: Request<ShareDocumentRequest>) -> Answer<ShareDocumentResponse> {
        self.note(Asked::ShareDocument(request.into_inner()))?;
        let shares = self.script.lock().unwrap().shares.clone();
        Ok(Response::new(ShareDocumentResponse { shares }))
    }

    async fn change_document_tags(
        &self,
        request: Request<ChangeDocumentTagsRequest>,
    ) -> Answer<ChangeDocumentTagsResponse> {
        let request = request.into_inner();
        self.note(Asked::TagDocument(request.clone()))?;
        let mut tags = self.document(&request.name)?.tags;
        tags.extend(request.set);
        tags.retain(|key, _| !request.remove.contains(key));
        Ok(Response::new(ChangeDocumentTagsResponse { tags }))
    }

    async fn upload_attachment(
        &self,
        request: Request<Streaming<UploadAttachmentRequest>>,
    ) -> Answer<UploadAttachmentResponse> {
        let (mut pieces, mut bytes) = (request.into_inner(), Vec::new());
        while let Some(piece) = pieces.message().await? {
            bytes.extend_from_slice(&piece.data);
        }
        let answer = UploadAttachmentResponse {
            upload_id: "67e5504410b1426f9247bb680e5fe0c8".into(),
            bytes: bytes.len() as u64,
            sha256: String::new(),
        };
        self.note(Asked::Upload(bytes))?;
        Ok(Response::new(answer))
    }
}
