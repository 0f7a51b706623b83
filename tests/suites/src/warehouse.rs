//! The suite of [`Warehouse`].

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bson::Document;
use futures::future::join_all;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use quiz_domain::reports::Stamp;
use quiz_domain::rows::{self, QuestionRows, RowBatch, WarehouseTable};
use quiz_domain::{Quiz, QuizKind, SessionScorer, TakenDocument, TestSession};
use quiz_pipeline::ports::{Fence, StagedSession, Warehouse, WarehouseBatch, WarehouseError};
use serde_json::{Map, Value};

use crate::reports::{attempt, quiz};

/// Reads the rows of a warehouse.
#[async_trait]
pub trait Rows: Send + Sync {
    /// The rows of a session, in any order: numbers, texts, booleans; a date as `YYYY-MM-DD`, a moment in
    /// microseconds since 1970.
    async fn rows(&self, table: WarehouseTable, session_id: &str) -> Vec<Map<String, Value>>;
}

/// Asserts the promises of the port. The suite owns the test sessions whose ids begin with `session`.
pub async fn warehouse(warehouse: &dyn Warehouse, rows: &dyn Rows, session: &str) {
    read_rows_equal_staged_rows(warehouse, rows, session).await;
    replace_keeps_other_test_sessions(warehouse, rows, session).await;
    unreplaced_staged_rows_leave_nothing(warehouse, rows, session).await;
    expired_lease_keeps_old_rows(warehouse, rows, session).await;
    empty_test_session_has_no_rows(warehouse, rows, session).await;
    quiz_changed_to_form_moves_its_rows(warehouse, rows, session).await;
    moved_test_session_has_rows_on_one_day(warehouse, rows, session).await;
}

async fn read_rows_equal_staged_rows(warehouse: &dyn Warehouse, rows: &dyn Rows, session: &str) {
    let session = format!("{session} whole/1");
    write(warehouse, &[Sample::scored(&session, 0..9)]).await;
    let tests = rows.rows(WarehouseTable::TestResponses, &session).await;
    let questions = rows.rows(WarehouseTable::QuestionResponses, &session).await;
    assert_eq!((tests.len(), questions.len()), (27, 27));
    let columns: Vec<&str> = WarehouseTable::QuestionResponses.columns().map(|column| column.name).collect();
    for row in &questions {
        let mut names: Vec<&str> = row.keys().map(String::as_str).collect();
        names.sort_unstable();
        let mut columns = columns.clone();
        columns.sort_unstable();
        assert_eq!(names, columns);
    }
    let find = |user: &str, question: &str| {
        questions.iter().find(|row| row["user_id"] == user && row["question_id"] == question).unwrap()
    };
    let row = find("u0", "a");
    assert_eq!(row["user_response"], r#""हाँ, because 🙂\n\"quoted\"""#);
    assert_eq!((&row["is_answered"], &row["is_correct"]), (&Value::from(true), &Value::from(1)));
    assert_eq!((row["marks_scored"].as_f64(), row["max_marks"].as_f64()), (Some(2.5), Some(2.5)));
    assert_eq!((&row["section"], &row["start_date"]), (&"Physics".into(), &"2024-04-30".into()));
    assert_eq!(row["inserted_at"], Value::from(1_714_500_000_123_456_i64));
    assert_eq!((&row["correct_answer"], &row["difficulty"]), (&Value::Null, &Value::Null));
    let row = find("u1", "c");
    assert_eq!((&row["user_response"], &row["outcome"]), (&Value::Null, &"skipped".into()));
    assert_eq!((&row["has_quiz_ended"], &row["is_correct"]), (&Value::from(true), &Value::from(0)));
    let overall = tests.iter().find(|row| row["user_id"] == "u1" && row["section"] == "overall").unwrap();
    assert_eq!(overall["test_name"], "Näïve test – परीक्षा 🙂");
    assert!(overall["percentile"].as_f64().is_some() && overall["rank"].as_i64().is_some(), "{overall:?}");
    let unfinished = tests.iter().find(|row| row["user_id"] == "u0").unwrap();
    assert_eq!((&unfinished["rank"], &unfinished["percentile"]), (&Value::Null, &Value::Null));
}

async fn replace_keeps_other_test_sessions(warehouse: &dyn Warehouse, rows: &dyn Rows, session: &str) {
    let (session, other) = (format!("{session} replaced"), format!("{session} other"));
    write(warehouse, &[Sample::scored(&session, 0..6), Sample::scored(&other, 0..3)]).await;
    let before = sorted(rows.rows(WarehouseTable::QuestionResponses, &other).await);
    for _ in 0..2 {
        write(warehouse, &[Sample::scored(&session, 4..8)]).await;
        let questions = rows.rows(WarehouseTable::QuestionResponses, &session).await;
        let mut users: Vec<&str> = questions.iter().map(|row| row["user_id"].as_str().unwrap()).collect();
        users.sort_unstable();
        assert_eq!(users, ["u4", "u4", "u4", "u5", "u5", "u5", "u6", "u6", "u6", "u7", "u7", "u7"]);
        assert_eq!(rows.rows(WarehouseTable::TestResponses, &session).await.len(), 12);
    }
    assert_eq!(sorted(rows.rows(WarehouseTable::QuestionResponses, &other).await), before);
}

async fn unreplaced_staged_rows_leave_nothing(warehouse: &dyn Warehouse, rows: &dyn Rows, session: &str) {
    let (session, other) = (format!("{session} kept"), format!("{session} never"));
    write(warehouse, &[Sample::scored(&session, 0..3)]).await;
    let batch = warehouse.begin().unwrap();
    Sample::scored(&session, 0..1).stage(&*batch).await;
    drop(batch);
    let batch = warehouse.begin().unwrap();
    Sample::scored(&other, 0..5).stage(&*batch).await;
    let committed = Sample::scored(&session, 1..3).stage(&*batch).await;
    replace(&*batch, &[committed]).await;
    assert_eq!(rows.rows(WarehouseTable::QuestionResponses, &session).await.len(), 6);
    for table in WarehouseTable::ALL {
        assert_eq!(rows.rows(table, &other).await, []);
    }
}

async fn expired_lease_keeps_old_rows(warehouse: &dyn Warehouse, rows: &dyn Rows, session: &str) {
    let (session, other) = (format!("{session} fenced"), format!("{session} held"));
    write(warehouse, &[Sample::scored(&session, 0..3), Sample::scored(&other, 0..3)]).await;
    let batch = warehouse.begin().unwrap();
    let mut tests = Vec::new();
    for session in [&session, &other] {
        tests.push(Sample::scored(session, 0..5).stage(&*batch).await);
    }
    tests[0].fence.revoke();
    let results = batch.replace(&tests).await;
    assert!(matches!(&results[..], [Err(WarehouseError::LeaseOver { .. }), Ok(())]), "{results:?}");
    for (session, participants) in [(&session, 3), (&other, 5)] {
        assert_eq!(rows.rows(WarehouseTable::QuestionResponses, session).await.len(), participants * 3);
    }
}

async fn empty_test_session_has_no_rows(warehouse: &dyn Warehouse, rows: &dyn Rows, session: &str) {
    let session = format!("{session} emptied");
    write(warehouse, &[Sample::scored(&session, 0..3)]).await;
    for _ in 0..2 {
        write(warehouse, &[Sample::scored(&session, 0..0)]).await;
        for table in WarehouseTable::ALL {
            assert_eq!(rows.rows(table, &session).await, []);
        }
    }
}

async fn quiz_changed_to_form_moves_its_rows(warehouse: &dyn Warehouse, rows: &dyn Rows, session: &str) {
    let session = format!("{session} form");
    write(warehouse, &[Sample::scored(&session, 0..3)]).await;
    write(warehouse, &[Sample::form(&session, 0..3)]).await;
    assert_eq!(rows.rows(WarehouseTable::TestResponses, &session).await, []);
    assert_eq!(rows.rows(WarehouseTable::QuestionResponses, &session).await, []);
    let answers = rows.rows(WarehouseTable::FormResponses, &session).await;
    assert_eq!(answers.len(), 9);
    let of =
        |user: &str| answers.iter().find(|row| row["user_id"] == user && row["question_id"] == "a").unwrap();
    assert_eq!(of("u2")["user_response"], r#"{"row":[1,2.75],"दूसरी":"text"}"#);
    assert_eq!((&of("u1")["priority"], &of("u1")["is_answered"]), (&"high".into(), &true.into()));
    assert_eq!(of("u2")["user_response_labels"], "row: 1, 2.75; दूसरी: text");
    assert_eq!((&of("u1")["test_type"], &of("u1")["group"]), (&"form".into(), &"Group".into()));
    assert_eq!((&of("u1")["cms_test_id"], &of("u1")["batch"]), (&Value::Null, &Value::Null));
    assert_eq!(of("u0")["question_text"], "Why? कारण 🙂");
}

async fn moved_test_session_has_rows_on_one_day(warehouse: &dyn Warehouse, rows: &dyn Rows, session: &str) {
    let session = format!("{session} moved");
    let (first, moved) = (date(2024, 4, 30), date(2024, 5, 7));
    write(warehouse, &[Sample::scored(&session, 0..3)]).await;
    // the next run knows the date, and the one after it has lost the state
    for sample in [
        Sample::scored(&session, 0..3).by_run(2).on(moved).after([first]),
        Sample::scored(&session, 0..3).by_run(3).on(first),
        Sample::scored(&session, 0..3).by_run(4).on(moved).after([first, moved]),
    ] {
        let day = sample.start.unwrap().strftime("%Y-%m-%d").to_string();
        write(warehouse, &[sample]).await;
        for table in [WarehouseTable::TestResponses, WarehouseTable::QuestionResponses] {
            let found = rows.rows(table, &session).await;
            assert_eq!(found.len(), 9);
            assert!(found.iter().all(|row| row["start_date"] == day.as_str()), "{found:?}");
        }
    }
}

/// A small test session: three questions in two subjects for each user.
pub struct Sample {
    session_id: String,
    kind: &'static str,
    attempts: Vec<Document>,
    start: Option<Timestamp>,
    generation: i64,
    earlier_dates: Option<BTreeSet<Date>>,
    is_first: bool,
}

impl Sample {
    #[must_use]
    pub fn scored(session_id: &str, users: std::ops::Range<usize>) -> Self {
        Self::new(session_id, "assessment", users)
    }

    #[must_use]
    pub fn form(session_id: &str, users: std::ops::Range<usize>) -> Self {
        Self::new(session_id, "form", users)
    }

    fn new(session_id: &str, kind: &'static str, users: std::ops::Range<usize>) -> Self {
        Self {
            session_id: session_id.to_owned(),
            kind,
            attempts: users.map(attempt).collect(),
            start: None,
            generation: 1,
            earlier_dates: None,
            is_first: false,
        }
    }

    /// Staged by a run with this generation; without it, by one with generation 1.
    #[must_use]
    pub fn by_run(self, generation: i64) -> Self {
        Self { generation, ..self }
    }

    /// With a start on this day; without it, the day of the attempts, 2024-04-30.
    #[must_use]
    pub fn on(self, day: Date) -> Self {
        Self { start: day.at(4, 30, 0, 0).in_tz("UTC").ok().map(|start| start.timestamp()), ..self }
    }

    /// Staged by a run that knows under which dates the warehouse may have rows.
    #[must_use]
    pub fn after(self, dates: impl IntoIterator<Item = Date>) -> Self {
        Self { earlier_dates: Some(dates.into_iter().collect()), ..self }
    }

    /// Staged by the first run of a test session.
    #[must_use]
    pub fn first(self) -> Self {
        Self { earlier_dates: Some(BTreeSet::new()), is_first: true, ..self }
    }

    /// Stages all rows of the test session.
    pub async fn stage(&self, batch: &dyn WarehouseBatch) -> StagedSession {
        let (quiz, problems) = Quiz::read(&quiz(self.kind), &[]).unwrap();
        let session = TestSession {
            session_id: self.session_id.clone(),
            quiz_id: quiz.id.clone(),
            group: Some("Group".into()),
            start: self.start,
            end: Timestamp::from_second(1_714_590_000).ok(),
            ..TestSession::default()
        };
        let now = Timestamp::from_microsecond(1_714_500_000_123_456).unwrap();
        let is_form = quiz.kind == QuizKind::Form;
        let questions = QuestionRows::new(&quiz, &self.session_id);
        let mut builder = SessionScorer::new(quiz, session.clone(), now, problems);
        let table = if is_form { WarehouseTable::FormResponses } else { WarehouseTable::QuestionResponses };
        let mut answers = RowBatch::new(table);
        for document in &self.attempts {
            let TakenDocument::Attempt(taken) = builder.take(document) else {
                panic!("no attempt: {document}")
            };
            if is_form {
                rows::append_form(builder.quiz(), &session, &taken.attempt, &mut answers);
            } else {
                questions.append(builder.quiz(), &taken, &mut answers);
            }
        }
        let test = builder.finish().unwrap();
        let stamp = Stamp { written_at: now, generation: self.generation };
        let mut results = RowBatch::new(WarehouseTable::TestResponses);
        rows::section_rows(&test, stamp).for_each(|row| row.append(&mut results));
        for rows in [answers, results] {
            if !rows.is_empty() {
                batch.stage(&self.session_id, rows).await.unwrap();
            }
        }
        let start_date = rows::start_date(&test, stamp).unwrap();
        StagedSession {
            session_id: self.session_id.clone(),
            start_date,
            inserted_at: now,
            generation: self.generation,
            earlier_dates: self.earlier_dates.clone(),
            is_first: self.is_first,
            quiz_made_on: None,
            fence: Fence::open(),
        }
    }
}

/// Writes the test sessions as one batch.
pub async fn write(warehouse: &dyn Warehouse, samples: &[Sample]) {
    let batch: Arc<dyn WarehouseBatch> = warehouse.begin().unwrap();
    let tests: Vec<StagedSession> = join_all(samples.iter().map(|sample| sample.stage(&*batch))).await;
    replace(&*batch, &tests).await;
}

async fn replace(batch: &dyn WarehouseBatch, tests: &[StagedSession]) {
    for (test, result) in tests.iter().zip(batch.replace(tests).await) {
        result.unwrap_or_else(|error| panic!("{}: {error}", test.session_id));
    }
}

fn sorted(rows: Vec<Map<String, Value>>) -> Vec<String> {
    let mut rows: Vec<String> = rows.into_iter().map(|row| Value::Object(row).to_string()).collect();
    rows.sort();
    rows
}
