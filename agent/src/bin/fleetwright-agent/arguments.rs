//! The command line. What it means is in `main.rs`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use fleetwright_agent::identity::ControllerAddress;
use fleetwright_agent::tls::Fingerprint;
use fleetwright_proto::ids::ActivationId;

/// The agent of a Fleetwright host: it keeps one connection to its controller, runs what it is told to, and reports
/// until the controller knows.
#[derive(Debug, Parser)]
#[command(name = "fleetwright-agent", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed or not connected, 2 wrong arguments, 3 refused, 4 not found, 5 unreachable."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Join this host to a fleet, with an activation that an operator has made
    Enroll(EnrollArguments),
    /// Run the agent until it is asked to stop
    Run(RunArguments),
    /// Show whether this host's agent is connected, and how full each bounded thing of it is
    #[command(after_help = "Exit codes: 0 connected, 1 not connected, 3 not enrolled.")]
    Status(StatusArguments),
    /// Go over to another build, and back to this one when that does not reach the controller
    Update(UpdateArguments),
    /// Make this program a service of this host and start it, where no package does
    Install,
    /// Stop the service and take away what `install` made
    Uninstall(UninstallArguments),
    /// Write shell completions
    Completions {
        /// Shell to write for
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Write manual pages into a folder
    #[command(hide = true)]
    Manual { folder: PathBuf },
    /// Print what this host tells of its inventory, as JSON, and on standard error what it cannot tell
    #[command(
        after_help = "Example:\n  fleetwright-agent inventory | jq '.[].TypeName'\n\nExit codes: 0 done."
    )]
    Inventory(InventoryArguments),
    /// Read a parameter that policies give to this host
    #[command(subcommand)]
    Parameter(ParameterVerb),
    /// Start a program with parameters of this host in its environment
    Exec(ExecArguments),
    /// Put parameters of this host into a text
    Render(RenderArguments),
    /// Print the version
    Version,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ParameterVerb {
    /// Print the value of a parameter
    Get(GetArguments),
}

/// Where the agent is asked.
#[derive(Debug, Args)]
pub(crate) struct AskArguments {
    /// Where the agent gives parameters [default: as configured]
    #[arg(long, value_name = "PATH", env = "FLEETWRIGHT_AGENT_SOCKET")]
    pub(crate) socket: Option<PathBuf>,
    /// Where the agent keeps its identity, journal and spool [default: the system's place]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Configuration file [default: agent.toml in the state folder that is given, else in the system's place]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Asks the running agent, which holds what it has read, and goes on answering while the controller is away. A
/// SecureString is printed as its ciphertext unless its decryption is asked for.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  fleetwright-agent parameter get /app/url\n  fleetwright-agent parameter get /app/password:2 --with-decryption\n\nExit codes: 0 done, 2 wrong arguments, 3 refused, 4 not found, 5 agent or controller unreachable."
)]
pub(crate) struct GetArguments {
    /// NAME, NAME:VERSION, NAME:LABEL or an ARN
    pub(crate) name: String,
    /// Print a SecureString as it is
    #[arg(long)]
    pub(crate) with_decryption: bool,
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) asks: AskArguments,
}

/// The program takes the place of this one, so signals and its exit code are its own. Secrets are in its environment as
/// they are, and in no list of arguments.
///
/// Below a path each parameter has a variable: what follows the path, in capitals, with _ for everything that is no
/// letter and no digit. Below /app/, /app/db/password is DB_PASSWORD.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  fleetwright-agent exec --path /app/ -- ./server --port 80\n  fleetwright-agent exec --env DB_URL=/app/url --env DB_PASSWORD=/app/password:live -- ./server\n\nExit codes: the program's; 2 wrong arguments, 3 refused, 4 not found, 5 agent or controller unreachable, 126 the program cannot be started, 127 there is no such program."
)]
pub(crate) struct ExecArguments {
    /// Parameters below this path, at any depth; of several, a later one stands above an earlier one
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Vec<String>,
    /// One parameter under a name of its own; it stands above what a path brings
    #[arg(long, value_name = "NAME=PARAMETER")]
    pub(crate) env: Vec<String>,
    #[command(flatten)]
    pub(crate) asks: AskArguments,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<OsString>,
}

/// Puts a value in the place of each {{ssm:NAME}}, and of each {{ssm-secure:NAME}} for a SecureString. All or nothing: a
/// name that is not given is told with its line, and nothing is written.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  fleetwright-agent render server.conf.in -o /etc/server.conf\n  fleetwright-agent render - < server.conf.in\n\nThe file is replaced at once, and readable for its owner alone.\n\nExit codes: 0 done, 1 cannot be written, 2 wrong arguments or template, 3 refused, 4 not found, 5 agent or controller unreachable."
)]
pub(crate) struct RenderArguments {
    /// The text; - reads standard input
    pub(crate) template: PathBuf,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) asks: AskArguments,
}

/// Makes a key on this host, which never leaves it, and has the controller sign a certificate for it. Safe to repeat
/// when the network fails in the middle: it is the same node again. On a terminal, what is not given is asked for.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  fleetwright-agent enroll\n  fleetwright-agent enroll --from join.toml\n  fleetwright-agent enroll --controller fleet.example.com:7443 \\\n    --activation-id 01234567-89ab-4def-8123-456789abcdef --activation-code-file - \\\n    --authority sha256:… < code\n\nA join file is TOML with controller, activation_id, activation_code, and authority or authority_file. A service\nthat finds one as join.toml beside its configuration joins with it and removes it."
)]
pub(crate) struct EnrollArguments {
    /// Where the controller listens
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) controller: Option<ControllerAddress>,
    /// The activation's id
    #[arg(long, value_name = "ID")]
    pub(crate) activation_id: Option<ActivationId>,
    /// The activation's code; other users of this host may see it in the list of processes
    #[arg(long, value_name = "CODE", conflicts_with = "activation_code_file")]
    pub(crate) activation_code: Option<String>,
    /// A file that holds the activation's code; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) activation_code_file: Option<PathBuf>,
    /// The fingerprint of the controller's authority, as `fleetwright activation create` printed it
    #[arg(long, value_name = "sha256:HEX", conflicts_with = "authority_file")]
    pub(crate) authority: Option<Fingerprint>,
    /// The certificate of the controller's authority
    #[arg(long, value_name = "PEM")]
    pub(crate) authority_file: Option<PathBuf>,
    /// A join file that says all of it; it is left as it is
    #[arg(long, value_name = "FILE")]
    #[arg(conflicts_with_all = ["controller", "activation_id", "activation_code", "activation_code_file", "authority", "authority_file"])]
    pub(crate) from: Option<PathBuf>,
    /// Where the agent keeps its identity, journal and spool [default: the system's place]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Become a new node although this host is enrolled already; its old key is gone then
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Where the controller listens, if it has moved [default: as configured, else where this host enrolled]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) controller: Option<ControllerAddress>,
    /// Where the agent keeps its identity, journal and spool [default: the system's place]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Configuration file [default: agent.toml in the state folder that is given, else in the system's place]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Wait until this host is enrolled, or a join file lies beside the configuration, instead of ending
    #[arg(long)]
    pub(crate) wait_for_enrolment: bool,
    /// Most that one step may download, in MiB
    #[arg(long, value_name = "MIB", env = "FLEETWRIGHT_DOWNLOAD_MAX_MIB", default_value_t = 10 << 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub(crate) download_max_mib: u64,
    /// Minutes between two collections of inventory, on average
    #[arg(long, value_name = "MINUTES", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=1440))]
    pub(crate) inventory_minutes: u64,
    /// How the log is written to standard error; FLEETWRIGHT_LOG sets what is logged. Under systemd it goes to the
    /// journal
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// The service manager of Windows started this
    #[arg(long, hide = true)]
    pub(crate) as_service: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InventoryArguments {
    /// Where the agent keeps its identity, journal and spool [default: the system's place]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Where the agent keeps its identity, journal and spool [default: the system's place]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Configuration file [default: agent.toml in the state folder that is given, else in the system's place]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// The new build is tried while the present one watches. When it ends, hangs, or does not reach the controller in
/// time, the present one goes on.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  fleetwright-agent update\n  fleetwright-agent update --file ./fleetwright-agent --sha256 …\n\nExit codes: 0 updated or nothing to do, 1 the present build goes on, 2 wrong arguments, 3 refused, 5 unreachable."
)]
pub(crate) struct UpdateArguments {
    /// The program of the new build [default: the one that the controller publishes]
    #[arg(long, value_name = "FILE", conflicts_with = "version")]
    pub(crate) file: Option<PathBuf>,
    /// What the file has to be
    #[arg(long, value_name = "HEX", requires = "file")]
    pub(crate) sha256: Option<String>,
    /// The version that is wanted from the controller [default: the newest that it publishes]
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
    /// An older version is welcome, too
    #[arg(long)]
    pub(crate) allow_downgrade: bool,
    /// Where the agent keeps its identity, journal and spool [default: the system's place]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct UninstallArguments {
    /// Also take away this host's identity, everything else that the agent kept, and its configuration
    #[arg(long)]
    pub(crate) purge: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}
