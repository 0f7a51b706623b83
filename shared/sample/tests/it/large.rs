//! The large test is like a real one.

use std::collections::HashSet;

use bson::Document;
use quiz_domain::{Outcome, Quiz, Taken, Test, TestBuilder, TestResults, TestSession};
use quiz_sample::large::Large;

#[test]
fn two_runs_write_the_same_bytes_and_documents_have_their_real_size() {
    let folder = tempfile::tempdir().unwrap();
    let large = Large { students: 300, questions: 105, seed: 1 };
    let written = large.write(&folder.path().join("a")).unwrap();
    large.write(&folder.path().join("b")).unwrap();
    for file in ["quizzes.bson", "questions.bson", "sessions.bson"] {
        let read = |run: &str| std::fs::read(folder.path().join(run).join(file)).unwrap();
        assert!(read("a") == read("b"), "{file}");
    }
    assert_eq!(written.sessions, 300 + 6);
    let mean = written.bytes / written.sessions;
    assert!((24_000..28_000).contains(&mean), "{mean} bytes a document");
    let other = Large { seed: 2, ..large };
    assert!(!large.sessions().eq(other.sessions()));
}

/// Takes the document that counts of each student, and the outcomes of all their answers.
fn taken(large: Large) -> (Test, Vec<Outcome>) {
    let (quiz, problems) = Quiz::read(&large.quiz(), &large.questions()).unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    let now = "2024-01-01T00:00:00Z".parse().unwrap();
    let mut builder = TestBuilder::new(quiz, TestSession::default(), now, problems);
    let mut outcomes = Vec::new();
    for document in large.sessions().filter(|it| !is_left_behind(it)) {
        let Taken::Attempt(attempt) = builder.take(&document) else { panic!("no attempt") };
        outcomes.extend(attempt.judgements.iter().map(|it| it.outcome));
    }
    (builder.finish().unwrap(), outcomes)
}

/// An attempt that was resumed later has no event after its interruption; one that was never ended has all.
fn is_left_behind(document: &Document) -> bool {
    let half = |it: &&bson::Bson| it.as_document().unwrap().get_bool("visited").unwrap();
    let answers = document.get_array("session_answers").unwrap();
    !document.get_bool("has_quiz_ended").unwrap()
        && answers.iter().skip(answers.len() / 2).filter(half).count() == 0
}

#[test]
fn it_reads_without_problems_and_its_marks_spread_like_a_bell() {
    let large = Large { students: 400, questions: 105, seed: 2 };
    let (test, outcomes) = taken(large);
    assert!(test.problems.is_empty(), "{:?}", test.problems);
    assert_eq!((test.quiz.questions.len(), test.quiz.sections.len()), (105, 3));
    assert_eq!(test.takers(), 400);
    let limited: Vec<_> = test.quiz.sets.iter().filter(|set| set.is_limited).collect();
    assert_eq!((limited.len(), limited[0].allowed), (1, 5));
    for outcome in [Outcome::Correct, Outcome::PartiallyCorrect, Outcome::Wrong, Outcome::Skipped] {
        assert!(outcomes.contains(&outcome), "{outcome:?}");
    }
    let TestResults::Scored { rankings, .. } = &test.results else { panic!("not scored") };
    let marks = &rankings[0].marks;
    let different: HashSet<u64> = marks.iter().map(|it| it.to_bits()).collect();
    assert!(different.len() > 100, "{} different marks", different.len());
    #[expect(clippy::cast_precision_loss)]
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let middle = mean(marks);
    let spread = mean(&marks.iter().map(|it| (it - middle).powi(2)).collect::<Vec<_>>()).sqrt();
    let near = marks.iter().filter(|it| (*it - middle).abs() < spread).count();
    assert!((240..310).contains(&near), "{near} of 400 within {spread} of {middle}");
}

#[test]
fn resumed_and_open_attempts_are_as_many_as_they_should_be() {
    let large = Large { students: 1_000, questions: 21, seed: 3 };
    let sessions: Vec<Document> = large.sessions().collect();
    let open = sessions.iter().filter(|it| !it.get_bool("has_quiz_ended").unwrap());
    assert_eq!((sessions.len(), open.count()), (1_020, 20 + 5));
    let kinds = |document: &Document| -> Vec<String> {
        let events = document.get_array("events").unwrap().iter();
        events.map(|it| it.as_document().unwrap().get_str("event_type").unwrap().to_owned()).collect()
    };
    let resumed: Vec<_> = sessions.iter().filter(|it| kinds(it).contains(&"resume-quiz".into())).collect();
    assert_eq!(resumed.len(), 20);
    assert!(resumed.iter().all(|it| !it.get_bool("is_first").unwrap()));
    let users: HashSet<&str> = sessions.iter().map(|it| it.get_str("user_id").unwrap()).collect();
    assert_eq!(users.len(), 1_000);
    assert!(users.iter().all(|it| it.bytes().all(|byte| byte.is_ascii_digit())));
}

#[test]
fn a_test_of_any_size_reads_without_problems() {
    for questions in [0, 1, 2, 7, 20, 106, 210] {
        let (test, _) = taken(Large { students: 60, questions, seed: 4 });
        assert_eq!(test.quiz.questions.len(), questions as usize);
        assert!(test.problems.is_empty(), "{questions}: {:?}", test.problems);
    }
}
