//! The contents of the warehouse rows.

use bson::{Bson, Document, bson, doc};
use quiz_domain::TestSession;
use quiz_domain::reports::Stamp;
use quiz_domain::rows::{self, WarehouseTable};

use crate::common::{Row, attempt, build, build_rows, now, quiz, session};

/// A question with every field.
fn full_question(id: &str, kind: &str, key: impl Into<Bson>) -> Document {
    let mut question = crate::common::question(id, kind, key);
    question.insert("options", bson!([{"text": "red"}, {"text": "green"}, {"text": "blue"}]));
    question.insert(
        "metadata",
        doc! {"subject": "Physics", "chapter": "Optics", "chapter_id": "op", "topic": "Light",
        "difficulty": "hard", "priority": "high"},
    );
    question
}

fn one_set(questions: Vec<Document>) -> Vec<Document> {
    let marking = bson!({"correct": 4, "wrong": -1, "skipped": -0.5,
        "partial": [{"conditions": [{"num_correct_selected": 1}], "marks": 1.5}]});
    vec![doc! {"_id": "s1", "title": "Physics - A", "marking_scheme": marking, "questions": questions}]
}

fn make_rows(quiz: &Document, sessions: &[Document], table: WarehouseTable) -> Vec<Row> {
    build_rows(quiz, &[], sessions, session()).1.remove(&table).unwrap()
}

#[test]
fn question_row() {
    let quiz = quiz(one_set(vec![full_question("q1", "multi-choice", bson!([0, 2]))]));
    let mut attempt_document = attempt("u", &[("q1", bson!([2]))]);
    let record = doc! {"question_id": "q1", "answer": [2], "visited": true, "time_spent": 31, "marked_for_review": true};
    attempt_document.insert("session_answers", vec![record]);
    insta::assert_json_snapshot!(make_rows(&quiz, &[attempt_document], WarehouseTable::QuestionResponses));
}

#[test]
fn each_outcome_has_its_marks() {
    let mut ungraded = full_question("u", "single-choice", bson!([0]));
    ungraded.insert("graded", false);
    let mut forced = full_question("f", "single-choice", bson!([0]));
    forced.insert("force_correct", true);
    let single = |id| full_question(id, "single-choice", bson!([0]));
    let quiz =
        quiz(one_set(vec![single("c"), single("w"), single("s"), single("missing"), ungraded, forced]));
    let answers =
        [("c", bson!([0])), ("w", bson!([1])), ("s", Bson::Null), ("u", bson!([1])), ("f", Bson::Null)];
    let rows = make_rows(&quiz, &[attempt("u", &answers)], WarehouseTable::QuestionResponses);
    let summaries: Vec<String> = rows
        .iter()
        .map(|row| {
            let [id, outcome, correct, marks, max, answered] =
                ["question_id", "outcome", "is_correct", "marks_scored", "max_marks", "is_answered"]
                    .map(|column| row[column].to_string().replace('"', ""));
            format!("{id}: {outcome} {correct}, {marks} of {max}, answered {answered}")
        })
        .collect();
    assert_eq!(
        summaries,
        [
            "c: correct 1, 4.0 of 4.0, answered true",
            "w: wrong 0, -1.0 of 4.0, answered true",
            "s: skipped 0, -0.5 of 4.0, answered false",
            "missing: skipped 0, -0.5 of 4.0, answered false",
            "u: ungraded null, null of null, answered true",
            "f: correct 1, 4.0 of 4.0, answered true",
        ]
    );
}

#[test]
fn skipped_question_of_limited_set_has_no_marks() {
    let mut sets = one_set(vec![
        full_question("a", "single-choice", bson!([0])),
        full_question("b", "single-choice", bson!([0])),
    ]);
    sets[0].insert("max_questions_allowed_to_attempt", 1);
    let rows = make_rows(
        &quiz(sets),
        &[attempt("u", &[("a", bson!([0])), ("b", Bson::Null)])],
        WarehouseTable::QuestionResponses,
    );
    assert_eq!((&rows[1]["outcome"], &rows[1]["marks_scored"]), (&"skipped".into(), &0.0.into()));
}

#[test]
fn overall_row_extends_its_report() {
    let mut quiz = quiz(one_set(vec![full_question("q1", "single-choice", bson!([0]))]));
    quiz.insert(
        "metadata",
        doc! {"quiz_type": "assessment", "test_format": "chapter_test", "source_id": "cms-1"},
    );
    let mut attempt_document = attempt("u#1", &[("q1", bson!([0]))]);
    attempt_document.insert("total_time_spent", 61.5);
    let others = [attempt("v", &[("q1", bson!([1]))]), attempt("w", &[("q1", Bson::Null)])];
    let described = TestSession {
        group: Some("G".into()),
        batch: Some("B".into()),
        stream: Some("S".into()),
        course: Some("C".into()),
        grade: Some("11".into()),
        start: "2024-04-30T04:30:00Z".parse().ok(),
        end: "2024-04-30T18:40:00Z".parse().ok(),
        ..session()
    };
    let sessions = [vec![attempt_document], others.to_vec()].concat();
    let (_, mut rows) = build_rows(&quiz, &[], &sessions, described);
    let rows = rows.remove(&WarehouseTable::TestResponses).unwrap();
    assert_eq!(rows.len(), 6, "a user id that cannot be part of a key has rows too");
    insta::assert_json_snapshot!(rows[0]);
    let nulls: Vec<_> = rows[0].iter().filter(|(_, value)| value.is_null()).collect();
    assert!(nulls.is_empty(), "{nulls:?}");
    let third = 100.0 * 2.0 / 3.0;
    let skipped = rows.iter().find(|row| row["user_id"] == "w").unwrap();
    assert!((skipped["percentile"].as_f64().unwrap() - third).abs() < 1e-12, "unrounded");
    assert!(skipped["accuracy"].is_null(), "accuracy needs an answer");
}

#[test]
fn open_attempt_has_no_rank() {
    let quiz = quiz(one_set(vec![full_question("q1", "single-choice", bson!([0]))]));
    let mut open = attempt("u", &[("q1", bson!([0]))]);
    open.insert("has_quiz_ended", false);
    let rows = make_rows(&quiz, &[open], WarehouseTable::TestResponses);
    assert!(rows.iter().all(|row| row["rank"].is_null() && row["percentile"].is_null()));
    assert!(rows.iter().all(|row| row["number_test_taker"] == 0 && row["highest_test_score"].is_null()));
}

#[test]
fn form_row() {
    let mut form = quiz(one_set(vec![full_question("q1", "multi-choice", Bson::Null)]));
    form.insert("metadata", doc! {"quiz_type": "form", "source_id": "cms-1"});
    let described = TestSession { batch: Some("B".into()), ..session() };
    let (_, rows) = build_rows(&form, &[], &[attempt("u", &[("q1", bson!([0, 2]))])], described);
    insta::assert_json_snapshot!(rows[&WarehouseTable::FormResponses]);
    assert!(
        rows[&WarehouseTable::QuestionResponses].is_empty()
            && rows[&WarehouseTable::TestResponses].is_empty()
    );
}

#[test]
fn date_beyond_bigquery_is_refused() {
    let quiz = quiz(one_set(vec![full_question("q1", "single-choice", bson!([0]))]));
    let stamp = Stamp { written_at: now(), generation: 1 };
    let mut early = attempt("u", &[]);
    early.insert("events", bson!([{"event_type": "start-quiz", "created_at": "-000044-03-15T12:00:00Z"}]));
    let error = rows::start_date(&build(&quiz, &[early]), stamp).unwrap_err();
    assert_eq!(
        error.to_string(),
        "session Group_quiz: the start date -000044-03-15 is not between the years 1 and 9999"
    );
    let fine = rows::start_date(&build(&quiz, &[attempt("u", &[])]), stamp).unwrap();
    assert_eq!(fine.to_string(), "2024-04-30");
}
