//! Several test sessions in one dry run: a failure stops only its own.

use std::sync::Arc;

use async_trait::async_trait;
use indicatif::ProgressBar;
use quiz_etl::dry_run::{SessionToTry, Tried, run, try_all};
use quiz_etl::ui::{Done, Interrupt, Terminal};
use quiz_events::{SessionDescription, SessionTarget};
use quiz_suites::hooked::{Call, CallFailure, Hook, Hooked};

use super::common::{BOTH, Cohort, QUIZ, SyncedStore, test_to_try};

const CORRUPT: &str = "aaaaaaaaaaaaaaaaaaaaaaaa";
const CRASH: &str = "bbbbbbbbbbbbbbbbbbbbbbbb";
const ABSENT: &str = "cccccccccccccccccccccccc";

/// A source with one corrupt quiz and one quiz that panics.
struct FaultyQuizzes;

#[async_trait]
impl Hook for FaultyQuizzes {
    async fn before(&self, call: Call<'_>) -> Result<(), CallFailure> {
        match call {
            Call::Quiz { quiz_id: CORRUPT } => Err(CallFailure::Corrupt("no BSON")),
            Call::Quiz { quiz_id: CRASH } => panic!("as it should"),
            _ => Ok(()),
        }
    }
}

fn small() -> Cohort {
    Cohort::assessment(&[("a", [Some(1); 3]), ("b", [Some(1), Some(0), None]), ("b#c", [Some(0); 3])])
}

fn session_to_try(session_id: &str, quiz_id: &str) -> SessionToTry {
    let target = SessionTarget::new(session_id, Some(quiz_id), "session_id").unwrap();
    SessionToTry { target, description: None }
}

fn tests() -> Vec<SessionToTry> {
    let long_ago = "-000044-03-15T12:00:00Z".parse().unwrap();
    let early = SessionDescription { start_time: Some(long_ago), ..SessionDescription::default() };
    let early = SessionToTry { description: Some(early), ..session_to_try("early", QUIZ) };
    vec![
        session_to_try("crashes", CRASH),
        test_to_try(),
        session_to_try("corrupt", CORRUPT),
        early,
        session_to_try("absent", ABSENT),
    ]
}

async fn tried(synced: &SyncedStore) -> Tried {
    let dry = synced.dry(Arc::new(Hooked::new(synced.source(&small()), Arc::new(FaultyQuizzes))));
    let mut shown = 0;
    let interrupt = Interrupt::listen();
    let tried = try_all(dry, tests(), &ProgressBar::hidden(), &interrupt, |_| shown += 1).await;
    assert_eq!(shown, 5);
    tried
}

#[tokio::test]
async fn failure_stops_only_its_own_session() {
    let synced = SyncedStore::new(BOTH);
    let tried = tried(&synced).await;
    assert_eq!(tried.done(), Done::WithFailures);
    let done: Vec<_> = tried.tests.iter().map(|test| (&*test.session_id, test.reports.new)).collect();
    assert_eq!(done, [(super::common::SESSION, 2), ("early", 2)]);
    let failed: Vec<_> = tried
        .failed
        .iter()
        .map(|failed| {
            let failure = &failed.failure;
            (&*failed.target.session_id, failed.rows_only, failure.code, !failure.next_step.is_empty())
        })
        .collect();
    assert_eq!(
        failed,
        [
            ("crashes", false, "sync_panicked", true),
            ("corrupt", false, "source_unreadable", true),
            ("early", true, "rows_refused", true),
            ("absent", false, "unknown_quiz", true),
        ]
    );
    assert!(synced.dump().await.is_empty());
}

#[tokio::test]
async fn json_output_has_all_results() {
    let synced = SyncedStore::new(BOTH);
    let mut earlier = small();
    earlier.attempts.get_mut("b").unwrap().answers = [Some(1), Some(1), Some(1)];
    synced.sync(&earlier, None).await;
    insta::assert_json_snapshot!(tried(&synced).await.json());
}

#[tokio::test]
async fn command_fails_if_any_session_fails() {
    let synced = SyncedStore::new(BOTH);
    let terminal = Terminal { json: false, colour: false, progress: false };
    let interrupt = Interrupt::listen();
    let all = async |tests: Vec<SessionToTry>| {
        let dry = synced.dry(Arc::new(Hooked::new(synced.source(&small()), Arc::new(FaultyQuizzes))));
        run(dry, tests, terminal, &interrupt).await
    };
    assert_eq!(all(vec![test_to_try()]).await, Done::Well);
    assert_eq!(all(vec![]).await, Done::Well);
    assert_eq!(all(tests()).await, Done::WithFailures);
}
