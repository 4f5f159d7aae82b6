//! The fleet in one process: what users are promised, with faults at every point where one can happen.

#[path = "fleet/happy.rs"]
mod happy;
