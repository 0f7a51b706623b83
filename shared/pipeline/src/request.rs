use jiff::Timestamp;
use quiz_domain::{Quiz, TestSession};
use quiz_events::{SessionDescription, SessionTarget};

/// The request to sync one test session, for all messages of a batch that name it.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionRequest {
    pub target: SessionTarget,
    /// The newest description in a message.
    pub description: Option<SessionDescription>,
    /// When the message with that description was sent.
    pub described_at: Option<Timestamp>,
    pub force: bool,
    /// The backfill, if all messages belong to the same one.
    pub backfill_id: Option<String>,
    /// How many messages name this test session.
    pub messages: usize,
    /// When the newest message was sent, by the queue's clock, or when an attempt of a completion was written, if later.
    pub requested_at: Option<Timestamp>,
    /// The newest `completed_at` of the messages, by the senders' clocks; only for measuring lag.
    pub newest_completion: Option<Timestamp>,
    /// The greatest depth of the follow-ups among the messages.
    pub follow_up_depth: u32,
}

impl SessionRequest {
    #[must_use]
    pub fn new(target: SessionTarget) -> Self {
        Self {
            target,
            description: None,
            described_at: None,
            force: false,
            backfill_id: None,
            messages: 0,
            requested_at: None,
            newest_completion: None,
            follow_up_depth: 0,
        }
    }

    pub(crate) fn session(&self, quiz: &Quiz) -> TestSession {
        let description = self.description.clone().unwrap_or_default();
        TestSession {
            session_id: self.target.session_id.clone(),
            quiz_id: quiz.id.clone(),
            test_name: description.test_name,
            group: description.group,
            batch: description.batch,
            stream: description.stream,
            course: description.course,
            grade: description.grade,
            school: description.school,
            start: description.start_time,
            end: description.end_time,
        }
    }
}
