use crate::error::EventError;

/// DynamoDB takes up to 2,048 bytes of partition key; an id of a test session is far shorter.
const LONGEST: usize = 512;

/// A test session and the quiz that it schedules.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionTarget {
    pub session_id: String,
    pub quiz_id: String,
}

impl SessionTarget {
    /// # Errors
    /// Where the id is empty, too long or holds control characters, or names no quiz.
    pub fn new(session_id: &str, quiz_id: Option<&str>, field: &str) -> Result<Self, EventError> {
        let session_id = checked(session_id, field)?;
        let quiz_id = match quiz_id {
            Some(quiz_id) => checked(quiz_id, "quiz_id")?,
            None => quiz_id_of(&session_id)
                .ok_or_else(|| EventError::NoQuiz {
                    field: field.to_owned(),
                    session_id: session_id.clone(),
                })?
                .to_owned(),
        };
        Ok(Self { session_id, quiz_id })
    }
}

/// The quiz that a session's id ends in: the part after the last `_`, or the whole id, where that is
/// 24 hex digits.
#[must_use]
pub fn quiz_id_of(session_id: &str) -> Option<&str> {
    let last = session_id.rsplit('_').next()?;
    (last.len() == 24 && last.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(last)
}

fn checked(id: &str, field: &str) -> Result<String, EventError> {
    let invalid = |problem: String| Err(EventError::Invalid { field: field.to_owned(), problem });
    let id = id.trim();
    if id.is_empty() {
        return invalid("is empty".into());
    }
    if id.len() > LONGEST {
        return invalid(format!("has {} bytes; at most {LONGEST} are allowed", id.len()));
    }
    if id.chars().any(char::is_control) {
        return invalid("holds a control character".into());
    }
    Ok(id.to_owned())
}
