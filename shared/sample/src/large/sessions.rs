use bson::{Bson, DateTime, Document, bson, doc};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use super::answers::{SampleAnswer, draw_answers};
use super::quiz::SampleQuestion;
use super::{LargeAssessment, id};

/// 2023-09-12T04:30:00Z, ten in the morning in India.
const START: i64 = 1_694_493_000;
/// All students start within so many seconds.
const ARRIVAL_SECONDS: i64 = 600;
/// The player keeps the newest of its events.
const MAX_HEARTBEATS: i64 = 8;
/// The player adds an event in this interval.
const HEARTBEAT_SECONDS: i64 = 20;
/// The length of an interruption.
const PAUSE_SECONDS: i64 = 300;
/// One student in so many was interrupted and resumed.
const RESUMED_EVERY: u32 = 50;
/// One student in so many never ended.
const OPEN_EVERY: u32 = 200;

/// Makes the session documents of each student.
pub(super) struct SessionGenerator {
    large: LargeAssessment,
    questions: Vec<SampleQuestion>,
    ids: Vec<String>,
}

/// One document of a student: its times in seconds since 1970, and how far the student came.
struct Attempt {
    number: u64,
    created: i64,
    updated: i64,
    /// How many questions have an answer.
    questions: usize,
    ended: bool,
    events: Vec<Bson>,
}

impl SessionGenerator {
    pub fn new(large: LargeAssessment) -> Self {
        let questions = SampleQuestion::all(large.questions);
        let ids = questions.iter().map(SampleQuestion::id).collect();
        Self { large, questions, ids }
    }

    /// Makes the student's documents. The last one counts.
    pub fn documents(&self, student: u32) -> Vec<Document> {
        let mut rng =
            Rng::with_seed(self.large.seed.wrapping_mul(1_000_003).wrapping_add(u64::from(student)));
        let started = START + rng.i64(0..ARRIVAL_SECONDS);
        let answers = draw_answers(&self.questions, &mut rng);
        let spent = |questions: usize| {
            answers.iter().take(questions).map(|answer| i64::from(answer.time)).sum::<i64>()
        };
        let end = started + spent(answers.len());
        let ended = student % OPEN_EVERY != 11;
        let whole = |created, updated, events| Attempt {
            number: 1,
            created,
            updated,
            questions: answers.len(),
            ended,
            events,
        };
        // most students have one document
        if student % RESUMED_EVERY != 7 {
            let mut events = vec![event("start-quiz", started)];
            events.extend(heartbeats(started, end));
            events.extend(ended.then(|| event("end-quiz", end)));
            return vec![self.document(student, &whole(started, end, events), started, &answers)];
        }
        // a student who resumed has one document up to the interruption, and one with everything
        let half = answers.len() / 2;
        let stopped = started + spent(half);
        let (resumed, end) = (stopped + PAUSE_SECONDS, end + PAUSE_SECONDS);
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
            self.document(student, &first, started, &answers),
            self.document(student, &whole(resumed, end, events), started, &answers),
        ]
    }

    fn document(&self, student: u32, attempt: &Attempt, started: i64, answers: &[SampleAnswer]) -> Document {
        let created = iso(attempt.created);
        let mut clock = started;
        let records = self.ids.iter().zip(answers).enumerate().map(|(at, (question, answer))| {
            let seen = at < attempt.questions;
            clock += i64::from(answer.time);
            let number = (u64::from(student) * self.ids.len() as u64 + at as u64) * 2 + attempt.number;
            bson!({
                "_id": id(4, number), "question_id": question,
                "answer": if seen { answer.answer.clone() } else { Bson::Null },
                "visited": seen && answer.visited, "time_spent": if seen { answer.time } else { 0 },
                "marked_for_review": seen && answer.marked, "created_at": &created,
                "updated_at": iso(if seen { clock.max(attempt.created) } else { attempt.created }),
            })
        });
        let records: Vec<Bson> = records.collect();
        let end = attempt.ended.then(|| iso(attempt.updated));
        let spent = answers.iter().take(attempt.questions).map(|answer| f64::from(answer.time)).sum::<f64>();
        doc! {
            "_id": id(3, u64::from(student) * 2 + attempt.number), "user_id": user_id(student),
            "quiz_id": LargeAssessment::QUIZ_ID, "omr_mode": false, "created_at": created,
            "updated_at": DateTime::from_millis(attempt.updated * 1_000), "events": attempt.events.clone(),
            "has_quiz_ended": attempt.ended,
            "question_order": (0..i32::try_from(answers.len()).unwrap_or_default()).collect::<Vec<_>>(),
            "metrics": Bson::Null, "is_first": attempt.created == started, "start_quiz_time": iso(started),
            "end_quiz_time": end, "total_time_spent": attempt.ended.then_some(spent), "time_limit_max": 10_800,
            "session_answers": records,
        }
    }
}

/// The user id of a student. Ids are not in the order of the students. The factor and the modulus have no common divisor,
/// so each id is unique.
fn user_id(student: u32) -> String {
    (20_000_000_000 + u64::from(student) * 387_420_489 % 1_000_000_000).to_string()
}

fn heartbeats(from: i64, until: i64) -> impl Iterator<Item = Bson> {
    let count = ((until - from) / HEARTBEAT_SECONDS).clamp(0, MAX_HEARTBEATS);
    (0..count).rev().map(move |back| event("dummy-event", until - back * HEARTBEAT_SECONDS))
}

fn event(kind: &str, at: i64) -> Bson {
    bson!({"event_type": kind, "created_at": iso(at), "updated_at": iso(at)})
}

/// Writes a time as the Quiz Engine stores it: in UTC, without a zone.
fn iso(second: i64) -> String {
    let at = Timestamp::UNIX_EPOCH.saturating_add(SignedDuration::from_secs(second)).unwrap_or_default();
    let text = format!("{at:.6}");
    text.trim_end_matches('Z').to_owned()
}
