//! The command line. What it means is in `main.rs`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use fleetwright_agent::identity::ControllerAddress;
use fleetwright_agent::tls::Fingerprint;
use fleetwright_proto::ids::ActivationId;

/// The agent of a Fleetwright host: it keeps one connection to its controller, runs what it is told to, and reports
/// until the controller knows.
#[derive(Debug, Parser)]
#[command(name = "fleetwright-agent", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed or not connected, 2 wrong arguments, 3 refused, 5 unreachable."
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
    /// Show whether this host's agent is connected, and how full its journal and spool are
    #[command(after_help = "Exit codes: 0 connected, 1 not connected, 3 not enrolled.")]
    Status(StatusArguments),
    /// Print the version
    Version,
}

/// Makes a key on this host, which never leaves it, and has the controller sign a certificate for it. Safe to repeat
/// when the network fails in the middle: it is the same node again.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  fleetwright-agent enroll --controller fleet.example.com:7443 \\\n    --activation-id 01234567-89ab-4def-8123-456789abcdef --activation-code-file - \\\n    --authority sha256:… < code"
)]
pub(crate) struct EnrollArguments {
    /// Where the controller listens
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) controller: ControllerAddress,
    /// The activation's id
    #[arg(long, value_name = "ID")]
    pub(crate) activation_id: ActivationId,
    /// The activation's code; other users of this host may see it in the list of processes
    #[arg(long, value_name = "CODE", required_unless_present = "activation_code_file")]
    #[arg(conflicts_with = "activation_code_file")]
    pub(crate) activation_code: Option<String>,
    /// A file that holds the activation's code; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) activation_code_file: Option<PathBuf>,
    /// The fingerprint of the controller's authority, as `fleetwright activation create` printed it
    #[arg(long, value_name = "sha256:HEX", required_unless_present = "authority_file")]
    #[arg(conflicts_with = "authority_file")]
    pub(crate) authority: Option<Fingerprint>,
    /// The certificate of the controller's authority
    #[arg(long, value_name = "PEM")]
    pub(crate) authority_file: Option<PathBuf>,
    /// Where the agent keeps its identity, journal and spool [default: the system's place]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Become a new node although this host is enrolled already; its old key is gone then
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Where the controller listens, if it has moved [default: where this host enrolled]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) controller: Option<ControllerAddress>,
    /// Where the agent keeps its identity, journal and spool [default: the system's place]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Most that one step may download, in MiB
    #[arg(long, value_name = "MIB", env = "FLEETWRIGHT_DOWNLOAD_MAX_MIB", default_value_t = 10 << 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub(crate) download_max_mib: u64,
    /// How the log is written to standard error; FLEETWRIGHT_LOG sets what is logged
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Where the agent keeps its identity, journal and spool [default: the system's place]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
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
