//! What `GET /metrics` tells: one table of every metric, and what each is at this moment.
//!
//! Most of it is read where it is kept, when it is asked for; [`crate::meters`] counts what is nowhere kept. Labels
//! take their values from closed sets, never from nodes, commands or operators. What takes a walk over rows or files
//! is walked at most once in [`WALK_EVERY`].

mod process;
mod text;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fleetwright_store::{Distribution, Unit};

use crate::bounds;
use crate::error::Refusal;
use crate::health;
use crate::house::House;
use crate::meters::{Counters, Word};
use crate::nodes::operations;
use text::Page;

pub use text::CONTENT_TYPE;

/// See the head of this module.
const WALK_EVERY: Duration = Duration::from_secs(30);

/// What a metric is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One metric: its name carries its unit, as Prometheus wants it.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, help }
}

/// Every metric. What is shown and is not here, or is here and is not shown, fails a test.
pub const METRICS: &[Metric] = &[
    gauge("fleetwright_build_info", "The release that runs; always 1."),
    gauge("fleetwright_uptime_seconds", "Since this process opened its data folder."),
    gauge("fleetwright_live", "1 while the event loop turns, as /livez tells."),
    gauge("fleetwright_ready", "1 for each part that is well, as /readyz tells."),
    gauge("fleetwright_nodes", "Nodes of the fleet by SSM's ping status; counted now and then."),
    gauge("fleetwright_connected_nodes", "Nodes with an open stream to this process."),
    counter("fleetwright_streams_opened_total", "Streams that nodes opened."),
    counter("fleetwright_streams_closed_total", "Streams of nodes that ended, by reason."),
    gauge("fleetwright_streams_blocked", "Streams whose node does not read what it was sent."),
    counter("fleetwright_handshakes_total", "TLS handshakes that ended, by how."),
    counter(
        "fleetwright_connections_turned_away_total",
        "Connections closed as soon as they came, by reason.",
    ),
    gauge("fleetwright_bound_used", "How much of a bounded thing (a queue, a pool) is in use."),
    gauge("fleetwright_bound_limit", "How much of it there may be."),
    gauge("fleetwright_bound_used_bytes", "How many bytes of a bounded memory are in use."),
    gauge("fleetwright_bound_limit_bytes", "How many bytes there may be of it."),
    counter(
        "fleetwright_store_commits_total",
        "Commits that were asked of the store, by how they were answered.",
    ),
    histogram(
        "fleetwright_store_commit_group_seconds",
        "From taking a group of commits to its answers, the sync of the disk included.",
    ),
    histogram("fleetwright_store_commit_group_commits", "Commits that were made durable together."),
    gauge("fleetwright_store_disk_bytes", "What the store's files take."),
    gauge("fleetwright_store_watches", "Followers of the store's changes."),
    gauge("fleetwright_blobs_bytes", "What the blobs take; counted now and then."),
    gauge("fleetwright_disk_free_bytes", "Free on the disk of the store."),
    gauge("fleetwright_disk_size_bytes", "The size of that disk."),
    gauge("fleetwright_disk_reserve_bytes", "Below this much free, new work is refused."),
    counter(
        "fleetwright_work_refused_total",
        "New work that was refused because the disk had no room, by kind.",
    ),
    counter(
        "fleetwright_parameter_policies_total",
        "Parameters that expired, and policies that were told of, by which.",
    ),
    gauge("fleetwright_open_commands", "Commands without a final state."),
    counter("fleetwright_invocations_ended_total", "Invocations that came to a final state, by status."),
    counter("fleetwright_deliveries_total", "Deliveries sent to nodes, repeated ones included."),
    counter("fleetwright_reports_total", "Reports of nodes that were made durable."),
    counter("fleetwright_output_bytes_total", "Output that nodes sent, repeated pieces included."),
    counter("fleetwright_reconciler_runs_total", "Runs of what carries commands on."),
    counter("fleetwright_reconciler_failures_total", "Runs in which something failed and is tried again."),
    counter("process_cpu_seconds_total", "User and system time of this process."),
    gauge("process_resident_memory_bytes", "Resident memory of this process."),
    gauge("process_open_fds", "Open files of this process."),
    gauge("process_max_fds", "How many it may open."),
    gauge("process_start_time_seconds", "When this process started, in Unix time."),
];

/// What was found by walking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Walked {
    nodes: u64,
    connected: u64,
    blobs_bytes: u64,
}

/// The latest walk.
#[derive(Debug, Default)]
pub struct Walks(tokio::sync::Mutex<Option<(Instant, Walked)>>);

async fn walk(house: &House) -> Result<Walked, Refusal> {
    let mut latest = house.walks.0.lock().await;
    if let Some((_, walked)) = latest.filter(|(when, _)| when.elapsed() < WALK_EVERY) {
        return Ok(walked);
    }
    let walked = Walked {
        nodes: operations::count(house).await? as u64,
        connected: house.lines.count() as u64,
        blobs_bytes: house.blobs.usage().await?.used.unwrap_or(0),
    };
    *latest = Some((Instant::now(), walked));
    Ok(walked)
}

/// The page that Prometheus reads. What cannot be found out is left out: a store that failed still has a page.
pub async fn page(house: &Arc<House>) -> String {
    let mut page = Page::default();
    about_process(&mut page, house);
    about_connections(&mut page, house);
    about_bounds(&mut page, house);
    about_store(&mut page, house);
    about_work(&mut page, house);
    match walk(house).await {
        Ok(walked) => {
            let away = walked.nodes.saturating_sub(walked.connected);
            page.labelled("fleetwright_nodes", "ping_status", "Online", walked.connected);
            page.labelled("fleetwright_nodes", "ping_status", "ConnectionLost", away);
            page.plain("fleetwright_blobs_bytes", walked.blobs_bytes);
        }
        Err(error) => tracing::debug!(%error, "nodes and blobs cannot be counted for metrics"),
    }
    page.text()
}

fn about_process(page: &mut Page, house: &House) {
    page.labelled("fleetwright_build_info", "version", env!("CARGO_PKG_VERSION"), 1);
    let uptime = house.started.until(house.clock.now());
    page.fraction("fleetwright_uptime_seconds", uptime.as_secs_f64());
    page.plain("fleetwright_live", u64::from(health::live(house).iter().all(|part| part.ok)));
    for part in health::ready(house) {
        page.labelled("fleetwright_ready", "part", part.name, u64::from(part.ok));
    }
    if let Some(process) = process::look() {
        page.fraction("process_cpu_seconds_total", process.cpu_seconds);
        page.plain("process_resident_memory_bytes", process.resident_bytes);
        page.plain("process_open_fds", process.open_fds);
        page.plain("process_max_fds", process.max_fds);
        page.fraction("process_start_time_seconds", process.started_seconds);
    }
}

fn about_connections(page: &mut Page, house: &House) {
    let meters = &house.meters;
    page.plain("fleetwright_connected_nodes", house.lines.count() as u64);
    page.plain("fleetwright_streams_opened_total", meters.streams_opened.get());
    by_word(page, "fleetwright_streams_closed_total", "reason", &meters.streams_ended);
    page.plain("fleetwright_streams_blocked", meters.streams_blocked.get());
    by_word(page, "fleetwright_handshakes_total", "result", &meters.handshakes);
    by_word(page, "fleetwright_connections_turned_away_total", "reason", &meters.turned_away);
}

fn about_bounds(page: &mut Page, house: &House) {
    for bound in bounds::all(house) {
        let Some(limit) = bound.limit else { continue };
        let (used_name, limit_name) = match bound.unit {
            Unit::Bytes => ("fleetwright_bound_used_bytes", "fleetwright_bound_limit_bytes"),
            _ => ("fleetwright_bound_used", "fleetwright_bound_limit"),
        };
        if let Some(used) = bound.used {
            page.labelled(used_name, "bound", bound.name, used);
        }
        page.labelled(limit_name, "bound", bound.name, limit);
    }
}

fn about_store(page: &mut Page, house: &House) {
    let work = house.store.work();
    for (result, count) in [("done", work.commits), ("conflict", work.conflicts), ("failed", work.failures)] {
        page.labelled("fleetwright_store_commits_total", "result", result, count);
    }
    distribution(page, "fleetwright_store_commit_group_seconds", &work.group_seconds);
    distribution(page, "fleetwright_store_commit_group_commits", &work.group_commits);
    for usage in house.store.usage() {
        match usage.name {
            "disk" => page.plain("fleetwright_store_disk_bytes", usage.used.unwrap_or(0)),
            "watches" => page.plain("fleetwright_store_watches", usage.used.unwrap_or(0)),
            _ => {}
        }
    }
    if let Some(space) = house.store.health().space {
        page.plain("fleetwright_disk_free_bytes", space.free_bytes);
        page.plain("fleetwright_disk_size_bytes", space.total_bytes);
        page.plain("fleetwright_disk_reserve_bytes", house.limits.reserve.bytes(space));
    }
}

fn about_work(page: &mut Page, house: &House) {
    let meters = &house.meters;
    by_word(page, "fleetwright_work_refused_total", "work", &meters.refused_work);
    by_word(page, "fleetwright_parameter_policies_total", "event", &meters.parameter_policies);
    page.plain("fleetwright_open_commands", house.lives.count() as u64);
    by_word(page, "fleetwright_invocations_ended_total", "status", &meters.invocations_ended);
    page.plain("fleetwright_deliveries_total", meters.deliveries.get());
    page.plain("fleetwright_reports_total", meters.reports.get());
    page.plain("fleetwright_output_bytes_total", meters.output_bytes.get());
    page.plain("fleetwright_reconciler_runs_total", meters.reconciler_runs.get());
    page.plain("fleetwright_reconciler_failures_total", meters.reconciler_failures.get());
}

fn by_word<W: Word>(page: &mut Page, name: &'static str, label: &'static str, counters: &Counters<W>) {
    for word in W::ALL {
        page.labelled(name, label, word.name(), counters.get(*word));
    }
}

fn distribution(page: &mut Page, name: &'static str, values: &Distribution) {
    page.histogram(name, &values.buckets, values.count, values.sum);
}

#[cfg(test)]
mod tests;
