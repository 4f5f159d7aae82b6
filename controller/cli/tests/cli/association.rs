//! Associations, as answered to a person and to a program.

use std::pin::Pin;

use fleetwright_cli::Exit;
use fleetwright_proto::control::associations_server::Associations;
use fleetwright_proto::control::*;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::controller::{Asked, Script, Shared};
use crate::fleet::*;

const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";
const EXECUTION: &str = "67e55044-10b1-826f-9247-bb680e5fe0c8";

type Answer<T> = Result<Response<T>, Status>;

impl Shared {
    fn association(&self, wanted: &str) -> Result<Association, Status> {
        self.check()?;
        let script = self.script.lock().unwrap();
        let is_it = |known: &&Association| {
            known.association_id == wanted
                || known.content.as_ref().is_some_and(|content| content.name == wanted)
        };
        let found = script.associations.iter().find(is_it).cloned();
        found.ok_or_else(|| Status::not_found(format!("there is no association `{wanted}`")))
    }
}

#[tonic::async_trait]
impl Associations for Shared {
    async fn create_association(
        &self,
        request: Request<CreateAssociationRequest>,
    ) -> Answer<CreateAssociationResponse> {
        let request = request.into_inner();
        self.note(Asked::CreateAssociation(request.clone()))?;
        let association = Some(Association { content: request.content, ..self.association(ID)? });
        Ok(Response::new(CreateAssociationResponse { association }))
    }

    async fn update_association(
        &self,
        request: Request<UpdateAssociationRequest>,
    ) -> Answer<UpdateAssociationResponse> {
        let request = request.into_inner();
        let known = self.association(&request.association)?;
        let association = Some(Association { content: request.content, version: known.version + 1, ..known });
        Ok(Response::new(UpdateAssociationResponse { association }))
    }

    async fn get_association(
        &self,
        request: Request<GetAssociationRequest>,
    ) -> Answer<GetAssociationResponse> {
        let association = Some(self.association(&request.get_ref().association)?);
        Ok(Response::new(GetAssociationResponse { association }))
    }

    async fn list_associations(
        &self,
        _: Request<ListAssociationsRequest>,
    ) -> Answer<ListAssociationsResponse> {
        self.check()?;
        let associations = self.script.lock().unwrap().associations.clone();
        Ok(Response::new(ListAssociationsResponse { associations, next_page_token: String::new() }))
    }

    async fn list_association_versions(
        &self,
        _: Request<ListAssociationVersionsRequest>,
    ) -> Answer<ListAssociationVersionsResponse> {
        Err(Status::unimplemented("no verb asks for versions"))
    }

    async fn run_association(
        &self,
        request: Request<RunAssociationRequest>,
    ) -> Answer<RunAssociationResponse> {
        let association = Some(self.association(&request.get_ref().association)?);
        Ok(Response::new(RunAssociationResponse { association }))
    }

    async fn delete_association(
        &self,
        request: Request<DeleteAssociationRequest>,
    ) -> Answer<DeleteAssociationResponse> {
        self.association(&request.get_ref().association)?;
        Ok(Response::new(DeleteAssociationResponse {}))
    }

    async fn list_association_nodes(
        &self,
        request: Request<ListAssociationNodesRequest>,
    ) -> Answer<ListAssociationNodesResponse> {
        self.association(&request.get_ref().association)?;
        Ok(Response::new(ListAssociationNodesResponse { runs: runs(), next_page_token: String::new() }))
    }

    async fn list_executions(
        &self,
        request: Request<ListExecutionsRequest>,
    ) -> Answer<ListExecutionsResponse> {
        self.association(&request.get_ref().association)?;
        let executions = vec![AssociationExecution {
            execution_id: EXECUTION.into(),
            version: 2,
            cause: "Schedule".into(),
            due_ms: NOW_MS - 60_000,
            status: "Failed".into(),
            counts: Some(counts()),
            last_ms: NOW_MS - 50_000,
            changed: 1,
            different: 0,
        }];
        Ok(Response::new(ListExecutionsResponse { executions, next_page_token: String::new() }))
    }

    async fn list_execution_targets(
        &self,
        request: Request<ListExecutionTargetsRequest>,
    ) -> Answer<ListExecutionTargetsResponse> {
        let request = request.into_inner();
        self.association(&request.association)?;
        if request.execution_id != EXECUTION {
            return Err(Status::not_found(format!("no execution {}", request.execution_id)));
        }
        Ok(Response::new(ListExecutionTargetsResponse { runs: runs(), next_page_token: String::new() }))
    }

    type GetRunOutputStream = Pin<Box<dyn Stream<Item = Result<GetRunOutputResponse, Status>> + Send>>;

    async fn get_run_output(&self, _: Request<GetRunOutputRequest>) -> Answer<Self::GetRunOutputStream> {
        Err(Status::unimplemented("no verb asks for the output of a run"))
    }
}

fn counts() -> AssociationCounts {
    AssociationCounts {
        targets: 2,
        success: 1,
        failed: 1,
        compliant: 1,
        non_compliant: 1,
        ..Default::default()
    }
}

fn runs() -> Vec<AssociationNodeRun> {
    let run = |node: &str, name: &str, status: &str, details: &str, changed: &[&str]| AssociationNodeRun {
        node_id: node.into(),
        node_name: name.into(),
        status: status.into(),
        status_details: details.into(),
        compliant: status == "Success",
        run_id: "67e55044-10b1-426f-9247-bb680e5fe0c9".into(),
        execution_id: EXECUTION.into(),
        version: 2,
        cause: "Schedule".into(),
        due_ms: NOW_MS - 60_000,
        started_ms: NOW_MS - 55_000,
        finished_ms: NOW_MS - 50_000,
        changed: changed.iter().map(ToString::to_string).collect(),
        different: Vec::new(),
        steps: Vec::new(),
    };
    vec![
        run(WEB, "web-1", "Success", "all steps are done", &["/etc/motd"]),
        run(DB, "db-1", "Failed", "step motd failed: exit code 3", &[]),
    ]
}

fn script() -> Script {
    let content = AssociationContent {
        name: "motd".into(),
        document_name: "Motd".into(),
        parameters: [("text".to_owned(), ParameterValues { values: vec!["hello".into()] })].into(),
        targets: vec![Target { key: "tag:role".into(), values: vec!["web".into()] }],
        schedule_expression: "cron(0 2 ? * SUN *)".into(),
        schedule_timezone: "Europe/Berlin".into(),
        schedule_offset_days: 1,
        apply_only_at_schedule: true,
        compliance_severity: "HIGH".into(),
        sync_compliance: "AUTO".into(),
        ..AssociationContent::default()
    };
    let association = Association {
        association_id: ID.into(),
        version: 2,
        content: Some(content),
        created_ms: NOW_MS - 86_400_000,
        created_by: "admin".into(),
        updated_ms: NOW_MS - 3_600_000,
        status: "Failed".into(),
        status_details: "1 applied, 1 failed of 2 nodes".into(),
        counts: Some(counts()),
        last_run_ms: NOW_MS - 50_000,
        next_run_ms: NOW_MS + 86_400_000,
        applied_document_version: "3".into(),
    };
    Script { associations: vec![association], ..Script::default() }
}

/// The answer of each line in all three formats; on a terminal too.
#[tokio::test]
async fn answers_are_golden() {
    let fleet = Fleet::start(script()).await;
    let history = format!("association history motd {EXECUTION}");
    let lines = [
        (
            "association_create",
            "association create -t tag:role=web -d Motd:3 --name motd -p text=hello --schedule rate(1~day) --severity HIGH",
        ),
        ("association_update", "association update motd -t all -d Motd"),
        ("association_list", "association list"),
        ("association_show", "association show motd"),
        ("association_run", "association run motd"),
        ("association_history", "association history motd"),
        ("association_history_of_one", history.as_str()),
        ("association_delete", "association delete motd"),
    ];
    for (name, line) in lines {
        let mut golden = String::new();
        for format in ["table", "json", "jsonl"] {
            let ended = fleet.types(&format!("{line} -o {format}")).await;
            golden.push_str(&format!("=== piped -o {format}\n{}", ended.text()));
        }
        let ended = fleet.types_at(Seat::at_terminal(""), line).await;
        golden.push_str(&format!("=== 80 columns\n{}", ended.text()));
        insta::assert_snapshot!(name, golden);
    }
    let Some(Asked::CreateAssociation(request)) = fleet.controller.asked().first().cloned() else { panic!() };
    let content = request.content.unwrap();
    assert_eq!(content.schedule_expression, "rate(1 day)");
    assert_eq!(content.targets[0], Target { key: "tag:role".into(), values: vec!["web".into()] });
}

#[tokio::test]
async fn a_refusal_is_one_line() {
    let fleet = Fleet::start(script()).await;
    let ended = fleet.types("association show nobody").await;
    ended.check(Exit::NotFound, "", "error: there is no association `nobody`\n");
    let ended = fleet.types("association create -d Motd").await;
    assert_eq!(ended.exit, Exit::Usage);
    assert!(ended.stderr.contains("--target"), "{}", ended.stderr);
    let ended = fleet.types("association create -t all -d Motd --zone UTC").await;
    assert_eq!(ended.exit, Exit::Usage);
    assert!(ended.stderr.contains("--schedule"), "{}", ended.stderr);
}
