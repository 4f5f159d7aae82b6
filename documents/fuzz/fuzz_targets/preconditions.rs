//! Two arguments: one decision.
#![no_main]

#[path = "../../tests/engine/fuzzed/harness.rs"]
#[allow(dead_code, reason = "each target uses its own part")]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::preconditions(data));
