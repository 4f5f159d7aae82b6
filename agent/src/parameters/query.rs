//! What can be asked for, and what comes back. Pure.

use std::fmt;
use std::sync::Arc;

use fleetwright_proto::agent::parameter_query::Kind as WireKind;
use fleetwright_proto::agent::{ParameterQuery, ParameterValue};
use serde::{Deserialize, Serialize};

/// Longest name with everything around it, bytes: an ARN with a selector.
const TEXT_MAX_BYTES: usize = 2_300;

/// A parameter by name, or the names below a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Query {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Value,
    Opened,
    BelowPath,
}

/// Whether a secret is wanted as it is, or as its ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decryption {
    Yes,
    No,
}

/// What cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error("a parameter has a name")]
    Empty,
    #[error(
        "a parameter's name has at most {TEXT_MAX_BYTES} bytes with everything around it, and this has {0}"
    )]
    TooLong(usize),
}

impl Query {
    /// `name`, `name:version`, `name:label` or an ARN.
    ///
    /// # Errors
    /// When it can be no name.
    pub fn value(text: &str, decryption: Decryption) -> Result<Self, QueryError> {
        let kind = match decryption {
            Decryption::Yes => Kind::Opened,
            Decryption::No => Kind::Value,
        };
        Self::checked(text, kind)
    }

    /// The names of what this host may read below a path, at any depth.
    ///
    /// # Errors
    /// When it can be no path.
    pub fn below(path: &str) -> Result<Self, QueryError> {
        Self::checked(path, Kind::BelowPath)
    }

    fn checked(text: &str, kind: Kind) -> Result<Self, QueryError> {
        match text.len() {
            0 => Err(QueryError::Empty),
            1..=TEXT_MAX_BYTES => Ok(Self { text: text.to_owned(), kind }),
            bytes => Err(QueryError::TooLong(bytes)),
        }
    }

    /// The same, with secrets the other way; a parameter that is no secret answers both.
    pub(super) fn otherwise(&self) -> Option<Self> {
        let kind = match self.kind {
            Kind::Value => Kind::Opened,
            Kind::Opened => Kind::Value,
            Kind::BelowPath => return None,
        };
        Some(Self { text: self.text.clone(), kind })
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    pub(super) fn to_wire(&self) -> ParameterQuery {
        let kind = match self.kind {
            Kind::Value => WireKind::Value,
            Kind::Opened => WireKind::Opened,
            Kind::BelowPath => WireKind::BelowPath,
        };
        ParameterQuery { text: self.text.clone(), kind: kind.into() }
    }

    /// None for what this build never asks for.
    pub(super) fn of_wire(query: ParameterQuery) -> Option<Self> {
        let kind = match query.kind() {
            WireKind::Value => Kind::Value,
            WireKind::Opened => Kind::Opened,
            WireKind::BelowPath => Kind::BelowPath,
            WireKind::Unspecified => return None,
        };
        Some(Self { text: query.text, kind })
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A version of a parameter. Its value is shown to nobody by accident.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    pub name: String,
    pub parameter_type: String,
    pub text: String,
    pub version: u64,
    /// With its colon.
    pub selector: Option<String>,
    pub modified_ms: i64,
    pub data_type: String,
    pub arn: String,
}

impl Value {
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.parameter_type == "SecureString"
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.name.len() + self.text.len() + self.arn.len() + 160
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({}:{})", self.name, self.version)
    }
}

impl From<ParameterValue> for Value {
    fn from(value: ParameterValue) -> Self {
        Self {
            name: value.name,
            parameter_type: value.r#type,
            text: value.value,
            version: value.version,
            selector: Some(value.selector).filter(|selector| !selector.is_empty()),
            modified_ms: value.modified_ms,
            data_type: value.data_type,
            arn: value.arn,
        }
    }
}

/// An answer that is no refusal. Clones share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    Value(Arc<Value>),
    Names(Arc<Vec<String>>),
}

impl Given {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Value(value) => value.bytes(),
            Self::Names(names) => names.iter().map(|name| name.len() + 24).sum(),
        }
    }
}
