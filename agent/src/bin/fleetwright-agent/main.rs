//! `fleetwright-agent`: reads its arguments, calls the library, prints, and says by its exit code what happened.

mod arguments;

use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use clap::error::ErrorKind;
use fleetwright_agent::enroll::{self, ActivationCode, EnrollError, Enrolment, Existing};
use fleetwright_agent::link::TcpConnector;
use fleetwright_agent::state_folder::StateFolder;
use fleetwright_agent::status::{self, StatusError};
use fleetwright_agent::tls::{self, Trust};
use fleetwright_agent::{Agent, AgentSettings, StartError, inventory};
use fleetwright_platform::SharedPlatform;
use fleetwright_proto::clock::SystemClock;
use tracing_subscriber::EnvFilter;

use arguments::{Arguments, EnrollArguments, LogFormat, Output, RunArguments, StatusArguments, Verb};

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const REFUSED: u8 = 3;
const UNREACHABLE: u8 = 5;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return wrong_usage(&error),
    };
    match execute(arguments) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to be told when standard error is closed.
            let _ = writeln!(io::stderr(), "error: {}", one_line(&error));
            ExitCode::from(exit_code(&error))
        }
    }
}

/// One line for a slip, as for every other error; help that was asked for as it is.
fn wrong_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.exit();
    }
    let rendered = error.render().to_string();
    let (wrong, rest) = rendered.split_once("\n\n").unwrap_or((&rendered, ""));
    let tips = rest.lines().filter(|line| line.trim_start().starts_with("tip: "));
    let line = wrong.lines().chain(tips).map(str::trim).collect::<Vec<_>>().join(" ");
    let _ = writeln!(io::stderr(), "{line}");
    ExitCode::from(USAGE)
}

fn execute(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let platform = fleetwright_platform::host();
    match arguments.verb {
        Verb::Enroll(arguments) => block_on(enroll_host(arguments, &platform)),
        Verb::Run(arguments) => {
            log_to_stderr(arguments.log_format);
            block_on(run(arguments, &platform))
        }
        Verb::Status(arguments) => show_status(&arguments, &platform),
        Verb::Version => {
            print(&format!("fleetwright-agent {}\n", inventory::AGENT_VERSION))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// One thread does everything but waiting for disks.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start")?.block_on(future)
}

async fn enroll_host(arguments: EnrollArguments, platform: &SharedPlatform) -> anyhow::Result<ExitCode> {
    let folder = state_folder(arguments.state_dir.as_deref(), platform);
    let trust = match (arguments.authority, &arguments.authority_file) {
        (Some(fingerprint), _) => Trust::Pinned(fingerprint),
        (None, Some(path)) => Trust::Authority(tls::read_authority(path)?),
        (None, None) => unreachable!("the arguments name one of them"),
    };
    let code = match (&arguments.activation_code, &arguments.activation_code_file) {
        (Some(code), _) => ActivationCode::new(code),
        (None, Some(path)) if path.as_os_str() == "-" => {
            let mut code = String::new();
            io::stdin()
                .read_to_string(&mut code)
                .context("cannot read the activation code from standard input")?;
            ActivationCode::new(&code)
        }
        (None, Some(path)) => {
            let code = std::fs::read_to_string(path);
            ActivationCode::new(&code.with_context(|| format!("cannot read `{}`", path.display()))?)
        }
        (None, None) => unreachable!("the arguments name one of them"),
    };
    let enrolment = Enrolment {
        controller: arguments.controller,
        activation: arguments.activation_id,
        code,
        trust,
        existing: if arguments.force { Existing::Replace } else { Existing::Keep },
    };
    let identity = enroll::enroll(enrolment, &folder, platform, &TcpConnector).await?;
    print(&format!("{}\n", identity.node_id))?;
    Ok(ExitCode::SUCCESS)
}

async fn run(arguments: RunArguments, platform: &SharedPlatform) -> anyhow::Result<ExitCode> {
    let folder = state_folder(arguments.state_dir.as_deref(), platform);
    let mut settings = AgentSettings::for_folder(folder, Arc::clone(platform), Arc::new(SystemClock))?;
    if let Some(controller) = arguments.controller {
        settings.identity.controller = controller;
    }
    settings.executor.download_bytes = arguments.download_max_mib << 20;
    let node = settings.identity.node_id.clone();
    let agent = Agent::start(settings)?;
    tracing::info!("agent {} of node {node} starts", inventory::AGENT_VERSION);
    fleetwright_platform::stop_requested().await.context("cannot listen for the request to stop")?;
    tracing::info!("asked to stop");
    agent.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn show_status(arguments: &StatusArguments, platform: &SharedPlatform) -> anyhow::Result<ExitCode> {
    let folder = state_folder(arguments.state_dir.as_deref(), platform);
    let status = status::read(&folder, platform)?;
    match arguments.output {
        Output::Text => print(&status.text())?,
        Output::Json => print(&format!("{}\n", serde_json::to_string_pretty(&status)?))?,
    }
    Ok(if status.is_connected() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn state_folder(given: Option<&std::path::Path>, platform: &SharedPlatform) -> StateFolder {
    given.map_or_else(|| StateFolder::at(platform.folders().state), StateFolder::at)
}

fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_env("FLEETWRIGHT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever read it has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

fn one_line(error: &anyhow::Error) -> String {
    fleetwright_agent::explain::explain(error.as_ref())
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(error) = error.downcast_ref::<EnrollError>() {
        return if error.is_unreachable() { UNREACHABLE } else { REFUSED };
    }
    if error.is::<StartError>() || error.is::<StatusError>() {
        return REFUSED;
    }
    if error.is::<tls::AuthorityFileError>() {
        return USAGE;
    }
    // An activation code or a signal that cannot be had.
    FAILED
}
