//! `fleetwright backup`: everything that a controller keeps, in one sealed file.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use fleetwright_proto::control::TakeBackupRequest;
use fleetwright_proto::control::backups_client::BackupsClient;

use super::Asked;
use crate::arguments::ArgumentError;
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::{Io, new_private_file};
use crate::operator::Operator;
use crate::render::time;

#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Take a backup: everything that the controller keeps, at one moment, in one sealed file.\n\nNothing stops \
        meanwhile. Sealed with a passphrase, the file alone brings a whole controller back, its root key among it. \
        Without one it is sealed with the controller's root key and opens with that key alone, which has to be kept \
        elsewhere. `fleetwright restore` proves the file whole before it writes anything.",
    after_long_help = help::ending(&[
        "fleetwright backup fleet.backup --passphrase",
        "fleetwright backup fleet.backup --passphrase-file /root/passphrase",
        "fleetwright backup fleet.backup",
    ]),
)]
pub struct BackupArgs {
    /// New file to write
    file: PathBuf,
    /// Seal it with a passphrase, which is asked for
    #[arg(long, conflicts_with = "passphrase_file")]
    passphrase: bool,
    /// Seal it with the passphrase in this file, or - for standard input
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, args: BackupArgs) -> Result<Exit, Failure> {
    let passphrase = passphrase(io, &args)?;
    let operator = Operator::connect(&asked.flags, io).await?;
    let partial = partial(&args.file);
    let cannot = |source| ArgumentError::ExportFile { path: args.file.clone(), source };
    if args.file.exists() {
        return Err(cannot(std::io::ErrorKind::AlreadyExists.into()).into());
    }
    let mut file = new_private_file(&partial).map_err(cannot)?;
    let taken = receive(&operator, passphrase, &mut file).await;
    let kept = match taken {
        Ok(bytes) => match file.sync_all().and_then(|()| std::fs::rename(&partial, &args.file)) {
            Ok(()) => Ok(bytes),
            Err(source) => Err(cannot(source).into()),
        },
        Err(failure) => Err(failure),
    };
    match kept {
        Ok(bytes) => {
            let path = args.file.display().to_string();
            io.note(&format!("{} in {}", time::bytes(bytes), escape(&path)));
            Ok(Exit::Done)
        }
        Err(failure) => {
            // It is no backup; that it cannot be deleted is no reason to hide why.
            drop(std::fs::remove_file(&partial));
            Err(failure)
        }
    }
}

async fn receive(operator: &Operator, passphrase: String, file: &mut std::fs::File) -> Result<u64, Failure> {
    let mut client = BackupsClient::with_origin(operator.channel(), operator.channel().origin());
    let mut pieces = client.take_backup(TakeBackupRequest { passphrase }).await?.into_inner();
    let mut bytes = 0;
    while let Some(piece) = pieces.message().await? {
        file.write_all(&piece.data)?;
        bytes += piece.data.len() as u64;
    }
    Ok(bytes)
}

fn passphrase(io: &mut Io, args: &BackupArgs) -> Result<String, Failure> {
    if let Some(path) = &args.passphrase_file {
        return super::parameter::put::from_file(io, path, false);
    }
    if !args.passphrase {
        return Ok(String::new());
    }
    if !io.can_ask() {
        return Err(ArgumentError::NoPassphrase.into());
    }
    let first = io.ask_secret("Passphrase: ")?;
    let second = io.ask_secret("Once more: ")?;
    if first.is_empty() || first != second {
        return Err(ArgumentError::PassphrasesDiffer.into());
    }
    Ok(first)
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}
