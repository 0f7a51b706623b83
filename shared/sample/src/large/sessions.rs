use bson::{Bson, DateTime, Document, bson, doc};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use super::quiz::{Asked, Kind};
use super::{Large, id};

/// 2023-09-12T04:30:00Z, ten in the morning in India.
const START: i64 = 1_694_493_000;
/// Seconds between the first students' starts and the last ones'.
const ARRIVALS: u32 = 600;
/// The player says every 20 seconds that it is still there; in the store only the newest of such events stays
/// apart from those that a pause split: so many lie in a real document.
const HEARTBEATS: i64 = 45;
/// One student in so many was interrupted, and resumed.
const RESUMED: u32 = 50;
/// One student in so many never ended.
const OPEN: u32 = 200;

/// How students answer.
pub(super) struct Sitting {
    large: Large,
    asked: Vec<Asked>,
    ids: Vec<String>,
}

impl Sitting {
    pub fn new(large: Large) -> Self {
        let asked = Asked::all(large.questions);
        let ids = asked.iter().map(Asked::id).collect();
        Self { large, asked, ids }
    }

    /// The student's documents, the one that counts last.
    pub fn documents(&self, student: u32) -> Vec<Document> {
        let mut rng =
            Rng::with_seed(self.large.seed.wrapping_mul(1_000_003).wrapping_add(u64::from(student)));
        let started = START + i64::from(rng.u32(0..ARRIVALS));
        // the mean of uniform numbers: marks spread like a bell
        let ability = (0..6).map(|_| rng.f64()).sum::<f64>() / 6.0;
        let answers: Vec<Bson> = self.asked.iter().map(|it| answer(*it, ability, &mut rng)).collect();
        let times: Vec<i32> = answers.iter().map(|_| rng.i32(5..150)).collect();
        let mut documents = Vec::new();
        if student % RESUMED == 7 {
            let half = answers.len() / 2;
            let seen = |(at, answer): (usize, &Bson)| if at < half { answer.clone() } else { Bson::Null };
            let until_then: Vec<Bson> = answers.iter().enumerate().map(seen).collect();
            documents.push(self.document(student, 0, started, &until_then, &times, false));
        }
        let ended = student % OPEN != 11;
        documents.push(self.document(student, 1, started, &answers, &times, ended));
        documents
    }

    fn document(
        &self,
        student: u32,
        attempt: u64,
        started: i64,
        answers: &[Bson],
        times: &[i32],
        ended: bool,
    ) -> Document {
        let created = iso(started);
        let mut clock = started;
        let records = self.ids.iter().zip(answers).zip(times).enumerate();
        let records = records.map(|(at, ((question, answer), time))| {
            clock += i64::from(*time);
            let number = u64::from(student) * 1_000 + at as u64;
            bson!({
                "_id": id(4, number * 2 + attempt), "question_id": question, "answer": answer.clone(),
                "visited": answer.as_null().is_none_or(|()| time % 3 != 0), "time_spent": *time,
                "marked_for_review": time % 11 == 0, "created_at": &created, "updated_at": iso(clock),
            })
        });
        let records: Vec<Bson> = records.collect();
        let end = clock;
        let event = |kind: &str, from: i64, to: i64| bson!({"event_type": kind, "created_at": iso(from), "updated_at": iso(to)});
        let beats = (0..HEARTBEATS).map(|beat| {
            let from = started + (end - started) * beat / HEARTBEATS;
            event("dummy-event", from, from + 20)
        });
        let mut events = vec![event("start-quiz", started, started)];
        events.extend(beats);
        if ended {
            events.push(event("end-quiz", end, end));
        }
        doc! {
            "_id": id(3, u64::from(student) * 2 + attempt), "user_id": format!("{}", 20_230_000_000 + u64::from(student)),
            "quiz_id": Large::QUIZ_ID, "omr_mode": false, "created_at": created,
            "updated_at": DateTime::from_millis(end * 1_000), "events": events, "has_quiz_ended": ended,
            "question_order": (0..i32::try_from(answers.len()).unwrap_or_default()).collect::<Vec<_>>(),
            "metrics": Bson::Null, "is_first": attempt == 0, "start_quiz_time": iso(started),
            "end_quiz_time": if ended { Bson::from(iso(end)) } else { Bson::Null },
            "total_time_spent": f64::from(times.iter().sum::<i32>()), "time_limit_max": 10_800,
            "session_answers": records,
        }
    }
}

fn answer(asked: Asked, ability: f64, rng: &mut Rng) -> Bson {
    let difficulty = 0.3 + f64::from(asked.number % 5) * 0.1;
    if rng.f64() < 0.25 - 0.2 * ability {
        return Bson::Null;
    }
    if rng.f64() < 1.0 / (1.0 + (-8.0 * (ability - difficulty)).exp()) {
        return asked.key();
    }
    match asked.kind {
        Kind::Single => bson!([rng.i32(0..4)]),
        Kind::Multi => match asked.key() {
            Bson::Array(key) if rng.bool() => Bson::Array(key.into_iter().take(1).collect()),
            _ => bson!([rng.i32(0..4), rng.i32(0..4)]),
        },
        Kind::Integer => bson!(rng.i32(0..20)),
        Kind::Float => bson!(f64::from(rng.i32(0..200)) / 8.0),
    }
}

/// As the Quiz Engine stores a time: without a zone, meaning UTC.
fn iso(second: i64) -> String {
    let at = Timestamp::UNIX_EPOCH.saturating_add(SignedDuration::from_secs(second)).unwrap_or_default();
    let text = format!("{at:.6}");
    text.trim_end_matches('Z').to_owned()
}
