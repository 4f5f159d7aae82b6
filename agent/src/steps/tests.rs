//! Steps with real processes.
use std::path::Path;

use super::*;

/// The first step of some command, with its folder below `folder`.
pub(super) fn context(folder: &Path) -> StepContext {
    StepContext {
        command: "67e55044-10b1-426f-9247-bb680e5fe0c8".parse().unwrap(),
        step: 0,
        name: "runShellScript".to_owned(),
        orchestration: folder.join("orchestration"),
        working_directory: None,
        facts: ScriptFacts {
            node: "mi-0123456789abcdef0".to_owned(),
            region: "us-east-1".to_owned(),
            platform_name: "Debian GNU/Linux".to_owned(),
            platform_version: "12".to_owned(),
        },
        kill_grace: DEFAULT_KILL_GRACE,
    }
}
