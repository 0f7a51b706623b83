//! Ctrl-C while tests are under way. It is for the whole process, so this test has one of its own.

use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use bson::{Bson, Document};
use indicatif::ProgressBar;
use quiz_etl::dry_run::{TestToTry, try_all};
use quiz_etl::ui::{Done, Interrupt};
use quiz_events::SessionTarget;
use quiz_pipeline::ports::{AnswerSource, AttemptStream, DocumentStream, QuizDocuments, SourceError};
use tokio::sync::Notify;

use super::common::{BOTH, Cohort, QUIZ, World, test_to_try};

/// Once the first test is done, someone presses Ctrl-C; any other test takes for ever.
struct Interrupted {
    source: Arc<dyn AnswerSource>,
    first_is_done: Arc<Notify>,
}

#[async_trait]
impl AnswerSource for Interrupted {
    async fn quiz(&self, quiz_id: &str) -> Result<Option<QuizDocuments>, SourceError> {
        if quiz_id == QUIZ {
            return self.source.quiz(quiz_id).await;
        }
        self.first_is_done.notified().await;
        let kill = format!("kill -INT {}", std::process::id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        std::future::pending().await
    }

    async fn attempt_heads<'a>(&'a self, quiz_id: &'a str) -> Result<DocumentStream<'a>, SourceError> {
        self.source.attempt_heads(quiz_id).await
    }

    async fn heads_of(&self, quiz_id: &str, user_ids: &[String]) -> Result<Vec<Document>, SourceError> {
        self.source.heads_of(quiz_id, user_ids).await
    }

    async fn attempts<'a>(
        &'a self,
        quiz_id: &'a str,
        keys: Vec<Bson>,
    ) -> Result<AttemptStream<'a>, SourceError> {
        self.source.attempts(quiz_id, keys).await
    }
}

#[tokio::test]
async fn it_stops_at_once_and_tells_what_is_done() {
    let world = World::new(BOTH);
    let cohort = Cohort::assessment(&[("a", [Some(1); 3])]);
    let first_is_done = Arc::new(Notify::new());
    let dry = world.dry(Arc::new(Interrupted {
        source: world.source(&cohort),
        first_is_done: Arc::clone(&first_is_done),
    }));
    let other = |number: u32| {
        let quiz_id = format!("{number:024x}");
        TestToTry { target: SessionTarget::new(&quiz_id, None, "session_id").unwrap(), description: None }
    };
    let tests = vec![test_to_try(), other(1), other(2), other(3)];
    let interrupt = Interrupt::listen();
    let tried = try_all(dry, tests, &ProgressBar::hidden(), &interrupt, |_| first_is_done.notify_one()).await;
    assert_eq!((tried.tests.len(), tried.failed.len(), tried.left), (1, 0, 3));
    assert_eq!(tried.done(), Done::WithFailures);
    assert_eq!(tried.json()["totals"]["left"], 3);
    assert!(world.dump().await.is_empty());
}
