//! Rotates the secret with MongoDB's URI while a function is warm. The MongoDB of the test stack checks passwords.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use bson::{Bson, doc};
use futures::TryStreamExt;
use quiz_lambda::SecretSource;
use quiz_lambda::sync::LazyMongo;
use quiz_mongo::MongoSource;
use quiz_pipeline::ports::{AnswerSource, AttemptBatch, SourceError};
use quiz_stack::{Action, Gate, Stack, insert, unique};

const QUIZ: &str = "6715f621e1eb083bfa9b56cc";
/// Idle connections close so soon that the next operation signs in again.
const IDLE: Duration = Duration::from_millis(50);

/// A connected source whose URI is in Secrets Manager, and a gate that counts the reads of the secret.
struct WarmSource {
    stack: &'static Stack,
    database: mongodb::Database,
    user: String,
    secret: String,
    secrets_manager: Gate,
    source: LazyMongo<MongoSource>,
}

impl WarmSource {
    async fn new() -> Self {
        let stack = Stack::get().await.unwrap();
        let (name, user) = (unique("quiz"), unique("user"));
        let database = stack.mongodb().await.unwrap().database(&name);
        insert(&database, "quizzes", vec![doc! { "_id": QUIZ, "question_sets": [] }]).await.unwrap();
        insert(&database, "sessions", vec![doc! { "_id": "s", "quiz_id": QUIZ, "user_id": "u" }])
            .await
            .unwrap();
        create_user(stack, &user).await;
        let secret = stack.create_secret(&unique("mongodb"), &uri(stack, &user)).await.unwrap();
        let secrets_manager = Gate::start(stack.aws_endpoint(), |_| Action::Forward).unwrap();
        let aws = stack.aws_config().into_builder().endpoint_url(secrets_manager.url()).build();
        let source = LazyMongo::new(SecretSource::ById(secret.clone()), name, aws);
        let warm = Self { stack, database, user, secret, secrets_manager, source };
        assert!(warm.source.quiz(QUIZ).await.unwrap().is_some());
        warm
    }

    /// Drops the user that the secret names.
    async fn drop_user(&self) {
        let admin = self.stack.mongodb().await.unwrap().database("admin");
        admin.run_command(doc! { "dropUser": &self.user }).await.unwrap();
        tokio::time::sleep(IDLE * 2).await;
    }

    async fn rotate(&self) {
        let user = unique("user");
        create_user(self.stack, &user).await;
        self.stack.put_secret(&self.secret, &uri(self.stack, &user)).await.unwrap();
        self.drop_user().await;
    }

    async fn attempts(&self) -> Result<usize, SourceError> {
        let stream = self.source.attempts(QUIZ, vec![Bson::String("s".to_owned())]).await?;
        let batches: Vec<AttemptBatch> = stream.try_collect().await?;
        Ok(batches.iter().map(AttemptBatch::len).sum())
    }

    fn secret_reads(&self) -> usize {
        self.secrets_manager.requests().len()
    }
}

async fn create_user(stack: &Stack, user: &str) {
    let admin = stack.mongodb().await.unwrap().database("admin");
    let create = doc! { "createUser": user, "pwd": "hunter2", "roles": ["root"] };
    admin.run_command(create).await.unwrap();
}

fn uri(stack: &Stack, user: &str) -> String {
    let uri = stack.mongodb_uri().replacen("://", &format!("://{user}:hunter2@"), 1);
    let separator = if uri.contains('?') {
        "&"
    } else if uri.matches('/').count() > 2 {
        "?"
    } else {
        "/?"
    };
    // after a refusal the driver finds no server until the next heartbeat
    let options = format!("authSource=admin&heartbeatFrequencyMS=500&maxIdleTimeMS={}", IDLE.as_millis());
    format!("{uri}{separator}{options}")
}

#[tokio::test]
async fn concurrent_calls_read_a_rotated_uri_once() {
    let warm = WarmSource::new().await;
    warm.rotate().await;
    let quizzes = futures::future::join_all((0..8).map(|_| warm.source.quiz(QUIZ))).await;
    for quiz in quizzes {
        assert!(quiz.unwrap().is_some());
    }
    let heads: Vec<_> = warm.source.attempt_heads(QUIZ).await.unwrap().try_collect().await.unwrap();
    assert_eq!((heads.len(), warm.attempts().await.unwrap()), (1, 1));
    assert_eq!(warm.secret_reads(), 2, "one read at first, one after the refusal");
    warm.database.drop().await.unwrap();
}

#[tokio::test]
async fn refused_stream_renews_the_client() {
    let warm = WarmSource::new().await;
    warm.rotate().await;
    let error = warm.attempts().await.unwrap_err();
    assert!(matches!(error, SourceError::Unauthorized { .. }), "{error}");
    assert_eq!(warm.secret_reads(), 2);
    assert_eq!(warm.attempts().await.unwrap(), 1);
    warm.database.drop().await.unwrap();
}

#[tokio::test]
async fn refused_unchanged_uri_is_read_again_once() {
    let warm = WarmSource::new().await;
    warm.drop_user().await;
    for _ in 0..10 {
        let error = warm.source.quiz(QUIZ).await.unwrap_err();
        assert!(matches!(error, SourceError::Unauthorized { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    assert_eq!(warm.secret_reads(), 2, "one read at first, one after the first refusal");
    warm.database.drop().await.unwrap();
}
