use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::EventError;
use crate::foreign::Foreign;
use crate::session_change::SessionChange;
use crate::session_clock::{self, SessionClock};
use crate::session_id::SessionTarget;

/// The most test sessions in one event, so that one invocation can sync them.
const MOST_SESSIONS: usize = 100;

/// A published event, which [`parse`] reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    QuizCompleted(Completion),
    SessionSync(SyncRequest),
    /// A message of quiz-creator or the LMS.
    SessionChanged(SessionChange),
}

/// A student completed a quiz.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    pub target: SessionTarget,
    /// The student; the event is retried until an attempt of this student has ended.
    pub user_id: Option<String>,
    /// By the sender's clock; only for measuring lag.
    pub completed_at: Timestamp,
}

/// A request to sync test sessions, sent by reconcile, the command or an operator.
///
/// # Examples
///
/// ```
/// use quiz_events::{Event, SessionTarget, SyncRequest, parse};
/// use serde_json::json;
///
/// let target = SessionTarget::new("Group_6715f621e1eb083bfa9b56cc", None, "session_id")?;
/// let request = SyncRequest { targets: vec![target], force: true, ..SyncRequest::default() };
/// let json = json!({"type": "session.sync", "session_id": "Group_6715f621e1eb083bfa9b56cc",
///                   "quiz_id": "6715f621e1eb083bfa9b56cc", "force": true});
/// assert_eq!(request.to_json(), json);
/// assert_eq!(parse(&json.to_string(), None)?, Event::SessionSync(request));
/// # Ok::<(), quiz_events::EventError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncRequest {
    /// 1 to 100 test sessions.
    pub targets: Vec<SessionTarget>,
    /// Sync now, even if already up to date, and rewrite unchanged items.
    pub force: bool,
    pub reason: Option<String>,
    pub requested_by: Option<String>,
    /// The backfill that sent the request, and reports its test sessions itself.
    pub backfill_id: Option<String>,
    pub session: Option<Box<SessionDescription>>,
    /// The number of follow-ups in a row, each sent by the sync of the one before.
    pub follow_up_depth: Option<u32>,
}

impl SyncRequest {
    /// The event's `type`.
    pub const TYPE: &str = "session.sync";

    /// The request as published JSON, which [`parse`] reads.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut fields = Map::from_iter([("type".to_owned(), Value::from(Self::TYPE))]);
        let mut add = |name: &str, value: Option<Value>| {
            fields.extend(value.map(|value| (name.to_owned(), value)));
        };
        match &self.targets[..] {
            [target] => add("session_id", Some(target.session_id.clone().into())),
            targets => {
                add("session_ids", Some(targets.iter().map(|target| target.session_id.as_str()).collect()));
            }
        }
        // test sessions of different quizzes name their quiz in their ids
        let quiz_id = self.targets.first().map(|first| &first.quiz_id);
        let shared = quiz_id.filter(|quiz_id| self.targets.iter().all(|target| target.quiz_id == **quiz_id));
        add("quiz_id", shared.cloned().map(Value::from));
        add("force", self.force.then_some(true.into()));
        add("reason", self.reason.clone().map(Value::from));
        add("requested_by", self.requested_by.clone().map(Value::from));
        add("backfill_id", self.backfill_id.clone().map(Value::from));
        add("follow_up_depth", self.follow_up_depth.map(Value::from));
        add(
            "session",
            self.session.as_deref().and_then(|session| serde_json::to_value(session).ok()).map(with_offsets),
        );
        Value::Object(fields)
    }
}

/// The description of a test session, as its sender knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionDescription {
    pub test_name: Option<String>,
    pub group: Option<String>,
    pub batch: Option<String>,
    pub stream: Option<String>,
    pub course: Option<String>,
    pub grade: Option<String>,
    pub school: Option<String>,
    pub start_time: Option<Timestamp>,
    pub end_time: Option<Timestamp>,
}

impl Event {
    /// The test sessions that the event is about; none if it requests no sync.
    #[must_use]
    pub fn targets(&self) -> &[SessionTarget] {
        match self {
            Self::QuizCompleted(completion) => std::slice::from_ref(&completion.target),
            Self::SessionSync(request) => &request.targets,
            Self::SessionChanged(_) => &[],
        }
    }

    /// The backfill that sent the event, if one did.
    #[must_use]
    pub fn backfill_id(&self) -> Option<&str> {
        match self {
            Self::QuizCompleted(_) | Self::SessionChanged(_) => None,
            Self::SessionSync(request) => request.backfill_id.as_deref(),
        }
    }

    /// The description in the event, if it has one.
    #[must_use]
    pub fn session(&self) -> Option<&SessionDescription> {
        match self {
            Self::QuizCompleted(_) | Self::SessionChanged(_) => None,
            Self::SessionSync(request) => request.session.as_deref(),
        }
    }
}

/// Parses a published event: a JSON object whose `type` (or `event`) is `quiz.completed` or `session.sync`, or the bare id
/// of a test session. An object without a type has the type of `type_attribute` (the message attribute `type`), or else
/// `session.sync`. Unknown fields and null fields are ignored. An object that was encoded twice, as a JSON text, is decoded
/// once more. EventBridge's envelope is unwrapped: its `detail` is the event. An object with an `action`, and without a type
/// and a session id, is a message of quiz-creator or the LMS.
///
/// # Errors
/// [`EventError`] names the problem and its field, or the service that sent the message.
///
/// # Examples
///
/// ```
/// use quiz_events::{Event, parse};
///
/// // an operator may send the bare id of a test session
/// let Event::SessionSync(request) = parse("Group_6715f621e1eb083bfa9b56cc", None)? else { panic!("an id is a request") };
/// assert_eq!(request.targets.len(), 1);
///
/// let error = |text: &str| parse(text, None).unwrap_err();
/// assert_eq!(error(r#"{"type": "quiz.started"}"#).code(), "unknown_event_type");
/// let late = r#"{"session_id": "Group_6715f621e1eb083bfa9b56cc", "session": {"end_time": "late"}}"#;
/// let problem = r#"`session.end_time` is no ISO time such as 2024-04-30T18:15:00Z: "late""#;
/// assert_eq!(error(late).to_string(), problem);
/// # Ok::<(), quiz_events::EventError>(())
/// ```
pub fn parse(message: &str, type_attribute: Option<&str>) -> Result<Event, EventError> {
    parse_by(SessionClock::default(), message, type_attribute)
}

/// Like [`parse`], with the clock by which the sender writes the times of a description.
///
/// # Errors
/// As for [`parse`].
pub fn parse_by(
    clock: SessionClock,
    message: &str,
    type_attribute: Option<&str>,
) -> Result<Event, EventError> {
    let message = message.trim().trim_start_matches('\u{feff}').trim();
    if message.is_empty() {
        return Err(EventError::Empty);
    }
    let fields = match serde_json::from_str(message) {
        Ok(Value::Object(fields)) => fields,
        Ok(Value::String(text)) => match serde_json::from_str(&text) {
            Ok(Value::Object(fields)) => fields,
            _ => return bare_id(&text),
        },
        Ok(other) => return bare_id(message).map_err(|_| EventError::NotAnObject(json_type(&other))),
        Err(error) if looks_like_json(message) => return Err(EventError::NotJson(error.to_string())),
        Err(_) => return bare_id(message),
    };
    let fields = match Foreign::detect(&fields) {
        None => Fields(fields),
        Some(Foreign::EventBridge { detail: Some(detail), .. }) if is_ours(&detail) => Fields(detail),
        Some(Foreign::EventBridge { detail_type, .. }) => {
            let kind = shortened(&detail_type);
            return Err(EventError::Foreign(format!(
                "an event of EventBridge ({kind}) with another `detail`"
            )));
        }
        Some(Foreign::Other(what)) => return Err(EventError::Foreign(what)),
    };
    let named = match fields.text("type")? {
        Some(name) => Some(name),
        None => fields.text("event")?,
    };
    match named.or(type_attribute.map(str::trim).filter(|name| !name.is_empty())) {
        None if fields.get("action").is_some() && !is_ours(&fields.0) => {
            SessionChange::read(&fields.0).map(Event::SessionChanged)
        }
        None | Some("session.sync") => fields.sync_request(clock).map(Event::SessionSync),
        Some("quiz.completed") => fields.completion().map(Event::QuizCompleted),
        Some(other) => Err(EventError::UnknownType(shortened(other))),
    }
}

/// Writes the times of a description with `+00:00` and not `Z`, because some senders write a `Z` after India's clock.
fn with_offsets(mut description: Value) -> Value {
    for field in ["start_time", "end_time"] {
        if let Some(Value::String(time)) = description.get_mut(field)
            && time.ends_with('Z')
        {
            time.truncate(time.len() - 1);
            time.push_str("+00:00");
        }
    }
    description
}

/// Whether the object has a field that each event of ours has.
fn is_ours(fields: &Map<String, Value>) -> bool {
    ["session_id", "session_ids"].iter().any(|name| fields.contains_key(*name))
}

fn bare_id(id: &str) -> Result<Event, EventError> {
    if id.contains(char::is_whitespace) {
        return Err(EventError::NotJson("it has white space in it".into()));
    }
    let target = SessionTarget::new(id, None, "session_id")?;
    Ok(Event::SessionSync(SyncRequest { targets: vec![target], ..SyncRequest::default() }))
}

fn looks_like_json(message: &str) -> bool {
    message.starts_with(['{', '[', '"'])
}

/// The fields of one JSON object; each reader names the field that is wrong.
struct Fields(Map<String, Value>);

impl Fields {
    fn sync_request(&self, clock: SessionClock) -> Result<SyncRequest, EventError> {
        let quiz_id = self.text("quiz_id")?;
        let targets = match (self.text("session_id")?, self.get("session_ids")) {
            (Some(id), None) => vec![SessionTarget::new(id, quiz_id, "session_id")?],
            (None, Some(Value::Array(ids))) => parse_ids(ids, quiz_id)?,
            (None, Some(other)) => return Err(unfit("session_ids", "a list of ids", other)),
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "session_ids",
                    "is given together with `session_id`; give only one of them",
                ));
            }
            (None, None) => return Err(EventError::NoSession),
        };
        // a `Z` in our own messages means UTC, in those of the release before as well
        let is_ours = ["backfill_id", "follow_up_depth"].into_iter().any(|field| self.get(field).is_some());
        let clock = if is_ours { SessionClock::Utc } else { clock };
        let session = match self.get("session") {
            None => None,
            Some(Value::Object(fields)) => Some(Box::new(Fields(fields.clone()).description(clock)?)),
            Some(other) => return Err(unfit("session", "an object", other)),
        };
        Ok(SyncRequest {
            targets,
            force: self.flag("force")?,
            reason: self.text("reason")?.map(str::to_owned),
            requested_by: self.text("requested_by")?.map(str::to_owned),
            backfill_id: self.text("backfill_id")?.map(str::to_owned),
            session,
            follow_up_depth: self.count("follow_up_depth")?,
        })
    }

    fn completion(&self) -> Result<Completion, EventError> {
        let session_id = self.text("session_id")?.ok_or(EventError::Missing { field: "session_id" })?;
        let completed_at = self.get("completed_at").ok_or(EventError::Missing { field: "completed_at" })?;
        Ok(Completion {
            target: SessionTarget::new(session_id, self.text("quiz_id")?, "session_id")?,
            user_id: self.text("user_id")?.map(str::to_owned),
            completed_at: time("completed_at", completed_at, |text| {
                session_clock::read(text, SignedDuration::ZERO)
            })?,
        })
    }

    fn description(&self, clock: SessionClock) -> Result<SessionDescription, EventError> {
        let text = |field: &str| {
            let text = self.text(field).map_err(|error| within("session", error))?;
            Ok(text.map(str::to_owned))
        };
        let time = |field: &str| {
            let read = |value| time(&format!("session.{field}"), value, |text| clock.read(text));
            self.get(field).filter(|value| value.as_str() != Some("")).map(read).transpose()
        };
        Ok(SessionDescription {
            test_name: text("test_name")?,
            group: text("group")?,
            batch: text("batch")?,
            stream: text("stream")?,
            course: text("course")?,
            grade: match self.get("grade") {
                Some(Value::Number(grade)) => Some(grade.to_string()),
                _ => text("grade")?,
            },
            school: text("school")?,
            start_time: time("start_time")?,
            end_time: time("end_time")?,
        })
    }

    fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    /// A text; an empty text counts as missing.
    fn text(&self, field: &str) -> Result<Option<&str>, EventError> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Some(other) => Err(unfit(field, "a text", other)),
        }
    }

    fn count(&self, field: &str) -> Result<Option<u32>, EventError> {
        let count = |value: &Value| value.as_u64().and_then(|count| u32::try_from(count).ok());
        let read = |value| count(value).ok_or_else(|| unfit(field, "a whole number from 0", value));
        self.get(field).map(read).transpose()
    }

    fn flag(&self, field: &str) -> Result<bool, EventError> {
        match self.get(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(unfit(field, "true or false", other)),
        }
    }
}

fn parse_ids(ids: &[Value], quiz_id: Option<&str>) -> Result<Vec<SessionTarget>, EventError> {
    if ids.is_empty() {
        return Err(invalid("session_ids", "is empty"));
    }
    if ids.len() > MOST_SESSIONS {
        let problem = format!("has {} ids; at most {MOST_SESSIONS} are allowed in one event", ids.len());
        return Err(invalid("session_ids", &problem));
    }
    let target = |(at, id): (usize, &Value)| {
        let field = format!("session_ids[{at}]");
        let text = id.as_str().ok_or_else(|| unfit(&field, "a text", id))?;
        SessionTarget::new(text, quiz_id, &field)
    };
    ids.iter().enumerate().map(target).collect()
}

fn time(
    field: &str,
    value: &Value,
    read: impl Fn(&str) -> Option<Timestamp>,
) -> Result<Timestamp, EventError> {
    let text = value.as_str().ok_or_else(|| unfit(field, "an ISO time", value))?.trim();
    read(text).ok_or_else(|| {
        let given = shortened(text);
        invalid(field, &format!("is no ISO time such as 2024-04-30T18:15:00Z: {given:?}"))
    })
}

fn unfit(field: &str, wanted: &str, given: &Value) -> EventError {
    invalid(field, &format!("must be {wanted}, but is {}", json_type(given)))
}

pub(crate) fn invalid(field: &str, problem: &str) -> EventError {
    EventError::Invalid { field: field.to_owned(), problem: problem.to_owned() }
}

fn within(object: &str, error: EventError) -> EventError {
    match error {
        EventError::Invalid { field, problem } => {
            EventError::Invalid { field: format!("{object}.{field}"), problem }
        }
        other => other,
    }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
