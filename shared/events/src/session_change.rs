//! Messages of quiz-creator and the LMS about a test session that changed in db-service, recognized by their `action`.

use serde_json::{Map, Value};

use crate::error::EventError;
use crate::event::{invalid, shortened};

/// A message that a test session changed in db-service. It requests no sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionChange {
    pub action: ChangeAction,
    /// The row of the test session in db-service (`session.id`), not the `session_id` of events.
    pub db_id: u64,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeAction {
    /// The test session was created.
    DbId,
    /// The quiz is made again, so its keys may change.
    RegenerateQuiz,
    /// The description changed.
    Patch,
}

impl ChangeAction {
    const ALL: [Self; 3] = [Self::DbId, Self::RegenerateQuiz, Self::Patch];

    /// The `action` of the message.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DbId => "db_id",
            Self::RegenerateQuiz => "regenerate_quiz",
            Self::Patch => "patch",
        }
    }
}

impl SessionChange {
    /// Reads `action` and `id`; other fields are ignored.
    pub(crate) fn read(fields: &Map<String, Value>) -> Result<Self, EventError> {
        let named = fields.get("action").and_then(Value::as_str);
        let action = ChangeAction::ALL.into_iter().find(|action| Some(action.as_str()) == named);
        let unknown = || not_wanted("action", "db_id, regenerate_quiz or patch", fields.get("action"));
        let action = action.ok_or_else(unknown)?;
        let db_id = match fields.get("id") {
            None | Some(Value::Null) => return Err(EventError::Missing { field: "id" }),
            Some(Value::String(id)) => id.trim().parse().ok(),
            Some(id) => id.as_u64(),
        };
        let db_id = db_id.ok_or_else(|| not_wanted("id", "a whole number from 0", fields.get("id")))?;
        Ok(Self { action, db_id })
    }
}

fn not_wanted(field: &str, wanted: &str, given: Option<&Value>) -> EventError {
    let given = given.map(ToString::to_string).unwrap_or_default();
    invalid(field, &format!("must be {wanted}, but is {}", shortened(&given)))
}
