use bson::{Bson, bson};
use fastrand::Rng;

use super::quiz::{QuestionKind, SampleQuestion, allowed};

/// The answer record of one question.
pub(super) struct SampleAnswer {
    pub answer: Bson,
    pub visited: bool,
    /// Seconds.
    pub time: i32,
    pub marked: bool,
}

/// Draws one student's answers, in the order of the questions.
pub(super) fn draw_answers(questions: &[SampleQuestion], rng: &mut Rng) -> Vec<SampleAnswer> {
    // the mean of uniform numbers, so that marks spread like a bell
    let ability = (0..6).map(|_| rng.f64()).sum::<f64>() / 6.0;
    let mut optional = allowed(questions.iter().filter(|question| question.is_optional()).count());
    let answers = questions.iter().map(|question| {
        let answer = answer(*question, ability, rng);
        let visited = answer != Bson::Null || rng.u8(0..10) > 0;
        // the set allows no more answers once its limit is reached
        let answer = if question.is_optional() && optional == 0 { Bson::Null } else { answer };
        optional -= usize::from(question.is_optional() && answer != Bson::Null);
        SampleAnswer {
            answer,
            visited,
            time: if visited { rng.i32(20..150) } else { 0 },
            marked: rng.u8(0..12) == 0,
        }
    });
    answers.collect()
}

/// Draws one answer: correct with a chance that grows with the ability, else skipped or wrong.
fn answer(question: SampleQuestion, ability: f64, rng: &mut Rng) -> Bson {
    if rng.f64() < 0.35 - 0.3 * ability {
        return Bson::Null;
    }
    let chance = 0.15 + ability - 0.1 * f64::from(question.difficulty());
    if rng.f64() < chance { question.key() } else { wrong_answer(question, rng) }
}

/// Draws a wrong answer. With several correct options it is often a part of them.
fn wrong_answer(question: SampleQuestion, rng: &mut Rng) -> Bson {
    match (question.kind, question.key()) {
        (QuestionKind::Single, Bson::Array(key)) => match key.first() {
            Some(Bson::Int32(option)) => bson!([(option + rng.i32(1..4)) % 4]),
            _ => Bson::Null,
        },
        (QuestionKind::Multi, Bson::Array(key)) => match key.first() {
            Some(Bson::Int32(option)) if rng.bool() => bson!([option, (option + 1) % 4]),
            option => option.map_or(Bson::Null, |option| bson!([option.clone()])),
        },
        (_, Bson::Int32(key)) => bson!(key + rng.i32(1..20)),
        (_, Bson::Double(key)) => bson!(key + f64::from(rng.i32(1..40)) / 4.0),
        _ => Bson::Null,
    }
}
