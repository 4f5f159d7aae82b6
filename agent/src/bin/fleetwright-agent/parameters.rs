//! `fleetwright-agent parameter`, `exec` and `render`: the parameters of this host, asked of its running agent.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;
use fleetwright_agent::parameters::Decryption;
use fleetwright_agent::parameters::client::{Client, ClientError};
use fleetwright_agent::parameters::environment::{self, Source, VariableError};
use fleetwright_agent::parameters::template::{Position, Takes, Template, TemplateError};
use fleetwright_platform::service;
use fleetwright_platform::{HostError, SharedPlatform};

use crate::arguments::{AskArguments, ExecArguments, GetArguments, Output, RenderArguments};
use crate::{FAILED, NOT_FOUND, REFUSED, UNREACHABLE, USAGE, print, run};

/// Larger templates are no configuration.
const TEMPLATE_MAX_BYTES: u64 = 4 << 20;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParameterError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Variable(#[from] VariableError),
    #[error("no parameter below {0} is given to this host")]
    NothingBelow(String),
    #[error("parameter {0} has a zero byte in it, which no variable can have")]
    ZeroByte(String),
    #[error("say with --path or --env which parameters the program is to have")]
    NoSource,
    #[error("cannot start `{program}`: {why}")]
    Start { program: String, why: String, found: Found },
    #[error("`{template}` {source}")]
    Template { template: String, source: TemplateError },
    #[error("`{template}` {at}: {source}; nothing was written")]
    Slot { template: String, at: Position, source: ClientError },
    #[error(
        "`{template}` {at}: {name} is a SecureString; write {{{{ssm-secure:{name}}}}} where a secret may stand; nothing was written"
    )]
    Secret { template: String, at: Position, name: String },
}

/// Whether there is such a program at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Yes,
    No,
}

impl ParameterError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Client(error) | Self::Slot { source: error, .. } => match error {
                ClientError::NotFound(_) => NOT_FOUND,
                ClientError::Refused(_) | ClientError::NotAllowed { .. } => REFUSED,
                ClientError::NotRunning { .. } | ClientError::Unavailable(_) => UNREACHABLE,
                ClientError::Broken { .. } => FAILED,
            },
            Self::NothingBelow(_) => NOT_FOUND,
            Self::Variable(_) | Self::NoSource | Self::Template { .. } => USAGE,
            Self::Secret { .. } => REFUSED,
            Self::ZeroByte(_) => FAILED,
            // As a shell has it.
            Self::Start { found: Found::No, .. } => 127,
            Self::Start { found: Found::Yes, .. } => 126,
        }
    }
}

async fn connect(asks: &AskArguments, platform: &SharedPlatform) -> anyhow::Result<Client> {
    let socket = match &asks.socket {
        Some(socket) => socket.clone(),
        None => {
            let state = asks.state_dir.clone().unwrap_or_else(|| platform.folders().state);
            let config = run::read_config(asks.config.as_deref(), asks.state_dir.as_deref(), platform)?;
            config.parameter_socket(&state, &**platform)
        }
    };
    Ok(Client::connect(&socket).await.map_err(ParameterError::from)?)
}

pub(crate) async fn get(arguments: GetArguments, platform: &SharedPlatform) -> anyhow::Result<ExitCode> {
    let mut client = connect(&arguments.asks, platform).await?;
    let decryption = if arguments.with_decryption { Decryption::Yes } else { Decryption::No };
    let found = client.get(&arguments.name, decryption).await.map_err(ParameterError::from)?;
    match arguments.output {
        Output::Text => print(&format!("{}\n", found.value))?,
        Output::Json => print(&format!("{}\n", serde_json::to_string_pretty(&found.json["Parameter"])?))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What the program is to have, each with its value; what is named by itself stands above what a path brings.
pub(crate) async fn variables(
    arguments: &ExecArguments,
    platform: &SharedPlatform,
) -> anyhow::Result<Vec<(String, String)>> {
    if arguments.path.is_empty() && arguments.env.is_empty() {
        return Err(ParameterError::NoSource.into());
    }
    let named: Vec<Source> = arguments
        .env
        .iter()
        .map(|text| environment::pair(text))
        .collect::<Result<_, _>>()
        .map_err(ParameterError::from)?;
    let mut client = connect(&arguments.asks, platform).await?;
    let mut sources: Vec<Source> = Vec::new();
    for path in &arguments.path {
        let names = client.below(path).await.map_err(ParameterError::from)?;
        if names.is_empty() {
            return Err(ParameterError::NothingBelow(path.clone()).into());
        }
        // A later path stands above an earlier one.
        let of_path = environment::of_path(&names, path).map_err(ParameterError::from)?;
        sources.retain(|(variable, _)| of_path.iter().all(|(other, _)| other != variable));
        sources.extend(of_path);
    }
    sources.retain(|(variable, _)| named.iter().all(|(other, _)| other != variable));
    sources.extend(named);
    let mut variables = Vec::with_capacity(sources.len());
    for (variable, parameter) in sources {
        let found = client.get(&parameter, Decryption::Yes).await.map_err(ParameterError::from)?;
        if found.value.contains('\0') {
            return Err(ParameterError::ZeroByte(parameter).into());
        }
        variables.push((variable, found.value));
    }
    Ok(variables)
}

/// Becomes the program where the system can; elsewhere waits for it and ends as it did.
pub(crate) fn exec(arguments: &ExecArguments, variables: Vec<(String, String)>) -> anyhow::Result<ExitCode> {
    let mut command = Command::new(&arguments.program[0]);
    command.args(&arguments.program[1..]).envs(variables);
    let failed = |error: &io::Error| ParameterError::Start {
        program: arguments.program[0].to_string_lossy().into_owned(),
        why: error.to_string(),
        found: if error.kind() == io::ErrorKind::NotFound { Found::No } else { Found::Yes },
    };
    match service::become_program(&mut command) {
        HostError::Io { source, .. } => Err(failed(&source).into()),
        HostError::Unsupported(_) => {
            let status = command.status().map_err(|error| failed(&error))?;
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
        }
        error @ HostError::Service(_) => Err(error.into()),
    }
}

pub(crate) async fn render(
    arguments: RenderArguments,
    platform: &SharedPlatform,
) -> anyhow::Result<ExitCode> {
    let template = arguments.template.display().to_string();
    let text = read_template(&arguments.template)?;
    let parsed = Template::parse(&text)
        .map_err(|source| ParameterError::Template { template: template.clone(), source })?;
    let mut values = Vec::new();
    if parsed.slots().next().is_some() {
        let mut client = connect(&arguments.asks, platform).await?;
        for slot in parsed.slots() {
            let decryption = match slot.takes {
                Takes::Plain => Decryption::No,
                Takes::Secrets => Decryption::Yes,
            };
            let at = slot.at;
            let found = client.get(&slot.name, decryption).await.map_err(|source| ParameterError::Slot {
                template: template.clone(),
                at,
                source,
            })?;
            if found.is_secret && slot.takes == Takes::Plain {
                return Err(ParameterError::Secret { template, at, name: slot.name.clone() }.into());
            }
            values.push(found.value);
        }
    }
    let filled = parsed.filled(&values);
    match &arguments.output {
        None => print(&filled)?,
        Some(path) => replace(path, filled.as_bytes(), platform)
            .with_context(|| format!("cannot write `{}`", path.display()))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read_template(path: &Path) -> anyhow::Result<String> {
    let failed = || format!("cannot read the template `{}`", path.display());
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().take(TEMPLATE_MAX_BYTES + 1).read_to_end(&mut bytes)
    } else {
        fs::File::open(path).and_then(|file| file.take(TEMPLATE_MAX_BYTES + 1).read_to_end(&mut bytes))
    };
    read.with_context(failed)?;
    anyhow::ensure!(
        bytes.len() as u64 <= TEMPLATE_MAX_BYTES,
        "the template `{}` has more than {TEMPLATE_MAX_BYTES} bytes",
        path.display()
    );
    String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("the template `{}` is not UTF-8", path.display()))
}

/// Readers see the file before or the file after, which its owner alone can read.
fn replace(path: &Path, content: &[u8], platform: &SharedPlatform) -> anyhow::Result<()> {
    let aside = aside(path);
    let written = platform.create_private_file(&aside).map_err(anyhow::Error::from).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        // Windows does not rename a file that is open.
        drop(file);
        Ok(fs::rename(&aside, path)?)
    });
    if written.is_err() {
        // What cannot be written may not be there to be removed either.
        drop(fs::remove_file(&aside));
    }
    written
}

/// Beside the file, under a name that no other process takes.
fn aside(path: &Path) -> PathBuf {
    path.with_added_extension(format!("{}.new", std::process::id()))
}
