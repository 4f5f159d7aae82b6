//! From arguments to a request, targets excepted: those may need a question to the controller.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use fleetwright_proto::control::send_command_request::Document as WireDocument;
use fleetwright_proto::control::{Notification, ParameterValues, SendCommandRequest};
use fleetwright_proto::ids::CommandId;

use super::RunArgs;
use crate::arguments::ArgumentError;
use crate::arguments::document::{Document, read_document, read_parameters};
use crate::arguments::parameters::{Parameters, ParametersError};
use crate::arguments::script::Prompt;
use crate::arguments::target::Target;

/// Parameters of the documents that run lines of script.
const COMMANDS: &str = "commands";
const EXECUTION_TIMEOUT: &str = "executionTimeout";

/// Whether the targets are all nodes there are. Any other kind of target narrows them down.
pub(super) fn is_everything(targets: &[Target]) -> bool {
    targets.iter().all(|target| *target == Target::All)
}

pub(super) fn request(args: &RunArgs, stdin: &mut dyn Read) -> Result<SendCommandRequest, ArgumentError> {
    args.check()?;
    let mut parameters = parameters(args, stdin)?;
    let document = match &args.document {
        Some(Document::Name(name)) => WireDocument::DocumentName(name.clone()),
        Some(Document::File(path)) => WireDocument::DocumentContent(read_document(path)?.into()),
        None => {
            let shell = match (args.powershell, args.cmd) {
                (true, _) => Prompt::PowerShell,
                (_, true) => Prompt::Cmd,
                _ => Prompt::Posix,
            };
            parameters.insert(COMMANDS.into(), values(shell.line(&args.command)?));
            WireDocument::DocumentName(shell.document().into())
        }
    };
    if let Some(timeout) = args.timeout {
        let known = parameters.insert(EXECUTION_TIMEOUT.into(), values(timeout.as_secs().to_string()));
        if known.is_some() {
            return Err(ArgumentError::TwoTimeouts);
        }
    }
    Ok(SendCommandRequest {
        document: Some(document),
        document_version: args.document_version.clone().unwrap_or_default(),
        parameters: parameters.into_iter().collect(),
        targets: Vec::new(),
        max_concurrency: args.max_concurrency.as_ref().map(ToString::to_string).unwrap_or_default(),
        max_errors: args.max_errors.as_ref().map(ToString::to_string).unwrap_or_default(),
        delivery_timeout_ms: args.delivery_timeout.or(args.timeout).map_or(0, millis),
        comment: args.comment.clone(),
        document_hash: args.document_hash.clone(),
        notification: args.notify.as_ref().map(|url| Notification {
            url: url.clone(),
            events: args.notify_events.clone(),
            r#type: if args.notify_invocations { "Invocation".into() } else { "Command".into() },
        }),
        // Random, and of the right length: an id serves as well as any token.
        client_token: CommandId::random().into(),
        document_hash_type: String::new(),
    })
}

/// Those of a file, and over them those that were given by name.
fn parameters(
    args: &RunArgs,
    stdin: &mut dyn Read,
) -> Result<BTreeMap<String, ParameterValues>, ArgumentError> {
    let from_stdin = args.parameters.iter().find(|parameter| parameter.is_from_stdin());
    if let (Some(Parameters::Stdin), Some(parameter)) = (&args.parameters_from, from_stdin) {
        return Err(ParametersError::TwoFromStdin { name: parameter.name.clone() }.into());
    }
    let mut parameters = match &args.parameters_from {
        Some(place) => place.read(stdin)?,
        None => BTreeMap::new(),
    };
    parameters.extend(read_parameters(&args.parameters, stdin)?);
    Ok(parameters)
}

fn values(text: String) -> ParameterValues {
    ParameterValues { values: vec![text] }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RunArgs,
    }

    fn plan(words: &[&str]) -> Result<SendCommandRequest, String> {
        let line =
            Line::try_parse_from(std::iter::once(&"run").chain(words)).map_err(|error| error.to_string())?;
        request(&line.args, &mut "".as_bytes()).map_err(|error| error.to_string())
    }

    fn parameter(request: &SendCommandRequest, name: &str) -> Option<Vec<String>> {
        request.parameters.get(name).map(|parameter| parameter.values.clone())
    }

    #[test]
    fn a_command_becomes_a_line_of_the_right_shell() {
        let request = plan(&["--target", "all", "--", "echo", "a b"]).unwrap();
        assert_eq!(request.document, Some(WireDocument::DocumentName("AWS-RunShellScript".into())));
        assert_eq!(parameter(&request, "commands").unwrap(), ["echo 'a b'"]);
        assert_eq!(parameter(&request, "executionTimeout"), None);
        assert_eq!((request.delivery_timeout_ms, request.max_concurrency.as_str()), (0, ""));
        assert_eq!(request.client_token.len(), 36);
        let request = plan(&["--target", "all", "--powershell", "--", "Get-Date"]).unwrap();
        assert_eq!(request.document, Some(WireDocument::DocumentName("AWS-RunPowerShellScript".into())));
        let request = plan(&["--target", "all", "--cmd", "--", "ver"]).unwrap();
        assert_eq!(request.document, Some(WireDocument::DocumentName("Fleetwright-RunCmdScript".into())));
    }

    #[test]
    fn the_time_out_is_that_of_the_script_and_of_the_delivery() {
        let request = plan(&["-t", "all", "--timeout", "10m", "--", "x"]).unwrap();
        assert_eq!(parameter(&request, "executionTimeout").unwrap(), ["600"]);
        assert_eq!(request.delivery_timeout_ms, 600_000);
        let request =
            plan(&["-t", "all", "--timeout", "10m", "--delivery-timeout", "5s", "--", "x"]).unwrap();
        assert_eq!(request.delivery_timeout_ms, 5_000);
    }

    #[test]
    fn a_document_gets_its_parameters() {
        let words = ["-t", "all", "-d", "Disk", "-p", "limit=90", "-p", "path=/", "-p", "path=/var"];
        let request = plan(&words).unwrap();
        assert_eq!(request.document, Some(WireDocument::DocumentName("Disk".into())));
        assert_eq!(parameter(&request, "path").unwrap(), ["/", "/var"]);
    }

    #[test]
    fn what_is_named_counts_more_than_the_file() {
        let words = [
            "-t",
            "all",
            "-d",
            "Disk",
            "--parameters",
            "{\"limit\": 80, \"path\": [\"/\"]}",
            "-p",
            "limit=90",
        ];
        let request = plan(&words).unwrap();
        assert_eq!(parameter(&request, "limit").unwrap(), ["90"]);
        assert_eq!(parameter(&request, "path").unwrap(), ["/"]);
    }

    #[test]
    fn combinations_that_make_no_sense_are_refused() {
        let table: [(&[&str], &str); 9] = [
            (
                &["-t", "all", "-d", "X", "--parameters", "-", "-p", "a=-"],
                "both --parameters and --parameter a want standard input",
            ),
            (&["--", "uptime"], "no --target: say where to run"),
            (&["-t", "all"], "nothing to run: give a command after --"),
            (&["-t", "all", "-d", "X", "--", "y"], "a command after -- and --document exclude each other"),
            (
                &["-t", "all", "--timeout", "10m", "-p", "executionTimeout=5", "--", "x"],
                "--timeout and --parameter executionTimeout say the same",
            ),
            (&["-t", "all", "-d", "./no/such/file"], "cannot read the document ./no/such/file"),
            (
                &["-t", "all", "--max-concurrency", "0", "--", "x"],
                "error: invalid value '0' for '--max-concurrency <N|N%>': `0` would never",
            ),
            (
                &["-t", "all", "--max-errors", "101%", "--", "x"],
                "error: invalid value '101%' for '--max-errors <N|N%>': `101%` is over 100%",
            ),
            (
                &["-t", "tag:env", "--", "x"],
                "error: invalid value 'tag:env' for '--target <TARGET>': `tag:env` wants a value",
            ),
        ];
        for (words, want) in table {
            let error = plan(words).unwrap_err();
            assert!(error.starts_with(want), "{words:?}: {error}");
        }
    }

    #[test]
    fn only_all_alone_is_everything() {
        let targets =
            |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Target>>();
        assert!(is_everything(&targets(&["all"])));
        assert!(is_everything(&targets(&["all", "all"])));
        assert!(!is_everything(&targets(&["all", "tag:env=prod"])));
        assert!(!is_everything(&targets(&["web-1"])));
    }
}
