//! The answers of 1,525 people to the 16 SAPA ability items (`data/sapa/README.md`), as one test session.
//!
//! The sample covers two properties of real data. One set holds all 16 questions, so the last six are stubs in the quiz
//! document. Every 11th person was interrupted and resumed, which leaves an older session document that never ended.

mod people;
mod quiz;
mod sessions;

use jiff::Timestamp;
use serde_json::{Value, json};

pub use people::PublishedOutcomes;

use crate::{SampleDocuments, SampleError};
use sessions::Sitting;

/// The id of the test session: the group `SAPA` and the quiz id.
pub const SESSION_ID: &str = "SAPA_5020a0d0f1e2d3c4b5000001";
/// The id of the quiz.
pub const QUIZ_ID: &str = "5020a0d0f1e2d3c4b5000001";
/// The number of participants, without the administrator.
pub const PARTICIPANTS: usize = 1525;
/// The user id of the administrator, whose attempt has every answer right.
pub const ADMINISTRATOR: &str = "test_admin";

/// Makes the quiz, its 16 questions, and the session documents of each person and of one administrator.
///
/// # Errors
/// [`SampleError`] where a bundled file was damaged before the build.
pub fn documents() -> Result<SampleDocuments, SampleError> {
    let mut sessions = vec![Sitting::for_administrator().document()];
    for (index, person) in people::read()?.into_iter().enumerate() {
        let sitting = Sitting::for_person(index, &person);
        sessions.extend(sitting.interrupted_document());
        sessions.push(sitting.document());
    }
    sessions.sort_by(|a, b| a.get_str("_id").ok().cmp(&b.get_str("_id").ok()));
    Ok(SampleDocuments { quizzes: vec![quiz::document()], questions: quiz::questions(), sessions })
}

/// Makes the completion event of each person, in the order of their times, as the Quiz Engine's backend publishes them.
///
/// # Errors
/// The same as for [`documents`].
pub fn completion_events() -> Result<Vec<Value>, SampleError> {
    let mut completions: Vec<(Timestamp, String)> = people::read()?
        .into_iter()
        .enumerate()
        .map(|(index, person)| (Sitting::for_person(index, &person).ended_at(), person.user_id))
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

/// The user ids of the participants, in the order of the data: `sapa-5`, `sapa-6`, …
///
/// # Errors
/// The same as for [`documents`].
pub fn users() -> Result<Vec<String>, SampleError> {
    Ok(people::read()?.into_iter().map(|person| person.user_id).collect())
}

/// The published scoring of each person's answers, in the order of the quiz.
///
/// # Errors
/// The same as for [`documents`].
pub fn published_outcomes() -> Result<Vec<PublishedOutcomes>, SampleError> {
    people::published()
}
