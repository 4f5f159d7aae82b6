//! `fleetwright.control.v1.Commands`.

mod views;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::control::commands_server::Commands;
use fleetwright_proto::control::send_command_request::Document;
use fleetwright_proto::control::{
    CancelCommandRequest, CancelCommandResponse, CheckCommandRequest, CheckCommandResponse, Command,
    ExecutionStage, ExplainRequest, ExplainResponse, GetCommandRequest, GetCommandResponse, GetOutputRequest,
    GetOutputResponse, ListCommandsRequest, ListCommandsResponse, ListInvocationsRequest,
    ListInvocationsResponse, SendCommandRequest, SendCommandResponse, WatchCommandRequest,
    WatchCommandResponse,
};
use fleetwright_proto::ids::CommandId;
use futures::stream::try_unfold;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

pub(super) use self::views::step as wire_step;
use super::page;
use crate::access::Principal;
use crate::access::policy::{Action, Resource};
use crate::commands::history::{self, Filter, Stage};
use crate::commands::operations;
use crate::commands::output::{self, OutputKey};
use crate::commands::records::CommandRecord;
use crate::commands::send::{self, DocumentHash, NotifyWish, Wanted, WhenEmpty, Wish};
use crate::commands::watch::{Follower, Output};
use crate::commands::{cancel, explain};
use crate::documents::kinds::HashType;
use crate::doors::access::Asker;
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::operations::resolve;

/// Translates between the wire and [`crate::commands`].
#[derive(Debug)]
pub struct CommandsDoor {
    house: Arc<House>,
}

impl CommandsDoor {
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }

    async fn filter(&self, request: ListCommandsRequest) -> Result<Filter, Refusal> {
        let stage = match request.execution_stage() {
            ExecutionStage::Unspecified => None,
            ExecutionStage::Executing => Some(Stage::Executing),
            ExecutionStage::Complete => Some(Stage::Complete),
        };
        let given = |text: String| (!text.is_empty()).then_some(text);
        let moment = |ms: i64| (ms != 0).then(|| Timestamp::from_millis(ms));
        let node = match request.node_id.as_str() {
            "" => None,
            // An id is not looked up: its node may be gone and its history still there.
            wanted => match wanted.parse() {
                Ok(id) => Some(id),
                Err(_) => Some(resolve(&self.house, wanted).await?.0),
            },
        };
        Ok(Filter {
            statuses: request.statuses.into_iter().map(views::wanted_status).collect::<Result<_, _>>()?,
            stage,
            node,
            document: given(request.document_name),
            requested_by: given(request.requested_by),
            from: moment(request.invoked_after_ms),
            until: moment(request.invoked_before_ms),
        })
    }

    async fn view(&self, id: &CommandId, record: &CommandRecord) -> Result<Command, Refusal> {
        let counts = operations::counts(&self.house, id, record).await?;
        views::command(&self.house, id, record, &counts).await
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Commands for CommandsDoor {
    async fn send_command(
        &self,
        request: Request<SendCommandRequest>,
    ) -> Result<Response<SendCommandResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let wish = wish(request.into_inner(), asker.hand_over())?;
        asker.tell(about_wish(&wish));
        let (id, record) = send::send(&self.house, wish).await?;
        asker.tell(format!("command {id} on {} nodes", record.target_count));
        let command = self.view(&id, &record).await?;
        Ok(Response::new(SendCommandResponse { command: Some(command) }))
    }

    async fn check_command(
        &self,
        request: Request<CheckCommandRequest>,
    ) -> Result<Response<CheckCommandResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let command = request.into_inner().command.unwrap_or_default();
        let target_count = send::rehearse(&self.house, wish(command, asker.hand_over())?).await?;
        Ok(Response::new(CheckCommandResponse { target_count }))
    }

    async fn list_commands(
        &self,
        request: Request<ListCommandsRequest>,
    ) -> Result<Response<ListCommandsResponse>, Status> {
        let request = request.into_inner();
        let after = page::after(&request.page_token)?.map(views::time_key);
        let size = page::size(request.page_size);
        let filter = self.filter(request).await?;
        let (found, next) = history::list(&self.house, &filter, after, size).await?;
        let mut commands = Vec::with_capacity(found.len());
        for (id, record) in &found {
            commands.push(self.view(id, record).await?);
        }
        let next_page_token = page::token(next.map(|(time, id)| (time.0, id)));
        Ok(Response::new(ListCommandsResponse { commands, next_page_token }))
    }

    async fn get_command(
        &self,
        request: Request<GetCommandRequest>,
    ) -> Result<Response<GetCommandResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let id = command_id(&request.into_inner().command_id)?;
        let record = operations::get(&self.house, &id).await?;
        asker.may(&self.house, &about(&id, &record))?;
        let command = self.view(&id, &record).await?;
        Ok(Response::new(GetCommandResponse { command: Some(command) }))
    }

    async fn list_invocations(
        &self,
        request: Request<ListInvocationsRequest>,
    ) -> Result<Response<ListInvocationsResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let ListInvocationsRequest { command_id: id, page_size, page_token, states } = request.into_inner();
        let id = command_id(&id)?;
        let states: Vec<_> = states.into_iter().map(views::wanted_state).collect::<Result<_, _>>()?;
        let record = operations::get(&self.house, &id).await?;
        asker.may(&self.house, &about(&id, &record))?;
        let after = page::after(&page_token)?;
        let (found, next) =
            operations::invocations(&self.house, &id, &states, after, page::size(page_size)).await?;
        let mut invocations = Vec::with_capacity(found.len());
        for (node, invocation) in &found {
            invocations.push(views::invocation(&self.house, &id, &record, node, invocation).await?);
        }
        Ok(Response::new(ListInvocationsResponse { invocations, next_page_token: page::token(next) }))
    }

    type WatchCommandStream = Answers<WatchCommandResponse>;

    async fn watch_command(
        &self,
        request: Request<WatchCommandRequest>,
    ) -> Result<Response<Self::WatchCommandStream>, Status> {
        let asker = Asker::of(request.extensions())?;
        let WatchCommandRequest { command_id: id, output } = request.into_inner();
        let id = command_id(&id)?;
        let record = operations::get(&self.house, &id).await?;
        asker.may(&self.house, &about(&id, &record))?;
        if output {
            asker.may_do(&self.house, Action::GetOutput, &about(&id, &record))?;
        }
        let output = if output { Output::Wanted } else { Output::Unwanted };
        let follower = Follower::new(self.house.clone(), id.clone(), output).await?;
        let house = self.house.clone();
        let events = try_unfold((house, id, record, follower), async |(house, id, record, mut follower)| {
            let Some(event) = follower.next().await? else { return Ok::<_, Status>(None) };
            let event = views::event(&house, &id, &record, event).await?;
            Ok(Some((event, (house, id, record, follower))))
        });
        Ok(Response::new(Box::pin(events)))
    }

    type GetOutputStream = Answers<GetOutputResponse>;

    async fn get_output(
        &self,
        request: Request<GetOutputRequest>,
    ) -> Result<Response<Self::GetOutputStream>, Status> {
        let asker = Asker::of(request.extensions())?;
        let request = request.into_inner();
        let id = command_id(&request.command_id)?;
        let record = operations::get(&self.house, &id).await?;
        asker.may(&self.house, &about(&id, &record))?;
        let (node, _) = resolve(&self.house, &request.node_id).await?;
        let invocation = operations::invocation(&self.house, &id, &node).await?;
        let wanted = views::Selection::new(&request, &invocation)?;
        let pages = try_unfold((self.house.clone(), Some(None::<OutputKey>)), move |(house, after)| {
            let (id, node, wanted) = (id.clone(), node.clone(), wanted);
            async move {
                let Some(after) = after else { return Ok::<_, Status>(None) };
                let (rows, next) = output::read(&house, &id, &node, after.as_ref()).await?;
                let mut chunks = Vec::new();
                for (key, row) in rows {
                    chunks.extend(wanted.chunk(&house, &key, &row).await?);
                }
                Ok(Some((chunks, (house, next.map(Some)))))
            }
        });
        Ok(Response::new(Box::pin(views::flatten(pages))))
    }

    async fn cancel_command(
        &self,
        request: Request<CancelCommandRequest>,
    ) -> Result<Response<CancelCommandResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let CancelCommandRequest { command_id: id, nodes } = request.into_inner();
        let id = command_id(&id)?;
        let record = operations::get(&self.house, &id).await?;
        asker.may(&self.house, &about(&id, &record))?;
        let by = asker.principal.name.to_string();
        let record = cancel::cancel(&self.house, &id, &nodes, &by).await?;
        let command = self.view(&id, &record).await?;
        Ok(Response::new(CancelCommandResponse { command: Some(command) }))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let ExplainRequest { command_id: id, node } = request.into_inner();
        let id = command_id(&id)?;
        let record = operations::get(&self.house, &id).await?;
        asker.may(&self.house, &about(&id, &record))?;
        let explanation = match node.as_str() {
            "" => explain::command(&self.house, &id).await?,
            wanted => {
                let (node, _) = resolve(&self.house, wanted).await?;
                explain::invocation(&self.house, &id, &node).await?
            }
        };
        Ok(Response::new(views::explanation(explanation)))
    }
}

fn about_wish(wish: &Wish) -> String {
    match &wish.document {
        Wanted::Named { name, .. } => format!("document {}", name.escape_debug()),
        Wanted::Content(_) => "a document of its own".to_owned(),
    }
}

/// A command as policies see it.
fn about<'a>(id: &'a CommandId, record: &'a CommandRecord) -> Resource<'a> {
    Resource::Command { id: id.as_str(), document: &record.document.name, requested_by: &record.requested_by }
}

fn command_id(text: &str) -> Result<CommandId, Refusal> {
    text.parse().map_err(|error| Refusal::invalid(format!("{error}")))
}

fn wanted_hash(hash: String, hash_type: &str) -> Result<Option<DocumentHash>, Refusal> {
    let hash_type = match hash_type {
        "" => HashType::Sha256,
        said => HashType::parse(said)?,
    };
    Ok((!hash.is_empty()).then_some(DocumentHash { hash_type, hash }))
}

fn wish(request: SendCommandRequest, principal: Principal) -> Result<Wish, Refusal> {
    let SendCommandRequest {
        document_version,
        parameters,
        targets,
        max_concurrency,
        max_errors,
        delivery_timeout_ms,
        comment,
        client_token,
        notification,
        document,
        document_hash,
        document_hash_type,
    } = request;
    let document = match document {
        Some(Document::DocumentName(name)) => {
            let hash = wanted_hash(document_hash, &document_hash_type)?;
            Wanted::Named { name, version: document_version, hash }
        }
        Some(Document::DocumentContent(content)) => Wanted::Content(content),
        None => return Err(Refusal::invalid("no document: name one, or send its content")),
    };
    Ok(Wish {
        document,
        parameters: parameters.into_iter().map(|(name, values)| (name, values.values)).collect(),
        targets: targets.into_iter().map(|target| (target.key, target.values)).collect(),
        max_concurrency,
        max_errors,
        delivery_timeout: Duration::from_millis(delivery_timeout_ms),
        comment,
        client_token,
        requested_by: principal.name.to_string(),
        asked_by: Some(principal),
        when_empty: WhenEmpty::Refuse,
        notify: notification.map(|wish| NotifyWish {
            url: wish.url,
            events: wish.events,
            about: wish.r#type,
        }),
    })
}
