//! A checked document: what was written, in types. It is made by [`crate::parse`] alone.

use serde_json::Value;

use crate::action::{Action, Platform};
use crate::precondition::Precondition;

mod runbook;

pub use runbook::{Otherwise, Runbook, RunbookStep, StepOutput, Variable};

/// What a document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// For nodes. Whether such a document is kept as a Policy is its creator's word; the text does not say.
    Command,
    Automation,
}

/// The schema versions that run (reference, section 1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaVersion {
    V0_3,
    V1_0,
    V1_2,
    V2_0,
    V2_0_1,
    V2_0_2,
    V2_0_3,
    V2_2,
}

impl SchemaVersion {
    pub const ALL: [SchemaVersion; 8] = [
        Self::V0_3,
        Self::V1_0,
        Self::V1_2,
        Self::V2_0,
        Self::V2_0_1,
        Self::V2_0_2,
        Self::V2_0_3,
        Self::V2_2,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V0_3 => "0.3",
            Self::V1_0 => "1.0",
            Self::V1_2 => "1.2",
            Self::V2_0 => "2.0",
            Self::V2_0_1 => "2.0.1",
            Self::V2_0_2 => "2.0.2",
            Self::V2_0_3 => "2.0.3",
            Self::V2_2 => "2.2",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.name() == name)
    }

    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::V0_3 => Kind::Automation,
            _ => Kind::Command,
        }
    }

    /// Whether a document of it may be kept as a Policy (reference, section 1.1).
    #[must_use]
    pub fn may_be_policy(self) -> bool {
        matches!(self, Self::V2_0 | Self::V2_0_1 | Self::V2_0_2 | Self::V2_0_3)
    }

    /// Whether preconditions count, and a step for another platform is skipped and not failed (section 1.8).
    #[must_use]
    pub fn has_preconditions(self) -> bool {
        self >= Self::V2_2
    }

    /// Whether steps stand in `runtimeConfig` and not in `mainSteps`.
    #[must_use]
    pub fn uses_runtime_config(self) -> bool {
        matches!(self, Self::V1_0 | Self::V1_2)
    }
}

/// A document that passed every check.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub(crate) schema: SchemaVersion,
    pub(crate) description: Option<String>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) steps: Vec<Step>,
    pub(crate) runbook: Option<Runbook>,
}

/// A declared parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub value_type: ParameterType,
    pub description: Option<String>,
    /// In its native type; none when a value must be given.
    pub default: Option<Value>,
    pub rules: Rules,
    pub interpolation: Interpolation,
    /// The document says `noEcho` or `sensitive`: SSM has no word for it in Command documents.
    pub secret: bool,
}

impl Parameter {
    /// Whether the value must be sealed where it is kept, masked where it is shown, and be in no log.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.secret
    }
}

/// What a value must satisfy. Lengths are in characters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    pub allowed_values: Vec<String>,
    /// In Java's dialect, for the whole value.
    pub allowed_pattern: Option<String>,
    pub min_chars: Option<u64>,
    pub max_chars: Option<u64>,
    pub min_items: Option<u64>,
    pub max_items: Option<u64>,
}

/// How a parameter's value reaches a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interpolation {
    /// `{{ name }}` is replaced by the value, verbatim.
    #[default]
    Paste,
    /// `{{ name }}` in a script is replaced by a reference to the variable `SSM_name`, which holds the value.
    Environment,
}

/// The type of a parameter (reference, section 1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterType {
    String,
    StringList,
    Integer,
    Boolean,
    StringMap,
    MapList,
    /// A type of Automation documents that is a text with a meaning, for example `AWS::EC2::Instance::Id`.
    Aws(String),
    /// The same as a list, for example `List<AWS::EC2::Instance::Id>`.
    AwsList(String),
}

impl ParameterType {
    pub(crate) const NAMES: [&'static str; 6] =
        ["String", "StringList", "Integer", "Boolean", "StringMap", "MapList"];

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "String" => Self::String,
            "StringList" => Self::StringList,
            "Integer" => Self::Integer,
            "Boolean" => Self::Boolean,
            "StringMap" => Self::StringMap,
            "MapList" => Self::MapList,
            _ if name.starts_with("AWS::") => Self::Aws(name.to_owned()),
            _ => {
                let element = name.strip_prefix("List<")?.strip_suffix('>')?;
                return element.starts_with("AWS::").then(|| Self::AwsList(element.to_owned()));
            }
        })
    }

    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::String => "String".to_owned(),
            Self::StringList => "StringList".to_owned(),
            Self::Integer => "Integer".to_owned(),
            Self::Boolean => "Boolean".to_owned(),
            Self::StringMap => "StringMap".to_owned(),
            Self::MapList => "MapList".to_owned(),
            Self::Aws(name) => name.clone(),
            Self::AwsList(element) => format!("List<{element}>"),
        }
    }
}

/// A step as written. Of a 1.x document, each property set of a plugin is one step (reference, section 1.9).
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub name: String,
    pub action: Action,
    pub precondition: Option<Precondition>,
    /// References not yet replaced. `Null` when the step has none.
    pub inputs: Value,
    /// Only `aws:cloudWatch` has them.
    pub settings: Value,
    /// Only steps of an Automation document have them.
    pub runbook: Option<Box<RunbookStep>>,
}

impl Document {
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.schema.kind()
    }

    #[must_use]
    pub fn schema_version(&self) -> SchemaVersion {
        self.schema
    }

    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// In the order of the text.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// In the order in which they run.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What an Automation document has beside parameters and steps.
    #[must_use]
    pub fn runbook(&self) -> Option<&Runbook> {
        self.runbook.as_ref()
    }

    /// The platforms on which at least one step can run. A node of another platform has nothing to do.
    pub fn platforms(&self) -> impl Iterator<Item = Platform> + '_ {
        Platform::ALL.into_iter().filter(|platform| {
            self.steps.iter().any(|step| {
                step.action.exists_on(*platform)
                    && step
                        .precondition
                        .as_ref()
                        .is_none_or(|precondition| precondition.may_hold_on(*platform))
            })
        })
    }
}
