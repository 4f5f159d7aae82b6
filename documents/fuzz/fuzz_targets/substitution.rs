//! A template and a value: the value goes in verbatim.
#![no_main]

#[path = "../../tests/engine/fuzzed/harness.rs"]
#[allow(dead_code, reason = "each target uses its own part")]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::substitution(data));
