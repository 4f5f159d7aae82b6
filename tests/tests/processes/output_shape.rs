//! What programs read: JSON that parses, nothing but data on stdout, help and completions of every command.

use serde_json::Value;

use crate::programs::{Ended, Program};
use crate::site::Site;

#[test]
fn data_is_all_there_is_on_stdout() {
    let site = Site::start();
    let mut host = site.host("web");
    host.start();
    site.wait_for_nodes(1);
    let report = site.runs(0, &[], "echo out; echo err >&2");
    let invocation = &report["invocations"][0];
    assert_eq!(
        (&invocation["stdout"], &invocation["stderr"]),
        (&"out\n".into(), &"err\n".into()),
        "{report}"
    );
    let command = report["command"]["command_id"].as_str().unwrap();
    let activation = site.activation(&[]);

    let table: [&[&str]; 10] = [
        &["run", "--target", "all", "--", "echo out; echo err >&2"],
        &["run", "--target", "all", "--detach", "--", "true"],
        &["command", "list"],
        &["command", "show", command],
        &["command", "output", command],
        &["why", command],
        &["why", command, "web"],
        &["node", "list"],
        &["activation", "list"],
        &["status"],
    ];
    for words in table {
        for format in ["json", "jsonl"] {
            let ended = site.types(&[&["-o", format], words].concat()).expect_code(0);
            let text = String::from_utf8(ended.stdout.clone()).unwrap();
            let documents = match format {
                "json" => vec![ended.json()],
                _ => text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>(),
            };
            assert!(!documents.is_empty(), "{words:?}");
            let are_data = documents.iter().all(|document| document.is_object() || document.is_array());
            assert!(are_data, "{words:?}: {text}");
            assert!(!text.contains('\u{1b}') && !text.contains(&activation.code), "{words:?}: {text}");
        }
    }
    let raw = site.types(&["command", "output", command]).expect_code(0);
    assert_eq!((raw.text().as_str(), raw.stderr.as_str()), ("out\n", "err\n"));
}

fn typed(program: Program, words: &[&str]) -> Ended {
    let home = tempfile::tempdir().unwrap();
    Ended::of(program.command(home.path()).args(words))
}

/// The names under the heading `Commands:` of a help text.
fn commands_of(help: &str) -> Vec<String> {
    let lines =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A description that goes on in a second line is indented further.
    let names = lines.filter_map(|line| {
        line.strip_prefix("  ")?.split_whitespace().next().filter(|_| !line.starts_with("   "))
    });
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Walks through every command of a program. Gives how many there are.
fn check_help(program: Program, words: &[String]) -> usize {
    let asked: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
    let help = typed(program, &asked).expect_code(0);
    let text = help.text();
    assert!(help.stderr.is_empty() && text.contains("Usage: "), "{asked:?}: {text}{}", help.stderr);
    assert!(!text.lines().next().unwrap().is_empty(), "{asked:?} begins with what it is for: {text}");
    let below = commands_of(&text);
    1 + below.into_iter().map(|name| check_help(program, &[words, &[name]].concat())).sum::<usize>()
}

#[test]
fn every_command_has_help() {
    assert!(check_help(Program::Fleetwright, &[]) >= 25);
    assert!(check_help(Program::Agent, &[]) >= 5);
}

#[test]
fn every_shell_has_completions() {
    for (shell, mark) in [
        ("bash", "complete "),
        ("zsh", "#compdef"),
        ("fish", "complete -c"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = typed(Program::Fleetwright, &["completions", shell]).expect_code(0);
        let text = script.text();
        assert!(text.contains(mark) && text.contains("activation") && script.stderr.is_empty(), "{shell}");
    }
}
