//! Ids that both sides print, parse and compare. An id in hand is an id that was checked.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not an id. The text itself is in the message, so callers print it as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct IdError {
    text: String,
    wanted: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $wanted:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(IdError { text: text.chars().take(80).collect(), wanted: $wanted })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.into()
            }
        }
    };
}

id!(
    /// A managed node: `mi-` and 17 hex digits, the form that SSM clients accept (reference, section 6.3).
    NodeId,
    "a node id: mi- and 17 hex digits",
    |text| text.strip_prefix("mi-").is_some_and(|hex| hex.len() == 17 && is_lower_hex(hex))
);

id!(
    /// A command: a UUID in its 36-character form, as SSM has it.
    CommandId,
    "a command id: a UUID of 36 characters",
    is_uuid
);

id!(
    /// An activation: a UUID in its 36-character form (reference, section 6.3).
    ActivationId,
    "an activation id: a UUID of 36 characters",
    is_uuid
);

impl NodeId {
    /// A fresh id from 68 random bits, taken where a version 4 UUID has no fixed digit.
    #[must_use]
    pub fn random() -> Self {
        let hex = uuid::Uuid::new_v4().simple().to_string();
        Self(format!("mi-{}{}", &hex[..12], &hex[20..25]).into())
    }
}

impl CommandId {
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string().into())
    }
}

impl ActivationId {
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string().into())
    }
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Lower-case with dashes only: one id has one spelling, because ids are keys and names of folders.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_id_parses_back() {
        for _ in 0..100 {
            let id = NodeId::random();
            assert_eq!(id.as_str().parse::<NodeId>().unwrap(), id);
            let id = CommandId::random();
            assert_eq!(id.as_str().parse::<CommandId>().unwrap(), id);
        }
    }

    #[test]
    fn a_text_of_another_form_is_refused_and_named() {
        for text in [
            "",
            "mi-",
            "mi-0123456789abcdef",
            "mi-0123456789ABCDEF0",
            "i-0123456789abcdef0",
            "mi-../../etc/passwd",
        ] {
            let error = text.parse::<NodeId>().unwrap_err();
            assert_eq!(error.to_string(), format!("`{text}` is not a node id: mi- and 17 hex digits"));
        }
        for text in ["", "x", "67E55044-10B1-426F-9247-BB680E5FE0C8", "67e5504410b1426f9247bb680e5fe0c8"] {
            assert!(text.parse::<CommandId>().is_err(), "{text}");
        }
    }
}
