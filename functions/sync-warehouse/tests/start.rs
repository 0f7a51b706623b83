//! Starts the binary as Lambda does. This test also makes `cargo test --workspace` build the binary, which the
//! end-to-end tests deploy.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

#[test]
fn missing_configuration_is_listed_at_start() {
    let started = Command::new(env!("CARGO_BIN_EXE_sync-warehouse")).env_clear().output().unwrap();
    assert!(!started.status.success());
    let printed = String::from_utf8(started.stderr).unwrap();
    for missing in ["MONGODB_URI or MONGODB_URI_SECRET_ID must be set", "BIGQUERY_PROJECT must be set"] {
        assert!(printed.contains(missing), "{printed}");
    }
}
