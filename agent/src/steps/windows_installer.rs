//! `aws:applications`: the installer of Windows (reference, section 2.10).
//!
//! PowerShell calls it, because it reads its words in a way of its own: what a document gives as parameters reaches it
//! as it was written.

use std::path::Path;
use std::time::Duration;

use fleetwright_documents::inputs::{Applications, InstallerAction};
use fleetwright_documents::{Interpreter, ScriptInputs};
use fleetwright_platform::Unsupported;

use super::{How, Task, download, script};

const TIMEOUT: Duration = Duration::from_secs(3600);

pub(super) async fn run(inputs: &Applications, task: &Task<'_>) -> How {
    if task.tools.platform.find_program("msiexec").is_none() {
        let (capability, os) = ("running the Windows installer without msiexec", task.tools.host.name());
        return How::Unsupported(Unsupported { capability, os }.to_string());
    }
    let file = match download::bring(&inputs.source, inputs.source_hash.as_deref(), task).await {
        Ok(file) => file,
        Err(how) => return how,
    };
    let script = ScriptInputs {
        interpreter: Interpreter::PowerShell,
        lines: lines(inputs, &file, &task.context.folder().join("msiexec.log")),
        working_directory: None,
        timeout: TIMEOUT,
        environment: std::collections::BTreeMap::new(),
    };
    script::run(&script, task).await
}

/// Quiet, without a restart of its own, with a log that is shown when it fails. What it says about restarts becomes the
/// exit code that asks for one.
fn lines(inputs: &Applications, file: &Path, log: &Path) -> Vec<String> {
    let verb = match inputs.action {
        InstallerAction::Install => "/i",
        InstallerAction::Uninstall => "/x",
        InstallerAction::Repair => "/fa",
    };
    let words = format!(
        "{verb} \"{}\" /quiet /norestart /l*v \"{}\" {}",
        file.display(),
        log.display(),
        inputs.parameters
    );
    let mut lines = vec![
        format!("$words = {}", quoted(words.trim_end())),
        "$installer = Start-Process -FilePath msiexec.exe -ArgumentList $words -Wait -PassThru".to_owned(),
        "$code = $installer.ExitCode".to_owned(),
    ];
    if inputs.action == InstallerAction::Uninstall {
        // It is not installed.
        lines.push("if ($code -eq 1605) { exit 0 }".to_owned());
    }
    lines.push("if ($code -eq 1641 -or $code -eq 3010) { exit 3010 }".to_owned());
    let log = quoted(&log.display().to_string());
    lines.push(format!(
        "if ($code -ne 0) {{ Get-Content -Tail 40 -LiteralPath {log} -ErrorAction SilentlyContinue | Write-Output }}"
    ));
    lines.push("exit $code".to_owned());
    lines
}

/// A text as PowerShell takes it for nothing but a text.
pub(super) fn quoted(text: &str) -> String {
    let doubled: String = text.chars().flat_map(|c| if is_quote(c) { vec![c, c] } else { vec![c] }).collect();
    format!("'{doubled}'")
}

/// PowerShell takes each of these for the end of a text in single quotes.
fn is_quote(c: char) -> bool {
    matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(action: InstallerAction, parameters: &str) -> Vec<String> {
        let source = String::new();
        let inputs = Applications { action, source, source_hash: None, parameters: parameters.to_owned() };
        lines(&inputs, Path::new(r"C:\it's.msi"), Path::new(r"C:\log"))
    }

    #[test]
    fn the_installer_gets_its_words_as_they_were_written() {
        let lines = told(InstallerAction::Install, "NAME=\"a b\" OTHER='c'");
        let words = r#"$words = '/i "C:\it''s.msi" /quiet /norestart /l*v "C:\log" NAME="a b" OTHER=''c'''"#;
        assert_eq!(lines[0], words);
        assert!(told(InstallerAction::Repair, "")[0].starts_with("$words = '/fa "));
        assert_eq!(quoted("a\u{2019}; reboot"), "'a\u{2019}\u{2019}; reboot'");
    }

    #[test]
    fn what_is_not_installed_is_removed_already() {
        let removes = |action| told(action, "").iter().any(|line| line.contains("1605"));
        assert!(removes(InstallerAction::Uninstall));
        assert!(!removes(InstallerAction::Install));
    }
}
