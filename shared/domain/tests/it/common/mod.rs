//! Small documents in the shapes of the Quiz Engine, and the path from documents to results.
#![allow(
    dead_code,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic, and not every test uses every helper"
)]

use bson::{Bson, Document, bson, doc};
use jiff::Timestamp;
use quiz_domain::reports::Stamp;
use quiz_domain::rows::{self, ColumnData, QuestionRows, RowBatch, WarehouseTable};
use quiz_domain::{
    AttemptHead, AttemptResults, AttemptSelection, JudgedAttempt, Quiz, QuizKind, Score, SessionResult,
    SessionScorer, TakenDocument, TestSession,
};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

pub fn question(id: &str, kind: &str, key: impl Into<Bson>) -> Document {
    doc! {"_id": id, "type": kind, "correct_answer": key.into(), "graded": true, "force_correct": false, "text": "?"}
}

pub fn quiz(sets: Vec<Document>) -> Document {
    doc! {"_id": "quiz", "title": "A quiz", "question_sets": sets, "metadata": {"quiz_type": "assessment"}}
}

/// An ended attempt with these answers by question id.
pub fn attempt(user: &str, answers: &[(&str, Bson)]) -> Document {
    let record = |(id, answer): &(&str, Bson)| bson!({"question_id": *id, "answer": answer.clone()});
    doc! {
        "_id": format!("of-{user}"), "user_id": user, "quiz_id": "quiz", "has_quiz_ended": true,
        "events": [{"event_type": "start-quiz", "created_at": "2024-04-30T04:30:00"}],
        "session_answers": answers.iter().map(record).collect::<Vec<_>>(),
    }
}

pub fn session() -> TestSession {
    TestSession { session_id: "Group_quiz".into(), quiz_id: "quiz".into(), ..TestSession::default() }
}

pub fn now() -> Timestamp {
    "2024-05-01T00:00:00Z".parse().unwrap()
}

/// Makes the result from documents, as the pipeline does.
pub fn build(quiz: &Document, sessions: &[Document]) -> SessionResult {
    build_with(quiz, &[], sessions, session(), now())
}

pub fn build_with(
    quiz: &Document,
    questions: &[Document],
    sessions: &[Document],
    session: TestSession,
    now: Timestamp,
) -> SessionResult {
    build_showing(quiz, questions, sessions, session, now, &mut |_, _| {})
}

/// Does the same, and shows each scored attempt.
pub fn build_showing(
    quiz: &Document,
    questions: &[Document],
    sessions: &[Document],
    session: TestSession,
    now: Timestamp,
    show: &mut dyn FnMut(&Quiz, &JudgedAttempt),
) -> SessionResult {
    let (quiz, problems) = Quiz::read(quiz, questions).unwrap();
    let mut builder = SessionScorer::new(quiz, session, now, problems);
    let mut selection = AttemptSelection::new(HashSet::from(["test_admin".to_owned()]));
    for document in sessions {
        if let Some(head) = AttemptHead::read(document, builder.problems()) {
            selection.add(head);
        }
    }
    selection.merge_states(builder.problems());
    loop {
        let keys: Vec<Bson> = selection.take_best().iter().map(AttemptHead::stored_id).collect();
        if keys.is_empty() {
            return builder.finish().unwrap();
        }
        let chosen =
            sessions.iter().filter(|document| document.get("_id").is_some_and(|id| keys.contains(id)));
        let none: HashSet<String> = chosen
            .filter_map(|document| match builder.take(document) {
                TakenDocument::NoAttempt { user_id } => Some(user_id),
                TakenDocument::Attempt(taken) => {
                    show(builder.quiz(), &taken);
                    None
                }
                TakenDocument::Scored | TakenDocument::Unreadable => None,
            })
            .collect();
        selection.keep(&none);
    }
}

/// An attempt's result in one section, or in the whole test.
pub fn score(test: &SessionResult, section: Option<usize>, attempt: usize) -> Score {
    let AttemptResults::Scored { attempts, .. } = &test.results else { panic!("not scored") };
    attempts[attempt].score(&test.quiz, section).unwrap()
}

pub type Row = Map<String, Value>;

/// Makes the result and its rows in each warehouse table.
pub fn build_rows(
    quiz: &Document,
    questions: &[Document],
    sessions: &[Document],
    session: TestSession,
) -> (SessionResult, HashMap<WarehouseTable, Vec<Row>>) {
    let mut batches: HashMap<_, _> =
        WarehouseTable::ALL.into_iter().map(|table| (table, RowBatch::new(table))).collect();
    let described = session.clone();
    let test = build_showing(quiz, questions, sessions, session, now(), &mut |quiz, taken| {
        if quiz.kind == QuizKind::Form {
            let rows = batches.get_mut(&WarehouseTable::FormResponses).unwrap();
            rows::append_form(quiz, &described, &taken.attempt, rows);
        } else {
            let rows = batches.get_mut(&WarehouseTable::QuestionResponses).unwrap();
            QuestionRows::new(quiz, &described.session_id).append(quiz, taken, rows);
        }
    });
    let section_rows = batches.get_mut(&WarehouseTable::TestResponses).unwrap();
    rows::section_rows(&test, Stamp { written_at: now(), generation: 7 })
        .for_each(|row| row.append(section_rows));
    (test, batches.into_iter().map(|(table, rows)| (table, read(&rows))).collect())
}

fn read(batch: &RowBatch) -> Vec<Row> {
    let mut rows = vec![Row::new(); batch.len()];
    for (column, data) in batch.columns() {
        let values: Vec<Value> = match data {
            ColumnData::Text(texts) => texts.iter().map(|text| json!(text)).collect(),
            ColumnData::Int(values) => values.iter().map(|value| json!(value)).collect(),
            ColumnData::Float(values) => values.iter().map(|value| json!(value)).collect(),
            ColumnData::Bool(values) => values.iter().map(|value| json!(value)).collect(),
            ColumnData::Date(days) => days.iter().map(|day| json!(day)).collect(),
        };
        assert_eq!(values.len(), rows.len(), "{}", column.name);
        for (row, value) in rows.iter_mut().zip(values) {
            assert!(!column.required || !value.is_null(), "{} is required", column.name);
            row.insert(column.name.to_owned(), value);
        }
    }
    rows
}

/// A quiz as it is posted to the API, with ids like those of the engine.
pub fn with_ids(json: &str) -> Document {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    let mut quiz = bson::serialize_to_document(&value).unwrap();
    quiz.insert("_id", "quiz");
    for (at, set) in quiz.get_array_mut("question_sets").unwrap().iter_mut().enumerate() {
        let set = set.as_document_mut().unwrap();
        set.insert("_id", format!("set{at}"));
        for (number, question) in set.get_array_mut("questions").unwrap().iter_mut().enumerate() {
            let question = question.as_document_mut().unwrap();
            question.insert("_id", format!("q{at}-{number:02}"));
            // the API turns a posted "5" into a number, so no key is stored as a bare text
            if let Some(key) = question.get_str("correct_answer").ok().and_then(|key| key.parse::<f64>().ok())
            {
                question.insert("correct_answer", key);
            }
        }
    }
    quiz
}
