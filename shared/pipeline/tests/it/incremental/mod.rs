//! A sync with a snapshot has the same result as a sync that reads all attempts.

mod fixture;

use std::sync::atomic::Ordering;

use fixture::{Attempt, Fixture, Oddity, QUIZ};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Write(Attempt),
    AnswerSilently {
        number: u8,
        answers: [Option<u8>; 3],
    },
    Remove {
        number: u8,
    },
    /// Minutes.
    Wait(i64),
    ChangeQuiz,
    LoseSnapshot,
    ChangeProgram,
    Sync {
        force: bool,
    },
}

fn answers() -> impl Strategy<Value = [Option<u8>; 3]> {
    prop::array::uniform3(prop::option::of(0..3_u8))
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let oddity = prop_oneof![
        8 => Just(Oddity::None),
        1 => Just(Oddity::NoTime),
        1 => Just(Oddity::TextTime),
        1 => Just(Oddity::LacksRecord),
        1 => Just(Oddity::NoAttempt),
    ];
    (0..8_u8, answers(), prop::bool::weighted(0.7), oddity).prop_map(|(number, answers, ended, oddity)| {
        Attempt {
            number,
            // a resumed attempt is a new document of the same user
            user: number % 5,
            answers,
            ended,
            oddity,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => attempt().prop_map(Step::Write),
        3 => (0..8_u8, answers()).prop_map(|(number, answers)| Step::AnswerSilently { number, answers }),
        1 => (0..8_u8).prop_map(|number| Step::Remove { number }),
        6 => (0..30_i64).prop_map(Step::Wait),
        1 => Just(Step::ChangeQuiz),
        1 => Just(Step::LoseSnapshot),
        1 => Just(Step::ChangeProgram),
        8 => prop::bool::weighted(0.1).prop_map(|force| Step::Sync { force }),
    ]
}

fn usual(number: u8) -> Attempt {
    Attempt { number, user: number, answers: [Some(0), Some(1), Some(2)], ended: true, oddity: Oddity::None }
}

/// Attempts of four users that ended an hour ago.
fn fixture() -> Fixture {
    let fixture = Fixture { now: 60, ..Fixture::default() };
    (0..4).for_each(|number| fixture.documents.write(usual(number), 0));
    fixture
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn incremental_read_equals_a_full_read(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut fixture = Fixture { now: 1_000, ..Fixture::default() };
        for step in steps {
            match step {
                Step::Write(attempt) => fixture.documents.write(attempt, fixture.now),
                Step::AnswerSilently { number, answers } => {
                    fixture.documents.answer_silently(number, answers, fixture.now);
                }
                Step::Remove { number } => fixture.documents.remove(number),
                Step::Wait(minutes) => fixture.now += minutes,
                Step::ChangeQuiz => drop(fixture.documents.quiz.fetch_add(1, Ordering::SeqCst)),
                Step::LoseSnapshot => fixture.snapshots.forget(),
                Step::ChangeProgram => fixture.program += 1,
                Step::Sync { force } => {
                    let quick = runtime.block_on(fixture.sync(force));
                    let full = runtime.block_on(fixture.sync_in_full());
                    prop_assert_eq!(&quick.result, &full.result);
                    prop_assert_eq!(&quick.outcome.problems, &full.outcome.problems);
                    prop_assert_eq!(quick.outcome.figures, full.outcome.figures);
                    prop_assert_eq!(quick.read + usize::try_from(quick.outcome.known).unwrap(), full.read);
                    prop_assert!(!force || quick.outcome.known == 0);
                }
            }
        }
    }
}

#[tokio::test]
async fn unchanged_attempts_are_not_read_again() {
    let mut fixture = fixture();
    assert_eq!(fixture.sync(false).await.read, 4);
    let again = fixture.sync(false).await;
    assert_eq!((again.read, again.outcome.known), (0, 4));

    fixture.documents.write(usual(9), fixture.now);
    fixture.documents.write(Attempt { answers: [None; 3], ..usual(2) }, fixture.now);
    assert_eq!(fixture.sync(false).await.read, 2, "one more, and one that changed");
    assert_eq!(fixture.sync(false).await.read, 2, "they might change yet");
    fixture.now += 11;
    assert_eq!(fixture.sync(false).await.read, 2);
    assert_eq!(fixture.sync(false).await.read, 0);
}

#[tokio::test]
async fn attempt_id_is_refused_although_no_attempt_is_read() {
    let fixture = fixture();
    fixture.sync(false).await;
    for (number, force) in [(0, false), (3, true)] {
        let attempt_id = format!("{number:024x}");
        let error = fixture.sync_as(&attempt_id, force).await.err().unwrap();
        assert_eq!((error.code(), error.is_permanent()), ("session_id_of_attempt", true));
    }
    assert_eq!(fixture.documents.read.load(Ordering::SeqCst), 4, "as many as the first sync read");
    // a quiz without a test session has its own id as session id
    assert_eq!(fixture.sync_as(QUIZ, false).await.unwrap().outcome.known, 4);
}

#[tokio::test]
async fn attempt_that_has_not_ended_is_always_read() {
    let fixture = fixture();
    fixture.documents.write(Attempt { ended: false, ..usual(7) }, 0);
    fixture.sync(false).await;
    assert_eq!(fixture.sync(false).await.read, 1);
}

#[tokio::test]
async fn unusable_snapshot_causes_a_full_read() {
    let mut fixture = fixture();
    fixture.sync(false).await;
    assert_eq!(fixture.sync(true).await.read, 4);
    assert_eq!(fixture.sync(false).await.read, 0);
    fixture.documents.quiz.fetch_add(1, Ordering::SeqCst);
    assert_eq!(fixture.sync(false).await.read, 4, "a changed quiz");
    assert_eq!(fixture.sync(false).await.read, 0);
    fixture.program += 1;
    assert_eq!(fixture.sync(false).await.read, 4, "another program");
    assert_eq!(fixture.sync(false).await.read, 0);
    fixture.snapshots.forget();
    assert_eq!(fixture.sync(false).await.read, 4, "no snapshot");
}
