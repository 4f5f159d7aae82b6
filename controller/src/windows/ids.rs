//! The ids of windows and of everything below them, in the forms that SSM's clients accept.
//!
//! What is made by an occurrence has an id that follows from it: whoever makes it again makes the same.

use std::fmt;
use std::str::FromStr;

use fleetwright_proto::clock::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Why a text is no id.
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

            /// SSM takes capitals in its ids; here one id has one spelling.
            fn from_str(text: &str) -> Result<Self, IdError> {
                let lower = text.to_ascii_lowercase();
                let check: fn(&str) -> bool = $check;
                if check(&lower) {
                    Ok(Self(lower.into()))
                } else {
                    let text = text.chars().take(80).collect::<String>().escape_debug().to_string();
                    Err(IdError { text, wanted: $wanted })
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

        fleetwright_store::text_key!($name);
    };
}

id!(
    /// A window.
    WindowId,
    "a window id: mw- and 17 hex digits",
    |text| text.strip_prefix("mw-").is_some_and(|hex| hex.len() == 17 && is_hex(hex))
);
id!(
    /// Targets that were registered with a window.
    TargetId,
    "the id of a window's target: a UUID of 36 characters",
    is_uuid
);
id!(
    /// A task that was registered with a window.
    TaskId,
    "the id of a window's task: a UUID of 36 characters",
    is_uuid
);
id!(
    /// An occurrence of a window.
    ExecutionId,
    "the id of a window's execution: a UUID of 36 characters",
    is_uuid
);
id!(
    /// A task in an occurrence.
    TaskRunId,
    "the id of a task's execution: a UUID of 36 characters",
    is_uuid
);
id!(
    /// A task in an occurrence on one of its targets.
    InvocationId,
    "the id of a task's invocation: a UUID of 36 characters",
    is_uuid
);

impl WindowId {
    /// A fresh id from 68 random bits, taken where a version 4 UUID has no fixed digit.
    #[must_use]
    pub fn random() -> Self {
        let hex = uuid::Uuid::new_v4().simple().to_string();
        Self(format!("mw-{}{}", &hex[..12], &hex[20..25]).into())
    }
}

impl TargetId {
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string().into())
    }
}

impl TaskId {
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string().into())
    }
}

impl ExecutionId {
    /// The id of the occurrence that is due at that moment.
    #[must_use]
    pub fn of(window: &WindowId, scheduled: Timestamp) -> Self {
        Self(derived(&["execution", window.as_str(), &scheduled.millis().to_string()]))
    }
}

impl TaskRunId {
    #[must_use]
    pub fn of(execution: &ExecutionId, task: &TaskId) -> Self {
        Self(derived(&["task", execution.as_str(), task.as_str()]))
    }
}

impl InvocationId {
    /// Of the task's targets the one at this place.
    #[must_use]
    pub fn of(run: &TaskRunId, place: usize) -> Self {
        Self(derived(&["invocation", run.as_str(), &place.to_string()]))
    }
}

/// A UUID (version 8) that follows from these words.
fn derived(words: &[&str]) -> Box<str> {
    let mut digest = Sha256::new();
    for word in words {
        digest.update(word.as_bytes());
        digest.update([0]);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string().into()
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_occurrence_has_one_id() {
        let window: WindowId = "mw-0123456789abcdef0".parse().unwrap();
        let moment = Timestamp::from_millis(1_790_000_000_000);
        let execution = ExecutionId::of(&window, moment);
        assert_eq!(execution, ExecutionId::of(&window, moment));
        assert_ne!(execution, ExecutionId::of(&window, Timestamp::from_millis(1_790_000_000_001)));
        assert_eq!(execution.as_str().parse::<ExecutionId>().unwrap(), execution);
    }

    #[test]
    fn one_id_has_one_spelling() {
        for _ in 0..50 {
            let id = WindowId::random();
            assert_eq!(id.as_str().to_uppercase().parse::<WindowId>().unwrap(), id);
        }
        for wrong in ["", "mw-", "mw-0123456789abcdef", "mi-0123456789abcdef0", "mw-0123456789abcdefg"] {
            let told = wrong.parse::<WindowId>().unwrap_err().to_string();
            assert_eq!(told, format!("`{wrong}` is not a window id: mw- and 17 hex digits"));
        }
        assert!("67e55044-10b1-426f-9247-bb680e5fe0c".parse::<TaskId>().is_err());
    }
}
