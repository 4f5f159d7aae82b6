//! `fleetwright.control.v1.Associations`.

mod views;

use std::pin::Pin;
use std::sync::Arc;

use fleetwright_proto::control::associations_server::Associations;
use fleetwright_proto::control::{
    AssociationContent, AssociationVersion, CreateAssociationRequest, CreateAssociationResponse,
    DeleteAssociationRequest, DeleteAssociationResponse, GetAssociationRequest, GetAssociationResponse,
    GetRunOutputRequest, GetRunOutputResponse, ListAssociationNodesRequest, ListAssociationNodesResponse,
    ListAssociationVersionsRequest, ListAssociationVersionsResponse, ListAssociationsRequest,
    ListAssociationsResponse, ListExecutionTargetsRequest, ListExecutionTargetsResponse,
    ListExecutionsRequest, ListExecutionsResponse, RunAssociationRequest, RunAssociationResponse,
    UpdateAssociationRequest, UpdateAssociationResponse,
};
use fleetwright_proto::ids::{CommandId, ExecutionId};
use futures::stream::try_unfold;
use futures::{StreamExt, TryStreamExt};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::page;
use crate::access::policy::{Kind, Resource};
use crate::associations::check::AssociationWish;
use crate::associations::find::{self, Filter};
use crate::associations::{history, report, write};
use crate::commands::output::{self, OutputKey};
use crate::doors::access::{Asker, operator};
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::operations::resolve;

/// Translates between the wire and [`crate::associations`].
#[derive(Debug)]
pub struct AssociationsDoor {
    house: Arc<House>,
}

impl AssociationsDoor {
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }

    /// Whether the caller may do what his rpc does with this association, under its id or its name.
    async fn ask<T>(&self, request: &Request<T>, wanted: &str) -> Result<(), Status> {
        let id = find::resolve(&self.house, wanted).await?;
        let asker = Asker::of(request.extensions())?;
        Ok(asker.may(&self.house, &Resource::Named(Kind::Association, id.as_str()))?)
    }

    async fn view(&self, wanted: &str) -> Result<fleetwright_proto::control::Association, Status> {
        Ok(views::association(find::get(&self.house, wanted).await?))
    }
}

fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn wish(content: Option<AssociationContent>) -> Result<AssociationWish, Refusal> {
    let content = content.ok_or_else(|| Refusal::invalid("an association of nothing: say what is wanted"))?;
    if content.document_name.is_empty() {
        return Err(Refusal::invalid("no document: name the one that is to be applied"));
    }
    Ok(AssociationWish {
        name: content.name,
        document: content.document_name,
        document_version: content.document_version,
        parameters: content.parameters.into_iter().map(|(name, values)| (name, values.values)).collect(),
        targets: content.targets.into_iter().map(|target| (target.key, target.values)).collect(),
        schedule_expression: content.schedule_expression,
        schedule_zone: content.schedule_timezone,
        schedule_offset_days: content.schedule_offset_days,
        only_at_schedule: content.apply_only_at_schedule,
        severity: content.compliance_severity,
        sync: content.sync_compliance,
        max_concurrency: content.max_concurrency,
        max_errors: content.max_errors,
        calendars: content.calendar_names,
        duration_hours: content.duration_hours,
    })
}

#[tonic::async_trait]
impl Associations for AssociationsDoor {
    async fn create_association(
        &self,
        request: Request<CreateAssociationRequest>,
    ) -> Result<Response<CreateAssociationResponse>, Status> {
        let by = operator(request.extensions())?;
        let (id, _) = write::create(&self.house, wish(request.into_inner().content)?, &by).await?;
        let association = Some(self.view(id.as_str()).await?);
        Ok(Response::new(CreateAssociationResponse { association }))
    }

    async fn update_association(
        &self,
        request: Request<UpdateAssociationRequest>,
    ) -> Result<Response<UpdateAssociationResponse>, Status> {
        let by = operator(request.extensions())?;
        let UpdateAssociationRequest { association, content, expected_version } = request.into_inner();
        let expected = (expected_version != 0).then_some(expected_version);
        let (id, _) = write::update(&self.house, &association, wish(content)?, expected, &by).await?;
        let association = Some(self.view(id.as_str()).await?);
        Ok(Response::new(UpdateAssociationResponse { association }))
    }

    async fn get_association(
        &self,
        request: Request<GetAssociationRequest>,
    ) -> Result<Response<GetAssociationResponse>, Status> {
        self.ask(&request, &request.get_ref().association).await?;
        let GetAssociationRequest { association, version } = request.into_inner();
        let view = match version {
            0 => find::get(&self.house, &association).await?,
            version => find::get_version(&self.house, &association, version).await?,
        };
        Ok(Response::new(GetAssociationResponse { association: Some(views::association(view)) }))
    }

    async fn list_associations(
        &self,
        request: Request<ListAssociationsRequest>,
    ) -> Result<Response<ListAssociationsResponse>, Status> {
        let ListAssociationsRequest { document_name, node, status, page_size, page_token } =
            request.into_inner();
        if !["", "pending", "success", "failed"].contains(&status.to_ascii_lowercase().as_str()) {
            let refusal =
                format!("`{}` is not a status: it is Pending, Success or Failed", status.escape_debug());
            return Err(Refusal::invalid(refusal).into());
        }
        let filter = Filter {
            document: given(document_name),
            node: given(node),
            status: given(status),
            ..Filter::default()
        };
        let (found, next) =
            find::list(&self.house, &filter, page::after(&page_token)?, page::size(page_size)).await?;
        Ok(Response::new(ListAssociationsResponse {
            associations: found.into_iter().map(views::association).collect(),
            next_page_token: page::token(next),
        }))
    }

    async fn list_association_versions(
        &self,
        request: Request<ListAssociationVersionsRequest>,
    ) -> Result<Response<ListAssociationVersionsResponse>, Status> {
        self.ask(&request, &request.get_ref().association).await?;
        let ListAssociationVersionsRequest { association, page_size, page_token } = request.into_inner();
        let (_, found, next) =
            find::versions(&self.house, &association, page::after(&page_token)?, page::size(page_size))
                .await?;
        let mut versions = Vec::with_capacity(found.len());
        for (version, record) in found {
            let parameters = history::covered(&self.house, &record.content).await;
            versions.push(AssociationVersion {
                version,
                content: Some(views::content(record.content, parameters)),
                created_ms: record.created.millis(),
                created_by: record.created_by,
            });
        }
        Ok(Response::new(ListAssociationVersionsResponse { versions, next_page_token: page::token(next) }))
    }

    async fn run_association(
        &self,
        request: Request<RunAssociationRequest>,
    ) -> Result<Response<RunAssociationResponse>, Status> {
        let (id, _) = write::run_now(&self.house, &request.into_inner().association).await?;
        let association = Some(self.view(id.as_str()).await?);
        Ok(Response::new(RunAssociationResponse { association }))
    }

    async fn delete_association(
        &self,
        request: Request<DeleteAssociationRequest>,
    ) -> Result<Response<DeleteAssociationResponse>, Status> {
        self.ask(&request, &request.get_ref().association).await?;
        write::delete(&self.house, &request.into_inner().association).await?;
        Ok(Response::new(DeleteAssociationResponse {}))
    }

    async fn list_association_nodes(
        &self,
        request: Request<ListAssociationNodesRequest>,
    ) -> Result<Response<ListAssociationNodesResponse>, Status> {
        self.ask(&request, &request.get_ref().association).await?;
        let ListAssociationNodesRequest { association, page_size, page_token } = request.into_inner();
        let after = page::after(&page_token)?;
        let (_, found, next) =
            history::nodes(&self.house, &association, after.as_ref(), page::size(page_size)).await?;
        let runs = found.into_iter().map(|(id, node, run)| views::run(&id, node.name(), run));
        Ok(Response::new(ListAssociationNodesResponse {
            runs: runs.collect(),
            next_page_token: page::token(next),
        }))
    }

    async fn list_executions(
        &self,
        request: Request<ListExecutionsRequest>,
    ) -> Result<Response<ListExecutionsResponse>, Status> {
        self.ask(&request, &request.get_ref().association).await?;
        let ListExecutionsRequest { association, page_size, page_token } = request.into_inner();
        let after =
            page::after::<(String, u64, String)>(&page_token)?.map(views::execution_key).transpose()?;
        let (_, found, next) =
            history::executions(&self.house, &association, after, page::size(page_size)).await?;
        let next = next
            .map(|(association, due, execution)| (String::from(association), due.0, String::from(execution)));
        Ok(Response::new(ListExecutionsResponse {
            executions: found.into_iter().map(views::execution).collect(),
            next_page_token: page::token(next),
        }))
    }

    async fn list_execution_targets(
        &self,
        request: Request<ListExecutionTargetsRequest>,
    ) -> Result<Response<ListExecutionTargetsResponse>, Status> {
        self.ask(&request, &request.get_ref().association).await?;
        let ListExecutionTargetsRequest { association, execution_id, page_size, page_token } =
            request.into_inner();
        let execution: ExecutionId =
            execution_id.parse().map_err(|error| Refusal::invalid(format!("{error}")))?;
        let after = page::after(&page_token)?;
        let size = page::size(page_size);
        let (_, found, next) = history::targets(&self.house, &association, &execution, after, size).await?;
        let mut runs = Vec::with_capacity(found.len());
        for (id, run) in found {
            // A node that has left the fleet has no name any more.
            let name = resolve(&self.house, id.as_str()).await.map(|(_, node)| node.name().to_owned());
            runs.push(views::run(&id, &name.unwrap_or_default(), Some(run)));
        }
        Ok(Response::new(ListExecutionTargetsResponse { runs, next_page_token: page::token(next) }))
    }

    type GetRunOutputStream = Pin<Box<dyn Stream<Item = Result<GetRunOutputResponse, Status>> + Send>>;

    async fn get_run_output(
        &self,
        request: Request<GetRunOutputRequest>,
    ) -> Result<Response<Self::GetRunOutputStream>, Status> {
        let asker = Asker::of(request.extensions())?;
        let GetRunOutputRequest { run_id, node_id } = request.into_inner();
        // A run is a command that nobody asked for: who may see the output of any may see its.
        asker.may(&self.house, &Resource::Command { id: &run_id, document: "", requested_by: "" })?;
        let run: CommandId = run_id.parse().map_err(|error| Refusal::invalid(format!("{error}")))?;
        let (node, _) = resolve(&self.house, &node_id).await?;
        if !report::keeps_output(&self.house, &run, &node).await? {
            return Ok(Response::new(Box::pin(tokio_stream::empty())));
        }
        let pages = try_unfold((self.house.clone(), Some(None::<OutputKey>)), move |(house, after)| {
            let (run, node) = (run.clone(), node.clone());
            async move {
                let Some(after) = after else { return Ok::<_, Status>(None) };
                let (rows, next) = output::read(&house, &run, &node, after.as_ref()).await?;
                let mut chunks = Vec::with_capacity(rows.len());
                for (key, row) in rows {
                    chunks.extend(views::chunk(&house, &key, &row).await?);
                }
                Ok(Some((chunks, (house, next.map(Some)))))
            }
        });
        let chunks = pages.map_ok(|chunks| futures::stream::iter(chunks.into_iter().map(Ok::<_, Status>)));
        let answers =
            chunks.try_flatten().map(|chunk| chunk.map(|chunk| GetRunOutputResponse { chunk: Some(chunk) }));
        Ok(Response::new(Box::pin(answers)))
    }
}
