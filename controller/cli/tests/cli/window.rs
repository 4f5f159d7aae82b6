//! Maintenance windows, as answered to a person and to a program.

use fleetwright_cli::Exit;
use fleetwright_proto::control::windows_server::Windows;
use fleetwright_proto::control::*;
use tonic::{Request, Response, Status};

use crate::controller::{Asked, Script, Shared};
use crate::fleet::*;

const ID: &str = "mw-0123456789abcdef0";
const TARGET: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";
const TASK: &str = "67e55044-10b1-426f-9247-bb680e5fe0c9";
const EXECUTION: &str = "67e55044-10b1-826f-9247-bb680e5fe0c8";
const RUN: &str = "67e55044-10b1-826f-9247-bb680e5fe0c1";

type Answer<T> = Result<Response<T>, Status>;

fn answer<T>(message: T) -> Answer<T> {
    Ok(Response::new(message))
}

impl Shared {
    fn window(&self, wanted: &str) -> Result<Window, Status> {
        self.check()?;
        if wanted == ID || wanted == "patch-night" {
            return Ok(window());
        }
        Err(Status::not_found(format!("Maintenance window `{wanted}` does not exist")))
    }
}

fn window() -> Window {
    Window {
        window_id: ID.into(),
        settings: Some(WindowSettings {
            name: Some("patch-night".into()),
            description: Some("the monthly one".into()),
            schedule: Some("cron(0 2 ? * SUN#2 *)".into()),
            timezone: Some("Europe/Berlin".into()),
            offset_days: Some(2),
            duration_hours: Some(4),
            cutoff_hours: Some(1),
            allow_unassociated_targets: Some(false),
            enabled: Some(true),
            calendars: Some(CalendarNames { names: vec!["freeze".into()] }),
            ..WindowSettings::default()
        }),
        tags: [("team".to_owned(), "web".to_owned())].into(),
        created_ms: NOW_MS - 86_400_000,
        created_by: "ada".into(),
        modified_ms: NOW_MS - 3_600_000,
        next_ms: NOW_MS + 86_400_000,
        open_execution_id: String::new(),
    }
}

fn target() -> WindowTarget {
    WindowTarget {
        target_id: TARGET.into(),
        name: "webs".into(),
        owner_information: "team web".into(),
        targets: vec![Target { key: "tag:role".into(), values: vec!["web".into()] }],
        ..WindowTarget::default()
    }
}

fn task() -> WindowTask {
    WindowTask {
        task_id: TASK.into(),
        name: "restart".into(),
        r#type: "RUN_COMMAND".into(),
        document: "AWS-RunShellScript".into(),
        parameters: [("commands".to_owned(), ParameterValues { values: vec!["true".into()] })].into(),
        target_ids: vec![TARGET.into()],
        priority: 2,
        max_concurrency: "10%".into(),
        max_errors: "1".into(),
        cancel_at_end: true,
        after_task_id: "67e55044-10b1-426f-9247-bb680e5fe0c7".into(),
        registered_by: "ada".into(),
        ..WindowTask::default()
    }
}

fn execution() -> WindowExecution {
    WindowExecution {
        execution_id: EXECUTION.into(),
        window_id: ID.into(),
        window_name: "patch-night".into(),
        status: "FAILED".into(),
        reason_code: "Parts".into(),
        reason: "1 failed".into(),
        scheduled_ms: NOW_MS - 60_000,
        started_ms: NOW_MS - 60_000,
        cutoff_ms: NOW_MS + 3_600_000,
        end_ms: NOW_MS + 7_200_000,
        finished_ms: NOW_MS - 30_000,
    }
}

fn run() -> WindowTaskExecution {
    let reason = "operator ada, who registered the task, may not do this now: operator ada is disabled";
    let invocation = WindowTaskInvocation {
        invocation_id: "67e55044-10b1-826f-9247-bb680e5fe0c2".into(),
        target_id: TARGET.into(),
        owner_information: "team web".into(),
        status: "FAILED".into(),
        reason_code: "NotAllowed".into(),
        reason: reason.into(),
        finished_ms: NOW_MS - 30_000,
        ..WindowTaskInvocation::default()
    };
    WindowTaskExecution {
        task_execution_id: RUN.into(),
        task: Some(task()),
        status: "FAILED".into(),
        reason_code: "NotAllowed".into(),
        reason: reason.into(),
        started_ms: NOW_MS - 60_000,
        finished_ms: NOW_MS - 30_000,
        invocations: vec![invocation],
    }
}

#[tonic::async_trait]
impl Windows for Shared {
    async fn create_window(&self, request: Request<CreateWindowRequest>) -> Answer<CreateWindowResponse> {
        self.check()?;
        let settings = request.into_inner().settings;
        let next_ms = if settings.as_ref().is_some_and(WindowSettings::enabled) { NOW_MS } else { 0 };
        answer(CreateWindowResponse { window: Some(Window { settings, next_ms, ..window() }) })
    }

    async fn list_windows(&self, _: Request<ListWindowsRequest>) -> Answer<ListWindowsResponse> {
        self.check()?;
        answer(ListWindowsResponse { windows: vec![window()], next_page_token: String::new() })
    }

    async fn get_window(&self, request: Request<GetWindowRequest>) -> Answer<GetWindowResponse> {
        let window = Some(self.window(&request.get_ref().window)?);
        answer(GetWindowResponse { window, targets: vec![target()], tasks: vec![task()] })
    }

    async fn update_window(&self, request: Request<UpdateWindowRequest>) -> Answer<UpdateWindowResponse> {
        let known = self.window(&request.get_ref().window)?;
        let settings = known.settings.clone().unwrap_or_default();
        let said = request.into_inner().settings.unwrap_or_default();
        let settings = WindowSettings { enabled: said.enabled.or(settings.enabled), ..settings };
        let next_ms = if settings.enabled() { known.next_ms } else { 0 };
        answer(UpdateWindowResponse { window: Some(Window { settings: Some(settings), next_ms, ..known }) })
    }

    async fn delete_window(&self, request: Request<DeleteWindowRequest>) -> Answer<DeleteWindowResponse> {
        answer(DeleteWindowResponse { window_id: self.window(&request.get_ref().window)?.window_id })
    }

    async fn register_target(
        &self,
        request: Request<RegisterTargetRequest>,
    ) -> Answer<RegisterTargetResponse> {
        self.window(&request.get_ref().window)?;
        answer(RegisterTargetResponse { target_id: TARGET.into() })
    }

    async fn update_target(&self, request: Request<UpdateTargetRequest>) -> Answer<UpdateTargetResponse> {
        self.window(&request.get_ref().window)?;
        let change = request.into_inner().change.unwrap_or_default();
        let known = target();
        let targets = change.targets.map_or(known.targets, |targets| targets.targets);
        let owner_information = change.owner_information.unwrap_or(known.owner_information);
        let target = Some(WindowTarget { targets, owner_information, ..target() });
        answer(UpdateTargetResponse { target })
    }

    async fn deregister_target(
        &self,
        request: Request<DeregisterTargetRequest>,
    ) -> Answer<DeregisterTargetResponse> {
        self.window(&request.get_ref().window)?;
        answer(DeregisterTargetResponse {})
    }

    async fn register_task(&self, request: Request<RegisterTaskRequest>) -> Answer<RegisterTaskResponse> {
        self.window(&request.get_ref().window)?;
        answer(RegisterTaskResponse { task_id: TASK.into() })
    }

    async fn update_task(&self, request: Request<UpdateTaskRequest>) -> Answer<UpdateTaskResponse> {
        self.note(Asked::UpdateTask(request.get_ref().clone()))?;
        self.window(&request.get_ref().window)?;
        let change = request.into_inner().change.unwrap_or_default();
        let priority = change.priority.unwrap_or(2);
        let after_task_id = change.after_task_id.unwrap_or_default();
        let task = Some(WindowTask { priority, after_task_id, ..task() });
        answer(UpdateTaskResponse { task })
    }

    async fn deregister_task(
        &self,
        request: Request<DeregisterTaskRequest>,
    ) -> Answer<DeregisterTaskResponse> {
        self.window(&request.get_ref().window)?;
        answer(DeregisterTaskResponse {})
    }

    async fn list_window_executions(
        &self,
        request: Request<ListWindowExecutionsRequest>,
    ) -> Answer<ListWindowExecutionsResponse> {
        self.window(&request.get_ref().window)?;
        let executions = vec![execution()];
        answer(ListWindowExecutionsResponse { executions, next_page_token: String::new() })
    }

    async fn get_window_execution(
        &self,
        _: Request<GetWindowExecutionRequest>,
    ) -> Answer<GetWindowExecutionResponse> {
        self.check()?;
        answer(GetWindowExecutionResponse { execution: Some(execution()), tasks: vec![run()] })
    }

    async fn cancel_window_execution(
        &self,
        _: Request<CancelWindowExecutionRequest>,
    ) -> Answer<CancelWindowExecutionResponse> {
        self.check()?;
        let reason = "cancelled by admin".to_owned();
        let cancelled =
            WindowExecution { status: "CANCELLING".into(), reason, finished_ms: 0, ..execution() };
        answer(CancelWindowExecutionResponse { execution: Some(cancelled) })
    }

    async fn preview_window(&self, request: Request<PreviewWindowRequest>) -> Answer<PreviewWindowResponse> {
        let window = Some(self.window(&request.get_ref().window)?);
        let at = |at_ms: i64, local: &str, closed: &str| WindowOccurrence {
            at_ms,
            cutoff_ms: at_ms + 3 * 3_600_000,
            end_ms: at_ms + 4 * 3_600_000,
            local: local.into(),
            closed: closed.into(),
        };
        let occurrences = vec![
            at(NOW_MS + 86_400_000, "2026-09-15T02:00:00+02:00", ""),
            at(NOW_MS + 2_592_000_000, "2026-10-13T02:00:00+02:00", "calendar freeze was closed"),
        ];
        let node = PreviewedNode { node_id: WEB.into(), name: "web-1".into() };
        let targets =
            vec![PreviewedTarget { target: Some(target()), nodes: vec![node], problem: String::new() }];
        let tasks = vec![PreviewedTask { task: Some(task()), ..PreviewedTask::default() }];
        answer(PreviewWindowResponse { window, occurrences, targets, tasks })
    }

    async fn explain_window(&self, _: Request<ExplainWindowRequest>) -> Answer<ExplainWindowResponse> {
        self.check()?;
        let fact = |name: &str, value: &str| WindowFact { name: name.into(), value: value.into() };
        answer(ExplainWindowResponse {
            reason_code: "NotAllowed".into(),
            reason: run().reason,
            values: [("registrar".to_owned(), "ada".to_owned())].into(),
            facts: vec![fact("status", "FAILED"), fact("registered by", "ada, 2026-09-01T12:00:00Z")],
        })
    }
}

/// The answer of each line in all three formats; on a terminal too.
#[tokio::test]
async fn answers_are_golden() {
    let fleet = Fleet::start(Script::default()).await;
    let lines = [
        (
            "window_create",
            "window create --name once --schedule at(2027-01-01T02:00:00) --duration 4h --cutoff 1 --disabled".to_owned(),
        ),
        ("window_list", "window list".to_owned()),
        ("window_show", "window show patch-night".to_owned()),
        ("window_update", "window update patch-night --disable".to_owned()),
        ("window_target_add", "window target add patch-night -t tag:role=web".to_owned()),
        (
            "window_target_update",
            format!("window target update patch-night {TARGET} -t tag:role=db --owner-information db"),
        ),
        ("window_target_remove", format!("window target remove patch-night {TARGET}")),
        ("window_task_add", format!("window task add patch-night --target-id {TARGET} -- true")),
        ("window_task_update", format!("window task update patch-night {TASK} --priority 7 -- echo hello")),
        ("window_task_remove", format!("window task remove patch-night {TASK}")),
        ("window_executions", "window executions patch-night".to_owned()),
        ("window_executions_of_one", format!("window executions patch-night {EXECUTION}")),
        ("window_preview", "window preview patch-night".to_owned()),
        ("window_cancel", format!("window cancel {EXECUTION}")),
        ("window_why", format!("window why {EXECUTION} restart")),
        ("window_delete", "window delete patch-night".to_owned()),
    ];
    for (name, line) in lines {
        let mut golden = String::new();
        for format in ["table", "json"] {
            // What follows `--` is the command.
            let typed = match line.split_once(" -- ") {
                Some((words, command)) => format!("{words} -o {format} -- {command}"),
                None => format!("{line} -o {format}"),
            };
            let ended = fleet.types(&typed).await;
            golden.push_str(&format!("=== piped -o {format}\n{}", ended.text()));
        }
        let ended = fleet.types_at(Seat::at_terminal(""), &line).await;
        golden.push_str(&format!("=== 80 columns\n{}", ended.text()));
        insta::assert_snapshot!(name, golden);
    }
}

#[tokio::test]
async fn a_change_of_a_task_says_what_is_named_and_nothing_else() {
    let fleet = Fleet::start(Script::default()).await;
    fleet.types(&format!("window task update patch-night {TASK} --priority 7")).await;
    fleet.types(&format!("window task update patch-night {TASK} --cancel-at-end=false -- echo hello")).await;
    fleet
        .types(&format!("window task update patch-night {TASK} --after-failure {TARGET} --node web-1"))
        .await;
    let asked: Vec<_> = fleet
        .controller
        .asked()
        .into_iter()
        .filter_map(|asked| match asked {
            Asked::UpdateTask(request) => request.change,
            _ => None,
        })
        .collect();
    let change = WindowTaskChange::default;
    assert_eq!(asked[0], WindowTaskChange { priority: Some(7), ..change() });
    let parameters = [("commands".to_owned(), ParameterValues { values: vec!["echo hello".into()] })].into();
    let wanted = WindowTaskChange {
        document: Some("AWS-RunShellScript".into()),
        document_version: Some(String::new()),
        parameters: Some(TaskParameters { parameters }),
        cancel_at_end: Some(false),
        ..change()
    };
    assert_eq!(asked[1], wanted);
    let targets = Some(TaskTargets { target_ids: Vec::new(), nodes: vec!["web-1".into()] });
    let wanted =
        WindowTaskChange { targets, after_task_id: Some(TARGET.into()), after_failure: true, ..change() };
    assert_eq!(asked[2], wanted);
}

#[tokio::test]
async fn a_refusal_is_one_line() {
    let fleet = Fleet::start(Script::default()).await;
    let ended = fleet.types("window show nightly").await;
    ended.check(Exit::NotFound, "", "error: Maintenance window `nightly` does not exist\n");
    for (line, word) in [
        ("window create --name x-1 --schedule rate(1~day) --duration four --cutoff 1", "write 4"),
        ("window create --name x-1 --duration 4 --cutoff 1", "--schedule"),
        ("window update patch-night --enable --disable", "--disable"),
        ("window task add patch-night", "--document"),
    ] {
        let ended = fleet.types(line).await;
        assert_eq!(ended.exit, Exit::Usage, "{line}");
        assert!(ended.stderr.contains(word), "{line}: {}", ended.stderr);
    }
}
