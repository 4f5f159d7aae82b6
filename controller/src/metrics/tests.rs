use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::tests::test_house;

/// Reads a page as strictly as the format says: the samples by metric, each with its labels.
fn parse(page: &str) -> BTreeMap<String, Vec<(String, f64)>> {
    assert!(page.ends_with('\n'));
    let mut found = BTreeMap::<String, Vec<(String, f64)>>::new();
    let mut seen = BTreeSet::new();
    let mut current: Option<(String, Option<String>)> = None;
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("no help: {line}"));
            assert!(!help.is_empty() && !found.contains_key(name), "{line}");
            current = Some((name.to_owned(), None));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("no kind: {line}"));
            let (metric, known) = current.as_mut().unwrap_or_else(|| panic!("type before help: {line}"));
            assert!(name == metric && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(known.replace(kind.to_owned()).is_none(), "two types: {line}");
            found.insert(name.to_owned(), Vec::new());
        } else {
            let (metric, kind) =
                current.as_ref().unwrap_or_else(|| panic!("a sample without a type: {line}"));
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            assert!(seen.insert(series.to_owned()), "twice: {line}");
            let name = series.split('{').next().unwrap_or(series);
            let endings: &[&str] = match kind.as_deref() {
                Some("histogram") => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(endings.iter().any(|ending| name == format!("{metric}{ending}")), "{line}");
            assert!(kind.as_deref() != Some("counter") || value >= 0.0, "{line}");
            let labels = series.strip_prefix(name).unwrap_or_default();
            check_labels(labels, line);
            found.get_mut(metric).unwrap().push((labels.to_owned(), value));
        }
    }
    found
}

fn check_labels(labels: &str, line: &str) {
    if labels.is_empty() {
        return;
    }
    let inner = labels.strip_prefix('{').and_then(|labels| labels.strip_suffix('}'));
    let (name, value) = inner.and_then(|inner| inner.split_once('=')).unwrap_or_else(|| panic!("{line}"));
    assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    assert!(value.is_some_and(|value| !value.contains(['"', '\n', '\\'])), "{line}");
}

#[tokio::test]
async fn a_page_is_what_prometheus_reads_and_its_labels_are_few() {
    let house = Arc::new(test_house().house);
    let before = parse(&page(&house).await);
    house.meters.streams_opened.add(3);
    house.meters.streams_ended.add(crate::meters::StreamEnd::Silent);
    house.store.commit(fleetwright_store::Batch::new().put("a", "b").clone()).await.unwrap();
    let after = parse(&page(&house).await);
    let value = |name: &str, labels: &str| {
        after[name].iter().find(|(found, _)| found == labels).map(|(_, value)| *value)
    };
    assert_eq!(value("fleetwright_streams_opened_total", ""), Some(3.0));
    assert_eq!(value("fleetwright_streams_closed_total", "{reason=\"silent\"}"), Some(1.0));
    assert_eq!(value("fleetwright_streams_closed_total", "{reason=\"gone\"}"), Some(0.0));
    assert_eq!(value("fleetwright_store_commits_total", "{result=\"done\"}"), Some(1.0));
    let series = |page: &BTreeMap<String, Vec<(String, f64)>>| -> BTreeSet<(String, String)> {
        let each = page.iter();
        each.flat_map(|(name, samples)| samples.iter().map(|(labels, _)| (name.clone(), labels.clone())))
            .collect()
    };
    assert_eq!(series(&before), series(&after), "what happens adds no series");
    for (name, samples) in &after {
        assert!(samples.len() <= 20, "{name} has {} series", samples.len());
    }
}

#[test]
fn names_carry_their_unit_and_stand_once() {
    let names: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), METRICS.len());
    for Metric { name, kind, help } in METRICS {
        assert!(name.starts_with("fleetwright_") || name.starts_with("process_"), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert!(help.ends_with('.') && !help.contains('\n'), "{name}: {help}");
    }
}

/// Over the store that people use: a memory store has no disk to tell of.
#[tokio::test]
async fn the_table_is_what_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let settings = fleetwright_store::SledSettings { reserve_bytes: 0, ..Default::default() };
    let store = fleetwright_store::SledStore::open(folder.path(), settings).unwrap();
    let mut house = test_house().house;
    house.store = Arc::new(store);
    let shown: BTreeSet<_> = parse(&page(&Arc::new(house)).await).into_keys().collect();
    let table: BTreeSet<_> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(shown, table);
}

#[test]
fn what_is_not_in_the_table_is_noticed() {
    let mut page = Page::default();
    page.plain("fleetwright_open_commands", 1);
    assert!(page.names().all(|name| METRICS.iter().any(|metric| metric.name == name)));
    assert_eq!(
        page.text(),
        "# HELP fleetwright_open_commands Commands without a final state.\n\
         # TYPE fleetwright_open_commands gauge\nfleetwright_open_commands 1\n"
    );
}
