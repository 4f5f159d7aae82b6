//! How documents and their versions are named (reference, section 1.12). Pure.

use std::fmt;
use std::str::FromStr;

use super::fault::{DocumentError, Fault};

/// What a document of the fleet may not be called: these names are for shipped ones.
const RESERVED: [&str; 3] = ["aws", "amazon", "amzn"];
const NAME_CHARS: std::ops::RangeInclusive<usize> = 3..=128;
const VERSION_NAME_MAX_CHARS: usize = 128;

/// The name of a document that may or may not exist: 3 to 128 letters, digits, `_`, `-`, `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentName(String);

impl DocumentName {
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        if NAME_CHARS.contains(&text.len()) && is_plain(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(Fault::Validation.because(format!(
            "`{}` is not a document name: 3 to 128 letters, digits, _ - and .",
            shown(text)
        )))
    }

    /// A name for a document that is to be made.
    pub fn parse_new(text: &str) -> Result<Self, DocumentError> {
        let name = Self::parse(text)?;
        let lower = name.0.to_ascii_lowercase();
        match RESERVED.iter().find(|reserved| lower.starts_with(*reserved)) {
            None => Ok(name),
            Some(reserved) => Err(Fault::Validation.because(format!(
                "`{name}` begins with `{reserved}`, which is reserved for shipped documents: choose another name"
            ))),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DocumentName {
    type Err = DocumentError;

    fn from_str(text: &str) -> Result<Self, DocumentError> {
        Self::parse(text)
    }
}

fleetwright_store::text_key!(DocumentName);

impl fmt::Display for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which version of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionWanted {
    Default,
    Latest,
    Number(u64),
    Named(String),
}

impl VersionWanted {
    /// A number, `$LATEST`, `$DEFAULT` or a version name; nothing is the default version.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        match text {
            "" | "$DEFAULT" => Ok(Self::Default),
            "$LATEST" => Ok(Self::Latest),
            _ => match number(text) {
                Some(number) => Ok(Self::Number(number)),
                None if is_version_name(text) => Ok(Self::Named(text.to_owned())),
                None => Err(Fault::InvalidDocumentVersion.because(format!(
                    "`{}` is not a document version: a number, $LATEST, $DEFAULT or a version name",
                    shown(text)
                ))),
            },
        }
    }
}

impl fmt::Display for VersionWanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("$DEFAULT"),
            Self::Latest => f.write_str("$LATEST"),
            Self::Number(number) => number.fmt(f),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// A document as callers point to it: `name`, `name:version`, or an ARN whose last part is one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub name: DocumentName,
    pub version: VersionWanted,
}

impl Reference {
    /// `version` beside the name says the version; when the name says one as well, they must be the same.
    pub fn parse(text: &str, version: &str) -> Result<Self, DocumentError> {
        let last = match text.strip_prefix("arn:") {
            Some(arn) => arn.rsplit_once("document/").map(|(_, last)| last).ok_or_else(|| {
                Fault::InvalidDocument.because(format!(
                    "`{}` is not the ARN of a document: it ends with document/NAME",
                    shown(text)
                ))
            })?,
            None => text,
        };
        let (name, inner) = last.split_once(':').unwrap_or((last, ""));
        if !inner.is_empty() && !version.is_empty() && inner != version {
            return Err(Fault::InvalidDocumentVersion.because(format!(
                "`{}` names version {} and the version asked for is {}: say it once",
                shown(text),
                shown(inner),
                shown(version)
            )));
        }
        let version = if version.is_empty() { inner } else { version };
        Ok(Self { name: DocumentName::parse(name)?, version: VersionWanted::parse(version)? })
    }
}

/// A name for a version, unique in its document. One that is a number is found where a version name is asked for, and
/// not by [`VersionWanted::parse`]: there a number is a version.
pub fn parse_version_name(text: &str) -> Result<String, DocumentError> {
    if is_version_name(text) {
        return Ok(text.to_owned());
    }
    Err(Fault::Validation
        .because(format!("`{}` is not a version name: 1 to 128 letters, digits, _ - and .", shown(text))))
}

fn number(text: &str) -> Option<u64> {
    let first = text.bytes().next()?;
    (first.is_ascii_digit() && first != b'0').then(|| text.parse().ok()).flatten()
}

fn is_version_name(text: &str) -> bool {
    (1..=VERSION_NAME_MAX_CHARS).contains(&text.len()) && is_plain(text)
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// What a caller wrote, short enough and harmless for a message.
#[must_use]
pub fn shown(text: &str) -> String {
    text.chars().take(128).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let long = "x".repeat(128);
        for good in ["abc", "My_Doc-1.0", &long, "AWS-RunShellScript"] {
            assert_eq!(DocumentName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "ab", &format!("{long}x"), "a b", "a/b", "a:b", "déjà", "a\nb"] {
            let error = DocumentName::parse(bad).unwrap_err();
            assert_eq!(error.fault, Fault::Validation, "{bad}");
            assert!(error.message.contains("is not a document name: 3 to 128"), "{error}");
            assert!(!error.message.contains('\n'), "{error}");
        }
        for reserved in ["AWS-Mine", "awsome", "Amazon-x", "amznX"] {
            assert!(
                DocumentName::parse_new(reserved).unwrap_err().message.contains("reserved"),
                "{reserved}"
            );
        }
        assert!(DocumentName::parse_new("my-aws").is_ok());
    }

    #[test]
    fn references() {
        let check = |text: &str, version: &str, name: &str, want: VersionWanted| {
            let found = Reference::parse(text, version).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((found.name.as_str(), found.version), (name, want), "{text} {version}");
        };
        check("Disk", "", "Disk", VersionWanted::Default);
        check("Disk", "$DEFAULT", "Disk", VersionWanted::Default);
        check("Disk:$LATEST", "", "Disk", VersionWanted::Latest);
        check("Disk:3", "", "Disk", VersionWanted::Number(3));
        check("Disk:3", "3", "Disk", VersionWanted::Number(3));
        check("Disk", "v1.0", "Disk", VersionWanted::Named("v1.0".to_owned()));
        check("Disk", "0", "Disk", VersionWanted::Named("0".to_owned()));
        check("arn:aws:ssm:eu-west-1:123456789012:document/Disk", "", "Disk", VersionWanted::Default);
        check("arn:aws:ssm:eu-west-1:123456789012:document/Disk:7", "", "Disk", VersionWanted::Number(7));
        check(
            "arn:aws:ssm:eu-west-1::document/AWS-RunShellScript",
            "1",
            "AWS-RunShellScript",
            VersionWanted::Number(1),
        );
    }

    #[test]
    fn references_that_name_nothing() {
        let check = |text: &str, version: &str, fault: Fault, words: &str| {
            let error = Reference::parse(text, version).unwrap_err();
            assert_eq!(error.fault, fault, "{text}: {error}");
            assert!(error.message.contains(words), "{text}: {error}");
        };
        check("Disk:3", "4", Fault::InvalidDocumentVersion, "say it once");
        check("Disk", "a b", Fault::InvalidDocumentVersion, "a number, $LATEST, $DEFAULT or a version name");
        check("arn:aws:s3:::bucket", "", Fault::InvalidDocument, "document/NAME");
        check("a", "", Fault::Validation, "3 to 128");
        check(&"x".repeat(10_000), "", Fault::Validation, "3 to 128");
    }

    #[test]
    fn version_names() {
        for good in ["v1", "1.0", "0", "release_2026-11", "12"] {
            assert_eq!(parse_version_name(good).unwrap(), good);
        }
        for bad in ["", "$LATEST", "a b", &"x".repeat(129)] {
            assert!(parse_version_name(bad).unwrap_err().message.contains("1 to 128 letters"), "{bad}");
        }
    }
}
