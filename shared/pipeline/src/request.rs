use jiff::Timestamp;
use quiz_domain::{Quiz, TestSession};
use quiz_events::{SessionDescription, SessionTarget};

/// One test to sync, on behalf of all messages of a batch that ask for it.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionRequest {
    pub target: SessionTarget,
    /// The newest description that a message brought.
    pub description: Option<SessionDescription>,
    pub force: bool,
    /// How many messages ask for this test.
    pub messages: usize,
    /// The newest `completed_at` among them, by the senders' clocks: it measures lag.
    pub newest_completion: Option<Timestamp>,
}

impl SessionRequest {
    #[must_use]
    pub fn new(target: SessionTarget) -> Self {
        Self { target, description: None, force: false, messages: 0, newest_completion: None }
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
