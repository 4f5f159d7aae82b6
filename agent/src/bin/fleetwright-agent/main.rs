//! `fleetwright-agent`: reads its arguments, calls the library, prints, and says by its exit code what happened.

mod arguments;
mod enrolment;
mod launcher;
mod log;
mod parameters;
mod run;
mod update;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use fleetwright_agent::config::{self, ConfigError};
use fleetwright_agent::enroll::EnrollError;
use fleetwright_agent::join::JoinFileError;
use fleetwright_agent::state_folder::StateFolder;
use fleetwright_agent::status::{self, StatusError};
use fleetwright_agent::tls;
use fleetwright_agent::update::StageError;
use fleetwright_agent::update::published::PublishedError;
use fleetwright_agent::{StartError, inventory};
use fleetwright_platform::service::{self, Purge};
use fleetwright_platform::{HostError, SharedPlatform};

use arguments::{
    Arguments, InventoryArguments, Output, ParameterVerb, RunArguments, StatusArguments, UninstallArguments,
    Verb,
};

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const REFUSED: u8 = 3;
const NOT_FOUND: u8 = 4;
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
        Verb::Enroll(arguments) => {
            let folder = state_folder(arguments.state_dir.as_deref(), &platform);
            let node = block_on(enrolment::enroll_host(arguments, &folder, &platform))?;
            print(&format!("{node}\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Run(arguments) if arguments.as_service => {
            let work = move || as_service(arguments, &platform);
            Ok(ExitCode::from(service::run_as_service(Box::new(work))?))
        }
        Verb::Run(arguments) => run_agent(arguments, &platform),
        Verb::Status(arguments) => show_status(&arguments, &platform),
        Verb::Update(arguments) => {
            let folder = state_folder(arguments.state_dir.as_deref(), &platform);
            block_on(update::update(arguments, &folder, &platform))
        }
        Verb::Install => install(),
        Verb::Uninstall(arguments) => uninstall(&arguments),
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "fleetwright-agent", &mut script);
            print(&String::from_utf8_lossy(&script))?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Manual { folder } => {
            let written = clap_mangen::generate_to(Arguments::command(), &folder);
            written.with_context(|| format!("cannot write to `{}`", folder.display()))?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Inventory(arguments) => show_inventory(&arguments, &platform),
        Verb::Parameter(ParameterVerb::Get(arguments)) => block_on(parameters::get(arguments, &platform)),
        Verb::Exec(arguments) => {
            let variables = block_on(parameters::variables(&arguments, &platform))?;
            parameters::exec(&arguments, variables)
        }
        Verb::Render(arguments) => block_on(parameters::render(arguments, &platform)),
        Verb::Version => {
            print(&format!("fleetwright-agent {}\n", inventory::AGENT_VERSION))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// One thread does everything but waiting for disks.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start")?;
    let done = runtime.block_on(future);
    // A read of standard input that nothing comes for is not waited for.
    runtime.shutdown_background();
    done
}

fn run_agent(arguments: RunArguments, platform: &SharedPlatform) -> anyhow::Result<ExitCode> {
    let folder = state_folder(arguments.state_dir.as_deref(), platform);
    let config = run::read_config(arguments.config.as_deref(), arguments.state_dir.as_deref(), platform)?;
    log::start(arguments.log_format, &config);
    block_on(run::run(arguments, config, folder, platform))
}

/// Nobody reads the standard error of a service.
fn as_service(arguments: RunArguments, platform: &SharedPlatform) -> u8 {
    match run_agent(arguments, platform) {
        Ok(code) => u8::from(code != ExitCode::SUCCESS),
        Err(error) => {
            tracing::error!("the agent ends: {}", one_line(&error));
            exit_code(&error)
        }
    }
}

fn install() -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("cannot find the path of this program")?;
    service::install(&program, config::EXAMPLE)?;
    print("the agent runs as a service; `fleetwright-agent enroll` lets this host join a fleet\n")?;
    Ok(ExitCode::SUCCESS)
}

fn uninstall(arguments: &UninstallArguments) -> anyhow::Result<ExitCode> {
    service::uninstall(if arguments.purge { Purge::Everything } else { Purge::KeepData })?;
    print("the agent is no service of this host any more\n")?;
    Ok(ExitCode::SUCCESS)
}

fn show_status(arguments: &StatusArguments, platform: &SharedPlatform) -> anyhow::Result<ExitCode> {
    let folder = state_folder(arguments.state_dir.as_deref(), platform);
    let config = run::read_config(arguments.config.as_deref(), arguments.state_dir.as_deref(), platform)?;
    let status = status::read(&folder, &config, platform)?;
    match arguments.output {
        Output::Text => print(&status.text())?,
        Output::Json => print(&format!("{}\n", serde_json::to_string_pretty(&status)?))?,
    }
    Ok(if status.is_connected() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn show_inventory(arguments: &InventoryArguments, platform: &SharedPlatform) -> anyhow::Result<ExitCode> {
    let folder = state_folder(arguments.state_dir.as_deref(), platform);
    let (types, problems) = inventory::report(&**platform, &folder);
    print(&format!("{}\n", serde_json::to_string_pretty(&types)?))?;
    for problem in problems {
        // Nothing is left to be told when standard error is closed.
        let _ = writeln!(io::stderr(), "{problem}");
    }
    Ok(ExitCode::SUCCESS)
}

fn state_folder(given: Option<&Path>, platform: &SharedPlatform) -> StateFolder {
    given.map_or_else(|| StateFolder::at(platform.folders().state), StateFolder::at)
}

pub(crate) fn print(text: &str) -> anyhow::Result<()> {
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
    if let Some(error) = error.downcast_ref::<parameters::ParameterError>() {
        return error.exit_code();
    }
    if let Some(PublishedError::Unreachable(_)) = error.downcast_ref::<PublishedError>() {
        return UNREACHABLE;
    }
    let refused = error.is::<StartError>()
        || error.is::<StatusError>()
        || error.is::<StageError>()
        || error.is::<PublishedError>()
        || error.is::<HostError>();
    let usage = error.is::<tls::AuthorityFileError>()
        || error.is::<ConfigError>()
        || error.is::<JoinFileError>()
        || error.is::<enrolment::Missing>();
    match (refused, usage) {
        (true, _) => REFUSED,
        (_, true) => USAGE,
        // An activation code or a signal that cannot be had, or a build that was taken back.
        _ => FAILED,
    }
}
