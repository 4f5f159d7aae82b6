//! The journal as a log: each field of an event can be asked for by its name.

use std::os::fd::AsFd;

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

/// A layer that writes to the journal, when that is where standard error leads.
pub fn journal<S>(name: &str) -> Option<Box<dyn Layer<S> + Send + Sync>>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    let stream = std::env::var("JOURNAL_STREAM").ok()?;
    let stderr = rustix::fs::fstat(std::io::stderr().as_fd()).ok()?;
    if stream != format!("{}:{}", stderr.st_dev, stderr.st_ino) {
        return None;
    }
    let layer = tracing_journald::layer().ok()?;
    Some(Box::new(layer.with_syslog_identifier(name.to_owned()).with_field_prefix(None)))
}
