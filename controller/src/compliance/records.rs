//! What is kept of findings, and the closed lists that they are made of.

use std::collections::BTreeMap;

use fleetwright_proto::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::records::json_record;

/// How bad it is, or would be. In the order from the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    Critical,
    High,
    Medium,
    Low,
    Informational,
    Unspecified,
}

impl Severity {
    pub const ALL: [Self; 6] =
        [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Informational, Self::Unspecified];

    /// In the words of SSM.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "CRITICAL",
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
            Self::Informational => "INFORMATIONAL",
            Self::Unspecified => "UNSPECIFIED",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let names = Self::ALL.map(Self::name);
        Self::ALL
            .into_iter()
            .find(|severity| severity.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| unknown("severity", text, &names))
    }
}

/// Whether it is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Standing {
    Compliant,
    NonCompliant,
}

impl Standing {
    /// In the words of SSM.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Compliant => "COMPLIANT",
            Self::NonCompliant => "NON_COMPLIANT",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let all = [Self::Compliant, Self::NonCompliant];
        all.into_iter()
            .find(|standing| standing.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| unknown("status", text, &all.map(Self::name)))
    }
}

fn unknown(what: &str, text: &str, known: &[&str]) -> Refusal {
    let shown: String = text.chars().take(40).collect();
    Refusal::invalid(format!("`{}` is not a {what}: {}", shown.escape_debug(), known.join(", ")))
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingRecord {
    pub title: String,
    pub severity: Severity,
    pub standing: Standing,
    pub details: BTreeMap<String, String>,
}
json_record!(FindingRecord, 1);

/// All findings of one type on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetRecord {
    /// Which findings count.
    pub generation: u64,
    pub execution: Execution,
    /// As whoever put them names their content; empty: not named.
    pub content_hash: String,
    pub changed: Timestamp,
    pub counts: Counts,
}
json_record!(SetRecord, 1);

/// What found them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    pub at: Timestamp,
    pub id: String,
    pub kind: String,
}

/// How many findings there are, by severity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub compliant: BTreeMap<Severity, u64>,
    pub non_compliant: BTreeMap<Severity, u64>,
}

impl Counts {
    pub fn add(&mut self, finding: &FindingRecord) {
        let counts = match finding.standing {
            Standing::Compliant => &mut self.compliant,
            Standing::NonCompliant => &mut self.non_compliant,
        };
        *counts.entry(finding.severity).or_default() += 1;
    }

    pub fn add_all(&mut self, other: &Self) {
        for (mine, theirs) in
            [(&mut self.compliant, &other.compliant), (&mut self.non_compliant, &other.non_compliant)]
        {
            for (severity, count) in theirs {
                *mine.entry(*severity).or_default() += count;
            }
        }
    }

    /// Compliant when nothing is not.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let is_bad = self.non_compliant.values().any(|count| *count > 0);
        if is_bad { Standing::NonCompliant } else { Standing::Compliant }
    }

    /// The worst of what is not compliant.
    #[must_use]
    pub fn overall_severity(&self) -> Severity {
        let bad = self.non_compliant.iter().find(|(_, count)| **count > 0);
        bad.map_or(Severity::Unspecified, |(severity, _)| *severity)
    }
}
