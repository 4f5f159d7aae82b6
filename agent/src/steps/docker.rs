//! `aws:runDockerAction` and `aws:configureDocker` (reference, section 2.13), through the host's own programs.
//!
//! Every input is one argument: no shell is between. What the client prints is the step's output.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use fleetwright_documents::inputs::{ConfigureDocker, DockerAction, DockerInstallation, RunDockerAction};
use fleetwright_platform::{InterpreterCommand, ProcessSpec};

use super::{How, Task, environment, program};

const INSTALL_TIMEOUT: Duration = Duration::from_secs(3600);

pub(super) async fn run_action(inputs: &RunDockerAction, task: &Task<'_>) -> How {
    let Some(docker) = task.tools.platform.find_program("docker") else {
        return How::Unsupported(
            "docker is not installed on this host; install it, with aws:configureDocker for example"
                .to_owned(),
        );
    };
    call(docker, arguments(inputs), inputs.timeout, task).await
}

pub(super) async fn configure(inputs: &ConfigureDocker, task: &Task<'_>) -> How {
    let is_there = task.tools.platform.find_program("docker").is_some();
    match (inputs.action, is_there) {
        (DockerInstallation::Install, true) => {
            task.say("docker is installed already").await;
            return How::Done;
        }
        (DockerInstallation::Uninstall, false) => {
            task.say("docker is not installed").await;
            return How::Done;
        }
        _ => {}
    }
    let found = PACKAGE_PROGRAMS
        .iter()
        .find_map(|known| Some((task.tools.platform.find_program(known.program)?, known)));
    let Some((path, known)) = found else {
        let programs: Vec<_> = PACKAGE_PROGRAMS.iter().map(|known| known.program).collect();
        let problem = format!(
            "{} is not possible on {}: none of {} is here",
            match inputs.action {
                DockerInstallation::Install => "installing docker",
                DockerInstallation::Uninstall => "removing docker",
            },
            task.tools.host,
            programs.join(", ")
        );
        return How::Unsupported(problem);
    };
    let (verb, package) = match inputs.action {
        DockerInstallation::Install => ("install", known.package),
        DockerInstallation::Uninstall => ("remove", known.package),
    };
    let arguments = ["-y", verb, package].map(OsString::from).to_vec();
    match call(path, arguments, INSTALL_TIMEOUT, task).await {
        How::Exited(0) if task.tools.platform.find_program("docker").is_some() != is_there => How::Done,
        How::Exited(0) => {
            How::Failed(format!("{} said that it did it, and docker is as it was", known.program))
        }
        how => how,
    }
}

/// A program that installs packages, and what docker is called there.
struct PackageProgram {
    program: &'static str,
    package: &'static str,
}

const PACKAGE_PROGRAMS: [PackageProgram; 4] = [
    PackageProgram { program: "apt-get", package: "docker.io" },
    PackageProgram { program: "dnf", package: "docker" },
    PackageProgram { program: "yum", package: "docker" },
    PackageProgram { program: "zypper", package: "docker" },
];

async fn call(program: PathBuf, arguments: Vec<OsString>, timeout: Duration, task: &Task<'_>) -> How {
    let mut environment = environment::compose(
        std::env::vars_os(),
        &std::collections::BTreeMap::new(),
        task.context,
        &InterpreterCommand::default(),
    );
    environment.push(("DEBIAN_FRONTEND".into(), "noninteractive".into()));
    let spec = ProcessSpec {
        program,
        arguments,
        environment,
        working_directory: None,
        marker: program::marker(task.context),
    };
    program::run(&spec, timeout, task, &|how| match how {
        How::Exited(code) if *code != 0 => Some(format!("failed to run commands: exit status {code}")),
        _ => None,
    })
    .await
}

/// What docker is told, one input one argument. Pure.
fn arguments(inputs: &RunDockerAction) -> Vec<OsString> {
    use DockerAction::{Create, Exec, Images, Inspect, Logs, Ps, Pull, Rm, Rmi, Run, Start, Stats, Stop};
    let (container, image) = (inputs.container.clone(), inputs.image.clone());
    let mut words: Vec<String> = Vec::new();
    let mut option = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            words.push(format!("--{name}={value}"));
        }
    };
    match inputs.action {
        Create | Run => {
            option("name", &container);
            option("memory", &inputs.memory);
            option("cpu-shares", &inputs.cpu_shares);
            option("user", &inputs.user);
            inputs.volumes.iter().for_each(|volume| option("volume", &Some(volume.clone())));
            inputs.environment.iter().for_each(|variable| option("env", &Some(variable.clone())));
            inputs.publish.iter().for_each(|port| option("publish", &Some(port.clone())));
        }
        Exec => option("user", &inputs.user),
        Stats => words.push("--no-stream".to_owned()),
        _ => {}
    }
    let (verb, operands): (&str, Vec<Option<String>>) = match inputs.action {
        Create => ("create", vec![image]),
        Run => {
            words.push("--detach".to_owned());
            ("run", vec![image])
        }
        Start => ("start", vec![container]),
        Stop => ("stop", vec![container]),
        Rm => ("rm", vec![container]),
        Exec => ("exec", vec![container]),
        Inspect => ("inspect", vec![container, image]),
        Logs => ("logs", vec![container]),
        Ps => ("ps", Vec::new()),
        Stats => ("stats", vec![container]),
        Pull => ("pull", vec![image]),
        Images => ("images", Vec::new()),
        Rmi => ("rmi", vec![image]),
    };
    let takes_command = matches!(inputs.action, Create | Run | Exec);
    let command = inputs.command.iter().filter(|_| takes_command).cloned();
    std::iter::once(verb.to_owned())
        .chain(words)
        .chain(operands.into_iter().flatten())
        .chain(command)
        .map(OsString::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(action: DockerAction) -> RunDockerAction {
        RunDockerAction {
            action,
            container: Some("web".to_owned()),
            image: Some("nginx".to_owned()),
            command: vec!["echo".to_owned(), "a b".to_owned()],
            memory: Some("64m".to_owned()),
            cpu_shares: None,
            volumes: vec!["/a:/b".to_owned()],
            environment: vec!["X=1".to_owned()],
            user: Some("me".to_owned()),
            publish: vec!["80:80".to_owned()],
            working_directory: None,
            timeout: Duration::from_secs(5),
        }
    }

    #[track_caller]
    fn check(action: DockerAction, wanted: &[&str]) {
        assert_eq!(arguments(&inputs(action)), wanted.iter().map(OsString::from).collect::<Vec<_>>());
    }

    #[test]
    fn every_input_is_one_argument() {
        let run =
            ["--name=web", "--memory=64m", "--user=me", "--volume=/a:/b", "--env=X=1", "--publish=80:80"];
        check(DockerAction::Run, &[&["run"], &run[..], &["--detach", "nginx", "echo", "a b"]].concat());
        check(DockerAction::Create, &[&["create"], &run[..], &["nginx", "echo", "a b"]].concat());
        check(DockerAction::Exec, &["exec", "--user=me", "web", "echo", "a b"]);
        check(DockerAction::Ps, &["ps"]);
        check(DockerAction::Stats, &["stats", "--no-stream", "web"]);
        check(DockerAction::Pull, &["pull", "nginx"]);
        check(DockerAction::Rm, &["rm", "web"]);
    }
}
