//! How parameters, their versions and their labels are named (reference, sections 10.2 to 10.4). Pure.
//!
//! A parameter without a slash in its name and the one with a slash before it are the same: `db` and `/db`. Each is
//! kept under the name that it was made with, and answers to both.

use std::fmt;
use std::str::FromStr;

use super::fault::{Fault, ParameterError};

/// Longest name, characters, with its slash.
const NAME_MAX_CHARS: usize = 1011;
/// SSM's model allows this much before it looks any further.
const MODEL_NAME_MAX_CHARS: usize = 2048;
const LEVELS_MAX: usize = 15;
/// What may stand around a name and is no part of it; other white space makes it another name, which is none.
const SPACE: char = ' ';
const LABEL_MAX_CHARS: usize = 100;

const PATH_RULE: &str = "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it \
    can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and \
    the following 3 symbols .-_";
const PREFIX_RULE: &str = "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).";
pub(super) const REQUIREMENTS: &str = "The parameter doesn't meet the parameter name requirements. The parameter name must begin \
    with a forward slash \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use only \
    letters, numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not \
    allowed. All sub-paths, if specified, must use the forward slash symbol \"/\". Valid example: \
    /get/parameters2-/by1./path0_.";

/// The name that a parameter is kept under: with its slash, always.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterKey(Box<str>);

impl ParameterKey {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The least key of all that begin with this text.
    pub(super) fn beginning(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ParameterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ParameterKey {
    type Err = ParameterError;

    fn from_str(text: &str) -> Result<Self, ParameterError> {
        if text.starts_with('/') { Ok(Self(text.into())) } else { Err(Fault::Validation.because(PATH_RULE)) }
    }
}

fleetwright_store::text_key!(ParameterKey);

/// A name as a caller writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterName {
    key: ParameterKey,
    written: String,
}

impl ParameterName {
    /// The name of a parameter that may or may not exist.
    pub fn parse(text: &str) -> Result<Self, ParameterError> {
        let text = text.trim_matches(SPACE);
        if text.is_empty() || text.chars().count() > MODEL_NAME_MAX_CHARS {
            return Err(Fault::Validation.because(format!(
                "a parameter name has 1 to {NAME_MAX_CHARS} characters, and this has {}",
                text.chars().count()
            )));
        }
        let is_path = text.contains('/');
        let bare = text.strip_prefix('/').unwrap_or(text);
        let parts_are_good = bare.split('/').all(|part| !part.is_empty() && part.bytes().all(is_plain));
        if !parts_are_good || (is_path && !text.starts_with('/')) {
            return Err(Fault::Validation.because(PATH_RULE));
        }
        Ok(Self { key: ParameterKey(format!("/{bare}").into()), written: text.to_owned() })
    }

    /// A name for a parameter that is to be made or changed.
    pub fn parse_new(text: &str) -> Result<Self, ParameterError> {
        let trimmed = text.trim_matches(SPACE);
        if trimmed.starts_with("arn:") {
            return Err(Fault::Validation.because("a parameter is made under its name, not under an ARN"));
        }
        refuse_reserved(trimmed)?;
        if trimmed.contains('/') && !trimmed.starts_with('/') {
            return Err(Fault::Validation.because("Parameter name must be a fully qualified name."));
        }
        let name = Self::parse(trimmed)?;
        if name.key.0.len() > NAME_MAX_CHARS {
            return Err(Fault::Validation.because(format!(
                "a parameter name has at most {NAME_MAX_CHARS} characters, and this has {}",
                name.key.0.len()
            )));
        }
        let levels = name.key.0.matches('/').count();
        if levels > LEVELS_MAX {
            return Err(Fault::HierarchyLevelLimitExceeded.because(format!(
                "the name has {levels} levels, and a hierarchy can have a maximum of {LEVELS_MAX} levels"
            )));
        }
        Ok(name)
    }

    #[must_use]
    pub fn key(&self) -> &ParameterKey {
        &self.key
    }

    /// As the caller wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

impl fmt::Display for ParameterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// Names that begin with `aws` or `ssm` belong to the service.
fn refuse_reserved(text: &str) -> Result<(), ParameterError> {
    let lower = text.trim_start_matches('/').to_ascii_lowercase();
    if !lower.starts_with("aws") && !lower.starts_with("ssm") {
        return Ok(());
    }
    let is_path = text.matches('/').count() > 1;
    Err(match (is_path, lower.starts_with("aws")) {
        (false, _) => Fault::Validation.because(PREFIX_RULE),
        (true, true) => {
            Fault::AccessDenied.because(format!("No access to reserved parameter name: {}.", shown(text)))
        }
        (true, false) => Fault::Validation.because(PATH_RULE),
    })
}

/// Which version of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    Version(u64),
    Label(String),
}

impl fmt::Display for Selector {
    /// As SSM answers it, with its colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, ":{version}"),
            Self::Label(label) => write!(f, ":{label}"),
        }
    }
}

/// A parameter as callers point to it: `name`, `name:version`, `name:label`, or an ARN whose last part is one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub key: ParameterKey,
    /// As the caller wrote it; None when an ARN was written, which does not tell.
    pub written: Option<String>,
    pub selector: Option<Selector>,
}

impl Reference {
    pub fn parse(text: &str) -> Result<Self, ParameterError> {
        let trimmed = text.trim_matches(SPACE);
        let (from_arn, rest) = match trimmed.strip_prefix("arn:") {
            None => (false, trimmed.to_owned()),
            Some(arn) => {
                let last = arn.split_once(":parameter/").map(|(_, last)| last).ok_or_else(|| {
                    Fault::Validation.because(format!(
                        "`{}` is not the ARN of a parameter: it ends with :parameter/NAME",
                        shown(text)
                    ))
                })?;
                (true, format!("/{last}"))
            }
        };
        let (name, selector) = match rest.split_once(':') {
            None => (rest.as_str(), None),
            Some((_, selector)) if selector.is_empty() || selector.contains(':') => {
                return Err(not_found(text));
            }
            Some((name, selector)) => (name, Some(selector)),
        };
        let selector = selector.map(|selector| match selector.parse() {
            Ok(version) if selector.bytes().all(|byte| byte.is_ascii_digit()) => Selector::Version(version),
            _ => Selector::Label(selector.to_owned()),
        });
        let name = ParameterName::parse(name)?;
        let written = (!from_arn).then_some(name.written);
        Ok(Self { key: name.key, written, selector })
    }
}

/// SSM's words for a parameter that does not exist.
pub(super) fn not_found(text: &str) -> ParameterError {
    Fault::ParameterNotFound.because(format!("Parameter {} not found.", shown(text)))
}

/// The parameters below a level of the hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// With a slash at its end.
    prefix: String,
}

impl Path {
    pub fn parse(text: &str) -> Result<Self, ParameterError> {
        let inner = text.strip_prefix('/').ok_or_else(|| Fault::Validation.because(REQUIREMENTS))?;
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let good = |part: &str| !part.is_empty() && part.bytes().all(is_plain);
        if text == "//"
            || text.len() > MODEL_NAME_MAX_CHARS
            || !(inner.is_empty() || inner.split('/').all(good))
        {
            return Err(Fault::Validation.because(REQUIREMENTS));
        }
        let prefix = if inner.is_empty() { "/".to_owned() } else { format!("/{inner}/") };
        Ok(Self { prefix })
    }

    /// What the keys below it begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether the key is below it, by as many levels as `depth` says.
    #[must_use]
    pub fn holds(&self, key: &ParameterKey, depth: Depth) -> bool {
        let Some(below) = key.0.strip_prefix(self.prefix.as_str()) else { return false };
        depth == Depth::Recursive || !below.contains('/')
    }
}

/// How far below a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    OneLevel,
    Recursive,
}

/// Whether a label may be attached; one that is longer than SSM's model allows is refused altogether.
#[must_use]
pub(super) fn is_label(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    (1..=LABEL_MAX_CHARS).contains(&text.len())
        && text.bytes().all(is_plain)
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && !lower.starts_with("aws")
        && !lower.starts_with("ssm")
}

/// Refuses labels of a length that SSM's model does not allow.
pub(super) fn check_label_lengths(labels: &[String]) -> Result<(), ParameterError> {
    let good = |label: &String| (1..=LABEL_MAX_CHARS).contains(&label.chars().count());
    if !labels.is_empty() && labels.iter().all(good) {
        return Ok(());
    }
    Err(Fault::Validation.because(format!(
        "1 validation error detected: Value '[{}]' at 'labels' failed to satisfy constraint: Member must satisfy \
         constraint: [Member must have length less than or equal to {LABEL_MAX_CHARS}, Member must have length \
         greater than or equal to 1]",
        labels.join(", ")
    )))
}

/// A caller's text for a message: one line.
pub(super) fn shown(text: &str) -> String {
    text.escape_debug().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: fmt::Debug>(found: Result<T, ParameterError>, fault: Fault, part: &str) {
        let error = found.unwrap_err();
        assert_eq!(error.fault, fault, "{error}");
        assert!(error.message.contains(part), "{error}");
    }

    #[test]
    fn names_for_new_parameters() {
        for (written, key) in [
            ("db", "/db"),
            ("/db", "/db"),
            ("  /a/b.c/d_e-f ", "/a/b.c/d_e-f"),
            ("Name", "/Name"),
            ("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15"),
        ] {
            let name = ParameterName::parse_new(written).unwrap();
            assert_eq!((name.key().as_str(), name.as_str()), (key, written.trim()));
        }
        let deep = "/x".repeat(16);
        let (long, longer) = ("n".repeat(1011), "n".repeat(2100));
        for (written, fault, part) in [
            ("", Fault::Validation, "1 to 1011 characters"),
            ("a b", Fault::Validation, "sub-paths divided by slash"),
            ("/a/b\u{a0}", Fault::Validation, "sub-paths divided by slash"),
            ("/a/b\n", Fault::Validation, "sub-paths divided by slash"),
            ("a/b", Fault::Validation, "fully qualified name"),
            ("/a//b", Fault::Validation, "sub-paths divided by slash"),
            ("/a/", Fault::Validation, "sub-paths divided by slash"),
            ("/", Fault::Validation, "sub-paths divided by slash"),
            ("/a/ü", Fault::Validation, "sub-paths divided by slash"),
            ("a:1", Fault::Validation, "sub-paths divided by slash"),
            ("aws_test", Fault::Validation, "can't be prefixed with \"aws\" or \"ssm\""),
            ("SSM_TEST", Fault::Validation, "can't be prefixed with \"aws\" or \"ssm\""),
            ("/ssm/a", Fault::Validation, "can't be prefixed with \"ssm\""),
            ("/AWS/PATH/TO", Fault::AccessDenied, "No access to reserved parameter name: /AWS/PATH/TO."),
            (&deep, Fault::HierarchyLevelLimitExceeded, "16 levels"),
            (&long, Fault::Validation, "at most 1011 characters, and this has 1012"),
            (&longer, Fault::Validation, "this has 2100"),
            ("arn:aws:ssm:eu-west-1:123456789012:parameter/a", Fault::Validation, "not under an ARN"),
        ] {
            check(ParameterName::parse_new(written), fault, part);
        }
    }

    #[test]
    fn references_name_a_version_or_a_label() {
        for (text, key, written, selector) in [
            ("db", "/db", Some("db"), None),
            ("/a/b:3", "/a/b", Some("/a/b"), Some(Selector::Version(3))),
            ("/a/b:prod", "/a/b", Some("/a/b"), Some(Selector::Label("prod".into()))),
            (
                "db:18446744073709551616",
                "/db",
                Some("db"),
                Some(Selector::Label("18446744073709551616".into())),
            ),
            ("arn:aws:ssm:us-east-1:123456789012:parameter/a/b:2", "/a/b", None, Some(Selector::Version(2))),
            ("arn:aws:ssm:us-east-1:123456789012:parameter/db", "/db", None, None),
        ] {
            let found = Reference::parse(text).unwrap();
            assert_eq!(
                (found.key.as_str(), found.written.as_deref(), found.selector),
                (key, written, selector),
                "{text}"
            );
        }
        check(Reference::parse("test-2:2:3"), Fault::ParameterNotFound, "Parameter test-2:2:3 not found.");
        check(Reference::parse("test:"), Fault::ParameterNotFound, "Parameter test: not found.");
        check(Reference::parse("a/b/c"), Fault::Validation, "sub-paths divided by slash symbol");
        check(Reference::parse("/a//b//c"), Fault::Validation, "sub-paths divided by slash symbol");
        check(Reference::parse("arn:aws:s3:::bucket"), Fault::Validation, "not the ARN of a parameter");
    }

    #[test]
    fn paths_hold_what_is_below_them() {
        let key = |text: &str| ParameterKey(text.into());
        for (path, of, one_level, recursive) in [
            ("/", "/db", true, true),
            ("/", "/a/b", false, true),
            ("/a", "/a/b", true, true),
            ("/a/", "/a/b", true, true),
            ("/a", "/a", false, false),
            ("/a", "/ab", false, false),
            ("/a", "/a/b/c", false, true),
        ] {
            let path = Path::parse(path).unwrap();
            assert_eq!(path.holds(&key(of), Depth::OneLevel), one_level, "{path:?} {of}");
            assert_eq!(path.holds(&key(of), Depth::Recursive), recursive, "{path:?} {of}");
        }
        for bad in ["/###", "//", "test", "", "/a//b", "/a:1"] {
            check(Path::parse(bad), Fault::Validation, "doesn't meet the parameter name requirements");
        }
    }

    #[test]
    fn labels() {
        for (label, good) in [
            ("prod", true),
            ("Label1", true),
            ("_a.b-c", true),
            ("awsabc", false),
            ("SSMabc", false),
            ("9abc", false),
            ("abc/123", false),
            ("", false),
        ] {
            assert_eq!(is_label(label), good, "{label}");
        }
        assert!(is_label(&"a".repeat(100)) && !is_label(&"a".repeat(101)));
        check(check_label_lengths(&["a".repeat(101)]), Fault::Validation, "less than or equal to 100");
        check(check_label_lengths(&[]), Fault::Validation, "greater than or equal to 1");
    }
}
