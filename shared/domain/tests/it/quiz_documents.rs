//! Quiz documents in the forms that the Quiz Engine has stored.

use bson::{Bson, bson, doc, oid::ObjectId};
use quiz_domain::{ProblemKind, Quiz, QuizError, QuizKind};

use crate::common::{attempt, build, build_with, now, question, quiz, score, session};

/// A quiz whose last questions are stubs, and the full questions of the `questions` collection.
fn stubbed() -> (bson::Document, Vec<bson::Document>) {
    let full: Vec<bson::Document> = (0..12)
        .map(|at| {
            let mut full = question(&format!("{at:024x}"), "single-choice", bson!([0]));
            full.insert("question_set_id", "set");
            full.insert("text", format!("Question {at}"));
            full.insert("options", bson!([{"text": "yes"}, {"text": "no"}]));
            let subject = if at < 7 { "Physics" } else { " Maths " };
            full.insert(
                "metadata",
                bson!({"subject": subject, "chapter": format!("Chapter {}", at / 6), "chapter_id": "c"}),
            );
            full
        })
        .collect();
    let stubs = full.iter().enumerate().map(|(at, full)| {
        let mut stub = full.clone();
        if at >= 10 {
            for field in ["text", "options", "metadata"] {
                stub.remove(field);
            }
        }
        Bson::from(stub)
    });
    let set = doc! {"_id": "set", "title": "All", "questions": stubs.collect::<Vec<_>>()};
    (quiz(vec![set]), full)
}

#[test]
fn stubs_take_missing_fields_from_questions_collection() {
    let (document, full) = stubbed();
    let (quiz, problems) = Quiz::read(&document, &full).unwrap();
    assert!(problems.is_empty());
    assert_eq!(quiz.sections, ["Physics", "Maths"]);
    let last = &quiz.questions[11];
    assert_eq!(last.text.as_deref(), Some("Question 11"));
    assert_eq!(last.options, ["yes", "no"]);
    let chapters: Vec<_> =
        quiz.chapters.iter().map(|chapter| (chapter.section, &*chapter.name, chapter.questions)).collect();
    assert_eq!(chapters, [(0, "Chapter 0", 6), (0, "Chapter 1", 1), (1, "Chapter 1", 5)]);
}

#[test]
fn stub_without_full_question_is_still_scored() {
    let (document, _) = stubbed();
    let answers = [("00000000000000000000000b", bson!([0]))];
    let test = build(&document, &[attempt("u", &answers)]);
    assert_eq!(test.problems.count(ProblemKind::QuestionTextMissing), 2);
    assert_eq!(test.quiz.sections, ["Physics", "Maths", "All"]);
    assert_eq!(score(&test, Some(2), 0).correct, 1);
}

#[test]
fn subject_falls_back_from_question_to_general() {
    let section = |subject: Bson, title: Bson, quiz_subject: Bson| {
        let mut question = question("q", "subjective", Bson::Null);
        question.insert("metadata", bson!({"subject": subject}));
        let mut document = quiz(vec![doc! {"_id": "s", "title": title, "questions": [question]}]);
        document.insert("metadata", bson!({"subject": quiz_subject}));
        Quiz::read(&document, &[]).unwrap().0.sections.remove(0)
    };
    assert_eq!(section(bson!(" Biology "), bson!("Chemistry - A"), bson!("Physics")), "Biology");
    assert_eq!(section(Bson::Null, bson!("Chemistry - Section A"), bson!("Physics")), "Chemistry");
    assert_eq!(section(Bson::Null, bson!("Section A"), bson!("Physics")), "Physics");
    assert_eq!(section(bson!(""), bson!("Section A"), Bson::Null), "Section A");
    assert_eq!(section(Bson::Null, Bson::Null, Bson::Null), "General");
    assert_eq!(section(bson!("overall"), Bson::Null, Bson::Null), "overall (subject)");
}

#[test]
fn limited_set_counts_in_its_most_frequent_subject() {
    let in_subject = |id: &str, subject: &str| {
        let mut question = question(id, "numerical-integer", bson!(1));
        question.insert("metadata", bson!({"subject": subject}));
        Bson::from(question)
    };
    let subjects = [("a", "Botany"), ("b", "Zoology"), ("c", "Zoology"), ("d", "Botany")];
    let mixed = || subjects.map(|(id, subject)| in_subject(id, subject)).to_vec();
    let limited = doc! {"_id": "s", "questions": mixed(), "max_questions_allowed_to_attempt": 2};
    let (limited, _) = Quiz::read(&quiz(vec![limited]), &[]).unwrap();
    assert_eq!(limited.sections, ["Botany"]);
    let (free, _) = Quiz::read(&quiz(vec![doc! {"_id": "s", "questions": mixed()}]), &[]).unwrap();
    assert_eq!(free.sections, ["Botany", "Zoology"]);
    let allowed: Vec<_> = free.parts.iter().map(|part| part.allowed).collect();
    assert_eq!(allowed, [2, 2]);
}

#[test]
fn object_ids_and_missing_fields_are_read() {
    let (quiz_id, question_id) = (ObjectId::new(), ObjectId::new());
    let document = doc! {
        "_id": quiz_id, "title": Bson::Null, "metadata": Bson::Null, "time_limit": Bson::Null,
        "question_sets": [{"_id": ObjectId::new(), "title": Bson::Null, "marking_scheme": Bson::Null, "questions": [
            {"_id": question_id, "type": "numerical-integer", "correct_answer": 5_i64, "metadata": Bson::Null},
        ]}],
    };
    let (quiz, _) = Quiz::read(&document, &[]).unwrap();
    assert_eq!(quiz.id, quiz_id.to_hex());
    assert_eq!(quiz.kind, QuizKind::Unnamed);
    assert!(quiz.questions[0].graded && !quiz.questions[0].force_correct);
    let session = doc! {
        "_id": ObjectId::new(), "user_id": "u", "quiz_id": quiz_id, "has_quiz_ended": true,
        "session_answers": [{"question_id": question_id, "answer": 5.0}],
    };
    let test = build(&document, &[session]);
    assert_eq!(test.figures().highest, Some(1.0));
    assert!(test.start.is_some(), "the id has a creation time");
}

#[test]
fn answers_match_by_id_then_position() {
    let with_key = |id: &str, key: i32| Bson::from(question(id, "numerical-integer", bson!(key)));
    let set = doc! {"_id": "s", "questions": [with_key("a", 1), with_key("b", 2), with_key("c", 3)]};
    let records = bson!([
        {"question_id": "b", "answer": 2}, {"question_id": "unknown", "answer": 9}, {"answer": 3},
        {"question_id": "b", "answer": 7}, "not a record",
    ]);
    let mut session = attempt("u", &[]);
    session.insert("session_answers", records);
    let test = build(&quiz(vec![set]), &[session]);
    let score = score(&test, None, 0);
    assert_eq!((score.correct, score.wrong, score.skipped), (2, 0, 1));
    assert_eq!(test.problems.count(ProblemKind::AnswerUnmatched), 3);
    assert_eq!(test.problems.count(ProblemKind::AnswersMissing), 1);
}

#[test]
fn error_names_the_unreadable_part_of_a_quiz() {
    let what = |document: bson::Document| match Quiz::read(&document, &[]) {
        Err(QuizError::Malformed { what, .. }) => what,
        Ok(_) => "accepted".to_owned(),
    };
    assert_eq!(what(doc! {"title": "no id"}), "it has no _id");
    assert_eq!(what(doc! {"_id": "q"}), "question_sets is not a list");
    assert_eq!(what(doc! {"_id": "q", "question_sets": [7]}), "question_sets[0] is not an object");
    assert_eq!(
        what(doc! {"_id": "q", "question_sets": [{"questions": [{}, "?"]}]}),
        "question_sets[0].questions[1] is not an object"
    );
}

#[test]
fn odd_limits_and_times_are_problems() {
    let document = doc! {
        "_id": "quiz", "metadata": {"quiz_type": "assessment", "session_end_time": "soon"},
        "question_sets": [{"_id": "s", "max_questions_allowed_to_attempt": 9,
            "marking_scheme": {"correct": 1, "wrong": Bson::Null, "skipped": 0},
            "questions": [question("q", "numerical-integer", bson!(1))]}],
    };
    let test = build(&document, &[attempt("u", &[("q", bson!(1))])]);
    assert_eq!(test.problems.count(ProblemKind::TimeUnreadable), 1);
    assert_eq!(test.problems.count(ProblemKind::LimitBeyondQuestions), 1);
    assert_eq!(test.figures().highest, Some(1.0));
}

#[test]
fn real_quizzes_read_without_problems() {
    for (json, sections, questions) in [
        (include_str!("fixtures/matrix_matching_assessment.json"), 1, 25),
        (include_str!("fixtures/multiple_question_set_quiz.json"), 1, 64),
        (include_str!("fixtures/multiple_question_set_omr_quiz.json"), 1, 64),
        (include_str!("fixtures/partial_marking_assessment.json"), 1, 1),
        (include_str!("fixtures/homework_quiz.json"), 1, 2),
        (include_str!("fixtures/form_questionnaire.json"), 0, 8),
    ] {
        let document = crate::common::with_ids(json);
        let (quiz, problems) = Quiz::read(&document, &[]).unwrap();
        assert_eq!(problems.iter().collect::<Vec<_>>(), [], "{}", quiz.id);
        assert_eq!((quiz.sections.len(), quiz.questions.len()), (sections, questions), "{}", quiz.id);
        let test = build_with(&document, &[], &[], session(), now());
        assert_eq!((test.participants(), test.ranked(), test.start), (0, 0, None));
    }
}

#[test]
fn chapter_ids_with_one_name_share_the_chapter() {
    let with_code = |id: &str, chapter_id: Bson| {
        let mut question = question(id, "numerical-integer", bson!(1));
        question
            .insert("metadata", bson!({"subject": "Physics", "chapter": "Optics", "chapter_id": chapter_id}));
        Bson::from(question)
    };
    let chapters = |questions: Vec<Bson>| {
        let (quiz, _) = Quiz::read(&quiz(vec![doc! {"_id": "s", "questions": questions}]), &[]).unwrap();
        quiz.chapters.iter().map(|chapter| (chapter.code.clone(), chapter.questions)).collect::<Vec<_>>()
    };
    assert_eq!(
        chapters(vec![with_code("a", Bson::Null), with_code("b", bson!(17))]),
        [(Some("17".into()), 2)]
    );
    let two = chapters(vec![with_code("a", bson!("P1")), with_code("b", bson!("P2"))]);
    assert_eq!(two, [(Some("P1".into()), 2)]);
}

#[test]
fn set_with_null_questions_is_empty() {
    let good = doc! {"_id": "s", "questions": [question("q", "numerical-integer", bson!(1))]};
    let empty = doc! {"_id": "t", "title": "B", "questions": Bson::Null};
    let test = build(&quiz(vec![good, empty]), &[attempt("u", &[("q", bson!(1))])]);
    assert_eq!(test.figures().highest, Some(4.0));
}

/// A quiz with one question, whose set also has these fields.
fn quiz_with_set_fields(kind: &str, fields: bson::Document) -> bson::Document {
    let mut set = doc! {"_id": "s", "questions": [question("q", "multi-choice", bson!([0, 1]))]};
    set.extend(fields);
    let mut quiz = quiz(vec![set]);
    quiz.insert("metadata", doc! {"quiz_type": kind});
    quiz
}

#[test]
fn unreadable_marking_refuses_the_quiz() {
    let refused = |set: bson::Document| match Quiz::read(&quiz_with_set_fields("assessment", set), &[]) {
        Err(error) => error.to_string(),
        Ok(_) => "accepted".to_owned(),
    };
    let decimal = |text: &str| Bson::Decimal128(text.parse().unwrap());
    let scheme = |field: &str, value: Bson| {
        let mut scheme = doc! {"correct": 4, "wrong": -1, "skipped": 0};
        scheme.insert(field, value);
        doc! {"marking_scheme": scheme}
    };
    let rule = |rule: Bson| scheme("partial", bson!([{"marks": 1}, rule]));
    let condition = |value: Bson| bson!({"marks": 1, "conditions": [{"num_correct_selected": value}]});
    let limit = |value: Bson| doc! {"max_questions_allowed_to_attempt": value};
    let first = bson!([{"_id": "q", "type": "subjective", "marking_scheme": {"wrong": "none"}}]);
    for (set, what) in [
        (scheme("correct", bson!("four")), "marking_scheme.correct is \"four\", not a number"),
        (scheme("wrong", bson!({"marks": 1})), "marking_scheme.wrong is an object, not a number"),
        (scheme("skipped", bson!(f64::NAN)), "marking_scheme.skipped is NaN, not a number"),
        (scheme("skipped", decimal("Infinity")), "marking_scheme.skipped is Infinity, not a number"),
        (
            scheme("correct", bson!(2e6)),
            "marking_scheme.correct is 2000000, not between -1000000 and 1000000",
        ),
        (scheme("partial", bson!({"marks": 1})), "marking_scheme.partial is an object, not a list"),
        (rule(bson!(1)), "marking_scheme.partial[1] is a number, not an object"),
        (rule(bson!({"marks": "one"})), "marking_scheme.partial[1].marks is \"one\", not a number"),
        (
            rule(condition(bson!("two"))),
            "marking_scheme.partial[1].conditions[0].num_correct_selected is \"two\", not a number",
        ),
        (rule(bson!({"conditions": 2})), "marking_scheme.partial[1].conditions is a number, not a list"),
        (doc! {"marking_scheme": "4/-1"}, "marking_scheme is \"4/-1\", not an object"),
        (doc! {"questions": first}, "questions[0].marking_scheme.wrong is \"none\", not a number"),
        (limit(bson!("all")), "max_questions_allowed_to_attempt is \"all\", not a number"),
        (limit(bson!(1.5)), "max_questions_allowed_to_attempt is 1.5, not a whole number"),
    ] {
        let expected =
            format!("quiz quiz is malformed: question_sets[0].{what}; correct the quiz, then sync again");
        assert_eq!(refused(set), expected);
    }
}

#[test]
fn marks_are_numbers_of_any_type() {
    let decimal = |text: &str| Bson::Decimal128(text.parse().unwrap());
    let marking = bson!({
        "correct": "4.0", "wrong": decimal("-1"), "skipped": Bson::Null,
        "partial": [{"marks": " 0.5 ", "conditions": [{"num_correct_selected": "1"}]}],
    });
    let set = doc! {"marking_scheme": marking, "max_questions_allowed_to_attempt": decimal("1")};
    let read = Quiz::read(&quiz_with_set_fields("assessment", set), &[]).unwrap().0;
    let marking = &read.sets[0].marking;
    assert_eq!((marking.correct, marking.wrong, marking.skipped), (4.0, -1.0, 0.0));
    assert_eq!((marking.partial_marks(1), marking.partial_marks(2)), (0.5, 0.0));
    assert_eq!(read.sets[0].allowed, 1);
}

#[test]
fn unreadable_marks_of_a_form_are_ignored() {
    let set = doc! {"marking_scheme": {"correct": "four"}, "max_questions_allowed_to_attempt": "all"};
    assert!(Quiz::read(&quiz_with_set_fields("form", set), &[]).is_ok());
}

#[test]
fn question_stored_twice_counts_once() {
    let (document, mut full) = stubbed();
    let mut newer = full[11].clone();
    newer.insert("updated_at", "2026-05-01T00:00:00");
    newer.insert("text", "The newer one");
    full.insert(3, newer);
    let (quiz, problems) = Quiz::read(&document, &full).unwrap();
    assert_eq!(quiz.questions[11].text.as_deref(), Some("The newer one"));
    let problem = problems.iter().next().unwrap();
    assert_eq!((problem.kind, problem.count), (ProblemKind::DocumentStoredTwice, 1));
    assert_eq!(problem.example, "question document 00000000000000000000000b is stored 2 times");
}

#[test]
fn answers_beyond_the_limit_get_marks() {
    let questions = ["a", "b", "c"].map(|id| Bson::from(question(id, "numerical-integer", bson!(1))));
    let set = doc! {"_id": "s", "questions": questions.to_vec(), "max_questions_allowed_to_attempt": 1};
    let test = build(&quiz(vec![set]), &[attempt("u", &[("a", bson!(1)), ("b", bson!(1))])]);
    assert_eq!(test.figures().highest, Some(8.0));
    assert_eq!(test.problems.count(ProblemKind::AnsweredBeyondLimit), 1);
}
