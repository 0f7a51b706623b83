//! What the warehouse's rows say.

use bson::{Bson, Document, bson, doc};
use quiz_domain::TestSession;
use quiz_domain::reports::Stamp;
use quiz_domain::rows::{self, WarehouseTable};

use crate::common::{Row, attempt, build, build_rows, now, question, quiz, session};

/// A question that says all that a question can say.
fn told(id: &str, kind: &str, key: impl Into<Bson>) -> Document {
    let mut told = question(id, kind, key);
    told.insert("options", bson!([{"text": "red"}, {"text": "green"}, {"text": "blue"}]));
    told.insert(
        "metadata",
        doc! {"subject": "Physics", "chapter": "Optics", "chapter_id": "op", "topic": "Light",
        "difficulty": "hard", "priority": "high"},
    );
    told
}

fn one_set(questions: Vec<Document>) -> Vec<Document> {
    let marking = bson!({"correct": 4, "wrong": -1, "skipped": -0.5,
        "partial": [{"conditions": [{"num_correct_selected": 1}], "marks": 1.5}]});
    vec![doc! {"_id": "s1", "title": "Physics - A", "marking_scheme": marking, "questions": questions}]
}

fn rows_of(quiz: &Document, sessions: &[Document], table: WarehouseTable) -> Vec<Row> {
    build_rows(quiz, &[], sessions, session()).1.remove(&table).unwrap()
}

#[test]
fn a_question_s_row() {
    let quiz = quiz(one_set(vec![told("q1", "multi-choice", bson!([0, 2]))]));
    let mut of_user = attempt("u", &[("q1", bson!([2]))]);
    let record = doc! {"question_id": "q1", "answer": [2], "visited": true, "time_spent": 31, "marked_for_review": true};
    of_user.insert("session_answers", vec![record]);
    insta::assert_json_snapshot!(rows_of(&quiz, &[of_user], WarehouseTable::QuestionResponses));
}

#[test]
fn each_outcome_has_its_marks() {
    let mut ungraded = told("u", "single-choice", bson!([0]));
    ungraded.insert("graded", false);
    let mut forced = told("f", "single-choice", bson!([0]));
    forced.insert("force_correct", true);
    let single = |id| told(id, "single-choice", bson!([0]));
    let quiz =
        quiz(one_set(vec![single("c"), single("w"), single("s"), single("missing"), ungraded, forced]));
    let answers =
        [("c", bson!([0])), ("w", bson!([1])), ("s", Bson::Null), ("u", bson!([1])), ("f", Bson::Null)];
    let rows = rows_of(&quiz, &[attempt("u", &answers)], WarehouseTable::QuestionResponses);
    let told: Vec<String> = rows
        .iter()
        .map(|row| {
            let [id, outcome, correct, marks, max, answered] =
                ["question_id", "outcome", "is_correct", "marks_scored", "max_marks", "is_answered"]
                    .map(|column| row[column].to_string().replace('"', ""));
            format!("{id}: {outcome} {correct}, {marks} of {max}, answered {answered}")
        })
        .collect();
    assert_eq!(
        told,
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
fn a_question_left_out_of_a_set_with_an_optional_limit_costs_no_marks_of_its_own() {
    let mut sets =
        one_set(vec![told("a", "single-choice", bson!([0])), told("b", "single-choice", bson!([0]))]);
    sets[0].insert("max_questions_allowed_to_attempt", 1);
    let rows = rows_of(
        &quiz(sets),
        &[attempt("u", &[("a", bson!([0])), ("b", Bson::Null)])],
        WarehouseTable::QuestionResponses,
    );
    assert_eq!((&rows[1]["outcome"], &rows[1]["marks_scored"]), (&"skipped".into(), &0.0.into()));
}

#[test]
fn a_test_s_row_is_its_report_with_more() {
    let mut quiz = quiz(one_set(vec![told("q1", "single-choice", bson!([0]))]));
    quiz.insert(
        "metadata",
        doc! {"quiz_type": "assessment", "test_format": "chapter_test", "source_id": "cms-1"},
    );
    let mut of_user = attempt("u#1", &[("q1", bson!([0]))]);
    of_user.insert("total_time_spent", 61.5);
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
    let sessions = [vec![of_user], others.to_vec()].concat();
    let (_, mut rows) = build_rows(&quiz, &[], &sessions, described);
    let rows = rows.remove(&WarehouseTable::TestResponses).unwrap();
    assert_eq!(rows.len(), 6, "a user id that cannot be keyed has rows all the same");
    insta::assert_json_snapshot!(rows[0]);
    let nulls: Vec<_> = rows[0].iter().filter(|(_, value)| value.is_null()).collect();
    assert!(nulls.is_empty(), "{nulls:?}");
    let third = 100.0 * 2.0 / 3.0;
    let of_skipper = rows.iter().find(|row| row["user_id"] == "w").unwrap();
    assert!((of_skipper["percentile"].as_f64().unwrap() - third).abs() < 1e-12, "unrounded");
    assert!(of_skipper["accuracy"].is_null(), "without an answer there is none");
}

#[test]
fn an_attempt_that_is_not_final_has_no_rank() {
    let quiz = quiz(one_set(vec![told("q1", "single-choice", bson!([0]))]));
    let mut open = attempt("u", &[("q1", bson!([0]))]);
    open.insert("has_quiz_ended", false);
    let rows = rows_of(&quiz, &[open], WarehouseTable::TestResponses);
    assert!(rows.iter().all(|row| row["rank"].is_null() && row["percentile"].is_null()));
    assert!(rows.iter().all(|row| row["number_test_taker"] == 0 && row["highest_test_score"].is_null()));
}

#[test]
fn a_form_s_row() {
    let mut form = quiz(one_set(vec![told("q1", "multi-choice", Bson::Null)]));
    form.insert("metadata", doc! {"quiz_type": "form"});
    let (_, rows) = build_rows(&form, &[], &[attempt("u", &[("q1", bson!([0, 2]))])], session());
    insta::assert_json_snapshot!(rows[&WarehouseTable::FormResponses]);
    assert!(
        rows[&WarehouseTable::QuestionResponses].is_empty()
            && rows[&WarehouseTable::TestResponses].is_empty()
    );
}

#[test]
fn a_date_that_bigquery_has_not_is_refused_with_the_session() {
    let quiz = quiz(one_set(vec![told("q1", "single-choice", bson!([0]))]));
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
