//! What kinds of documents there are, and in which formats they are written. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::fault::{DocumentError, Fault};
use super::names::shown;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, $fault:ident: $($(#[$variant_doc:meta])* $variant:ident $word:literal)+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// SSM's word for it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// SSM's word, exactly.
            pub fn parse(text: &str) -> Result<Self, DocumentError> {
                Self::ALL.iter().copied().find(|known| known.name() == text).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|known| known.name()).collect();
                    Fault::$fault.because(format!(
                        "`{}` is not {}: it is one of {}",
                        shown(text),
                        $what,
                        known.join(", ")
                    ))
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

words! {
    /// What a document is for (reference, section 1.12).
    DocumentType, "a document type", InvalidDocumentType:
    Command "Command"
    Policy "Policy"
    Automation "Automation"
    Session "Session"
    Package "Package"
    ApplicationConfiguration "ApplicationConfiguration"
    ApplicationConfigurationSchema "ApplicationConfigurationSchema"
    DeploymentStrategy "DeploymentStrategy"
    ChangeCalendar "ChangeCalendar"
    ChangeTemplate "Automation.ChangeTemplate"
    ProblemAnalysis "ProblemAnalysis"
    ProblemAnalysisTemplate "ProblemAnalysisTemplate"
    CloudFormation "CloudFormation"
    ConformancePackTemplate "ConformancePackTemplate"
    QuickSetup "QuickSetup"
    ManualApprovalPolicy "ManualApprovalPolicy"
    AutoApprovalPolicy "AutoApprovalPolicy"
}

words! {
    /// How a document is written.
    Format, "a document format", Validation:
    Json "JSON"
    Yaml "YAML"
    /// For configurations and calendars, whose text is their reader's affair.
    Text "TEXT"
}

words! {
    /// What a hash was computed with.
    HashType, "a hash type", Validation:
    Sha256 "Sha256"
    Sha1 "Sha1"
}

impl DocumentType {
    /// Whether Run Command runs it. A Policy is for associations, whatever its text.
    #[must_use]
    pub fn runs_as_command(self) -> bool {
        self == Self::Command
    }

    /// Whether its text may be anything at all.
    #[must_use]
    pub fn may_be_text(self) -> bool {
        matches!(self, Self::ApplicationConfiguration | Self::ChangeCalendar)
    }
}

impl HashType {
    /// Hex, in lower case.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> String {
        use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
        let algorithm = match self {
            Self::Sha256 => &SHA256,
            Self::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
        };
        hex::encode(digest(algorithm, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for kind in DocumentType::ALL {
            assert_eq!(DocumentType::parse(kind.name()).unwrap(), *kind);
        }
        let error = DocumentType::parse("command").unwrap_err();
        assert_eq!(error.fault, Fault::InvalidDocumentType);
        assert!(error.message.contains("one of Command, Policy"), "{error}");
        assert_eq!(Format::parse("YAML").unwrap(), Format::Yaml);
        assert_eq!(Format::parse("XML").unwrap_err().fault, Fault::Validation);
    }

    #[test]
    fn hashes_of_nothing() {
        assert_eq!(HashType::Sha1.of(b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert!(HashType::Sha256.of(b"").starts_with("e3b0c44298fc1c14"));
    }
}
