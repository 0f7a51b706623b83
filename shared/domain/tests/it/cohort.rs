//! Which attempt of a user counts, and how attempts are ranked.

use bson::{Bson, Document, bson, doc};
use quiz_domain::{AttemptResults, ProblemKind, SessionResult, TestSession};

use crate::common::{attempt, build, build_with, now, question, quiz, session};

fn one_question() -> Document {
    quiz(vec![doc! {"_id": "s", "title": "Set", "questions": [question("q", "numerical-integer", bson!(1))]}])
}

fn document(id: &str, user: &str, ended: bool, answer: impl Into<Bson>) -> Document {
    let mut document = attempt(user, &[("q", answer.into())]);
    document.insert("_id", id);
    document.insert("has_quiz_ended", ended);
    document
}

fn chosen(test: &SessionResult) -> Vec<(&str, &str, bool)> {
    let AttemptResults::Scored { attempts, .. } = &test.results else { panic!("scored") };
    attempts.iter().map(|attempt| (&*attempt.user_id, &*attempt.id, attempt.is_final)).collect()
}

fn ranks(test: &SessionResult) -> Vec<Option<(u32, f64)>> {
    let AttemptResults::Scored { rankings, .. } = &test.results else { panic!("scored") };
    let standings = rankings[0].standings();
    standings.map(|standing| standing.map(|standing| (standing.rank, standing.percentile))).collect()
}

#[test]
fn newest_ended_document_of_a_user_counts() {
    let test = build(
        &one_question(),
        &[
            document("5", "resumed", false, 1),
            document("3", "resumed", true, 1),
            document("4", "resumed", true, 0),
            document("1", "unended", false, 0),
            document("2", "unended", false, 1),
        ],
    );
    assert_eq!(chosen(&test), [("resumed", "4", true), ("unended", "2", false)]);
}

#[test]
fn untouched_document_hides_no_attempt() {
    let untouched = |id: &str, user: &str| {
        let mut document = document(id, user, false, Bson::Null);
        document.remove("events");
        document
    };
    let test = build(
        &one_question(),
        &[untouched("9", "a"), document("1", "a", false, 1), untouched("7", "b"), untouched("8", "b")],
    );
    assert_eq!(chosen(&test), [("a", "1", false)]);
}

#[test]
fn open_attempt_is_ranked_after_the_window_closes() {
    let documents = [document("1", "ended", true, 1), document("2", "writing", false, 1)];
    let mut quiz = one_question();
    quiz.insert("metadata", doc! {"quiz_type": "assessment", "session_end_time": "2024-05-01 05:30:00 AM"});
    let at = |now: &str, session: TestSession| {
        ranks(&build_with(&quiz, &[], &documents, session, now.parse().unwrap()))
    };
    let before = "2024-04-30T23:59:59Z";
    assert_eq!(at(before, session()), [Some((1, 100.0)), None]);
    assert_eq!(at("2024-05-01T00:00:00Z", session()), [Some((1, 100.0)), Some((1, 100.0))]);
    let extended = TestSession { end: "2024-05-02T00:00:00Z".parse().ok(), ..session() };
    assert_eq!(at("2024-05-01T00:00:00Z", extended), [Some((1, 100.0)), None]);
    let shortened = TestSession { end: "2024-04-30T00:00:00Z".parse().ok(), ..session() };
    assert_eq!(at(before, shortened), [Some((1, 100.0)), Some((1, 100.0))]);
}

#[test]
fn administrators_are_left_out() {
    let test = build(&one_question(), &[document("1", "test_admin", true, 1), document("2", "u", true, 0)]);
    assert_eq!(chosen(&test), [("u", "2", true)]);
    assert_eq!(test.figures().highest, Some(-1.0));
    let AttemptResults::Scored { questions, .. } = &test.results else { panic!("scored") };
    assert_eq!(questions[0].participants(), 1);
}

#[test]
fn ties_share_rank_and_percentile() {
    let set = doc! {"_id": "s", "marking_scheme": {"correct": 1, "wrong": 0, "skipped": 0}, "questions":
    (0..4).map(|at| Bson::from(question(&format!("q{at}"), "numerical-integer", bson!(1)))).collect::<Vec<_>>()};
    let marks = |user: &str, right: usize| {
        let ids = ["q0", "q1", "q2", "q3"];
        attempt(user, &ids[..right].iter().map(|id| (*id, bson!(1))).collect::<Vec<_>>())
    };
    let test = build(&quiz(vec![set]), &[marks("a", 2), marks("b", 4), marks("c", 0), marks("d", 2)]);
    let expected = [Some((2, 75.0)), Some((1, 100.0)), Some((4, 25.0)), Some((2, 75.0))];
    assert_eq!(ranks(&test), expected);
    let figures = test.figures();
    assert_eq!(
        (figures.ranked, figures.highest, figures.average, figures.median),
        (4, Some(4.0), Some(2.0), Some(2.0))
    );
}

#[test]
fn document_that_is_no_attempt_is_a_problem() {
    let mut foreign = document("1", "foreign", true, 1);
    foreign.insert("quiz_id", "another");
    let mut anonymous = document("2", "anonymous", true, 1);
    anonymous.remove("user_id");
    let mut broken = document("3", "broken", true, 1);
    broken.insert("session_answers", "gone");
    let test = build(&one_question(), &[foreign, anonymous, broken, document("4", "fine", true, 1)]);
    assert_eq!(chosen(&test), [("fine", "4", true)]);
    assert_eq!(test.problems.count(ProblemKind::AttemptOfAnotherQuiz), 1);
    assert_eq!(test.problems.count(ProblemKind::AttemptUnreadable), 2);
    let example = test
        .problems
        .iter()
        .find(|problem| problem.kind == ProblemKind::AttemptOfAnotherQuiz)
        .unwrap()
        .example;
    assert_eq!(example, "session document 1 names quiz another");
}

#[test]
fn histogram_counts_each_participant_once() {
    let counts = |quiz: &Document, documents: &[Document]| {
        let test = build_with(quiz, &[], documents, session(), now());
        test.histogram().map(|histogram| (histogram.start, histogram.width, histogram.counts))
    };
    let quiz = one_question();
    assert_eq!(counts(&quiz, &[]), None);
    assert_eq!(counts(&quiz, &[document("1", "a", true, 0)]), Some((-1.0, 1.0, vec![1])));
    let two = [document("1", "a", true, 1), document("2", "b", true, 1)];
    assert_eq!(counts(&quiz, &two), Some((4.0, 1.0, vec![2])));
    let wide =
        [document("1", "a", true, 1), document("2", "b", true, 0), document("3", "c", true, Bson::Null)];
    assert_eq!(counts(&quiz, &wide), Some((-1.0, 1.0, vec![1, 1, 0, 0, 0, 1])));
}

#[test]
fn user_id_is_text_or_whole_number() {
    let user = |id: Bson| {
        let mut document = document("1", "x", true, 1);
        document.insert("user_id", id);
        let test = build(&one_question(), &[document]);
        chosen(&test).first().map(|(user, _, _)| (*user).to_owned())
    };
    assert_eq!(user(bson!(9_876_543_210.0)).as_deref(), Some("9876543210"));
    assert_eq!(user(bson!(17)).as_deref(), Some("17"));
    assert_eq!(user(bson!("00017")).as_deref(), Some("00017"));
    assert_eq!(user(bson!(1.5)), None);
}

#[test]
fn unmatched_answer_still_makes_an_attempt() {
    let mut odd = document("1", "u", false, Bson::Null);
    odd.remove("events");
    odd.insert(
        "session_answers",
        bson!([{"question_id": "q", "answer": Bson::Null}, {"question_id": "z", "answer": [1]}]),
    );
    let test = build(&one_question(), &[odd]);
    assert_eq!(test.participants(), 1);
    assert_eq!(test.problems.count(ProblemKind::AnswerUnmatched), 1);
}

/// Ranking must not use a level of the stack for each section.
#[test]
fn thousands_of_subjects_are_ranked() {
    const SUBJECTS: usize = 5_000;
    let questions: Vec<Document> = (0..SUBJECTS)
        .map(|at| {
            let mut question = question(&format!("q{at}"), "numerical-integer", bson!(1));
            question.insert("metadata", doc! {"subject": format!("Subject {at}")});
            question
        })
        .collect();
    let quiz = quiz(vec![doc! {
        "_id": "s", "title": "Set", "max_questions_allowed_to_attempt": 5_000,
        "marking_scheme": {"correct": 1, "wrong": 0, "skipped": 0}, "questions": questions,
    }]);
    let attempts: Vec<Document> = (0..3)
        .map(|user| {
            let answers: Vec<(String, Bson)> =
                (0..SUBJECTS).map(|at| (format!("q{at}"), bson!(i32::from(at % 3 <= user)))).collect();
            let answers: Vec<(&str, Bson)> =
                answers.iter().map(|(id, answer)| (&**id, answer.clone())).collect();
            attempt(&format!("user-{user}"), &answers)
        })
        .collect();
    let test = build(&quiz, &attempts);
    let AttemptResults::Scored { rankings, .. } = &test.results else { panic!("scored") };
    assert_eq!(rankings.len(), SUBJECTS + 1);
    assert_eq!(ranks(&test).iter().map(|standing| standing.unwrap().0).collect::<Vec<_>>(), [3, 2, 1]);
    // the second subject, where only the first user is wrong
    let second: Vec<u32> = rankings[2].standings().map(|standing| standing.unwrap().rank).collect();
    assert_eq!(second, [3, 1, 1]);
}
