//! Where the load program is.

use std::path::PathBuf;

/// `examples/store_load.rs`, which cargo builds together with the tests.
pub(crate) fn store_load() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(2).expect("a test lies in target/profile/deps");
    let program = target.join("examples/store_load");
    assert!(program.exists(), "{} is missing: run `cargo build --examples` first", program.display());
    program
}
