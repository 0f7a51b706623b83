//! Each rule of scoring and the resulting marks, as in the Quiz Engine's backend.

use bson::{Bson, bson, doc};
use quiz_domain::{Outcome, ProblemKind, Quiz, Value, judge};

use crate::common::{attempt, build, question, quiz, score};

fn judge_answer(kind: &str, key: impl Into<Bson>, answer: impl Into<Bson>) -> Outcome {
    judge_answer_with(&doc! {}, kind, key, answer)
}

fn judge_answer_with(
    scheme: &bson::Document,
    kind: &str,
    key: impl Into<Bson>,
    answer: impl Into<Bson>,
) -> Outcome {
    let mut question = question("q", kind, key);
    question.extend(scheme.get_document("question").cloned().unwrap_or_default());
    let mut set = doc! {"_id": "s", "title": "Set", "questions": [question]};
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
fn force_correct_overrides_everything() {
    for answer in [Bson::Null, bson!([1]), bson!(5), bson!("?"), bson!([])] {
        let forced = doc! {"question": {"force_correct": true, "graded": false}};
        assert_eq!(judge_answer_with(&forced, "single-choice", bson!([0]), answer), Outcome::Correct);
    }
}

#[test]
fn ungraded_question_does_not_count() {
    let ungraded = doc! {"question": {"graded": false}};
    assert_eq!(judge_answer_with(&ungraded, "single-choice", bson!([0]), bson!([0])), Outcome::Ungraded);
}

#[test]
fn no_answer_is_skipped() {
    for kind in ["single-choice", "multi-choice", "numerical-float", "subjective", "matrix-rating"] {
        assert_eq!(judge_answer(kind, bson!([0]), Bson::Null), Outcome::Skipped, "{kind}");
    }
}

#[test]
fn bare_number_for_choices_is_wrong() {
    for kind in ["single-choice", "multi-choice", "matrix-match"] {
        for answer in [bson!(0), bson!(0.0), bson!(0_i64), bson!(true)] {
            assert_eq!(judge_answer(kind, bson!([0]), answer), Outcome::Wrong, "{kind}");
        }
    }
}

#[test]
fn single_choice_is_correct_with_equal_lists() {
    assert_eq!(judge_answer("single-choice", bson!([2]), bson!([2.0])), Outcome::Correct);
    assert_eq!(judge_answer("single-choice", bson!([2]), bson!([1])), Outcome::Wrong);
    assert_eq!(judge_answer("single-choice", bson!([2]), bson!([2, 2])), Outcome::Wrong);
    assert_eq!(judge_answer("single-choice", bson!([2]), bson!("2")), Outcome::Wrong);
}

#[test]
fn empty_choice_is_wrong() {
    for kind in ["single-choice", "multi-choice", "matrix-match"] {
        assert_eq!(judge_answer(kind, bson!([0]), bson!([])), Outcome::Wrong, "{kind}");
    }
}

#[test]
fn partially_correct_needs_partial_rules() {
    let rules = || doc! {"partial": [{"conditions": [{"num_correct_selected": 1}], "marks": 1}]};
    for (kind, key, part, beyond) in [
        ("multi-choice", bson!([0, 2]), bson!([2]), bson!([1, 2])),
        ("matrix-match", bson!(["AP", "BQ"]), bson!(["BQ"]), bson!(["BQ", "CR"])),
    ] {
        assert_eq!(judge_answer(kind, key.clone(), part.clone()), Outcome::Wrong);
        assert_eq!(judge_answer_with(&rules(), kind, key.clone(), part), Outcome::PartiallyCorrect);
        assert_eq!(judge_answer_with(&rules(), kind, key.clone(), beyond), Outcome::Wrong);
        assert_eq!(judge_answer_with(&rules(), kind, key.clone(), bson!([])), Outcome::Wrong);
        let mut reversed = key.as_array().unwrap().clone();
        reversed.reverse();
        assert_eq!(judge_answer_with(&rules(), kind, key, reversed), Outcome::Correct);
    }
    let empty = doc! {"partial": []};
    assert_eq!(
        judge_answer_with(&empty, "multi-choice", bson!([0, 2]), bson!([0])),
        Outcome::PartiallyCorrect
    );
}

#[test]
fn matrix_answers_are_correct_when_equal() {
    for kind in ["matrix-rating", "matrix-numerical"] {
        let key = bson!({"row 1": 3, "row 2": 4.0});
        assert_eq!(judge_answer(kind, key.clone(), bson!({"row 2": 4, "row 1": 3.0})), Outcome::Correct);
        assert_eq!(judge_answer(kind, key.clone(), bson!({"row 1": 3})), Outcome::Wrong);
    }
}

#[test]
fn any_free_text_is_correct() {
    assert_eq!(judge_answer("subjective", Bson::Null, bson!("because")), Outcome::Correct);
    assert_eq!(judge_answer("subjective", Bson::Null, bson!(" \n")), Outcome::Wrong);
    assert_eq!(judge_answer("matrix-subjective", Bson::Null, bson!({"a": " ", "b": "x"})), Outcome::Correct);
    assert_eq!(judge_answer("matrix-subjective", Bson::Null, bson!({"a": " ", "b": 7})), Outcome::Wrong);
    assert_eq!(judge_answer("matrix-subjective", Bson::Null, bson!(["x"])), Outcome::Wrong);
}

#[test]
fn numbers_compare_across_types_within_tolerance() {
    assert_eq!(judge_answer("numerical-integer", bson!(7), bson!(7.0)), Outcome::Correct);
    assert_eq!(judge_answer("numerical-integer", bson!(7.0), bson!(8)), Outcome::Wrong);
    assert_eq!(judge_answer("numerical-float", bson!(1.25), bson!(1.29)), Outcome::Correct);
    assert_eq!(judge_answer("numerical-float", bson!(1), bson!(1.05)), Outcome::Wrong);
    assert_eq!(judge_answer("numerical-float", bson!(1.25), bson!(f64::NAN)), Outcome::Wrong);
}

#[test]
fn number_question_without_number_is_wrong() {
    for kind in ["numerical-integer", "numerical-float"] {
        for answer in [bson!("7"), bson!([7]), bson!({"a": 7})] {
            assert_eq!(judge_answer(kind, bson!(7), answer), Outcome::Wrong, "{kind}");
        }
    }
}

#[test]
fn bare_number_for_other_types_is_skipped() {
    for kind in ["subjective", "matrix-rating", "matrix-numerical", "matrix-subjective", "essay"] {
        assert_eq!(judge_answer(kind, bson!(3), bson!(3)), Outcome::Skipped, "{kind}");
    }
    assert_eq!(judge_answer("essay", bson!("x"), bson!("x")), Outcome::Wrong);
}

#[test]
fn first_matching_rule_gives_partial_marks() {
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
fn limited_set_counts_skips_by_its_limit() {
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
fn marking_falls_back_from_set_to_quiz_type() {
    let marks = |quiz_type: &str, set_scheme: Bson, question_scheme: Bson| {
        let mut question = question("q", "numerical-integer", bson!(1));
        question.insert("marking_scheme", question_scheme);
        let set = doc! {"_id": "s", "questions": [question], "marking_scheme": set_scheme};
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
fn example_of_the_backend_scores_the_same() {
    // from quiz-backend, app/tests: three graded questions and one ungraded, four answers
    let json = include_str!("fixtures/scoring_small_assessment.json");
    let document = crate::common::with_ids(json);
    let answers = [bson!([0, 2]), bson!([0, 1]), bson!(5), bson!("hello")];
    let records: Vec<Bson> = answers.iter().map(|answer| bson!({"answer": answer.clone()})).collect();
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
fn missing_key_and_odd_answer_are_problems() {
    let set = doc! {"_id": "s", "title": "Set", "questions": [
        question("keyless", "numerical-integer", Bson::Null), question("q", "single-choice", bson!([1])),
    ]};
    let answers = [("keyless", bson!(4)), ("q", bson!({"not": "a choice"}))];
    let test = build(&quiz(vec![set]), &[attempt("u", &answers), attempt("v", &answers)]);
    assert_eq!(test.problems.count(ProblemKind::QuestionWithoutKey), 1);
    assert_eq!(test.problems.count(ProblemKind::AnswerOfWrongShape), 2);
    let example =
        test.problems.iter().find(|problem| problem.kind == ProblemKind::AnswerOfWrongShape).unwrap().example;
    assert_eq!(example, "session document of-u, question q: an object for single-choice");
}

#[test]
fn random_documents_score_as_in_the_backend() {
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
