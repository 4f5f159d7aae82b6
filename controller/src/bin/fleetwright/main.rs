//! `fleetwright`: the controller (`serve`, `dev`) and the operator's command line (everything else).

mod dev;
mod restore;
mod serve;
mod service;

use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use fleetwright_cli::{CompletionsArgs, Exit, GlobalOptions, Io, OperatorCommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Systems manager for fleets of Linux and Windows hosts, on your own machines
#[derive(Debug, Parser)]
#[command(name = "fleetwright", version, max_term_width = 100, propagate_version = true)]
#[command(after_help = "Start with:  fleetwright dev\nThen:        fleetwright run --target all -- uname -a")]
struct Program {
    #[command(flatten)]
    globals: GlobalOptions,
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start a controller and an agent for this host, run a first command, and say what to type next
    Dev(dev::DevArgs),
    /// Start a controller
    Serve(serve::ServeArgs),
    /// Make this program a service of this host and start it, where no package does
    ///
    /// Copies the program to /usr/local/bin, writes a default configuration to /etc/fleetwright if there is none, and
    /// starts the controller as a service of systemd under an account of its own.
    Install,
    /// Stop the service and take away what `install` made
    Uninstall {
        /// Also take away the controller's data and configuration: the fleet is gone then
        #[arg(long)]
        purge: bool,
    },
    /// Write manual pages into a folder
    #[command(hide = true)]
    Manual { folder: std::path::PathBuf },
    /// Restore a controller from a backup, into a new data folder
    Restore(restore::RestoreArgs),
    /// Write shell completions
    Completions(CompletionsArgs),
    #[command(flatten)]
    Operator(OperatorCommand),
}

fn main() -> ExitCode {
    let Program { globals, command } = match Program::try_parse() {
        Ok(program) => program,
        Err(error) => return wrong_usage(&error),
    };
    let result = match command {
        Verb::Dev(args) => dev::main(args, globals.config()),
        Verb::Serve(args) => serve::main(args),
        Verb::Restore(args) => restore::main(&args),
        Verb::Completions(args) => {
            let exit = fleetwright_cli::completions(args.shell, Program::command(), &mut Io::process());
            return ExitCode::from(exit.code());
        }
        Verb::Install => made(service::install(), "the controller runs as a service of this host"),
        Verb::Uninstall { purge } => {
            made(service::uninstall(purge), "the controller is no service of this host any more")
        }
        Verb::Manual { folder } => {
            made(clap_mangen::generate_to(Program::command(), &folder), "the manual is written")
        }
        Verb::Operator(command) => Ok(operate(globals, command)),
    };
    match result {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            // Nobody to tell when standard error is closed.
            drop(writeln!(std::io::stderr(), "error: {}", failure.line));
            ExitCode::from(failure.exit.code())
        }
    }
}

fn made<E: std::error::Error>(result: Result<(), E>, done: &str) -> Result<Exit, Failure> {
    result.map_err(|error| Failure::refused(&error))?;
    // Nobody to tell when standard error is closed.
    drop(writeln!(std::io::stderr(), "{done}"));
    Ok(Exit::Done)
}

/// One line for a slip, as for every other error; help that was asked for as it is.
fn wrong_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.exit();
    }
    drop(writeln!(std::io::stderr(), "{}", usage_line(&error.render().to_string())));
    ExitCode::from(Exit::Usage.code())
}

/// What is wrong and the tip, out of clap's paragraphs; the usage is what `--help` is for.
fn usage_line(rendered: &str) -> String {
    let (wrong, rest) = rendered.split_once("\n\n").unwrap_or((rendered, ""));
    let tips = rest.lines().filter(|line| line.trim_start().starts_with("tip: "));
    wrong.lines().chain(tips).map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Why `dev` or `serve` ended before its time.
#[derive(Debug)]
struct Failure {
    line: String,
    exit: Exit,
}

impl Failure {
    fn told(line: &str) -> Self {
        Self { line: line.to_owned(), exit: Exit::Refused }
    }

    /// Something is in the way: the line says what, and what would be right.
    fn refused(error: &dyn std::error::Error) -> Self {
        Self { line: fleetwright_controller::error::chain(error), exit: Exit::Refused }
    }
}

fn operate(globals: GlobalOptions, command: OperatorCommand) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => {
            // The process's handles want a runtime around them: Ctrl-C is listened for from the start.
            let _inside = runtime.enter();
            runtime.block_on(fleetwright_cli::run(globals, command, &mut Io::process()))
        }
        Err(error) => {
            drop(writeln!(std::io::stderr(), "error: cannot start: {error}"));
            Exit::Refused
        }
    }
}
