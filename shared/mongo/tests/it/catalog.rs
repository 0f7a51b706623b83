//! The queries of reconcile, on the MongoDB server of the local stack.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bson::oid::ObjectId;
use bson::{Bson, DateTime, Document, doc};
use jiff::Timestamp;
use quiz_domain::Quiz;
use quiz_mongo::{MongoCatalog, MongoSource};
use quiz_pipeline::ports::{AnswerSource, CompletedQuiz, LastAnswer};
use quiz_stack::{Stack, insert, unique};

const TIMEOUT: Duration = Duration::from_secs(30);
const DAY: &str = "2026-11-21";

/// Makes a new database and a catalog of it.
async fn catalog() -> (MongoCatalog, mongodb::Database) {
    let stack = Stack::get().await.unwrap();
    let name = unique("catalog");
    let database = stack.mongodb().await.unwrap().database(&name);
    (MongoCatalog::connect(stack.mongodb_uri(), &name).await.unwrap(), database)
}

fn at(clock: &str) -> Timestamp {
    format!("{DAY}T{clock}Z").parse().unwrap()
}

/// `updated_at` as a date.
fn date(clock: &str) -> Bson {
    DateTime::from_millis(at(clock).as_millisecond()).into()
}

/// `updated_at` as a text without a zone.
fn text(clock: &str) -> Bson {
    format!("{DAY}T{clock}").into()
}

fn session(quiz: impl Into<Bson>, user: &str, updated_at: Bson, ended: bool) -> Document {
    doc! { "quiz_id": quiz.into(), "user_id": user, "updated_at": updated_at, "has_quiz_ended": ended }
}

fn answer(quiz_id: &str, clock: &str) -> LastAnswer {
    LastAnswer { quiz_id: quiz_id.to_owned(), at: at(clock) }
}

#[tokio::test]
async fn newest_answer_in_window_is_found_in_both_forms() {
    let (catalog, database) = catalog().await;
    let object_id = ObjectId::new();
    let sessions = vec![
        session("dates", "a", date("10:00:00"), true),
        session("dates", "b", date("10:05:00.250"), false),
        session("dates", "c", date("12:00:00"), true),
        session("texts", "a", text("09:00:00.123456"), true),
        session("texts", "b", text("10:20:00"), true),
        session("mixed", "a", date("10:10:00"), true),
        session("mixed", "b", text("10:40:00"), true),
        session(object_id, "a", date("10:30:00"), true),
        session(object_id.to_hex(), "b", date("10:31:00"), true),
        session("before", "a", date("08:59:59.999"), true),
        session("before", "b", text("08:59:59.999"), true),
        session("after", "a", date("11:00:00"), true),
        session("after", "b", text("11:00:00"), true),
        session("odd", "a", 7.into(), true),
        session("odd", "b", Bson::Null, true),
    ];
    insert(&database, "sessions", sessions).await.unwrap();
    let index = mongodb::IndexModel::builder().keys(doc! { "updated_at": 1, "quiz_id": 1 }).build();
    for indexed in [false, true] {
        if indexed {
            database.collection::<Document>("sessions").create_index(index.clone()).await.unwrap();
        }
        let answered = catalog.answered_within(at("09:00:00"), at("11:00:00"), TIMEOUT).await.unwrap();
        let expected = [
            answer("dates", "10:05:00.250"),
            answer("texts", "10:20:00"),
            answer(&object_id.to_hex(), "10:31:00"),
            answer("mixed", "10:40:00"),
        ];
        assert_eq!(answered, expected);
    }
    database.drop().await.unwrap();
}

#[tokio::test]
async fn completions_count_students_with_ended_attempts() {
    let (catalog, database) = catalog().await;
    let sessions = vec![
        session("q1", "a", date("10:00:00"), true),
        session("q1", "a", date("10:30:00"), true),
        session("q1", "b", date("10:10:00"), true),
        session("q1", "c", date("10:50:00"), false),
        session("q1", "test_admin", date("10:55:00"), true),
        session("q1", "late", date("12:00:00"), true),
        session("q2", "a", text("10:10:00"), true),
        session("under way", "a", date("10:10:00"), false),
        session("tried", "test_admin", date("10:10:00"), true),
        session("not requested", "a", date("10:10:00"), true),
    ];
    insert(&database, "sessions", sessions).await.unwrap();
    let quizzes = ["q1", "q2", "under way", "tried", "none"].map(str::to_owned);
    let excluded = HashSet::from(["test_admin".to_owned()]);
    let window = (at("09:00:00"), at("11:00:00"));
    let mut completed = catalog.completed_within(&quizzes, window, &excluded, TIMEOUT).await.unwrap();
    completed.sort_by(|a, b| a.quiz_id.cmp(&b.quiz_id));
    let quiz = |quiz_id: &str, students, newest| CompletedQuiz {
        quiz_id: quiz_id.to_owned(),
        students,
        newest: at(newest),
    };
    assert_eq!(completed, [quiz("q1", 2, "10:30:00"), quiz("q2", 1, "10:10:00")]);
    assert_eq!(catalog.completed_within(&[], window, &excluded, TIMEOUT).await.unwrap(), []);
    database.drop().await.unwrap();
}

#[tokio::test]
async fn titles_are_those_of_existing_quizzes() {
    let (catalog, database) = catalog().await;
    let object_id = ObjectId::new();
    let quizzes = vec![
        doc! { "_id": "q1", "title": "Physics mock" },
        doc! { "_id": "q2", "title": " " },
        doc! { "_id": object_id, "title": Bson::Null },
    ];
    insert(&database, "quizzes", quizzes).await.unwrap();
    let wanted = ["q1".to_owned(), "q2".to_owned(), object_id.to_hex(), "none".to_owned()];
    let titles = catalog.titles(&wanted).await.unwrap();
    let expected = [
        ("q1".to_owned(), Some("Physics mock".to_owned())),
        ("q2".to_owned(), None),
        (object_id.to_hex(), None),
    ];
    assert_eq!(titles, HashMap::from(expected));
    database.drop().await.unwrap();
}

#[tokio::test]
async fn keys_are_those_that_a_sync_reads() {
    let (catalog, database) = catalog().await;
    let source =
        MongoSource::connect(Stack::get().await.unwrap().mongodb_uri(), database.name()).await.unwrap();
    let object_id = ObjectId::new();
    let question = |id: &str, set: Bson, key: i32| {
        doc! {"_id": id, "question_set_id": set, "type": "single-choice", "correct_answer": [key], "graded": true,
        "text": "Which?", "options": [{"text": "Yes"}, {"text": "No"}], "solution": ["Because."],
        "metadata": {"subject": "Physics", "chapter": "Optics"}}
    };
    let quiz = |id: Bson, set: Bson, questions: Vec<Document>| {
        doc! {"_id": id, "title": "Mock 7", "metadata": {"quiz_type": "assessment"},
        "question_sets": [{"_id": set, "title": "All", "questions": questions}]}
    };
    // the stub of the second quiz has no key, so the questions collection decides
    let mut stub = question("b", "s2".into(), 0);
    for field in ["correct_answer", "text", "options", "metadata"] {
        stub.remove(field);
    }
    let quizzes = vec![
        quiz("q1".into(), "s1".into(), vec![question("a", "s1".into(), 0)]),
        quiz(object_id.into(), "s2".into(), vec![stub]),
        doc! {"_id": "broken", "question_sets": "none"},
    ];
    insert(&database, "quizzes", quizzes).await.unwrap();
    let questions = vec![question("a", "s1".into(), 0), question("b", "s2".into(), 0)];
    insert(&database, "questions", questions).await.unwrap();

    let wanted = ["q1".to_owned(), object_id.to_hex(), "broken".to_owned(), "none".to_owned()];
    let before = catalog.keys(&wanted).await.unwrap();
    assert_eq!(before.len(), 2);
    for (quiz_id, digest) in &before {
        let stored = source.quiz(quiz_id).await.unwrap().unwrap();
        let (quiz, _) = Quiz::read(&stored.quiz, &stored.questions).unwrap();
        assert_eq!(quiz.key_digest(), *digest, "{quiz_id}");
    }

    let questions = database.collection::<Document>("questions");
    let corrected = doc! {"$set": {"correct_answer": [1], "text": "Which one?"}};
    questions.update_one(doc! {"_id": "b"}, corrected).await.unwrap();
    questions.update_one(doc! {"_id": "a"}, doc! {"$set": {"solution": ["So."]}}).await.unwrap();
    let after = catalog.keys(&wanted).await.unwrap();
    assert!(before[&object_id.to_hex()].differs_from(&after[&object_id.to_hex()]));
    assert_eq!(before["q1"], after["q1"]);
    database.drop().await.unwrap();
}
