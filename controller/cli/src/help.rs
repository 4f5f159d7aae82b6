//! What every `--help` ends with: examples, and what the exit code means.

use crate::exit::EXIT_CODES;

/// Examples and exit codes, for `after_long_help`. Each example stands on its own line.
pub(crate) fn ending(examples: &[&str]) -> String {
    let title = if examples.len() == 1 { "Example:" } else { "Examples:" };
    let examples: String = examples.iter().map(|example| format!("  {example}\n")).collect();
    format!("{title}\n{examples}\n{EXIT_CODES}")
}
