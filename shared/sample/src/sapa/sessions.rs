use bson::{Bson, Document, doc};
use jiff::{SignedDuration, Timestamp};

use super::people::Person;
use super::quiz::{ITEMS, QUESTIONS, question_id};
use super::{ADMINISTRATOR, QUIZ_ID};

/// 2012-08-08T03:30:00Z, nine in the morning in India.
const FIRST_START: i64 = 1_344_396_600;
/// Seconds between the starts of two persons. The last person starts at 2012-08-31T01:50:00Z.
const START_INTERVAL: i64 = 1300;
/// One person in so many was interrupted.
const INTERRUPTED_EVERY: usize = 11;
/// The Quiz Engine shuffles the questions in groups of this size.
const SHUFFLE_GROUP: usize = 10;

/// One person's attempt. The data set has no times, so they follow from the person's position in it.
pub(super) struct Sitting {
    /// The person's number from 1; 0 for the administrator. It makes ids unique.
    number: usize,
    user_id: String,
    chosen: [Option<i32>; QUESTIONS],
    started: Timestamp,
    /// How many questions, in the order shown, the person had seen at the interruption.
    interrupted_after: Option<usize>,
}

impl Sitting {
    pub(super) fn for_administrator() -> Self {
        Self {
            number: 0,
            user_id: ADMINISTRATOR.to_owned(),
            chosen: ITEMS.map(|item| Some(item.answer())),
            started: at(FIRST_START - 1800),
            interrupted_after: None,
        }
    }

    pub(super) fn for_person(index: usize, person: &Person) -> Self {
        let place = i64::try_from(index).unwrap_or_default();
        let is_interrupted = index % INTERRUPTED_EVERY == INTERRUPTED_EVERY - 1;
        Self {
            number: index + 1,
            user_id: person.user_id.clone(),
            chosen: person.chosen,
            started: at(FIRST_START + place * START_INTERVAL),
            interrupted_after: is_interrupted.then_some(1 + index / INTERRUPTED_EVERY % (QUESTIONS - 1)),
        }
    }

    /// The position in the quiz of each question, in the order shown.
    fn order(&self) -> Vec<usize> {
        let rotate = |start: usize, len: usize| (0..len).map(move |at| start + (at + self.number) % len);
        rotate(0, SHUFFLE_GROUP).chain(rotate(SHUFFLE_GROUP, QUESTIONS - SHUFFLE_GROUP)).collect()
    }

    /// Seconds spent on the question at a position: 12 to 51.
    fn time_spent(&self, position: usize) -> i32 {
        12 + i32::try_from((self.number * 31 + position * 17) % 40).unwrap_or_default()
    }

    /// Seconds spent on the first `shown` questions.
    fn time_until(&self, shown: usize) -> i32 {
        self.order().into_iter().take(shown).map(|position| self.time_spent(position)).sum()
    }

    fn interrupted_at(&self) -> Option<Timestamp> {
        self.interrupted_after.map(|shown| after(self.started, self.time_until(shown)))
    }

    /// The time at which the person resumed: 5 minutes after the interruption.
    fn resumed_at(&self) -> Option<Timestamp> {
        self.interrupted_at().map(|at| after(at, 300))
    }

    pub(super) fn ended_at(&self) -> Timestamp {
        let rest = self.time_until(QUESTIONS) - self.time_until(self.interrupted_after.unwrap_or_default());
        after(self.resumed_at().unwrap_or(self.started), rest)
    }

    /// The session document up to the interruption; `None` for a person without one.
    pub(super) fn interrupted_document(&self) -> Option<Document> {
        let (shown, stopped) = (self.interrupted_after?, self.interrupted_at()?);
        Some(doc! {
            "_id": self.id(self.started, 0),
            "user_id": &self.user_id,
            "quiz_id": QUIZ_ID,
            "omr_mode": false,
            "created_at": iso(self.started),
            "updated_at": date(stopped),
            "events": [event("start-quiz", self.started), event_until("dummy-event", self.started, stopped)],
            "has_quiz_ended": false,
            "question_order": self.question_order(),
            "metrics": Bson::Null,
            "is_first": true,
            "start_quiz_time": iso(self.started),
            "end_quiz_time": Bson::Null,
            "total_time_spent": Bson::Null,
            "time_limit_max": Bson::Null,
            "session_answers": self.answers(self.started, 0, shown),
        })
    }

    /// The session document in which the person ended the attempt.
    pub(super) fn document(&self) -> Document {
        let ended = self.ended_at();
        let resumed = self.interrupted_at().zip(self.resumed_at());
        let created = resumed.map_or(self.started, |(_, resumed)| resumed);
        let mut events = vec![event("start-quiz", self.started)];
        if let Some((stopped, resumed)) = resumed {
            events.push(event_until("dummy-event", self.started, stopped));
            events.push(event("resume-quiz", resumed));
        }
        events.push(event_until("dummy-event", created, ended));
        events.push(event("end-quiz", ended));
        doc! {
            "_id": self.id(created, resumed.map_or(0, |_| 1)),
            "user_id": &self.user_id,
            "quiz_id": QUIZ_ID,
            "omr_mode": false,
            "created_at": iso(created),
            "updated_at": date(ended),
            "events": events,
            "has_quiz_ended": true,
            "question_order": self.question_order(),
            "metrics": Bson::Null,
            "is_first": resumed.is_none(),
            "start_quiz_time": iso(self.started),
            "end_quiz_time": iso(ended),
            "total_time_spent": f64::from(self.time_until(QUESTIONS)),
            "time_limit_max": Bson::Null,
            "session_answers": self.answers(created, resumed.map_or(0, |_| 1), QUESTIONS),
        }
    }

    fn question_order(&self) -> Vec<Bson> {
        self.order().into_iter().filter_map(|at| i32::try_from(at).ok()).map(Bson::Int32).collect()
    }

    /// The answer records in the order of the quiz. Only the first `shown` questions have answers.
    fn answers(&self, created: Timestamp, document: usize, shown: usize) -> Vec<Bson> {
        let seen: Vec<usize> = self.order().into_iter().take(shown).collect();
        let record = |(position, chosen): (usize, &Option<i32>)| {
            let visited = seen.contains(&position);
            let answer = chosen.filter(|_| visited).map_or(Bson::Null, |chosen| Bson::from(vec![chosen]));
            let time_spent = if visited { Bson::Int32(self.time_spent(position)) } else { Bson::Null };
            doc! {
                "_id": self.id(created, (document + 1) * 0x20 + position),
                "question_id": question_id(position),
                "answer": answer,
                "visited": visited,
                "time_spent": time_spent,
                "marked_for_review": false,
                "created_at": iso(created),
                "updated_at": iso(created),
            }
        };
        self.chosen.iter().enumerate().map(record).map(Bson::Document).collect()
    }

    /// Makes an id like an `ObjectId`: the second, the process, a counter.
    fn id(&self, made: Timestamp, serial: usize) -> String {
        format!("{:08x}f1e2d3c4b5{:06x}", made.as_second(), (self.number + 1) * 0x100 + serial)
    }
}

fn event(kind: &str, at: Timestamp) -> Bson {
    event_until(kind, at, at)
}

/// An event that the player updates until `until`.
fn event_until(kind: &str, from: Timestamp, until: Timestamp) -> Bson {
    doc! { "event_type": kind, "created_at": iso(from), "updated_at": iso(until) }.into()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or_default()
}

fn after(instant: Timestamp, seconds: i32) -> Timestamp {
    instant.checked_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(instant)
}

/// Writes a time as Python's `isoformat` does: in UTC, without a zone.
fn iso(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn date(instant: Timestamp) -> Bson {
    bson::DateTime::from_millis(instant.as_millisecond()).into()
}
