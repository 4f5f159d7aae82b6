//! `fleetwright restore`: a new data folder from a backup.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use fleetwright_cli::{Exit, Io};
use fleetwright_controller::backup::container::{Opener, SealedWith};
use fleetwright_controller::backup::restore;
use fleetwright_controller::keys::root::{Places, RootKey, StoreKeys};
use fleetwright_controller::settings::Settings;

use crate::Failure;
use crate::serve::runtime;

/// Restore a controller from a backup, into a new data folder
///
/// The whole file is proved first: a torn or altered one is refused before anything is written. A backup that is sealed
/// with a passphrase brings its root key along; one that is sealed with a root key is opened with the key that is found
/// as `serve` finds it: FLEETWRIGHT_ROOT_KEY, the systemd credential fleetwright-root-key, or the file of the
/// configuration. No controller may run in the folder.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Examples:\n  fleetwright restore fleet.backup --data-dir /var/lib/fleetwright\n  fleetwright restore fleet.backup --config fleetwright.toml --passphrase-file /root/passphrase\n\nExit codes: 0 restored, 2 an error in the configuration, 3 refused or not possible."
)]
pub(crate) struct RestoreArgs {
    /// Backup to read
    file: PathBuf,
    /// New data folder to write
    #[arg(long, value_name = "DIR", required_unless_present = "config", conflicts_with = "config")]
    data_dir: Option<PathBuf>,
    /// Configuration file that names the data folder and the root key
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the root key is, or is to be written
    #[arg(long, value_name = "FILE")]
    root_key_file: Option<PathBuf>,
    /// File with the passphrase, or - for standard input [default: it is asked for]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

pub(crate) fn main(args: &RestoreArgs) -> Result<Exit, Failure> {
    let refused = |error: &dyn std::error::Error| Failure::refused(error);
    let mut settings = match &args.config {
        Some(path) => {
            Settings::read(path).map_err(|error| Failure { exit: Exit::Usage, ..Failure::refused(&error) })?
        }
        None => Settings { data_dir: args.data_dir.clone().unwrap_or_default(), ..Settings::default() },
    };
    settings.data_dir = std::path::absolute(&settings.data_dir).map_err(|error| refused(&error))?;
    let mut files = settings.root_key_files();
    if let Some(path) = &args.root_key_file {
        files = vec![std::path::absolute(path).map_err(|error| refused(&error))?];
    }
    let Some(first) = files.first().cloned() else { return Err(Failure::told("no place for the root key")) };
    let sealed_with = restore::sealed_with(&args.file).map_err(|error| refused(&error))?;
    let (passphrase, root);
    let opener = match sealed_with {
        SealedWith::Passphrase { .. } => {
            passphrase = ask(args.passphrase_file.as_deref())?;
            Opener::Passphrase(&passphrase)
        }
        SealedWith::RootKey { mark } => {
            let found = RootKey::open(&Places::of_process(files), &StoreKeys::WrappedBy(mark));
            root = found.map_err(|error| refused(&error))?;
            Opener::RootKey(&root)
        }
    };
    let restored = runtime()?
        .block_on(restore::restore(&args.file, &opener, &settings.data_dir, &first))
        .map_err(|error| refused(&error))?;
    let counts = restored.counts;
    say(&format!(
        "restored {} rows and changes, {} blobs and {} files into {}",
        counts.changes,
        counts.blobs,
        counts.files,
        settings.data_dir.display()
    ));
    if let Some(path) = restored.root_key {
        say(&format!("the root key is in {}", path.display()));
    }
    Ok(Exit::Done)
}

fn say(line: &str) {
    // Nobody to tell when standard error is closed.
    drop(writeln!(std::io::stderr(), "{line}"));
}

fn ask(file: Option<&Path>) -> Result<String, Failure> {
    let cannot = |error: std::io::Error| Failure::refused(&error);
    let mut text = String::new();
    match file {
        Some(path) if path.as_os_str() == "-" => {
            std::io::stdin().lock().read_to_string(&mut text).map_err(cannot)?;
        }
        Some(path) => text = std::fs::read_to_string(path).map_err(cannot)?,
        None if std::io::stdin().is_terminal() => {
            text = Io::process().ask_secret("Passphrase: ").map_err(cannot)?;
        }
        None => {
            return Err(Failure::told(
                "the backup is sealed with a passphrase, and nobody is at the terminal: --passphrase-file FILE",
            ));
        }
    }
    let first = text.as_bytes().lines().next().and_then(Result::ok).unwrap_or_default();
    Ok(first)
}
