//! The manifest of a package (reference, section 2.8): which file is meant for which host, and what it must be.
//!
//! ```text
//! packages: platform ─► version of the platform ─► architecture ─► file
//! files:    file ─► checksums, size, where it is
//! ```
//!
//! Parsed and checked like a document, with all findings at once; choosing a file is pure. Where files lie and how a
//! package is installed is unknown here.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::check::{MAX_DOCUMENT_BYTES, find, start_of};
use crate::diagnostic::Diagnostics;
use crate::problems::{Path, Problems, nearest, shown};
use crate::tree::{self, Entry, Node};

/// Stands for every platform, version or architecture that is not named.
const ANY: &str = "_any";

/// A manifest that passed every check: each file that it chooses is described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageManifest {
    version: String,
    packages: ByPlatform,
    files: BTreeMap<String, PackageFile>,
}

type ByPlatform = BTreeMap<String, ByVersion>;
type ByVersion = BTreeMap<String, ByArchitecture>;
type ByArchitecture = BTreeMap<String, String>;

/// An archive of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    pub name: String,
    /// In lower-case hexadecimal digits.
    pub sha256: String,
    pub size: Option<u64>,
    /// None when the file is attached under its name.
    pub download_location: Option<String>,
}

/// What a package is chosen by, in the words of the manifest: for example `ubuntu`, `24.04`, `x86_64`.
#[derive(Debug, Clone, Copy)]
pub struct PackageHost<'a> {
    pub platform: &'a str,
    pub platform_version: &'a str,
    pub architecture: &'a str,
}

/// Why a package has nothing for a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPackage {
    #[error("the package has nothing for the platform {platform}; it has {}", .known.join(", "))]
    Platform { platform: String, known: Vec<String> },
    #[error("the package has nothing for {platform} {version}; it has {}", .known.join(", "))]
    Version { platform: String, version: String, known: Vec<String> },
    #[error("the package has nothing for {platform} {version} on {architecture}; it has {}", .known.join(", "))]
    Architecture { platform: String, version: String, architecture: String, known: Vec<String> },
}

impl PackageManifest {
    /// Reads and checks a manifest: JSON first, then YAML.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, Diagnostics> {
        let refused = |code, message: &str, help: &str| {
            let mut problems = Problems::new("");
            problems.error(code, &(0..0), &Path::Root, message, help);
            problems.finish()
        };
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(refused("too-large", "the manifest is too large", "keep it within 65536 bytes"));
        }
        let Ok(text) = std::str::from_utf8(text) else {
            return Err(refused("not-utf-8", "the manifest is no UTF-8", "save it as UTF-8"));
        };
        let mut problems = Problems::new(text);
        let manifest = tree::read(text, &mut problems).and_then(|root| manifest(&root, &mut problems));
        match manifest {
            Some(manifest) if !problems.has_errors() => Ok(manifest),
            _ => Err(problems.finish()),
        }
    }

    /// The version of the package.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// By name, sorted.
    pub fn files(&self) -> impl Iterator<Item = &PackageFile> {
        self.files.values()
    }

    /// The file for a host: its platform or `_any`; its version, else the longest `7.*` that begins it, else `_any` or
    /// `*`; its architecture or `_any`. Each is decided for itself, as SSM does.
    ///
    /// # Errors
    ///
    /// When nothing is meant for such a host.
    pub fn select(&self, host: &PackageHost<'_>) -> Result<&PackageFile, NoPackage> {
        let known = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>();
        let versions = named(&self.packages, host.platform).ok_or_else(|| NoPackage::Platform {
            platform: host.platform.to_owned(),
            known: known(self.packages.keys().collect()),
        })?;
        let architectures =
            by_version(versions, host.platform_version).ok_or_else(|| NoPackage::Version {
                platform: host.platform.to_owned(),
                version: host.platform_version.to_owned(),
                known: known(versions.keys().collect()),
            })?;
        let file = named(architectures, host.architecture).ok_or_else(|| NoPackage::Architecture {
            platform: host.platform.to_owned(),
            version: host.platform_version.to_owned(),
            architecture: host.architecture.to_owned(),
            known: known(architectures.keys().collect()),
        })?;
        // A file that is named and not described is refused by the check.
        self.files
            .get(file)
            .ok_or_else(|| NoPackage::Platform { platform: host.platform.to_owned(), known: Vec::new() })
    }
}

/// The entry of the name without regard to case, or the one for every name.
fn named<'m, T>(entries: &'m BTreeMap<String, T>, name: &str) -> Option<&'m T> {
    let exact = entries.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    exact.map(|(_, entry)| entry).or_else(|| entries.get(ANY))
}

fn by_version<'m>(versions: &'m ByVersion, version: &str) -> Option<&'m ByArchitecture> {
    if let Some(exact) = versions.get(version) {
        return Some(exact);
    }
    let begins = |pattern: &str| {
        let prefix = pattern.strip_suffix('*')?;
        (!prefix.is_empty() && version.starts_with(prefix)).then_some(prefix.len())
    };
    let longest = versions
        .iter()
        .filter_map(|(pattern, entry)| begins(pattern).map(|length| (length, entry)))
        .max_by_key(|(length, _)| *length);
    longest.map(|(_, entry)| entry).or_else(|| versions.get(ANY)).or_else(|| versions.get("*"))
}

fn manifest(root: &Node, problems: &mut Problems<'_>) -> Option<PackageManifest> {
    let Some(top) = root.entries() else {
        let message = format!("the manifest is {}", root.kind());
        let help = "write a map with schemaVersion, version, packages and files";
        problems.error("not-a-map", &root.span, &Path::Root, message, help);
        return None;
    };
    let schema = text(top, "schemaVersion", &start_of(root), &Path::Root, problems);
    if let (Some(schema), Some(entry)) = (schema, find(top, "schemaVersion"))
        && schema != "2.0"
    {
        let message = format!("schema version `{}` is no package's", shown(&schema));
        let path = Path::Root.key("schemaVersion");
        problems.error("unknown-schema-version", &entry.value.span, &path, message, "use 2.0");
    }
    let version = text(top, "version", &start_of(root), &Path::Root, problems);
    let files = files(root, top, problems);
    let packages = packages(root, top, &files, problems);
    Some(PackageManifest { version: version?, packages, files })
}

/// A text that must be there.
fn text(
    entries: &[Entry],
    key: &str,
    missing_at: &Range<usize>,
    path: &Path<'_>,
    problems: &mut Problems<'_>,
) -> Option<String> {
    let found = find(entries, key);
    let text = found.and_then(|entry| entry.value.scalar()).filter(|text| !text.trim().is_empty());
    if text.is_none() {
        let span = found.map_or(missing_at, |entry| &entry.value.span);
        problems.error(
            "missing-field",
            span,
            &path.key(key),
            format!("{key} is missing"),
            format!("add {key}"),
        );
    }
    text.map(str::to_owned)
}

/// The entries of a map that must be there and must have some.
fn map<'n>(
    node: Option<&'n Node>,
    missing_at: &Range<usize>,
    path: &Path<'_>,
    help: &str,
    problems: &mut Problems<'_>,
) -> &'n [Entry] {
    let entries = node.and_then(Node::entries).unwrap_or_default();
    if entries.is_empty() {
        let found = node.map_or("it is missing".to_owned(), |node| match node.entries() {
            Some(_) => "the map is empty".to_owned(),
            None => format!("found {}", node.kind()),
        });
        problems.error("missing-field", node.map_or(missing_at, |node| &node.span), path, found, help);
    }
    entries
}

fn files(root: &Node, top: &[Entry], problems: &mut Problems<'_>) -> BTreeMap<String, PackageFile> {
    let path = Path::Root.key("files");
    let help = "write a map from file name to checksums";
    let entries = map(find(top, "files").map(|entry| &entry.value), &start_of(root), &path, help, problems);
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = path.key(&entry.key);
        let attributes = entry.value.entries().unwrap_or_default();
        let size = find(attributes, "size").filter(|size| !size.value.is_null());
        let bytes = size.and_then(|size| size.value.scalar()).and_then(|text| text.trim().parse().ok());
        if let (Some(size), None) = (size, bytes) {
            let message = format!("found {}", size.value.kind());
            problems.error(
                "bad-count",
                &size.value.span,
                &path.key("size"),
                message,
                "write a number of bytes",
            );
        }
        let sums = find(attributes, "checksums").and_then(|sums| sums.value.entries()).unwrap_or_default();
        let sum = find(sums, "sha256");
        let sha256 = sum
            .and_then(|sum| sum.value.scalar())
            .filter(|sum| sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(sha256) = sha256 else {
            let span = sum.map_or(&entry.key_span, |sum| &sum.value.span);
            let (message, help) =
                ("the file has no SHA-256", "add checksums.sha256 with 64 hexadecimal digits");
            problems.error("bad-checksum", span, &path.key("checksums").key("sha256"), message, help);
            continue;
        };
        let location = find(attributes, "downloadLocation").and_then(|location| location.value.scalar());
        let file = PackageFile {
            name: entry.key.clone(),
            sha256: sha256.to_ascii_lowercase(),
            size: bytes,
            download_location: location.filter(|location| !location.is_empty()).map(str::to_owned),
        };
        files.insert(entry.key.clone(), file);
    }
    files
}

fn packages(
    root: &Node,
    top: &[Entry],
    files: &BTreeMap<String, PackageFile>,
    problems: &mut Problems<'_>,
) -> ByPlatform {
    let path = Path::Root.key("packages");
    let node = find(top, "packages").map(|entry| &entry.value);
    let help = "write a map from platform to version to architecture to file";
    let described = find(top, "files").and_then(|entry| entry.value.entries()).unwrap_or_default();
    let platforms = map(node, &start_of(root), &path, help, problems);
    platforms
        .iter()
        .map(|platform| {
            let path = path.key(&platform.key);
            let versions = map(Some(&platform.value), &platform.key_span, &path, help, problems);
            let by_version = versions.iter().map(|version| {
                let path = path.key(&version.key);
                let architectures = map(Some(&version.value), &version.key_span, &path, help, problems);
                let by_architecture = architectures.iter().filter_map(|architecture| {
                    let path = path.key(&architecture.key);
                    let attributes = architecture.value.entries().unwrap_or_default();
                    let file = text(attributes, "file", &architecture.key_span, &path, problems)?;
                    if find(described, &file).is_none() {
                        let entry = find(attributes, "file")
                            .map_or(&architecture.key_span, |entry| &entry.value.span);
                        let help = nearest(&file, files.keys().map(String::as_str)).map_or_else(
                            || "describe it in files".to_owned(),
                            |near| format!("did you mean `{near}`?"),
                        );
                        let message = format!("there is no file `{}`", shown(&file));
                        problems.error("unknown-file", entry, &path.key("file"), message, help);
                    }
                    Some((architecture.key.clone(), file))
                });
                (version.key.clone(), by_architecture.collect())
            });
            (platform.key.clone(), by_version.collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> String {
        let sum = "Ab".repeat(32);
        format!(
            "{{\n \"schemaVersion\": \"2.0\",\n \"version\": \"1.2\",\n \"packages\": {{\n  \"ubuntu\": {{\n   \"24.04\": {{\"x86_64\": {{\"file\": \"new.zip\"}}}},\n   \"2*\": {{\"_any\": {{\"file\": \"old.zip\"}}}},\n   \"22.*\": {{\"arm64\": {{\"file\": \"arm.zip\"}}}}}},\n  \"_any\": {{\"*\": {{\"x86_64\": {{\"file\": \"any.zip\"}}}}}}}},\n \"files\": {{\n  \"new.zip\": {{\"checksums\": {{\"sha256\": \"{sum}\"}}, \"size\": 7, \"downloadLocation\": \"https://host/new.zip\"}},\n  \"old.zip\": {{\"checksums\": {{\"sha256\": \"{sum}\"}}}},\n  \"arm.zip\": {{\"checksums\": {{\"sha256\": \"{sum}\"}}}},\n  \"any.zip\": {{\"checksums\": {{\"sha256\": \"{sum}\"}}}}}}\n}}\n"
        )
    }

    #[test]
    fn a_host_gets_what_is_nearest_to_it() {
        let manifest = PackageManifest::parse(manifest().as_bytes()).unwrap();
        assert_eq!((manifest.version(), manifest.files().count()), ("1.2", 4));
        for (platform, version, architecture, expected) in [
            ("ubuntu", "24.04", "x86_64", "new.zip"),
            ("Ubuntu", "22.04", "arm64", "arm.zip"),
            ("ubuntu", "20.04", "arm64", "old.zip"),
            ("debian", "13", "x86_64", "any.zip"),
            ("ubuntu", "22.04", "x86_64", "the package has nothing for ubuntu 22.04 on x86_64; it has arm64"),
            ("ubuntu", "18.04", "x86_64", "the package has nothing for ubuntu 18.04; it has 2*, 22.*, 24.04"),
            ("debian", "13", "arm64", "the package has nothing for debian 13 on arm64; it has x86_64"),
        ] {
            let host = PackageHost { platform, platform_version: version, architecture };
            let found = manifest.select(&host);
            let told = found.map_or_else(|none| none.to_string(), |file| file.name.clone());
            assert_eq!(told, expected, "{platform} {version} {architecture}");
        }
        let file = manifest.files().find(|file| file.name == "new.zip").unwrap();
        assert_eq!((file.size, file.sha256.as_str()), (Some(7), "ab".repeat(32).as_str()));
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let broken = manifest()
            .replace("2.0", "2.2")
            .replace("any.zip\"}", "my.zip\"}")
            .replace("7,", "\"x\",")
            .replacen("Ab", "zz", 1);
        for (text, expected) in [
            (
                broken.as_str(),
                &[
                    "2 schemaVersion unknown-schema-version",
                    "9 packages._any.*.x86_64.file unknown-file",
                    "11 files.new.zip.checksums.sha256 bad-checksum",
                    "11 files.new.zip.size bad-count",
                ] as &[&str],
            ),
            (
                "{}",
                &[
                    "1 schemaVersion missing-field",
                    "1 version missing-field",
                    "1 files missing-field",
                    "1 packages missing-field",
                ],
            ),
            ("[]", &["1  not-a-map"]),
            (
                "schemaVersion: '2.0'\nversion: 1\nfiles: 7\npackages:\n  ubuntu: {}\n",
                &["3 files missing-field", "5 packages.ubuntu missing-field"],
            ),
        ] {
            let found = PackageManifest::parse(text.as_bytes()).unwrap_err();
            let told: Vec<String> =
                found.iter().map(|one| format!("{} {} {}", one.line, one.path, one.code)).collect();
            assert_eq!(told, expected, "{text}");
        }
        assert!(PackageManifest::parse(&[0xff]).is_err());
        assert!(PackageManifest::parse(&vec![b' '; 70_000]).is_err());
    }
}
