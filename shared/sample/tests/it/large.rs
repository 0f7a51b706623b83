//! The large assessment has the properties of a real one.

use std::collections::HashSet;

use bson::Document;
use quiz_domain::{AttemptResults, Outcome, Quiz, SessionResult, SessionScorer, TakenDocument, TestSession};
use quiz_sample::large::LargeAssessment;

#[test]
fn two_runs_write_the_same_realistic_documents() {
    let folder = tempfile::tempdir().unwrap();
    let large = LargeAssessment { students: 300, questions: 105, seed: 1 };
    let written = large.write(&folder.path().join("a")).unwrap();
    large.write(&folder.path().join("b")).unwrap();
    for file in ["quizzes.bson", "questions.bson", "sessions.bson"] {
        let read = |run: &str| std::fs::read(folder.path().join(run).join(file)).unwrap();
        assert!(read("a") == read("b"), "{file}");
    }
    assert_eq!(written.sessions, 300 + 6);
    let mean = written.bytes / written.sessions;
    assert!((24_000..28_000).contains(&mean), "{mean} bytes a document");
    let other = LargeAssessment { seed: 2, ..large };
    assert!(!large.sessions().eq(other.sessions()));
}

/// Scores the document that counts of each student. Returns the result and the outcomes of all answers.
fn score_all(large: LargeAssessment) -> (SessionResult, Vec<Outcome>) {
    let (quiz, problems) = Quiz::read(&large.quiz(), &large.questions()).unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    let now = "2024-01-01T00:00:00Z".parse().unwrap();
    let mut builder = SessionScorer::new(quiz, TestSession::default(), now, problems);
    let mut outcomes = Vec::new();
    for document in large.sessions().filter(|document| !is_superseded(document)) {
        let TakenDocument::Attempt(attempt) = builder.take(&document) else { panic!("no attempt") };
        outcomes.extend(attempt.judgements.iter().map(|judgement| judgement.outcome));
    }
    (builder.finish().unwrap(), outcomes)
}

/// Whether the attempt was resumed in a newer document: it has not ended, and its second half was never visited.
fn is_superseded(document: &Document) -> bool {
    let is_visited = |record: &&bson::Bson| record.as_document().unwrap().get_bool("visited").unwrap();
    let answers = document.get_array("session_answers").unwrap();
    !document.get_bool("has_quiz_ended").unwrap()
        && answers.iter().skip(answers.len() / 2).filter(is_visited).count() == 0
}

#[test]
fn marks_spread_like_a_bell() {
    let large = LargeAssessment { students: 400, questions: 105, seed: 2 };
    let (test, outcomes) = score_all(large);
    assert!(test.problems.is_empty(), "{:?}", test.problems);
    assert_eq!((test.quiz.questions.len(), test.quiz.sections.len()), (105, 3));
    assert_eq!(test.participants(), 400);
    let limited: Vec<_> = test.quiz.sets.iter().filter(|set| set.is_limited).collect();
    assert_eq!((limited.len(), limited[0].allowed), (1, 5));
    for outcome in [Outcome::Correct, Outcome::PartiallyCorrect, Outcome::Wrong, Outcome::Skipped] {
        assert!(outcomes.contains(&outcome), "{outcome:?}");
    }
    let AttemptResults::Scored { rankings, .. } = &test.results else { panic!("not scored") };
    let marks = &rankings[0].marks;
    let different: HashSet<u64> = marks.iter().map(|marks| marks.to_bits()).collect();
    assert!(different.len() > 100, "{} different marks", different.len());
    #[expect(clippy::cast_precision_loss)]
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let middle = mean(marks);
    let spread = mean(&marks.iter().map(|marks| (marks - middle).powi(2)).collect::<Vec<_>>()).sqrt();
    let near = marks.iter().filter(|marks| (*marks - middle).abs() < spread).count();
    assert!((240..310).contains(&near), "{near} of 400 within {spread} of {middle}");
}

#[test]
fn resumed_and_open_attempts_have_their_share() {
    let large = LargeAssessment { students: 1_000, questions: 21, seed: 3 };
    let sessions: Vec<Document> = large.sessions().collect();
    let open = sessions.iter().filter(|document| !document.get_bool("has_quiz_ended").unwrap());
    assert_eq!((sessions.len(), open.count()), (1_020, 20 + 5));
    let kinds = |document: &Document| -> Vec<String> {
        let events = document.get_array("events").unwrap().iter();
        events.map(|event| event.as_document().unwrap().get_str("event_type").unwrap().to_owned()).collect()
    };
    let resumed: Vec<_> =
        sessions.iter().filter(|document| kinds(document).contains(&"resume-quiz".into())).collect();
    assert_eq!(resumed.len(), 20);
    assert!(resumed.iter().all(|document| !document.get_bool("is_first").unwrap()));
    let users: HashSet<&str> = sessions.iter().map(|document| document.get_str("user_id").unwrap()).collect();
    assert_eq!(users.len(), 1_000);
    assert!(users.iter().all(|user| user.bytes().all(|byte| byte.is_ascii_digit())));
}

#[test]
fn assessment_of_any_size_reads_without_problems() {
    for questions in [0, 1, 2, 7, 20, 106, 210] {
        let (test, _) = score_all(LargeAssessment { students: 60, questions, seed: 4 });
        assert_eq!(test.quiz.questions.len(), questions as usize);
        assert!(test.problems.is_empty(), "{questions}: {:?}", test.problems);
    }
}
