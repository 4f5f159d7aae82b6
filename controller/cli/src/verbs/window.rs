//! `fleetwright window`: work that disturbs hosts, done in agreed hours.

use clap::{Args, Subcommand};
use fleetwright_proto::control::windows_client::WindowsClient;
use fleetwright_proto::control::{
    CreateWindowRequest, DeleteWindowRequest, GetWindowRequest, ListWindowsRequest, UpdateWindowRequest,
};

use super::Asked;
use crate::arguments::tag::Tag;
use crate::connection::Channel;
use crate::data::command::targets_text;
use crate::data::window::{WholeWindow, Window, WindowTarget, WindowTask};
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::{Operator, PAGE_SIZE};
use crate::render::{self, time};

pub(crate) mod executions;
mod settings;
pub(crate) mod target;
pub(crate) mod task;

use settings::SettingsArgs;

#[derive(Debug, Clone, Subcommand)]
pub enum WindowVerb {
    /// Make a window
    #[command(
        long_about = "Make a window: when it opens, for how long, and how long before its end nothing is started any \
            more.\n\nRegister targets and tasks with it next: `window target add`, `window task add`. `window preview` \
            shows what it will do.",
        after_long_help = help::ending(&[
            "fleetwright window create --name patch-night --schedule 'cron(0 2 ? * SUN#2 *)' --timezone Europe/Berlin \
             --duration 4 --cutoff 1",
            "fleetwright window create --name weekly --schedule 'rate(7 days)' --start-date 2026-11-04T02:00:00+01:00 \
             --duration 3 --cutoff 1 --calendar freeze",
            "fleetwright window create --name once --schedule 'at(2026-12-31T22:00:00)' --duration 2 --cutoff 0",
        ]),
    )]
    Create(CreateArgs),
    /// List windows, and when they open next
    #[command(after_long_help = help::ending(&["fleetwright window list", "fleetwright window list -o json"]))]
    List,
    /// Show a window with its targets, and its tasks in the order in which they run
    #[command(after_long_help = help::ending(&["fleetwright window show patch-night"]))]
    Show(Which),
    /// Change a window; what is not named stays as it is
    #[command(after_long_help = help::ending(&[
        "fleetwright window update patch-night --duration 6",
        "fleetwright window update patch-night --disable",
        "fleetwright window update patch-night --end-date ''",
    ]))]
    Update(UpdateArgs),
    /// Delete a window with its targets and tasks, and cancel its open execution
    #[command(after_long_help = help::ending(&["fleetwright window delete patch-night"]))]
    Delete(Which),
    /// Say on what the tasks of a window run
    #[command(subcommand)]
    Target(target::TargetVerb),
    /// Say what a window does
    #[command(subcommand)]
    Task(task::TaskVerb),
    /// List what became of a window's occurrences, newest first; with an execution, its tasks
    #[command(after_long_help = help::ending(&[
        "fleetwright window executions patch-night",
        "fleetwright window executions patch-night 67e55044-10b1-826f-9247-bb680e5fe0c8",
    ]))]
    Executions(executions::ExecutionsArgs),
    /// Show what a window will do: when it opens, on which nodes, which tasks in which order
    #[command(after_long_help = help::ending(&["fleetwright window preview patch-night --occurrences 10"]))]
    Preview(executions::PreviewArgs),
    /// Cancel an execution: nothing more is started, what runs is asked to stop
    #[command(after_long_help = help::ending(&[
        "fleetwright window cancel 67e55044-10b1-826f-9247-bb680e5fe0c8",
    ]))]
    Cancel(executions::CancelArgs),
    /// Say why an execution, or a task in it, is in its state
    #[command(after_long_help = help::ending(&[
        "fleetwright window why 67e55044-10b1-826f-9247-bb680e5fe0c8",
        "fleetwright window why 67e55044-10b1-826f-9247-bb680e5fe0c8 restart-web",
    ]))]
    Why(executions::WhyArgs),
}

#[derive(Debug, Clone, Args)]
pub struct Which {
    /// Window, by id or name
    window: String,
}

#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// Name: 3 to 128 letters, digits, and _ - .
    #[arg(long, value_name = "NAME")]
    name: String,
    /// When it opens: cron(…), rate(…) or at(…)
    #[arg(long, value_name = "SCHEDULE")]
    schedule: String,
    /// For how many hours it is open, 1 to 24
    #[arg(long, value_name = "HOURS", value_parser = settings::hours)]
    duration: u32,
    /// How many hours before its end nothing is started any more, less than the duration
    #[arg(long, value_name = "HOURS", value_parser = settings::hours)]
    cutoff: u32,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Tag of the window, KEY=VALUE; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<Tag>,
    /// Make it, and let it not run until it is enabled
    #[arg(long)]
    disabled: bool,
}

#[derive(Debug, Clone, Args)]
pub struct UpdateArgs {
    /// Window, by id or name
    window: String,
    /// Another name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// When it opens: cron(…), rate(…) or at(…)
    #[arg(long, value_name = "SCHEDULE")]
    schedule: Option<String>,
    /// For how many hours it is open, 1 to 24
    #[arg(long, value_name = "HOURS", value_parser = settings::hours)]
    duration: Option<u32>,
    /// How many hours before its end nothing is started any more, less than the duration
    #[arg(long, value_name = "HOURS", value_parser = settings::hours)]
    cutoff: Option<u32>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Let it run
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Let it not run
    #[arg(long)]
    disable: bool,
}

pub(crate) fn client(operator: &Operator) -> WindowsClient<Channel> {
    WindowsClient::with_origin(operator.channel(), operator.channel().origin())
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: WindowVerb) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    let mut client = client(&operator);
    match verb {
        WindowVerb::Create(args) => {
            let mut settings = args.settings.wire();
            (settings.name, settings.schedule) = (Some(args.name), Some(args.schedule));
            (settings.duration_hours, settings.cutoff_hours) = (Some(args.duration), Some(args.cutoff));
            settings.allow_unassociated_targets.get_or_insert(false);
            settings.enabled = Some(!args.disabled);
            let tags = args.tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
            let request = CreateWindowRequest { settings: Some(settings), tags, client_token: String::new() };
            let answer = client.create_window(request).await?.into_inner();
            show(io, asked, answer.window)?;
        }
        WindowVerb::List => list(io, asked, &operator).await?,
        WindowVerb::Show(Which { window }) => {
            let answer = client.get_window(GetWindowRequest { window }).await?.into_inner();
            let window = Window::from(answer.window.ok_or(Failure::IncompleteAnswer("window"))?);
            let targets = answer.targets.into_iter().map(WindowTarget::from).collect();
            let tasks = answer.tasks.into_iter().map(WindowTask::from).collect();
            let whole = WholeWindow { window, targets, tasks };
            let now = io.clock.now();
            render::one(io, asked.format, &whole, |whole| whole_fields(now, whole))?;
        }
        WindowVerb::Update(args) => {
            let mut settings = args.settings.wire();
            (settings.name, settings.schedule) = (args.name, args.schedule);
            (settings.duration_hours, settings.cutoff_hours) = (args.duration, args.cutoff);
            settings.enabled = (args.enable || args.disable).then_some(args.enable);
            let request = UpdateWindowRequest { window: args.window, settings: Some(settings) };
            let answer = client.update_window(request).await?.into_inner();
            show(io, asked, answer.window)?;
        }
        WindowVerb::Delete(Which { window }) => {
            let answer = client.delete_window(DeleteWindowRequest { window }).await?.into_inner();
            io.note(&format!("deleted window {}", escape(&answer.window_id)));
        }
        WindowVerb::Target(verb) => target::run(io, asked, &operator, verb).await?,
        WindowVerb::Task(verb) => task::run(io, asked, &operator, verb).await?,
        WindowVerb::Executions(args) => executions::list(io, asked, &operator, args).await?,
        WindowVerb::Preview(args) => executions::preview(io, asked, &operator, args).await?,
        WindowVerb::Cancel(args) => executions::cancel(io, asked, &operator, args).await?,
        WindowVerb::Why(args) => executions::why(io, asked, &operator, args).await?,
    }
    Ok(Exit::Done)
}

fn show(
    io: &mut Io,
    asked: &Asked,
    window: Option<fleetwright_proto::control::Window>,
) -> Result<(), Failure> {
    let window = Window::from(window.ok_or(Failure::IncompleteAnswer("window"))?);
    let now = io.clock.now();
    render::one(io, asked.format, &window, |window| fields(now, window))?;
    Ok(())
}

fn fields(now: fleetwright_proto::clock::Timestamp, window: &Window) -> Vec<(&'static str, String)> {
    let tags = window.tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
    let grace = window.grace_minutes.map(|minutes| format!("{minutes} minutes"));
    vec![
        ("window", window.id.clone()),
        ("name", window.name.clone()),
        ("description", window.description.clone()),
        ("enabled", if window.enabled { "yes" } else { "no" }.to_owned()),
        ("schedule", window.schedule.clone()),
        ("time zone", window.timezone.clone()),
        ("offset", window.offset_days.map(|days| format!("{days} days")).unwrap_or_default()),
        ("start date", window.start_date.clone().unwrap_or_default()),
        ("end date", window.end_date.clone().unwrap_or_default()),
        ("duration", format!("{} hours, cut-off {}", window.duration_hours, window.cutoff_hours)),
        ("may start late", grace.unwrap_or_else(|| "until its cut-off".to_owned())),
        (
            "other targets",
            if window.allow_unassociated_targets { "allowed" } else { "only registered ones" }.to_owned(),
        ),
        ("calendars", window.calendars.join(", ")),
        ("tags", tags.join(", ")),
        ("opens next", opens_next(now, window)),
        ("open execution", window.open_execution_id.clone().unwrap_or_default()),
        ("created", time::absolute(now, window.created_at)),
        ("created by", window.created_by.clone()),
    ]
}

fn opens_next(now: fleetwright_proto::clock::Timestamp, window: &Window) -> String {
    match (window.next_at, window.enabled) {
        (None, true) => "never again".to_owned(),
        (None, false) => "not while it is disabled".to_owned(),
        (next, _) => time::absolute(now, next),
    }
}

fn whole_fields(
    now: fleetwright_proto::clock::Timestamp,
    whole: &WholeWindow,
) -> Vec<(&'static str, String)> {
    let mut fields = fields(now, &whole.window);
    for target in &whole.targets {
        fields.push(("target", format!("{}  {}", target.id, targets_text(&target.targets))));
    }
    for one in &whole.tasks {
        fields.push(("task", task::line(one)));
    }
    fields
}

async fn list(io: &mut Io, asked: &Asked, operator: &Operator) -> Result<(), Failure> {
    let mut windows: Vec<Window> = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListWindowsRequest { page_size: PAGE_SIZE, page_token };
        let page = client(operator).list_windows(request).await?.into_inner();
        windows.extend(page.windows.into_iter().map(Window::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let now = io.clock.now();
    let header = ["window", "name", "schedule", "time zone", "hours", "enabled", "opens next"];
    render::list(io, asked.format, &windows, &header, |window| {
        vec![
            window.id.clone(),
            window.name.clone(),
            window.schedule.clone(),
            window.timezone.clone(),
            format!("{}-{}", window.duration_hours, window.cutoff_hours),
            if window.enabled { "yes" } else { "no" }.to_owned(),
            time::absolute(now, window.next_at),
        ]
    })?;
    Ok(())
}
