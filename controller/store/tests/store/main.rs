//! The store as its users see it: one promise for every engine, and crashes of every kind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics, also in its helpers")]

mod acknowledged;
mod blobs;
mod conformance;
mod failing_disk;
mod killed;
mod opening;
mod power_cut;
mod program;
mod tables;
mod workload;
