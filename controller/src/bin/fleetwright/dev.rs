//! `fleetwright dev`: a controller and an agent for this host in one go, to try things out.
//!
//! It is the real controller in this process, the real agent as a process of its own, and real enrolment between
//! them; only the defaults are made for one host.

mod left_behind;

use std::ffi::OsString;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser};
use fleetwright_cli::{Context, Exit, Io, Refreshed, refresh_context};
use fleetwright_controller::access::FIRST_OPERATOR;
use fleetwright_controller::access::keys::{self, KEYS_OF_OPERATOR_MAX, NewAccessKey};
use fleetwright_controller::authority::operator_files;
use fleetwright_controller::error::Refusal;
use fleetwright_controller::nodes::activations::{self, Expiry, NewActivation};
use fleetwright_controller::nodes::operations::{self, NodeView};
use fleetwright_controller::nodes::records::Tags;
use fleetwright_controller::nodes::targets::Selector;
use fleetwright_controller::serve::Controller;
use fleetwright_controller::settings::{Settings, SsmSettings};
use fleetwright_proto::clock::SystemClock;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::serve::{LogFormat, asked_to_stop, runtime};
use crate::{Failure, Program};

/// The agent has this long to join and to connect.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// The agent has this long to stop by itself.
const STOP_WITHIN: Duration = Duration::from_secs(10);
const CONTEXT: &str = "dev";
/// So that 7443 has 7480, and two of these programs do not meet.
const SSM_PORT_ABOVE: u16 = 37;
/// What SDKs are told when nothing else matters.
const SSM_REGION: &str = "us-east-1";
/// By this an access key of an earlier start is known.
const KEY_DESCRIPTION: &str = "made by fleetwright dev";
const FIRST_COMMAND: &str = "uname -a && uptime";

/// Start a controller and an agent for this host, run a first command, and say what to type next
///
/// Runs in the foreground until Ctrl-C. The data folder is kept: the next start finds the same fleet. Commands run on
/// this host with the rights of the user who starts it.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Example:\n  fleetwright dev\n  fleetwright dev --data-dir /tmp/fleet --listen 127.0.0.1:0\n\nExit codes: 0 stopped as asked, 2 wrong usage, 3 something is in the way."
)]
pub(crate) struct DevArgs {
    /// Where controller and agent keep their data [default: fleetwright/dev in the user's data folder]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where the controller listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7443")]
    listen: SocketAddr,
    /// Where SDKs find the SSM API without TLS, an address of this host alone [default: 127.0.0.1 and the port 37 above
    /// that of --listen]
    #[arg(long, value_name = "ADDR")]
    ssm_listen: Option<SocketAddr>,
}

impl DevArgs {
    fn ssm_listen(&self) -> SocketAddr {
        let port = match self.listen.port() {
            0 => 0,
            taken => taken.checked_add(SSM_PORT_ABOVE).unwrap_or(0),
        };
        self.ssm_listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, port).into())
    }
}

pub(crate) fn main(args: DevArgs, contexts: Option<&Path>) -> Result<Exit, Failure> {
    crate::service::log("error", LogFormat::Text);
    let from_environment = std::env::var_os("FLEETWRIGHT_CONFIG").map(PathBuf::from);
    runtime()?.block_on(run(args, contexts.or(from_environment.as_deref())))
}

async fn run(args: DevArgs, contexts: Option<&Path>) -> Result<Exit, Failure> {
    let ssm = SsmSettings { listen: Some(args.ssm_listen()), ..SsmSettings::default() };
    if let Some(open) = ssm.listen.filter(|address| !address.ip().is_loopback()) {
        return Err(Failure {
            line: format!(
                "--ssm-listen {open} has no TLS: take an address of this host alone, as 127.0.0.1:7480"
            ),
            exit: Exit::Usage,
        });
    }
    let data_dir = args.data_dir.map_or_else(default_data_dir, Ok)?;
    let data_dir = std::path::absolute(&data_dir).map_err(|error| Failure::refused(&error))?;
    let agent_program = find_agent()?;
    let settings =
        Settings { listen: args.listen, data_dir: data_dir.join("controller"), ssm, ..Settings::default() };
    std::fs::create_dir_all(&data_dir)
        .map_err(|error| refused(format!("cannot make the data folder {}: {error}", data_dir.display())))?;
    let controller = Controller::start(&settings, Arc::new(SystemClock))
        .await
        .map_err(|error| Failure::refused(&error))?;
    say(&format!("controller  {} (data in {})", controller.address(), data_dir.display()));
    let stopped = tokio::select! {
        up = bring_up(&controller, &data_dir, &agent_program, contexts) => match up {
            Ok(mut agent) => stay(&mut agent).await,
            Err(failure) => Err(failure),
        },
        asked = asked_to_stop() => asked.map_err(|error| Failure::refused(&error)),
    };
    controller.stop().await;
    stopped.map(|()| Exit::Done)
}

async fn bring_up(
    controller: &Controller,
    data_dir: &Path,
    program: &Path,
    contexts: Option<&Path>,
) -> Result<Agent, Failure> {
    let state_dir = data_dir.join("agent");
    left_behind::end_agents(&state_dir, STOP_WITHIN).await;
    if !state_dir.join("identity/identity.json").exists() {
        enrol(controller, program, &state_dir).await?;
    }
    let mut agent = Agent::start(program, &state_dir, address_here(controller), &data_dir.join("agent.log"))?;
    let node = tokio::select! {
        node = connected(controller) => node?,
        () = agent.ended() => return Err(agent.complaint()),
    };
    describe(&node);
    let current = write_context(controller, contexts)?;
    first_command(&node, contexts).await;
    let sdk = sdk_environment(controller).await.map_err(|error| Failure::refused(&error))?;
    what_next(controller, current, &sdk);
    Ok(agent)
}

async fn enrol(controller: &Controller, program: &Path, state_dir: &Path) -> Result<(), Failure> {
    let wish = NewActivation {
        description: "made by fleetwright dev".to_owned(),
        registration_limit: 1,
        expiry: Expiry::After(CONNECT_WITHIN),
        default_name: None,
        tags: Tags::new(),
        iam_role: None,
    };
    let activation =
        activations::create(controller.house(), wish).await.map_err(|error| Failure::refused(&error))?;
    let mut child = Command::new(program)
        .arg("enroll")
        .arg("--controller")
        .arg(address_here(controller).to_string())
        .args(["--activation-id", activation.id.as_str()])
        .args(["--activation-code-file", "-"])
        .args(["--authority", &controller.house().authority.fingerprint()])
        .arg("--state-dir")
        .arg(state_dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| refused(format!("cannot start {}: {error}", program.display())))?;
    if let Some(mut stdin) = child.stdin.take() {
        // An agent that ended before it read the code says why itself.
        drop(stdin.write_all(activation.code.as_bytes()).await);
    }
    let output = child.wait_with_output().await.map_err(|error| Failure::refused(&error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(refused(format!("the agent could not enrol: {}", said.trim())))
}

/// Where this host reaches the controller: one that listens everywhere is not called by the address that means so.
fn address_here(controller: &Controller) -> SocketAddr {
    let address = controller.address();
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

async fn connected(controller: &Controller) -> Result<NodeView, Failure> {
    let nodes = operations::wait(controller.house(), &[Selector::All], 1, CONNECT_WITHIN).await;
    nodes
        .map_err(|error| Failure::refused(&error))?
        .pop()
        .ok_or_else(|| refused("no node connected".to_owned()))
}

/// The agent's process. It ends with this one.
struct Agent {
    child: Child,
    log: PathBuf,
}

impl Agent {
    fn start(program: &Path, state_dir: &Path, controller: SocketAddr, log: &Path) -> Result<Self, Failure> {
        let file = std::fs::File::create(log)
            .map_err(|error| refused(format!("cannot write {}: {error}", log.display())))?;
        let child = Command::new(program)
            .arg("run")
            .arg("--state-dir")
            .arg(state_dir)
            // Another one than last time, perhaps.
            .args(["--controller", &controller.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| refused(format!("cannot start {}: {error}", program.display())))?;
        Ok(Self { child, log: log.to_owned() })
    }

    async fn ended(&mut self) {
        drop(self.child.wait().await);
    }

    fn complaint(&self) -> Failure {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last = said.lines().rfind(|line| !line.is_empty()).unwrap_or("it said nothing").to_owned();
        refused(format!("the agent ended: {last} (all of it in {})", self.log.display()))
    }

    /// Asks the agent to stop, so that a command in progress ends in order.
    async fn stop(&mut self) {
        let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) else { return };
        if let Some(process) = rustix::process::Pid::from_raw(id) {
            // Gone already is as good.
            let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        }
        drop(tokio::time::timeout(STOP_WITHIN, self.child.wait()).await);
    }
}

async fn stay(agent: &mut Agent) -> Result<(), Failure> {
    tokio::select! {
        asked = asked_to_stop() => asked.map_err(|error| Failure::refused(&error))?,
        () = agent.ended() => return Err(agent.complaint()),
    }
    agent.stop().await;
    Ok(())
}

fn describe(node: &NodeView) {
    let facts = &node.record.facts;
    say(&format!("node        {} {}", node.id, node.record.name()));
    say(&format!(
        "host        {} {}, kernel {}, {}, {} CPUs, {} MiB memory, {}",
        facts.platform_name,
        facts.platform_version,
        facts.kernel_version,
        facts.architecture,
        facts.cpus,
        facts.memory_bytes >> 20,
        facts.ip_address
    ));
}

fn write_context(controller: &Controller, contexts: Option<&Path>) -> Result<Refreshed, Failure> {
    let files = operator_files(controller.data_dir());
    let context = Context {
        address: address_here(controller).to_string(),
        authority: files.authority,
        certificate: files.certificate,
        key: files.key,
        token_file: None,
    };
    refresh_context(contexts, CONTEXT, &context).map_err(|error| Failure::refused(&error))
}

/// Runs a command through the operator's own command line, as a person would.
async fn first_command(node: &NodeView, contexts: Option<&Path>) {
    say(&format!("\n$ fleetwright run --target {} -- '{FIRST_COMMAND}'", node.id));
    let mut arguments: Vec<OsString> = vec!["fleetwright".into(), "--context".into(), CONTEXT.into()];
    arguments.extend(contexts.into_iter().flat_map(|file| ["--config".into(), file.into()]));
    arguments.extend(["run", "--target", node.id.as_str(), "--", FIRST_COMMAND].map(OsString::from));
    let Ok(Program { globals, command: crate::Verb::Operator(command) }) = Program::try_parse_from(arguments)
    else {
        return;
    };
    fleetwright_cli::run(globals, command, &mut Io::process()).await;
}

/// What an SDK of this host needs to know. The access key is a new one: the secret of an earlier start is not known any
/// more, so that key goes.
async fn sdk_environment(controller: &Controller) -> Result<String, Refusal> {
    let house = controller.house();
    let by = house
        .access
        .principal(FIRST_OPERATOR)
        .ok_or_else(|| Refusal::internal(format!("the operator {FIRST_OPERATOR} is not there")))?;
    let (known, _) = keys::list(house, Some(FIRST_OPERATOR), None, KEYS_OF_OPERATOR_MAX).await?;
    for earlier in known.into_iter().filter(|key| key.record.description == KEY_DESCRIPTION) {
        keys::delete(house, &by, &earlier.id).await?;
    }
    let wish = NewAccessKey {
        operator: FIRST_OPERATOR.to_owned(),
        description: KEY_DESCRIPTION.to_owned(),
        expires_in: None,
    };
    let created = keys::create(house, &by, wish).await?;
    let address = controller.ssm_address().map(|address| address.to_string()).unwrap_or_default();
    Ok(format!(
        "export AWS_ENDPOINT_URL_SSM=http://{address} AWS_REGION={SSM_REGION} AWS_DEFAULT_REGION={SSM_REGION}\n  \
         export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}",
        created.key.id,
        created.secret.reveal()
    ))
}

fn what_next(controller: &Controller, current: Refreshed, sdk: &str) {
    let program =
        std::env::current_exe().map_or_else(|_| "fleetwright".to_owned(), |path| path.display().to_string());
    let context = if current == Refreshed::Current { "" } else { " --context dev" };
    say(&format!(
        "\nready. From another terminal:\n  \
         alias fleetwright={program}\n  \
         fleetwright{context} run --target all -- uname -a\n  \
         fleetwright{context} node list\n  \
         fleetwright{context} activation create      (to let another host join {})\n\
         SDKs and the AWS command line, with a new access key:\n  \
         {sdk}\n  \
         aws ssm describe-instance-information\n\
         Ctrl-C stops the controller and its agent.",
        controller.address()
    ));
}

/// The agent's program: beside this one, or on the path.
fn find_agent() -> Result<PathBuf, Failure> {
    let name = format!("fleetwright-agent{}", std::env::consts::EXE_SUFFIX);
    let beside = std::env::current_exe().ok().and_then(|path| path.parent().map(|folder| folder.join(&name)));
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).map(|folder| folder.join(&name)).collect::<Vec<_>>());
    beside.into_iter().chain(on_path).find(|path| path.is_file()).ok_or_else(|| {
        refused(format!(
            "{name} is neither beside fleetwright nor on PATH: build it with `cargo build --release`"
        ))
    })
}

fn default_data_dir() -> Result<PathBuf, Failure> {
    let xdg = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    xdg.or_else(home).map(|folder| folder.join("fleetwright/dev")).ok_or_else(|| {
        let line = "no home folder is set: set HOME, or name a folder with --data-dir".to_owned();
        Failure { line, exit: Exit::Usage }
    })
}

fn refused(line: String) -> Failure {
    Failure { line, exit: Exit::Refused }
}

fn say(line: &str) {
    // Whoever closed our output does not want to hear it.
    drop(writeln!(std::io::stdout(), "{line}"));
}
