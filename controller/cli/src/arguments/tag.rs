//! Tags: `KEY=VALUE`, as `node tag`, `activation create` and `--target tag:` want them.

use std::str::FromStr;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TagError {
    #[error("`{0}` has no value: write {0}=VALUE")]
    NoValue(String),
    #[error("`{0}` has no key before the =: write KEY=VALUE")]
    NoKey(String),
    #[error("`{0}` is a key and a value: give the key alone")]
    NotAKey(String),
}

/// One tag. The value may be empty and may hold further `=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        match text.split_once('=') {
            None => Err(TagError::NoValue(text.into())),
            Some(("", _)) => Err(TagError::NoKey(text.into())),
            Some((key, value)) => Ok(Self { key: key.into(), value: value.into() }),
        }
    }
}

/// The key of a tag to remove.
pub(crate) fn key(text: &str) -> Result<String, TagError> {
    match text.split_once('=') {
        Some(_) => Err(TagError::NotAKey(text.into())),
        None if text.is_empty() => Err(TagError::NoKey(text.into())),
        None => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_a_key_and_a_value() {
        let tag = |key: &str, value: &str| Ok(Tag { key: key.into(), value: value.into() });
        assert_eq!("env=prod".parse(), tag("env", "prod"));
        assert_eq!("query=a=b".parse(), tag("query", "a=b"));
        assert_eq!("empty=".parse(), tag("empty", ""));
        assert_eq!("env".parse::<Tag>().unwrap_err().to_string(), "`env` has no value: write env=VALUE");
        assert_eq!(
            "=x".parse::<Tag>().unwrap_err().to_string(),
            "`=x` has no key before the =: write KEY=VALUE"
        );
        assert_eq!(
            key("env=prod").unwrap_err().to_string(),
            "`env=prod` is a key and a value: give the key alone"
        );
    }
}
