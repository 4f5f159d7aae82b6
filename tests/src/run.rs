//! What a test asks to be run.

use std::collections::BTreeMap;
use std::time::Duration;

use fleetwright_controller::commands::send::{DocumentHash, Wanted, WhenEmpty, Wish};
use fleetwright_controller::documents::kinds::HashType;
use serde_json::json;

/// A wish for a command, on all nodes unless told otherwise.
#[derive(Debug, Clone)]
pub struct Run {
    wish: Wish,
}

impl Run {
    /// The lines of a script in the language of the fake hosts, through the shipped document.
    #[must_use]
    pub fn script(lines: &str) -> Self {
        let lines: Vec<String> = lines.lines().map(|line| line.trim().to_owned()).collect();
        let document =
            Wanted::Named { name: "AWS-RunShellScript".to_owned(), version: String::new(), hash: None };
        Self::of(document).parameter("commands", lines)
    }

    /// A document of several steps, `step0` and so on, each with the lines of its script.
    #[must_use]
    pub fn steps(scripts: &[&str]) -> Self {
        let steps = scripts.iter().enumerate().map(|(index, script)| {
            let lines: Vec<_> = script.lines().map(str::trim).collect();
            json!({
                "action": "aws:runShellScript",
                "name": format!("step{index}"),
                "inputs": { "runCommand": lines },
            })
        });
        Self::document(&json!({ "schemaVersion": "2.2", "mainSteps": steps.collect::<Vec<_>>() }))
    }

    #[must_use]
    pub fn document(document: &serde_json::Value) -> Self {
        Self::of(Wanted::Content(document.to_string().into()))
    }

    /// A document that the controller keeps or ships; an empty version is the default one.
    #[must_use]
    pub fn named(name: &str, version: &str) -> Self {
        Self::of(Wanted::Named { name: name.to_owned(), version: version.to_owned(), hash: None })
    }

    /// As [`Run::named`], only if the text has this SHA-256.
    #[must_use]
    pub fn hashed(name: &str, hash: &str) -> Self {
        let hash = Some(DocumentHash { hash_type: HashType::Sha256, hash: hash.to_owned() });
        Self::of(Wanted::Named { name: name.to_owned(), version: String::new(), hash })
    }

    fn of(document: Wanted) -> Self {
        Self {
            wish: Wish {
                document,
                parameters: BTreeMap::new(),
                targets: vec![("all".to_owned(), Vec::new())],
                max_concurrency: String::new(),
                max_errors: String::new(),
                delivery_timeout: Duration::ZERO,
                comment: String::new(),
                client_token: String::new(),
                requested_by: "tester".to_owned(),
                asked_by: None,
                when_empty: WhenEmpty::Refuse,
                notify: None,
            },
        }
    }

    #[must_use]
    pub fn parameter(mut self, name: &str, values: Vec<String>) -> Self {
        self.wish.parameters.insert(name.to_owned(), values);
        self
    }

    /// Nodes, by id or name.
    #[must_use]
    pub fn on(self, nodes: &[&str]) -> Self {
        self.targets(&[("InstanceIds", nodes)])
    }

    #[must_use]
    pub fn targets(mut self, targets: &[(&str, &[&str])]) -> Self {
        let owned = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
        self.wish.targets = targets.iter().map(|(key, values)| ((*key).to_owned(), owned(values))).collect();
        self
    }

    #[must_use]
    pub fn max_concurrency(mut self, limit: &str) -> Self {
        limit.clone_into(&mut self.wish.max_concurrency);
        self
    }

    #[must_use]
    pub fn max_errors(mut self, limit: &str) -> Self {
        limit.clone_into(&mut self.wish.max_errors);
        self
    }

    #[must_use]
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.wish.delivery_timeout = timeout;
        self
    }

    /// Of the shipped document's only step.
    #[must_use]
    pub fn execution_timeout(self, timeout: Duration) -> Self {
        self.parameter("executionTimeout", vec![timeout.as_secs().to_string()])
    }

    /// Makes a repeated wish the same wish.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.wish.client_token);
        self
    }

    pub(crate) fn into_wish(self) -> Wish {
        self.wish
    }
}

impl From<&str> for Run {
    fn from(lines: &str) -> Self {
        Self::script(lines)
    }
}
