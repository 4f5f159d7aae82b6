//! Filters of lists (reference, section 10.6): which there are, and which parameters pass. Pure.

use super::fault::{Fault, ParameterError, Violations};
use super::kinds::{ParameterType, TierWish};
use super::names::{Depth, ParameterKey, Path, REQUIREMENTS, shown};
use super::records::ParameterRecord;
use crate::nodes::records::Tags;

const KEY_MAX_CHARS: usize = 132;
const OPTION_MAX_CHARS: usize = 10;
const VALUES_MAX: usize = 50;
const VALUE_MAX_CHARS: usize = 1024;
const KEYS: [&str; 7] = ["Name", "Type", "KeyId", "Path", "Label", "Tier", "DataType"];

/// A filter as a caller writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterWish {
    pub key: String,
    pub option: Option<String>,
    pub values: Vec<String>,
}

/// Which list is filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    ByPath,
    Describe,
}

/// Values of one filter are alternatives, filters narrow each other down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    key: Key,
    option: Match,
    values: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Name,
    Type,
    SealedBy,
    Tier,
    DataType,
    Label,
    Path(Vec<Path>, Depth),
    Tag(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    Equals,
    BeginsWith,
    Contains,
}

impl Match {
    fn holds(self, text: &str, wanted: &str) -> bool {
        match self {
            Self::Equals => text == wanted,
            Self::BeginsWith => text.starts_with(wanted),
            Self::Contains => text.contains(wanted),
        }
    }
}

/// Checks all filters of a request.
pub fn parse(wishes: &[FilterWish], kind: ListKind) -> Result<Vec<Filter>, ParameterError> {
    check_shapes(wishes)?;
    let mut filters: Vec<Filter> = Vec::with_capacity(wishes.len());
    for (at, wish) in wishes.iter().enumerate() {
        let key = shown(&wish.key);
        let valid = match kind {
            ListKind::Describe if wish.key == "Label" => Some("[Path, Name, Type, KeyId, Tier]"),
            ListKind::ByPath if matches!(wish.key.as_str(), "Name" | "Path" | "Tier" | "DataType") => {
                Some("[Type, KeyId]")
            }
            ListKind::ByPath if wish.key.starts_with("tag:") => Some("[Type, KeyId]"),
            _ => None,
        };
        if let Some(valid) = valid {
            return Err(Fault::InvalidFilterKey.because(format!(
                "The following filter key is not valid: {key}. Valid filter keys include: {valid}."
            )));
        }
        if wish.values.is_empty() && !wish.key.starts_with("tag:") {
            return Err(Fault::InvalidFilterValue
                .because(format!("The following filter values are missing : null for filter key {key}.")));
        }
        if wishes[..at].iter().any(|other| other.key == wish.key) {
            return Err(Fault::InvalidFilterKey.because(format!(
                "The following filter is duplicated in the request: {key}. A request can contain only one occurrence \
                 of a specific filter."
            )));
        }
        filters.push(filter(wish)?);
    }
    Ok(filters)
}

/// What SSM's model allows at all, told of all filters at once.
fn check_shapes(wishes: &[FilterWish]) -> Result<(), ParameterError> {
    let mut violations = Violations::default();
    for (at, wish) in wishes.iter().enumerate() {
        let at = at + 1;
        let key_is_known = KEYS.contains(&wish.key.as_str())
            || wish.key.strip_prefix("tag:").is_some_and(|tag| !tag.is_empty());
        if !key_is_known {
            violations.note(
                &shown(&wish.key),
                &format!("parameterFilters.{at}.member.key"),
                "Member must satisfy regular expression pattern: tag:.+|Name|Type|KeyId|Path|Label|Tier|DataType",
            );
        }
        if wish.key.chars().count() > KEY_MAX_CHARS {
            violations.note(
                &shown(&wish.key),
                &format!("parameterFilters.{at}.member.key"),
                &format!("Member must have length less than or equal to {KEY_MAX_CHARS}"),
            );
        }
        if let Some(option) = &wish.option
            && option.chars().count() > OPTION_MAX_CHARS
        {
            violations.note(
                &shown(option),
                &format!("parameterFilters.{at}.member.option"),
                &format!("Member must have length less than or equal to {OPTION_MAX_CHARS}"),
            );
        }
        let values = || shown(&format!("[{}]", wish.values.join(", ")));
        if wish.values.len() > VALUES_MAX {
            violations.note(
                &values(),
                &format!("parameterFilters.{at}.member.values"),
                &format!("Member must have length less than or equal to {VALUES_MAX}"),
            );
        }
        if wish.values.iter().any(|value| !(1..=VALUE_MAX_CHARS).contains(&value.chars().count())) {
            violations.note(
                &values(),
                &format!("parameterFilters.{at}.member.values"),
                "[Member must have length less than or equal to 1024, Member must have length greater than or equal \
                 to 1]",
            );
        }
    }
    violations.result()
}

fn filter(wish: &FilterWish) -> Result<Filter, ParameterError> {
    if wish.key == "Path" {
        let depth = match wish.option.as_deref() {
            None | Some("" | "OneLevel") => Depth::OneLevel,
            Some("Recursive") => Depth::Recursive,
            Some(other) => return Err(bad_option(other, "[Recursive, OneLevel]")),
        };
        let paths = wish.values.iter().map(|value| filter_path(value)).collect::<Result<_, _>>()?;
        return Ok(Filter { key: Key::Path(paths, depth), option: Match::Equals, values: Vec::new() });
    }
    let key = match wish.key.as_str() {
        "Name" => Key::Name,
        "Type" => Key::Type,
        "KeyId" => Key::SealedBy,
        "Tier" => Key::Tier,
        "DataType" => Key::DataType,
        "Label" => Key::Label,
        tag => Key::Tag(tag.trim_start_matches("tag:").to_owned()),
    };
    let option = match (wish.option.as_deref(), &key) {
        (None | Some("" | "Equals"), _) => Match::Equals,
        (Some("BeginsWith"), key) if *key != Key::Label => Match::BeginsWith,
        (Some("Contains"), Key::Name) => Match::Contains,
        (Some(other), Key::Label) => return Err(bad_option(other, "[Equals]")),
        (Some(other), _) => return Err(bad_option(other, "[BeginsWith, Equals]")),
    };
    let known: Option<Vec<&str>> = match key {
        Key::Type => Some(ParameterType::ALL.map(ParameterType::name).to_vec()),
        Key::Tier => Some(TierWish::ALL.map(TierWish::name).to_vec()),
        _ => None,
    };
    if let Some(known) = known
        && let Some(bad) = wish.values.iter().find(|value| !known.contains(&value.as_str()))
    {
        return Err(Fault::InvalidFilterValue.because(format!(
            "The following filter value is not valid: {}. Valid values include: [{}].",
            shown(bad),
            known.join(", ")
        )));
    }
    Ok(Filter { key, option, values: wish.values.clone() })
}

fn bad_option(option: &str, valid: &str) -> ParameterError {
    Fault::InvalidFilterOption.because(format!(
        "The following filter option is not valid: {}. Valid options include: {valid}.",
        shown(option)
    ))
}

fn filter_path(text: &str) -> Result<Path, ParameterError> {
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("/aws") || lower.starts_with("/ssm") {
        return Err(Fault::Validation.because(
            "Filters for common parameters can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). When using \
             global parameters, please specify within a global namespace.",
        ));
    }
    Path::parse(text).map_err(|_| Fault::Validation.because(REQUIREMENTS))
}

impl Filter {
    /// Whether the tags of a parameter are needed to decide.
    #[must_use]
    pub(super) fn needs_tags(&self) -> bool {
        matches!(self.key, Key::Tag(_))
    }

    /// The labels that are asked for; one of them chooses the version.
    #[must_use]
    pub(super) fn labels(&self) -> Option<&[String]> {
        (self.key == Key::Label).then_some(&self.values)
    }

    /// Whether a parameter passes, as its latest version is. Labels are decided elsewhere.
    #[must_use]
    pub(super) fn passes(&self, key: &ParameterKey, record: &ParameterRecord, tags: &Tags) -> bool {
        let latest = &record.latest;
        let any = |text: &str| self.values.iter().any(|wanted| self.option.holds(text, wanted));
        match &self.key {
            // `db` and `/db` are one parameter, whichever way it is asked for.
            Key::Name if self.option == Match::Contains => any(key.as_str()),
            Key::Name => self.values.iter().any(|wanted| {
                let wanted = wanted.strip_prefix('/').unwrap_or(wanted);
                self.option.holds(key.as_str().trim_start_matches('/'), wanted)
            }),
            Key::Type => any(latest.parameter_type.name()),
            Key::SealedBy => latest.key_id.as_deref().is_some_and(any),
            Key::Tier => any(latest.tier.name()),
            Key::DataType => any(&latest.data_type),
            Key::Path(paths, depth) => paths.iter().any(|path| path.holds(key, *depth)),
            Key::Tag(tag) => tags.get(tag).is_some_and(|value| self.values.is_empty() || any(value)),
            Key::Label => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(key: &str, option: Option<&str>, values: &[&str]) -> FilterWish {
        FilterWish {
            key: key.to_owned(),
            option: option.map(str::to_owned),
            values: values.iter().map(|&value| value.to_owned()).collect(),
        }
    }

    fn check(wishes: &[FilterWish], kind: ListKind, fault: Fault, part: &str) {
        let error = parse(wishes, kind).unwrap_err();
        assert!(error.fault == fault && error.message.contains(part), "{error:?}");
    }

    #[test]
    fn filters_that_are_refused() {
        use Fault::{InvalidFilterKey, InvalidFilterOption, InvalidFilterValue, Validation};
        use ListKind::{ByPath, Describe};
        let long_tag = format!("tag:{}", "t".repeat(129));
        let long_value = "t".repeat(1025);
        let many = vec!["test"; 51];
        for (wishes, kind, fault, part) in [
            (vec![wish("key", None, &[])], Describe, Validation, "tag:.+|Name|Type|KeyId|Path|Label|Tier"),
            (vec![wish(&long_tag, None, &[])], Describe, Validation, "less than or equal to 132"),
            (
                vec![wish("Name", Some("over 10 chars"), &[])],
                Describe,
                Validation,
                "less than or equal to 10",
            ),
            (vec![wish("Name", None, &many)], Describe, Validation, "less than or equal to 50"),
            (
                vec![wish("Name", None, &[&long_value])],
                Describe,
                Validation,
                "or equal to 1024, Member must have",
            ),
            (
                vec![wish("Name", Some("over 10 chars"), &[]), wish("key", None, &[])],
                Describe,
                Validation,
                "2 validation errors detected:",
            ),
            (
                vec![wish("Label", None, &[])],
                Describe,
                InvalidFilterKey,
                "Label. Valid filter keys include: [Path, Name, Type, KeyId, Tier]",
            ),
            (
                vec![wish("Name", None, &[])],
                Describe,
                InvalidFilterValue,
                "missing : null for filter key Name",
            ),
            (
                vec![wish("Name", None, &["test"]), wish("Name", None, &["test test"])],
                Describe,
                InvalidFilterKey,
                "duplicated in the request: Name",
            ),
            (vec![wish("Path", None, &["/aws", "/ssm"])], Describe, Validation, "can't be prefixed"),
            (vec![wish("Path", None, &["test"])], Describe, Validation, "must begin with a forward slash"),
            (
                vec![wish("Path", Some("Equals"), &["test"])],
                Describe,
                InvalidFilterOption,
                "Equals. Valid options include: [Recursive, OneLevel]",
            ),
            (
                vec![wish("Tier", None, &["test"])],
                Describe,
                InvalidFilterValue,
                "[Standard, Advanced, Intelligent",
            ),
            (
                vec![wish("Type", None, &["test"])],
                Describe,
                InvalidFilterValue,
                "[String, StringList, SecureString]",
            ),
            (
                vec![wish("Name", Some("option"), &["test"])],
                Describe,
                InvalidFilterOption,
                "option. Valid options include: [BeginsWith, Equals].",
            ),
            (vec![wish("Type", Some("Contains"), &["String"])], Describe, InvalidFilterOption, "Contains"),
            (
                vec![wish("Name", None, &["x"])],
                ByPath,
                InvalidFilterKey,
                "Name. Valid filter keys include: [Type",
            ),
            (vec![wish("Tier", None, &["Standard"])], ByPath, InvalidFilterKey, "[Type, KeyId]."),
            (vec![wish("tag:a", None, &["x"])], ByPath, InvalidFilterKey, "[Type, KeyId]."),
            (vec![wish("Label", Some("BeginsWith"), &["x"])], ByPath, InvalidFilterOption, "[Equals]"),
        ] {
            check(&wishes, kind, fault, part);
        }
    }
}
