//! Joining a fleet: by what was typed, by a join file, by asking, or while the service waits for it.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use fleetwright_agent::enroll::{self, ActivationCode, Enrolment, Existing};
use fleetwright_agent::explain::explain;
use fleetwright_agent::identity::IdentityFiles;
use fleetwright_agent::join;
use fleetwright_agent::link::TcpConnector;
use fleetwright_agent::state_folder::StateFolder;
use fleetwright_agent::tls::{self, Trust};
use fleetwright_platform::{Request, Requests, SharedPlatform};
use fleetwright_proto::clock::SharedClock;

use crate::arguments::EnrollArguments;

/// How often the service looks whether somebody has enrolled its host.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How long it waits for a controller that cannot be reached, at most.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Something was not given and cannot be asked for.
#[derive(Debug, thiserror::Error)]
#[error("{} missing: give it, name a join file with --from, or run this on a terminal to be asked", is_missing(.0))]
pub(crate) struct Missing(Vec<&'static str>);

fn is_missing(options: &[&str]) -> String {
    format!("{} {}", options.join(", "), if options.len() == 1 { "is" } else { "are" })
}

/// What `enroll` cannot do without and was not told.
fn missing(arguments: &EnrollArguments) -> Vec<&'static str> {
    let code = arguments.activation_code.is_none() && arguments.activation_code_file.is_none();
    let authority = arguments.authority.is_none() && arguments.authority_file.is_none();
    let options = [
        (arguments.controller.is_none(), "--controller"),
        (arguments.activation_id.is_none(), "--activation-id"),
        (code, "--activation-code-file"),
        (authority, "--authority"),
    ];
    options.into_iter().filter_map(|(is_missing, option)| is_missing.then_some(option)).collect()
}

pub(crate) async fn enroll_host(
    arguments: EnrollArguments,
    folder: &StateFolder,
    platform: &SharedPlatform,
) -> anyhow::Result<String> {
    let existing = if arguments.force { Existing::Replace } else { Existing::Keep };
    let enrolment = match &arguments.from {
        Some(path) => Enrolment { existing, ..join::read(path)? },
        None => typed(arguments, existing)?,
    };
    let identity = enroll::enroll(enrolment, folder, platform, &TcpConnector).await?;
    Ok(identity.node_id.to_string())
}

fn typed(arguments: EnrollArguments, existing: Existing) -> anyhow::Result<Enrolment> {
    let code_from_input = arguments.activation_code_file.as_deref() == Some(Path::new("-"));
    let asking = io::stdin().is_terminal() && !code_from_input;
    let missing = missing(&arguments);
    if !asking && !missing.is_empty() {
        return Err(Missing(missing).into());
    }
    let controller = match arguments.controller {
        Some(controller) => controller,
        None => answer("Controller (HOST:PORT)")?,
    };
    let activation = match arguments.activation_id {
        Some(activation) => activation,
        None => answer("Activation id")?,
    };
    let code = match (&arguments.activation_code, &arguments.activation_code_file) {
        (Some(code), _) => ActivationCode::new(code),
        (None, Some(path)) => ActivationCode::new(&code_in(path)?),
        (None, None) => {
            let code = rpassword::prompt_password("Activation code (not shown): ");
            ActivationCode::new(&code.context("cannot read the activation code")?)
        }
    };
    let trust = match (arguments.authority, &arguments.authority_file) {
        (Some(fingerprint), _) => Trust::Pinned(fingerprint),
        (None, Some(path)) => Trust::Authority(tls::read_authority(path)?),
        (None, None) => Trust::Pinned(answer("Authority (sha256:…)")?),
    };
    Ok(Enrolment { controller, activation, code, trust, existing })
}

fn code_in(path: &Path) -> anyhow::Result<String> {
    if path.as_os_str() != "-" {
        return fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()));
    }
    let mut code = String::new();
    io::stdin().read_to_string(&mut code).context("cannot read the activation code from standard input")?;
    Ok(code)
}

/// Asks until the answer is one, or input ends.
fn answer<T: FromStr<Err: std::error::Error>>(what: &str) -> anyhow::Result<T> {
    loop {
        write!(io::stderr(), "{what}: ").context("cannot ask")?;
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line).context("cannot read the answer")? == 0 {
            return Err(anyhow!("input ended before {what} was given"));
        }
        match line.trim().parse() {
            Ok(value) => return Ok(value),
            Err(error) => writeln!(io::stderr(), "{}", explain(&error)).context("cannot ask")?,
        }
    }
}

/// Returns when the host is enrolled, or with the request that came before it was.
pub(crate) async fn wait_until_enrolled(
    folder: &StateFolder,
    join_file: &Path,
    platform: &SharedPlatform,
    (requests, clock): (&mut Requests, &SharedClock),
) -> anyhow::Result<Option<Request>> {
    let files = IdentityFiles::in_state_folder(folder.root(), platform.clone());
    let (mut told, mut wait) = (false, LOOK_AGAIN);
    loop {
        let is_enrolled = files.load()?.is_some();
        if join_file.exists() {
            wait = match join_with(join_file, is_enrolled, folder, platform).await {
                // There is an identity now: looks again at once.
                Joined::Done => Duration::ZERO,
                Joined::Unreachable => (wait * 2).min(LONGEST_WAIT),
                Joined::Refused => LOOK_AGAIN,
            };
        }
        if is_enrolled {
            return Ok(None);
        }
        if !told {
            let (state, join) = (folder.root().display(), join_file.display());
            tracing::warn!(
                "this host is not enrolled: no identity in `{state}`; waiting for `fleetwright-agent enroll` or `{join}`"
            );
            told = true;
        }
        tokio::select! {
            () = clock.sleep(wait) => {}
            request = requests.next() => return Ok(Some(request)),
        }
    }
}

enum Joined {
    Done,
    Unreachable,
    Refused,
}

async fn join_with(
    path: &Path,
    is_enrolled: bool,
    folder: &StateFolder,
    platform: &SharedPlatform,
) -> Joined {
    if is_enrolled {
        tracing::warn!("this host is enrolled already: `{}` is removed unused", path.display());
        return consumed(path);
    }
    let enrolment = match join::read(path) {
        Ok(enrolment) => enrolment,
        Err(error) => return refused(path, &explain(&error)),
    };
    match enroll::enroll(enrolment, folder, platform, &TcpConnector).await {
        Ok(identity) => {
            tracing::info!(
                "joined {} as {} with `{}`",
                identity.controller,
                identity.node_id,
                path.display()
            );
            consumed(path)
        }
        Err(error) if error.is_unreachable() => {
            tracing::warn!("not enrolled yet, and tried again: {}", explain(&error));
            Joined::Unreachable
        }
        Err(error) => refused(path, &explain(&error)),
    }
}

fn consumed(path: &Path) -> Joined {
    if let Err(error) = join::consume(path) {
        tracing::error!("{}", explain(&error));
    }
    Joined::Done
}

fn refused(path: &Path, why: &str) -> Joined {
    match join::set_aside(path) {
        Ok(aside) => tracing::error!("not enrolled: {why}; the join file is `{}` now", aside.display()),
        Err(error) => tracing::error!("not enrolled: {why}; {}", explain(&error)),
    }
    Joined::Refused
}
