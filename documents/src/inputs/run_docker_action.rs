//! `aws:runDockerAction`: one call of the docker client (reference, section 2.13).
//!
//! Nothing here reaches a shell, and still no input may have the characters that SSM refuses.

use std::time::Duration;

use super::fields::Fields;
use crate::problems::shown;
use crate::script;
use crate::substitute;

/// What SSM refuses in `env` and `cmd`.
const REFUSED: &str = ";,&|";
/// What no name, size or path of docker has.
const SHELL: &str = ";,&|<>$`\"'(){}[]*?!#\\ ";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DockerAction {
    Create,
    Start,
    Run,
    Stop,
    Rm,
    Exec,
    Inspect,
    Logs,
    Ps,
    Stats,
    Pull,
    Images,
    Rmi,
}

impl DockerAction {
    const WORDS: [(&'static str, DockerAction); 13] = [
        ("Create", Self::Create),
        ("Start", Self::Start),
        ("Run", Self::Run),
        ("Stop", Self::Stop),
        ("Rm", Self::Rm),
        ("Exec", Self::Exec),
        ("Inspect", Self::Inspect),
        ("Logs", Self::Logs),
        ("Ps", Self::Ps),
        ("Stats", Self::Stats),
        ("Pull", Self::Pull),
        ("Images", Self::Images),
        ("Rmi", Self::Rmi),
    ];

    fn needs_container(self) -> bool {
        matches!(self, Self::Start | Self::Stop | Self::Rm | Self::Exec | Self::Logs)
    }

    fn needs_image(self) -> bool {
        matches!(self, Self::Create | Self::Run | Self::Pull | Self::Rmi)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDockerAction {
    pub action: DockerAction,
    /// There for every action that needs one.
    pub container: Option<String>,
    /// There for every action that needs one.
    pub image: Option<String>,
    /// The words of the command in the container.
    pub command: Vec<String>,
    pub memory: Option<String>,
    pub cpu_shares: Option<String>,
    pub volumes: Vec<String>,
    /// Each one `NAME=value`, or a name that is taken from the agent's environment.
    pub environment: Vec<String>,
    pub user: Option<String>,
    /// Each one for example `8080:80`.
    pub publish: Vec<String>,
    pub working_directory: Option<String>,
    pub timeout: Duration,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Option<RunDockerAction> {
    let action = fields.required_choice("action", &DockerAction::WORDS);
    let needs = |need: fn(DockerAction) -> bool| action.is_some_and(need);
    let container = operand(fields, "container", needs(DockerAction::needs_container));
    let image = operand(fields, "image", needs(DockerAction::needs_image));
    if action == Some(DockerAction::Inspect)
        && fields.value("image").is_none()
        && fields.value("container").is_none()
    {
        fields.missing("container");
    }
    let command = words(fields, "cmd", REFUSED);
    if action == Some(DockerAction::Exec) && command.as_ref().is_some_and(Vec::is_empty) {
        fields.missing("cmd");
    }
    let memory = fields.plain_text("memory", SHELL);
    let cpu_shares = fields.plain_text("cpuShares", SHELL);
    let volumes = fields.texts("volume");
    let environment = words(fields, "env", REFUSED);
    let user = fields.plain_text("user", SHELL);
    let publish = words(fields, "publish", REFUSED);
    let working_directory = fields.text("workingDirectory");
    let timeout = fields
        .value("timeoutSeconds")
        .and_then(|value| script::seconds(&substitute::embedded(value)))
        .map_or(script::DEFAULT_TIMEOUT, Duration::from_secs);
    Some(RunDockerAction {
        action: action?,
        container,
        image,
        command: command?,
        memory,
        cpu_shares,
        volumes: volumes?,
        environment: environment?,
        user,
        publish: publish?,
        working_directory,
        timeout,
    })
}

/// The name of a container or image. One that begins with a dash would be an option.
fn operand(fields: &mut Fields<'_>, key: &'static str, needed: bool) -> Option<String> {
    let name = if needed { fields.required_plain_text(key, SHELL) } else { fields.plain_text(key, SHELL) };
    let name = name?;
    if name.starts_with('-') {
        fields.wrong(key, format!("`{}` begins with a dash", shown(&name)), "write a name");
        return None;
    }
    Some(name)
}

/// A list of words, or a text that is split as a shell splits it.
fn words(fields: &mut Fields<'_>, key: &'static str, refused: &str) -> Option<Vec<String>> {
    let is_text = fields.value(key).is_some_and(serde_json::Value::is_string);
    let texts = fields.texts(key)?;
    if let Some(bad) = texts.iter().find_map(|text| text.chars().find(|one| refused.contains(*one))) {
        fields.wrong(key, format!("it has the character {bad:?}"), "write it without ; , & and |");
        return None;
    }
    if !is_text {
        return Some(texts);
    }
    let mut words = Vec::new();
    for text in &texts {
        let Some(split) = shlex::split(text) else {
            fields.wrong(key, format!("`{}` has a quote that is not closed", shown(text)), "close the quote");
            return None;
        };
        words.extend(split);
    }
    Some(words)
}
