use jiff::Timestamp;

/// One scheduled test: its id, and what is known of it beside the quiz.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestSession {
    pub session_id: String,
    pub quiz_id: String,
    pub test_name: Option<String>,
    pub group: Option<String>,
    pub batch: Option<String>,
    pub stream: Option<String>,
    pub course: Option<String>,
    pub grade: Option<String>,
    pub school: Option<String>,
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
}

impl TestSession {
    /// The group named by the session, else the one that its id begins with: `{group}_{quiz id}`.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref().or_else(|| {
            let prefix = self.session_id.strip_suffix(&self.quiz_id)?.strip_suffix('_')?;
            (!prefix.is_empty()).then_some(prefix)
        })
    }
}
