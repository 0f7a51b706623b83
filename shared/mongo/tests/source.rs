//! The source against a real server of the local stack.
#![allow(clippy::unwrap_used, reason = "a test panics where what it asks for fails")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bson::oid::ObjectId;
use bson::{Bson, Document, doc};
use futures::TryStreamExt;
use quiz_mongo::{MongoError, MongoSource};
use quiz_pipeline::ports::{AnswerSource, SourceError};
use quiz_stack::{Stack, insert, unique};
use quiz_suites::source::{answer_source, decoded, documents};

const QUIZ: &str = "6715f621e1eb083bfa9b56cc";

/// A source on a database of its own, and that database.
async fn source() -> (MongoSource, mongodb::Database) {
    let stack = Stack::get().await.unwrap();
    let name = unique("quiz");
    let database = stack.mongodb().await.unwrap().database(&name);
    (MongoSource::connect(stack.mongodb_uri(), &name).await.unwrap(), database)
}

#[tokio::test]
async fn the_source_does_what_the_port_promises() {
    let (source, database) = source().await;
    let stored = documents();
    insert(&database, "quizzes", stored.quizzes).await.unwrap();
    insert(&database, "questions", stored.questions).await.unwrap();
    insert(&database, "sessions", stored.sessions).await.unwrap();
    answer_source(&source).await;
    database.drop().await.unwrap();
}

#[tokio::test]
async fn a_quiz_of_more_sessions_than_any_batch_is_read_whole() {
    let (source, database) = source().await;
    let sessions: Vec<Document> = (0..2_500_u32)
        .map(|number| {
            let hex = format!("{number:024x}");
            let id =
                if number % 2 == 0 { Bson::String(hex) } else { ObjectId::parse_str(hex).unwrap().into() };
            doc! { "_id": id, "quiz_id": QUIZ, "user_id": format!("u{number}"), "metrics": { "marks": 1 } }
        })
        .collect();
    insert(&database, "sessions", sessions).await.unwrap();
    let heads: Vec<Document> = source.attempt_heads(QUIZ).await.unwrap().try_collect().await.unwrap();
    assert_eq!(heads.len(), 2_500);
    let keys = heads.iter().map(|head| head["_id"].clone()).collect();
    let attempts = decoded(source.attempts(QUIZ, keys).await.unwrap()).await.unwrap();
    let users: BTreeSet<&str> = attempts.iter().map(|it| it.get_str("user_id").unwrap()).collect();
    assert_eq!((attempts.len(), users.len()), (2_500, 2_500));
    assert!(attempts.iter().all(|it| !it.contains_key("metrics")), "the backend's own score is not read");
    database.drop().await.unwrap();
}

#[tokio::test]
async fn a_write_just_acknowledged_is_seen_whatever_the_uri_prefers() {
    let stack = Stack::get().await.unwrap();
    let name = unique("quiz");
    let database = stack.mongodb().await.unwrap().database(&name);
    let uri = with_options(stack.mongodb_uri(), "readPreference=secondary&readConcernLevel=majority");
    let source = MongoSource::connect(&uri, &name).await.unwrap();
    for number in 0..20 {
        let session = doc! { "_id": format!("s{number}"), "quiz_id": QUIZ, "user_id": "u" };
        insert(&database, "sessions", vec![session]).await.unwrap();
        let heads: Vec<Document> = source.attempt_heads(QUIZ).await.unwrap().try_collect().await.unwrap();
        assert_eq!(heads.len(), number + 1);
    }
    database.drop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let uri = format!("mongodb://scott:hunter2@127.0.0.1:{port}/?serverSelectionTimeoutMS=500");
    let source = MongoSource::connect(&uri, "quiz").await.unwrap();
    let started = Instant::now();
    let quiz = source.quiz(QUIZ).await.unwrap_err();
    let heads = source.attempt_heads(QUIZ).await.err().unwrap();
    let attempts = source.attempts(QUIZ, vec![Bson::Int32(1)]).await.unwrap();
    let attempts = decoded(attempts).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    for error in [quiz, heads, attempts] {
        assert!(matches!(&error, SourceError::Unavailable { .. }), "{error}");
        let shown = format!("{error} {error:?} {source:?}");
        assert!(shown.contains(QUIZ) && !shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused_and_not_shown() {
    let stack = Stack::get().await.unwrap();
    let admin = stack.mongodb().await.unwrap().database("admin");
    let user = unique("user");
    let create = doc! { "createUser": &user, "pwd": "right", "roles": ["root"] };
    admin.run_command(create).await.unwrap();
    let uri = |password: &str| {
        let with_user = stack.mongodb_uri().replacen("://", &format!("://{user}:{password}@"), 1);
        with_options(&with_user, "authSource=admin")
    };
    let source = MongoSource::connect(&uri("right"), "quiz").await.unwrap();
    assert!(source.quiz("no such quiz").await.unwrap().is_none());
    let source = MongoSource::connect(&uri("hunter2"), "quiz").await.unwrap();
    let error = source.quiz(QUIZ).await.unwrap_err();
    assert!(matches!(&error, SourceError::Refused { .. }), "{error}");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("uthentication") && !shown.contains("hunter2"), "{shown}");
    admin.run_command(doc! { "dropUser": &user }).await.unwrap();
}

#[tokio::test]
async fn a_uri_that_is_none_is_told_without_it() {
    let wrong = [
        "",
        "postgres://scott:hunter2@host",
        "mongodb://scott:hunter2/x@host",
        "mongodb://scott:hun?ter2@host",
        "mongodb://scott:hunter2@host:hunter2",
        "mongodb://scott:hun@ter2@host",
        "mongodb://scott:hunter2@host/?noSuchOption=hunter2&w=hunter2",
        "mongodb://scott:hunter2@host/?authMechanism=hunter2",
        "mongodb://scott:hunter2@host/?tls=hunter2",
    ];
    for uri in wrong {
        let connected = MongoSource::connect(uri, "quiz").await;
        let Err(error) = connected else { panic!("{uri} was taken") };
        assert!(matches!(error, MongoError::Uri(_)) && !error.is_retryable());
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("ter2") && !shown.contains("scott"), "{shown}");
    }
    let error = MongoSource::connect("mongodb://localhost", "").await.unwrap_err();
    assert!(error.to_string().contains("the database's name"), "{error}");
}

fn with_options(uri: &str, options: &str) -> String {
    match uri.split_once("://") {
        Some((_, rest)) if rest.contains('?') => format!("{uri}&{options}"),
        Some((_, rest)) if rest.contains('/') => format!("{uri}?{options}"),
        _ => format!("{uri}/?{options}"),
    }
}
