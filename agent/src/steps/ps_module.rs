//! `aws:psModule`: a PowerShell module, unpacked among the host's own, and lines that use it (reference, section 2.11).

use std::collections::BTreeMap;

use fleetwright_documents::inputs::PsModule;
use fleetwright_documents::{Interpreter, Platform, ScriptInputs};
use fleetwright_platform::Unsupported;

use super::windows_installer::quoted;
use super::{How, Task, download, script};

/// Where Windows PowerShell looks for modules that are for everybody.
const MODULES: &str = r"$env:SystemRoot\System32\WindowsPowerShell\v1.0\Modules";

pub(super) async fn run(inputs: &PsModule, task: &Task<'_>) -> How {
    if task.tools.host != Platform::Windows {
        let (capability, os) = ("installing a PowerShell module for everybody", task.tools.host.name());
        return How::Unsupported(Unsupported { capability, os }.to_string());
    }
    let archive = match &inputs.source {
        None => None,
        Some(source) => match download::bring(source, inputs.source_hash.as_deref(), task).await {
            Ok(file) => Some(file.display().to_string()),
            Err(how) => return how,
        },
    };
    let script = ScriptInputs {
        interpreter: Interpreter::PowerShell,
        lines: lines(archive.as_deref(), &inputs.lines),
        working_directory: inputs.working_directory.clone(),
        timeout: inputs.timeout,
        environment: BTreeMap::new(),
    };
    script::run(&script, task).await
}

/// The module first: the lines are there to use it.
fn lines(archive: Option<&str>, lines: &[String]) -> Vec<String> {
    let unpack = archive.map(|archive| {
        format!(
            "Expand-Archive -LiteralPath {} -DestinationPath \"{MODULES}\" -Force -ErrorAction Stop",
            quoted(archive)
        )
    });
    unpack.into_iter().chain(lines.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_there_before_the_lines_run() {
        let own = ["Import-Module Tool".to_owned(), "Get-Tool".to_owned()];
        let all = lines(Some(r"C:\it's.zip"), &own);
        assert!(
            all[0].starts_with(r"Expand-Archive -LiteralPath 'C:\it''s.zip' -DestinationPath"),
            "{all:?}"
        );
        assert_eq!(all[1..], own);
        assert_eq!(lines(None, &own), own);
    }
}
