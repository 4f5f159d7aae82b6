//! Versions and labels under any order of calls, against a model that is obviously right.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::delete;
use super::super::fault::Fault;
use super::super::history::history;
use super::super::labels::{label, unlabel};
use super::super::put::{self, VERSIONS_MAX};
use super::super::read::Decryption;
use super::{get, over, wish};
use crate::tests::{TestHouse, test_house};

#[derive(Debug, Clone)]
enum Call {
    Put,
    /// So many at once, to come to the hundredth.
    PutMany(u8),
    Label(u8, u8),
    Unlabel(u8, u8),
    Delete,
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => Just(Call::Put),
        2 => (20..60_u8).prop_map(Call::PutMany),
        4 => (0..110_u8, 0..14_u8).prop_map(|(back, label)| Call::Label(back, label)),
        2 => (0..110_u8, 0..14_u8).prop_map(|(back, label)| Call::Unlabel(back, label)),
        1 => Just(Call::Delete),
    ]
}

/// What one parameter should be.
#[derive(Debug, Default)]
struct Model {
    versions: Vec<u64>,
    labels: BTreeMap<String, u64>,
}

impl Model {
    fn latest(&self) -> u64 {
        self.versions.last().copied().unwrap_or(0)
    }

    fn labels_of(&self, version: u64) -> Vec<&str> {
        let of = self.labels.iter().filter(|(_, of)| **of == version);
        of.map(|(label, _)| label.as_str()).collect()
    }

    fn put(&mut self) -> Result<u64, Fault> {
        let full = self.versions.len() as u64 == VERSIONS_MAX;
        if full && !self.labels_of(self.versions[0]).is_empty() {
            return Err(Fault::ParameterMaxVersionLimitExceeded);
        }
        if full {
            self.versions.remove(0);
        }
        self.versions.push(self.latest() + 1);
        Ok(self.latest())
    }

    fn find(&self, version: u64) -> Result<(), Fault> {
        match self.versions.contains(&version) {
            true => Ok(()),
            false if self.versions.is_empty() => Err(Fault::ParameterNotFound),
            false => Err(Fault::ParameterVersionNotFound),
        }
    }

    fn label(&mut self, version: u64, label: &str) -> Result<(), Fault> {
        self.find(version)?;
        let has = self.labels_of(version);
        if has.len() == 10 && !has.contains(&label) {
            return Err(Fault::ParameterVersionLabelLimitExceeded);
        }
        self.labels.insert(label.to_owned(), version);
        Ok(())
    }

    fn unlabel(&mut self, version: u64, label: &str) -> Result<bool, Fault> {
        self.find(version)?;
        let has = self.labels.get(label) == Some(&version);
        if has {
            self.labels.remove(label);
        }
        Ok(has)
    }
}

async fn step(house: &crate::house::House, model: &mut Model, call: &Call) {
    let name = "/model";
    let fault = |error: super::ParameterError| error.fault;
    match call {
        Call::Put => {
            let wish = if model.versions.is_empty() { wish(name, "x") } else { over(name, "x") };
            let found = put::put(house, wish).await.map(|put| put.version).map_err(fault);
            assert_eq!(found, model.put());
        }
        Call::PutMany(count) => {
            for _ in 0..*count {
                Box::pin(step(house, model, &Call::Put)).await;
            }
        }
        Call::Label(back, text) => {
            let (version, text) = (model.latest().saturating_sub(u64::from(*back)), format!("l{text}"));
            let found = label(house, name, Some(version), std::slice::from_ref(&text), None).await;
            assert_eq!(found.map(|_| ()).map_err(fault), model.label(version, &text));
        }
        Call::Unlabel(back, text) => {
            let (version, text) = (model.latest().saturating_sub(u64::from(*back)), format!("l{text}"));
            let found = unlabel(house, name, version, std::slice::from_ref(&text), None).await;
            let found = found.map(|done| !done.removed.is_empty()).map_err(fault);
            assert_eq!(found, model.unlabel(version, &text));
        }
        Call::Delete => {
            assert_eq!(delete::delete(house, name, None).await.is_ok(), !model.versions.is_empty());
            *model = Model::default();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn versions_and_labels_are_as_the_model_says(calls in proptest::collection::vec(call(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let TestHouse { house, _folder, .. } = test_house();
            let mut model = Model::default();
            for call in &calls {
                step(&house, &mut model, call).await;
            }
            if model.versions.is_empty() {
                assert!(house.store.scan(b"parameter", None, 10).await.unwrap().is_empty());
                return;
            }
            let (entries, next) = history(&house, "/model", Decryption::No, None, 1000).await.unwrap();
            assert!(next.is_none());
            let found: Vec<_> = entries.iter().map(|entry| entry.version).collect();
            assert_eq!(found, model.versions);
            for mut entry in entries {
                entry.labels.sort();
                assert_eq!(entry.labels, model.labels_of(entry.version));
            }
            for (label, version) in &model.labels {
                assert_eq!(get(&house, &format!("/model:{label}")).await.unwrap().version, *version);
            }
        });
    }
}
