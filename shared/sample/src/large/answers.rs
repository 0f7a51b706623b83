use bson::{Bson, bson};
use fastrand::Rng;

use super::quiz::{Asked, Kind, allowed};

/// What a student made of one question.
pub(super) struct Given {
    pub answer: Bson,
    pub visited: bool,
    /// Seconds.
    pub time: i32,
    pub marked: bool,
}

/// One student's way through the questions, in their order.
pub(super) fn given(asked: &[Asked], rng: &mut Rng) -> Vec<Given> {
    // the mean of uniform numbers: marks spread like a bell
    let ability = (0..6).map(|_| rng.f64()).sum::<f64>() / 6.0;
    let mut optional = allowed(asked.iter().filter(|it| it.is_optional()).count());
    let given = asked.iter().map(|asked| {
        let answer = answer(*asked, ability, rng);
        let visited = answer != Bson::Null || rng.u8(0..10) > 0;
        let answer = if asked.is_optional() && optional == 0 { Bson::Null } else { answer };
        optional -= usize::from(asked.is_optional() && answer != Bson::Null);
        Given {
            answer,
            visited,
            time: if visited { rng.i32(20..150) } else { 0 },
            marked: rng.u8(0..12) == 0,
        }
    });
    given.collect()
}

fn answer(asked: Asked, ability: f64, rng: &mut Rng) -> Bson {
    if rng.f64() < 0.35 - 0.3 * ability {
        return Bson::Null;
    }
    let chance = 0.15 + ability - 0.1 * f64::from(asked.difficulty());
    if rng.f64() < chance { asked.key() } else { wrong(asked, rng) }
}

/// What is not the key; of several options mostly a part of them.
fn wrong(asked: Asked, rng: &mut Rng) -> Bson {
    match (asked.kind, asked.key()) {
        (Kind::Single, Bson::Array(key)) => match key.first() {
            Some(Bson::Int32(option)) => bson!([(option + rng.i32(1..4)) % 4]),
            _ => Bson::Null,
        },
        (Kind::Multi, Bson::Array(key)) => match key.first() {
            Some(Bson::Int32(option)) if rng.bool() => bson!([option, (option + 1) % 4]),
            option => option.map_or(Bson::Null, |option| bson!([option.clone()])),
        },
        (_, Bson::Int32(key)) => bson!(key + rng.i32(1..20)),
        (_, Bson::Double(key)) => bson!(key + f64::from(rng.i32(1..40)) / 4.0),
        _ => Bson::Null,
    }
}
