//! The operator's command line: nouns and verbs, live output, tables and JSON, contexts, exit codes.
//!
//! It knows the controller only through `fleetwright.control.v1`, and holds no rule of the fleet: what is allowed and
//! what happens is decided by the controller, and this side checks only the form of what was typed, and documents with the
//! engine that the controller has. Whatever it does on a terminal it also does in a script: nothing but data on stdout, one clear line on stderr when something is
//! wrong, and an exit code that says of what kind it was.
//!
//! ```text
//! OperatorCommand (clap) ─► verbs ─► operator ─► connection (TLS, HTTP/2)
//!                             │          ▲
//!                             ├─► live ──┘   a command while it runs
//!                             └─► render ◄─ data   tables and JSON
//! ```
//!
//! The binary flattens [`GlobalOptions`] and [`OperatorCommand`] into its own arguments, and adds what runs a
//! controller.

mod arguments;
mod connection;
mod context;
mod data;
mod escape;
mod exit;
mod failure;
mod help;
mod io;
mod live;
mod operator;
mod render;
mod verbs;

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub use clap_complete::Shell;
pub use context::{Context, ContextError, Refreshed, refresh_context};
pub use exit::Exit;
pub use io::{Environment, Interrupt, Io, Terminals};

use failure::Failure;
use render::Format;

/// Options that every command has.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalOptions {
    /// How data is printed: json and jsonl have stable names, for programs
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    /// Controller to talk to, HOST:PORT; else FLEETWRIGHT_ADDR, else the one of the context
    #[arg(long, global = true, value_name = "HOST:PORT")]
    addr: Option<String>,
    /// Context to use; else FLEETWRIGHT_CONTEXT, else the current one
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// Contexts file; else FLEETWRIGHT_CONFIG, else fleetwright/config.toml in the config folder of the user
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl GlobalOptions {
    /// The contexts file that was named, if one was.
    #[must_use]
    pub fn config(&self) -> Option<&std::path::Path> {
        self.config.as_deref()
    }
}

/// Everything that an operator can ask of a controller.
#[derive(Debug, Clone, Subcommand)]
pub enum OperatorCommand {
    /// Run a shell command or a document on nodes, and see the output as it arrives
    Run(verbs::run::RunArgs),
    /// Look at commands, their output, and cancel them
    #[command(subcommand)]
    Command(verbs::command::CommandVerb),
    /// Check documents, and keep them at the controller: make, change, share and delete them
    #[command(subcommand)]
    Document(verbs::document::DocumentVerb),
    /// Have nodes keep documents applied, by a schedule
    #[command(subcommand)]
    Association(verbs::association::AssociationVerb),
    /// Say why a command, or one node's part of it, is in its state
    Why(verbs::why::WhyArgs),
    /// Look at nodes, tag them, wait for them, remove them
    #[command(subcommand)]
    Node(verbs::node::NodeVerb),
    /// See what is on the nodes, what it was before, and find nodes by what they have
    #[command(subcommand)]
    Inventory(verbs::inventory::InventoryVerb),
    /// See what is as it should be on the nodes, and what is not
    #[command(subcommand)]
    Compliance(verbs::compliance::ComplianceVerb),
    /// Put targets under a name
    #[command(subcommand)]
    Group(verbs::group::GroupVerb),
    /// Let work run in agreed hours: windows with their targets, tasks and executions
    #[command(subcommand)]
    Window(verbs::window::WindowVerb),
    /// Say when nothing is to be started: calendars that windows obey
    #[command(subcommand)]
    Calendar(verbs::calendar::CalendarVerb),
    /// Keep configuration and secrets: put, get, list, label and delete parameters
    #[command(subcommand)]
    Parameter(verbs::parameter::ParameterVerb),
    /// Make, rotate and delete the keys that secrets are sealed with
    #[command(subcommand)]
    Key(verbs::key::KeyVerb),
    /// Take a backup of the controller; `restore` brings it back
    Backup(verbs::backup::BackupArgs),
    /// Let hosts join: make, list and delete activations
    #[command(subcommand)]
    Activation(verbs::activation::ActivationVerb),
    /// Say who may use the controller
    #[command(subcommand)]
    Access(verbs::access::AccessVerb),
    /// Look at what was done by whom, and check that the log of it was not touched
    #[command(subcommand)]
    Audit(verbs::audit::AuditVerb),
    /// Say how the controller is, and how full each bounded thing in it
    Status(verbs::status::StatusArgs),
    /// Choose between controllers
    #[command(subcommand)]
    Context(verbs::context::ContextVerb),
}

/// Does what was asked, and says how it ended. Has to be called inside a tokio runtime with I/O and time; one
/// thread is enough.
pub async fn run(globals: GlobalOptions, command: OperatorCommand, io: &mut Io) -> Exit {
    let flags =
        context::resolve::Flags { address: globals.addr, context: globals.context, config: globals.config };
    let asked = verbs::Asked { flags, format: globals.output };
    let ended = match command {
        OperatorCommand::Run(args) => verbs::run::run(io, &asked, args).await,
        OperatorCommand::Command(verb) => verbs::command::run(io, &asked, verb).await,
        OperatorCommand::Document(verb) => verbs::document::run(io, &asked, verb).await,
        OperatorCommand::Association(verb) => verbs::association::run(io, &asked, verb).await,
        OperatorCommand::Why(args) => verbs::why::run(io, &asked, args).await,
        OperatorCommand::Node(verb) => verbs::node::run(io, &asked, verb).await,
        OperatorCommand::Inventory(verb) => verbs::inventory::run(io, &asked, verb).await,
        OperatorCommand::Compliance(verb) => verbs::compliance::run(io, &asked, verb).await,
        OperatorCommand::Group(verb) => verbs::group::run(io, &asked, verb).await,
        OperatorCommand::Window(verb) => verbs::window::run(io, &asked, verb).await,
        OperatorCommand::Calendar(verb) => verbs::calendar::run(io, &asked, verb).await,
        OperatorCommand::Parameter(verb) => verbs::parameter::run(io, &asked, verb).await,
        OperatorCommand::Key(verb) => verbs::key::run(io, &asked, verb).await,
        OperatorCommand::Backup(args) => verbs::backup::run(io, &asked, args).await,
        OperatorCommand::Activation(verb) => verbs::activation::run(io, &asked, verb).await,
        OperatorCommand::Access(verb) => verbs::access::run(io, &asked, verb).await,
        OperatorCommand::Audit(verb) => verbs::audit::run(io, &asked, verb).await,
        OperatorCommand::Status(args) => verbs::status::run(io, &asked, args).await,
        OperatorCommand::Context(verb) => verbs::context::run(io, &asked, verb),
    };
    end(io, ended)
}

/// Writes the completions of the whole program, as the binary's own clap command describes it.
pub fn completions(shell: Shell, mut program: clap::Command, io: &mut Io) -> Exit {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, name, &mut script);
    let written = std::io::Write::write_all(&mut io.stdout, &script).and_then(|()| io.stdout.flush());
    end(io, written.map(|()| Exit::Done).map_err(Failure::from))
}

/// Arguments of the command that writes completions.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = help::ending(&[
    "fleetwright completions bash > /etc/bash_completion.d/fleetwright",
    "fleetwright completions zsh > ~/.zfunc/_fleetwright",
    "fleetwright completions fish > ~/.config/fish/completions/fleetwright.fish",
    "fleetwright completions powershell >> $PROFILE",
]))]
pub struct CompletionsArgs {
    /// Shell to write for
    #[arg(value_enum)]
    pub shell: Shell,
}

fn end(io: &mut Io, ended: Result<Exit, Failure>) -> Exit {
    match ended {
        Ok(exit) => exit,
        Err(failure) if failure.is_broken_pipe() => Exit::Done,
        // Who pressed Ctrl-C knows; what goes on was said already.
        Err(Failure::Interrupted) => Exit::Interrupted,
        Err(failure) => {
            io.note(&format!("error: {}", failure.line()));
            failure.exit()
        }
    }
}
