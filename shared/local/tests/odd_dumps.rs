//! Dumps whose quizzes have marks of an odd type: what both sinks get.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;

use bson::{Bson, Document, bson, doc};
use common::{bytes, write_dump};
use quiz_domain::reports::{ReportFormats, ReportTable};
use quiz_domain::rows::WarehouseTable;
use quiz_events::SessionTarget;
use quiz_local::{DumpSource, ParquetWarehouse, SqliteStore};
use quiz_pipeline::ports::{Fence, SystemClock};
use quiz_pipeline::{
    Engine, ReportSink, ResultSink, RunScope, SessionRequest, SessionSync, SyncError, SyncOutcome, Synced,
    WarehouseSink, WrittenParts,
};
use quiz_suites::parquet::read_parquet;
use quiz_suites::source::Collections;
use quiz_suites::store::session_items;
use serde_json::Value;
use tempfile::TempDir;

const QUIZ: &str = "650000000000000000000004";

/// A dump, and what is synced from it.
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
        let engine = Engine::new(Arc::new(source), sink, Arc::new(SystemClock), HashSet::new());
        let target = SessionTarget::new(&session(quiz), None, "session_id").unwrap();
        let scope = RunScope {
            generation: 1,
            read_started_at: jiff::Timestamp::now(),
            rewrite: false,
            fence: Fence::open(),
            written: WrittenParts::default(),
        };
        let batch = engine.begin().unwrap();
        match batch.sync(&SessionRequest::new(target), &scope).await? {
            Synced::Done(outcome) => Ok(outcome),
            Synced::Staged(outcome) => batch.commit(vec![outcome]).await.remove(0),
        }
    }

    /// Into both sinks, which count the same problems.
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

    /// The same of each row.
    fn rows(&self, quiz: &str) -> Vec<String> {
        let path = self.warehouse.file(WarehouseTable::TestResponses, &session(quiz));
        let rows = read_parquet(&path).into_iter().map(Value::Object);
        let mut rows: Vec<String> =
            rows.filter(|row| row["section"] == "overall").map(|row| shown(&row)).collect();
        rows.sort();
        rows
    }

    /// What both sinks hold of the test.
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
    let record = |(at, answer): (usize, &Option<i32>)| bson!({"question_id": format!("q{at}"), "answer": answer.map_or(Bson::Null, |it| bson!([it]))});
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
