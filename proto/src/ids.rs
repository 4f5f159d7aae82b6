//! Ids that both sides print, parse and compare. An id in hand is an id that was checked.

use std::fmt;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not an id. The text itself is in the message, so callers print it as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct IdError {
    text: String,
    wanted: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $wanted:literal, $check:expr) => {
        $(#[$doc])*
        // The text itself, in place: ids are keys of every map and row, and a copy costs no allocation.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                // Only ASCII passes the check.
                std::str::from_utf8(&self.0).unwrap_or_default()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.as_str()).finish()
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let check: fn(&str) -> bool = $check;
                match text.as_bytes().try_into() {
                    Ok(bytes) if check(text) => Ok(Self(bytes)),
                    _ => Err(IdError { text: text.chars().take(80).collect(), wanted: $wanted }),
                }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.as_str().to_owned()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($wanted)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

id!(
    /// A managed node: `mi-` and 17 hex digits, the form that SSM clients accept (reference, section 6.3).
    NodeId,
    20,
    "a node id: mi- and 17 hex digits",
    |text| text.strip_prefix("mi-").is_some_and(|hex| hex.len() == 17 && is_lower_hex(hex))
);

id!(
    /// A command: a UUID in its 36-character form, as SSM has it.
    CommandId,
    36,
    "a command id: a UUID of 36 characters",
    is_uuid
);

id!(
    /// An activation: a UUID in its 36-character form (reference, section 6.3).
    ActivationId,
    36,
    "an activation id: a UUID of 36 characters",
    is_uuid
);

id!(
    /// An association: a UUID in its 36-character form (reference, section 11.1).
    AssociationId,
    36,
    "an association id: a UUID of 36 characters",
    is_uuid
);

id!(
    /// What the runs of an association on many nodes have in common: a UUID in its 36-character form.
    ExecutionId,
    36,
    "an execution id: a UUID of 36 characters",
    is_uuid
);

impl NodeId {
    /// A fresh id from 68 random bits, taken where a version 4 UUID has no fixed digit.
    #[must_use]
    pub fn random() -> Self {
        let mut hex = [0; 32];
        uuid::Uuid::new_v4().simple().encode_lower(&mut hex);
        let mut id = *b"mi-00000000000000000";
        id[3..15].copy_from_slice(&hex[..12]);
        id[15..].copy_from_slice(&hex[20..25]);
        Self(id)
    }
}

impl CommandId {
    #[must_use]
    pub fn random() -> Self {
        Self(random_uuid())
    }
}

impl ActivationId {
    #[must_use]
    pub fn random() -> Self {
        Self(random_uuid())
    }
}

impl AssociationId {
    #[must_use]
    pub fn random() -> Self {
        Self(random_uuid())
    }
}

impl ExecutionId {
    /// The one for a digest of what the runs have in common: whoever knows that finds the same id.
    #[must_use]
    pub fn of_digest(digest: &[u8; 32]) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        let mut text = [0; 36];
        uuid::Builder::from_custom_bytes(bytes).into_uuid().hyphenated().encode_lower(&mut text);
        Self(text)
    }
}

fn random_uuid() -> [u8; 36] {
    let mut text = [0; 36];
    uuid::Uuid::new_v4().hyphenated().encode_lower(&mut text);
    text
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
