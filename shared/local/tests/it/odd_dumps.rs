//! Results of both sinks for dumps with documents that are stored twice, badly encoded, or have marks of another type.

use std::fs;
use std::sync::Arc;

use bson::oid::ObjectId;
use bson::{Bson, Document, bson, doc};
use quiz_domain::reports::{ReportFormats, ReportTable};
use quiz_domain::rows::WarehouseTable;
use quiz_events::SessionTarget;
use quiz_local::{DumpSource, ParquetWarehouse, SqliteStore};
use quiz_pipeline::{ReportSink, ResultSink, SessionRequest, SyncError, SyncOutcome, WarehouseSink};
use quiz_suites::function::SingleSync;
use quiz_suites::parquet::read_parquet;
use quiz_suites::source::Collections;
use quiz_suites::store::session_items;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{bytes, write_dump};

const QUIZ: &str = "650000000000000000000004";
const OTHER_QUIZ: &str = "650000000000000000000005";

/// A dump and the results of its syncs.
struct Place {
    folder: TempDir,
    store: Arc<SqliteStore>,
    warehouse: ParquetWarehouse,
}

impl Place {
    fn new(collections: &Collections) -> Self {
        let folder = TempDir::new().unwrap();
        write_dump(folder.path(), collections, false);
        let store = Arc::new(SqliteStore::open(folder.path().join("reports.db")).unwrap());
        let warehouse = ParquetWarehouse::new(folder.path().join("warehouse"));
        Self { folder, store, warehouse }
    }

    async fn into(&self, sink: Arc<dyn ResultSink>, quiz: &str) -> Result<SyncOutcome, SyncError> {
        let source = DumpSource::open(self.folder.path()).unwrap();
        let target = SessionTarget::new(&session(quiz), None, "session_id").unwrap();
        SingleSync::new(Arc::new(source), sink).run(&SessionRequest::new(target)).await
    }

    /// Syncs into both sinks and checks that they count the same problems.
    async fn sync(&self, quiz: &str) -> Result<SyncOutcome, SyncError> {
        let store = Arc::clone(&self.store);
        let reports = ReportSink::new(store, ReportFormats { v1: true, v2: true });
        let reports = self.into(Arc::new(reports), quiz).await?;
        let rows = WarehouseSink::new(Arc::new(self.warehouse.clone()));
        let rows = self.into(Arc::new(rows), quiz).await?;
        assert_eq!(reports.problems, rows.problems);
        Ok(reports)
    }

    /// User, marks, rank and participants of each report over the whole test.
    async fn reports(&self, quiz: &str) -> Vec<String> {
        let items = session_items(&*self.store, ReportTable::Sections, &session(quiz)).await;
        items.iter().filter(|item| item["section"] == "overall").map(shown).collect()
    }

    /// User, marks, rank and participants of each row.
    fn rows(&self, quiz: &str) -> Vec<String> {
        let path = self.warehouse.file(WarehouseTable::TestResponses, &session(quiz));
        let rows = read_parquet(&path).into_iter().map(Value::Object);
        let mut rows: Vec<String> =
            rows.filter(|row| row["section"] == "overall").map(|row| shown(&row)).collect();
        rows.sort();
        rows
    }

    /// The results of both sinks for a test session.
    async fn results(&self, quiz: &str) -> Vec<String> {
        let reports = self.reports(quiz).await;
        assert_eq!(reports, self.rows(quiz));
        reports
    }
}

fn session(quiz: &str) -> String {
    format!("Group_{quiz}")
}

fn shown(item: &Value) -> String {
    let text = |field: &str| match &item[field] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().unwrap().to_string(),
        _ => "none".to_owned(),
    };
    format!(
        "{}: {} marks, rank {} of {}",
        text("user_id"),
        text("marks_scored"),
        text("rank"),
        text("number_test_taker")
    )
}

/// Count and example of a kind of problem.
fn problem(outcome: &SyncOutcome, code: &str) -> (u64, String) {
    let found = outcome.problems.iter().find(|problem| problem.kind.code() == code);
    found.map_or((0, "none".to_owned()), |problem| (problem.count, problem.example))
}

fn question(at: usize) -> Document {
    doc! {
        "_id": format!("q{at}"), "question_set_id": "set", "type": "single-choice", "correct_answer": [0],
        "graded": true, "force_correct": false, "text": format!("Question {at}?"),
        "metadata": {"subject": "Physics"},
    }
}

fn quiz(marking: Bson, questions: Vec<Document>) -> Document {
    doc! {
        "_id": QUIZ, "title": "Test", "metadata": {"quiz_type": "assessment"},
        "question_sets": [{"_id": "set", "title": "Physics", "marking_scheme": marking, "questions": questions}],
    }
}

fn scheme() -> Bson {
    bson!({"correct": 4, "wrong": -1, "skipped": 0})
}

fn attempt(id: impl Into<Bson>, user: &str, ended: bool, updated: i64, answers: &[Option<i32>]) -> Document {
    let record = |(at, answer): (usize, &Option<i32>)| bson!({"question_id": format!("q{at}"), "answer": answer.map_or(Bson::Null, |choice| bson!([choice]))});
    doc! {
        "_id": id.into(), "user_id": user, "quiz_id": QUIZ, "has_quiz_ended": ended,
        "updated_at": bson::DateTime::from_millis(updated),
        "events": [{"event_type": "start-quiz", "created_at": "2026-05-01T04:30:00"}],
        "session_answers": answers.iter().enumerate().map(record).collect::<Vec<_>>(),
    }
}

fn collections(quiz: Document, sessions: Vec<Document>) -> Collections {
    let questions = vec![question(0), question(1), question(2)];
    Collections { quizzes: vec![quiz], questions, sessions }
}

fn two_questions() -> Document {
    quiz(scheme(), vec![question(0), question(1)])
}

/// The bytes of a document whose text `broken` is no longer UTF-8.
fn badly_encoded(document: &Document) -> Vec<u8> {
    let mut bytes = document.to_vec().unwrap();
    let at = bytes.windows(6).position(|window| window == b"broken").unwrap();
    bytes[at] = 0xff;
    bytes
}

#[tokio::test]
async fn same_session_document_twice_counts_once() {
    let twice = attempt("a1", "u", true, 7, &[Some(0), Some(1)]);
    let other = attempt("a2", "v", true, 7, &[Some(0), Some(0)]);
    let place = Place::new(&collections(two_questions(), vec![twice.clone(), other, twice]));
    let outcome = place.sync(QUIZ).await.unwrap();
    assert_eq!(place.results(QUIZ).await, ["u: 3 marks, rank 2 of 2", "v: 8 marks, rank 1 of 2"]);
    let example = "session document a1 is stored 2 times".to_owned();
    assert_eq!(problem(&outcome, "document_stored_twice"), (1, example));
}

#[tokio::test]
async fn newest_state_of_a_document_counts() {
    let ended = attempt("a1", "u", true, 5, &[Some(0), Some(0)]);
    let before = attempt("a1", "u", false, 9, &[Some(0), None]);
    let newer = attempt("a2", "v", true, 9, &[Some(0), Some(1)]);
    let older = attempt("a2", "v", true, 5, &[Some(1), Some(1)]);
    let first = attempt("a3", "w", true, 5, &[Some(1), Some(1)]);
    let second = attempt("a3", "w", true, 5, &[Some(1), None]);
    let sessions = vec![ended, newer, first, before, older, second];
    for sessions in [
        sessions.clone(),
        vec![
            sessions[3].clone(),
            sessions[4].clone(),
            sessions[2].clone(),
            sessions[0].clone(),
            sessions[1].clone(),
            sessions[5].clone(),
        ],
    ] {
        let place = Place::new(&collections(two_questions(), sessions));
        let outcome = place.sync(QUIZ).await.unwrap();
        let expected = ["u: 8 marks, rank 1 of 3", "v: 3 marks, rank 2 of 3", "w: -1 marks, rank 3 of 3"];
        assert_eq!(place.results(QUIZ).await, expected);
        assert_eq!(problem(&outcome, "document_stored_twice").0, 3);
    }
}

#[tokio::test]
async fn text_and_object_id_name_same_document() {
    let id = "d00000000000000000000001";
    let text = attempt(id, "u", true, 9, &[Some(0), Some(0)]);
    let object_id = attempt(ObjectId::parse_str(id).unwrap(), "u", true, 5, &[Some(1), Some(1)]);
    let place = Place::new(&collections(two_questions(), vec![text, object_id]));
    let outcome = place.sync(QUIZ).await.unwrap();
    assert_eq!(place.results(QUIZ).await, ["u: 8 marks, rank 1 of 1"]);
    assert_eq!(problem(&outcome, "document_stored_twice").0, 1);
}

#[tokio::test]
async fn newer_quiz_of_two_counts_and_shows() {
    let dated = |mark: i32, day: &str| {
        let marking = bson!({"correct": mark, "wrong": 0, "skipped": 0});
        let mut quiz = quiz(marking, vec![question(0)]);
        quiz.insert("updated_at", format!("2026-05-{day}T04:30:00"));
        quiz
    };
    for (first, second, marks) in [("01", "02", 3), ("02", "01", 2), ("02", "02", 2)] {
        let mut stored = collections(dated(2, first), vec![attempt("a1", "u", true, 7, &[Some(0)])]);
        stored.quizzes.push(dated(3, second));
        stored.questions.push(question(1));
        stored.questions.push(question(1));
        let place = Place::new(&stored);
        let outcome = place.sync(QUIZ).await.unwrap();
        assert_eq!(place.results(QUIZ).await, [format!("u: {marks} marks, rank 1 of 1")]);
        // the quiz, and the question that is stored three times
        let example = "question document q1 is stored 3 times".to_owned();
        assert_eq!(problem(&outcome, "document_stored_twice"), (2, example));
    }
}

#[tokio::test]
async fn marks_stored_as_text_are_numbers() {
    let marking = bson!({"correct": "4", "wrong": " -1 ", "skipped": "0.0"});
    let quiz = quiz(marking, vec![question(0), question(1), question(2)]);
    let sessions = vec![attempt("a1", "n", true, 7, &[Some(0), Some(0), Some(1)])];
    let place = Place::new(&collections(quiz, sessions));
    let outcome = place.sync(QUIZ).await.unwrap();
    assert_eq!(place.results(QUIZ).await, ["n: 7 marks, rank 1 of 1"]);
    assert!(outcome.problems.is_empty(), "{:?}", outcome.problems);
}

#[tokio::test]
async fn unreadable_marks_leave_good_reports() {
    let sessions = vec![attempt("a1", "u", true, 7, &[Some(0), Some(0)])];
    let place = Place::new(&collections(two_questions(), sessions.clone()));
    place.sync(QUIZ).await.unwrap();
    let spoilt = quiz(bson!({"correct": "four", "wrong": -1, "skipped": 0}), vec![question(0), question(1)]);
    fs::write(place.folder.path().join("quizzes.bson"), bytes(&[spoilt])).unwrap();
    let refused = place.sync(QUIZ).await;
    assert_eq!(place.results(QUIZ).await, ["u: 8 marks, rank 1 of 1"]);
    let error = refused.unwrap_err();
    let expected = format!(
        "quiz {QUIZ} is malformed: question_sets[0].marking_scheme.correct is \"four\", not a number; \
         correct the quiz, then sync again"
    );
    assert_eq!((error.to_string(), error.code(), error.is_permanent()), (expected, "malformed_quiz", true));
}

#[tokio::test]
async fn badly_encoded_session_document_costs_itself() {
    let whole = attempt("a1", "u", true, 7, &[Some(0), Some(0)]);
    let mut elsewhere = attempt("a3", "w", true, 7, &[Some(0), Some(0)]);
    elsewhere.insert("quiz_id", OTHER_QUIZ);
    let mut without_user = doc! {"_id": "a2", "user_id": "broken"};
    without_user.extend(attempt("a2", "broken", true, 7, &[Some(0)]));
    let mut without_quiz = attempt("a4", "v", true, 7, &[Some(0)]);
    without_quiz.insert("quiz_id", "broken");
    let mut other_quiz = two_questions();
    other_quiz.insert("_id", OTHER_QUIZ);
    let mut stored = collections(two_questions(), Vec::new());
    stored.quizzes.push(other_quiz);
    let place = Place::new(&stored);
    let sessions =
        [bytes(&[whole]), badly_encoded(&without_user), badly_encoded(&without_quiz), bytes(&[elsewhere])];
    fs::write(place.folder.path().join("sessions.bson"), sessions.concat()).unwrap();
    let outcome = place.sync(QUIZ).await.unwrap();
    assert_eq!(place.results(QUIZ).await, ["u: 8 marks, rank 1 of 1"]);
    let example = "session document a2 cannot be read: its field user_id is not UTF-8".to_owned();
    assert_eq!(problem(&outcome, "attempt_unreadable"), (1, example));
    let outcome = place.sync(OTHER_QUIZ).await.unwrap();
    assert_eq!(place.results(OTHER_QUIZ).await, ["w: 8 marks, rank 1 of 1"]);
    assert!(outcome.problems.is_empty());
}

#[tokio::test]
async fn badly_encoded_answer_says_what_is_wrong() {
    let whole = attempt("a1", "u", true, 7, &[Some(0), Some(0)]);
    let mut inside = attempt("a2", "v", true, 7, &[Some(0)]);
    inside.insert("session_answers", bson!([{"question_id": "q0", "answer": "broken"}]));
    let place = Place::new(&collections(two_questions(), Vec::new()));
    let sessions = [badly_encoded(&inside), bytes(&[whole])].concat();
    fs::write(place.folder.path().join("sessions.bson"), sessions).unwrap();
    let outcome = place.sync(QUIZ).await.unwrap();
    assert_eq!(place.results(QUIZ).await, ["u: 8 marks, rank 1 of 1"]);
    let example = "session document a2 cannot be read: its field session_answers is not UTF-8".to_owned();
    assert_eq!(problem(&outcome, "attempt_unreadable"), (1, example));
}

#[tokio::test]
async fn badly_encoded_quiz_leaves_the_others() {
    let mut other_quiz = two_questions();
    other_quiz.insert("_id", OTHER_QUIZ);
    other_quiz.insert("title", "broken");
    let sessions = vec![attempt("a1", "u", true, 7, &[Some(0), Some(0)])];
    let place = Place::new(&collections(two_questions(), sessions));
    let without_id = badly_encoded(&doc! {"_id": "broken"});
    let quizzes = [without_id, badly_encoded(&other_quiz), bytes(&[two_questions()])].concat();
    fs::write(place.folder.path().join("quizzes.bson"), quizzes).unwrap();
    place.sync(QUIZ).await.unwrap();
    assert_eq!(place.results(QUIZ).await, ["u: 8 marks, rank 1 of 1"]);
    let error = place.sync(OTHER_QUIZ).await.unwrap_err();
    assert_eq!(error.code(), "source_unreadable");
    assert!(error.to_string().ends_with("quizzes.bson: its field title is not UTF-8"), "{error}");
}

#[tokio::test]
async fn badly_encoded_question_costs_its_texts_only() {
    let mut stub = question(1);
    stub.remove("text");
    let quiz = quiz(scheme(), vec![question(0), stub]);
    let place = Place::new(&collections(quiz, vec![attempt("a1", "u", true, 7, &[Some(0), Some(0)])]));
    let mut broken = question(1);
    broken.insert("text", "broken");
    let without_set = badly_encoded(&doc! {"_id": "q9", "question_set_id": "broken"});
    let questions = [without_set, badly_encoded(&broken), bytes(&[question(0)])].concat();
    fs::write(place.folder.path().join("questions.bson"), questions).unwrap();
    let outcome = place.sync(QUIZ).await.unwrap();
    assert_eq!(place.results(QUIZ).await, ["u: 8 marks, rank 1 of 1"]);
    let example =
        "the questions collection's document of question q1 cannot be read: its field text is not UTF-8";
    assert_eq!(problem(&outcome, "question_text_missing"), (1, example.to_owned()));
}

#[tokio::test]
async fn older_attempt_never_replaces_broken_newest_one() {
    let older = attempt("a1", "u", true, 1, &[Some(0), Some(0)]);
    let newest = attempt("a2", "u", true, 2, &[Some(1), Some(1)]);
    let other = attempt("b1", "v", true, 1, &[Some(0), None]);
    // the end of the newest attempt cannot be read, and neither can the fields after it
    let mut broken = newest.to_vec().unwrap();
    let field = b"has_quiz_ended\0";
    let at = broken.windows(field.len()).position(|bytes| bytes == field).unwrap();
    broken[at + field.len()] = 7;
    let place = Place::new(&collections(two_questions(), Vec::new()));
    let sessions = [bytes(&[older]), broken, bytes(&[other])].concat();
    fs::write(place.folder.path().join("sessions.bson"), sessions).unwrap();
    let outcome = place.sync(QUIZ).await.unwrap();
    assert_eq!(place.reports(QUIZ).await.len(), 1, "{:?}", place.reports(QUIZ).await);
    assert!(place.reports(QUIZ).await[0].starts_with("v: "), "{:?}", place.reports(QUIZ).await);
    let (count, example) = problem(&outcome, "attempt_unreadable");
    assert_eq!(count, 1);
    assert!(example.contains("a2"), "{example}");
}

#[tokio::test]
async fn readable_copy_of_a_quiz_counts() {
    let mut broken = two_questions();
    broken.insert("title", "broken");
    let sessions = vec![attempt("a", "u", true, 1, &[Some(0), Some(0)])];
    let place = Place::new(&collections(two_questions(), sessions));
    let quizzes = [badly_encoded(&broken), bytes(&[two_questions()])].concat();
    fs::write(place.folder.path().join("quizzes.bson"), quizzes).unwrap();
    let outcome = place.sync(QUIZ).await.unwrap();
    assert_eq!((outcome.participants, problem(&outcome, "document_stored_twice").0), (1, 1));
}
