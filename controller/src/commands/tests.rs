//! A command record for tests of the pure rules.

use fleetwright_proto::clock::Timestamp;

use super::limits::Limit;
use super::records::{CommandRecord, DocumentSource, DocumentUsed, Text};
use crate::nodes::targets::Selector;

/// Requested at moment 0, to be delivered within 60 s and to run for 100 s.
pub(crate) fn command(targets: u32, concurrency: Limit, errors: Limit) -> CommandRecord {
    CommandRecord {
        document: DocumentUsed {
            name: "AWS-RunShellScript".to_owned(),
            version: "1".to_owned(),
            sha256: String::new(),
            source: DocumentSource::Library,
        },
        parameters: Text::Here("{}".to_owned()),
        targets: vec![Selector::All],
        target_count: targets,
        targets_written: true,
        max_concurrency: concurrency,
        max_errors: errors,
        delivery_timeout_ms: 60_000,
        execution_timeout_ms: 100_000,
        comment: String::new(),
        requested_by: "ada".to_owned(),
        requested: Timestamp::default(),
        client_token: None,
        cancel: None,
        outcome: None,
        notify: None,
    }
}

mod history;
mod kept;
pub(crate) use kept::{wish, with_node};
mod notify;
mod references;
