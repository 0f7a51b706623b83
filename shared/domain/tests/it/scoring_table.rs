//! Every row of the scoring table, and the marks that follow, as the Quiz Engine's backend has them.

use bson::{Bson, bson, doc};
use quiz_domain::{Outcome, ProblemKind, Quiz, Value, judge};

use crate::common::{attempt, build, question, quiz, score};

fn outcome_of(kind: &str, key: impl Into<Bson>, answer: impl Into<Bson>) -> Outcome {
    outcome_with(&doc! {}, kind, key, answer)
}

fn outcome_with(
    scheme: &bson::Document,
    kind: &str,
    key: impl Into<Bson>,
    answer: impl Into<Bson>,
) -> Outcome {
    let mut asked = question("q", kind, key);
    asked.extend(scheme.get_document("question").cloned().unwrap_or_default());
    let mut set = doc! {"_id": "s", "title": "Set", "questions": [asked]};
    if let Ok(partial) = scheme.get_array("partial") {
        set.insert(
            "marking_scheme",
            doc! {"correct": 4, "wrong": -1, "skipped": 0, "partial": partial.clone()},
        );
    }
    let (quiz, _) = Quiz::read(&quiz(vec![set]), &[]).unwrap();
    let answer = Value::read(Some(&answer.into()));
    judge(&quiz.questions[0], &quiz.sets[0].marking, &answer).outcome
}

#[test]
fn force_correct_comes_before_everything() {
    for answer in [Bson::Null, bson!([1]), bson!(5), bson!("?"), bson!([])] {
        let forced = doc! {"question": {"force_correct": true, "graded": false}};
        assert_eq!(outcome_with(&forced, "single-choice", bson!([0]), answer), Outcome::Correct);
    }
}

#[test]
fn an_ungraded_question_is_in_no_count() {
    let ungraded = doc! {"question": {"graded": false}};
    assert_eq!(outcome_with(&ungraded, "single-choice", bson!([0]), bson!([0])), Outcome::Ungraded);
}

#[test]
fn no_answer_is_skipped() {
    for kind in ["single-choice", "multi-choice", "numerical-float", "subjective", "matrix-rating"] {
        assert_eq!(outcome_of(kind, bson!([0]), Bson::Null), Outcome::Skipped, "{kind}");
    }
}

#[test]
fn a_bare_number_for_choices_and_pairs_is_wrong() {
    for kind in ["single-choice", "multi-choice", "matrix-match"] {
        for answer in [bson!(0), bson!(0.0), bson!(0_i64), bson!(true)] {
            assert_eq!(outcome_of(kind, bson!([0]), answer), Outcome::Wrong, "{kind}");
        }
    }
}

#[test]
fn a_single_choice_is_correct_when_the_lists_are_equal() {
    assert_eq!(outcome_of("single-choice", bson!([2]), bson!([2.0])), Outcome::Correct);
    assert_eq!(outcome_of("single-choice", bson!([2]), bson!([1])), Outcome::Wrong);
    assert_eq!(outcome_of("single-choice", bson!([2]), bson!([2, 2])), Outcome::Wrong);
    assert_eq!(outcome_of("single-choice", bson!([2]), bson!("2")), Outcome::Wrong);
}

#[test]
fn choices_without_any_choice_are_wrong() {
    for kind in ["single-choice", "multi-choice", "matrix-match"] {
        assert_eq!(outcome_of(kind, bson!([0]), bson!([])), Outcome::Wrong, "{kind}");
    }
}

#[test]
fn many_choices_are_partly_correct_only_under_partial_rules() {
    let rules = || doc! {"partial": [{"conditions": [{"num_correct_selected": 1}], "marks": 1}]};
    for (kind, key, part, beyond) in [
        ("multi-choice", bson!([0, 2]), bson!([2]), bson!([1, 2])),
        ("matrix-match", bson!(["AP", "BQ"]), bson!(["BQ"]), bson!(["BQ", "CR"])),
    ] {
        assert_eq!(outcome_of(kind, key.clone(), part.clone()), Outcome::Wrong);
        assert_eq!(outcome_with(&rules(), kind, key.clone(), part), Outcome::PartiallyCorrect);
        assert_eq!(outcome_with(&rules(), kind, key.clone(), beyond), Outcome::Wrong);
        assert_eq!(outcome_with(&rules(), kind, key.clone(), bson!([])), Outcome::Wrong);
        let mut reversed = key.as_array().unwrap().clone();
        reversed.reverse();
        assert_eq!(outcome_with(&rules(), kind, key, reversed), Outcome::Correct);
    }
    let empty = doc! {"partial": []};
    assert_eq!(outcome_with(&empty, "multi-choice", bson!([0, 2]), bson!([0])), Outcome::PartiallyCorrect);
}

#[test]
fn matrix_ratings_and_numbers_are_correct_when_equal() {
    for kind in ["matrix-rating", "matrix-numerical"] {
        let key = bson!({"row 1": 3, "row 2": 4.0});
        assert_eq!(outcome_of(kind, key.clone(), bson!({"row 2": 4, "row 1": 3.0})), Outcome::Correct);
        assert_eq!(outcome_of(kind, key.clone(), bson!({"row 1": 3})), Outcome::Wrong);
    }
}

#[test]
fn free_text_is_correct_when_there_is_any() {
    assert_eq!(outcome_of("subjective", Bson::Null, bson!("because")), Outcome::Correct);
    assert_eq!(outcome_of("subjective", Bson::Null, bson!(" \n")), Outcome::Wrong);
    assert_eq!(outcome_of("matrix-subjective", Bson::Null, bson!({"a": " ", "b": "x"})), Outcome::Correct);
    assert_eq!(outcome_of("matrix-subjective", Bson::Null, bson!({"a": " ", "b": 7})), Outcome::Wrong);
    assert_eq!(outcome_of("matrix-subjective", Bson::Null, bson!(["x"])), Outcome::Wrong);
}

#[test]
fn numbers_compare_across_types_and_floats_within_the_tolerance() {
    assert_eq!(outcome_of("numerical-integer", bson!(7), bson!(7.0)), Outcome::Correct);
    assert_eq!(outcome_of("numerical-integer", bson!(7.0), bson!(8)), Outcome::Wrong);
    assert_eq!(outcome_of("numerical-float", bson!(1.25), bson!(1.29)), Outcome::Correct);
    assert_eq!(outcome_of("numerical-float", bson!(1), bson!(1.05)), Outcome::Wrong);
    assert_eq!(outcome_of("numerical-float", bson!(1.25), bson!(f64::NAN)), Outcome::Wrong);
}

#[test]
fn a_number_question_answered_otherwise_is_wrong() {
    for kind in ["numerical-integer", "numerical-float"] {
        for answer in [bson!("7"), bson!([7]), bson!({"a": 7})] {
            assert_eq!(outcome_of(kind, bson!(7), answer), Outcome::Wrong, "{kind}");
        }
    }
}

#[test]
fn any_other_type_answered_with_a_bare_number_is_skipped() {
    for kind in ["subjective", "matrix-rating", "matrix-numerical", "matrix-subjective", "essay"] {
        assert_eq!(outcome_of(kind, bson!(3), bson!(3)), Outcome::Skipped, "{kind}");
    }
    assert_eq!(outcome_of("essay", bson!("x"), bson!("x")), Outcome::Wrong);
}

#[test]
fn partial_marks_are_of_the_first_rule_that_fits_the_number_selected() {
    let set = doc! {
        "_id": "s", "title": "Set", "questions": [question("q", "multi-choice", bson!([0, 1, 2, 3]))],
        "marking_scheme": {"correct": 4, "wrong": -2, "skipped": 0, "partial": [
            {"conditions": [{"num_correct_selected": 1}, {"num_correct_selected": 2}], "marks": 1.5},
            {"conditions": [{"num_correct_selected": 2}], "marks": 9},
        ]},
    };
    let marks = |answer: Bson| {
        let test = build(&quiz(vec![set.clone()]), &[attempt("u", &[("q", answer)])]);
        test.figures().highest.unwrap().to_bits()
    };
    for (answer, expected) in [
        (bson!([3]), 1.5),
        (bson!([1, 3]), 1.5),
        (bson!([1, 2, 3]), 0.0),
        (bson!([0, 1, 2, 3]), 4.0),
        (bson!([0, 7]), -2.0),
        (Bson::Null, 0.0),
    ] {
        assert_eq!(marks(answer.clone()), f64::to_bits(expected), "{answer:?}");
    }
}

#[test]
fn a_set_with_an_optional_limit_counts_skips_and_maximum_by_the_limit() {
    let questions: Vec<Bson> =
        (0..10).map(|at| Bson::from(question(&format!("q{at}"), "numerical-integer", bson!(at)))).collect();
    let set = doc! {
        "_id": "s", "title": "Physics - Section B", "questions": questions,
        "max_questions_allowed_to_attempt": 5,
        "marking_scheme": {"correct": 4, "wrong": -1, "skipped": -0.5},
    };
    let answers: Vec<(&str, Bson)> = vec![("q0", bson!(0)), ("q3", bson!(3)), ("q9", bson!(8))];
    let test = build(&quiz(vec![set]), &[attempt("u", &answers)]);
    let score = score(&test, None, 0);
    assert_eq!((score.correct, score.wrong, score.skipped, score.allowed), (2, 1, 2, 5));
    assert_eq!(score.total_questions, 10);
    assert!((score.marks - (8.0 - 1.0 - 1.0)).abs() < 1e-9 && (score.max_marks - 20.0).abs() < 1e-9);
    assert_eq!(score.attempt_percentage(), Some(60.0));
    assert_eq!(score.accuracy(), Some(66.67));
    assert_eq!(test.quiz.sections, ["Physics"]);
}

#[test]
fn schemes_come_from_the_set_then_its_first_question_then_the_quiz_type() {
    let marks = |quiz_type: &str, of_set: Bson, of_question: Bson| {
        let mut asked = question("q", "numerical-integer", bson!(1));
        asked.insert("marking_scheme", of_question);
        let set = doc! {"_id": "s", "questions": [asked], "marking_scheme": of_set};
        let mut document = quiz(vec![set]);
        document.insert("metadata", doc! {"quiz_type": quiz_type});
        let (quiz, _) = Quiz::read(&document, &[]).unwrap();
        let marking = &quiz.sets[0].marking;
        [marking.correct, marking.wrong, marking.skipped].map(|marks| marks.to_string())
    };
    let scheme = |correct: i32| bson!({"correct": correct, "wrong": -2, "skipped": 0.0});
    assert_eq!(marks("homework", scheme(3), scheme(5)), ["3", "-2", "0"]);
    assert_eq!(marks("homework", Bson::Null, scheme(5)), ["5", "-2", "0"]);
    assert_eq!(marks("assessment", Bson::Null, Bson::Null), ["4", "-1", "0"]);
    assert_eq!(marks("omr-assessment", Bson::Null, Bson::Null), ["4", "-1", "0"]);
    assert_eq!(marks("homework", Bson::Null, Bson::Null), ["1", "0", "0"]);
}

#[test]
fn the_backend_s_own_example_comes_out_the_same() {
    // quiz-backend, app/tests: three graded questions and one ungraded, four answers
    let json = include_str!("fixtures/scoring_small_assessment.json");
    let document = crate::common::with_ids(json);
    let answers = [bson!([0, 2]), bson!([0, 1]), bson!(5), bson!("hello")];
    let records: Vec<Bson> = answers.iter().map(|it| bson!({"answer": it.clone()})).collect();
    let session = doc! {
        "_id": "a", "user_id": "u", "quiz_id": "quiz", "has_quiz_ended": true, "session_answers": records,
    };
    let test = build(&document, &[session]);
    let score = score(&test, None, 0);
    assert_eq!((score.answered, score.skipped), (3, 0));
    assert_eq!((score.correct, score.wrong, score.partially_correct), (1, 1, 1));
    assert!((score.marks - 5.0).abs() < 1e-9);
    assert_eq!(score.accuracy(), Some(50.0));
    assert_eq!(score.attempt_percentage(), Some(100.0));
}

#[test]
fn a_question_without_key_and_an_answer_of_the_wrong_shape_are_counted_problems() {
    let set = doc! {"_id": "s", "title": "Set", "questions": [
        question("keyless", "numerical-integer", Bson::Null), question("q", "single-choice", bson!([1])),
    ]};
    let answers = [("keyless", bson!(4)), ("q", bson!({"not": "a choice"}))];
    let test = build(&quiz(vec![set]), &[attempt("u", &answers), attempt("v", &answers)]);
    assert_eq!(test.problems.count(ProblemKind::QuestionWithoutKey), 1);
    assert_eq!(test.problems.count(ProblemKind::AnswerOfWrongShape), 2);
    let example = test.problems.iter().find(|it| it.kind == ProblemKind::AnswerOfWrongShape).unwrap().example;
    assert_eq!(example, "session document of-u, question q: an object for single-choice");
}

#[test]
fn random_documents_score_as_the_backend_scores_them() {
    let mut cases = 0;
    for line in include_str!("fixtures/backend_cases.jsonl").lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let document = |field: &str| bson::serialize_to_document(&case[field]).unwrap();
        let test = build(&document("quiz"), &[document("session")]);
        let score = score(&test, None, 0);
        let counts = [score.answered, score.skipped, score.correct, score.wrong, score.partially_correct];
        let numbers: Vec<f64> = counts.into_iter().map(f64::from).chain([score.marks]).collect();
        let expected: Vec<f64> = serde_json::from_value(case["expect"].clone()).unwrap();
        assert_eq!(numbers, expected, "{line}");
        cases += 1;
    }
    assert_eq!(cases, 120);
}
