//! A sync that takes from a snapshot what has not changed has the result of one that reads everything.

mod world;

use std::sync::atomic::Ordering;

use proptest::prelude::*;
use world::{Attempt, Oddity, World};

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

/// With the attempts of four users, ended an hour ago.
fn world() -> World {
    let world = World { now: 60, ..World::default() };
    (0..4).for_each(|number| world.documents.write(usual(number), 0));
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn it_equals_a_full_read(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut world = World { now: 1_000, ..World::default() };
        for step in steps {
            match step {
                Step::Write(attempt) => world.documents.write(attempt, world.now),
                Step::AnswerSilently { number, answers } => {
                    world.documents.answer_silently(number, answers, world.now);
                }
                Step::Remove { number } => world.documents.remove(number),
                Step::Wait(minutes) => world.now += minutes,
                Step::ChangeQuiz => drop(world.documents.quiz.fetch_add(1, Ordering::SeqCst)),
                Step::LoseSnapshot => world.snapshots.forget(),
                Step::ChangeProgram => world.program += 1,
                Step::Sync { force } => {
                    let quick = runtime.block_on(world.sync(force));
                    let full = runtime.block_on(world.sync_in_full());
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
async fn what_has_not_changed_is_not_read_again() {
    let mut world = world();
    assert_eq!(world.sync(false).await.read, 4);
    let again = world.sync(false).await;
    assert_eq!((again.read, again.outcome.known), (0, 4));

    world.documents.write(usual(9), world.now);
    world.documents.write(Attempt { answers: [None; 3], ..usual(2) }, world.now);
    assert_eq!(world.sync(false).await.read, 2, "one more, and one that changed");
    assert_eq!(world.sync(false).await.read, 2, "they might change yet");
    world.now += 11;
    assert_eq!(world.sync(false).await.read, 2);
    assert_eq!(world.sync(false).await.read, 0);
}

#[tokio::test]
async fn an_attempt_that_has_not_ended_is_always_read() {
    let world = world();
    world.documents.write(Attempt { ended: false, ..usual(7) }, 0);
    world.sync(false).await;
    assert_eq!(world.sync(false).await.read, 1);
}

#[tokio::test]
async fn all_is_read_on_force_for_another_quiz_or_program_and_without_a_snapshot() {
    let mut world = world();
    world.sync(false).await;
    assert_eq!(world.sync(true).await.read, 4);
    assert_eq!(world.sync(false).await.read, 0);
    world.documents.quiz.fetch_add(1, Ordering::SeqCst);
    assert_eq!(world.sync(false).await.read, 4, "a changed quiz");
    assert_eq!(world.sync(false).await.read, 0);
    world.program += 1;
    assert_eq!(world.sync(false).await.read, 4, "another program");
    assert_eq!(world.sync(false).await.read, 0);
    world.snapshots.forget();
    assert_eq!(world.sync(false).await.read, 4, "no snapshot");
}
