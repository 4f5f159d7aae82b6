//! `fleetwright.control.v1.Windows`.

mod views;

use std::sync::Arc;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::control::windows_server::Windows;
use fleetwright_proto::control::{
    CancelWindowExecutionRequest, CancelWindowExecutionResponse, CreateWindowRequest, CreateWindowResponse,
    DeleteWindowRequest, DeleteWindowResponse, DeregisterTargetRequest, DeregisterTargetResponse,
    DeregisterTaskRequest, DeregisterTaskResponse, ExplainWindowRequest, ExplainWindowResponse,
    GetWindowExecutionRequest, GetWindowExecutionResponse, GetWindowRequest, GetWindowResponse,
    ListWindowExecutionsRequest, ListWindowExecutionsResponse, ListWindowsRequest, ListWindowsResponse,
    PreviewWindowRequest, PreviewWindowResponse, PreviewedTarget, PreviewedTask, RegisterTargetRequest,
    RegisterTargetResponse, RegisterTaskRequest, RegisterTaskResponse, UpdateTargetRequest,
    UpdateTargetResponse, UpdateTaskRequest, UpdateTaskResponse, UpdateWindowRequest, UpdateWindowResponse,
    WindowFact, WindowOccurrence,
};
use fleetwright_store::Reverse;
use tonic::{Request, Response, Status};

use super::page;
use crate::access::policy::{Action, Kind, Resource};
use crate::doors::access::{Asker, operator};
use crate::error::Refusal;
use crate::house::House;
use crate::windows::ids::{ExecutionId, WindowId};
use crate::windows::operations::{self, Change, NewWindow};
use crate::windows::preview::{self, Occurrence};
use crate::windows::records::WindowRecord;
use crate::windows::targets::{self, NewTarget, Safety, TargetWish};
use crate::windows::tasks::{self, NewTask};
use crate::windows::{executions, explain, records};

/// Occurrences of a preview that does not say how many.
const PREVIEWED: usize = 5;

/// Translates between the wire and [`crate::windows`].
#[derive(Debug)]
pub struct WindowsDoor {
    house: Arc<House>,
}

impl WindowsDoor {
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }

    /// The window, if whoever asks may do with it what he asks for.
    async fn window<T>(&self, request: &Request<T>, wanted: &str) -> Result<WindowId, Refusal> {
        let id = operations::resolve(&self.house, wanted).await?;
        Asker::of(request.extensions())?.may(&self.house, &Resource::Named(Kind::Window, id.as_str()))?;
        Ok(id)
    }

    /// The window with its targets and tasks, if whoever asks may see those as well.
    async fn whole<T>(&self, request: &Request<T>, wanted: &str) -> Result<WindowId, Refusal> {
        let id = self.window(request, wanted).await?;
        let asker = Asker::of(request.extensions())?;
        for action in [Action::DescribeMaintenanceWindowTargets, Action::DescribeMaintenanceWindowTasks] {
            asker.may_do(&self.house, action, &Resource::Named(Kind::Window, id.as_str()))?;
        }
        Ok(id)
    }

    /// The execution, if whoever asks may do with its window what he asks for.
    async fn execution<T>(&self, request: &Request<T>, wanted: &str) -> Result<ExecutionId, Refusal> {
        let id: ExecutionId = parse(wanted)?;
        let window = executions::get(&self.house, &id).await?.window;
        Asker::of(request.extensions())?.may(&self.house, &Resource::Named(Kind::Window, window.as_str()))?;
        Ok(id)
    }
}

/// An id as it came; one of another form names nothing that exists.
fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|error: T::Err| Refusal::invalid(error.to_string()))
}

#[tonic::async_trait]
impl Windows for WindowsDoor {
    async fn create_window(
        &self,
        request: Request<CreateWindowRequest>,
    ) -> Result<Response<CreateWindowResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        // One that is not there yet has a name, and no id.
        let name = request.get_ref().settings.as_ref().and_then(|settings| settings.name.as_deref());
        asker.may(&self.house, &Resource::Named(Kind::Window, name.unwrap_or_default()))?;
        let created_by = asker.principal.name.to_string();
        let CreateWindowRequest { settings, tags, client_token } = request.into_inner();
        let wish = views::wish(settings.unwrap_or_default());
        let new = NewWindow { wish, tags: tags.into_iter().collect(), client_token, created_by };
        let id = operations::create(&self.house, new).await?;
        let window = views::window(&id, operations::get(&self.house, &id).await?);
        Ok(Response::new(CreateWindowResponse { window: Some(window) }))
    }

    async fn list_windows(
        &self,
        request: Request<ListWindowsRequest>,
    ) -> Result<Response<ListWindowsResponse>, Status> {
        let ListWindowsRequest { page_size, page_token } = request.into_inner();
        let (after, size) = (page::after(&page_token)?, page::size(page_size));
        let (found, next) = operations::list(&self.house, |_| true, after, size).await?;
        Ok(Response::new(ListWindowsResponse {
            windows: found.into_iter().map(|(id, record)| views::window(&id, record)).collect(),
            next_page_token: page::token(next),
        }))
    }

    async fn get_window(
        &self,
        request: Request<GetWindowRequest>,
    ) -> Result<Response<GetWindowResponse>, Status> {
        let id = self.whole(&request, &request.get_ref().window).await?;
        let whole = operations::whole(&self.house, &id).await?;
        Ok(Response::new(GetWindowResponse {
            window: Some(views::window(&id, whole.window)),
            targets: whole.targets.iter().map(|(id, record)| views::target(id, record)).collect(),
            tasks: whole.tasks.iter().map(|(id, record)| views::task(id, record)).collect(),
        }))
    }

    async fn update_window(
        &self,
        request: Request<UpdateWindowRequest>,
    ) -> Result<Response<UpdateWindowResponse>, Status> {
        let id = self.window(&request, &request.get_ref().window).await?;
        let UpdateWindowRequest { window: _, settings } = request.into_inner();
        let wish = views::wish(settings.unwrap_or_default());
        let record = operations::update(&self.house, &id, wish, Change::Keep).await?;
        Ok(Response::new(UpdateWindowResponse { window: Some(views::window(&id, record)) }))
    }

    async fn delete_window(
        &self,
        request: Request<DeleteWindowRequest>,
    ) -> Result<Response<DeleteWindowResponse>, Status> {
        let id = self.window(&request, &request.get_ref().window).await?;
        let by = operator(request.extensions())?;
        if !operations::delete(&self.house, &id, &by).await? {
            operations::get(&self.house, &id).await?;
        }
        Ok(Response::new(DeleteWindowResponse { window_id: id.into() }))
    }

    async fn register_target(
        &self,
        request: Request<RegisterTargetRequest>,
    ) -> Result<Response<RegisterTargetResponse>, Status> {
        let window = self.window(&request, &request.get_ref().window).await?;
        let RegisterTargetRequest { window: _, name, description, owner_information, targets } =
            request.into_inner();
        let new = NewTarget {
            window,
            resource_type: None,
            wish: TargetWish {
                targets: Some(targets.into_iter().map(|target| (target.key, target.values)).collect()),
                owner_information: Some(owner_information),
                name: Some(name),
                description: Some(description),
            },
            client_token: String::new(),
        };
        let id = targets::register(&self.house, new).await?;
        Ok(Response::new(RegisterTargetResponse { target_id: id.into() }))
    }

    async fn update_target(
        &self,
        request: Request<UpdateTargetRequest>,
    ) -> Result<Response<UpdateTargetResponse>, Status> {
        let window = self.window(&request, &request.get_ref().window).await?;
        let by = Asker::of(request.extensions())?.hand_over();
        let UpdateTargetRequest { window: _, target_id, change } = request.into_inner();
        let (id, wish) = (parse(&target_id)?, views::target_change(change.unwrap_or_default()));
        let record = targets::update(&self.house, &window, &id, wish, Change::Keep, Some(&by)).await?;
        Ok(Response::new(UpdateTargetResponse { target: Some(views::target(&id, &record)) }))
    }

    async fn deregister_target(
        &self,
        request: Request<DeregisterTargetRequest>,
    ) -> Result<Response<DeregisterTargetResponse>, Status> {
        let window = self.window(&request, &request.get_ref().window).await?;
        let DeregisterTargetRequest { window: _, target_id, safe } = request.into_inner();
        let safety = if safe { Safety::Safe } else { Safety::Unsafe };
        targets::deregister(&self.house, &window, &parse(&target_id)?, safety).await?;
        Ok(Response::new(DeregisterTargetResponse {}))
    }

    async fn register_task(
        &self,
        request: Request<RegisterTaskRequest>,
    ) -> Result<Response<RegisterTaskResponse>, Status> {
        let window = self.window(&request, &request.get_ref().window).await?;
        let asked_by = Some(Asker::of(request.extensions())?.hand_over());
        let wish = views::task_wish(request.into_inner().task.unwrap_or_default())?;
        let new = NewTask { window, wish, client_token: String::new(), asked_by };
        let id = tasks::register(&self.house, new).await?;
        Ok(Response::new(RegisterTaskResponse { task_id: id.into() }))
    }

    async fn update_task(
        &self,
        request: Request<UpdateTaskRequest>,
    ) -> Result<Response<UpdateTaskResponse>, Status> {
        let window = self.window(&request, &request.get_ref().window).await?;
        let by = Asker::of(request.extensions())?.hand_over();
        let UpdateTaskRequest { window: _, task_id, change } = request.into_inner();
        let (id, wish) = (parse(&task_id)?, views::task_change(change.unwrap_or_default())?);
        let record = tasks::update(&self.house, &window, &id, wish, Change::Keep, Some(&by)).await?;
        Ok(Response::new(UpdateTaskResponse { task: Some(views::task(&id, &record)) }))
    }

    async fn deregister_task(
        &self,
        request: Request<DeregisterTaskRequest>,
    ) -> Result<Response<DeregisterTaskResponse>, Status> {
        let window = self.window(&request, &request.get_ref().window).await?;
        let DeregisterTaskRequest { window: _, task_id } = request.into_inner();
        tasks::deregister(&self.house, &window, &parse(&task_id)?).await?;
        Ok(Response::new(DeregisterTaskResponse {}))
    }

    async fn list_window_executions(
        &self,
        request: Request<ListWindowExecutionsRequest>,
    ) -> Result<Response<ListWindowExecutionsResponse>, Status> {
        let window = self.window(&request, &request.get_ref().window).await?;
        let ListWindowExecutionsRequest { window: _, page_size, page_token } = request.into_inner();
        let after = page::after::<(u64, ExecutionId)>(&page_token)?;
        let after = after.map(|(time, id)| (window.clone(), Reverse(time), id));
        let (found, next) =
            executions::list(&self.house, &window, |_| true, after, page::size(page_size)).await?;
        Ok(Response::new(ListWindowExecutionsResponse {
            executions: found.into_iter().map(|(id, record)| views::execution(&id, &record)).collect(),
            next_page_token: page::token(next.map(|(_, time, id)| (time.0, id))),
        }))
    }

    async fn get_window_execution(
        &self,
        request: Request<GetWindowExecutionRequest>,
    ) -> Result<Response<GetWindowExecutionResponse>, Status> {
        let id = self.execution(&request, &request.get_ref().execution_id).await?;
        let (execution, tasks) = executions::tasks(&self.house, &id).await?;
        Ok(Response::new(GetWindowExecutionResponse {
            execution: Some(views::execution(&id, &execution)),
            tasks: tasks.iter().map(|(id, run)| views::task_run(id, run)).collect(),
        }))
    }

    async fn cancel_window_execution(
        &self,
        request: Request<CancelWindowExecutionRequest>,
    ) -> Result<Response<CancelWindowExecutionResponse>, Status> {
        let id = self.execution(&request, &request.get_ref().execution_id).await?;
        let by = operator(request.extensions())?;
        let execution = executions::cancel(&self.house, &id, &by).await?;
        let execution = Some(views::execution(&id, &execution));
        Ok(Response::new(CancelWindowExecutionResponse { execution }))
    }

    async fn preview_window(
        &self,
        request: Request<PreviewWindowRequest>,
    ) -> Result<Response<PreviewWindowResponse>, Status> {
        let id = self.whole(&request, &request.get_ref().window).await?;
        let PreviewWindowRequest { window: _, occurrences } = request.into_inner();
        let count = if occurrences == 0 { PREVIEWED } else { occurrences as usize };
        let seen = preview::preview(&self.house, &id, count).await?;
        let window = &seen.whole.window;
        let targets = seen.whole.targets.iter().zip(seen.targets).map(|((id, record), (_, found))| {
            let (nodes, problem) = views::previewed(found);
            PreviewedTarget { target: Some(views::target(id, record)), nodes, problem }
        });
        let tasks = seen.whole.tasks.iter().zip(seen.task_nodes).map(|((id, record), found)| {
            let (nodes, problem) = found.map(views::previewed).unwrap_or_default();
            PreviewedTask { task: Some(views::task(id, record)), nodes, problem }
        });
        Ok(Response::new(PreviewWindowResponse {
            targets: targets.collect(),
            tasks: tasks.collect(),
            occurrences: seen.occurrences.iter().map(|one| occurrence(window, one)).collect(),
            window: Some(views::window(&id, window.clone())),
        }))
    }

    async fn explain_window(
        &self,
        request: Request<ExplainWindowRequest>,
    ) -> Result<Response<ExplainWindowResponse>, Status> {
        let id = self.execution(&request, &request.get_ref().execution_id).await?;
        let why = explain::explain(&self.house, &id, &request.get_ref().task).await?;
        let facts = why.facts.into_iter();
        Ok(Response::new(ExplainWindowResponse {
            reason_code: why.code,
            reason: why.text,
            values: why.values.into_iter().collect(),
            facts: facts.map(|fact| WindowFact { name: fact.name.to_owned(), value: fact.value }).collect(),
        }))
    }
}

fn occurrence(window: &WindowRecord, one: &Occurrence) -> WindowOccurrence {
    WindowOccurrence {
        at_ms: one.at.millis(),
        cutoff_ms: one.cutoff.millis(),
        end_ms: one.end.millis(),
        local: records::instant(one.at).map(|at| window.zone().show(at)).unwrap_or_default(),
        closed: one.closed.as_ref().map(records::Reason::text).unwrap_or_default(),
    }
}

/// A moment that may not be.
fn millis(moment: Option<Timestamp>) -> i64 {
    moment.map_or(0, Timestamp::millis)
}
