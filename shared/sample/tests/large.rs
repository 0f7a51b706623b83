//! The large test is like a real one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::HashSet;

use quiz_domain::{Quiz, Taken, TestBuilder, TestResults, TestSession};
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
}

#[test]
fn it_reads_without_problems_and_its_marks_spread() {
    let large = Large { students: 200, questions: 105, seed: 2 };
    let (quiz, problems) = Quiz::read(&large.quiz(), &large.questions()).unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!((quiz.questions.len(), quiz.sections.len()), (105, 3));
    assert!(quiz.sets.iter().filter(|set| set.is_limited).count() == 1);
    let now = "2024-01-01T00:00:00Z".parse().unwrap();
    let mut builder = TestBuilder::new(quiz, TestSession::default(), now, problems);
    for document in large.sessions() {
        assert!(matches!(builder.take(&document), Taken::Attempt(_)));
    }
    let test = builder.finish().unwrap();
    let TestResults::Scored { rankings, .. } = &test.results else { panic!("not scored") };
    let marks: HashSet<u64> = rankings[0].scores.iter().map(|it| it.marks.to_bits()).collect();
    assert!(marks.len() > 100, "{} different marks", marks.len());
    assert!(test.problems.iter().all(|it| it.kind.code() == "answered_beyond_limit"), "{:?}", test.problems);
}
