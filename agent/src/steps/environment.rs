//! The environment of a script (reference, section 2.4). Pure: what the agent itself was started with is an argument.

use std::collections::BTreeMap;
use std::ffi::OsString;

use fleetwright_platform::InterpreterCommand;

use super::StepContext;

/// Settings of the agent itself, which may name secrets and mean nothing to a script.
const OWN_PREFIX: &[u8] = b"FLEETWRIGHT_";
/// What systemd says to the service of the agent alone.
const OF_THE_SERVICE: [&str; 7] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "JOURNAL_STREAM",
    "INVOCATION_ID",
    "SYSTEMD_EXEC_PID",
    "STATE_DIRECTORY",
];

/// What is inherited, then the step's, then what describes the node, then what the interpreter needs. Of two
/// variables with one name the later wins.
pub(super) fn compose(
    inherited: impl Iterator<Item = (OsString, OsString)>,
    step: &BTreeMap<String, String>,
    context: &StepContext,
    interpreter: &InterpreterCommand,
) -> Vec<(OsString, OsString)> {
    let facts = &context.facts;
    let node: [(&str, &str); 5] = [
        ("SSM_COMMAND_ID", context.command.as_str()),
        ("AWS_SSM_INSTANCE_ID", &facts.node),
        ("AWS_SSM_REGION_NAME", &facts.region),
        ("AWS_SSM_PLATFORM_NAME", &facts.platform_name),
        ("AWS_SSM_PLATFORM_VERSION", &facts.platform_version),
    ];
    let step = step.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let added = step.chain(node).chain(interpreter.environment.iter().copied());
    let mut variables: Vec<(OsString, OsString)> = inherited
        .filter(|(name, _)| !is_own(name))
        .chain(added.map(|(name, value)| (name.into(), value.into())))
        .collect();
    if let Some(unwanted) = interpreter.without
        && let Some(at) = variables.iter().position(|variable| mentions(variable, unwanted))
    {
        variables.remove(at);
    }
    variables
}

fn is_own(name: &OsString) -> bool {
    name.as_encoded_bytes().starts_with(OWN_PREFIX) || OF_THE_SERVICE.iter().any(|own| name == own)
}

fn mentions((name, value): &(OsString, OsString), text: &str) -> bool {
    name.to_string_lossy().contains(text) || value.to_string_lossy().contains(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::tests::context;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn value<'v>(variables: &'v [(OsString, OsString)], wanted: &str) -> Option<&'v str> {
        variables.iter().rev().find(|(name, _)| name == wanted)?.1.to_str()
    }

    #[test]
    fn later_ones_win_and_settings_of_the_agent_stay_with_it() {
        let context = context("/tmp".as_ref());
        let inherited = pairs(&[
            ("PATH", "/bin"),
            ("X", "agent"),
            ("FLEETWRIGHT_TOKEN", "secret"),
            ("TERM", "xterm"),
            ("NOTIFY_SOCKET", "/run/systemd/notify"),
        ]);
        let step =
            [("X", "step"), ("SSM_COMMAND_ID", "forged")].map(|(name, value)| (name.into(), value.into()));
        let variables =
            compose(inherited.into_iter(), &step.into(), &context, &InterpreterCommand::default());
        for (name, wanted) in [
            ("PATH", Some("/bin")),
            ("X", Some("step")),
            ("TERM", Some("xterm")),
            ("FLEETWRIGHT_TOKEN", None),
            ("NOTIFY_SOCKET", None),
            ("SSM_COMMAND_ID", Some(context.command.as_str())),
            ("AWS_SSM_INSTANCE_ID", Some("mi-0123456789abcdef0")),
            ("AWS_SSM_REGION_NAME", Some("us-east-1")),
            ("AWS_SSM_PLATFORM_NAME", Some("Debian GNU/Linux")),
            ("AWS_SSM_PLATFORM_VERSION", Some("12")),
        ] {
            assert_eq!(value(&variables, name), wanted, "{name}");
        }
    }

    #[test]
    fn an_interpreter_adds_and_removes_its_own() {
        let interpreter = InterpreterCommand {
            environment: vec![("HOME", "/")],
            without: Some("TERM"),
            ..Default::default()
        };
        let inherited = pairs(&[("HOME", "/root"), ("COLORTERM", "yes"), ("TERM", "xterm")]);
        let variables =
            compose(inherited.into_iter(), &BTreeMap::new(), &context("/tmp".as_ref()), &interpreter);
        assert_eq!(value(&variables, "HOME"), Some("/"));
        assert_eq!(value(&variables, "COLORTERM"), None);
        assert_eq!(value(&variables, "TERM"), Some("xterm"));
    }
}
