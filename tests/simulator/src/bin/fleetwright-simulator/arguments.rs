//! The command line. What it means is in `main.rs`.

use std::path::PathBuf;

use clap::Parser;
use fleetwright_agent::identity::ControllerAddress;
use fleetwright_agent::tls::Fingerprint;
use fleetwright_proto::ids::ActivationId;

const LONG: &str = "\
Simulate a fleet of hosts, to rehearse with a controller before real hosts depend on it.

Each simulated host runs the real agent with a key, a certificate, a TLS connection and a stream of its own. The host \
below it exists in memory: commands are carried out and start no process. Nothing on this machine is changed but the \
folders that are named.

Scripts on a simulated host are lines of a small language:

  echo TEXT, complain TEXT    print a line, on stdout or stderr
  print N                     print N bytes: `print 100000000` is a flood
  sleep N                     take N seconds
  hang, ignore-terminate      never end; end only by a kill
  exit N, signal N            end so
  anything else               is not found, exit code 127

The simulator enrols its hosts, connects them, and then takes orders from standard input, one a line:

  cut        cut all links at once, and tell when all agents are back
  status     tell how many are connected, and how many scripts ran, once or more than once
  slow N     the first N hosts read a few hundred bytes a second from now on; 0 ends that
  upgrade N  every host has the next version of package N, and tells it with its next inventory
  read NAME  every host reads a parameter, which policies must give it, and holds it
  await NAME VERSION   tell when every host holds that version of it
  quit       end, as the end of standard input does

Whatever happens is told on standard output, one JSON object a line. FLEETWRIGHT_LOG=info shows the agents' log.";

const EXAMPLES: &str = "\
Example:
  fleetwright activation create --limit 1000 -o json      prints ID, CODE and sha256:…
  fleetwright-simulator --agents 1000 --controller 127.0.0.1:7443 --identities ./rehearsal \\
    --activation-id ID --activation-code CODE --authority sha256:…
  fleetwright run --target all --max-concurrency 100% -- echo hello

Later, the same hosts again, with clocks that are off:
  fleetwright-simulator --agents 1000 --controller 127.0.0.1:7443 --identities ./rehearsal --clock-skew-minutes 10

Exit codes: 0 ended as ordered, 1 hosts could not enrol or connect, 2 wrong arguments.";

/// Simulate a fleet of hosts, to rehearse with a controller before real hosts depend on it
#[derive(Debug, Parser)]
#[command(name = "fleetwright-simulator", version, max_term_width = 100, long_about = LONG, after_long_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// How many hosts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    pub(crate) agents: u32,
    /// Where the controller listens
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) controller: ControllerAddress,
    /// Folder with a key and a certificate for each host; hosts that are in it do not enrol again [default: a
    /// temporary one]
    #[arg(long, value_name = "DIR")]
    pub(crate) identities: Option<PathBuf>,
    /// Activation to enrol with; not needed when all hosts have an identity
    #[arg(long, value_name = "ID", requires = "code", requires = "trust")]
    pub(crate) activation_id: Option<ActivationId>,
    /// The activation's code; other users of this machine may see it in the list of processes
    #[arg(long, value_name = "CODE", group = "code")]
    pub(crate) activation_code: Option<String>,
    /// A file that holds the activation's code
    #[arg(long, value_name = "FILE", group = "code")]
    pub(crate) activation_code_file: Option<PathBuf>,
    /// The fingerprint of the controller's authority, as `fleetwright activation create` prints it
    #[arg(long, value_name = "sha256:HEX", group = "trust")]
    pub(crate) authority: Option<Fingerprint>,
    /// The certificate of the controller's authority
    #[arg(long, value_name = "PEM", group = "trust")]
    pub(crate) authority_file: Option<PathBuf>,
    /// Folder for scripts and output while commands run [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: Option<PathBuf>,
    /// How many enrol, or connect for the first time, at once
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) at_once: usize,
    /// How far the hosts' clocks are off at most; they are spread from behind to ahead
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) clock_skew_minutes: u32,
    /// How many hosts read slowly from the beginning
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) slow: u32,
    /// Packages that are installed on each host
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) packages: u32,
    /// Seconds between two collections of inventory on a host, on average
    #[arg(long, value_name = "N", default_value_t = 1800, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) inventory_seconds: u64,
    /// Take no orders from standard input: run until Ctrl-C or SIGTERM
    #[arg(long)]
    pub(crate) no_orders: bool,
}
