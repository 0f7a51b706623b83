//! The source on the MongoDB server of the local stack.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bson::oid::ObjectId;
use bson::{Bson, Document, RawDocumentBuf, bson, doc};
use futures::TryStreamExt;
use quiz_domain::{ProblemKind, Problems, Quiz, SessionScorer, TestSession};
use quiz_mongo::{MongoError, MongoSource};
use quiz_pipeline::ports::{AnswerSource, AttemptBatch, SourceError};
use quiz_sample::{large::LargeAssessment, sapa};
use quiz_stack::{Stack, insert, unique};
use quiz_suites::source::{answer_source, decoded, documents};

const QUIZ: &str = "6715f621e1eb083bfa9b56cc";

/// Makes a new database and a source that reads it.
async fn source() -> (MongoSource, mongodb::Database) {
    let stack = Stack::get().await.unwrap();
    let name = unique("quiz");
    let database = stack.mongodb().await.unwrap().database(&name);
    (MongoSource::connect(stack.mongodb_uri(), &name).await.unwrap(), database)
}

#[tokio::test]
async fn source_passes_the_suite_of_its_port() {
    let (source, database) = source().await;
    let stored = documents();
    insert(&database, "quizzes", stored.quizzes).await.unwrap();
    insert(&database, "questions", stored.questions).await.unwrap();
    insert(&database, "sessions", stored.sessions).await.unwrap();
    answer_source(&source).await;
    database.drop().await.unwrap();
}

#[tokio::test]
async fn quiz_stored_twice_is_a_problem() {
    let (source, database) = source().await;
    let quiz = |id: Bson, title: &str, day: i32| {
        doc! { "_id": id, "title": title, "question_sets": [], "updated_at": format!("2026-05-0{day}T00:00:00") }
    };
    let text = quiz(QUIZ.into(), "older", 1);
    let object_id = quiz(ObjectId::parse_str(QUIZ).unwrap().into(), "newer", 2);
    insert(&database, "quizzes", vec![text, object_id]).await.unwrap();
    let found = source.quiz(QUIZ).await.unwrap().unwrap();
    assert_eq!(found.quiz.get_str("title").unwrap(), "newer");
    let problem = found.problems.iter().next().unwrap();
    assert_eq!(problem.kind, ProblemKind::DocumentStoredTwice);
    assert_eq!(problem.example, format!("quiz document {QUIZ} is stored 2 times"));
    database.drop().await.unwrap();
}

#[tokio::test]
async fn quiz_with_more_attempts_than_one_batch_is_complete() {
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
    let attempts = decoded(source.attempts(QUIZ, keys(&heads)).await.unwrap()).await.unwrap();
    let users: BTreeSet<&str> = attempts.iter().map(|attempt| attempt.get_str("user_id").unwrap()).collect();
    assert_eq!((attempts.len(), users.len()), (2_500, 2_500));
    assert!(attempts.iter().all(|attempt| !attempt.contains_key("metrics")), "the backend's score is read");
    database.drop().await.unwrap();
}

#[tokio::test]
async fn unread_fields_do_not_change_an_attempts_result() {
    let large = LargeAssessment { students: 60, questions: 105, seed: 1 };
    let sessions: Vec<Document> = large.sessions().collect();
    let (stored, fetched) = fetched(LargeAssessment::QUIZ_ID, &sessions).await;
    assert!(fetched * 100 < stored * 55, "{fetched} of {stored} bytes");
    let quiz = Quiz::read(&large.quiz(), &large.questions()).unwrap().0;
    assert_same_results(&quiz, &odd_documents(&sessions[0])).await;
    assert_same_results(&quiz, &sessions).await;
    let sapa = sapa::documents().unwrap();
    assert_same_results(&Quiz::read(&sapa.quizzes[0], &sapa.questions).unwrap().0, &sapa.sessions).await;
}

/// Makes attempts with shapes that the Quiz Engine does not write.
fn odd_documents(session: &Document) -> Vec<Document> {
    let record = session.get_array("session_answers").unwrap()[0].clone();
    let answers = [
        bson!([record.clone(), 7, "none", null, [record.clone()], { "_id": 1, "updated_at": 2 }, {}]),
        bson!([{ "answer": { "_id": 1, "created_at": 2 }, "updated_at": [{ "_id": 1 }] }]),
        bson!({ "_id": 1, "created_at": "2024-04-30T04:30:00" }),
        record,
        bson!("none"),
        bson!([]),
        Bson::Null,
    ];
    let events = [
        bson!([7, { "event_type": "start-quiz", "updated_at": "2024-04-30T04:30:00" }, null]),
        bson!([[{ "event_type": "start-quiz", "created_at": "2024-04-30T04:30:00", "updated_at": 1 }]]),
        bson!({ "event_type": "start-quiz", "updated_at": 1 }),
        bson!("none"),
    ];
    let answers = answers.into_iter().map(|odd| ("session_answers", odd));
    let fields = answers.chain(events.into_iter().map(|odd| ("events", odd)));
    let others = [("metrics", bson!({ "updated_at": 1 })), ("question_order", bson!("none"))];
    let odd = fields.chain(others).enumerate().map(|(at, (field, odd))| {
        let mut document = session.clone();
        document.insert("_id", format!("odd {at}"));
        document.insert(field, odd);
        document
    });
    odd.collect()
}

/// Asserts that each fetched attempt has the results of its stored document.
async fn assert_same_results(quiz: &Quiz, sessions: &[Document]) {
    let (source, database) = source().await;
    insert(&database, "sessions", sessions.to_vec()).await.unwrap();
    let read = decoded(source.attempts(&quiz.id, keys(sessions)).await.unwrap()).await.unwrap();
    assert_eq!(read.len(), sessions.len());
    for stored in sessions {
        let fetched = read.iter().find(|attempt| attempt.get("_id") == stored.get("_id")).unwrap();
        assert_eq!(results(quiz, fetched), results(quiz, stored), "{fetched}");
    }
    database.drop().await.unwrap();
}

/// Everything that the domain reads from an attempt, and its results.
fn results(quiz: &Quiz, document: &Document) -> String {
    let (session, now) = (TestSession::default(), jiff::Timestamp::UNIX_EPOCH);
    let mut builder = SessionScorer::new(quiz.clone(), session, now, Problems::default());
    let taken = builder.take_raw(&RawDocumentBuf::try_from(document).unwrap(), true);
    let taken = taken.unwrap_or_else(|| builder.take(document));
    let test = builder.finish().unwrap();
    format!("{taken:?} {:?} {:?} {:?}", test.start, test.results, test.problems)
}

/// Returns the bytes of the stored documents, and the bytes that are fetched of them.
async fn fetched(quiz_id: &str, sessions: &[Document]) -> (usize, usize) {
    let (source, database) = source().await;
    insert(&database, "sessions", sessions.to_vec()).await.unwrap();
    let batches = source.attempts(quiz_id, keys(sessions)).await.unwrap();
    let batches: Vec<AttemptBatch> = batches.try_collect().await.unwrap();
    database.drop().await.unwrap();
    let stored = sessions.iter().map(|session| session.to_vec().unwrap().len());
    (stored.sum(), batches.iter().map(AttemptBatch::bytes).sum())
}

fn keys(sessions: &[Document]) -> Vec<Bson> {
    sessions.iter().map(|session| session["_id"].clone()).collect()
}

#[tokio::test]
async fn acknowledged_write_is_read_despite_uri_preferences() {
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
async fn missing_server_is_unavailable_in_time() {
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
async fn wrong_credentials_are_refused_and_hidden() {
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
    assert!(matches!(&error, SourceError::Unauthorized { .. }), "{error}");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("uthentication") && !shown.contains("hunter2"), "{shown}");
    admin.run_command(doc! { "dropUser": &user }).await.unwrap();
}

#[tokio::test]
async fn error_of_invalid_uri_hides_the_uri() {
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
        let Err(error) = connected else { panic!("{uri} was accepted") };
        assert!(matches!(error, MongoError::Uri(_)) && !error.is_retryable());
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("ter2") && !shown.contains("scott"), "{shown}");
    }
    let error = MongoSource::connect("mongodb://localhost", "").await.unwrap_err();
    assert!(error.to_string().contains("the database name"), "{error}");
}

fn with_options(uri: &str, options: &str) -> String {
    match uri.split_once("://") {
        Some((_, rest)) if rest.contains('?') => format!("{uri}&{options}"),
        Some((_, rest)) if rest.contains('/') => format!("{uri}?{options}"),
        _ => format!("{uri}/?{options}"),
    }
}
