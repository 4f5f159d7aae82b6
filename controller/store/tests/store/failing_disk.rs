//! A disk that fails under a running store. The failures are made by `power_cut/record.c`; the load program meets
//! them and tells what it saw.

use std::process::Command;

use crate::{power_cut, program};

/// What the load program saw while `failure` was there, and after it was gone.
fn met(failure: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().canonicalize().unwrap().join("disk");
    std::fs::create_dir(&below).unwrap();
    let flag = folder.path().join("failing");
    let load = Command::new(program::store_load())
        .args(["fail".as_ref(), below.join("store").as_os_str(), flag.as_os_str()])
        .env("LD_PRELOAD", power_cut::build_recorder(folder.path()))
        .env("RECORD_BELOW", &below)
        .env("RECORD_TO", "/dev/null")
        .env(failure, &flag)
        .output()
        .unwrap();
    assert!(load.status.success(), "{}", String::from_utf8_lossy(&load.stderr));
    String::from_utf8(load.stdout).unwrap().replace(&below.join("store").display().to_string(), "FOLDER")
}

#[test]
fn a_full_disk_acknowledges_nothing_and_passes() {
    let wanted = "\
before: committed
failing: the commit was not acknowledged: no room left on the disk of FOLDER: free some, and the store goes on by itself
failing, a barrier: the commit was not acknowledged: no room left on the disk of FOLDER: free some, and the store goes on by itself
failing, a read: no room left on the disk of FOLDER: free some, and the store goes on by itself
failing, a blob: no room left on the disk for blob output/1
after, a blob: put
after: committed
the watch: commits that this watch has not seen are no longer in memory
found: after, before
";
    assert_eq!(met("FAIL_FULL"), wanted);
}

#[test]
fn a_disk_that_does_not_confirm_is_not_trusted_again() {
    let unconfirmed = "the disk of FOLDER did not confirm a write: check the disk, then start the controller again: \
                       Input/output error (os error 5)";
    let wanted = format!(
        "before: committed\n\
         failing: the commit was not acknowledged: {unconfirmed}\n\
         failing, a barrier: the commit was not acknowledged: {unconfirmed}\n\
         failing, a read: {unconfirmed}\n\
         failing, a blob: blob output/1 failed\n\
         after, a blob: put\n\
         after: the commit was not acknowledged: {unconfirmed}\n"
    );
    assert_eq!(met("FAIL_SYNC"), wanted);
}
