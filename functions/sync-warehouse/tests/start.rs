//! The binary as Lambda starts it. That this test is here also has `cargo test --workspace` build the binary, which the
//! end-to-end tests deploy.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

#[test]
fn without_its_configuration_it_says_all_that_is_missing_and_ends() {
    let started = Command::new(env!("CARGO_BIN_EXE_sync-warehouse")).env_clear().output().unwrap();
    assert!(!started.status.success());
    let said = String::from_utf8(started.stderr).unwrap();
    for missing in ["MONGODB_URI or MONGODB_URI_SECRET_ID must be set", "BIGQUERY_PROJECT must be set"] {
        assert!(said.contains(missing), "{said}");
    }
}
