use bson::{Bson, DateTime, Document, bson, doc};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use super::answers::{Given, given};
use super::quiz::Asked;
use super::{Large, id};

/// 2023-09-12T04:30:00Z, ten in the morning in India.
const START: i64 = 1_694_493_000;
/// Seconds between the first students' starts and the last ones'.
const ARRIVALS: i64 = 600;
/// Of the player's events every 20 seconds the newest are kept.
const HEARTBEATS: i64 = 8;
const HEARTBEAT: i64 = 20;
/// Seconds between an interruption and its end.
const PAUSE: i64 = 300;
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

/// When an attempt's document was made, and how far it went.
struct Attempt {
    number: u64,
    created: i64,
    updated: i64,
    /// How many questions have an answer in it.
    questions: usize,
    ended: bool,
    events: Vec<Bson>,
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
        let started = START + rng.i64(0..ARRIVALS);
        let given = given(&self.asked, &mut rng);
        let spent = |questions: usize| given.iter().take(questions).map(|it| i64::from(it.time)).sum::<i64>();
        let end = started + spent(given.len());
        let ended = student % OPEN != 11;
        let whole = |created, updated, events| Attempt {
            number: 1,
            created,
            updated,
            questions: given.len(),
            ended,
            events,
        };
        if student % RESUMED != 7 {
            let mut events = vec![event("start-quiz", started)];
            events.extend(heartbeats(started, end));
            events.extend(ended.then(|| event("end-quiz", end)));
            return vec![self.document(student, &whole(started, end, events), started, &given)];
        }
        let half = given.len() / 2;
        let stopped = started + spent(half);
        let (resumed, end) = (stopped + PAUSE, end + PAUSE);
        let mut events = vec![event("start-quiz", started)];
        events.extend(heartbeats(started, stopped));
        let first = Attempt {
            number: 0,
            created: started,
            updated: stopped,
            questions: half,
            ended: false,
            events: events.clone(),
        };
        events.push(event("resume-quiz", resumed));
        events.extend(heartbeats(resumed, end));
        events.extend(ended.then(|| event("end-quiz", end)));
        vec![
            self.document(student, &first, started, &given),
            self.document(student, &whole(resumed, end, events), started, &given),
        ]
    }

    fn document(&self, student: u32, attempt: &Attempt, started: i64, given: &[Given]) -> Document {
        let created = iso(attempt.created);
        let mut clock = started;
        let records = self.ids.iter().zip(given).enumerate().map(|(at, (question, given))| {
            let seen = at < attempt.questions;
            clock += i64::from(given.time);
            let number = (u64::from(student) * self.ids.len() as u64 + at as u64) * 2 + attempt.number;
            bson!({
                "_id": id(4, number), "question_id": question,
                "answer": if seen { given.answer.clone() } else { Bson::Null },
                "visited": seen && given.visited, "time_spent": if seen { given.time } else { 0 },
                "marked_for_review": seen && given.marked, "created_at": &created,
                "updated_at": iso(if seen { clock.max(attempt.created) } else { attempt.created }),
            })
        });
        let records: Vec<Bson> = records.collect();
        let end = attempt.ended.then(|| iso(attempt.updated));
        let spent = given.iter().take(attempt.questions).map(|it| f64::from(it.time)).sum::<f64>();
        doc! {
            "_id": id(3, u64::from(student) * 2 + attempt.number), "user_id": user_id(student),
            "quiz_id": Large::QUIZ_ID, "omr_mode": false, "created_at": created,
            "updated_at": DateTime::from_millis(attempt.updated * 1_000), "events": attempt.events.clone(),
            "has_quiz_ended": attempt.ended,
            "question_order": (0..i32::try_from(given.len()).unwrap_or_default()).collect::<Vec<_>>(),
            "metrics": Bson::Null, "is_first": attempt.created == started, "start_quiz_time": iso(started),
            "end_quiz_time": end, "total_time_spent": attempt.ended.then_some(spent), "time_limit_max": 10_800,
            "session_answers": records,
        }
    }
}

/// Users do not come in the order of their ids. The factor has no divisor in common with the modulus, so that
/// each has another.
fn user_id(student: u32) -> String {
    (20_000_000_000 + u64::from(student) * 387_420_489 % 1_000_000_000).to_string()
}

fn heartbeats(from: i64, until: i64) -> impl Iterator<Item = Bson> {
    let count = ((until - from) / HEARTBEAT).clamp(0, HEARTBEATS);
    (0..count).rev().map(move |back| event("dummy-event", until - back * HEARTBEAT))
}

fn event(kind: &str, at: i64) -> Bson {
    bson!({"event_type": kind, "created_at": iso(at), "updated_at": iso(at)})
}

/// As the Quiz Engine stores a time: without a zone, meaning UTC.
fn iso(second: i64) -> String {
    let at = Timestamp::UNIX_EPOCH.saturating_add(SignedDuration::from_secs(second)).unwrap_or_default();
    let text = format!("{at:.6}");
    text.trim_end_matches('Z').to_owned()
}
