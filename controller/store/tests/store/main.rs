//! The store as its users see it: one promise for every engine, and crashes of every kind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics, also in its helpers")]

mod acknowledged;
mod conformance;
mod killed;
mod power_cut;
mod program;
mod workload;
