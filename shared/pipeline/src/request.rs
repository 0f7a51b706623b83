use jiff::Timestamp;
use quiz_domain::{Quiz, TestSession};
use quiz_events::{SessionDescription, SessionTarget};

/// One test to sync, on behalf of all messages of a batch that ask for it.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionRequest {
    pub target: SessionTarget,
    /// The newest description that a message brought.
    pub description: Option<SessionDescription>,
    /// When the newest message that brought one was sent.
    pub described_at: Option<Timestamp>,
    pub force: bool,
    /// The one backfill that all of the messages are of.
    pub backfill_id: Option<String>,
    /// How many messages ask for this test.
    pub messages: usize,
    /// When the newest of them was sent, by the queue's clock, or an attempt that they name was written, if later.
    pub asked_at: Option<Timestamp>,
    /// The newest `completed_at` among them, by the senders' clocks: it measures lag.
    pub newest_completion: Option<Timestamp>,
    /// The greatest depth of the follow-ups among them.
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
            asked_at: None,
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
