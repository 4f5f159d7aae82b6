//! The stages of a package on a host, and which follows which. Pure: nothing here runs anything.
//!
//! ```text
//!             ┌─ the same version ──► Checking ─┬─ passed ─► Installed
//!             │                                 └─ failed ─► Installing
//! Install ────┼─ none, or a broken one ─────► Installing ─► Validating ─► Installed
//!             ├─ another, reinstall ─► Upgrading ─┘   └──── failed ─────┴─► Failed, or where there was another version
//!             └─ another, in place ──► Updating ─► Validating                 RollbackUninstall ─► RollbackInstall ─► Installed
//! Uninstall ──── Uninstalling ─► (nothing is left), or Failed
//! ```
//!
//! A stage is durable before anything of it runs. One that nobody brought to its end is a broken version for the next
//! command; the command that asked for a reboot goes on in it.

use serde::{Deserialize, Serialize};

use fleetwright_documents::inputs::InstallationType;

/// One version of a package, as it lies on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    /// As the manifest says it.
    pub(super) version: String,
    /// Of the document that was installed.
    pub(super) document_version: String,
    pub(super) file: String,
    pub(super) sha256: String,
    pub(super) kind: FileKind,
}

/// What the file of a package is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileKind {
    /// A zip with scripts in it.
    Archive,
    /// The system's own packages, under the name that the system has for them.
    Deb {
        package: String,
    },
    Rpm {
        package: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    Checking,
    Upgrading,
    Installing,
    Updating,
    Validating,
    Uninstalling,
    RollbackUninstall,
    RollbackInstall,
    Installed,
    Failed,
}

/// What is kept of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) package: String,
    pub(super) stage: Stage,
    pub(super) version: Version,
    /// What a failed installation goes back to.
    #[serde(default)]
    pub(super) previous: Option<Version>,
    /// The step that brought it here.
    pub(super) step: String,
    /// Why it is going back.
    #[serde(default)]
    pub(super) problem: String,
    /// A script asked for a reboot: the stage goes on after it.
    #[serde(default)]
    pub(super) rebooting: bool,
}

/// A script of a package, or what stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Install,
    Update,
    Uninstall,
    Validate,
}

impl Verb {
    /// The name of its script and the value of `BWS_ACTION_NAME`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Update => "update",
            Self::Uninstall => "uninstall",
            Self::Validate => "validate",
        }
    }
}

impl Version {
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.version == other.version && self.sha256 == other.sha256
    }
}

impl Record {
    /// The version that is whole and in use.
    pub(super) fn installed(&self) -> Option<&Version> {
        matches!(self.stage, Stage::Installed | Stage::Checking).then_some(&self.version)
    }

    /// What is to run now, and of which version; none for a stage in which nothing runs.
    pub(super) fn duty(&self) -> Option<(Verb, &Version)> {
        let previous = || self.previous.as_ref().unwrap_or(&self.version);
        Some(match self.stage {
            Stage::Checking | Stage::Validating => (Verb::Validate, &self.version),
            Stage::Upgrading => (Verb::Uninstall, previous()),
            Stage::Installing => (Verb::Install, &self.version),
            Stage::Updating => (Verb::Update, &self.version),
            Stage::Uninstalling | Stage::RollbackUninstall => (Verb::Uninstall, &self.version),
            Stage::RollbackInstall => (Verb::Install, previous()),
            Stage::Installed | Stage::Failed => return None,
        })
    }

    fn at(&self, stage: Stage) -> Self {
        Self { stage, rebooting: false, ..self.clone() }
    }

    fn failed(&self, version: Version) -> Self {
        Self { version, previous: None, ..self.at(Stage::Failed) }
    }
}

/// The stage with which an installation of `version` begins.
pub(super) fn install(
    record: Option<&Record>,
    (package, version): (&str, Version),
    installation: InstallationType,
    step: &str,
) -> Record {
    let installed = record.and_then(Record::installed).cloned();
    let (stage, previous) = match (installed, installation) {
        (None, _) => (Stage::Installing, None),
        (Some(installed), _) if installed.is_same(&version) => (Stage::Checking, None),
        (Some(_), InstallationType::InPlaceUpdate) => (Stage::Updating, None),
        (Some(installed), InstallationType::UninstallAndReinstall) => (Stage::Upgrading, Some(installed)),
    };
    Record {
        package: package.to_owned(),
        stage,
        version,
        previous,
        step: step.to_owned(),
        problem: String::new(),
        rebooting: false,
    }
}

/// The stage with which a removal begins; none when what is to go is not there.
pub(super) fn uninstall(record: Option<&Record>, version: Option<&str>, step: &str) -> Option<Record> {
    let record = record?;
    let is_meant =
        |version: &str| version == record.version.version || version == record.version.document_version;
    if !version.is_none_or(is_meant) {
        return None;
    }
    let record = Record { previous: None, step: step.to_owned(), problem: String::new(), ..record.clone() };
    Some(record.at(Stage::Uninstalling))
}

/// What follows the end of a stage.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The next stage.
    Go(Record),
    /// It is over; nothing is kept of a package that is gone.
    Done {
        kept: Option<Record>,
        line: String,
    },
    Failed {
        kept: Record,
        line: String,
    },
}

/// `problem` is why the script of the stage did not do what it was to do.
pub(super) fn after(record: &Record, problem: Option<String>) -> After {
    let Record { package, version, previous, .. } = record;
    let name = format!("{package} {}", version.version);
    let done = |kept, line: String| After::Done { kept, line };
    let fail = |version: &Version, line| After::Failed { kept: record.failed(version.clone()), line };
    let Some(problem) = problem else {
        let installed = Record { previous: None, ..record.at(Stage::Installed) };
        return match record.stage {
            Stage::Checking => done(Some(installed), format!("{name} is installed already")),
            Stage::Validating => done(Some(installed), format!("Successfully installed {name}")),
            Stage::Uninstalling => done(None, format!("Successfully uninstalled {name}")),
            Stage::Installing | Stage::Updating => After::Go(record.at(Stage::Validating)),
            Stage::Upgrading => After::Go(record.at(Stage::Installing)),
            Stage::RollbackUninstall => After::Go(record.at(Stage::RollbackInstall)),
            Stage::RollbackInstall => {
                let version = previous.clone().unwrap_or_else(|| version.clone());
                let line = format!("{}; {package} {} is installed again", record.problem, version.version);
                After::Failed { kept: Record { version, ..installed }, line }
            }
            Stage::Installed | Stage::Failed => done(Some(record.clone()), format!("{name} is as it was")),
        };
    };
    match (record.stage, previous) {
        (Stage::Checking, _) => After::Go(record.at(Stage::Installing)),
        (Stage::Upgrading, Some(old)) => fail(
            old,
            format!("{package} {} could not be removed to make room for {name}: {problem}", old.version),
        ),
        (Stage::Installing | Stage::Validating, Some(_)) => {
            let problem = format!("{name} could not be installed: {problem}");
            After::Go(Record { problem, ..record.at(Stage::RollbackUninstall) })
        }
        // What a half installed version leaves is the older one's to replace.
        (Stage::RollbackUninstall, Some(_)) => After::Go(record.at(Stage::RollbackInstall)),
        (Stage::RollbackInstall, Some(old)) => {
            let line =
                format!("{}; going back to {package} {} failed, too: {problem}", record.problem, old.version);
            fail(old, line)
        }
        (Stage::Updating, _) => fail(version, format!("{name} could not be updated to: {problem}")),
        (Stage::Uninstalling, _) => fail(version, format!("{name} could not be removed: {problem}")),
        _ => fail(version, format!("{name} could not be installed: {problem}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version {
            version: text.to_owned(),
            document_version: "7".to_owned(),
            file: "tool.zip".to_owned(),
            sha256: format!("sum of {text}"),
            kind: FileKind::Archive,
        }
    }

    fn kept(stage: Stage, text: &str) -> Record {
        Record {
            package: "Tool".to_owned(),
            stage,
            version: version(text),
            previous: None,
            step: "earlier".to_owned(),
            problem: String::new(),
            rebooting: false,
        }
    }

    fn begin(record: Option<&Record>, installation: InstallationType) -> Record {
        install(record, ("Tool", version("2")), installation, "now")
    }

    /// Goes through the stages while `fails` says which duties fail; the duties, and the end.
    fn live(mut record: Record, fails: &[(Verb, &str)]) -> (Vec<String>, After) {
        let mut duties = Vec::new();
        for _ in 0..10 {
            let (verb, of) = record.duty().expect("something to do");
            duties.push(format!("{} {}", verb.name(), of.version));
            let failed = fails.contains(&(verb, of.version.as_str()));
            match after(&record, failed.then(|| "exit code 3".to_owned())) {
                After::Go(next) => record = next,
                end => return (duties, end),
            }
        }
        panic!("it has no end: {duties:?}");
    }

    #[track_caller]
    fn check(
        record: Record,
        fails: &[(Verb, &str)],
        duties: &[&str],
        stage: Option<(Stage, &str)>,
        line: &str,
    ) {
        let (done, end) = live(record, fails);
        assert_eq!(done, duties);
        let (kept, told) = match end {
            After::Done { kept, line } => (kept, line),
            After::Failed { kept, line } => (Some(kept), format!("failed: {line}")),
            After::Go(_) => unreachable!("live goes on then"),
        };
        assert_eq!(told, line);
        let found = kept.as_ref().map(|kept| (kept.stage, kept.version.version.as_str()));
        assert_eq!(found, stage);
        assert!(kept.is_none_or(|kept| kept.previous.is_none() && !kept.rebooting));
    }

    #[test]
    fn an_installation_ends_installed_or_as_it_was_before() {
        use InstallationType::{InPlaceUpdate, UninstallAndReinstall};
        use Stage::{Failed, Installed};
        let one = kept(Installed, "1");
        let fresh = || begin(None, UninstallAndReinstall);
        let over = || begin(Some(&one), UninstallAndReinstall);
        let ready = Some((Installed, "2"));
        let done = "Successfully installed Tool 2";
        check(fresh(), &[], &["install 2", "validate 2"], ready, done);
        let problem = "failed: Tool 2 could not be installed: exit code 3";
        check(fresh(), &[(Verb::Install, "2")], &["install 2"], Some((Failed, "2")), problem);
        check(fresh(), &[(Verb::Validate, "2")], &["install 2", "validate 2"], Some((Failed, "2")), problem);
        check(over(), &[], &["uninstall 1", "install 2", "validate 2"], ready, done);
        let back = ["uninstall 1", "install 2", "uninstall 2", "install 1"];
        let told = format!("{problem}; Tool 1 is installed again");
        check(over(), &[(Verb::Install, "2"), (Verb::Uninstall, "2")], &back, Some((Installed, "1")), &told);
        let told = format!("{problem}; going back to Tool 1 failed, too: exit code 3");
        check(over(), &[(Verb::Install, "2"), (Verb::Install, "1")], &back, Some((Failed, "1")), &told);
        let told = "failed: Tool 1 could not be removed to make room for Tool 2: exit code 3";
        check(over(), &[(Verb::Uninstall, "1")], &["uninstall 1"], Some((Failed, "1")), told);
        let place = || begin(Some(&one), InPlaceUpdate);
        check(place(), &[], &["update 2", "validate 2"], ready, done);
        let told = "failed: Tool 2 could not be updated to: exit code 3";
        check(place(), &[(Verb::Update, "2")], &["update 2"], Some((Failed, "2")), told);
        // Nothing is there to be updated.
        check(begin(None, InPlaceUpdate), &[], &["install 2", "validate 2"], ready, done);
    }

    #[test]
    fn what_is_installed_is_looked_at_and_repaired() {
        let two = kept(Stage::Installed, "2");
        let again = || begin(Some(&two), InstallationType::default());
        let ready = Some((Stage::Installed, "2"));
        check(again(), &[], &["validate 2"], ready, "Tool 2 is installed already");
        let (duties, _) = live(again(), &[(Verb::Validate, "2")]);
        assert_eq!(duties, ["validate 2", "install 2", "validate 2"]);
        // Another file under the same version is another version.
        let mut other = two.clone();
        other.version.sha256 = "another".to_owned();
        assert_eq!(begin(Some(&other), InstallationType::default()).stage, Stage::Upgrading);
        for broken in [Stage::Failed, Stage::Installing, Stage::Upgrading, Stage::RollbackInstall] {
            let record = kept(broken, "1");
            assert_eq!(
                begin(Some(&record), InstallationType::default()).stage,
                Stage::Installing,
                "{broken:?}"
            );
        }
    }

    #[test]
    fn a_removal_is_of_what_is_there() {
        let one = kept(Stage::Installed, "1");
        assert_eq!(uninstall(None, None, "now"), None);
        assert_eq!(uninstall(Some(&one), Some("2"), "now"), None);
        for meant in [None, Some("1"), Some("7")] {
            let record = uninstall(Some(&one), meant, "now").unwrap();
            assert_eq!(record.step, "now");
            check(record, &[], &["uninstall 1"], None, "Successfully uninstalled Tool 1");
        }
        let broken = uninstall(Some(&kept(Stage::Failed, "1")), None, "now").unwrap();
        let told = "failed: Tool 1 could not be removed: exit code 3";
        check(broken, &[(Verb::Uninstall, "1")], &["uninstall 1"], Some((Stage::Failed, "1")), told);
    }
}
