//! What a package is told of its host: the words by which a manifest chooses, and the variables of scripts (reference,
//! section 2.8). Pure but for looking which programs are there.

use std::collections::BTreeMap;

use fleetwright_documents::{NoPackage, PackageFile, PackageHost, PackageManifest, Platform};

use super::stage::Verb;
use crate::steps::{ScriptFacts, Task};

/// How a system calls itself, how manifests call it, and whose kind it is.
const PLATFORMS: [(&str, &str, &str); 15] = [
    ("amazon", "amazon", "rhel"),
    ("red hat", "redhat", "rhel"),
    ("centos", "centos", "rhel"),
    ("oracle", "oracle", "rhel"),
    ("rocky", "rockylinux", "rhel"),
    ("alma", "almalinux", "rhel"),
    ("fedora", "fedora", "rhel"),
    ("opensuse", "opensuse", "suse"),
    ("sles", "suse", "suse"),
    ("suse", "suse", "suse"),
    ("ubuntu", "ubuntu", "debian"),
    ("raspbian", "raspbian", "debian"),
    ("debian", "debian", "debian"),
    ("windows", "windows", "windows"),
    ("macos", "macos", "darwin"),
];
/// How an architecture calls itself, and how manifests call it: the first is SSM's word.
const ARCHITECTURES: [(&[&str], &[&str]); 3] = [
    (&["x86_64", "amd64"], &["x86_64", "amd64"]),
    (&["aarch64", "arm64"], &["arm64", "aarch64"]),
    (&["i386", "i586", "i686", "x86"], &["386", "i386", "x86"]),
];
const PACKAGE_PROGRAMS: [(&str, &str); 4] =
    [("apt-get", "apt"), ("dnf", "yum"), ("yum", "yum"), ("zypper", "zypper")];
const INIT_PROGRAMS: [(&str, &str); 2] = [("systemctl", "systemd"), ("initctl", "upstart")];

/// A host in the words of manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostWords {
    pub(super) platform: String,
    pub(super) version: String,
    pub(super) family: String,
    /// The first is SSM's; the others are what people write, too.
    architectures: Vec<String>,
}

impl HostWords {
    pub(super) fn of(facts: &ScriptFacts) -> Self {
        let name = facts.platform_name.to_lowercase();
        let known = PLATFORMS.iter().find(|(own, _, _)| name.contains(own));
        let first_word = name.split_whitespace().next().unwrap_or_default();
        let (platform, family) = known.map_or((first_word, first_word), |(_, word, family)| (word, family));
        let own = facts.architecture.to_lowercase();
        let known = ARCHITECTURES.iter().find(|(names, _)| names.contains(&own.as_str()));
        let architectures = known
            .map_or_else(|| vec![own.clone()], |(_, words)| words.iter().map(ToString::to_string).collect());
        Self {
            platform: platform.to_owned(),
            version: facts.platform_version.clone(),
            family: family.to_owned(),
            architectures,
        }
    }

    pub(super) fn architecture(&self) -> &str {
        self.architectures.first().map_or("", String::as_str)
    }

    /// The file that a manifest has for this host.
    pub(super) fn choose<'m>(&self, manifest: &'m PackageManifest) -> Result<&'m PackageFile, NoPackage> {
        let with = |architecture: &str| {
            manifest.select(&PackageHost {
                platform: &self.platform,
                platform_version: &self.version,
                architecture,
            })
        };
        let first = with(self.architecture());
        self.architectures
            .iter()
            .skip(1)
            .fold(first, |found, other| found.or_else(|none| with(other).map_err(|_| none)))
    }
}

/// The variables of a script of a package; those of the document go with them. What this host has not is empty.
pub(super) fn variables(verb: Verb, words: &HostWords, task: &Task<'_>) -> BTreeMap<String, String> {
    let is_windows = task.tools.host == Platform::Windows;
    let found = |programs: &[(&str, &'static str)]| {
        let here = |(program, _): &&(&str, &str)| task.tools.platform.find_program(program).is_some();
        if is_windows { "windows" } else { programs.iter().find(here).map_or("", |(_, word)| word) }
    };
    let facts = &task.context.facts;
    [
        ("BWS_ACTION_NAME", verb.name()),
        ("BWS_PLATFORM_NAME", &words.platform),
        ("BWS_PLATFORM_VERSION", &words.version),
        ("BWS_PLATFORM_FAMILY", &words.family),
        ("BWS_ARCHITECTURE", words.architecture()),
        ("BWS_INIT_SYSTEM", found(&INIT_PROGRAMS)),
        ("BWS_PACKAGE_MANAGER", found(&PACKAGE_PROGRAMS)),
        ("BWS_INSTANCE_ID", &facts.node),
        ("BWS_INSTANCE_TYPE", ""),
        ("BWS_REGION", &facts.region),
        ("BWS_ACCOUNT_ID", ""),
        ("BWS_AVAILABILITY_ZONE", ""),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(name: &str, version: &str, architecture: &str) -> HostWords {
        HostWords::of(&ScriptFacts {
            platform_name: name.to_owned(),
            platform_version: version.to_owned(),
            architecture: architecture.to_owned(),
            ..ScriptFacts::default()
        })
    }

    #[test]
    fn systems_have_the_names_that_manifests_give_them() {
        for (name, platform, family) in [
            ("Ubuntu", "ubuntu", "debian"),
            ("Debian GNU/Linux", "debian", "debian"),
            ("Red Hat Enterprise Linux", "redhat", "rhel"),
            ("Amazon Linux", "amazon", "rhel"),
            ("SLES", "suse", "suse"),
            ("Microsoft Windows Server 2022 Standard", "windows", "windows"),
            ("Void", "void", "void"),
        ] {
            let words = words(name, "1", "x86_64");
            assert_eq!((words.platform.as_str(), words.family.as_str()), (platform, family), "{name}");
        }
    }

    #[test]
    fn an_architecture_is_found_under_each_of_its_names() {
        let sum = "ab".repeat(32);
        for (own, listed, found) in [
            ("x86_64", "x86_64", true),
            ("x86_64", "amd64", true),
            ("aarch64", "arm64", true),
            ("aarch64", "aarch64", true),
            ("i686", "386", true),
            ("aarch64", "x86_64", false),
            ("riscv64", "riscv64", true),
        ] {
            let text = format!(
                r#"{{"schemaVersion":"2.0","version":"1","packages":{{"debian":{{"12":{{"{listed}":{{"file":"a.zip"}}}}}}}},
                    "files":{{"a.zip":{{"checksums":{{"sha256":"{sum}"}}}}}}}}"#
            );
            let manifest = PackageManifest::parse(text.as_bytes()).unwrap();
            let chosen = words("Debian GNU/Linux", "12", own);
            assert_eq!(chosen.choose(&manifest).is_ok(), found, "{own} in {listed}");
        }
        // The message names SSM's word.
        assert_eq!(words("Debian", "12", "aarch64").architecture(), "arm64");
    }
}
