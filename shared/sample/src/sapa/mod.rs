//! 1,525 people's answers to the 16 SAPA ability items (`data/sapa/README.md`), as one test of the
//! Quiz Engine.
//!
//! One set holds all 16 questions, so that the quiz document has the last six as stubs only. Every
//! 11th person was interrupted and resumed, which leaves an older session document that has not ended.

mod people;
mod quiz;
mod sessions;

use jiff::Timestamp;
use serde_json::{Value, json};

pub use people::PublishedOutcomes;

use crate::{SampleDocuments, SampleError};
use sessions::Sitting;

/// The test session: its quiz's id after its group's name.
pub const SESSION_ID: &str = "SAPA_5020a0d0f1e2d3c4b5000001";
pub const QUIZ_ID: &str = "5020a0d0f1e2d3c4b5000001";
/// How many people took the test; the administrator is none of them.
pub const TAKERS: usize = 1525;
/// Whose session has every answer right.
pub const ADMINISTRATOR: &str = "test_admin";

/// One quiz, its 16 questions, and the session documents of every person and of one administrator.
///
/// # Errors
/// [`SampleError`] where the bundled files are not what they were; with those of the release, never.
pub fn documents() -> Result<SampleDocuments, SampleError> {
    let mut sessions = vec![Sitting::of_administrator().document()];
    for (index, person) in people::read()?.into_iter().enumerate() {
        let sitting = Sitting::of_person(index, &person);
        sessions.extend(sitting.interrupted_document());
        sessions.push(sitting.document());
    }
    sessions.sort_by(|a, b| a.get_str("_id").ok().cmp(&b.get_str("_id").ok()));
    Ok(SampleDocuments { quizzes: vec![quiz::document()], questions: quiz::questions(), sessions })
}

/// The event that the quiz backend publishes when each person completes the test, in that order.
///
/// # Errors
/// As [`documents`].
pub fn completion_events() -> Result<Vec<Value>, SampleError> {
    let mut completions: Vec<(Timestamp, String)> = people::read()?
        .into_iter()
        .enumerate()
        .map(|(index, person)| (Sitting::of_person(index, &person).ended_at(), person.user_id))
        .collect();
    completions.sort();
    let event = |(completed_at, user_id): (Timestamp, String)| {
        json!({
            "type": "quiz.completed",
            "session_id": SESSION_ID,
            "quiz_id": QUIZ_ID,
            "user_id": user_id,
            "completed_at": completed_at.to_string(),
        })
    };
    Ok(completions.into_iter().map(event).collect())
}

/// The ids of those who took the test, in the order of the data: `sapa-5`, `sapa-6`, …
///
/// # Errors
/// As [`documents`].
pub fn users() -> Result<Vec<String>, SampleError> {
    Ok(people::read()?.into_iter().map(|person| person.user_id).collect())
}

/// The published scoring: for each person, whether each answer is right, in the order of the quiz.
///
/// # Errors
/// As [`documents`].
pub fn published_outcomes() -> Result<Vec<PublishedOutcomes>, SampleError> {
    people::published()
}
