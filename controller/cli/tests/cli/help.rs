//! Every command has help worth reading, and it changes only on purpose.

use crate::fleet::program;

/// Every command of the tree, with its full name.
fn walk(command: &clap::Command, path: &str, found: &mut Vec<(String, String)>) {
    let mut own = command.clone().term_width(80).bin_name(path);
    found.push((path.to_owned(), own.render_long_help().to_string()));
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        walk(sub, &format!("{path} {}", sub.get_name()), found);
    }
}

fn all_help() -> Vec<(String, String)> {
    let mut program = program();
    program.build();
    let mut found = Vec::new();
    walk(&program, "fleetwright", &mut found);
    found
}

#[test]
fn every_command_has_golden_help() {
    let all = all_help();
    assert!(all.len() > 20, "{}", all.len());
    for (path, help) in all {
        insta::assert_snapshot!(path.replace(' ', "_"), help);
    }
}

#[test]
fn every_verb_shows_an_example_of_itself_and_the_exit_codes() {
    for (path, help) in all_help() {
        // A noun alone does nothing; its verbs say how they end.
        if help.contains("<COMMAND>\n") && !path.contains(" run") && !path.contains(" command ") {
            continue;
        }
        assert!(help.contains("Exit codes:"), "{path}:\n{help}");
        let examples = help.rsplit("Example").next().unwrap_or_default();
        assert!(examples.contains(&format!("\n  {path}")), "no example of {path}:\n{help}");
        assert!(
            examples.lines().all(|line| line.starts_with("  ") || line.is_empty() || line.ends_with(':')),
            "an example is wrapped, and cannot be copied:\n{help}"
        );
    }
}

#[test]
fn completions_know_the_verbs() {
    use crate::fleet::Buffer;
    use fleetwright_cli::{Exit, Io, Shell};
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
        let stdout = Buffer::default();
        let mut io = Io { stdout: Box::new(stdout.clone()), ..Io::process() };
        assert_eq!(fleetwright_cli::completions(shell, program(), &mut io), Exit::Done);
        let script = String::from_utf8(stdout.taken()).unwrap();
        for word in ["fleetwright", "deregister", "max-concurrency"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}
