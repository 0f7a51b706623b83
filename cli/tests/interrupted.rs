//! Ctrl-C during a dry run: a program of its own, as the signal goes to its whole process.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "it/dry_run/common/mod.rs"]
mod common;

use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use indicatif::ProgressBar;
use quiz_etl::dry_run::{SessionToTry, try_all};
use quiz_etl::ui::{Done, Interrupt};
use quiz_events::SessionTarget;
use quiz_suites::hooked::{Call, CallFailure, Hook, Hooked};
use tokio::sync::Notify;

use common::{BOTH, Cohort, QUIZ, SyncedStore, test_to_try};

/// Sends SIGINT after the first test session; the others never end.
struct CtrlC {
    first_is_done: Arc<Notify>,
}

#[async_trait]
impl Hook for CtrlC {
    async fn before(&self, call: Call<'_>) -> Result<(), CallFailure> {
        if !matches!(call, Call::Quiz { quiz_id } if quiz_id != QUIZ) {
            return Ok(());
        }
        self.first_is_done.notified().await;
        let kill = format!("kill -INT {}", std::process::id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        std::future::pending().await
    }
}

#[tokio::test]
async fn ctrl_c_stops_at_once_and_shows_results() {
    let synced = SyncedStore::new(BOTH);
    let cohort = Cohort::assessment(&[("a", [Some(1); 3])]);
    let first_is_done = Arc::new(Notify::new());
    let ctrl_c = Arc::new(CtrlC { first_is_done: Arc::clone(&first_is_done) });
    let dry = synced.dry(Arc::new(Hooked::new(synced.source(&cohort), ctrl_c)));
    let other = |number: u32| {
        let quiz_id = format!("{number:024x}");
        SessionToTry { target: SessionTarget::new(&quiz_id, None, "session_id").unwrap(), description: None }
    };
    let tests = vec![test_to_try(), other(1), other(2), other(3)];
    let interrupt = Interrupt::listen();
    let tried = try_all(dry, tests, &ProgressBar::hidden(), &interrupt, |_| first_is_done.notify_one()).await;
    assert_eq!((tried.tests.len(), tried.failed.len(), tried.left), (1, 0, 3));
    assert_eq!(tried.done(), Done::WithFailures);
    assert_eq!(tried.json()["totals"]["left"], 3);
    assert!(synced.dump().await.is_empty());
}
