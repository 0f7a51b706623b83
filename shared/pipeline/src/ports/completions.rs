use jiff::Timestamp;

/// When a quiz's newest session document was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAnswer {
    pub quiz_id: String,
    pub at: Timestamp,
}

/// A quiz that users have completed within a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedQuiz {
    pub quiz_id: String,
    pub students: u64,
    /// When the newest of their ended session documents was written.
    pub newest: Timestamp,
}
