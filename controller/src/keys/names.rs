//! How keys are named: as SSM's `KeyId` (reference, section 10.1). Pure.

use std::fmt;
use std::str::FromStr;

use crate::error::Refusal;

const MAX_CHARS: usize = 256;
/// What SecureString parameters are sealed with when nobody says otherwise.
pub const DEFAULT: &str = "alias/aws/ssm";
/// What secret parameters of commands are sealed with.
pub const COMMANDS: &str = "alias/fleetwright/commands";

/// What the secrets of access keys are sealed with.
pub const ACCESS: &str = "alias/fleetwright/access";

/// `alias/NAME`, or any other id that scripts already use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(Box<str>);

impl KeyName {
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'/' | b'_' | b'-' | b' ');
        if (1..=MAX_CHARS).contains(&text.len()) && text.bytes().all(plain) && text.trim() == text {
            return Ok(Self(text.into()));
        }
        Err(Refusal::invalid(format!(
            "`{}` is not the name of a key: 1 to {MAX_CHARS} letters, digits, : / _ and -, as alias/payments",
            text.chars().take(80).collect::<String>().escape_debug()
        )))
    }

    /// [`ACCESS`].
    #[must_use]
    pub fn of_access() -> Self {
        Self(ACCESS.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Keys of the controller itself: nobody disables or deletes them.
    #[must_use]
    pub fn is_own(&self) -> bool {
        matches!(&*self.0, DEFAULT | COMMANDS | ACCESS)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::parse(text)
    }
}

fleetwright_store::text_key!(KeyName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in [DEFAULT, "someKeyId", "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab", "a key"] {
            assert_eq!(KeyName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", " a", "a\n", "ü", &"k".repeat(257)] {
            assert!(KeyName::parse(bad).unwrap_err().message.contains("as alias/payments"), "{bad}");
        }
    }
}
